/* Commands out, answers in (Redis manual, "Redis serialization protocol specification", version 2). */
#include "rd_code.h"
#include "rd_sink.h"

#include "clock.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#define LONG_WAIT CLOCK_SECOND /* so long an answer may take even while the program is stopping */

enum { POLL_SLICE_MS = 200, READ_SIZE = 1 << 16, KEPT_BUFFER = 4 << 20 };

/* --- requests ---------------------------------------------------------------------------------------- */

static void put_head(struct buf *out, char kind, size_t number)
{
    char text[24];
    size_t at = sizeof text;
    text[--at] = '\n';
    text[--at] = '\r';
    do
        text[--at] = (char)('0' + number % 10);
    while (number /= 10);
    text[--at] = kind;
    buf_append(out, text + at, sizeof text - at);
}

void rd_begin(struct upsink_sink *sink, size_t arguments)
{
    put_head(&sink->out, '*', arguments);
}

void rd_put(struct buf *out, struct upsink_slice bytes)
{
    put_head(out, '$', bytes.len);
    buf_append(out, bytes.data, bytes.len);
    buf_append(out, "\r\n", 2);
}

void rd_arg(struct upsink_sink *sink, struct upsink_slice bytes)
{
    rd_put(&sink->out, bytes);
}

char *rd_put_room(struct buf *out, size_t size)
{
    put_head(out, '$', size);
    if (!buf_reserve(out, size + 2))
        return NULL;
    char *room = out->data + out->len;
    out->len += size;
    buf_append(out, "\r\n", 2);
    return room;
}

void rd_arg_text(struct upsink_sink *sink, const char *text)
{
    rd_arg(sink, upsink_slice_of(text));
}

void rd_arg_int64(struct upsink_sink *sink, int64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)number);
    rd_arg_text(sink, text);
}

void rd_command(struct upsink_sink *sink, const char *first, ...)
{
    va_list words, again;
    size_t count = 0;
    va_start(words, first);
    va_copy(again, words);
    for (const char *word = first; word; word = va_arg(words, const char *))
        count++;
    rd_begin(sink, count);
    for (const char *word = first; word; word = va_arg(again, const char *))
        rd_arg_text(sink, word);
    va_end(words);
    va_end(again);
}

/* --- errors ------------------------------------------------------------------------------------------ */

bool rd_fail_memory(struct upsink_error *err)
{
    return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory while talking to Redis");
}

bool rd_fail_reply(struct upsink_sink *sink, const redisReply *reply, const char *doing,
                   struct upsink_error *err)
{
    struct upsink_slice text = {reply->str, reply->len};
    struct rd_meaning meaning = rd_code_meaning(text);
    char word[32];
    rd_code_word(text, word, sizeof word);
    /* The name that led to a server that is no primary any more may lead to the new one. */
    if (meaning.cls == UPSINK_ERR_OUTAGE || meaning.cls == UPSINK_ERR_REFUSED)
        sink->broken = true;
    if (meaning.cls == UPSINK_ERR_TARGET_LOST)
        rd_forget_known(sink); /* the caller learns of it here */
    upsink_fail(err, meaning.cls, meaning.code, "can't %s: %s answers %s: %s", doing, sink->description,
                *word ? word : "with an error", meaning.hint);
    upsink_error_detail(err, "%s", word);
    return false;
}

bool rd_fail_form(struct upsink_sink *sink, const char *doing, struct upsink_error *err)
{
    sink->broken = true;
    return upsink_fail(err, UPSINK_ERR_UNKNOWN, "sink_error",
                       "can't %s: the answer of %s is not one of Redis'; is it behind a proxy?", doing,
                       sink->description);
}

static bool fail_lost(struct upsink_sink *sink, const char *doing, struct upsink_error *err)
{
    sink->broken = true;
    return upsink_fail(err, UPSINK_ERR_OUTAGE, "sink_unreachable", "can't %s: the connection to %s was lost",
                       doing, sink->description);
}

/* --- exchange ---------------------------------------------------------------------------------------- */

static bool give_up(struct upsink_sink *sink, const char *doing, struct upsink_error *err)
{
    int64_t waited = clock_monotonic_us() - sink->progress_at;
    bool stopping = waited >= LONG_WAIT && upsink_host_is_stopping(sink->host);
    if (waited < upsink_view_timeout_us(sink->view) && !stopping)
        return false;
    sink->broken = true;
    upsink_fail(err, UPSINK_ERR_OUTAGE, "sink_timeout", "can't %s: %s gave no answer for %lld ms%s", doing,
                sink->description, (long long)(waited / CLOCK_MS),
                stopping ? ", and the program is stopping" : "");
    return true;
}

static bool is_retried(ssize_t result)
{
    return result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

static bool push(struct upsink_sink *sink)
{
    const char *bytes = sink->out.data + sink->sent;
    size_t size = sink->out.len - sink->sent;
    ssize_t gone = sink->tls ? rd_tls_write(sink->tls, bytes, size)
                             : send(sink->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (gone < 0)
        return is_retried(gone);
    sink->sent += (size_t)gone;
    sink->progress_at = clock_monotonic_us();
    return true;
}

static bool pull(struct upsink_sink *sink)
{
    char bytes[READ_SIZE];
    /* What TLS has unpacked already is not seen by poll: it is taken until there is no more. */
    do {
        ssize_t got = sink->tls ? rd_tls_read(sink->tls, bytes, sizeof bytes)
                                : recv(sink->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got <= 0)
            return is_retried(got);
        sink->progress_at = clock_monotonic_us();
        if (redisReaderFeed(sink->reader, bytes, (size_t)got) != REDIS_OK)
            return false;
    } while (sink->tls);
    return true;
}

/* Waits until something moves, and lets it. */
static bool move(struct upsink_sink *sink, const char *doing, struct upsink_error *err)
{
    bool pending = sink->sent < sink->out.len;
    struct pollfd poller = {.fd = sink->fd, .events = (short)(POLLIN | (pending ? POLLOUT : 0))};
    int ready = poll(&poller, 1, POLL_SLICE_MS);
    if (ready < 0 && errno != EINTR)
        return fail_lost(sink, doing, err);
    if (ready <= 0)
        return !give_up(sink, doing, err);
    if ((poller.revents & POLLOUT) && pending && !push(sink))
        return fail_lost(sink, doing, err);
    return !(poller.revents & ~POLLOUT) || pull(sink) || fail_lost(sink, doing, err);
}

static void empty_out(struct buf *out)
{
    /* One large value must not cost its memory for ever. */
    if (out->capacity > KEPT_BUFFER)
        buf_destroy(out);
    buf_clear(out);
}

bool rd_send(struct upsink_sink *sink, const char *doing, struct upsink_error *err)
{
    if (sink->out.failed) {
        sink->broken = true;
        return rd_fail_memory(err);
    }
    if (sink->fd < 0 || sink->broken)
        return fail_lost(sink, doing, err);
    sink->progress_at = clock_monotonic_us();
    while (sink->sent < sink->out.len)
        if (!move(sink, doing, err))
            return false;
    sink->sent = 0;
    empty_out(&sink->out);
    return true;
}

redisReply *rd_next(struct upsink_sink *sink, const char *doing, struct upsink_error *err)
{
    void *reply = NULL;
    if ((sink->out.len > 0 || sink->broken) && !rd_send(sink, doing, err))
        return NULL;
    sink->progress_at = clock_monotonic_us();
    for (;;) {
        if (redisReaderGetReply(sink->reader, &reply) != REDIS_OK) {
            rd_fail_form(sink, doing, err);
            return NULL;
        }
        if (reply)
            return reply;
        if (!move(sink, doing, err))
            return NULL;
    }
}

redisReply *rd_answer(struct upsink_sink *sink, const char *doing, struct upsink_error *err)
{
    redisReply *reply = rd_next(sink, doing, err);
    if (reply && reply->type == REDIS_REPLY_ERROR) {
        rd_fail_reply(sink, reply, doing, err);
        rd_reply_free(&reply);
    }
    return reply;
}

struct upsink_slice rd_text(const redisReply *reply)
{
    bool is_text = reply && (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS);
    return is_text ? (struct upsink_slice){reply->str, reply->len} : UPSINK_SLICE_ABSENT;
}

const redisReply *rd_element(const redisReply *reply, size_t i)
{
    return reply && reply->type == REDIS_REPLY_ARRAY && i < reply->elements ? reply->element[i] : NULL;
}

void rd_reply_free(redisReply **reply)
{
    if (*reply)
        freeReplyObject(*reply);
    *reply = NULL;
}
