/* Memory that is given back all at once: one arena per batch.
 *
 * Owned by one thread at a time. Allocations are aligned for any type and live until
 * arena_clear (which keeps the first block for the next batch) or arena_destroy. */
#ifndef UPSINK_ARENA_H
#define UPSINK_ARENA_H

#include "error.h"
#include "slice.h"

struct arena_block;

struct arena {
    struct arena_block *block; /* the newest; older ones hang behind it */
    size_t block_size;         /* of an ordinary block, in bytes */
    size_t used;               /* bytes handed out since the last clear */
};

/* block_size 0 means 64 KiB. Allocates nothing yet. */
void arena_init(struct arena *arena, size_t block_size);
void arena_clear(struct arena *arena);
void arena_destroy(struct arena *arena);

/* NULL when out of memory or when size overflows. size 0 gives a valid pointer. */
UPSINK_NODISCARD void *arena_alloc(struct arena *arena, size_t size);

/* Room for count elements of size bytes; NULL when the product overflows. */
UPSINK_NODISCARD void *arena_alloc_array(struct arena *arena, size_t count, size_t size);

/* A copy of the bytes, with a NUL behind them; absent stays absent. data == NULL for a present
 * slice means out of memory. */
UPSINK_NODISCARD struct upsink_slice arena_copy(struct arena *arena, struct upsink_slice bytes);

#endif
