/* A batch: records on their way into the sink, folded per entity, in order.
 *
 * Filled from the lanes of one worker, then written in waves: each wave holds, for every entity that is not
 * yet settled, the latest change of a run that may stand for the whole run. Nearly always there is one wave.
 * What it supersedes is kept until the batch is done: where the sink refuses a change, the latest good one
 * before it gets its turn; where the sink finds the latest one stale or a duplicate, the run is written one
 * by one, so that the outcome is that of applying every record by itself.
 *
 * A run ends where folding would lose something that only the sink knows: after a tombstone in a view with
 * versions (the fence keeps the highest version seen, and the upsert behind it must exceed that), and around
 * deletes in a view with soft deletes (the state before the delete stays).
 *
 * Pure: no I/O. Owned by one thread. Memory: BATCH_RECORD_OVERHEAD for a record, beside its message. */
#ifndef UPSINK_BATCH_H
#define UPSINK_BATCH_H

#include "arena.h"
#include "connector/dedup.h"
#include "schemas/mapping.h"
#include "sinks/sink.h"

enum fate {
    FATE_PENDING,
    FATE_APPLIED,
    FATE_SUPERSEDED,
    FATE_STALE,
    FATE_DUPLICATE_EVENT,
    FATE_DUPLICATE_CHANGE,
    FATE_FILTERED,
    FATE_REJECTED,
    FATE_COUNT
};

#define BATCH_NONE            UINT32_MAX
#define BATCH_RECORD_OVERHEAD 640 /* ours and librdkafka's for one record, in bytes, beside the message */

struct batch_record {
    struct upsink_change change;
    void *message;              /* the caller's; not touched */
    struct upsink_error *error; /* counts with FATE_REJECTED only */
    struct dedup *dedup;
    uint64_t number; /* in its window of what was applied */
    struct window_ids ids;
    uint32_t lane;      /* the caller's */
    bool in_sink_stage; /* rejected by the sink, not by the decoder */
    bool dead_lettered; /* out of the game, also when the batch is repeated */
    bool written;       /* applied, and to be written once more: see batch_repeat */
    bool reopened;      /* its twin was refused or stale: its ids count once it is applied itself */
};

/* What planning walks over again and again, apart from the records: a batch of these stays in the cache. */
struct batch_link {
    uint32_t next; /* record of the same entity, in order of arrival */
    uint32_t twin; /* the record of this batch whose id it repeats; of one that was refused or stale: who
                      stands in for it */
    uint8_t fate;  /* enum fate */
    uint8_t mark;  /* the fate it gets if the run's latest change is applied */
};

struct batch_entity {
    uint32_t first, last; /* records */
    uint32_t head;        /* of the wave being written */
    uint32_t end;         /* first record behind the run */
    bool one_by_one;
    bool has_twins;
};

struct batch_head {
    uint64_t prefix;
    uint32_t entity;
};

struct batch {
    struct arena arena;   /* the decoder's memory, and the errors */
    struct arena scratch; /* the sink's, for one wave */
    struct batch_record *records;
    struct batch_link *links; /* one for each record */
    struct batch_entity *entities;
    struct batch_head *heads; /* of the wave, sorted by key */
    const struct upsink_change **changes;
    struct upsink_result *results;
    uint64_t *table; /* by key: upper half of its hash, entity index + 1; 0 empty */
    size_t record_count, record_room, link_room;
    size_t entity_count, entity_room;
    size_t head_count, head_room;
    size_t table_mask;
    size_t bytes; /* of the messages */
    bool versioned, soft;
    bool change_id_is_hash; /* it tells the state, which may honestly come back: not for the window */
};

void batch_init(struct batch *batch, bool versioned, bool soft, bool change_id_is_hash);
void batch_destroy(struct batch *batch);
void batch_clear(struct batch *batch); /* the messages are the caller's to release first */

/* What of a change the duplicate window remembers. */
struct window_ids batch_window_ids(const struct batch *batch, const struct upsink_change *change);

/* Adds a decoded record; *change and *error are copied. `dedup` NULL: no duplicate window. false: out of
 * memory, nothing was added. */
UPSINK_NODISCARD bool batch_add(struct batch *batch, enum decode_outcome outcome,
                                const struct upsink_change *change, const struct upsink_error *error,
                                struct dedup *dedup, uint32_t lane, void *message, size_t bytes);

/* Plans the next wave: false when everything is settled, or out of memory (*failed). The wave is *wave, whose
 * results are to be filled; then batch_settle. */
bool batch_next_wave(struct batch *batch, struct upsink_batch *wave, bool *failed);
void batch_settle(struct batch *batch, const struct upsink_batch *wave);

/* Everything but dead letters is open again: the sink took back what was written. */
void batch_reopen(struct batch *batch);

/* What was applied is written once more: a sink that takes nothing back may have lost it again before the
 * positions were stored, as when another server takes over. Where it still stands it counts as applied. */
void batch_repeat(struct batch *batch);

/* The batch is done for good: the windows learn what was refused or stale. */
void batch_finish(struct batch *batch);

#endif
