/* The statements of a batch. */
#include "mg_document.h"

#include "clock.h"
#include "mg_write.h"
#include "sinks/fence_pair.h"

enum { FILTER_MAX = 8 << 10 };

static void begin_statement(struct buf *out, size_t *whole, size_t *query)
{
    buf_clear(out);
    *whole = mg_open(out);
    *query = mg_open_named(out, MG_DOCUMENT, "q");
}

static void put_equal(struct buf *out, uint32_t *index, const char *field, int64_t value)
{
    mg_put_index(out, MG_DOCUMENT, (*index)++);
    size_t one = mg_open(out), pair = mg_open_named(out, MG_ARRAY, "$eq");
    mg_put_text(out, "0", upsink_slice_of(field));
    mg_put_int64(out, "1", value);
    mg_close(out, pair);
    mg_close(out, one);
}

static void put_equal_text(struct buf *out, uint32_t *index, const char *field, struct upsink_slice text)
{
    mg_put_index(out, MG_DOCUMENT, (*index)++);
    size_t one = mg_open(out), pair = mg_open_named(out, MG_ARRAY, "$eq"), literal;
    mg_put_text(out, "0", upsink_slice_of(field));
    literal = mg_open_named(out, MG_DOCUMENT, "1");
    mg_put_text(out, "$literal", text); /* a text that begins with $ would be a field */
    mg_close(out, literal);
    mg_close(out, pair);
    mg_close(out, one);
}

/* The row is the one that was read. */
static void put_condition(const struct upsink_sink *sink, struct buf *out, const struct mg_known *row)
{
    uint32_t index = 0;
    size_t condition = mg_open_named(out, MG_DOCUMENT, "0"), all = mg_open_named(out, MG_ARRAY, "$and");
    if (row->has_fence) {
        put_equal(out, &index, "$_upsink.offset", row->fence.offset);
        put_equal(out, &index, "$_upsink.generation", row->fence.generation);
        put_equal(out, &index, "$_upsink.partition", row->fence.partition);
        if (sink->view->several_topics)
            put_equal_text(out, &index, "$_upsink.topic", row->fence.topic);
    }
    mg_close(out, all);
    mg_close(out, condition);
}

/* [{$replaceWith: {$cond: [<as read>, {$literal: <document>}, "$$ROOT"]}}]. With nothing but _id in the query
 * the server makes no plan, which costs more than the expression; and a pipeline may bring field names that
 * begin with $. */
static bool put_replacement(struct upsink_sink *sink, struct buf *out, const struct mg_item *item,
                            const struct upsink_fence *fence, struct upsink_error *err)
{
    size_t pipeline = mg_open_named(out, MG_ARRAY, "u"), stage = mg_open_named(out, MG_DOCUMENT, "0"),
           replace = mg_open_named(out, MG_DOCUMENT, "$replaceWith"),
           choice = mg_open_named(out, MG_ARRAY, "$cond"), literal;
    put_condition(sink, out, &item->row);
    literal = mg_open_named(out, MG_DOCUMENT, "1");
    mg_put_name(out, MG_DOCUMENT, "$literal");
    if (!mg_document_put(sink, out, item->change, fence, err))
        return false;
    mg_close(out, literal);
    mg_put_text(out, "2", UPSINK_SLICE_LIT("$$ROOT"));
    mg_close(out, choice);
    mg_close(out, replace);
    mg_close(out, stage);
    mg_close(out, pipeline);
    return true;
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

static bool check_size(const struct buf *out, struct upsink_error *err)
{
    if (out->failed)
        return mg_fail_memory(err);
    return out->len <= MG_DOCUMENT_MAX + FILTER_MAX ||
           upsink_fail(err, UPSINK_ERR_RECORD, "value_too_large",
                       "the document and its key have %zu bytes together, more than MongoDB takes", out->len);
}

bool mg_build_insert(struct mg_work *work, const struct mg_item *item, const struct upsink_fence *before,
                     struct upsink_error *err)
{
    struct upsink_fence fence = upsink_fence_after(before, item->change);
    buf_clear(&work->sink->statement);
    return mg_document_put(work->sink, &work->sink->statement, item->change, &fence, err);
}

bool mg_build_replace(struct mg_work *work, const struct mg_item *item, const struct upsink_fence *before,
                      struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    struct buf *out = &sink->statement;
    struct upsink_fence fence = upsink_fence_after(before, item->change);
    bool is_delete = item->change->op == UPSINK_DELETE;
    size_t whole, query;
    begin_statement(out, &whole, &query);
    if (is_delete)
        mg_filter_as_read(sink, out, item->change->key, &item->row);
    else
        mg_put_text(out, "_id", item->change->key);
    mg_close(out, query);
    if (is_delete)
        put_soft_delete(sink, out, item, &fence);
    else if (!put_replacement(sink, out, item, &fence, err))
        return false;
    mg_close(out, whole);
    return check_size(out, err);
}

bool mg_build_side(struct mg_work *work, const struct mg_item *item, const struct upsink_fence *before,
                   struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    struct buf *out = &sink->statement;
    struct upsink_fence fence = upsink_fence_after(before, item->change);
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
