/* A worker's life: take lanes over, let them go, fill a batch, hand it to delivery. */
#include "connector/view.h"

#include "clock.h"
#include "condition.h"
#include "connector/message.h"
#include "log.h"

#include <stdlib.h>

enum {
    IDLE_MS = 100,
    KAFKA_PAUSE_US = 1000 * 1000,
    WAIT_STEP_US = 50 * 1000,
    BACKLOG_US = 500 * 1000 /* that a record waits beyond the linger while others keep coming, at most */
};

static bool is_stopping(const struct worker *worker)
{
    return atomic_load(&worker->view->stopping);
}

static bool has_revoked_lane(const struct worker *worker)
{
    for (size_t i = 0; i < worker->lane_count; i++)
        if (atomic_load(&worker->lanes[i]->revoked))
            return true;
    return false;
}

bool worker_wait(struct worker *worker, int64_t duration_us)
{
    struct view *view = worker->view;
    int64_t deadline = clock_monotonic_us() + duration_us;
    bool go_on = true;
    pthread_mutex_lock(&view->lock);
    while (go_on && clock_monotonic_us() < deadline) {
        condition_wait(&view->changed, &view->lock, clock_monotonic_us() + WAIT_STEP_US);
        go_on = !is_stopping(worker) && !has_revoked_lane(worker);
    }
    pthread_mutex_unlock(&view->lock);
    return go_on;
}

static void accept_lanes(struct worker *worker)
{
    struct view *view = worker->view;
    pthread_mutex_lock(&view->lock);
    size_t wanted = worker->lane_count + worker->inbox_count;
    if (wanted > worker->lane_room) {
        struct lane **lanes = realloc(worker->lanes, (wanted + 16) * sizeof *lanes);
        if (lanes) {
            worker->lanes = lanes;
            worker->lane_room = wanted + 16;
        }
    }
    while (worker->inbox_count && worker->lane_count < worker->lane_room)
        worker->lanes[worker->lane_count++] = worker->inbox[--worker->inbox_count];
    for (uint32_t i = 0; i < worker->lane_count; i++)
        worker->lanes[i]->number = i;
    pthread_mutex_unlock(&view->lock);
}

/* More partitions, fewer records for each. */
static void limit_windows(struct worker *worker)
{
    uint32_t limit = atomic_load(&worker->view->window_limit);
    for (size_t i = 0; i < worker->lane_count; i++)
        if (worker->lanes[i]->dedup.window.limit != limit)
            window_set_limit(&worker->lanes[i]->dedup.window, limit);
}

static void release_lanes(struct worker *worker, bool all)
{
    bool committed = false;
    for (size_t i = worker->lane_count; i-- > 0;) {
        struct lane *lane = worker->lanes[i];
        if (!all && !atomic_load(&lane->revoked))
            continue;
        if (!committed)
            worker_commit_group(worker, true);
        committed = true;
        worker->lanes[i] = worker->lanes[--worker->lane_count];
        worker->lanes[i]->number = (uint32_t)i;
        worker->last_lane = NULL;
        view_release_lane(worker->view, lane);
    }
}

/* librdkafka tells of trouble once; what comes next says that it is over. */
static void set_trouble(struct worker *worker, struct lane *lane, const char *reason)
{
    if (!reason && !lane->troubled)
        return;
    bool was_troubled = lane->troubled;
    lane->troubled = reason != NULL;
    pthread_mutex_lock(&worker->view->lock);
    snprintf(lane->trouble, sizeof lane->trouble, "%s", reason ? reason : "");
    pthread_mutex_unlock(&worker->view->lock);
    if (was_troubled != lane->troubled)
        log_write(reason ? LOG_LEVEL_WARN : LOG_LEVEL_INFO,
                  reason ? "the partition can't be read; it is tried again"
                         : "the partition can be read again",
                  LOG_STR("view", worker->view->settings->name), LOG_STR("topic", lane->topic),
                  LOG_INT("partition", lane->partition), LOG_INT("offset", lane->expected),
                  LOG_STR("reason", reason));
}

/* A sink that fails here would fail the other lanes alike; of Kafka it may be one partition alone that has no
 * leader. */
static bool try_lane(struct worker *worker, struct lane *lane,
                     bool (*step)(struct worker *, struct lane *, struct upsink_error *))
{
    struct upsink_error err = {0};
    if (step(worker, lane, &err)) {
        view_report(worker->view, worker, NULL);
        return true;
    }
    if (strncmp(err.code, "kafka", 5) == 0) {
        lane_restart(lane, clock_monotonic_us() + KAFKA_PAUSE_US);
        set_trouble(worker, lane, err.text);
        return true;
    }
    lane_restart(lane, 0);
    worker_handle_failure(worker, &err);
    return false;
}

/* All decisions come before the first fetch: on one connection, Kafka answers nothing else while a fetch
 * waits. */
static bool start_lanes(struct worker *worker)
{
    worker->doubts = false;
    for (size_t i = 0; i < worker->lane_count; i++)
        if (worker->lanes[i]->state == LANE_STARTING &&
            worker->lanes[i]->retry_at_us <= clock_monotonic_us() &&
            !try_lane(worker, worker->lanes[i], worker_start_lane))
            return false;
    for (size_t i = 0; i < worker->lane_count; i++)
        if (worker->lanes[i]->state == LANE_DECIDED && !try_lane(worker, worker->lanes[i], worker_open_lane))
            return false;
    return true;
}

static struct lane *find_lane(struct worker *worker, const rd_kafka_message_t *message)
{
    struct lane *lane = worker->last_lane;
    if (lane && lane->partition == message->partition && lane->topic_handle == message->rkt)
        return lane;
    const char *topic = message->rkt ? rd_kafka_topic_name(message->rkt) : "";
    for (size_t i = 0; i < worker->lane_count; i++) {
        lane = worker->lanes[i];
        if (lane->partition == message->partition && strcmp(lane->topic, topic) == 0) {
            lane->topic_handle = message->rkt;
            worker->last_lane = lane;
            return lane;
        }
    }
    return NULL;
}

/* Handled before: only its ids count, and that it is still the same record. */
static void warm_lane(struct worker *worker, struct lane *lane, const rd_kafka_message_t *message)
{
    struct record record = message_record(message, lane->topic_slice);
    if (message->offset == lane->marked.offset &&
        (rd_kafka_message_timestamp(message, NULL) != lane->marked.timestamp_ms ||
         resume_mark_hash(record.key, record.value) != lane->marked.hash)) {
        lane_restart(lane, 0);
        lane->mark_differs = true;
        return;
    }
    struct upsink_change change = {0};
    struct window_ids ids = {0, 0};
    if (!resume_was_refused(&lane->note, message->offset) &&
        mapping_decode_ids(worker->view->mapping, &record, &worker->batch.arena, &change))
        ids = batch_window_ids(&worker->batch, &change);
    if (window_has(&lane->dedup.window, ids.event) || window_has(&lane->dedup.window, ids.change))
        ids = (struct window_ids){0, 0}; /* it was a duplicate: its other id was not applied */
    window_add(&lane->dedup.window, ids);
    if (worker->batch.record_count == 0)
        arena_clear(&worker->batch.arena);
}

/* true: the batch keeps the message. */
static bool take_record(struct worker *worker, struct lane *lane, rd_kafka_message_t *message)
{
    if (message->offset < lane->expected || worker_doubts_lane(worker, lane))
        return false;
    lane->heard_us = worker->now_us;
    lane->expected = message->offset + 1;
    if (message->offset < lane->start) {
        warm_lane(worker, lane, message);
        return false;
    }
    if (lane->state != LANE_ACTIVE)
        lane->state = LANE_ACTIVE;
    struct record record = message_record(message, lane->topic_slice);
    struct upsink_change change = {0};
    struct upsink_error err;
    upsink_error_clear(&err);
    enum decode_outcome outcome =
        mapping_decode(worker->view->mapping, &record, &worker->batch.arena, &change, &err);
    change.topic = record.topic;
    change.partition = record.partition;
    change.offset = record.offset;
    change.timestamp = record.timestamp;
    change.generation = lane->note.generation;
    change.floor = lane->note.floor;
    bool out_of_memory = outcome == DECODE_REJECTED && err.cls == UPSINK_ERR_FATAL;
    if (!out_of_memory && batch_add(&worker->batch, outcome, &change, &err,
                                    mapping_has_ids(worker->view->mapping) ? &lane->dedup : NULL,
                                    lane->number, message, message->len + message->key_len))
        return true;
    upsink_fail(&err, UPSINK_ERR_FATAL, "out_of_memory",
                "no memory for a batch of view %s; lower batch.max_bytes", worker->view->settings->name);
    view_halt(worker->view, &err);
    return false;
}

/* Not a record: the end of the partition, or trouble with it. */
static void take_event(struct worker *worker, struct lane *lane, const rd_kafka_message_t *event)
{
    if (event->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        set_trouble(worker, lane, NULL);
        if (event->offset > lane->expected)
            lane->expected = event->offset; /* what stands there is not for readers: transaction markers */
        if (lane->expected >= lane->start)
            lane->state = LANE_ACTIVE;
        else if (lane->state == LANE_WARMING)
            lane->retry_at_us = -1; /* it ends before it is to start: cut off since that was decided */
        return;
    }
    set_trouble(worker, lane, rd_kafka_message_errstr(event));
    lane->retry_at_us = -1; /* after the batch: its records are still good */
}

static void take_message(struct worker *worker, rd_kafka_message_t *message)
{
    struct lane *lane = find_lane(worker, message);
    bool kept = false;
    if (lane && (lane->state == LANE_WARMING || lane->state == LANE_ACTIVE) && !atomic_load(&lane->revoked) &&
        lane->retry_at_us >= 0) {
        if (message->err) {
            take_event(worker, lane, message);
        } else {
            set_trouble(worker, lane, NULL);
            kept = take_record(worker, lane, message);
        }
    }
    if (!kept)
        rd_kafka_message_destroy(message);
}

/* Folding more while there is a backlog: what counts first is what reaches the sink. */
static bool is_full(const struct worker *worker)
{
    const struct view_config *settings = worker->view->settings;
    const struct batch *batch = &worker->batch;
    size_t affordable = VIEW_RECORD_BYTES / BATCH_RECORD_OVERHEAD / (size_t)worker->view->worker_count;
    return batch->entity_count >= settings->batch_max_records || batch->bytes >= settings->batch_max_bytes ||
           batch->record_count / 4 >= settings->batch_max_records || batch->record_count >= affordable ||
           atomic_load(&worker->view->halted);
}

/* How many records to take at once: as many as the batch has room for if they are like those before. */
static size_t chunk_size(const struct worker *worker)
{
    const struct view_config *settings = worker->view->settings;
    const struct batch *batch = &worker->batch;
    size_t room = settings->batch_max_records - batch->entity_count;
    size_t bytes =
        (settings->batch_max_bytes - batch->bytes) / (batch->bytes / (batch->record_count + 1) + 1);
    size_t fits = bytes < room ? bytes + 1 : room;
    return fits < VIEW_CHUNK ? fits : VIEW_CHUNK;
}

/* Wakes the fetcher for the next lane that has more to come. */
static void ask_for_more(struct worker *worker)
{
    for (size_t i = 0; i < worker->lane_count; i++) {
        const struct lane *lane = worker->lanes[worker->nudged++ % worker->lane_count];
        if (lane->state >= LANE_WARMING &&
            source_cached_high(worker->view->source, lane->topic, lane->partition) > lane->expected) {
            source_nudge(worker->view->source, lane->topic, lane->partition);
            return;
        }
    }
}

static void fill_batch(struct worker *worker)
{
    rd_kafka_message_t *first = rd_kafka_consume_queue(worker->queue, IDLE_MS);
    if (!first)
        return;
    worker->now_us = worker_clock(worker);
    take_message(worker, first);
    int64_t deadline = clock_monotonic_us() + worker->view->settings->batch_linger_us;
    bool asked = false;
    while (!is_full(worker) && !is_stopping(worker) && !(worker->doubts && worker->batch.record_count == 0)) {
        ssize_t count = rd_kafka_consume_batch_queue(worker->queue, 0, worker->chunk, chunk_size(worker));
        worker->now_us = worker_clock(worker);
        for (ssize_t i = 0; i < count; i++)
            take_message(worker, worker->chunk[i]);
        if (!asked || count == 0)
            ask_for_more(worker);
        asked = true;
        int64_t left = deadline - clock_monotonic_us();
        if (left <= (count > 0 ? -BACKLOG_US : 0))
            return;
        if (count > 0)
            continue;
        rd_kafka_message_t *next = rd_kafka_consume_queue(worker->queue, (int)(left / 1000 + 1));
        worker->now_us = worker_clock(worker);
        if (next)
            take_message(worker, next);
    }
}

/* Without a partition, an instance in reserve can only look whether the sink is back. */
static void look_again(struct worker *worker)
{
    struct upsink_error err = {0};
    if (worker->lane_count > 0 || !worker->trouble[0])
        return;
    if (!worker_look(worker, &err)) {
        worker_handle_failure(worker, &err);
        return;
    }
    backoff_reset(&worker->backoff);
    view_report(worker->view, worker, NULL);
}

/* Lanes whose partition reported trouble start again once their records are done. */
static void restart_troubled(struct worker *worker)
{
    for (size_t i = 0; i < worker->lane_count; i++)
        if (worker->lanes[i]->retry_at_us < 0)
            lane_restart(worker->lanes[i], clock_monotonic_us() + CLOCK_SECOND / 2);
}

void *worker_main(void *argument)
{
    struct worker *worker = argument;
    while (!is_stopping(worker)) {
        accept_lanes(worker);
        release_lanes(worker, false);
        limit_windows(worker);
        if (atomic_load(&worker->view->halted)) {
            worker_wait(worker, CLOCK_SECOND / 10);
            continue;
        }
        if (!start_lanes(worker))
            continue;
        look_again(worker);
        fill_batch(worker);
        worker_deliver(worker);
        restart_troubled(worker);
        worker_prove(worker);
        worker_commit_group(worker, false);
    }
    accept_lanes(worker);
    release_lanes(worker, true);
    atomic_store(&worker->ended, true);
    return NULL;
}
