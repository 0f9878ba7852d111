/* Which positions of a dead-letter topic are resolved. Pure. */
#ifndef UPSINK_DLQ_RESOLVED_H
#define UPSINK_DLQ_RESOLVED_H

#include "slice.h"

#include <stdint.h>

struct dlq_position {
    int64_t offset;
    int32_t partition;
};

struct dlq_resolved {
    struct dlq_mark *marks;
    size_t count, capacity;
    bool sorted;
};

void dlq_resolved_init(struct dlq_resolved *resolved);
void dlq_resolved_clear(struct dlq_resolved *resolved);

/* "PARTITION:OFFSET"; false where the text is something else. */
bool dlq_position_parse(struct upsink_slice text, struct dlq_position *position);

/* Takes a record of the state topic in; call it in the order of the topic. false when out of memory. Keys
 * that are no positions are passed over. */
bool dlq_resolved_add(struct dlq_resolved *resolved, struct upsink_slice key, bool is_tombstone);

bool dlq_resolved_has(struct dlq_resolved *resolved, int32_t partition, int64_t offset);

#endif
