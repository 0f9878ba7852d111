/* The bytes of a message key, or a field of the value, as the text that identifies an entity.
 *
 * The text is UTF-8 without NUL, at most RECORD_KEY_MAX bytes; it may be empty (whether a key like that can
 * be held is for the store to say). It is borrowed from the bytes where it stands there as it is, otherwise
 * it is in the arena. Any number of threads.
 *
 * Errors (RECORD but for the last): missing_key, invalid_key, key_too_large, out_of_memory (FATAL). */
#ifndef UPSINK_RECORD_KEY_H
#define UPSINK_RECORD_KEY_H

#include "canonical_pool.h"
#include "mapping.h"

/* Bounds what a fold holds in memory; no store that we know indexes longer ones. */
#define RECORD_KEY_MAX ((size_t)64 * 1024)

struct key_reader {
    struct canonical_pool *canonical;
    const struct json_limits *limits;
    struct arena *arena;
};

UPSINK_NODISCARD bool record_key_read(const struct key_reader *reader, enum key_format format,
                                      struct upsink_slice bytes, struct upsink_slice *key,
                                      struct upsink_error *err);

/* Of a JSON value: the text of a scalar (a number as it was written: 1 and 1.0 differ), the canonical JSON of
 * anything else; null and absent are missing. */
UPSINK_NODISCARD bool record_key_of_json(const struct key_reader *reader, const struct json_value *value,
                                         struct upsink_slice *key, struct upsink_error *err);

#endif
