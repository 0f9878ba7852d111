/* What the server holds of entities, remembered for the next batch: reading it again costs as much as
 * writing.
 *
 * Bounded: two tables, a young and an old one; when the young one is full it becomes the old one, and what
 * was in that is forgotten. Nothing depends on what is remembered being true: every write is compare-and-set.
 */
#ifndef UPSINK_ES_CACHE_H
#define UPSINK_ES_CACHE_H

#include "arena.h"
#include "sinks/sink.h"

/* What the server holds of one entity in one index: its row, or its delete fence. */
struct es_known {
    bool exists;
    bool has_fence; /* false: a row that upsink never wrote */
    int64_t seq_no, primary_term;
    struct upsink_fence fence;
};

struct es_cache_table;

struct es_cache {
    struct es_cache_table *young, *old;
    size_t limit; /* bytes of each table */
};

/* Allocates nothing yet. */
void es_cache_init(struct es_cache *cache, size_t limit);
void es_cache_clear(struct es_cache *cache);
void es_cache_destroy(struct es_cache *cache);

/* Both are copied to the arena. False where nothing is remembered, or there is no memory for it. */
bool es_cache_find(struct es_cache *cache, struct upsink_slice key, struct arena *arena, struct es_known *row,
                   struct es_known *side);
/* Copies all; forgets the entity where there is no memory for it, or where both exist. The fence's topic is
 * borrowed where it is `topic`, which outlives the cache. */
void es_cache_put(struct es_cache *cache, struct upsink_slice key, const struct es_known *row,
                  const struct es_known *side, struct upsink_slice topic);
void es_cache_forget(struct es_cache *cache, struct upsink_slice key);

#endif
