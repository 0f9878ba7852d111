/* The duplicate window of one partition: which event ids and change ids its last N records carried.
 *
 * An id is remembered as a 64-bit hash of (entity key, id), seeded at random in each process, so that nobody
 * can aim at a collision; by chance a record is mistaken for a duplicate about once in 10^14. Owned by one
 * thread. About 26 bytes for each record; grows with what it holds, up to its limit. */
#ifndef UPSINK_WINDOW_H
#define UPSINK_WINDOW_H

#include "error.h"
#include "slice.h"

#include <stdint.h>

/* What one record carried; 0: nothing. */
struct window_ids {
    uint64_t event, change;
};

struct window {
    struct window_ids *ring;
    uint32_t *index; /* open addressing; 0 empty, else 1 + ring slot * 2 + (0 event, 1 change), and above that
                        as many bits of the id as fit, so that the ring is seldom looked at in vain */
    uint64_t next;   /* records ever added; its slot is next % capacity */
    uint64_t oldest; /* the first one still remembered */
    uint32_t capacity;  /* records the ring has room for */
    uint32_t limit;     /* records to remember at most */
    uint32_t mask;      /* of the index */
    uint32_t slot_bits; /* of an index entry */
};

#define WINDOW_BYTES_PER_RECORD 26
#define WINDOW_LIMIT_MAX        100000000u

void window_init(struct window *window, uint32_t limit);
void window_destroy(struct window *window);
void window_forget(struct window *window);

/* Fewer or more records from now on; what is too old is forgotten at once, and its memory given back. */
void window_set_limit(struct window *window, uint32_t limit);

/* 0 for an absent id. `kind` keeps event ids and change ids apart. */
uint64_t window_hash(struct upsink_slice key, struct upsink_slice id, int kind);

/* The number (see window_add) of the record that carried the id; UINT64_MAX where none did. */
uint64_t window_find(const struct window *window, uint64_t id);
bool window_has(const struct window *window, uint64_t id);

/* Adds a record (also one without ids: the window counts records) and forgets the one that falls out. Ids
 * that are there already are not added twice. Returns a number for window_remove. Out of memory: the window
 * remembers fewer records, never wrong ones. */
uint64_t window_add(struct window *window, struct window_ids ids);

/* Gives a record that is still remembered other ids. */
void window_replace(struct window *window, uint64_t number, struct window_ids ids);

/* Takes back the ids of a record that was not applied after all. */
void window_remove(struct window *window, uint64_t number);

#endif
