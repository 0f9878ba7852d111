/* What a worker asks where nothing tells it: whether the target and its partitions are still its own, and
 * whether records that come after a silence are of the same topic as those before it. */
#include "connector/view.h"

#include "clock.h"

#include <stdlib.h>

#define PROOF_INTERVAL (10 * CLOCK_SECOND)
/* librdkafka stays away from a partition for 500 ms (fetch.error.backoff.ms) when the broker did not know it.
 */
#define SILENCE  (400 * CLOCK_MS)
#define BUSY_MAX (5 * CLOCK_SECOND)

int64_t worker_clock(const struct worker *worker)
{
    return clock_monotonic_us() - worker->busy_us;
}

/* Records that came while the worker was writing wait in its queue: that is no silence. But during an outage,
 * or a very long write, the queue is full and nothing is fetched. */
void worker_was_busy(struct worker *worker, int64_t since_us)
{
    int64_t busy = clock_monotonic_us() - since_us;
    if (busy < BUSY_MAX)
        worker->busy_us += busy;
}

bool worker_doubts_lane(struct worker *worker, struct lane *lane)
{
    const struct resume_mark *mark = &lane->note.mark;
    if (worker->now_us - lane->heard_us < SILENCE || lane->state != LANE_ACTIVE || mark->offset < 0 ||
        lane->expected != atomic_load(&lane->done) ||
        source_cached_low(worker->view->source, lane->topic, lane->partition) > mark->offset)
        return false;
    lane->marked = *mark;
    lane->start = lane->expected;
    lane->expected = mark->offset;
    lane->state = LANE_DECIDED;
    worker->doubts = true;
    return true;
}

/* Stores the positions as they are: fails where another owner, or a new target, made them void. */
static bool commit_unchanged(struct worker *worker, struct upsink_error *err)
{
    const struct upsink_sink_type *type = worker->view->type;
    struct upsink_position *positions = calloc(worker->lane_count + 1, sizeof *positions);
    if (!positions)
        return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "no memory to commit");
    size_t count = 0;
    for (size_t i = 0; i < worker->lane_count; i++) {
        const struct lane *lane = worker->lanes[i];
        if (lane->state != LANE_ACTIVE || atomic_load(&lane->revoked))
            continue;
        positions[count] = (struct upsink_position){.topic = upsink_slice_of(lane->topic),
                                                    .partition = lane->partition,
                                                    .epoch = lane->epoch,
                                                    .generation = lane->note.generation,
                                                    .floor = lane->note.floor,
                                                    .next_offset = atomic_load(&lane->done)};
        resume_note_format(&lane->note, positions[count++].note);
    }
    bool ok = count == 0 || type->commit(worker->sink, positions, count, err);
    free(positions);
    return ok;
}

void worker_prove(struct worker *worker)
{
    struct view *view = worker->view;
    struct upsink_error err = {0};
    int64_t now = clock_monotonic_us();
    unsigned losses = atomic_load(&view->losses);
    if (!(view->type->capabilities & UPSINK_KEEPS_POSITIONS) || worker->lane_count == 0 ||
        atomic_load(&view->halted) ||
        (losses == worker->losses_seen && now - worker->proved_us < PROOF_INTERVAL))
        return;
    worker->losses_seen = losses;
    worker->proved_us = now;
    worker->prepared = false;
    if (worker_prepare(worker, &err) && commit_unchanged(worker, &err)) {
        worker->unknown_in_a_row = 0;
        backoff_reset(&worker->backoff);
        view_report(view, worker, NULL);
        return;
    }
    worker->proved_us = 0; /* again after the back-off */
    worker_handle_failure(worker, &err);
}
