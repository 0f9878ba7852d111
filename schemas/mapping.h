/* Record -> change: what a view says of its records, compiled once, applied to each of them.
 *
 * Pure: no I/O, no librdkafka. A mapping is immutable after mapping_create and may be used by any
 * number of threads at once. Envelopes: CloudEvents 1.0 structured JSON and Kafka binary mode
 * (CloudEvents Kafka protocol binding 1.0.2, sections 3.2 and 3.3), the canonical envelope
 * (event_id, timestamp, source, type, payload), or none; `auto` tells them apart record by record. */
#ifndef UPSINK_MAPPING_H
#define UPSINK_MAPPING_H

#include "arena.h"
#include "error.h"
#include "slice.h"
#include "sinks/sink.h"

enum key_format { KEY_STRING, KEY_JSON, KEY_INT32, KEY_INT64, KEY_UUID, KEY_BYTES };
enum value_format { VALUE_AUTO, VALUE_JSON };
enum envelope { ENVELOPE_AUTO, ENVELOPE_CLOUDEVENTS, ENVELOPE_CANONICAL, ENVELOPE_NONE };
enum delete_policy { DELETE_HARD, DELETE_IGNORE, DELETE_SOFT };

/* The view's own words, as the configuration has them. Texts are borrowed until mapping_create returns.
 * A source is a JSON Pointer (RFC 6901) into the record as its envelope shows it, or "header:NAME". */
struct mapping_spec {
    enum key_format key_format;
    const char *key_field; /* pointer; NULL: the message key */
    enum value_format value_format;
    enum envelope envelope;
    const char *event_id;         /* source; NULL: the envelope's default (/id, /event_id, none) */
    const char *const *change_id; /* sources */
    size_t change_id_count;
    bool change_id_hash;
    const char *version; /* source; NULL: the Kafka position orders */
    const char *const *include_types;
    size_t include_type_count;
    const char *const *delete_types;
    size_t delete_type_count;
    const char *delete_field; /* pointer */
    const char *
        delete_equals; /* JSON text of a scalar, with delete_field; numbers are compared by value: 1 is 1.0 */
    enum delete_policy delete_policy;
    size_t max_depth;       /* 0: 128 */
    size_t max_value_bytes; /* 0: no bound but the record's own size */
};

/* One Kafka message, borrowed. */
struct record {
    struct upsink_slice key;   /* absent: null */
    struct upsink_slice value; /* absent: a tombstone */
    struct upsink_slice topic;
    int32_t partition;
    int64_t offset;
    int64_t timestamp; /* microseconds, -1 unknown */
    /* The value of the last header of that name (names compare exactly); absent where there is none. */
    struct upsink_slice (*header)(const void *context, const char *name);
    const void *header_context;
};

enum decode_outcome { DECODE_CHANGE, DECODE_FILTERED, DECODE_REJECTED };

struct mapping;

/* NULL with UPSINK_ERR_CONFIG where a pointer or a combination is wrong; the text names the key of the view.
 */
UPSINK_NODISCARD struct mapping *mapping_create(const struct mapping_spec *spec, struct upsink_error *err);
void mapping_destroy(struct mapping *mapping);

/* The view maps a version; events carry ids that a duplicate window can use. */
bool mapping_has_version(const struct mapping *mapping);
bool mapping_has_ids(const struct mapping *mapping);

/* Fills *change (all members but generation and floor). Slices point into the record or the arena.
 * DECODE_REJECTED: *err says why (one code for each reason; detail = the JSON Pointer or byte position), and
 * *change holds what was found all the same: key, event_id, change_id, version where known, so that a dead
 * letter can name them. The class is RECORD, but for out_of_memory (FATAL), which says nothing of the record.
 * DECODE_FILTERED: a type that is not included, or a delete where the view ignores deletes; *change holds
 * nothing to rely on.
 *
 * Codes: missing_key, invalid_key, key_too_large; invalid_json, invalid_utf8, lone_surrogate, too_deep,
 * too_large; invalid_envelope, missing_attribute, invalid_attribute, unsupported_specversion,
 * unsupported_format, cloudevents_batch, invalid_base64; missing_field, invalid_field, invalid_version,
 * missing_entity. */
enum decode_outcome mapping_decode(const struct mapping *mapping, const struct record *record,
                                   struct arena *arena, struct upsink_change *change,
                                   struct upsink_error *err);

/* The same, for what the duplicate window needs: key, event_id and change_id. Used to warm the window from
 * records that were handled before; false where the record has none of them, or was none that is applied. */
bool mapping_decode_ids(const struct mapping *mapping, const struct record *record, struct arena *arena,
                        struct upsink_change *change);

#endif
