/* A lane: one assigned partition of a view, from assignment to revocation.
 *
 * Made by the poll thread, then owned by one worker thread, which alone changes it. What other threads read
 * is atomic. The worker frees it once it was revoked (the poll thread waits for that, for a bounded time). */
#ifndef UPSINK_LANE_H
#define UPSINK_LANE_H

#include "connector/metrics.h"
#include "connector/resume.h"
#include "connector/dedup.h"

#include <stdatomic.h>

enum lane_state {
    LANE_STARTING, /* not yet claimed, or to be claimed again */
    LANE_DECIDED,  /* knows where to start, but does not read yet */
    LANE_WARMING,  /* reads what was handled before, for the duplicate window and the mark */
    LANE_ACTIVE
};

struct worker;

struct lane {
    char *topic;
    struct upsink_slice topic_slice;
    int32_t partition;
    struct worker *worker;         /* set before others see the lane */
    uint32_t number;               /* in its worker's list */
    _Atomic enum lane_state state; /* changed by the worker alone */
    const void *topic_handle;      /* librdkafka's, for quick recognition */
    _Atomic bool revoked;          /* asked for by the poll thread */
    _Atomic int64_t done;          /* next offset to be handled, as the sink has it; -1 before the start */
    int64_t start;                 /* records before it are read only to warm the window */
    int64_t expected;              /* next offset to be taken in */
    int64_t epoch;
    int64_t retry_at_us;       /* monotonic: no new start before */
    struct resume_note note;   /* with the mark of the last record taken in */
    struct resume_mark marked; /* to be compared while warming; offset -1: nothing */
    bool mark_differs;
    int64_t heard_us;     /* when a record of it was last taken, by worker_clock */
    bool new_generation;  /* the group's offset must be overwritten at once */
    int64_t group_offset; /* last committed to Kafka, -1 none */
    struct dedup dedup;
    struct metrics_partition *metrics;
    bool leaderless;   /* guarded by the view's lock: no broker has it, as Kafka says now and then */
    bool troubled;     /* of the worker: it could not be read, and nothing came since; survives a restart */
    char trouble[256]; /* why, guarded by the view's lock; "" it can be read */
};

struct lane *lane_create(const char *topic, int32_t partition, uint32_t window_limit,
                         struct metrics_partition *metrics);
void lane_destroy(struct lane *lane);

/* Back to the beginning: claim, decide, seek. */
void lane_restart(struct lane *lane, int64_t retry_at_us);

#endif
