/* An entity as a Redis hash: its top-level fields, strings and numbers as they are, booleans as true and
 * false, nested values as the producer's JSON, and no field for null. Pure.
 *
 * The hash alone does not say whether 12 was a number or a text. So the names of texts that could be taken
 * for something else go with the fence (rd_fence.h): each with its length in four bytes, big-endian. */
#ifndef UPSINK_RD_HASH_H
#define UPSINK_RD_HASH_H

#include "buf.h"

#include <stdint.h>

enum { RD_FIELDS_MOST = 100000 };

struct rd_field {
    size_t name, name_len, value, value_len; /* places in `text` */
    bool is_null, is_text;
};

struct rd_hash {
    struct buf text;
    struct rd_field *fields;
    size_t count, capacity;
    struct buf doubtful; /* the names of texts that look like something else */
};

void rd_hash_init(struct rd_hash *hash);
void rd_hash_destroy(struct rd_hash *hash);

/* Takes the fields out of valid JSON; of a repeated name the last one. Fails with UPSINK_ERR_RECORD where it
 * can't be a hash (not_an_object, empty_hash, value_too_large, too_deep), FATAL when out of memory. */
UPSINK_NODISCARD bool rd_hash_read(struct rd_hash *hash, struct upsink_slice entity,
                                   struct upsink_error *err);

static inline struct upsink_slice rd_hash_name(const struct rd_hash *hash, size_t i)
{
    return (struct upsink_slice){hash->text.data + hash->fields[i].name, hash->fields[i].name_len};
}

static inline struct upsink_slice rd_hash_value(const struct rd_hash *hash, size_t i)
{
    return (struct upsink_slice){hash->text.data + hash->fields[i].value, hash->fields[i].value_len};
}

/* Appends one field of an object, with a comma where others stand before it. `doubtful` as rd_hash_read left
 * it. False where the field is not UTF-8. */
UPSINK_NODISCARD bool rd_hash_append(struct buf *json, struct upsink_slice name, struct upsink_slice value,
                                     struct upsink_slice doubtful);

#endif
