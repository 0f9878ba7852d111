#include "mapping_inside.h"

#include "envelope.h"
#include "event_version.h"
#include "json_text.h"
#include "record_key.h"
#include "source.h"

bool decoding_failed(struct decoding *d)
{
    d->rejected = true;
    d->err = NULL;
    return false;
}

bool decoding_reject(struct decoding *d, const char *code, const char *detail, const char *format, ...)
{
    if (d->err) {
        char text[sizeof d->err->text];
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof text, format, args);
        va_end(args);
        upsink_fail(d->err, UPSINK_ERR_RECORD, code, "%s", text);
        upsink_error_detail(d->err, "%s", detail);
    }
    return decoding_failed(d);
}

static bool contains(const struct upsink_slice *texts, size_t count, struct upsink_slice text)
{
    for (size_t i = 0; i < count; i++) {
        if (upsink_slice_equal(texts[i], text))
            return true;
    }
    return false;
}

static bool is_deleting_type(const struct decoding *d)
{
    return d->type.data && contains(d->mapping->deleting, d->mapping->deleting_count, d->type);
}

/* A record without a type is none of those that were asked for; a CloudEvent without one is broken. */
static bool is_filtered_type(const struct decoding *d)
{
    const struct mapping *m = d->mapping;
    if (m->included_count == 0)
        return false;
    if (d->type.len == 0)
        return d->shape == SHAPE_PLAIN || d->shape == SHAPE_CANONICAL;
    return !contains(m->included, m->included_count, d->type) && !is_deleting_type(d);
}

/* Numbers are compared by value, 1 equals 1.0; everything else by its text. */
static bool is_deleting_value(const struct decoding *d)
{
    const struct mapping *m = d->mapping;
    const struct found found = m->delete_field.name ? source_find(d, &m->delete_field) : (struct found){0};
    struct upsink_slice text = found.header;
    struct decimal number;
    if (found.json) {
        if (found.json->type != m->delete_type)
            return false;
        if (m->delete_type == JSON_TYPE_STRING)
            return json_text_equals(found.json->raw, m->delete_text);
        text = found.json->raw;
    } else if (!text.data || m->delete_type == JSON_TYPE_NULL) {
        return false;
    }
    if (m->delete_type == JSON_TYPE_NUMBER)
        return decimal_parse(text, &number) && decimal_equal(&number, &m->delete_number);
    return upsink_slice_equal(text, m->delete_text);
}

/* The words of record_key.c are about message keys. */
static void explain_field_key(struct decoding *d)
{
    const char *field = d->mapping->key.name;
    if (strcmp(d->err->code, "missing_key") == 0)
        upsink_fail(
            d->err, UPSINK_ERR_RECORD, "missing_key",
            "the record has nothing at %.200s, the field that key.field names as the entity's key; correct "
            "the view, or what the producer sends",
            field);
    else if (strcmp(d->err->code, "invalid_key") == 0)
        upsink_fail(d->err, UPSINK_ERR_RECORD, "invalid_key",
                    "%.200s, the field that key.field names as the entity's key, holds a text that is not "
                    "well-formed UTF-8 or has the character NUL, which no SQL database can store",
                    field);
    if (d->err->cls == UPSINK_ERR_RECORD)
        upsink_error_detail(d->err, "%s", field);
}

static void read_key(struct decoding *d)
{
    const struct mapping *m = d->mapping;
    const struct key_reader reader = {m->canonical, &m->limits, d->arena};
    struct found found;
    struct upsink_slice key;
    bool done;
    if (m->key.name && d->record->value.data) {
        static const struct json_value absent = {0};
        found = source_find(d, &m->key);
        if (found.header.data)
            done = record_key_read(&reader, KEY_STRING, found.header, &key, d->err);
        else
            done = record_key_of_json(&reader, found.json ? found.json : &absent, &key, d->err);
        if (!done && d->err)
            explain_field_key(d);
    } else {
        done = record_key_read(&reader, m->key_format, d->record->key, &key, d->err);
    }
    if (done)
        d->change->key = key;
    else
        decoding_failed(d);
}

/* Deletes need their key and nothing else; what they do not carry is just absent. */
static void miss(struct decoding *d, const struct source *source)
{
    if (d->change->op == UPSINK_UPSERT)
        decoding_reject(
            d, "missing_field", source->name,
            "the record has nothing at %.200s, which the view maps; correct the view, or what the "
            "producer sends",
            source->name);
}

static const struct source *default_event_id(const struct decoding *d)
{
    if (d->shape == SHAPE_STRUCTURED || d->shape == SHAPE_BINARY)
        return &d->mapping->cloudevents_id;
    return d->shape == SHAPE_CANONICAL ? &d->mapping->canonical_id : NULL;
}

/* An empty id would make duplicates of events that have nothing to do with each other. */
static void read_event_id(struct decoding *d)
{
    const struct source *chosen = d->mapping->event_id.name ? &d->mapping->event_id : NULL;
    const struct source *source = chosen ? chosen : default_event_id(d);
    struct upsink_slice text;
    enum source_state state = source ? source_text(d, source, &text) : SOURCE_MISSING;
    if (state == SOURCE_FOUND && text.len)
        d->change->event_id = text;
    else if (chosen && state != SOURCE_UNUSABLE)
        miss(d, chosen);
}

static void hash_state(struct decoding *d, const struct json_value *entity)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char hash[JSON_HASH_BYTES];
    char *text = arena_alloc(d->arena, 2 * sizeof hash);
    if (!text) {
        upsink_fail(d->err, UPSINK_ERR_FATAL, "out_of_memory",
                    "out of memory for a change id; give the process more memory");
        decoding_failed(d);
        return;
    }
    if (!canonical_pool_hash(d->mapping->canonical, entity->raw, &d->mapping->limits, hash, d->err)) {
        decoding_failed(d);
        return;
    }
    for (size_t i = 0; i < sizeof hash; i++) {
        text[2 * i] = digits[hash[i] >> 4];
        text[2 * i + 1] = digits[hash[i] & 15];
    }
    d->change->change_id = (struct upsink_slice){text, 2 * sizeof hash};
}

static void read_change_id(struct decoding *d)
{
    const struct mapping *m = d->mapping;
    const struct source *which = m->change_ids;
    struct upsink_slice text;
    enum source_state state;
    if (m->change_id_count == 0)
        return;
    state = source_texts(d, m->change_ids, m->change_id_count, &text, &which);
    if (state == SOURCE_FOUND && text.len)
        d->change->change_id = text;
    else if (state != SOURCE_UNUSABLE)
        miss(d, which);
}

static void read_version(struct decoding *d)
{
    const struct source *source = &d->mapping->version;
    struct found found;
    struct upsink_slice text = UPSINK_SLICE_ABSENT;
    bool valid = false;
    if (!source->name)
        return;
    found = source_find(d, source);
    if (!found.header.data && (!found.json || found.json->type == JSON_TYPE_NULL)) {
        miss(d, source);
        return;
    }
    if (found.header.data)
        valid = event_version_of_text(found.header, &d->change->version);
    else if (found.json->type == JSON_TYPE_NUMBER)
        valid = event_version_of_number(found.json->raw, &d->change->version);
    else if (found.json->type == JSON_TYPE_STRING && source_text(d, source, &text) == SOURCE_FOUND)
        valid = event_version_of_text(text, &d->change->version);
    if (valid)
        d->change->flags |= UPSINK_HAS_VERSION;
    else
        decoding_reject(
            d, "invalid_version", source->name,
            "what stands at %.200s is not a version: an integer of 64 bits or a time with its offset "
            "as in 2026-01-02T03:04:05.678Z (RFC 3339) is needed",
            source->name);
}

static void read_entity(struct decoding *d)
{
    const char *pointer;
    const struct json_value *entity = envelope_entity(d, &pointer);
    if (entity->type == JSON_TYPE_ABSENT || entity->type == JSON_TYPE_NULL) {
        decoding_reject(d, "missing_entity", pointer,
                        "the record has no entity (%s is missing or null); a record without a value, or what "
                        "delete_when says, deletes",
                        *pointer ? pointer : "the value");
        return;
    }
    d->change->entity = entity->raw;
    if (entity->has_nul)
        d->change->flags |= UPSINK_HAS_NUL;
    if (d->mapping->change_id_hash)
        hash_state(d, entity);
}

/* What a change is made of, once it is known that there is one. */
static enum decode_outcome read_change(struct decoding *d, enum upsink_op op)
{
    d->change->op = op;
    if (op == UPSINK_DELETE && d->mapping->delete_policy == DELETE_IGNORE)
        return DECODE_FILTERED;
    read_key(d);
    read_event_id(d);
    read_change_id(d);
    read_version(d);
    if (op == UPSINK_UPSERT)
        read_entity(d);
    else if (d->mapping->version.name && !(d->change->flags & UPSINK_HAS_VERSION))
        d->change->flags |= UPSINK_BY_POSITION;
    return d->rejected ? DECODE_REJECTED : DECODE_CHANGE;
}

static enum decode_outcome decode_tombstone(struct decoding *d)
{
    struct upsink_error ignored;
    struct upsink_error *err = d->err;
    /* A null value deletes, whatever the headers lack of a proper event. */
    d->err = &ignored;
    envelope_read_headers(d);
    d->err = err;
    d->rejected = false;
    memset(d->values, 0, json_paths_slots(d->mapping->paths) * sizeof *d->values);
    return read_change(d, UPSINK_DELETE);
}

static enum decode_outcome decode_value(struct decoding *d)
{
    bool deletes;
    envelope_read_headers(d);
    /* Also of a type that is in no format we read. */
    if (d->shape == SHAPE_BINARY && is_filtered_type(d))
        return DECODE_FILTERED;
    envelope_read_value(d);
    if (!d->rejected && is_filtered_type(d))
        return DECODE_FILTERED;
    deletes = is_deleting_type(d) || is_deleting_value(d);
    if (envelope_is_empty(d) && !deletes)
        decoding_reject(
            d, "invalid_json", "byte 0",
            "the value is empty, which is not JSON; a record that deletes has a null value, not an "
            "empty one");
    if (!d->rejected)
        envelope_check(d);
    /* Behind data_base64 there may be more to see. */
    deletes = deletes || is_deleting_value(d);
    return read_change(d, deletes ? UPSINK_DELETE : UPSINK_UPSERT);
}

static void begin_change(struct upsink_change *change, const struct record *record)
{
    change->op = UPSINK_UPSERT;
    change->flags = 0;
    change->key = change->entity = change->event_id = change->change_id = UPSINK_SLICE_ABSENT;
    change->topic = record->topic;
    change->version = 0;
    change->offset = record->offset;
    change->timestamp = record->timestamp;
    change->partition = record->partition;
}

enum decode_outcome mapping_decode(const struct mapping *mapping, const struct record *record,
                                   struct arena *arena, struct upsink_change *change,
                                   struct upsink_error *err)
{
    struct json_value values[JSON_SLOTS_MAX]; /* filled as far as the mapping has slots */
    struct decoding d = {
        .mapping = mapping,
        .record = record,
        .arena = arena,
        .change = change,
        .err = err,
        .values = values,
    };
    begin_change(change, record);
    return record->value.data ? decode_value(&d) : decode_tombstone(&d);
}

bool mapping_decode_ids(const struct mapping *mapping, const struct record *record, struct arena *arena,
                        struct upsink_change *change)
{
    struct upsink_error err;
    /* Whether a record counts depends on all of it: what was refused or filtered is no duplicate of anything.
     */
    return mapping_decode(mapping, record, arena, change, &err) == DECODE_CHANGE &&
           (change->event_id.data || change->change_id.data);
}

bool mapping_has_version(const struct mapping *mapping)
{
    return mapping->version.name != NULL;
}

bool mapping_has_ids(const struct mapping *mapping)
{
    return mapping->event_id.name || mapping->change_id_count || mapping->envelope != ENVELOPE_NONE;
}
