/* The consumer: its life, its events, what it is told. */
#include "connector/source_inside.h"

#include "clock.h"
#include "kafka_ends.h"
#include "log.h"

#include <stdlib.h>
#include <time.h>

enum { PROBE_MS = 500, NUDGE_MS = 100, PENDING_MS = 20, CLOSE_POLL_MS = 100 };

#define CLOSE_LIMIT   (10 * CLOCK_SECOND)
#define DESTROY_LIMIT (3 * CLOCK_SECOND)

static void note_trouble(struct source *source, rd_kafka_resp_err_t code, const char *text)
{
    pthread_mutex_lock(&source->lock);
    /* "All brokers are down" follows the report that says why. */
    if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || source->trouble_code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        source->trouble_code = code;
        snprintf(source->trouble, sizeof source->trouble, "%s", text);
        source->probe_at_us = clock_monotonic_us() + CLOCK_SECOND;
    }
    pthread_mutex_unlock(&source->lock);
}

void source_clear_trouble(struct source *source)
{
    note_trouble(source, RD_KAFKA_RESP_ERR_NO_ERROR, "");
}

void source_trouble(struct source *source, char *text, size_t size)
{
    pthread_mutex_lock(&source->lock);
    snprintf(text, size, "%s", source->trouble);
    pthread_mutex_unlock(&source->lock);
}

void source_on_error(rd_kafka_t *consumer, int code, const char *reason, void *opaque)
{
    (void)consumer;
    struct source *source = opaque;
    static struct log_limit limit;
    int64_t held_back;
    note_trouble(source, (rd_kafka_resp_err_t)code, reason);
    if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        return; /* somebody else says it better */
    if (log_limit_pass(&limit, 10 * CLOCK_SECOND, &held_back))
        log_write(LOG_LEVEL_WARN, "Kafka can't be reached or complains; it is tried again",
                  LOG_STR("view", source->view->name),
                  LOG_STR("error", rd_kafka_err2name((rd_kafka_resp_err_t)code)), LOG_STR("reason", reason),
                  LOG_INT("held_back", held_back));
}

void source_on_commit(rd_kafka_t *consumer, rd_kafka_resp_err_t code,
                      rd_kafka_topic_partition_list_t *offsets, void *opaque)
{
    (void)consumer;
    struct source *source = opaque;
    static struct log_limit limit;
    int64_t held_back;
    /* Where some partitions failed only, the whole has no error. */
    for (int i = 0; offsets && code == RD_KAFKA_RESP_ERR_NO_ERROR && i < offsets->cnt; i++)
        code = offsets->elems[i].err;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR__NO_OFFSET)
        return;
    atomic_fetch_add(&source->failed_commits, 1);
    if (!atomic_load(&source->closing) && log_limit_pass(&limit, 10 * CLOCK_SECOND, &held_back))
        log_write(LOG_LEVEL_WARN, "offsets could not be committed to the group; the next commit repeats them",
                  LOG_STR("view", source->view->name), LOG_STR("reason", rd_kafka_err2str(code)));
}

struct source *source_create(const struct config *config, const struct view_config *view,
                             const struct source_handler *handler, struct upsink_error *err)
{
    struct source *source = calloc(1, sizeof *source);
    if (!source) {
        upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "no memory for the Kafka consumer");
        return NULL;
    }
    source->view = view;
    source->handler = *handler;
    pthread_mutex_init(&source->lock, NULL);
    pthread_mutex_init(&source->owned_lock, NULL);
    if (!source_check_properties(config, &source->from_latest, err))
        goto cleanup;
    if (!source_copy_properties(source, config)) {
        upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "no memory for the Kafka consumer");
        goto cleanup;
    }
    source->consumer = source_open_consumer(source, config, err);
    if (!source->consumer)
        goto cleanup;
    rd_kafka_poll_set_consumer(source->consumer);
    source->consumer_queue = rd_kafka_queue_get_consumer(source->consumer);
    return source;
cleanup:
    source_destroy(source);
    return NULL;
}

static void *destroy_consumer(void *context)
{
    struct source *source = context;
    rd_kafka_destroy(source->consumer);
    atomic_store(&source->destroyed, true);
    return NULL;
}

/* Where a topic was deleted, librdkafka may wait for a thread of its own for ever (its issue 4362). A closed
 * consumer is at rest, and does no harm until the process ends: false, it is left behind, and so is the
 * source. */
static bool is_destroyed(struct source *source)
{
    pthread_t thread;
    if (!source->consumer)
        return true;
    if (pthread_create(&thread, NULL, destroy_consumer, source) != 0)
        return false;
    int64_t deadline = clock_monotonic_us() + DESTROY_LIMIT;
    while (!atomic_load(&source->destroyed) && clock_monotonic_us() < deadline)
        nanosleep(&(struct timespec){0, 1000 * 1000}, NULL);
    if (!atomic_load(&source->destroyed)) {
        pthread_detach(thread);
        return false;
    }
    pthread_join(thread, NULL);
    return true;
}

void source_destroy(struct source *source)
{
    if (!source)
        return;
    /* Before 2.3.0 librdkafka aborts here when the group answered the join but not yet with an assignment
     * (its issue 4312). A closed consumer is at rest, and does no harm until the process ends. */
    if (atomic_load(&source->closing) && !source->balanced && rd_kafka_version() < 0x02030000)
        return;
    if (source->consumer_queue)
        rd_kafka_queue_destroy(source->consumer_queue);
    if (!is_destroyed(source))
        return;
    free(source->nudge_topic);
    source_forget_owned(source);
    pthread_mutex_destroy(&source->owned_lock);
    pthread_mutex_destroy(&source->lock);
    free(source->properties);
    free(source);
}

bool source_subscribe(struct source *source, struct upsink_error *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)source->view->topic_count);
    for (size_t i = 0; i < source->view->topic_count; i++)
        rd_kafka_topic_partition_list_add(list, source->view->topics[i], RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(source->consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return true;
    return upsink_fail(err, UPSINK_ERR_CONFIG, "topic_invalid",
                       "views.%s.topic: \"%s\" can't be subscribed to: %s", source->view->name,
                       source->view->topic_text, rd_kafka_err2str(code));
}

static bool owns_any(struct source *source)
{
    pthread_mutex_lock(&source->owned_lock);
    bool any = source->owned_count > 0;
    pthread_mutex_unlock(&source->owned_lock);
    return any;
}

static void hear_what_is_pending(struct source *source)
{
    int64_t deadline = clock_monotonic_us() + CLOCK_SECOND;
    rd_kafka_message_t *event;
    do {
        event = rd_kafka_consumer_poll(source->consumer, PENDING_MS);
        if (event)
            rd_kafka_message_destroy(event);
    } while (event && clock_monotonic_us() < deadline);
}

/* Before 2.4.0 librdkafka never closes a consumer without partitions that has yet to answer what the group
 * assigned to it (its issue 4527), and none without partitions tells the group that it leaves. */
static void settle_with_group(struct source *source)
{
    hear_what_is_pending(source);
    if (source->is_static || owns_any(source))
        return;
    rd_kafka_unsubscribe(source->consumer);
    hear_what_is_pending(source);
}

bool source_close(struct source *source)
{
    atomic_store(&source->closing, true);
    settle_with_group(source);
    int64_t deadline = clock_monotonic_us() + CLOSE_LIMIT;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(source->consumer);
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(source->consumer, queue);
    bool refused = error != NULL; /* by a consumer that is closed, or has failed */
    if (error)
        rd_kafka_error_destroy(error);
    while (!refused && !rd_kafka_consumer_closed(source->consumer) && clock_monotonic_us() < deadline) {
        rd_kafka_message_t *event = rd_kafka_consume_queue(queue, CLOSE_POLL_MS);
        if (event)
            rd_kafka_message_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    return refused || rd_kafka_consumer_closed(source->consumer);
}

rd_kafka_queue_t *source_queue_create(struct source *source)
{
    return rd_kafka_queue_new(source->consumer);
}

static bool judge_event(struct source *source, const rd_kafka_message_t *event, struct upsink_error *err)
{
    char text[256];
    switch (event->err) {
    case RD_KAFKA_RESP_ERR__FATAL:
        rd_kafka_fatal_error(source->consumer, text, sizeof text);
        return upsink_fail(err, UPSINK_ERR_FATAL, "kafka_fatal",
                           "the Kafka consumer of view %s can't go on: %s", source->view->name, text);
    case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED:
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return true;
    default:
        source_on_error(source->consumer, event->err, rd_kafka_message_errstr(event), source);
        return true;
    }
}

void source_nudge(struct source *source, const char *topic, int32_t partition)
{
    if (!source->needs_nudges)
        return;
    pthread_mutex_lock(&source->lock);
    bool first = source->nudge_topic == NULL;
    if (first) {
        source->nudge_topic = strdup(topic);
        source->nudge_partition = partition;
    }
    pthread_mutex_unlock(&source->lock);
    if (first)
        rd_kafka_queue_yield(source->consumer_queue);
}

/* Any request to the partition's leader wakes the thread that fetches from it. */
static void carry_out_nudge(struct source *source)
{
    int64_t high;
    pthread_mutex_lock(&source->lock);
    char *topic = source->nudge_topic;
    int32_t partition = source->nudge_partition;
    source->nudge_topic = NULL;
    pthread_mutex_unlock(&source->lock);
    if (topic)
        kafka_end(source->consumer, topic, partition, KAFKA_HIGH, &high, NUDGE_MS);
    free(topic);
}

/* librdkafka tells when a connection is lost, not when it is back. Errors of its own (negative) are about
 * connections; the brokers' are cleared by the next assignment. */
static void look_for_recovery(struct source *source)
{
    const rd_kafka_metadata_t *metadata = NULL;
    int64_t now = clock_monotonic_us();
    pthread_mutex_lock(&source->lock);
    bool due = source->trouble_code < 0 && now >= source->probe_at_us;
    source->probe_at_us = due ? now + CLOCK_SECOND : source->probe_at_us;
    pthread_mutex_unlock(&source->lock);
    if (!due ||
        rd_kafka_metadata(source->consumer, 0, NULL, &metadata, PROBE_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    rd_kafka_metadata_destroy(metadata);
    source_clear_trouble(source);
    log_write(LOG_LEVEL_INFO, "Kafka answers again", LOG_STR("view", source->view->name));
}

/* At the first contact a refusal is the user's mistake; later it is an outage like others. */
static bool is_refused(struct source *source, struct upsink_error *err)
{
    pthread_mutex_lock(&source->lock);
    bool refused =
        source->trouble_code == RD_KAFKA_RESP_ERR__AUTHENTICATION && !atomic_load(&source->in_touch);
    if (refused)
        upsink_fail(err, UPSINK_ERR_REFUSED, "kafka_refused",
                    "Kafka refuses the credentials of view %s: %s; check the security settings under `kafka`",
                    source->view->name, source->trouble);
    pthread_mutex_unlock(&source->lock);
    return refused;
}

bool source_is_in_touch(const struct source *source)
{
    return atomic_load(&source->in_touch);
}

bool source_is_balanced(const struct source *source)
{
    return source->balanced;
}

bool source_poll(struct source *source, int timeout_ms, struct upsink_error *err)
{
    carry_out_nudge(source);
    look_for_recovery(source);
    rd_kafka_message_t *event = rd_kafka_consumer_poll(source->consumer, timeout_ms);
    bool ok = true;
    if (event) {
        ok = judge_event(source, event, err);
        rd_kafka_message_destroy(event);
    }
    return ok && !is_refused(source, err);
}

void source_commit(struct source *source, const struct source_offset *offsets, size_t count, bool wait)
{
    if (count == 0)
        return;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_topic_partition_t *item =
            rd_kafka_topic_partition_list_add(list, offsets[i].topic, offsets[i].partition);
        item->offset = offsets[i].offset;
        item->metadata = strdup(offsets[i].note);
        item->metadata_size = item->metadata ? strlen(offsets[i].note) : 0;
    }
    rd_kafka_resp_err_t code = rd_kafka_commit(source->consumer, list, !wait);
    if (wait || code != RD_KAFKA_RESP_ERR_NO_ERROR)
        source_on_commit(source->consumer, code, list, source);
    rd_kafka_topic_partition_list_destroy(list);
}

uint32_t source_failed_commits(const struct source *source)
{
    return atomic_load(&source->failed_commits);
}

int64_t source_drain_limit_us(const struct source *source)
{
    return source->drain_limit_us;
}
