#include "mg_stream.h"

#include "clock.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#define LONG_WAIT CLOCK_SECOND /* so long an answer may take even while the program is stopping */

enum { OWN_TYPE = 1000 /* libmongoc's are small numbers */, POLL_SLICE_MS = 200 };

struct stream {
    mongoc_stream_t base; /* must be first: libmongoc knows the stream by it */
    mongoc_stream_t *inner;
    const struct upsink_host *host;
    bool asked; /* something was sent, and nothing of the answer was read yet */
};

static struct stream *own(mongoc_stream_t *stream)
{
    return (struct stream *)stream;
}

static bool is_stopping(const struct upsink_host *host)
{
    return host && host->stopping && host->stopping(host->context);
}

/* --- waiting ------------------------------------------------------------------------------------- */

/* Until there is something to read. Nothing of an answer is in a buffer yet, of TLS or of libmongoc's, so the
 * socket alone tells. */
static bool await_answer(struct stream *stream, int32_t timeout_ms)
{
    mongoc_stream_poll_t poller = {.stream = stream->inner, .events = POLLIN};
    int64_t begin = clock_monotonic_us();
    for (;;) {
        int64_t waited = clock_monotonic_us() - begin, left_ms = timeout_ms - waited / CLOCK_MS;
        if (left_ms <= 0 || (waited >= LONG_WAIT && is_stopping(stream->host))) {
            errno = ETIMEDOUT;
            return false;
        }
        ssize_t ready =
            mongoc_stream_poll(&poller, 1, (int32_t)(left_ms < POLL_SLICE_MS ? left_ms : POLL_SLICE_MS));
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR && errno != EAGAIN)
            return false;
    }
}

static ssize_t read_stream(mongoc_stream_t *stream, mongoc_iovec_t *parts, size_t count, size_t least,
                           int32_t timeout_ms)
{
    if (own(stream)->asked && least > 0 && timeout_ms > 0 && !await_answer(own(stream), timeout_ms))
        return -1;
    own(stream)->asked = false;
    return mongoc_stream_readv(own(stream)->inner, parts, count, least, timeout_ms);
}

static ssize_t write_stream(mongoc_stream_t *stream, mongoc_iovec_t *parts, size_t count, int32_t timeout_ms)
{
    own(stream)->asked = true;
    return mongoc_stream_writev(own(stream)->inner, parts, count, timeout_ms);
}

/* --- passed on as it is ------------------------------------------------------------------------------ */

static void destroy_stream(mongoc_stream_t *stream)
{
    mongoc_stream_destroy(own(stream)->inner);
    free(stream);
}

static void fail_stream(mongoc_stream_t *stream)
{
    mongoc_stream_failed(own(stream)->inner);
    free(stream);
}

static int close_stream(mongoc_stream_t *stream)
{
    return mongoc_stream_close(own(stream)->inner);
}

static int flush_stream(mongoc_stream_t *stream)
{
    return mongoc_stream_flush(own(stream)->inner);
}

static int set_option(mongoc_stream_t *stream, int level, int name, void *value, mongoc_socklen_t len)
{
    return mongoc_stream_setsockopt(own(stream)->inner, level, name, value, len);
}

/* By this libmongoc finds the socket to poll, and the layer of TLS. */
static mongoc_stream_t *get_inner(mongoc_stream_t *stream)
{
    return own(stream)->inner;
}

static bool is_closed(mongoc_stream_t *stream)
{
    return mongoc_stream_check_closed(own(stream)->inner);
}

static bool has_timed_out(mongoc_stream_t *stream)
{
    return mongoc_stream_timed_out(own(stream)->inner);
}

static bool should_retry(mongoc_stream_t *stream)
{
    return mongoc_stream_should_retry(own(stream)->inner);
}

/* --- opening ------------------------------------------------------------------------------------------ */

mongoc_stream_t *mg_stream_open(const mongoc_uri_t *uri, const mongoc_host_list_t *address, void *host,
                                bson_error_t *error)
{
    if (is_stopping(host)) {
        bson_set_error(error, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_CONNECT, "the program is stopping");
        return NULL;
    }
    mongoc_stream_t *inner = mongoc_client_default_stream_initiator(uri, address, NULL, error);
    struct stream *stream = inner ? calloc(1, sizeof *stream) : NULL;
    if (!stream) {
        if (inner)
            bson_set_error(error, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_CONNECT, "out of memory");
        mongoc_stream_destroy(inner);
        return NULL;
    }
    stream->base = (mongoc_stream_t){.type = OWN_TYPE,
                                     .destroy = destroy_stream,
                                     .close = close_stream,
                                     .flush = flush_stream,
                                     .writev = write_stream,
                                     .readv = read_stream,
                                     .setsockopt = set_option,
                                     .get_base_stream = get_inner,
                                     .check_closed = is_closed,
                                     .failed = fail_stream,
                                     .timed_out = has_timed_out,
                                     .should_retry = should_retry};
    stream->inner = inner;
    stream->host = host;
    return &stream->base;
}
