#include "connector/lane.h"

#include <stdlib.h>

struct lane *lane_create(const char *topic, int32_t partition, uint32_t window_limit,
                         struct metrics_partition *metrics)
{
    struct lane *lane = calloc(1, sizeof *lane);
    if (!lane)
        return NULL;
    lane->topic = strdup(topic);
    if (!lane->topic) {
        free(lane);
        return NULL;
    }
    lane->topic_slice = upsink_slice_of(lane->topic);
    lane->partition = partition;
    lane->metrics = metrics;
    dedup_init(&lane->dedup, window_limit);
    atomic_init(&lane->done, -1);
    lane_restart(lane, 0);
    return lane;
}

void lane_destroy(struct lane *lane)
{
    if (!lane)
        return;
    dedup_destroy(&lane->dedup);
    free(lane->topic);
    free(lane);
}

void lane_restart(struct lane *lane, int64_t retry_at_us)
{
    lane->state = LANE_STARTING;
    lane->retry_at_us = retry_at_us;
    lane->start = lane->expected = lane->group_offset = -1;
    lane->marked.offset = -1;
    lane->new_generation = false;
    dedup_forget(&lane->dedup);
}
