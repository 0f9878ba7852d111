#include "mg_document.h"

#include "mg_text.h"

struct seen {
    const struct upsink_sink *sink;
    const struct upsink_change *change;
    bool has_id;
};

static bool is_name(const char *name, size_t len, const char *expected)
{
    return len == strlen(expected) && memcmp(name, expected, len) == 0;
}

static bool is_key_text(const char *value, enum mg_type type, struct upsink_slice key)
{
    uint32_t len;
    if (type != MG_TEXT)
        return false;
    memcpy(&len, value, 4);
    return BSON_UINT32_FROM_LE(len) == key.len + 1 && memcmp(value + 4, key.data, key.len) == 0;
}

static bool see_member(void *context, const char *name, size_t len, const char *value, enum mg_type type,
                       bool *drop, struct upsink_error *err)
{
    struct seen *seen = context;
    if (is_name(name, len, "_upsink") ||
        (seen->sink->view->delete_mode == UPSINK_DELETE_SOFT && is_name(name, len, "deleted_at")))
        return upsink_fail(err, UPSINK_ERR_RECORD, "reserved_field",
                           "the entity has a field %s, which upsink needs for itself",
                           *name == '_' ? "_upsink" : "deleted_at");
    if (!is_name(name, len, "_id"))
        return true;
    if (!is_key_text(value, type, seen->change->key))
        return upsink_fail(err, UPSINK_ERR_RECORD, "id_is_not_key",
                           "the entity has a field _id that is not its key: MongoDB's _id is the key");
    *drop = seen->has_id = true;
    return true;
}

/* Anything but an object has no fields: it stands in _upsink.value. */
static bool put_fields(struct upsink_sink *sink, struct buf *out, const struct upsink_change *change,
                       struct upsink_error *err)
{
    struct seen seen = {.sink = sink, .change = change};
    buf_clear(&sink->out);
    sink->converter.dates = sink->dates.count ? &sink->dates : NULL;
    if (mg_json_first(change->entity) != '{')
        return mg_json_value(&sink->converter, change->entity, "value", &sink->out, err);
    if (!mg_json_members(&sink->converter, change->entity, out, see_member, &seen, err))
        return false;
    if (seen.has_id)
        mg_put_bool(&sink->out, "has_id", true);
    return true;
}

bool mg_document_put(struct upsink_sink *sink, struct buf *out, const struct upsink_change *change,
                     const struct upsink_fence *fence, struct upsink_error *err)
{
    size_t at = mg_open(out);
    mg_put_text(out, "_id", change->key);
    if (!put_fields(sink, out, change, err))
        return false;
    mg_fence_put(sink, out, fence, &sink->out);
    mg_close(out, at);
    if (out->failed || sink->out.failed)
        return mg_fail_memory(err);
    return out->len - at <= MG_DOCUMENT_MAX ||
           upsink_fail(err, UPSINK_ERR_RECORD, "value_too_large",
                       "the document has %zu bytes as BSON, and MongoDB holds %d", out->len - at,
                       (int)MG_DOCUMENT_MAX);
}

bool mg_document_entity(const struct upsink_sink *sink, const bson_t *document, struct buf *out)
{
    static const char *const own[] = {"_upsink", "_id", NULL}, *const own_and_id[] = {"_upsink", NULL},
                             *const own_and_soft[] = {"_upsink", "deleted_at", "_id", NULL},
                             *const own_soft_and_id[] = {"_upsink", "deleted_at", NULL};
    bool soft = sink->view->delete_mode == UPSINK_DELETE_SOFT;
    bson_iter_t iter, found;
    if (bson_iter_init(&iter, document) && bson_iter_find_descendant(&iter, "_upsink.value", &found))
        return mg_text_value(out, &found);
    bool has_id =
        bson_iter_init(&iter, document) && bson_iter_find_descendant(&iter, "_upsink.has_id", &found);
    return mg_text_members(out, document,
                           has_id ? (soft ? own_soft_and_id : own_and_id) : (soft ? own_and_soft : own));
}
