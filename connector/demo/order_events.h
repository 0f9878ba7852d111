/* Order events as a shop would publish them: CloudEvents 1.0 (structured mode, JSON) around a full
 * nested order of about 900 bytes, with the flaws of real topics in shares that the caller chooses:
 * duplicates, late events, tombstones, poison.
 *
 * Pure: no I/O, no clock, no randomness but the seed. Equal options and times give equal bytes.
 * The generator keeps the expected fold of what it emitted (per order the latest change by
 * lastUpdated, at equal times the later one; tombstones delete and keep the highest time; duplicates
 * dropped), so that a view can be checked row by row without upsink's own code.
 *
 * Not thread-safe; one generator a thread. */
#ifndef UPSINK_DEMO_ORDER_EVENTS_H
#define UPSINK_DEMO_ORDER_EVENTS_H

#include "slice.h"

#include <stdbool.h>
#include <stdint.h>

struct order_events_options {
    uint64_t seed;
    uint32_t orders;   /* how many different orders there are; 1 … 16 million */
    double zipf;       /* skew s of how often an order changes; 0 = all alike, 1 = Zipf's law */
    double duplicates; /* share of earlier events sent again, byte for byte */
    double late;       /* share of events with a lastUpdated before the order's latest */
    double ties;       /* share of events with the very lastUpdated of the order's latest */
    double tombstones; /* share of null values */
    double poison;     /* share of records that no view can apply */
};

enum order_event_kind {
    ORDER_EVENT_UPSERT,
    ORDER_EVENT_DUPLICATE,
    ORDER_EVENT_LATE,
    ORDER_EVENT_TIE,
    ORDER_EVENT_TOMBSTONE,
    ORDER_EVENT_POISON,
    ORDER_EVENT_KINDS
};

/* Slices live until the next call of order_events_next. */
struct order_event {
    enum order_event_kind kind;
    uint32_t order;               /* 0 … orders-1, the most frequent first */
    struct upsink_slice key;      /* absent in one kind of poison */
    struct upsink_slice value;    /* absent: a tombstone */
    struct upsink_slice event_id; /* absent for tombstones and poison */
    int64_t last_updated_ms;      /* Unix time; 0 for tombstones and poison */
};

/* What a view must hold of one order after everything emitted so far. */
struct order_state {
    bool seen;              /* anything but poison was emitted for it */
    bool live;              /* a row must be there, of the event that follows */
    char key[16];           /* NUL-terminated, as are the others */
    char event_id[40];      /* "" unless live */
    char last_updated[32];  /* RFC 3339, "" unless live */
    char last_event_id[40]; /* event of the last record, whatever its lastUpdated; "" for a tombstone */
};

struct order_events;

/* NULL when out of memory, when there are no orders, or when the shares exceed 1 together. */
struct order_events *order_events_create(const struct order_events_options *options);
void order_events_destroy(struct order_events *generator);

/* Emits the next event as of time_ms (Unix time in milliseconds; one that goes back counts as the
 * last one). False when out of memory; nothing was emitted then. */
bool order_events_next(struct order_events *generator, int64_t time_ms, struct order_event *event);

void order_events_state(const struct order_events *generator, uint32_t order, struct order_state *state);

const char *order_event_kind_name(enum order_event_kind kind);

#endif
