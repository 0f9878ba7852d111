/* The inside of a mapping: what mapping_compile.c builds and mapping.c, envelope.c and source.c read. */
#ifndef UPSINK_MAPPING_INSIDE_H
#define UPSINK_MAPPING_INSIDE_H

#include "canonical_pool.h"
#include "decimal.h"
#include "mapping.h"

/* Slots that every mapping has: the members that the envelopes are told by and made of. */
enum mapping_slot {
    SLOT_WHOLE,
    SLOT_SPECVERSION,
    SLOT_ID,
    SLOT_SOURCE,
    SLOT_TYPE,
    SLOT_DATA,
    SLOT_DATA_BASE64,
    SLOT_EVENT_ID,
    SLOT_TIMESTAMP,
    SLOT_PAYLOAD,
    SLOT_COUNT
};

/* Where a text of the record stands. */
struct source {
    const char *name;      /* as the view says it; NULL: no source */
    const char *header;    /* of header:NAME the name, otherwise NULL */
    const char *attribute; /* the header that a binary CloudEvent has it in; NULL: none can */
    unsigned slot;
    bool in_data; /* of a CloudEvent: stands in its value, also in binary mode */
};

struct mapping {
    enum key_format key_format;
    enum envelope envelope;
    enum delete_policy delete_policy;
    struct json_limits limits;
    struct json_paths *paths;
    json_place data;              /* where the value of a binary CloudEvent stands */
    struct arena memory;          /* holds all texts and arrays below */
    struct source key;            /* no name: the message key */
    struct source event_id;       /* no name: the envelope's default */
    struct source cloudevents_id; /* the defaults */
    struct source canonical_id;
    struct source version;
    struct source *change_ids;
    size_t change_id_count;
    bool change_id_hash;
    struct upsink_slice *included;
    size_t included_count;
    struct upsink_slice *deleting;
    size_t deleting_count;
    struct source delete_field;
    enum json_value_type delete_type; /* of the value that deletes; scalars only */
    struct upsink_slice delete_text;  /* a string's text, otherwise the JSON */
    struct decimal delete_number;
    struct canonical_pool *canonical;
};

/* What kind of record it turned out to be. */
enum shape { SHAPE_UNKNOWN, SHAPE_PLAIN, SHAPE_CANONICAL, SHAPE_STRUCTURED, SHAPE_BINARY };

/* One record on its way to a change. The first thing wrong with it is the error that counts; reading goes on
 * all the same, so that a dead letter can name the event. */
struct decoding {
    const struct mapping *mapping;
    const struct record *record;
    struct arena *arena;
    struct upsink_change *change;
    struct upsink_error *err; /* NULL once rejected */
    bool rejected;
    enum shape shape;
    struct upsink_slice type;  /* of the event; absent where it has none, or nobody asks for it */
    struct json_value *values; /* by slot */
};

/* Rejects the record unless it is already. Returns false. */
UPSINK_PRINTF(4, 5)
bool decoding_reject(struct decoding *d, const char *code, const char *detail, const char *format, ...);

/* The same for an error that a function has put into d->err. Returns false. */
bool decoding_failed(struct decoding *d);

#endif
