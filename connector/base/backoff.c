#include "backoff.h"

#include "clock.h"

#include <sys/random.h>

static uint64_t draw_system(void *context)
{
    (void)context;
    uint64_t bits;
    if (getrandom(&bits, sizeof bits, GRND_NONBLOCK) != (ssize_t)sizeof bits)
        bits = (uint64_t)clock_monotonic_us() *
               0x9E3779B97F4A7C15u; /* early at boot: spread is all that matters */
    return bits;
}

static int64_t at_least_one(int64_t value)
{
    return value < 1 ? 1 : value;
}

void backoff_init(struct backoff *backoff, int64_t initial_us, int64_t max_us, backoff_random random,
                  void *context)
{
    backoff->max_us = at_least_one(max_us);
    backoff->initial_us = at_least_one(initial_us);
    if (backoff->initial_us > backoff->max_us)
        backoff->initial_us = backoff->max_us;
    backoff->random = random ? random : draw_system;
    backoff->context = context;
    backoff_reset(backoff);
}

int64_t backoff_next(struct backoff *backoff)
{
    uint64_t span = (uint64_t)backoff->ceiling_us + 1;
    int64_t delay = (int64_t)(backoff->random(backoff->context) % span);
    backoff->ceiling_us =
        backoff->ceiling_us > backoff->max_us / 2 ? backoff->max_us : backoff->ceiling_us * 2;
    return delay;
}

void backoff_reset(struct backoff *backoff)
{
    backoff->ceiling_us = backoff->initial_us;
}
