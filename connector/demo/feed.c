#include "feed.h"

#include "clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* AHEAD: what the broker inside the process can keep without dropping what was not read yet. */
enum { AHEAD = 50000, REACH_MS = 5000, ANSWER_MS = 15000, FLUSH_MS = 30000, PAUSE_MS = 5 };

/* The event that the row of an order must hold, as of now. */
struct expected {
    char *value;
    size_t len, room;
    uint64_t changes;
};

struct feed {
    struct feed_options options;
    struct order_events *generator;
    struct expected *expected; /* one for each order */
    struct dlq_trouble trouble;
    rd_kafka_t *producer;
    pthread_t thread;
    bool started;
    _Atomic uint64_t published, handled, undelivered;
    _Atomic bool over, cancelled;
    uint64_t counts[ORDER_EVENT_KINDS];
    bool failed;
    struct upsink_error error;
};

static void note_trouble(rd_kafka_t *producer, int code, const char *reason, void *opaque)
{
    (void)producer;
    struct feed *feed = opaque;
    char text[256];
    snprintf(text, sizeof text, "%s", reason);
    char *aside = strstr(text, " (after "); /* how long librdkafka was in which of its states */
    if (aside)
        *aside = '\0';
    dlq_trouble_note(&feed->trouble, (rd_kafka_resp_err_t)code, text);
}

static void note_delivery(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque)
{
    struct feed *feed = opaque;
    if (message->err) {
        note_trouble(producer, (int)message->err, rd_kafka_err2str(message->err), opaque);
        atomic_fetch_add(&feed->undelivered, 1);
    }
}

static rd_kafka_t *make_producer(struct feed *feed, struct upsink_error *err)
{
    static const struct dlq_property defaults[] = {
        {"client.id", "upsink-demo"}, {"linger.ms", "20"}, {"compression.codec", "lz4"}};
    /* No duplicates but those that are meant. */
    static const struct dlq_property fixed[] = {{"enable.idempotence", "true"}};
    rd_kafka_conf_t *conf = dlq_client_conf(feed->options.kafka, RD_KAFKA_PRODUCER, defaults,
                                            sizeof defaults / sizeof *defaults, fixed, 1, err);
    if (!conf)
        return NULL;
    rd_kafka_conf_set_opaque(conf, feed);
    rd_kafka_conf_set_error_cb(conf, note_trouble);
    rd_kafka_conf_set_dr_msg_cb(conf, note_delivery);
    rd_kafka_conf_set_log_cb(conf, NULL);
    return dlq_client_new(RD_KAFKA_PRODUCER, conf, err);
}

struct feed *feed_create(const struct feed_options *options, struct upsink_error *err)
{
    struct order_events_options shares = {.seed = options->seed,
                                          .orders = options->orders,
                                          .zipf = 0.8,
                                          .duplicates = 0.03,
                                          .late = 0.03,
                                          .ties = 0.01,
                                          .tombstones = 0.02,
                                          .poison = 0.005};
    struct feed *feed = calloc(1, sizeof *feed);
    if (!feed) {
        upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory");
        return NULL;
    }
    feed->options = *options;
    dlq_trouble_init(&feed->trouble);
    feed->generator = order_events_create(&shares);
    feed->expected = calloc(options->orders, sizeof *feed->expected);
    if (!feed->generator || !feed->expected)
        upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "no memory for %u orders", options->orders);
    else
        feed->producer = make_producer(feed, err);
    if (feed->producer)
        return feed;
    feed_destroy(feed);
    return NULL;
}

void feed_destroy(struct feed *feed)
{
    struct upsink_error ignored;
    if (!feed)
        return;
    atomic_store(&feed->cancelled, true);
    if (!feed_join(feed, &ignored) && feed->producer)
        rd_kafka_purge(feed->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    if (feed->producer)
        rd_kafka_destroy(feed->producer);
    for (uint32_t i = 0; feed->expected && i < feed->options.orders; i++)
        free(feed->expected[i].value);
    free(feed->expected);
    order_events_destroy(feed->generator);
    dlq_trouble_destroy(&feed->trouble);
    free(feed);
}

static bool fail_topic(struct feed *feed, const char *reason, struct upsink_error *err)
{
    char what[320];
    snprintf(what, sizeof what, "topic %s can't be created", feed->options.topic);
    if (!reason)
        return dlq_trouble_fail(&feed->trouble, what, err);
    return upsink_fail(err, UPSINK_ERR_REFUSED, "kafka_refused", "%s: %s", what, reason);
}

bool feed_reach(struct feed *feed, struct upsink_error *err)
{
    const rd_kafka_metadata_t *metadata = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(feed->producer, 0, NULL, &metadata, REACH_MS);
    rd_kafka_poll(feed->producer, 0); /* serves note_trouble */
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return dlq_trouble_fail(&feed->trouble, "Kafka can't be reached", err);
    rd_kafka_metadata_destroy(metadata);
    return true;
}

bool feed_create_topic(struct feed *feed, int32_t partitions, struct upsink_error *err)
{
    char reason[256];
    bool ok = false;
    rd_kafka_NewTopic_t *topic =
        rd_kafka_NewTopic_new(feed->options.topic, partitions, -1, reason, sizeof reason);
    if (!topic)
        return fail_topic(feed, reason, err);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(feed->producer);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(feed->producer, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_AdminOptions_set_operation_timeout(options, ANSWER_MS, reason, sizeof reason);
    rd_kafka_AdminOptions_set_request_timeout(options, ANSWER_MS, reason, sizeof reason);
    rd_kafka_CreateTopics(feed->producer, &topic, 1, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 2 * ANSWER_MS);
    rd_kafka_poll(feed->producer, 0); /* serves note_trouble */
    const rd_kafka_CreateTopics_result_t *result = event ? rd_kafka_event_CreateTopics_result(event) : NULL;
    size_t count = 0;
    const rd_kafka_topic_result_t **topics =
        result ? rd_kafka_CreateTopics_result_topics(result, &count) : NULL;
    if (!count)
        fail_topic(feed, NULL, err);
    else if (rd_kafka_topic_result_error(topics[0]) != RD_KAFKA_RESP_ERR_NO_ERROR)
        fail_topic(feed, rd_kafka_topic_result_error_string(topics[0]), err);
    else
        ok = true;
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(topic);
    return ok;
}

/* --- the feed's thread --- */

static bool keep_expected(struct feed *feed, const struct order_event *event)
{
    struct order_state state;
    struct expected *expected = &feed->expected[event->order];
    order_events_state(feed->generator, event->order, &state);
    if (!state.live || !upsink_slice_is(event->event_id, state.event_id))
        return true;
    if (expected->room < event->value.len) {
        char *grown = realloc(expected->value, event->value.len);
        if (!grown)
            return false;
        expected->value = grown;
        expected->room = event->value.len;
    }
    memcpy(expected->value, event->value.data, event->value.len);
    expected->len = event->value.len;
    return true;
}

static bool publish(struct feed *feed, const struct order_event *event, struct upsink_error *err)
{
    rd_kafka_resp_err_t code;
    do {
        code = rd_kafka_producev(feed->producer, RD_KAFKA_V_TOPIC(feed->options.topic),
                                 RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                 RD_KAFKA_V_KEY((void *)(uintptr_t)event->key.data, event->key.len),
                                 RD_KAFKA_V_VALUE((void *)(uintptr_t)event->value.data, event->value.len),
                                 RD_KAFKA_V_TIMESTAMP(clock_wall_us() / CLOCK_MS), RD_KAFKA_V_END);
        rd_kafka_poll(feed->producer, code ? PAUSE_MS : 0);
    } while (code == RD_KAFKA_RESP_ERR__QUEUE_FULL && !atomic_load(&feed->cancelled));
    return code == RD_KAFKA_RESP_ERR_NO_ERROR || upsink_fail(err, UPSINK_ERR_OUTAGE, "kafka_unreachable",
                                                             "can't publish: %s", rd_kafka_err2str(code));
}

static bool publish_next(struct feed *feed, struct upsink_error *err)
{
    struct order_event event;
    if (!order_events_next(feed->generator, clock_wall_us() / CLOCK_MS, &event) ||
        (event.event_id.data && !keep_expected(feed, &event)))
        return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory");
    if (!publish(feed, &event, err))
        return false;
    feed->counts[event.kind]++;
    feed->expected[event.order].changes++;
    atomic_fetch_add(&feed->published, 1);
    return true;
}

static bool publish_all(struct feed *feed, struct upsink_error *err)
{
    while (atomic_load(&feed->published) < feed->options.events) {
        if (atomic_load(&feed->cancelled))
            return upsink_fail(err, UPSINK_ERR_FATAL, "cancelled", "cancelled");
        if (atomic_load(&feed->published) >= atomic_load(&feed->handled) + AHEAD)
            rd_kafka_poll(feed->producer, PAUSE_MS);
        else if (!publish_next(feed, err))
            return false;
    }
    if (rd_kafka_flush(feed->producer, FLUSH_MS) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        atomic_load(&feed->undelivered))
        return dlq_trouble_fail(&feed->trouble, "the events could not be published", err);
    return true;
}

static void *feed_main(void *context)
{
    struct feed *feed = context;
    feed->failed = !publish_all(feed, &feed->error);
    atomic_store(&feed->over, true);
    return NULL;
}

bool feed_start(struct feed *feed, struct upsink_error *err)
{
    feed->started = pthread_create(&feed->thread, NULL, feed_main, feed) == 0;
    return feed->started || upsink_fail(err, UPSINK_ERR_FATAL, "no_threads", "no thread to publish from");
}

uint64_t feed_published(const struct feed *feed)
{
    return atomic_load(&feed->published);
}

void feed_follow(struct feed *feed, uint64_t handled)
{
    atomic_store(&feed->handled, handled);
}

bool feed_is_over(const struct feed *feed)
{
    return atomic_load(&feed->over);
}

bool feed_join(struct feed *feed, struct upsink_error *err)
{
    if (feed->started)
        pthread_join(feed->thread, NULL);
    feed->started = false;
    if (feed->failed)
        *err = feed->error;
    return !feed->failed;
}

uint64_t feed_count(const struct feed *feed, enum order_event_kind kind)
{
    return feed->counts[kind];
}

uint64_t feed_changes(const struct feed *feed, uint32_t order)
{
    return feed->expected[order].changes;
}

bool feed_expects(const struct feed *feed, uint32_t order, struct order_state *state,
                  struct upsink_slice *value)
{
    const struct expected *expected = &feed->expected[order];
    order_events_state(feed->generator, order, state);
    *value = (struct upsink_slice){expected->value, expected->len};
    return state->live;
}
