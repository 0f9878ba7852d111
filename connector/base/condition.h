/* Waiting for a condition until a deadline on the clock that never steps back. */
#ifndef UPSINK_CONDITION_H
#define UPSINK_CONDITION_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

static inline void condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* false once the deadline (microseconds, monotonic) has passed. */
static inline bool condition_wait(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t deadline_us)
{
    struct timespec until = {.tv_sec = (time_t)(deadline_us / 1000000),
                             .tv_nsec = (long)(deadline_us % 1000000) * 1000};
    return pthread_cond_timedwait(condition, lock, &until) == 0;
}

#endif
