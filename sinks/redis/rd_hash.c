#include "rd_hash.h"

#include "schemas/json_lex.h"
#include "schemas/json_scan.h"
#include "schemas/json_text.h"

#include <stdlib.h>

void rd_hash_init(struct rd_hash *hash)
{
    *hash = (struct rd_hash){0};
    buf_init(&hash->text);
    buf_init(&hash->doubtful);
}

void rd_hash_destroy(struct rd_hash *hash)
{
    buf_destroy(&hash->text);
    buf_destroy(&hash->doubtful);
    free(hash->fields);
    rd_hash_init(hash);
}

/* --- walking over JSON that is known to be valid ------------------------------------------------------ */

static const char *skip_string(const char *p, const char *end)
{
    for (p++; p < end; p++) {
        p = json_lex_plain(p, end);
        if (p < end && *p == '\\')
            p++;
        else if (p < end && *p == '"')
            return p + 1;
    }
    return end;
}

static const char *skip_nested(const char *p, const char *end)
{
    size_t depth = 0;
    while (p < end) {
        if (*p == '"') {
            p = skip_string(p, end);
            continue;
        }
        if (*p == '{' || *p == '[')
            depth++;
        if ((*p == '}' || *p == ']') && --depth == 0)
            return p + 1;
        p++;
    }
    return end;
}

static const char *skip_value(const char *p, const char *end)
{
    if (p < end && *p == '"')
        return skip_string(p, end);
    if (p < end && (*p == '{' || *p == '['))
        return skip_nested(p, end);
    while (p < end && *p != ',' && *p != '}' && *p != ']' && !json_lex_is_space(*p))
        p++;
    return p;
}

/* Whether a reader of the hash would take it for a number, a boolean, null or a nested value. */
static bool looks_raw(struct upsink_slice value)
{
    const struct json_limits limits = {.max_bytes = SIZE_MAX, .max_depth = JSON_DEPTH_CEILING};
    struct json_scan_result result;
    if (!value.len || !memchr("-0123456789tfn[{", value.data[0], 16))
        return false;
    return json_scan(NULL, JSON_WHOLE, value, &limits, NULL, &result, NULL);
}

/* --- entity to fields ---------------------------------------------------------------------------------- */

static bool fail_memory(struct upsink_error *err)
{
    return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory while making a Redis hash");
}

/* Appends what the string stands for. */
static bool put_text(struct buf *text, struct upsink_slice raw, size_t *place, size_t *len)
{
    *place = text->len;
    if (raw.len < 2 || !buf_reserve(text, raw.len))
        return false;
    *len = json_text_unescape(raw, text->data + text->len);
    text->len += *len;
    return true;
}

static bool put_value(struct buf *text, struct upsink_slice raw, struct rd_field *field)
{
    if (field->is_text)
        return put_text(text, raw, &field->value, &field->value_len);
    field->value = text->len;
    field->value_len = raw.len;
    buf_append_slice(text, raw);
    return !text->failed;
}

static bool add_field(struct rd_hash *hash, struct upsink_slice name, struct upsink_slice value,
                      struct upsink_error *err)
{
    if (hash->count == RD_FIELDS_MOST)
        return upsink_fail(err, UPSINK_ERR_RECORD, "value_too_large",
                           "the entity has more than %d fields, which is too many for a Redis hash",
                           RD_FIELDS_MOST);
    if (hash->count == hash->capacity) {
        size_t capacity = hash->capacity * 2 + 16;
        struct rd_field *grown = reallocarray(hash->fields, capacity, sizeof *grown);
        if (!grown)
            return fail_memory(err);
        hash->fields = grown;
        hash->capacity = capacity;
    }
    struct rd_field *field = &hash->fields[hash->count];
    *field = (struct rd_field){.is_null = upsink_slice_is(value, "null"), .is_text = value.data[0] == '"'};
    if (!put_text(&hash->text, name, &field->name, &field->name_len) || !put_value(&hash->text, value, field))
        return fail_memory(err);
    hash->count++;
    if (!field->is_text && !field->is_null && !looks_raw(value))
        return upsink_fail(err, UPSINK_ERR_RECORD, "too_deep",
                           "a field of the entity is nested more than %d deep", JSON_DEPTH_CEILING);
    return true;
}

static bool read_fields(struct rd_hash *hash, const char *p, const char *end, struct upsink_error *err)
{
    for (p = json_lex_space(p + 1, end); p < end && *p == '"'; p = json_lex_space(p + 1, end)) {
        const char *name = p, *name_end = skip_string(p, end);
        p = json_lex_space(name_end, end);
        const char *value = p < end ? json_lex_space(p + 1, end) : end;
        p = skip_value(value, end);
        if (p == value)
            return upsink_fail(err, UPSINK_ERR_RECORD, "invalid_json", "the entity is not valid JSON");
        if (!add_field(hash, (struct upsink_slice){name, (size_t)(name_end - name)},
                       (struct upsink_slice){value, (size_t)(p - value)}, err))
            return false;
        p = json_lex_space(p, end);
        if (p == end || *p != ',')
            break;
    }
    return true;
}

static int compare_fields(const void *left, const void *right, void *context)
{
    const struct rd_hash *hash = context;
    const struct rd_field *a = left, *b = right;
    size_t shorter = a->name_len < b->name_len ? a->name_len : b->name_len;
    int order = memcmp(hash->text.data + a->name, hash->text.data + b->name, shorter);
    if (order || a->name_len != b->name_len)
        return order ? order : a->name_len < b->name_len ? -1 : 1;
    return a->name < b->name ? -1 : a->name > b->name; /* in the order in which they stand */
}

/* Of a repeated name the last stays, and null makes no field. */
static void settle_fields(struct rd_hash *hash)
{
    size_t kept = 0;
    if (hash->count)
        qsort_r(hash->fields, hash->count, sizeof *hash->fields, compare_fields, hash);
    for (size_t i = 0; i < hash->count; i++) {
        bool is_last =
            i + 1 == hash->count || !upsink_slice_equal(rd_hash_name(hash, i), rd_hash_name(hash, i + 1));
        if (is_last && !hash->fields[i].is_null)
            hash->fields[kept++] = hash->fields[i];
    }
    hash->count = kept;
}

static void note_doubtful(struct rd_hash *hash)
{
    for (size_t i = 0; i < hash->count; i++) {
        if (!hash->fields[i].is_text || !looks_raw(rd_hash_value(hash, i)))
            continue;
        struct upsink_slice name = rd_hash_name(hash, i);
        for (int shift = 24; shift >= 0; shift -= 8)
            buf_append_byte(&hash->doubtful, (char)(name.len >> shift));
        buf_append_slice(&hash->doubtful, name);
    }
}

bool rd_hash_read(struct rd_hash *hash, struct upsink_slice entity, struct upsink_error *err)
{
    const char *end = entity.data + entity.len, *p = json_lex_space(entity.data, end);
    buf_clear(&hash->text);
    buf_clear(&hash->doubtful);
    hash->count = 0;
    if (p == end || *p != '{')
        return upsink_fail(
            err, UPSINK_ERR_RECORD, "not_an_object",
            "the entity is not an object, so it has no fields for a Redis hash; type=json takes any");
    if (!read_fields(hash, p, end, err))
        return false;
    settle_fields(hash);
    note_doubtful(hash);
    if (hash->text.failed || hash->doubtful.failed)
        return fail_memory(err);
    return hash->count > 0 ||
           upsink_fail(
               err, UPSINK_ERR_RECORD, "empty_hash",
               "the entity has no field with a value, and Redis has no empty hashes; type=json takes any");
}

/* --- fields to entity ---------------------------------------------------------------------------------- */

static bool is_doubtful(struct upsink_slice doubtful, struct upsink_slice name)
{
    for (size_t at = 0; doubtful.len - at >= 4;) {
        size_t len = 0;
        for (int i = 0; i < 4; i++)
            len = len << 8 | (unsigned char)doubtful.data[at++];
        if (len > doubtful.len - at)
            return false;
        if (upsink_slice_equal(name, (struct upsink_slice){doubtful.data + at, len}))
            return true;
        at += len;
    }
    return false;
}

bool rd_hash_append(struct buf *json, struct upsink_slice name, struct upsink_slice value,
                    struct upsink_slice doubtful)
{
    if (json->len && json->data[json->len - 1] != '{')
        buf_append_byte(json, ',');
    if (!json_text_append(json, name))
        return false;
    buf_append_byte(json, ':');
    if (!looks_raw(value) || is_doubtful(doubtful, name))
        return json_text_append(json, value);
    buf_append_slice(json, value);
    return true;
}
