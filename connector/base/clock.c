#include "clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

static _Atomic(const struct clock_source *) replaced;

static int64_t read_system(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now); /* can't fail for the two ids used here */
    return (int64_t)now.tv_sec * CLOCK_SECOND + now.tv_nsec / 1000;
}

int64_t clock_monotonic_us(void)
{
    const struct clock_source *source = atomic_load_explicit(&replaced, memory_order_acquire);
    if (source && source->monotonic_us)
        return source->monotonic_us(source->context);
    return read_system(CLOCK_MONOTONIC);
}

int64_t clock_wall_us(void)
{
    const struct clock_source *source = atomic_load_explicit(&replaced, memory_order_acquire);
    if (source && source->wall_us)
        return source->wall_us(source->context);
    return read_system(CLOCK_REALTIME);
}

void clock_replace(const struct clock_source *source)
{
    atomic_store_explicit(&replaced, source, memory_order_release);
}

void clock_format(int64_t wall_us, char text[CLOCK_TEXT_SIZE])
{
    int64_t fraction = wall_us % CLOCK_SECOND;
    time_t seconds = (time_t)(wall_us / CLOCK_SECOND);
    if (fraction < 0) {
        fraction += CLOCK_SECOND;
        seconds--;
    }
    struct tm utc;
    gmtime_r(&seconds, &utc); /* the whole range of int64_t microseconds fits into its years */
    size_t len = strftime(text, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + len, CLOCK_TEXT_SIZE - len, ".%06dZ", (int)fraction);
}
