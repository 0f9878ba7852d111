#include "envelope.h"

#include "base64.h"
#include "json_text.h"
#include "source.h"
#include "wire_format.h"

#include <inttypes.h>
#include <strings.h>

static const char EVENT_MEDIA[] = "application/cloudevents";

static bool has_prefix(struct upsink_slice text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text.len >= len && strncasecmp(text.data, prefix, len) == 0;
}

/* Section 3 of the binding: the media type of the value comes first, so that a structured event that repeats
 * its attributes in headers (3.3.3) is still a structured one. */
static bool read_media_type(struct decoding *d)
{
    struct upsink_slice media = source_header(d->record, "content-type");
    if (!media.data || !has_prefix(media, EVENT_MEDIA))
        return false;
    d->shape = SHAPE_STRUCTURED;
    media.data += sizeof EVENT_MEDIA - 1;
    media.len -= sizeof EVENT_MEDIA - 1;
    if (has_prefix(media, "-batch"))
        decoding_reject(
            d, "cloudevents_batch", "header:content-type",
            "the record is a batch of CloudEvents; one event a record is needed, since a record has "
            "one key");
    else if (has_prefix(media, "+") && !has_prefix(media, "+json"))
        decoding_reject(d, "unsupported_format", "header:content-type",
                        "the record is a CloudEvent in another format than JSON; of structured events only "
                        "application/cloudevents+json is read");
    return true;
}

void envelope_read_headers(struct decoding *d)
{
    const enum envelope expected = d->mapping->envelope;
    if (expected == ENVELOPE_NONE)
        d->shape = SHAPE_PLAIN;
    else if (expected == ENVELOPE_CANONICAL)
        d->shape = SHAPE_CANONICAL;
    else if (!read_media_type(d) && source_header(d->record, "ce_specversion").data) {
        d->shape = SHAPE_BINARY;
        d->type = source_header(d->record, "ce_type");
    }
}

static bool is_present(const struct json_value *value)
{
    return value->type != JSON_TYPE_ABSENT;
}

static enum shape recognise(const struct decoding *d)
{
    const struct json_value *v = d->values;
    const bool named = v[SLOT_ID].type == JSON_TYPE_STRING || v[SLOT_SOURCE].type == JSON_TYPE_STRING ||
                       v[SLOT_TYPE].type == JSON_TYPE_STRING;
    /* An event that lacks something is still an event: it is refused, not stored with its envelope. */
    if (d->mapping->envelope == ENVELOPE_CLOUDEVENTS)
        return SHAPE_STRUCTURED;
    if (v[SLOT_SPECVERSION].type == JSON_TYPE_STRING && named)
        return SHAPE_STRUCTURED;
    if (is_present(&v[SLOT_EVENT_ID]) && is_present(&v[SLOT_TIMESTAMP]) && is_present(&v[SLOT_SOURCE]) &&
        is_present(&v[SLOT_TYPE]) && is_present(&v[SLOT_PAYLOAD]))
        return SHAPE_CANONICAL;
    return SHAPE_PLAIN;
}

static void read_type(struct decoding *d)
{
    const struct json_value *type = &d->values[SLOT_TYPE];
    if (d->mapping->included_count + d->mapping->deleting_count == 0 || type->type != JSON_TYPE_STRING)
        return;
    if (!json_text_decode(type->raw, d->arena, &d->type, d->err))
        decoding_failed(d);
}

bool envelope_is_empty(const struct decoding *d)
{
    return d->record->value.len == 0;
}

/* What json_scan could not know. */
static void explain_fault(struct decoding *d, size_t framing, const struct json_scan_result *result)
{
    const unsigned char *id = (const unsigned char *)d->record->value.data + 1;
    if (framing == 0 || d->rejected)
        return;
    upsink_fail(d->err, UPSINK_ERR_RECORD, json_fault_code(result->fault),
                "the value begins like one that was written with a schema registry (schema id %" PRIu32
                "), but what follows is not JSON: %s; of the registry's formats only JSON Schema is read",
                (uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3],
                json_fault_text(result->fault));
    upsink_error_detail(d->err, "byte %zu", framing + result->position);
}

void envelope_read_value(struct decoding *d)
{
    const struct mapping *m = d->mapping;
    const json_place place = d->shape == SHAPE_BINARY ? m->data : JSON_WHOLE;
    const size_t framing = wire_format_size(d->record->value);
    struct upsink_slice text = {d->record->value.data + framing, d->record->value.len - framing};
    struct json_scan_result result;
    if (!json_scan(m->paths, place, text, &m->limits, d->values, &result,
                   envelope_is_empty(d) ? NULL : d->err)) {
        if (!envelope_is_empty(d)) {
            explain_fault(d, framing, &result);
            decoding_failed(d);
        }
        return;
    }
    if (d->shape == SHAPE_UNKNOWN)
        d->shape = recognise(d);
    if (d->shape == SHAPE_STRUCTURED || d->shape == SHAPE_CANONICAL)
        read_type(d);
}

/* Section 3.1.2 of the JSON format: the bytes are what a binary event would have as its value. */
static void open_base64(struct decoding *d)
{
    const struct json_value *encoded = &d->values[SLOT_DATA_BASE64];
    struct json_value inner[JSON_SLOTS_MAX];
    struct json_scan_result result;
    struct upsink_slice text;
    char *bytes;
    size_t len;
    if (is_present(&d->values[SLOT_DATA])) {
        decoding_reject(d, "invalid_envelope", "/data_base64",
                        "the CloudEvent has both data and data_base64");
        return;
    }
    if (encoded->type != JSON_TYPE_STRING) {
        decoding_reject(d, "invalid_base64", "/data_base64", "data_base64 of the CloudEvent is not a text");
        return;
    }
    bytes = arena_alloc(d->arena, encoded->raw.len);
    if (!bytes) {
        upsink_fail(d->err, UPSINK_ERR_FATAL, "out_of_memory",
                    "out of memory for data_base64 of %zu bytes; give the process more memory",
                    encoded->raw.len);
        decoding_failed(d);
        return;
    }
    /* Both steps can work in place: neither writes more than it has read. */
    text = (struct upsink_slice){bytes, json_text_unescape(encoded->raw, bytes)};
    if (!base64_decode(text, bytes, &len)) {
        decoding_reject(d, "invalid_base64", "/data_base64",
                        "data_base64 of the CloudEvent is not base64 (RFC 4648)");
        return;
    }
    if (!json_scan(d->mapping->paths, d->mapping->data, (struct upsink_slice){bytes, len},
                   &d->mapping->limits, inner, &result, d->err)) {
        if (!d->rejected)
            upsink_error_detail(d->err, "/data_base64 byte %zu", result.position);
        decoding_failed(d);
        return;
    }
    for (size_t i = 0; i < json_paths_slots(d->mapping->paths); i++) {
        if (is_present(&inner[i]))
            d->values[i] = inner[i];
    }
}

static const struct attribute {
    const char *pointer, *header;
    enum mapping_slot slot;
} required[] = {
    {"/specversion", "ce_specversion", SLOT_SPECVERSION},
    {"/id", "ce_id", SLOT_ID},
    {"/source", "ce_source", SLOT_SOURCE},
    {"/type", "ce_type", SLOT_TYPE},
};

static void check_attribute(struct decoding *d, const struct attribute *attribute)
{
    const char *name = attribute->pointer + 1;
    size_t len;
    if (d->shape == SHAPE_BINARY) {
        struct upsink_slice text = source_header(d->record, attribute->header);
        if (!text.data) {
            decoding_reject(d, "missing_attribute", attribute->pointer,
                            "the CloudEvent has no header %s, which is required (CloudEvents 1.0)",
                            attribute->header);
            return;
        }
        len = text.len;
    } else {
        const struct json_value *value = &d->values[attribute->slot];
        if (value->type == JSON_TYPE_ABSENT || value->type == JSON_TYPE_NULL) {
            decoding_reject(d, "missing_attribute", attribute->pointer,
                            "the CloudEvent has no %s, which is required (CloudEvents 1.0)", name);
            return;
        }
        len = value->type == JSON_TYPE_STRING ? value->raw.len - 2 : 0;
    }
    if (len == 0)
        decoding_reject(d, "invalid_attribute", attribute->pointer,
                        "%s of the CloudEvent is empty or not a text (CloudEvents 1.0)", name);
}

static void check_specversion(struct decoding *d)
{
    struct upsink_slice version = d->values[SLOT_SPECVERSION].raw;
    if (d->shape == SHAPE_BINARY)
        version = source_header(d->record, "ce_specversion");
    else
        version = (struct upsink_slice){version.data + 1, version.len - 2};
    if (version.len < 2 || memcmp(version.data, "1.", 2) != 0)
        decoding_reject(d, "unsupported_specversion", "/specversion",
                        "the CloudEvent is of another version of the specification than 1.x");
}

static void check_cloudevent(struct decoding *d)
{
    for (size_t i = 0; i < sizeof required / sizeof *required && !d->rejected; i++)
        check_attribute(d, &required[i]);
    if (!d->rejected)
        check_specversion(d);
    if (d->shape == SHAPE_STRUCTURED && d->values[SLOT_DATA_BASE64].type != JSON_TYPE_ABSENT &&
        d->values[SLOT_DATA_BASE64].type != JSON_TYPE_NULL)
        open_base64(d);
}

void envelope_check(struct decoding *d)
{
    const enum json_value_type whole = d->values[SLOT_WHOLE].type;
    if (d->shape == SHAPE_STRUCTURED && whole == JSON_TYPE_ARRAY)
        decoding_reject(
            d, "cloudevents_batch", "",
            "the value is a JSON array, as a batch of CloudEvents is; one event a record is needed, "
            "since a record has one key");
    else if ((d->shape == SHAPE_STRUCTURED || d->shape == SHAPE_CANONICAL) && whole != JSON_TYPE_OBJECT)
        decoding_reject(
            d, "invalid_envelope", "",
            "the value is not a JSON object, and so not in the envelope that the view or the record's "
            "content-type names");
    else if (d->shape == SHAPE_STRUCTURED || d->shape == SHAPE_BINARY)
        check_cloudevent(d);
}

const struct json_value *envelope_entity(const struct decoding *d, const char **pointer)
{
    switch (d->shape) {
    case SHAPE_STRUCTURED:
    case SHAPE_BINARY:
        *pointer = "/data";
        return &d->values[SLOT_DATA];
    case SHAPE_CANONICAL:
        *pointer = "/payload";
        return &d->values[SLOT_PAYLOAD];
    case SHAPE_UNKNOWN:
    case SHAPE_PLAIN:
        break;
    }
    *pointer = "";
    return &d->values[SLOT_WHOLE];
}
