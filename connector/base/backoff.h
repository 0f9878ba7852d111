/* How long to wait before the next attempt: exponential, with full jitter.
 *
 * The n-th delay is uniform between 0 and min(max, initial * 2^n), so that many instances that lost
 * the same server do not come back at the same moment. Owned by one thread at a time. */
#ifndef UPSINK_BACKOFF_H
#define UPSINK_BACKOFF_H

#include <stdint.h>

/* 64 evenly distributed bits. */
typedef uint64_t (*backoff_random)(void *context);

struct backoff {
    int64_t initial_us, max_us;
    int64_t ceiling_us; /* of the next delay */
    backoff_random random;
    void *context;
};

/* Durations in microseconds, at least 1; random NULL: the system's own randomness. */
void backoff_init(struct backoff *backoff, int64_t initial_us, int64_t max_us, backoff_random random,
                  void *context);

/* The delay before the next attempt, in microseconds. */
int64_t backoff_next(struct backoff *backoff);

/* After a success: the next delay is short again. */
void backoff_reset(struct backoff *backoff);

#endif
