/* The sink stdout: every change as a line of JSON, for people who look and programs that read a pipe.
 *
 * It keeps nothing: no fence, no positions, so after a restart a change may be printed again. A line is
 * {"op":"upsert","key":"…","topic":"…","partition":0,"offset":0,"version":1,"event_id":"…","change_id":"…","entity":…}
 * where version and ids appear if the change has them, and the entity is the producer's own bytes, but for
 * line breaks between its tokens, which become spaces. */
#include "buf.h"
#include "sinks/sink.h"
#include "url.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { CHUNK = 65536 }; /* written out in the middle of a batch from this size on, to bound memory */

struct upsink_sink {
    struct buf text;
    bool in_line; /* a failed write left a line unfinished */
};

static void append_text(struct buf *out, const char *name, struct upsink_slice text)
{
    size_t plain = 0;
    if (!text.data)
        return;
    buf_printf(out, ",\"%s\":\"", name);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
            continue;
        buf_append(out, text.data + plain, i - plain);
        plain = i + 1;
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else
            buf_printf(out, "\\u%04x", c);
    }
    if (plain < text.len)
        buf_append(out, text.data + plain, text.len - plain);
    buf_append_byte(out, '"');
}

/* A raw line break in valid JSON can only stand between tokens: there a space means the same. */
static void append_entity(struct buf *out, struct upsink_slice entity)
{
    size_t begin = out->len;
    buf_append_text(out, ",\"entity\":");
    buf_append_slice(out, entity);
    for (char *c = out->failed ? NULL : out->data + begin; c && c < out->data + out->len; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
}

static void append_change(struct buf *out, const struct upsink_change *change)
{
    buf_append_text(out, change->op == UPSINK_UPSERT ? "{\"op\":\"upsert\"" : "{\"op\":\"delete\"");
    append_text(out, "key", change->key);
    append_text(out, "topic", change->topic);
    buf_printf(out, ",\"partition\":%d,\"offset\":%lld", (int)change->partition, (long long)change->offset);
    if (change->flags & UPSINK_HAS_VERSION)
        buf_printf(out, ",\"version\":%lld", (long long)change->version);
    append_text(out, "event_id", change->event_id);
    append_text(out, "change_id", change->change_id);
    if (change->op == UPSINK_UPSERT)
        append_entity(out, change->entity);
    buf_append_text(out, "}\n");
}

static bool fail_write(struct upsink_error *err)
{
    int reason = errno;
    if (reason == EPIPE || reason == EBADF)
        upsink_fail(err, UPSINK_ERR_FATAL, "stdout_closed", "nobody reads standard output any more");
    else
        upsink_fail(err, UPSINK_ERR_OUTAGE, "sink_io_error", "could not write to standard output: %s",
                    strerror(reason));
    upsink_error_detail(err, "errno %d", reason);
    return false;
}

static bool flush(struct upsink_sink *sink, struct upsink_error *err)
{
    size_t done = 0;
    bool good = true;
    if (sink->text.failed)
        return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory");
    while (good && done < sink->text.len) {
        ssize_t len = write(STDOUT_FILENO, sink->text.data + done, sink->text.len - done);
        if (len >= 0)
            done += (size_t)len;
        else if (errno == EAGAIN)
            poll(&(struct pollfd){STDOUT_FILENO, POLLOUT, 0}, 1, -1);
        else if (errno != EINTR)
            good = fail_write(err);
    }
    if (done)
        sink->in_line = sink->text.data[done - 1] != '\n';
    buf_clear(&sink->text);
    return good;
}

static bool open_sink(struct upsink_sink **sink, const struct upsink_view *view,
                      const struct upsink_host *host, struct upsink_error *err)
{
    struct url url;
    (void)host;
    *sink = NULL;
    if (!url_parse(&url, view->url, err))
        return false;
    bool plain =
        (!*url.path || strcmp(url.path, "-") == 0) && !url.parameter_count && !(url.host && *url.host);
    url_clear(&url);
    if (!plain)
        return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_url", "stdout: takes neither a path nor options");
    if (view->target)
        return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_target", "stdout: has no tables; leave `table` out");
    if (view->setting_count)
        return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_setting", "stdout has no setting %s",
                           view->settings[0].name);
    *sink = calloc(1, sizeof **sink);
    if (!*sink)
        return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory");
    return true;
}

static const char *describe_sink(const struct upsink_sink *sink)
{
    (void)sink;
    return "stdout";
}

/* A reader that goes away is an error to be told, not the end of the process. */
static bool prepare(struct upsink_sink *sink, const struct upsink_printer *plan, struct upsink_error *err)
{
    struct sigaction action;
    (void)sink;
    (void)err;
    if (!plan && sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
    return true;
}

static bool write_batch(struct upsink_sink *sink, struct upsink_batch *batch, struct upsink_error *err)
{
    if (sink->in_line)
        buf_append_byte(&sink->text, '\n');
    for (size_t i = 0; i < batch->count; i++) {
        append_change(&sink->text, batch->changes[i]);
        batch->results[i] = (struct upsink_result){UPSINK_APPLIED, NULL};
        if (sink->text.len >= CHUNK && !flush(sink, err))
            return false;
    }
    return flush(sink, err);
}

static void forget(struct upsink_sink *sink)
{
    buf_clear(&sink->text);
}

static void close_sink(struct upsink_sink *sink)
{
    if (sink)
        buf_destroy(&sink->text);
    free(sink);
}

static const char *const schemes[] = {"stdout", NULL};
static const struct upsink_option none[] = {{NULL, NULL, NULL, NULL}};

UPSINK_EXPORT const struct upsink_sink_type upsink_sink = {
    .abi = UPSINK_SINK_ABI,
    .size = sizeof(struct upsink_sink_type),
    .name = "stdout",
    .schemes = schemes,
    .summary = "changes as lines of JSON on standard output: stdout:",
    .url_options = none,
    .settings = none,
    .max_writers = 1,
    .open = open_sink,
    .describe = describe_sink,
    .prepare = prepare,
    .write = write_batch,
    .abort = forget,
    .close = close_sink,
};
