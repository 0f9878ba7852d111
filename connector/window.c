#include "window.h"

#include <stdlib.h>
#include <sys/random.h>
#include <xxhash.h>

void window_init(struct window *window, uint32_t limit)
{
    *window = (struct window){.limit = limit < WINDOW_LIMIT_MAX ? limit : WINDOW_LIMIT_MAX};
}

void window_destroy(struct window *window)
{
    free(window->ring);
    free(window->index);
    window_init(window, window->limit);
}

void window_forget(struct window *window)
{
    window_destroy(window);
}

static uint64_t process_seed(void)
{
    static uint64_t seed;
    uint64_t value = __atomic_load_n(&seed, __ATOMIC_RELAXED);
    if (value)
        return value;
    uint64_t fresh = 0;
    if (getrandom(&fresh, sizeof fresh, 0) != (ssize_t)sizeof fresh || !fresh)
        fresh = 0x9e3779b97f4a7c15u;
    uint64_t none = 0;
    __atomic_compare_exchange_n(&seed, &none, fresh, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    return __atomic_load_n(&seed, __ATOMIC_RELAXED);
}

uint64_t window_hash(struct upsink_slice key, struct upsink_slice id, int kind)
{
    if (!id.data)
        return 0;
    uint64_t seed = XXH3_64bits_withSeed(key.data, key.len, process_seed() + (uint64_t)kind);
    uint64_t hash = XXH3_64bits_withSeed(id.data, id.len, seed);
    return hash ? hash : 1;
}

static uint32_t slot_mask(const struct window *window)
{
    return (uint32_t)((UINT64_C(1) << window->slot_bits) - 1);
}

static uint64_t id_at(const struct window *window, uint32_t entry)
{
    uint32_t number = (entry & slot_mask(window)) - 1;
    const struct window_ids *ids = &window->ring[number / 2];
    return number % 2 ? ids->change : ids->event;
}

static uint32_t make_entry(const struct window *window, uint32_t slot, uint32_t which, uint64_t id)
{
    return ((uint32_t)id & ~slot_mask(window)) | (slot * 2 + which + 1);
}

static bool entry_is(const struct window *window, uint32_t entry, uint64_t id)
{
    return ((entry ^ (uint32_t)id) & ~slot_mask(window)) == 0 && id_at(window, entry) == id;
}

/* The index place that holds the id, or the empty one where it belongs. */
static uint32_t find_place(const struct window *window, uint64_t id)
{
    uint32_t place = (uint32_t)(id >> 32) & window->mask;
    while (window->index[place] && !entry_is(window, window->index[place], id))
        place = (place + 1) & window->mask;
    return place;
}

uint64_t window_find(const struct window *window, uint64_t id)
{
    uint32_t entry = id && window->index ? window->index[find_place(window, id)] : 0;
    if (!entry)
        return UINT64_MAX;
    uint64_t slot = ((entry & slot_mask(window)) - 1) / 2, newest = window->next - 1;
    return newest - (newest % window->capacity + window->capacity - slot) % window->capacity;
}

bool window_has(const struct window *window, uint64_t id)
{
    return window_find(window, id) != UINT64_MAX;
}

/* Linear probing without tombstones: what stands behind the gap and may move into it does. */
static void erase_place(struct window *window, uint32_t gap)
{
    for (uint32_t place = (gap + 1) & window->mask; window->index[place];
         place = (place + 1) & window->mask) {
        uint32_t home = (uint32_t)(id_at(window, window->index[place]) >> 32) & window->mask;
        if (((place - home) & window->mask) >= ((place - gap) & window->mask)) {
            window->index[gap] = window->index[place];
            gap = place;
        }
    }
    window->index[gap] = 0;
}

/* The place is found before the ring forgets the id: other places are judged by the ring. */
static void drop_id(struct window *window, uint64_t *id)
{
    if (*id) {
        erase_place(window, find_place(window, *id));
        *id = 0;
    }
}

static void drop_slot(struct window *window, uint32_t slot)
{
    drop_id(window, &window->ring[slot].event);
    drop_id(window, &window->ring[slot].change);
}

static void put_id(struct window *window, uint32_t slot, uint32_t which, uint64_t id)
{
    if (id)
        window->index[find_place(window, id)] = make_entry(window, slot, which, id);
}

/* Moves everything to a ring and an index of another size; `capacity` is enough for what is remembered. */
static bool resize(struct window *window, uint32_t capacity)
{
    struct window old = *window;
    size_t places = 16;
    while (places < (size_t)capacity * 2 + capacity / 2)
        places *= 2;
    struct window_ids *ring = calloc(capacity, sizeof *ring);
    uint32_t *index = calloc(places, sizeof *index);
    if (!ring || !index) {
        free(ring);
        free(index);
        return false;
    }
    window->ring = ring;
    window->index = index;
    window->capacity = capacity;
    window->mask = (uint32_t)(places - 1);
    for (window->slot_bits = 1; (UINT64_C(1) << window->slot_bits) <= (uint64_t)capacity * 2;)
        window->slot_bits++;
    for (uint64_t number = old.oldest; number < old.next; number++) {
        uint32_t slot = (uint32_t)(number % capacity);
        ring[slot] = old.ring[number % old.capacity];
        put_id(window, slot, 0, ring[slot].event);
        put_id(window, slot, 1, ring[slot].change);
    }
    free(old.ring);
    free(old.index);
    return true;
}

/* Twice the room, up to the limit. */
static bool grow(struct window *window)
{
    uint32_t capacity = window->capacity ? window->capacity * 2 : 1024;
    return resize(window, capacity > window->limit ? window->limit : capacity);
}

static void drop_oldest_above(struct window *window, uint64_t count)
{
    while (window->next - window->oldest > count)
        drop_slot(window, (uint32_t)(window->oldest++ % window->capacity));
}

void window_set_limit(struct window *window, uint32_t limit)
{
    window->limit = limit < WINDOW_LIMIT_MAX ? limit : WINDOW_LIMIT_MAX;
    if (window->limit == 0) {
        window_forget(window);
    } else if (window->capacity > window->limit) {
        drop_oldest_above(window, window->limit);
        (void)resize(window, window->limit); /* out of memory: the room stays */
    }
}

static void fill_slot(struct window *window, uint32_t slot, struct window_ids ids)
{
    window->ring[slot] = (struct window_ids){0, 0};
    if (ids.event && !window_has(window, ids.event)) {
        window->ring[slot].event = ids.event;
        put_id(window, slot, 0, ids.event);
    }
    if (ids.change && !window_has(window, ids.change)) {
        window->ring[slot].change = ids.change;
        put_id(window, slot, 1, ids.change);
    }
}

uint64_t window_add(struct window *window, struct window_ids ids)
{
    if (window->limit == 0)
        return UINT64_MAX;
    drop_oldest_above(window, window->limit - 1);
    if (window->next - window->oldest == window->capacity && !grow(window)) { /* capacity < limit here */
        if (!window->capacity)
            return UINT64_MAX;
        drop_oldest_above(window, window->capacity - 1);
    }
    uint64_t number = window->next++;
    fill_slot(window, (uint32_t)(number % window->capacity), ids);
    return number;
}

void window_replace(struct window *window, uint64_t number, struct window_ids ids)
{
    if (number == UINT64_MAX || number < window->oldest || number >= window->next)
        return;
    uint32_t slot = (uint32_t)(number % window->capacity);
    drop_slot(window, slot);
    fill_slot(window, slot, ids);
}

void window_remove(struct window *window, uint64_t number)
{
    window_replace(window, number, (struct window_ids){0, 0});
}
