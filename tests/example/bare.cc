// That a plugin may be written in C++: the headers compile, and the constant is exported under its name.
#include <upsink/sink.h>

struct upsink_sink {
    const upsink_view *view;
    const upsink_host *host;
};

static bool open_sink(upsink_sink **sink, const upsink_view *view, const upsink_host *host, upsink_error *)
{
    *sink = new upsink_sink{view, host};
    return true;
}

static const char *describe(const upsink_sink *sink)
{
    return sink->host && UPSINK_HAS(sink->host, stopping) ? sink->view->name : UPSINK_SLICE_LIT("cc").data;
}

static bool write_batch(upsink_sink *, upsink_batch *batch, upsink_error *)
{
    for (size_t i = 0; i < batch->count; i++)
        batch->results[i] = upsink_result{upsink_fence_judge(nullptr, batch->changes[i]), nullptr};
    return true;
}

static void close_sink(upsink_sink *sink)
{
    delete sink;
}

static const char *const schemes[] = {"cc", nullptr};

UPSINK_EXPORT const upsink_sink_type upsink_sink = {
    UPSINK_SINK_ABI,
    sizeof(upsink_sink_type),
    "cc",
    schemes,
    "in C++",
    nullptr,
    nullptr,
    0,
    1,
    open_sink,
    describe,
    nullptr,
    nullptr,
    write_batch,
    nullptr,
    nullptr,
    nullptr,
    close_sink,
};
