#include "mg_sink.h"

void mg_fence_put(const struct upsink_sink *sink, struct buf *out, const struct upsink_fence *fence,
                  const struct buf *inside)
{
    size_t at = mg_open_named(out, MG_DOCUMENT, "_upsink");
    int32_t rest = 0;
    if (fence->has_version)
        mg_put_int64(out, "version", fence->version);
    if (fence->event_id.data)
        mg_put_text(out, "event_id", fence->event_id);
    if (fence->change_id.data)
        mg_put_text(out, "change_id", fence->change_id);
    if (sink->view->several_topics)
        mg_put_text(out, "topic", fence->topic);
    mg_put_int32(out, "partition", fence->partition);
    mg_put_int64(out, "offset", fence->offset);
    mg_put_int64(out, "generation", fence->generation);
    if (fence->timestamp != -1) {
        /* A date has milliseconds; times are compared by microseconds. */
        mg_put_date(out, "updated_at", mg_floor_ms(fence->timestamp, &rest));
        if (rest)
            mg_put_int32(out, "micros", rest);
    }
    if (fence->deleted)
        mg_put_bool(out, "deleted", true);
    if (inside)
        buf_append(out, inside->data, inside->len);
    mg_close(out, at);
}

/* --- reading ------------------------------------------------------------------------------------- */

static bool is_key(const bson_iter_t *iter, const char *name)
{
    return strcmp(bson_iter_key(iter), name) == 0;
}

static bool copy_text(const bson_iter_t *iter, struct arena *arena, struct upsink_slice *out)
{
    uint32_t len = 0;
    if (!BSON_ITER_HOLDS_UTF8(iter))
        return true;
    const char *text = bson_iter_utf8(iter, &len);
    *out = arena_copy(arena, (struct upsink_slice){text, len});
    return out->data != NULL;
}

static bool read_member(const bson_iter_t *iter, struct arena *arena, struct upsink_fence *fence, int64_t *ms,
                        int64_t *micros)
{
    bool number = BSON_ITER_HOLDS_NUMBER(iter);
    int64_t value = number ? bson_iter_as_int64(iter) : 0;
    if (is_key(iter, "version") && number) {
        fence->has_version = true;
        fence->version = value;
    } else if (is_key(iter, "partition") && number) {
        fence->partition = (int32_t)value;
    } else if (is_key(iter, "offset") && number) {
        fence->offset = value;
    } else if (is_key(iter, "generation") && number) {
        fence->generation = value;
    } else if (is_key(iter, "micros") && number && value >= 0 && value < 1000) {
        *micros = value;
    } else if (is_key(iter, "updated_at") && BSON_ITER_HOLDS_DATE_TIME(iter)) {
        *ms = bson_iter_date_time(iter);
    } else if (is_key(iter, "deleted")) {
        fence->deleted = bson_iter_as_bool(iter);
    } else if (is_key(iter, "event_id")) {
        return copy_text(iter, arena, &fence->event_id);
    } else if (is_key(iter, "change_id")) {
        return copy_text(iter, arena, &fence->change_id);
    } else if (is_key(iter, "topic")) {
        return copy_text(iter, arena, &fence->topic);
    }
    return true;
}

bool mg_fence_read(const struct upsink_sink *sink, const bson_t *document, struct arena *arena,
                   struct mg_known *known)
{
    bson_iter_t iter, inside;
    int64_t ms = INT64_MIN, micros = 0;
    struct upsink_fence *fence = &known->fence;
    *known = (struct mg_known){.exists = true};
    fence->topic = upsink_slice_of(sink->view->topic);
    fence->timestamp = -1;
    if (!bson_iter_init_find(&iter, document, "_upsink") || !BSON_ITER_HOLDS_DOCUMENT(&iter) ||
        !bson_iter_recurse(&iter, &inside))
        return true;
    known->has_fence = true;
    while (bson_iter_next(&inside))
        if (!read_member(&inside, arena, fence, &ms, &micros))
            return false;
    if (ms > INT64_MIN / 1000 && ms < INT64_MAX / 1000)
        fence->timestamp = ms * 1000 + micros;
    return true;
}

/* --- filters ------------------------------------------------------------------------------------- */

static void put_place(const struct upsink_sink *sink, struct buf *out, int32_t partition,
                      struct upsink_slice topic, int64_t generation)
{
    mg_put_int32(out, "_upsink.partition", partition);
    if (sink->view->several_topics)
        mg_put_text(out, "_upsink.topic", topic);
    mg_put_int64(out, "_upsink.generation", generation);
}

void mg_filter_as_read(const struct upsink_sink *sink, struct buf *out, struct upsink_slice key,
                       const struct mg_known *known)
{
    mg_put_text(out, "_id", key);
    if (!known->exists) {
        /* Nothing is like that: the document is inserted, or there is one already. */
        size_t at = mg_open_named(out, MG_DOCUMENT, "_upsink"), none;
        none = mg_open_named(out, MG_ARRAY, "$in");
        mg_close(out, none);
        mg_close(out, at);
    } else if (known->has_fence) {
        put_place(sink, out, known->fence.partition, known->fence.topic, known->fence.generation);
        mg_put_int64(out, "_upsink.offset", known->fence.offset);
    }
}
