/* For stores that keep the fence of a deleted entity elsewhere than its row, without a transaction over both:
 * now and then both are there, and one of them is the truth. Pure. */
#ifndef UPSINK_FENCE_PAIR_H
#define UPSINK_FENCE_PAIR_H

#include "sinks/sink.h"

/* Whether the row's last change stands against the delete, as if it came now. Ids say nothing of order.
 * `floor`: of the change at hand; fences below it are void. */
static inline bool upsink_fence_outlives(const struct upsink_fence *row, const struct upsink_fence *deleted,
                                         int64_t floor)
{
    struct upsink_change change = {
        .op = UPSINK_UPSERT,
        .flags = row->has_version ? UPSINK_HAS_VERSION : 0,
        .topic = row->topic,
        .version = row->version,
        .offset = row->offset,
        .timestamp = row->timestamp,
        .generation = row->generation,
        .floor = floor,
        .partition = row->partition,
    };
    return row->generation >= floor && upsink_fence_judge(deleted, &change) == UPSINK_APPLIED;
}

/* The fence that the entity has once the change is applied over `before` (NULL: none). Borrows from both. */
static inline struct upsink_fence upsink_fence_after(const struct upsink_fence *before,
                                                     const struct upsink_change *change)
{
    struct upsink_fence fence = {
        .topic = change->topic,
        .event_id = change->event_id,
        .change_id = change->change_id,
        .offset = change->offset,
        .timestamp = change->timestamp,
        .generation = change->generation,
        .partition = change->partition,
        .deleted = change->op == UPSINK_DELETE,
    };
    fence.has_version = upsink_fence_version(before, change, &fence.version);
    return fence;
}

/* Whether it is this very change that the fence tells of. */
static inline bool upsink_fence_is_of(const struct upsink_fence *fence, const struct upsink_change *change)
{
    return fence->offset == change->offset && fence->partition == change->partition &&
           fence->generation == change->generation && upsink_slice_equal(fence->topic, change->topic);
}

/* How long after fences were asked for a new row that was judged by them may be sent, in microseconds; there
 * is nothing that the store could compare it with. It is less than a member of the group may be silent before
 * its partitions are another's, but for stores that are as slow as that, in later rounds. */
static inline int64_t upsink_fence_fresh_us(int round, int64_t reading_us)
{
    return round == 0 || reading_us < 500000 ? 1000000 : 2 * reading_us;
}

#endif
