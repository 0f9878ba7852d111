/* The series behind metrics.h; shared by metrics.c, which makes and counts, and metrics_render.c, which
 * shows. */
#ifndef UPSINK_METRICS_SERIES_H
#define UPSINK_METRICS_SERIES_H

#include "connector/metrics.h"

#include <pthread.h>

enum { METRICS_CODES = 64 };

struct code_series {
    char code[48];
    struct metrics_counter count;
};

struct partition_series {
    struct metrics_partition open; /* what the others see; first, so that its address is ours */
    struct partition_series *next;
    char *topic;
    int32_t partition;
};

/* Lists grow at their head, under the registry's lock; codes grow at their end, and are found without it. */
struct view_series {
    struct metrics_view open; /* likewise first */
    struct view_series *next;
    struct metrics *registry;
    char *name;
    struct partition_series *partitions;
    struct code_series codes[METRICS_CODES];
    atomic_size_t code_count;
    struct metrics_counter other_codes;
};

struct metrics {
    pthread_mutex_t lock;
    struct view_series *views;
};

/* Upper bounds of the buckets, in the unit of the values and as Prometheus shows them. */
struct metrics_bound {
    uint64_t value;
    const char *text;
};

extern const struct metrics_bound metrics_time_bounds[METRICS_BUCKETS - 1];
extern const struct metrics_bound metrics_count_bounds[METRICS_BUCKETS - 1];

#endif
