#include "es_document.h"

#include "clock.h"
#include "schemas/json_lex.h"
#include "schemas/json_scan.h"
#include "schemas/json_text.h"

#include <pthread.h>

#define HAS_ID ",\"has_id\":true"

/* --- names that are not the entity's ------------------------------------------------------------------- */

static struct json_paths *reserved;
enum { FIELD_UPSINK, FIELD_ID, FIELD_DELETED_AT, FIELDS };

static void make_reserved(void)
{
    static const char *const pointers[FIELDS] = {"/_upsink", "/_id", "/deleted_at"};
    unsigned slot;
    reserved = json_paths_create();
    for (unsigned i = 0; i < FIELDS; i++) {
        if (!reserved || !json_paths_add(reserved, pointers[i], &slot, NULL) || slot != i) {
            json_paths_destroy(reserved);
            reserved = NULL;
        }
    }
}

static bool contains(struct upsink_slice text, const char *word)
{
    return memmem(text.data, text.len, word, strlen(word)) != NULL;
}

/* Most entities can't have such a name anywhere, which is quickly seen. */
static bool may_be_reserved(const struct es_document_style *style, struct upsink_slice entity)
{
    return memchr(entity.data, '\\', entity.len) || contains(entity, "\"_upsink\"") ||
           contains(entity, "\"_id\"") || (style->soft && contains(entity, "\"deleted_at\""));
}

static bool check_reserved(const struct es_document_style *style, const struct upsink_change *change,
                           bool *has_id, struct upsink_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static const struct json_limits no_limits = {.max_bytes = SIZE_MAX, .max_depth = JSON_DEPTH_CEILING};
    struct json_value values[FIELDS];
    struct json_scan_result result;
    *has_id = false;
    if (!may_be_reserved(style, change->entity))
        return true;
    pthread_once(&once, make_reserved);
    if (!reserved)
        return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory");
    if (!json_scan(reserved, JSON_WHOLE, change->entity, &no_limits, values, &result, err))
        return false;
    bool upsink = values[FIELD_UPSINK].type != JSON_TYPE_ABSENT,
         deleted = style->soft && values[FIELD_DELETED_AT].type != JSON_TYPE_ABSENT;
    if (upsink || deleted)
        return upsink_fail(err, UPSINK_ERR_RECORD, "reserved_field",
                           "the entity has a field %s, which upsink needs for itself",
                           upsink ? "_upsink" : "deleted_at");
    if (values[FIELD_ID].type == JSON_TYPE_ABSENT)
        return true;
    if (values[FIELD_ID].type != JSON_TYPE_STRING || !json_text_equals(values[FIELD_ID].raw, change->key))
        return upsink_fail(err, UPSINK_ERR_RECORD, "id_is_not_key",
                           "the entity has a field _id that is not its key: Elasticsearch's _id is the key");
    *has_id = true;
    return true;
}

/* --- writing ------------------------------------------------------------------------------------------- */

/* White space between tokens may be line ends, and a document is one line. */
static void append_line(struct buf *out, const char *text, size_t len)
{
    size_t at = out->len;
    buf_append(out, text, len);
    if (out->failed)
        return;
    for (char *end = out->data + out->len, *c = out->data + at; (c = memchr(c, '\n', (size_t)(end - c)));)
        *c = ' ';
}

static bool is_own(const struct es_document_style *style, struct upsink_slice name, bool drop_id)
{
    return es_json_is(name, "_upsink") || (drop_id && json_text_equals(name, UPSINK_SLICE_LIT("_id"))) ||
           (style->soft && es_json_is(name, "deleted_at"));
}

/* Appends members, each behind a comma, but for those that are upsink's. */
static void copy_members(struct buf *out, const struct es_document_style *style, struct upsink_slice object,
                         bool drop_id)
{
    struct es_json json = es_json_of(object);
    struct upsink_slice name;
    if (!es_json_enter(&json, '{'))
        return;
    while (es_json_member(&json, &name)) {
        struct upsink_slice value = es_json_value(&json);
        if (json.bad || is_own(style, name, drop_id))
            continue;
        buf_append_byte(out, ',');
        buf_append_slice(out, name);
        buf_append_byte(out, ':');
        append_line(out, value.data, value.len);
    }
}

static void begin_document(struct buf *out, const struct es_document_style *style,
                           const struct upsink_fence *fence)
{
    buf_append_text(out, "{\"_upsink\":");
    es_fence_put(out, fence, style->with_topic);
}

static void put_fields(struct buf *out, const struct es_document_style *style, struct upsink_slice entity,
                       bool has_id)
{
    const char *end = entity.data + entity.len, *at = json_lex_space(entity.data, end);
    if (at == end || *at != '{') {
        buf_append_text(out, ",\"value\":");
        append_line(out, entity.data, entity.len);
        buf_append_text(out, "}}");
        return;
    }
    buf_append_text(out, has_id ? HAS_ID "}" : "}");
    if (has_id) {
        copy_members(out, style, entity, true);
        buf_append_byte(out, '}');
        return;
    }
    at = json_lex_space(at + 1, end);
    if (at < end && *at != '}')
        buf_append_byte(out, ',');
    append_line(out, at, (size_t)(end - at));
}

bool es_document_put(struct buf *out, const struct es_document_style *style,
                     const struct upsink_change *change, const struct upsink_fence *fence,
                     struct upsink_error *err)
{
    bool has_id;
    if (!check_reserved(style, change, &has_id, err))
        return false;
    begin_document(out, style, fence);
    put_fields(out, style, change->entity, has_id);
    return !out->failed || upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory");
}

/* --- documents of deleted entities -----------------------------------------------------------------------
 */

void es_document_put_fence(struct buf *out, const struct es_document_style *style,
                           const struct upsink_fence *fence)
{
    begin_document(out, style, fence);
    buf_append_text(out, "}}");
}

void es_document_put_deleted(struct buf *out, const struct es_document_style *style,
                             struct upsink_slice source, const struct upsink_fence *fence,
                             int64_t deleted_at_us)
{
    char time[CLOCK_TEXT_SIZE];
    struct upsink_slice value = es_json_find(source, "_upsink.value");
    begin_document(out, style, fence);
    if (value.data) {
        buf_append_text(out, ",\"value\":");
        append_line(out, value.data, value.len);
    }
    buf_append_text(out, es_json_find(source, "_upsink.has_id").data ? HAS_ID "}" : "}");
    copy_members(out, style, source, false);
    clock_format(deleted_at_us, time);
    buf_printf(out, ",\"deleted_at\":\"%s\"}", time);
}

void es_document_entity(struct buf *out, const struct es_document_style *style, struct upsink_slice source,
                        struct upsink_slice key)
{
    struct upsink_slice value = es_json_find(source, "_upsink.value");
    if (value.data) {
        buf_append_slice(out, value);
        return;
    }
    size_t at = out->len;
    copy_members(out, style, source, false);
    if (es_json_find(source, "_upsink.has_id").data) {
        buf_append_text(out, ",\"_id\":");
        if (!json_text_append(out, key))
            buf_append_text(out, "null");
    }
    if (out->len == at)
        buf_append_byte(out, '{');
    else if (!out->failed)
        out->data[at] = '{'; /* in the place of the first comma */
    buf_append_byte(out, '}');
}
