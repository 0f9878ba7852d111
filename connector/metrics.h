/* Numbers for Prometheus: counted by the service's threads, rendered by the HTTP thread.
 *
 * Counting is one relaxed atomic addition and never blocks; count once a batch, not once a record. Series are
 * made at start, at assignment, and at the first dead letter of a code, under a lock; none is ever removed
 * while the registry lives, so pointers to them stay valid until metrics_destroy. Every function may be
 * called by any thread. The names are the contract's; the table in metrics.c declares each once. */
#ifndef UPSINK_METRICS_H
#define UPSINK_METRICS_H

#include "buf.h"
#include "error.h"

#include <stdatomic.h>
#include <stdint.h>

struct metrics_counter {
    _Atomic uint64_t value;
};

struct metrics_gauge {
    _Atomic int64_t value;
};

enum { METRICS_BUCKETS = 16 }; /* the last one is +Inf */

/* Upper bounds and unit are fixed by kind. */
struct metrics_histogram {
    _Atomic uint64_t buckets[METRICS_BUCKETS]; /* not cumulative */
    _Atomic uint64_t sum;                      /* in the unit of the values */
};

/* A histogram of one thread, to be merged once a batch. Zero it before use. */
struct metrics_tally {
    uint64_t buckets[METRICS_BUCKETS];
    uint64_t sum;
};

enum metrics_op { METRICS_UPSERT, METRICS_DELETE, METRICS_OPS };
enum metrics_reason {
    METRICS_SUPERSEDED,
    METRICS_DUPLICATE_EVENT,
    METRICS_DUPLICATE_CHANGE,
    METRICS_STALE,
    METRICS_FILTERED,
    METRICS_REASONS
};
enum { METRICS_CLASSES = UPSINK_ERR_FATAL + 1 }; /* index: enum upsink_error_class */

/* Of one view; the members are for metrics_add, metrics_set and the histogram functions. */
struct metrics_view {
    struct metrics_counter applied[METRICS_OPS];
    struct metrics_counter dropped[METRICS_REASONS];
    struct metrics_counter sink_retries[METRICS_CLASSES];
    struct metrics_gauge sink_up;     /* 1 or 0 */
    struct metrics_gauge queue_bytes; /* of records waiting in this process */
    struct metrics_gauge generation;
    struct metrics_histogram end_to_end; /* microseconds from the record's timestamp to applied */
    struct metrics_histogram sink_write; /* microseconds of one write and commit */
    struct metrics_histogram batch_records;
};

/* Of one partition of a view. */
struct metrics_partition {
    struct metrics_counter consumed;
    struct metrics_gauge lag; /* records; negative: not known or not ours just now, and not shown */
};

struct metrics;

/* NULL when out of memory. */
UPSINK_NODISCARD struct metrics *metrics_create(void);
void metrics_destroy(struct metrics *metrics);

/* The series of a view or partition, made where they are not there yet. NULL when out of memory. */
UPSINK_NODISCARD struct metrics_view *metrics_view_create(struct metrics *metrics, const char *view);
UPSINK_NODISCARD struct metrics_partition *metrics_partition(struct metrics_view *view, const char *topic,
                                                             int32_t partition);

/* count more dead letters of that error code. Codes are a fixed set; beyond 64 they are counted as "other".
 */
void metrics_dead_letter(struct metrics_view *view, const char *code, uint64_t count);

/* All records of the view's partitions since it was made. */
uint64_t metrics_consumed(const struct metrics_view *view);

/* All dead letters of the view since it was made. */
uint64_t metrics_dead_letters(const struct metrics_view *view);

static inline void metrics_add(struct metrics_counter *counter, uint64_t count)
{
    atomic_fetch_add_explicit(&counter->value, count, memory_order_relaxed);
}

static inline uint64_t metrics_value(const struct metrics_counter *counter)
{
    return atomic_load_explicit(&counter->value, memory_order_relaxed);
}

static inline void metrics_set(struct metrics_gauge *gauge, int64_t value)
{
    atomic_store_explicit(&gauge->value, value, memory_order_relaxed);
}

static inline void metrics_adjust(struct metrics_gauge *gauge, int64_t by)
{
    atomic_fetch_add_explicit(&gauge->value, by, memory_order_relaxed);
}

/* Times in microseconds; a negative one (a clock that is behind the producer's) counts as 0. */
void metrics_tally_time(struct metrics_tally *tally, int64_t microseconds);
void metrics_observe_time(struct metrics_histogram *histogram, int64_t microseconds);
void metrics_observe_count(struct metrics_histogram *histogram, uint64_t records);
void metrics_merge(struct metrics_histogram *histogram, const struct metrics_tally *tally);

/* Appends everything in Prometheus' text format 0.0.4. */
void metrics_render(struct metrics *metrics, struct buf *out);

#endif
