/* Time in microseconds, from one place, so that tests can stop it and move it.
 *
 * Both functions may be called by any thread. */
#ifndef UPSINK_CLOCK_H
#define UPSINK_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define CLOCK_MS     1000LL
#define CLOCK_SECOND 1000000LL

/* Never steps back; its zero means nothing. For durations, timeouts and deadlines. */
int64_t clock_monotonic_us(void);

/* Since 1970-01-01T00:00:00Z. For timestamps that people or other systems see. */
int64_t clock_wall_us(void);

/* Another source of time. NULL members, and a NULL source, mean the system's own. The source must stay valid
 * until it is replaced. */
struct clock_source {
    int64_t (*monotonic_us)(void *context);
    int64_t (*wall_us)(void *context);
    void *context;
};
void clock_replace(const struct clock_source *source);

/* Of a record's timestamp, which anybody may have set: -1 where it is negative (none), CLOCK_MS_MAX where it
 * is more. Whole milliseconds, so that every store holds it. */
#define CLOCK_MS_MAX (INT64_MAX / CLOCK_MS - 1)
static inline int64_t clock_from_ms(int64_t ms)
{
    return ms < 0 ? -1 : (ms > CLOCK_MS_MAX ? CLOCK_MS_MAX : ms) * CLOCK_MS;
}

#define CLOCK_TEXT_SIZE 36

/* RFC 3339 in UTC with microseconds: "2026-01-02T03:04:05.000006Z". */
void clock_format(int64_t wall_us, char text[CLOCK_TEXT_SIZE]);

#endif
