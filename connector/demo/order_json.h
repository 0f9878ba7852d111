/* The JSON of one order event: a pure function of what it is given. See order_events.h. */
#ifndef UPSINK_DEMO_ORDER_JSON_H
#define UPSINK_DEMO_ORDER_JSON_H

#include "buf.h"

#include <stdint.h>

enum { ORDER_HISTORY = 3 };

/* One state of one order; everything that does not change between states comes from the seed. */
struct order_snapshot {
    uint64_t seed;
    uint64_t ordinal; /* of the event: makes its id */
    uint32_t order;
    uint32_t revision;                 /* changes of this order before this one */
    int64_t last_updated_ms;           /* Unix time */
    int64_t time_ms;                   /* of the event */
    int64_t history_ms[ORDER_HISTORY]; /* when the latest statuses began, oldest first */
    uint32_t history_len;
};

/* A well-mixed 64-bit number of two others (splitmix64's finaliser). */
uint64_t order_mix(uint64_t a, uint64_t b);

/* "ord-" and eight hexadecimal digits, different for different orders. */
void order_format_key(uint32_t order, char key[static 16]);
/* A UUID (version 4 in form) of the event's ordinal. */
void order_format_event_id(uint64_t seed, uint64_t ordinal, char id[static 40]);
/* RFC 3339 in UTC with milliseconds; years 1970 … 9999. */
void order_format_time(int64_t unix_ms, char text[static 32]);

void order_append_json(struct buf *out, const struct order_snapshot *snapshot);

#endif
