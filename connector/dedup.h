/* What one partition remembers of its last records, so that a repetition is known.
 *
 * The window holds the ids of what was applied: who carries one of them again is a duplicate. What was stale
 * is in it with ids that the version has gone into: who carries one of them again, with the same version, is
 * stale too. It may have come again after a crash between rows and positions, and have been applied before;
 * with positions or equal versions for order its repetition would win. With another version it is judged by
 * itself. Owned by one thread. */
#ifndef UPSINK_DEDUP_H
#define UPSINK_DEDUP_H

#include "connector/window.h"
#include "sinks/sink.h"

struct dedup {
    struct window window;
    bool any_stale;
};

void dedup_init(struct dedup *dedup, uint32_t limit);
void dedup_destroy(struct dedup *dedup);
void dedup_forget(struct dedup *dedup);

bool dedup_is_stale(const struct dedup *dedup, struct window_ids ids, const struct upsink_change *change);
/* The record of that number in the window was not applied but stale. */
void dedup_make_stale(struct dedup *dedup, uint64_t number, struct window_ids ids,
                      const struct upsink_change *change);

/* Whether two changes with the same ids are stale together. */
bool dedup_same_version(const struct upsink_change *one, const struct upsink_change *other);

#endif
