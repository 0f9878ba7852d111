/* The statements of a batch. */
#include "mg_document.h"

#include "clock.h"
#include "mg_write.h"

enum { FILTER_MAX = 8 << 10 };

static void begin_statement(struct buf *out, size_t *whole, size_t *query)
{
    buf_clear(out);
    *whole = mg_open(out);
    *query = mg_open_named(out, MG_DOCUMENT, "q");
}

/* As a pipeline of one stage: a plain replacement must not have top-level fields that begin with $. */
static bool put_literal(struct upsink_sink *sink, struct buf *out, const struct upsink_change *change,
                        const struct upsink_fence *fence, struct upsink_error *err)
{
    bool dollar;
    size_t pipeline = mg_open_named(out, MG_ARRAY, "u"), stage = mg_open_named(out, MG_DOCUMENT, "0"),
           replace = mg_open_named(out, MG_DOCUMENT, "$replaceWith");
    mg_put_name(out, MG_DOCUMENT, "$literal");
    if (!mg_document_put(sink, out, change, fence, &dollar, err))
        return false;
    mg_close(out, replace);
    mg_close(out, stage);
    mg_close(out, pipeline);
    return true;
}

static bool put_replacement(struct upsink_sink *sink, struct buf *out, const struct upsink_change *change,
                            const struct upsink_fence *fence, struct upsink_error *err)
{
    bool dollar = false;
    size_t begin = out->len;
    mg_put_name(out, MG_DOCUMENT, "u");
    if (!mg_document_put(sink, out, change, fence, &dollar, err))
        return false;
    if (!dollar)
        return true;
    out->len = begin;
    return put_literal(sink, out, change, fence, err);
}

/* The last state stays; only what upsink says of it changes. */
static void put_soft_delete(struct upsink_sink *sink, struct buf *out, const struct mg_item *item,
                            const struct upsink_fence *fence)
{
    int32_t rest;
    size_t update = mg_open_named(out, MG_DOCUMENT, "u"), set = mg_open_named(out, MG_DOCUMENT, "$set");
    int64_t time = item->change->timestamp;
    const char *const names[] = {"version", "event_id", "change_id", "updated_at", "micros"};
    const bool kept[] = {fence->has_version, fence->event_id.data != NULL, fence->change_id.data != NULL,
                         time != -1, time != -1 && time % 1000 != 0};
    mg_put_date(out, "deleted_at", time == -1 ? clock_wall_us() / 1000 : mg_floor_ms(time, &rest));
    if (fence->has_version)
        mg_put_int64(out, "_upsink.version", fence->version);
    if (fence->event_id.data)
        mg_put_text(out, "_upsink.event_id", fence->event_id);
    if (fence->change_id.data)
        mg_put_text(out, "_upsink.change_id", fence->change_id);
    if (sink->view->several_topics)
        mg_put_text(out, "_upsink.topic", fence->topic);
    mg_put_int32(out, "_upsink.partition", fence->partition);
    mg_put_int64(out, "_upsink.offset", fence->offset);
    mg_put_int64(out, "_upsink.generation", fence->generation);
    if (time != -1) {
        mg_put_date(out, "_upsink.updated_at", mg_floor_ms(time, &rest));
        if (rest)
            mg_put_int32(out, "_upsink.micros", rest);
    }
    mg_put_bool(out, "_upsink.deleted", true);
    mg_close(out, set);
    set = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[32];
        if (kept[i])
            continue;
        if (!set)
            set = mg_open_named(out, MG_DOCUMENT, "$unset");
        snprintf(name, sizeof name, "_upsink.%s", names[i]);
        mg_put_bool(out, name, true);
    }
    if (set)
        mg_close(out, set);
    mg_close(out, update);
}

bool mg_build_row(struct mg_work *work, const struct mg_item *item, bool quick,
                  const struct upsink_fence *before, struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    struct buf *out = &sink->statement;
    struct upsink_fence fence = mg_fence_of(before, item->change);
    size_t whole, query;
    begin_statement(out, &whole, &query);
    if (quick)
        mg_filter_wins(sink, out, item->change);
    else
        mg_filter_as_read(sink, out, item->change->key, &item->row);
    mg_close(out, query);
    if (item->change->op == UPSINK_DELETE)
        put_soft_delete(sink, out, item, &fence);
    else if (!put_replacement(sink, out, item->change, &fence, err))
        return false;
    mg_put_bool(out, "upsert", item->change->op == UPSINK_UPSERT);
    mg_close(out, whole);
    /* The filter counts for a command's size as well. */
    return out->len <= MG_DOCUMENT_MAX + FILTER_MAX ||
           upsink_fail(err, UPSINK_ERR_RECORD, "value_too_large",
                       "the document and its key have %zu bytes together, more than MongoDB takes", out->len);
}

bool mg_build_side(struct mg_work *work, const struct mg_item *item, const struct upsink_fence *before,
                   struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    struct buf *out = &sink->statement;
    struct upsink_fence fence = mg_fence_of(before, item->change);
    size_t whole, part;
    begin_statement(out, &whole, &part);
    mg_filter_as_read(sink, out, item->change->key, &item->side);
    mg_close(out, part);
    part = mg_open_named(out, MG_DOCUMENT, "u");
    mg_put_text(out, "_id", item->change->key);
    mg_fence_put(sink, out, &fence, NULL);
    mg_close(out, part);
    mg_put_bool(out, "upsert", true);
    mg_close(out, whole);
    return !out->failed || mg_fail_memory(err);
}
