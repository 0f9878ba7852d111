#include "connector/source.h"

#include "clock.h"
#include "dlq/client.h"
#include "kafka_ends.h"
#include "log.h"

#include <regex.h>
#include <stdlib.h>

enum { ANSWER_MS = 5000, METADATA_MS = 5000, PROBE_MS = 500, NUDGE_MS = 100 };

/* A partition that the group gave us; open once a worker has said where to read. */
struct owned {
    char *topic;
    int32_t partition;
    bool open;
};

struct source {
    const struct view_config *view;
    struct source_handler handler;
    struct dlq_kafka kafka;
    struct dlq_property *properties;
    rd_kafka_t *consumer;
    char cluster[64];
    bool from_latest;
    bool closing;
    bool balanced;
    int64_t drain_limit_us;
    pthread_mutex_t owned_lock;
    struct owned *owned;
    size_t owned_count, owned_room;
    bool giving_back; /* nothing is opened meanwhile: librdkafka would take it for the answer to the group */
    bool needs_nudges;
    rd_kafka_queue_t *consumer_queue;
    pthread_mutex_t lock; /* of what follows */
    char *nudge_topic;    /* a partition whose broker is to be woken; NULL none */
    int32_t nudge_partition;
    char trouble[256];
    rd_kafka_resp_err_t trouble_code;
    int64_t probe_at_us; /* monotonic: when Kafka is asked whether it answers again */
    _Atomic bool in_touch;
    _Atomic uint32_t failed_commits;
};

/* What is upsink's own to decide. */
static const char *const reserved[] = {"group.id",
                                       "enable.auto.commit",
                                       "enable.auto.offset.store",
                                       "enable.partition.eof",
                                       "isolation.level",
                                       "partition.assignment.strategy",
                                       NULL};

static bool check_reserved(const struct config *config, struct upsink_error *err)
{
    for (size_t i = 0; i < config->kafka_count; i++)
        for (size_t r = 0; reserved[r]; r++)
            if (strcmp(config->kafka[i].name, reserved[r]) == 0)
                return upsink_fail(
                    err, UPSINK_ERR_CONFIG, "kafka_property_reserved",
                    "kafka.%s can't be set: upsink decides it, because its promises rest on it; remove it",
                    reserved[r]);
    return true;
}

static const struct dlq_property defaults[] = {
    {"client.id", "upsink"},
    {"allow.auto.create.topics", "false"},
    {"topic.metadata.refresh.interval.ms", "15000"},
    {"queued.max.messages.kbytes", "4096"},
    /* The broker counts compressed bytes, and a whole response is unpacked at once: small ones bound what a
     * topic that compresses 100:1 can cost. A larger record still arrives, alone. */
    {"fetch.message.max.bytes", "131072"},
    {"fetch.max.bytes", "131072"},
    {"fetch.wait.max.ms", "20"}, /* a nudge (see source_nudge) waits behind a fetch that waits */
    {"reconnect.backoff.max.ms", "5000"},
    {"socket.nagle.disable", "true"},
};

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

static void clear_trouble(struct source *source)
{
    note_trouble(source, RD_KAFKA_RESP_ERR_NO_ERROR, "");
}

void source_trouble(struct source *source, char *text, size_t size)
{
    pthread_mutex_lock(&source->lock);
    snprintf(text, size, "%s", source->trouble);
    pthread_mutex_unlock(&source->lock);
}

static void on_error(rd_kafka_t *consumer, int code, const char *reason, void *opaque)
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

static void on_commit(rd_kafka_t *consumer, rd_kafka_resp_err_t code,
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
    if (!source->closing && log_limit_pass(&limit, 10 * CLOCK_SECOND, &held_back))
        log_write(LOG_LEVEL_WARN, "offsets could not be committed to the group; the next commit repeats them",
                  LOG_STR("view", source->view->name), LOG_STR("reason", rd_kafka_err2str(code)));
}

static rd_kafka_topic_partition_list_t *list_of(const char *topic, int32_t partition, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = offset;
    return list;
}

/* Where the records of a partition go; a NULL queue takes them back to the consumer's own. */
static void forward_partition(struct source *source, const rd_kafka_topic_partition_t *partition,
                              rd_kafka_queue_t *to)
{
    rd_kafka_queue_t *from =
        rd_kafka_queue_get_partition(source->consumer, partition->topic, partition->partition);
    if (from) {
        rd_kafka_queue_forward(from, to);
        rd_kafka_queue_destroy(from);
    }
}

static void take_error(struct source *source, rd_kafka_error_t *error, const char *what)
{
    if (!error)
        return;
    log_write(LOG_LEVEL_ERROR, what, LOG_STR("view", source->view->name),
              LOG_STR("reason", rd_kafka_error_string(error)));
    rd_kafka_error_destroy(error);
}

/* The caller holds owned_lock. */
static struct owned *find_owned(struct source *source, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < source->owned_count; i++)
        if (source->owned[i].partition == partition && strcmp(source->owned[i].topic, topic) == 0)
            return &source->owned[i];
    return NULL;
}

static bool add_owned(struct source *source, const char *topic, int32_t partition)
{
    if (find_owned(source, topic, partition))
        return true;
    if (source->owned_count == source->owned_room) {
        size_t room = source->owned_room ? source->owned_room * 2 : 16;
        struct owned *owned = realloc(source->owned, room * sizeof *owned);
        if (!owned)
            return false;
        source->owned = owned;
        source->owned_room = room;
    }
    char *name = strdup(topic);
    if (!name)
        return false;
    source->owned[source->owned_count++] = (struct owned){name, partition, false};
    return true;
}

static void remove_owned(struct source *source, struct owned *owned)
{
    free(owned->topic);
    *owned = source->owned[--source->owned_count];
}

/* The group is told at once that we took them; each is opened by its worker, at the right offset. */
static void take_partitions(struct source *source, rd_kafka_topic_partition_list_t *list)
{
    bool ok = true;
    for (int i = 0; i < list->cnt; i++)
        forward_partition(
            source, &list->elems[i],
            source->handler.route(source->handler.context, list->elems[i].topic, list->elems[i].partition));
    pthread_mutex_lock(&source->owned_lock);
    for (int i = 0; i < list->cnt; i++)
        ok = add_owned(source, list->elems[i].topic, list->elems[i].partition) && ok;
    pthread_mutex_unlock(&source->owned_lock);
    rd_kafka_topic_partition_list_t *none = rd_kafka_topic_partition_list_new(0);
    take_error(source, rd_kafka_incremental_assign(source->consumer, none), "partitions could not be taken");
    rd_kafka_topic_partition_list_destroy(none);
    for (int i = 0; ok && i < list->cnt; i++)
        source->handler.assigned(source->handler.context, list->elems[i].topic, list->elems[i].partition);
}

static void drain_partitions(struct source *source, const rd_kafka_topic_partition_list_t *list)
{
    struct source_partition *partitions = calloc((size_t)list->cnt + 1, sizeof *partitions);
    if (!partitions)
        return;
    for (int i = 0; i < list->cnt; i++)
        partitions[i] = (struct source_partition){list->elems[i].topic, list->elems[i].partition};
    source->handler.revoked(source->handler.context, partitions, (size_t)list->cnt,
                            rd_kafka_assignment_lost(source->consumer));
    free(partitions);
}

static void give_partitions(struct source *source, rd_kafka_topic_partition_list_t *list)
{
    pthread_mutex_lock(&source->owned_lock);
    source->giving_back = true;
    pthread_mutex_unlock(&source->owned_lock);
    drain_partitions(source, list);
    rd_kafka_topic_partition_list_t *open = rd_kafka_topic_partition_list_new(list->cnt);
    pthread_mutex_lock(&source->owned_lock);
    for (int i = 0; i < list->cnt; i++) {
        struct owned *owned = find_owned(source, list->elems[i].topic, list->elems[i].partition);
        if (owned && owned->open)
            rd_kafka_topic_partition_list_add(open, owned->topic, owned->partition);
        if (owned)
            remove_owned(source, owned);
    }
    take_error(source, rd_kafka_incremental_unassign(source->consumer, open),
               "partitions could not be given back");
    source->giving_back = false;
    pthread_mutex_unlock(&source->owned_lock);
    rd_kafka_topic_partition_list_destroy(open);
    for (int i = 0; i < list->cnt; i++)
        forward_partition(source, &list->elems[i], NULL);
}

static void on_rebalance(rd_kafka_t *consumer, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct source *source = opaque;
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        clear_trouble(source);
        atomic_store(&source->in_touch, true);
        take_partitions(source, list);
        source->balanced = true;
    } else if (code == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
        give_partitions(source, list);
    } else {
        log_write(LOG_LEVEL_ERROR, "the group could not be balanced", LOG_STR("view", source->view->name),
                  LOG_STR("reason", rd_kafka_err2str(code)));
        rd_kafka_assign(consumer, NULL);
    }
}

static const char *find_property(const struct config *config, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < config->kafka_count; i++)
        if (strcmp(config->kafka[i].name, name) == 0)
            value = config->kafka[i].value;
    return value;
}

/* auto.offset.reset is ours to carry out: librdkafka only reports that an offset is out of range. */
static bool read_reset_policy(const struct config *config, bool *from_latest, struct upsink_error *err)
{
    const char *value = find_property(config, "auto.offset.reset");
    *from_latest = false;
    if (!value || strcmp(value, "earliest") == 0 || strcmp(value, "beginning") == 0 ||
        strcmp(value, "smallest") == 0)
        return true;
    if (strcmp(value, "latest") == 0 || strcmp(value, "end") == 0 || strcmp(value, "largest") == 0) {
        *from_latest = true;
        return true;
    }
    return upsink_fail(err, UPSINK_ERR_CONFIG, "kafka_property_invalid",
                       "kafka.auto.offset.reset is \"%s\": use earliest (the default) or latest", value);
}

bool source_check_properties(const struct config *config, bool *from_latest, struct upsink_error *err)
{
    return check_reserved(config, err) && read_reset_policy(config, from_latest, err);
}

/* The user's properties without auto.offset.reset. */
static bool copy_properties(struct source *source, const struct config *config)
{
    source->properties = calloc(config->kafka_count + 1, sizeof *source->properties);
    if (!source->properties)
        return false;
    size_t count = 0;
    for (size_t i = 0; i < config->kafka_count; i++)
        if (strcmp(config->kafka[i].name, "auto.offset.reset") != 0)
            source->properties[count++] =
                (struct dlq_property){config->kafka[i].name, config->kafka[i].value};
    source->kafka = (struct dlq_kafka){source->properties, count};
    return true;
}

static rd_kafka_t *open_consumer(struct source *source, const struct config *config, struct upsink_error *err)
{
    const struct dlq_property fixed[] = {
        {"group.id", source->view->group},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"enable.partition.eof", "true"},
        {"isolation.level", "read_committed"},
        {"auto.offset.reset", "error"},
        {"partition.assignment.strategy", "cooperative-sticky"},
        /* The producer's limit: a consumer that has it too refuses to start with a lower fetch.max.bytes. */
        {"message.max.bytes", "1000"},
    };
    rd_kafka_conf_t *conf =
        dlq_client_conf(&source->kafka, RD_KAFKA_CONSUMER, defaults, sizeof defaults / sizeof *defaults,
                        fixed, sizeof fixed / sizeof *fixed, err);
    if (!conf)
        return NULL;
    rd_kafka_conf_set_opaque(conf, source);
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_offset_commit_cb(conf, on_commit);
    char text[32];
    size_t size = sizeof text;
    int64_t max_poll_ms = 300000;
    if (rd_kafka_conf_get(conf, "max.poll.interval.ms", text, &size) == RD_KAFKA_CONF_OK)
        max_poll_ms = strtoll(text, NULL, 10);
    source->drain_limit_us = max_poll_ms * CLOCK_MS / 2;
    size = sizeof text;
    if (rd_kafka_conf_get(conf, "fetch.queue.backoff.ms", text, &size) != RD_KAFKA_CONF_OK)
        source->needs_nudges = true;
    else if (!find_property(config, "fetch.queue.backoff.ms"))
        rd_kafka_conf_set(conf, "fetch.queue.backoff.ms", "2", NULL, 0);
    return dlq_client_new(RD_KAFKA_CONSUMER, conf, err);
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
    if (!copy_properties(source, config)) {
        upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "no memory for the Kafka consumer");
        goto cleanup;
    }
    source->consumer = open_consumer(source, config, err);
    if (!source->consumer)
        goto cleanup;
    rd_kafka_poll_set_consumer(source->consumer);
    source->consumer_queue = rd_kafka_queue_get_consumer(source->consumer);
    return source;
cleanup:
    source_destroy(source);
    return NULL;
}

void source_destroy(struct source *source)
{
    if (!source)
        return;
    /* Before 2.3.0 librdkafka aborts here when the group answered the join but not yet with an assignment
     * (its issue 4312). A closed consumer is at rest, and does no harm until the process ends. */
    if (source->closing && !source->balanced && rd_kafka_version() < 0x02030000)
        return;
    if (source->consumer_queue)
        rd_kafka_queue_destroy(source->consumer_queue);
    if (source->consumer)
        rd_kafka_destroy(source->consumer);
    free(source->nudge_topic);
    while (source->owned_count)
        remove_owned(source, &source->owned[0]);
    free(source->owned);
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

void source_close(struct source *source)
{
    source->closing = true;
    rd_kafka_consumer_close(source->consumer);
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
        on_error(source->consumer, event->err, rd_kafka_message_errstr(event), source);
        return true;
    }
}

void source_nudge(struct source *source, const char *topic, int32_t partition)
{
    if (!source->needs_nudges)
        return;
    pthread_mutex_lock(&source->lock);
    bool first = source->nudge_topic == NULL;
    if (first)
        source->nudge_topic = strdup(topic);
    source->nudge_partition = partition;
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
    clear_trouble(source);
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

static bool fail_kafka(struct source *source, const char *what, rd_kafka_resp_err_t code,
                       struct upsink_error *err)
{
    char trouble[256];
    source_trouble(source, trouble, sizeof trouble);
    upsink_fail(err, UPSINK_ERR_OUTAGE, "kafka_unreachable", "%s: %s", what,
                trouble[0] ? trouble : rd_kafka_err2str(code));
    upsink_error_detail(err, "%s", rd_kafka_err2name(code));
    return false;
}

struct partition_list {
    struct source_end *items;
    size_t count, room;
};

static bool add_partition(struct partition_list *list, const char *topic, int32_t partition)
{
    if (list->count == list->room) {
        size_t room = list->room ? list->room * 2 : 16;
        struct source_end *items = realloc(list->items, room * sizeof *items);
        if (!items)
            return false;
        list->items = items;
        list->room = room;
    }
    struct source_end *item = &list->items[list->count];
    *item = (struct source_end){strdup(topic), partition, -1};
    if (!item->topic)
        return false;
    list->count++;
    return true;
}

void source_ends_free(struct source_end *ends, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(ends[i].topic);
    free(ends);
}

static bool add_topic(struct source *source, struct partition_list *list,
                      const rd_kafka_metadata_topic_t *topic, struct upsink_error *err)
{
    if (topic->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
        topic->err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
        return upsink_fail(err, UPSINK_ERR_OUTAGE, "unknown_topic",
                           "topic %s of view %s does not exist: create it, or correct the name", topic->topic,
                           source->view->name);
    if (topic->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return fail_kafka(source, "the topic can't be looked up", topic->err, err);
    bool ok = true;
    for (int p = 0; ok && p < topic->partition_cnt; p++)
        ok = add_partition(list, topic->topic, topic->partitions[p].id);
    return ok || upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "no memory for the list of partitions");
}

static bool is_pattern(const struct view_config *view)
{
    return view->topic_count == 1 && view->topics[0][0] == '^';
}

static bool add_matching(struct source *source, struct partition_list *list, struct upsink_error *err)
{
    const rd_kafka_metadata_t *metadata = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(source->consumer, 1, NULL, &metadata, METADATA_MS);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return fail_kafka(source, "Kafka's topics can't be listed", code, err);
    regex_t pattern;
    if (regcomp(&pattern, source->view->topics[0], REG_EXTENDED | REG_NOSUB) != 0) {
        rd_kafka_metadata_destroy(metadata);
        return upsink_fail(err, UPSINK_ERR_CONFIG, "topic_invalid",
                           "views.%s.topic: %s is not a regular expression", source->view->name,
                           source->view->topics[0]);
    }
    bool ok = true;
    for (int i = 0; ok && i < metadata->topic_cnt; i++)
        if (regexec(&pattern, metadata->topics[i].topic, 0, NULL, 0) == 0)
            ok = add_topic(source, list, &metadata->topics[i], err);
    regfree(&pattern);
    rd_kafka_metadata_destroy(metadata);
    if (ok && list->count == 0)
        ok = upsink_fail(
            err, UPSINK_ERR_OUTAGE, "unknown_topic",
            "no topic matches %s, the expression of view %s: create one, or correct the expression",
            source->view->topics[0], source->view->name);
    return ok;
}

static bool add_named(struct source *source, struct partition_list *list, const char *name,
                      struct upsink_error *err)
{
    const rd_kafka_metadata_t *metadata = NULL;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(source->consumer, name, NULL);
    if (!topic)
        return fail_kafka(source, "the topic can't be looked up", rd_kafka_last_error(), err);
    rd_kafka_resp_err_t code = rd_kafka_metadata(source->consumer, 0, topic, &metadata, METADATA_MS);
    rd_kafka_topic_destroy(topic);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return fail_kafka(source, "the topic can't be looked up", code, err);
    bool ok = metadata->topic_cnt != 1 || add_topic(source, list, &metadata->topics[0], err);
    rd_kafka_metadata_destroy(metadata);
    return ok;
}

bool source_partitions(struct source *source, struct source_end **ends, size_t *count,
                       struct upsink_error *err)
{
    struct partition_list list = {0};
    bool ok = true;
    if (is_pattern(source->view))
        ok = add_matching(source, &list, err);
    else
        for (size_t i = 0; ok && i < source->view->topic_count; i++)
            ok = add_named(source, &list, source->view->topics[i], err);
    if (!ok) {
        source_ends_free(list.items, list.count);
        return false;
    }
    *ends = list.items;
    *count = list.count;
    atomic_store(&source->in_touch, true);
    return true;
}

int32_t source_partition_count(struct source *source, const char *name)
{
    const rd_kafka_metadata_t *metadata = NULL;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(source->consumer, name, NULL);
    int32_t count = 0;
    if (topic &&
        rd_kafka_metadata(source->consumer, 0, topic, &metadata, METADATA_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        count = metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
        rd_kafka_metadata_destroy(metadata);
    }
    if (topic)
        rd_kafka_topic_destroy(topic);
    return count;
}

bool source_facts(struct source *source, const char *topic, int32_t partition, struct resume_facts *facts,
                  struct upsink_error *err)
{
    rd_kafka_resp_err_t code =
        kafka_ends(source->consumer, topic, partition, &facts->low, &facts->high, ANSWER_MS);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return fail_kafka(source, "the ends of a partition can't be looked up", code, err);
    rd_kafka_topic_partition_list_t *list = list_of(topic, partition, RD_KAFKA_OFFSET_INVALID);
    code = rd_kafka_committed(source->consumer, list, ANSWER_MS);
    const rd_kafka_topic_partition_t *committed = &list->elems[0];
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = committed->err;
    facts->has_commit = code == RD_KAFKA_RESP_ERR_NO_ERROR && committed->offset >= 0;
    facts->commit_offset = facts->has_commit ? committed->offset : -1;
    facts->commit_is_ours =
        facts->has_commit &&
        resume_note_parse(committed->metadata, committed->metadata_size, &facts->commit_note);
    rd_kafka_topic_partition_list_destroy(list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return fail_kafka(source, "the group's committed offset can't be looked up", code, err);
    if (!source->cluster[0]) {
        char *cluster = rd_kafka_clusterid(source->consumer, ANSWER_MS);
        if (cluster && !strpbrk(cluster, " \t\r\n"))
            snprintf(source->cluster, sizeof source->cluster, "%s", cluster);
        if (cluster)
            rd_kafka_mem_free(source->consumer, cluster);
    }
    facts->cluster = source->cluster;
    facts->from_latest = source->from_latest;
    return true;
}

int64_t source_high(struct source *source, const char *topic, int32_t partition)
{
    int64_t high;
    rd_kafka_resp_err_t code = kafka_end(source->consumer, topic, partition, KAFKA_HIGH, &high, ANSWER_MS);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? high : -1;
}

int64_t source_cached_high(struct source *source, const char *topic, int32_t partition)
{
    int64_t low, high;
    if (rd_kafka_get_watermark_offsets(source->consumer, topic, partition, &low, &high) !=
        RD_KAFKA_RESP_ERR_NO_ERROR)
        return -1;
    return high; /* negative where nothing was fetched yet */
}

int64_t source_cached_low(struct source *source, const char *topic, int32_t partition)
{
    int64_t low, high;
    if (rd_kafka_get_watermark_offsets(source->consumer, topic, partition, &low, &high) !=
        RD_KAFKA_RESP_ERR_NO_ERROR)
        return -1;
    return low;
}

int64_t source_committed(struct source *source, const char *topic, int32_t partition)
{
    rd_kafka_topic_partition_list_t *list = list_of(topic, partition, RD_KAFKA_OFFSET_INVALID);
    int64_t offset = -1;
    if (rd_kafka_committed(source->consumer, list, ANSWER_MS) == RD_KAFKA_RESP_ERR_NO_ERROR &&
        list->elems[0].offset >= 0)
        offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return offset;
}

static rd_kafka_resp_err_t take_code(rd_kafka_error_t *error)
{
    rd_kafka_resp_err_t code = error ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;
    if (error)
        rd_kafka_error_destroy(error);
    return code;
}

bool source_open(struct source *source, const char *topic, int32_t partition, int64_t offset,
                 rd_kafka_queue_t *queue, struct upsink_error *err)
{
    rd_kafka_topic_partition_list_t *list = list_of(topic, partition, offset);
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST;
    pthread_mutex_lock(&source->owned_lock);
    struct owned *owned = source->giving_back ? NULL : find_owned(source, topic, partition);
    if (owned) {
        code = owned->open ? take_code(rd_kafka_incremental_unassign(source->consumer, list))
                           : RD_KAFKA_RESP_ERR_NO_ERROR;
        owned->open = false;
        list->elems[0].offset = offset;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            code = take_code(rd_kafka_incremental_assign(source->consumer, list));
        owned->open = code == RD_KAFKA_RESP_ERR_NO_ERROR;
        /* Stopping took the forwarding away, and is over now: librdkafka carries these requests out in their
         * order. */
        forward_partition(source, &list->elems[0], queue);
    }
    pthread_mutex_unlock(&source->owned_lock);
    rd_kafka_topic_partition_list_destroy(list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR || fail_kafka(source, "a partition can't be opened", code, err);
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
        on_commit(source->consumer, code, list, source);
    rd_kafka_topic_partition_list_destroy(list);
}

uint32_t source_failed_commits(const struct source *source)
{
    return atomic_load(&source->failed_commits);
}

const char *source_cluster(const struct source *source)
{
    return source->cluster;
}

bool source_from_latest(const struct source *source)
{
    return source->from_latest;
}

int64_t source_drain_limit_us(const struct source *source)
{
    return source->drain_limit_us;
}
