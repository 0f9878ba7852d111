/* A batch on its way out: waves into the sink, refused records into the dead-letter topic, positions. In that
 * order: an offset moves only when every record before it is applied, dropped for a counted reason, or
 * acknowledged as a dead letter. */
#include "connector/view.h"

#include "clock.h"
#include "connector/delivery.h"
#include "log.h"

#include <stdlib.h>

enum { DLQ_SLICE_MS = 200, DLQ_PATIENCE_MS = 30000, DLQ_FAREWELL_MS = 2000, DLQ_OPEN_MS = 10000 };

static bool write_waves(struct worker *worker, struct upsink_error *err)
{
    struct upsink_batch wave;
    bool failed = false;
    while (batch_next_wave(&worker->batch, &wave, &failed)) {
        if (!worker->view->type->write(worker->sink, &wave, err))
            return false;
        batch_settle(&worker->batch, &wave);
    }
    return !failed || upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory",
                                  "no memory to write a batch; lower batch.max_bytes");
}

static enum dlq_stage stage_of(const struct batch_record *record)
{
    /* The value could be read; what the view wants of it is not there or can't be used. */
    static const char *const mapped[] = {"missing_field", "invalid_field", "invalid_version",
                                         "missing_entity"};
    if (record->in_sink_stage)
        return DLQ_STAGE_TASK_PUT;
    if (strstr(record->error->code, "key"))
        return DLQ_STAGE_KEY_CONVERTER;
    for (size_t i = 0; i < sizeof mapped / sizeof *mapped; i++)
        if (strcmp(record->error->code, mapped[i]) == 0)
            return DLQ_STAGE_TRANSFORMATION;
    return DLQ_STAGE_VALUE_CONVERTER;
}

static struct dlq_reason reason_of(const struct worker *worker, const struct batch_record *record)
{
    const struct upsink_change *change = &record->change;
    return (struct dlq_reason){.error = record->error,
                               .stage = stage_of(record),
                               .module = record->in_sink_stage ? worker->view->type->name : "upsink.mapping",
                               .view = worker->view->settings->name,
                               .sink = worker->view->sink_name,
                               .task = worker->number,
                               .source_topic = change->topic,
                               .source_partition = change->partition,
                               .source_offset = change->offset,
                               .failed_at = clock_wall_us(),
                               .event_id = change->event_id,
                               .change_id = change->change_id,
                               .has_version = (change->flags & UPSINK_HAS_VERSION) &&
                                              !(change->flags & UPSINK_BY_POSITION),
                               .version = change->version,
                               .schema_id = -1};
}

static bool open_dlq(struct view *view, struct upsink_error *err)
{
    pthread_mutex_lock(&view->dlq_lock);
    if (!view->dlq_open)
        view->dlq_open =
            dlq_writer_open(view->dlq, view->settings->topics, view->settings->topic_count, DLQ_OPEN_MS, err);
    bool ok = view->dlq_open;
    pthread_mutex_unlock(&view->dlq_lock);
    return ok;
}

static void log_dead_letter(const struct worker *worker, const struct batch_record *record, const char *what)
{
    static struct log_limit limit;
    int64_t held_back = 0;
    if (log_limit_pass(&limit, CLOCK_SECOND, &held_back))
        log_write(LOG_LEVEL_WARN, what, LOG_STR("view", worker->view->settings->name),
                  LOG_SLICE("topic", record->change.topic), LOG_INT("partition", record->change.partition),
                  LOG_INT("offset", record->change.offset), LOG_SLICE("key", record->change.key),
                  LOG_SLICE("event_id", record->change.event_id), LOG_STR("code", record->error->code),
                  LOG_STR("reason", record->error->text), LOG_STR("detail", record->error->detail),
                  LOG_INT("held_back", held_back));
}

static bool is_to_be_written_off(const struct batch *batch, uint32_t i)
{
    return batch->links[i].fate == FATE_REJECTED && !batch->records[i].dead_lettered;
}

static bool must_let_go(const struct worker *worker)
{
    if (atomic_load(&worker->view->stopping) || atomic_load(&worker->view->halted))
        return true;
    for (size_t i = 0; i < worker->lane_count; i++)
        if (atomic_load(&worker->lanes[i]->revoked) || worker->lanes[i]->state == LANE_STARTING)
            return true;
    return false;
}

/* Whether the dead-letter topic has had its time; less where somebody waits for us. */
static bool is_late(const struct worker *worker, int64_t begin)
{
    return clock_monotonic_us() - begin >
           (must_let_go(worker) ? DLQ_FAREWELL_MS : DLQ_PATIENCE_MS) * CLOCK_MS;
}

/* Waits for room in the writer. */
static bool send_one(struct worker *worker, const struct batch_record *record, struct dlq_ticket *ticket,
                     struct upsink_error *err)
{
    struct dlq_reason reason = reason_of(worker, record);
    for (int64_t begin = clock_monotonic_us();;) {
        int64_t asked = clock_monotonic_us();
        if (dlq_writer_send(worker->view->dlq, record->message, &reason, ticket, DLQ_SLICE_MS, err))
            return true;
        if (clock_monotonic_us() - asked < DLQ_SLICE_MS * CLOCK_MS || is_late(worker, begin))
            return false;
    }
}

/* Sends every refused record; numbers[n] is the record of the ticket's nth send. */
static bool send_refused(struct worker *worker, struct dlq_ticket *ticket, uint32_t *numbers, size_t *count,
                         struct upsink_error *err)
{
    struct batch *batch = &worker->batch;
    for (uint32_t i = 0; i < batch->record_count; i++) {
        struct batch_record *record = &batch->records[i];
        if (!is_to_be_written_off(batch, i))
            continue;
        if (!send_one(worker, record, ticket, err))
            return false;
        numbers[(*count)++] = i;
    }
    return true;
}

static bool await_refused(struct worker *worker, struct dlq_ticket *ticket, struct upsink_error *err)
{
    enum dlq_wait state;
    int64_t begin = clock_monotonic_us();
    do
        state = dlq_writer_await(worker->view->dlq, ticket, DLQ_SLICE_MS, err);
    while (state == DLQ_PENDING && !is_late(worker, begin));
    return state == DLQ_WRITTEN;
}

static bool write_dead_letters(struct worker *worker, size_t refused, struct upsink_error *err)
{
    struct batch *batch = &worker->batch;
    struct dlq_ticket *ticket = NULL;
    size_t count = 0;
    uint32_t *numbers = calloc(refused, sizeof *numbers);
    bool ok =
        numbers != NULL || upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "no memory for dead letters");
    ok = ok && open_dlq(worker->view, err) && (ticket = dlq_ticket_create(err)) != NULL;
    ok = ok && send_refused(worker, ticket, numbers, &count, err) && await_refused(worker, ticket, err);
    if (!ok) {
        pthread_mutex_lock(&worker->view->dlq_lock);
        worker->view->dlq_open = false;
        pthread_mutex_unlock(&worker->view->dlq_lock);
    }
    for (size_t n = 0; n < count; n++) {
        struct batch_record *record = &batch->records[numbers[n]];
        record->dead_lettered = dlq_ticket_written(ticket, n);
        if (record->dead_lettered)
            log_dead_letter(worker, record, "record written to the dead-letter topic");
    }
    if (ticket)
        dlq_ticket_release(ticket);
    free(numbers);
    return ok;
}

static bool write_off_refused(struct worker *worker, struct upsink_error *err)
{
    struct batch *batch = &worker->batch;
    size_t refused = 0;
    uint32_t first = 0;
    for (uint32_t i = 0; i < batch->record_count; i++)
        if (is_to_be_written_off(batch, i) && refused++ == 0)
            first = i;
    if (refused == 0)
        return true;
    const struct batch_record *record = &batch->records[first];
    if (worker->view->settings->on_error == ON_ERROR_STOP) {
        log_dead_letter(worker, record, "a record can't be applied, and on_error is stop");
        upsink_fail(err, UPSINK_ERR_FATAL, "stopped_on_error",
                    "%.*s partition %d offset %lld can't be applied and on_error is stop: %s (%s)",
                    (int)record->change.topic.len, record->change.topic.data, record->change.partition,
                    (long long)record->change.offset, record->error->text, record->error->code);
        return false;
    }
    if (worker->view->settings->on_error == ON_ERROR_DLQ)
        return write_dead_letters(worker, refused, err);
    for (uint32_t i = 0; i < batch->record_count; i++)
        if (is_to_be_written_off(batch, i)) {
            batch->records[i].dead_lettered = true;
            log_dead_letter(worker, &batch->records[i], "record skipped, as on_error says");
        }
    return true;
}

static bool has_moved(const struct lane *lane)
{
    return lane->state == LANE_ACTIVE && lane->expected > atomic_load(&lane->done);
}

/* Before the marks are set: they may not be behind what was refused. */
static void note_refused(struct worker *worker)
{
    struct batch *batch = &worker->batch;
    for (size_t i = 0; i < batch->record_count; i++)
        if (batch->links[i].fate == FATE_REJECTED)
            resume_note_refused(&worker->lanes[batch->records[i].lane]->note,
                                batch->records[i].change.offset);
}

/* The last record of each lane becomes its mark: hashed once a batch. Transaction markers may stand behind
 * it. */
static void set_marks(struct worker *worker)
{
    struct batch *batch = &worker->batch;
    for (size_t i = batch->record_count; i-- > 0;) {
        const struct batch_record *record = &batch->records[i];
        struct lane *lane = worker->lanes[record->lane];
        if (record->change.offset <= lane->note.mark.offset)
            continue;
        const rd_kafka_message_t *message = record->message;
        lane->note.mark = (struct resume_mark){
            .offset = message->offset,
            .timestamp_ms = rd_kafka_message_timestamp(message, NULL),
            .hash = resume_mark_hash((struct upsink_slice){message->key, message->key_len},
                                     (struct upsink_slice){message->payload, message->len})};
    }
}

static bool commit_positions(struct worker *worker, struct upsink_error *err)
{
    const struct upsink_sink_type *type = worker->view->type;
    struct upsink_position *positions = calloc(worker->lane_count + 1, sizeof *positions);
    if (!positions)
        return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "no memory to commit");
    size_t count = 0;
    note_refused(worker);
    set_marks(worker);
    for (size_t i = 0; i < worker->lane_count; i++) {
        const struct lane *lane = worker->lanes[i];
        if (!has_moved(lane))
            continue;
        struct upsink_position *position = &positions[count++];
        *position = (struct upsink_position){.topic = upsink_slice_of(lane->topic),
                                             .partition = lane->partition,
                                             .epoch = lane->epoch,
                                             .generation = lane->note.generation,
                                             .floor = lane->note.floor,
                                             .next_offset = lane->expected};
        resume_note_format(&lane->note, position->note);
    }
    bool ok = !type->commit || type->commit(worker->sink, positions, count, err);
    free(positions);
    return ok;
}

static void count_outcomes(struct worker *worker)
{
    struct view *view = worker->view;
    struct batch *batch = &worker->batch;
    uint64_t fates[FATE_COUNT] = {0}, upserts = 0;
    struct metrics_tally latency = {0};
    int64_t now = clock_wall_us();
    size_t run = 0; /* records of one lane in a row */
    for (size_t i = 0; i < batch->record_count; i++) {
        const struct batch_record *record = &batch->records[i];
        enum fate fate = batch->links[i].fate;
        fates[fate]++;
        run++;
        if (i + 1 == batch->record_count || batch->records[i + 1].lane != record->lane) {
            metrics_add(&worker->lanes[record->lane]->metrics->consumed, run);
            run = 0;
        }
        if (fate == FATE_APPLIED) {
            upserts += record->change.op == UPSINK_UPSERT;
            if (record->change.timestamp >= 0)
                metrics_tally_time(&latency, now - record->change.timestamp);
        } else if (fate == FATE_REJECTED) {
            metrics_dead_letter(view->metrics, record->error->code, 1);
        }
    }
    struct metrics_view *metrics = view->metrics;
    metrics_merge(&metrics->end_to_end, &latency);
    metrics_add(&metrics->applied[METRICS_UPSERT], upserts);
    metrics_add(&metrics->applied[METRICS_DELETE], fates[FATE_APPLIED] - upserts);
    metrics_add(&metrics->dropped[METRICS_SUPERSEDED], fates[FATE_SUPERSEDED]);
    metrics_add(&metrics->dropped[METRICS_DUPLICATE_EVENT], fates[FATE_DUPLICATE_EVENT]);
    metrics_add(&metrics->dropped[METRICS_DUPLICATE_CHANGE], fates[FATE_DUPLICATE_CHANGE]);
    metrics_add(&metrics->dropped[METRICS_STALE], fates[FATE_STALE]);
    metrics_add(&metrics->dropped[METRICS_FILTERED], fates[FATE_FILTERED]);
    metrics_observe_count(&metrics->batch_records, batch->record_count);
    view_count_outcomes(view, batch->record_count - fates[FATE_REJECTED], fates[FATE_REJECTED]);
}

static void report_queue(struct worker *worker)
{
    int64_t bytes = (int64_t)worker->batch.bytes;
    metrics_adjust(&worker->view->metrics->queue_bytes, bytes - worker->queue_bytes);
    worker->queue_bytes = bytes;
}

static void release_messages(struct worker *worker)
{
    struct batch *batch = &worker->batch;
    for (size_t i = 0; i < batch->record_count; i++)
        rd_kafka_message_destroy(batch->records[i].message);
    batch_clear(batch);
    report_queue(worker);
}

static void drop_batch(struct worker *worker)
{
    for (size_t i = 0; i < worker->lane_count; i++)
        if (has_moved(worker->lanes[i]))
            lane_restart(worker->lanes[i], 0);
    release_messages(worker);
}

static void finish_batch(struct worker *worker)
{
    batch_finish(&worker->batch);
    for (size_t i = 0; i < worker->lane_count; i++) {
        struct lane *lane = worker->lanes[i];
        if (has_moved(lane))
            atomic_store(&lane->done, lane->expected);
    }
    if (worker->batch.record_count)
        count_outcomes(worker);
    release_messages(worker);
}

/* What a failure means for the worker: backs off, or starts lanes again, or halts the view. Wherever the sink
 * failed, it may have been in the middle of a transaction. */
void worker_handle_failure(struct worker *worker, const struct upsink_error *err)
{
    struct view *view = worker->view;
    view->type->abort(worker->sink);
    worker->unknown_in_a_row = err->cls == UPSINK_ERR_UNKNOWN ? worker->unknown_in_a_row + 1 : 0;
    metrics_add(&view->metrics->sink_retries[err->cls], 1);
    worker->prepared = false;
    enum delivery_action action = delivery_decide(err->cls, worker->unknown_in_a_row);
    if (action == DELIVERY_HALT) {
        view_halt(view, err);
        return;
    }
    view_report(view, worker, err);
    if (action == DELIVERY_RESTART) {
        int64_t pause =
            err->cls == UPSINK_ERR_FENCED ? CLOCK_SECOND : 0; /* the group may know of a new owner soon */
        atomic_fetch_add(&view->losses, 1);
        for (size_t i = 0; i < worker->lane_count; i++)
            lane_restart(worker->lanes[i], clock_monotonic_us() + pause);
    }
    worker_wait(worker, backoff_next(&worker->backoff));
}

static bool try_to_deliver(struct worker *worker, struct upsink_error *err)
{
    int64_t begin = clock_monotonic_us();
    if (!worker_prepare(worker, err) || !write_waves(worker, err) || !write_off_refused(worker, err) ||
        !commit_positions(worker, err))
        return false;
    metrics_observe_time(&worker->view->metrics->sink_write, clock_monotonic_us() - begin);
    return true;
}

void worker_deliver(struct worker *worker)
{
    bool moved = false;
    for (size_t i = 0; i < worker->lane_count; i++)
        moved = moved || has_moved(worker->lanes[i]);
    if (!moved)
        return;
    if (atomic_load(&worker->view->halted)) { /* perhaps for want of memory: then a record may be missing from
                                                 the batch */
        drop_batch(worker);
        return;
    }
    report_queue(worker);
    struct upsink_error err = {0};
    int64_t begin = clock_monotonic_us();
    bool smooth = true;
    for (; !try_to_deliver(worker, &err); smooth = false) {
        if (worker->view->type->capabilities & UPSINK_TRANSACTIONAL)
            batch_reopen(&worker->batch);
        else if (worker->view->type->capabilities & UPSINK_FENCED)
            batch_repeat(&worker->batch);
        worker_handle_failure(worker, &err);
        if (must_let_go(worker)) {
            drop_batch(worker);
            return;
        }
    }
    finish_batch(worker);
    if (smooth)
        worker_was_busy(worker, begin);
    worker->proved_us = clock_monotonic_us();
    worker->unknown_in_a_row = 0;
    backoff_reset(&worker->backoff);
    view_report(worker->view, worker, NULL);
}

void worker_commit_group(struct worker *worker, bool now)
{
    bool sink_keeps = worker->view->type->capabilities & UPSINK_KEEPS_POSITIONS;
    int64_t time = clock_monotonic_us();
    bool urgent = now || !sink_keeps;
    for (size_t i = 0; i < worker->lane_count; i++)
        urgent = urgent || worker->lanes[i]->new_generation;
    if (!urgent && time - worker->committed_at_us < CLOCK_SECOND)
        return;
    struct source_offset *offsets = calloc(worker->lane_count + 1, sizeof *offsets);
    if (!offsets)
        return;
    size_t count = 0;
    uint32_t failed = source_failed_commits(worker->view->source);
    for (size_t i = 0; i < worker->lane_count; i++) {
        struct lane *lane = worker->lanes[i];
        int64_t done = atomic_load(&lane->done);
        if (failed != worker->failed_commits)
            lane->group_offset = -1;
        if (done < 0 || done == lane->group_offset) /* one that starts again has still done what it did */
            continue;
        offsets[count] =
            (struct source_offset){.topic = lane->topic, .partition = lane->partition, .offset = done};
        resume_note_format(&lane->note, offsets[count++].note);
        lane->group_offset = done;
        lane->new_generation = false;
    }
    worker->failed_commits = failed;
    /* Where the sink knows how far it is, a Kafka that is away is not waited for. */
    char trouble[64];
    source_trouble(worker->view->source, trouble, sizeof trouble);
    if (!now || !sink_keeps || !trouble[0])
        source_commit(worker->view->source, offsets, count, now);
    free(offsets);
    worker->committed_at_us = time;
}
