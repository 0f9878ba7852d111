#include "mapping_inside.h"
#include "source.h"

#include "json_text.h"

#include <stdlib.h>

static bool out_of_memory(struct upsink_error *err)
{
    return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory",
                       "out of memory while compiling the mapping of a view; give the process more memory");
}

/* The same error with the view's key before its text. */
static bool name_key(struct upsink_error *err, const char *key)
{
    if (err && err->cls == UPSINK_ERR_CONFIG) {
        struct upsink_error inner = *err;
        upsink_fail(err, inner.cls, inner.code, "%s: %.400s", key, inner.text);
    }
    return false;
}

static bool copy_text(struct mapping *m, const char *text, struct upsink_slice *copy,
                      struct upsink_error *err)
{
    *copy = arena_copy(&m->memory, upsink_slice_of(text));
    return copy->data || out_of_memory(err);
}

/* "ce_" and the one name of the pointer; NULL where it can't be an attribute. */
static bool find_attribute(struct mapping *m, const char *pointer, const char **header,
                           struct upsink_error *err)
{
    const size_t len = strlen(pointer);
    char *text;
    *header = NULL;
    if (len < 2 || strchr(pointer + 1, '/') || strchr(pointer, '~') || strcmp(pointer, "/data_base64") == 0)
        return true;
    if (strcmp(pointer, "/datacontenttype") == 0) {
        *header = "content-type";
        return true;
    }
    text = arena_alloc(&m->memory, len + 3);
    if (!text)
        return out_of_memory(err);
    memcpy(text, "ce_", 3);
    memcpy(text + 3, pointer + 1, len);
    *header = text;
    return true;
}

static bool compile_pointer(struct mapping *m, struct source *source, const char *pointer, const char *key,
                            struct upsink_error *err)
{
    struct upsink_slice name;
    if (!copy_text(m, pointer, &name, err))
        return false;
    *source = (struct source){.name = name.data};
    source->in_data = strncmp(pointer, "/data", 5) == 0 && (pointer[5] == '\0' || pointer[5] == '/');
    if (!json_paths_add(m->paths, pointer, &source->slot, err))
        return name_key(err, key);
    return source->in_data || find_attribute(m, pointer, &source->attribute, err);
}

static bool compile_source(struct mapping *m, struct source *source, const char *text, const char *key,
                           struct upsink_error *err)
{
    static const char scheme[] = "header:";
    struct upsink_slice name;
    if (strncmp(text, scheme, sizeof scheme - 1) != 0)
        return compile_pointer(m, source, text, key, err);
    if (!text[sizeof scheme - 1])
        return upsink_fail(err, UPSINK_ERR_CONFIG, "invalid_source",
                           "%s: \"header:\" needs the name of a header behind it, as in header:event-id",
                           key);
    if (!copy_text(m, text, &name, err))
        return false;
    *source = (struct source){.name = name.data, .header = name.data + sizeof scheme - 1};
    return true;
}

static bool compile_texts(struct mapping *m, const char *const *texts, size_t count,
                          struct upsink_slice **copies, struct upsink_error *err)
{
    *copies = arena_alloc_array(&m->memory, count, sizeof **copies);
    if (!*copies)
        return out_of_memory(err);
    for (size_t i = 0; i < count; i++) {
        if (!copy_text(m, texts[i], &(*copies)[i], err))
            return false;
    }
    return true;
}

static bool compile_types(struct mapping *m, const struct mapping_spec *spec, struct upsink_error *err)
{
    const char *key = spec->include_type_count ? "include_types" : "delete_when.type";
    m->included_count = spec->include_type_count;
    m->deleting_count = spec->delete_type_count;
    if (spec->envelope == ENVELOPE_NONE && m->included_count + m->deleting_count)
        return upsink_fail(
            err, UPSINK_ERR_CONFIG, "invalid_combination",
            "%s: with envelope: none a record has no type to go by; name the envelope that has it, "
            "or use delete_when with field and equals",
            key);
    return compile_texts(m, spec->include_types, m->included_count, &m->included, err) &&
           compile_texts(m, spec->delete_types, m->deleting_count, &m->deleting, err);
}

/* The type of the scalar, as json_scan tells it. */
static bool scan_literal(struct mapping *m, struct upsink_slice text, struct json_value *value,
                         struct upsink_error *err)
{
    struct json_value values[JSON_SLOTS_MAX];
    struct json_scan_result result;
    if (!json_scan(m->paths, JSON_WHOLE, text, NULL, values, &result, NULL))
        return upsink_fail(err, UPSINK_ERR_CONFIG, "invalid_literal",
                           "delete_when.equals: not a JSON value: %s", json_fault_text(result.fault));
    *value = values[SLOT_WHOLE];
    if (value->type == JSON_TYPE_ARRAY || value->type == JSON_TYPE_OBJECT)
        return upsink_fail(
            err, UPSINK_ERR_CONFIG, "invalid_literal",
            "delete_when.equals: a text, a number, true, false or null is needed, not an array or "
            "object");
    return true;
}

static bool compile_delete(struct mapping *m, const struct mapping_spec *spec, struct upsink_error *err)
{
    struct upsink_slice text;
    struct json_value value = {0};
    if (!spec->delete_field != !spec->delete_equals)
        return upsink_fail(
            err, UPSINK_ERR_CONFIG, "invalid_combination",
            "delete_when: field and equals need each other: where the value stands, and which one "
            "deletes");
    if (!spec->delete_field)
        return true;
    if (!compile_pointer(m, &m->delete_field, spec->delete_field, "delete_when.field", err) ||
        !copy_text(m, spec->delete_equals, &text, err) || !scan_literal(m, text, &value, err))
        return false;
    m->delete_type = value.type;
    m->delete_text = value.raw;
    if (value.type == JSON_TYPE_STRING)
        return json_text_decode(value.raw, &m->memory, &m->delete_text, err);
    return value.type != JSON_TYPE_NUMBER || decimal_parse(value.raw, &m->delete_number);
}

static bool compile_change_id(struct mapping *m, const struct mapping_spec *spec, struct upsink_error *err)
{
    m->change_id_hash = spec->change_id_hash;
    m->change_id_count = spec->change_id_count;
    if (spec->change_id_hash && spec->change_id_count)
        return upsink_fail(err, UPSINK_ERR_CONFIG, "invalid_combination",
                           "change_id: either hash or sources, not both");
    if (spec->change_id_count > SOURCES_MAX)
        return upsink_fail(err, UPSINK_ERR_CONFIG, "too_many_sources",
                           "change_id: %zu sources; at most %d can be combined", spec->change_id_count,
                           SOURCES_MAX);
    m->change_ids = arena_alloc_array(&m->memory, spec->change_id_count, sizeof *m->change_ids);
    if (!m->change_ids)
        return out_of_memory(err);
    for (size_t i = 0; i < spec->change_id_count; i++) {
        if (!compile_source(m, &m->change_ids[i], spec->change_id[i], "change_id", err))
            return false;
    }
    return true;
}

/* In the order of enum mapping_slot. */
static bool add_envelope_slots(struct mapping *m, struct upsink_error *err)
{
    static const char *const pointers[SLOT_COUNT] = {
        [SLOT_WHOLE] = "",
        [SLOT_SPECVERSION] = "/specversion",
        [SLOT_ID] = "/id",
        [SLOT_SOURCE] = "/source",
        [SLOT_TYPE] = "/type",
        [SLOT_DATA] = "/data",
        [SLOT_DATA_BASE64] = "/data_base64",
        [SLOT_EVENT_ID] = "/event_id",
        [SLOT_TIMESTAMP] = "/timestamp",
        [SLOT_PAYLOAD] = "/payload",
    };
    unsigned slot;
    for (unsigned i = 0; i < SLOT_COUNT; i++) {
        if (!json_paths_add(m->paths, pointers[i], &slot, err))
            return false;
    }
    return json_paths_sub(m->paths, "/data", &m->data, err);
}

static bool set_limits(struct mapping *m, const struct mapping_spec *spec, struct upsink_error *err)
{
    if (spec->max_depth > JSON_DEPTH_CEILING)
        return upsink_fail(err, UPSINK_ERR_CONFIG, "invalid_limit", "max_depth: at most %d is supported",
                           JSON_DEPTH_CEILING);
    m->limits = JSON_LIMITS_DEFAULT;
    m->limits.max_bytes = spec->max_value_bytes ? spec->max_value_bytes : SIZE_MAX;
    if (spec->max_depth)
        m->limits.max_depth = (unsigned)spec->max_depth;
    return true;
}

static bool compile(struct mapping *m, const struct mapping_spec *spec, struct upsink_error *err)
{
    m->key_format = spec->key_format;
    m->envelope = spec->envelope;
    m->delete_policy = spec->delete_policy;
    m->paths = json_paths_create();
    m->canonical = canonical_pool_create();
    if (!m->paths || !m->canonical)
        return out_of_memory(err);
    return set_limits(m, spec, err) && add_envelope_slots(m, err) &&
           compile_pointer(m, &m->cloudevents_id, "/id", "event_id", err) &&
           compile_pointer(m, &m->canonical_id, "/event_id", "event_id", err) &&
           (!spec->key_field || compile_pointer(m, &m->key, spec->key_field, "key.field", err)) &&
           (!spec->event_id || compile_source(m, &m->event_id, spec->event_id, "event_id", err)) &&
           (!spec->version || compile_source(m, &m->version, spec->version, "version", err)) &&
           compile_change_id(m, spec, err) && compile_types(m, spec, err) && compile_delete(m, spec, err);
}

struct mapping *mapping_create(const struct mapping_spec *spec, struct upsink_error *err)
{
    struct mapping *m = calloc(1, sizeof *m);
    if (!m) {
        out_of_memory(err);
        return NULL;
    }
    arena_init(&m->memory, 4096);
    if (compile(m, spec, err))
        return m;
    mapping_destroy(m);
    return NULL;
}

void mapping_destroy(struct mapping *m)
{
    if (!m)
        return;
    json_paths_destroy(m->paths);
    canonical_pool_destroy(m->canonical);
    arena_destroy(&m->memory);
    free(m);
}
