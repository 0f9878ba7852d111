/* A plugin that does nothing, of any name, ABI and size: cc -DNAME='"x"' -DABI=2 -DSIZE=8. */
#include <upsink/sink.h>

static bool open_sink(struct upsink_sink **sink, const struct upsink_view *view,
                      const struct upsink_host *host, struct upsink_error *err)
{
    (void)view;
    (void)host;
    *sink = NULL;
    return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_url", "this plugin opens nothing");
}

static const char *describe(const struct upsink_sink *sink)
{
    (void)sink;
    return NAME;
}

static bool prepare(struct upsink_sink *sink, const struct upsink_printer *plan, struct upsink_error *err)
{
    (void)sink;
    (void)plan;
    return upsink_fail(err, UPSINK_ERR_FATAL, "broken_invariant", "this plugin prepares nothing");
}

static bool write_batch(struct upsink_sink *sink, struct upsink_batch *batch, struct upsink_error *err)
{
    (void)sink;
    (void)batch;
    return upsink_fail(err, UPSINK_ERR_FATAL, "broken_invariant", "this plugin writes nothing");
}

static void end(struct upsink_sink *sink)
{
    (void)sink;
}

static const char *const schemes[] = {NAME, NULL};
static const struct upsink_option none[] = {{NULL, NULL, NULL, NULL}};

UPSINK_EXPORT const struct upsink_sink_type upsink_sink = {
    .abi = ABI,
    .size = SIZE,
    .name = NAME,
    .schemes = schemes,
    .summary = "for a test",
    .url_options = none,
    .settings = none,
    .open = open_sink,
    .describe = describe,
    .prepare = prepare,
    .write = write_batch,
    .abort = end,
    .close = end,
};
