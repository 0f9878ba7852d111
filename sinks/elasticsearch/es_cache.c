#include "es_cache.h"

#include <stdlib.h>
#include <xxhash.h>

/* One of row and delete fence: where both are there, nothing is remembered. */
struct entry {
    uint64_t hash;
    uint32_t key_len; /* the key stands first in `bytes` */
    uint32_t room;    /* for texts, behind it */
    bool forgotten;
    bool is_side;
    struct es_known known;
    char bytes[];
};

struct es_cache_table {
    struct entry **slots;
    size_t slot_count, used; /* a power of two */
    struct arena arena;
};

enum { FIRST_SLOTS = 1024 };

static void destroy_table(struct es_cache_table **table)
{
    if (!*table)
        return;
    arena_destroy(&(*table)->arena);
    free((*table)->slots);
    free(*table);
    *table = NULL;
}

static struct es_cache_table *create_table(void)
{
    struct es_cache_table *table = calloc(1, sizeof *table);
    if (!table)
        return NULL;
    arena_init(&table->arena, 256 << 10);
    table->slot_count = FIRST_SLOTS;
    table->slots = calloc(table->slot_count, sizeof *table->slots);
    if (!table->slots)
        destroy_table(&table);
    return table;
}

void es_cache_init(struct es_cache *cache, size_t limit)
{
    *cache = (struct es_cache){.limit = limit};
}

void es_cache_clear(struct es_cache *cache)
{
    destroy_table(&cache->young);
    destroy_table(&cache->old);
}

void es_cache_destroy(struct es_cache *cache)
{
    es_cache_clear(cache);
}

static bool is_of(const struct entry *entry, struct upsink_slice key, uint64_t hash)
{
    return entry->hash == hash && entry->key_len == key.len && memcmp(entry->bytes, key.data, key.len) == 0;
}

/* The slot of the key, or the empty one where it would stand. */
static struct entry **find_slot(struct es_cache_table *table, struct upsink_slice key, uint64_t hash)
{
    size_t mask = table->slot_count - 1, at = (size_t)hash & mask;
    while (table->slots[at] && !is_of(table->slots[at], key, hash))
        at = (at + 1) & mask;
    return &table->slots[at];
}

static bool grow(struct es_cache_table *table)
{
    size_t count = table->slot_count * 2;
    struct entry **slots = calloc(count, sizeof *slots), **old = table->slots;
    if (!slots)
        return false;
    for (size_t i = 0; i < table->slot_count; i++) {
        if (!old[i])
            continue;
        size_t at = (size_t)old[i]->hash & (count - 1);
        while (slots[at])
            at = (at + 1) & (count - 1);
        slots[at] = old[i];
    }
    free(old);
    table->slots = slots;
    table->slot_count = count;
    return true;
}

static uint64_t hash_of(struct upsink_slice key)
{
    return XXH3_64bits(key.data, key.len);
}

enum { TEXTS = 3 };

static void list_texts(struct es_known *known, struct upsink_slice *texts[TEXTS])
{
    texts[0] = &known->fence.event_id;
    texts[1] = &known->fence.change_id;
    texts[2] = &known->fence.topic;
}

static bool copy_known(struct arena *arena, struct es_known *known)
{
    struct upsink_slice *texts[TEXTS];
    list_texts(known, texts);
    for (size_t i = 0; i < TEXTS; i++) {
        struct upsink_slice copy = arena_copy(arena, *texts[i]);
        if (texts[i]->data && !copy.data)
            return false;
        *texts[i] = copy;
    }
    return true;
}

bool es_cache_find(struct es_cache *cache, struct upsink_slice key, struct arena *arena, struct es_known *row,
                   struct es_known *side)
{
    struct es_cache_table *tables[] = {cache->young, cache->old};
    uint64_t hash = hash_of(key);
    for (size_t i = 0; i < 2; i++) {
        struct entry *entry = tables[i] ? *find_slot(tables[i], key, hash) : NULL;
        if (!entry || entry->forgotten)
            continue;
        *row = *side = (struct es_known){.exists = false};
        struct es_known *known = entry->is_side ? side : row;
        *known = entry->known;
        return copy_known(arena, known);
    }
    return false;
}

static void forget_in(struct es_cache_table *table, struct upsink_slice key, uint64_t hash)
{
    struct entry *entry = table ? *find_slot(table, key, hash) : NULL;
    if (entry)
        entry->forgotten = true;
}

void es_cache_forget(struct es_cache *cache, struct upsink_slice key)
{
    uint64_t hash = hash_of(key);
    forget_in(cache->young, key, hash);
    forget_in(cache->old, key, hash);
}

static bool make_room(struct es_cache *cache)
{
    struct es_cache_table *young = cache->young;
    if (young && young->arena.used + young->slot_count * sizeof *young->slots > cache->limit) {
        destroy_table(&cache->old);
        cache->old = young;
        cache->young = NULL;
    }
    if (!cache->young)
        cache->young = create_table();
    return cache->young && (cache->young->used * 2 < cache->young->slot_count || grow(cache->young));
}

static void fill(struct entry *entry, const struct es_known *known, struct upsink_slice topic)
{
    struct upsink_slice *texts[TEXTS];
    char *out = entry->bytes + entry->key_len;
    entry->known = *known;
    list_texts(&entry->known, texts);
    for (size_t i = 0; i < TEXTS; i++) {
        if (!texts[i]->data || texts[i]->data == topic.data)
            continue;
        memcpy(out, texts[i]->data, texts[i]->len);
        texts[i]->data = out;
        out += texts[i]->len;
    }
}

static struct entry *create_entry(struct es_cache *cache, struct upsink_slice key, uint64_t hash, size_t room)
{
    struct entry *entry = NULL;
    if (key.len <= UINT32_MAX && room <= UINT32_MAX && make_room(cache))
        entry = arena_alloc(&cache->young->arena, sizeof *entry + key.len + room);
    if (!entry)
        return NULL;
    *entry = (struct entry){.hash = hash, .key_len = (uint32_t)key.len, .room = (uint32_t)room};
    memcpy(entry->bytes, key.data, key.len);
    struct entry **slot = find_slot(cache->young, key, hash);
    cache->young->used += !*slot;
    *slot = entry;
    return entry;
}

void es_cache_put(struct es_cache *cache, struct upsink_slice key, const struct es_known *row,
                  const struct es_known *side, struct upsink_slice topic)
{
    struct es_known known = side->exists ? *side : *row;
    struct upsink_slice *texts[TEXTS];
    uint64_t hash = hash_of(key);
    size_t room = 0;
    es_cache_forget(cache, key);
    if (row->exists == side->exists)
        return;
    list_texts(&known, texts);
    for (size_t i = 0; i < TEXTS; i++)
        room += texts[i]->data && texts[i]->data != topic.data ? texts[i]->len : 0;
    struct entry *entry = cache->young ? *find_slot(cache->young, key, hash) : NULL;
    if (!entry || entry->room < room)
        entry = create_entry(cache, key, hash, room);
    if (!entry)
        return;
    fill(entry, &known, topic);
    entry->is_side = side->exists;
    entry->forgotten = false;
}
