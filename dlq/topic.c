#include "topic.h"

#include "fault.h"
#include "clock.h"
#include "log.h"

#include <inttypes.h>
#include <stdlib.h>

/* What the topics' configurations say, as far as we may see them. */
struct limits {
    int64_t source_bytes; /* the largest max.message.bytes of the sources; -1: unknown */
    int64_t own_bytes;    /* of the dead-letter topic */
    bool compacted;       /* the dead-letter topic is */
    bool has_after, has_before, has_difference; /* the broker knows message.timestamp.*.max.ms */
};

static void note_trouble(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    (void)rk;
    dlq_trouble_note(opaque, (rd_kafka_resp_err_t)code, reason);
}

static int remaining_ms(int64_t deadline)
{
    int64_t left = (deadline - clock_monotonic_us()) / CLOCK_MS;
    return left < 100 ? 100 : (int)left;
}

bool dlq_topic_describe(rd_kafka_t *rk, struct dlq_trouble *trouble, const char *topic, int timeout_ms,
                        struct dlq_topic_shape *shape, struct upsink_error *err)
{
    bool ok = false;
    const struct rd_kafka_metadata *metadata = NULL;
    *shape = (struct dlq_topic_shape){0};
    rd_kafka_topic_t *handle = rd_kafka_topic_new(rk, topic, NULL);
    if (!handle)
        return dlq_fault_set(RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, topic,
                             rd_kafka_err2str(rd_kafka_last_error()), err);
    rd_kafka_resp_err_t code = rd_kafka_metadata(rk, 0, handle, &metadata, timeout_ms);
    rd_kafka_poll(rk, 0); /* serves note_trouble */
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        char what[320];
        snprintf(what, sizeof what, "Kafka can't be asked about the topic %s", topic);
        dlq_trouble_fail(trouble, what, err);
        goto cleanup;
    }
    if (metadata->topic_cnt != 1) {
        dlq_fault_set(RD_KAFKA_RESP_ERR__FAIL, topic, "the brokers' answer makes no sense", err);
        goto cleanup;
    }
    int32_t controller = rd_kafka_controllerid(rk, 0);
    for (int i = 0; i < metadata->broker_cnt; i++)
        shape->has_controller |= metadata->brokers[i].id == controller;
    code = metadata->topics[0].err;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) {
        shape->partitions = metadata->topics[0].partition_cnt;
        for (int i = 0; i < metadata->topics[0].partition_cnt; i++)
            if (metadata->topics[0].partitions[i].replica_cnt > shape->replicas)
                shape->replicas = metadata->topics[0].partitions[i].replica_cnt;
    } else if (code != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
        dlq_fault_set(code, topic, rd_kafka_err2str(code), err);
        goto cleanup;
    }
    ok = true;
cleanup:
    if (metadata)
        rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(handle);
    return ok;
}

static rd_kafka_AdminOptions_t *admin_options(rd_kafka_t *rk, rd_kafka_admin_op_t op, int timeout_ms)
{
    char ignored[128];
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, op);
    rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, ignored, sizeof ignored);
    if (op == RD_KAFKA_ADMIN_OP_CREATETOPICS)
        rd_kafka_AdminOptions_set_operation_timeout(options, timeout_ms, ignored, sizeof ignored);
    return options;
}

static void take_entry(const char *name, const char *value, bool is_source, struct limits *limits)
{
    if (strcmp(name, "max.message.bytes") == 0 && value) {
        int64_t bytes = strtoll(value, NULL, 10);
        int64_t *wanted = is_source ? &limits->source_bytes : &limits->own_bytes;
        if (bytes > *wanted)
            *wanted = bytes;
    } else if (strcmp(name, "cleanup.policy") == 0 && value && !is_source)
        limits->compacted = strstr(value, "compact") != NULL;
    else if (strcmp(name, "message.timestamp.after.max.ms") == 0)
        limits->has_after = true;
    else if (strcmp(name, "message.timestamp.before.max.ms") == 0)
        limits->has_before = true;
    else if (strcmp(name, "message.timestamp.difference.max.ms") == 0)
        limits->has_difference = true;
}

static void take_resources(const rd_kafka_ConfigResource_t **resources, size_t count, const char *topic,
                           struct limits *limits)
{
    for (size_t i = 0; i < count; i++) {
        size_t entry_count;
        const char *name = rd_kafka_ConfigResource_name(resources[i]);
        rd_kafka_resp_err_t code = rd_kafka_ConfigResource_error(resources[i]);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
            log_write(LOG_LEVEL_INFO, "the configuration of a topic can't be read", LOG_STR("topic", name),
                      LOG_STR("reason", rd_kafka_err2str(code)));
        const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resources[i], &entry_count);
        for (size_t e = 0; e < entry_count; e++)
            take_entry(rd_kafka_ConfigEntry_name(entries[e]), rd_kafka_ConfigEntry_value(entries[e]),
                       strcmp(name, topic) != 0, limits);
    }
}

/* Best effort: the right to describe configurations is one that a consumer seldom has. */
static void read_limits(rd_kafka_t *rk, const char *topic, bool topic_exists, const char *const *sources,
                        size_t source_count, int timeout_ms, struct limits *limits)
{
    rd_kafka_ConfigResource_t **asked = calloc(source_count + 1, sizeof *asked);
    if (!asked)
        return;
    size_t count = 0, got_count;
    for (size_t i = 0; i < source_count; i++)
        if (sources[i][0] != '^') /* an expression names no topic */
            asked[count++] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, sources[i]);
    if (topic_exists)
        asked[count++] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    if (count == 0) {
        free(asked);
        return;
    }
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_AdminOptions_t *options = admin_options(rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, timeout_ms);
    rd_kafka_DescribeConfigs(rk, asked, count, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, timeout_ms + 500);
    const rd_kafka_DescribeConfigs_result_t *result =
        event ? rd_kafka_event_DescribeConfigs_result(event) : NULL;
    if (result && rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        const rd_kafka_ConfigResource_t **got = rd_kafka_DescribeConfigs_result_resources(result, &got_count);
        take_resources(got, got_count, topic, limits);
    } else
        log_write(LOG_LEVEL_INFO, "the configurations of the topics can't be read", LOG_STR("topic", topic),
                  LOG_STR("reason", event ? rd_kafka_event_error_string(event) : "no answer"));
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    rd_kafka_ConfigResource_destroy_array(asked, count);
    free(asked);
}

/* A topic that somebody else made may be one that can't keep what we write. */
static void warn_if_unfit(const char *topic, const struct limits *limits)
{
    if (limits->compacted)
        log_write(
            LOG_LEVEL_WARN,
            "the dead-letter topic is compacted: records without a key are refused, and only the last dead "
            "letter of a key is kept; set its cleanup.policy to delete",
            LOG_STR("topic", topic));
    if (limits->own_bytes >= 0 && limits->own_bytes < limits->source_bytes)
        log_write(
            LOG_LEVEL_WARN,
            "the dead-letter topic allows smaller records than the source: the view stops where one does not "
            "fit; raise its max.message.bytes",
            LOG_STR("topic", topic), LOG_INT("max_message_bytes", limits->own_bytes),
            LOG_INT("source_max_message_bytes", limits->source_bytes));
}

static rd_kafka_NewTopic_t *new_topic(const char *topic, const struct dlq_topic_shape *shape,
                                      const struct limits *limits, struct upsink_error *err)
{
    static const char unlimited[] = "9223372036854775807";
    char reason[256] = "", bytes[32];
    rd_kafka_NewTopic_t *wanted =
        rd_kafka_NewTopic_new(topic, shape->partitions > 0 ? shape->partitions : -1,
                              shape->replicas > 0 ? shape->replicas : -1, reason, sizeof reason);
    if (!wanted) {
        dlq_fault_set(RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, topic, reason, err);
        return NULL;
    }
    rd_kafka_NewTopic_set_config(wanted, "cleanup.policy", "delete");
    rd_kafka_NewTopic_set_config(wanted, "retention.ms", "-1");
    rd_kafka_NewTopic_set_config(wanted, "retention.bytes", "-1");
    /* The records keep their timestamps, whatever the cluster thinks of those. */
    rd_kafka_NewTopic_set_config(wanted, "message.timestamp.type", "CreateTime");
    if (limits->has_after)
        rd_kafka_NewTopic_set_config(wanted, "message.timestamp.after.max.ms", unlimited);
    if (limits->has_before)
        rd_kafka_NewTopic_set_config(wanted, "message.timestamp.before.max.ms", unlimited);
    else if (limits->has_difference)
        rd_kafka_NewTopic_set_config(wanted, "message.timestamp.difference.max.ms", unlimited);
    if (limits->source_bytes >= 0) {
        int64_t room = limits->source_bytes + DLQ_HEADER_ROOM;
        snprintf(bytes, sizeof bytes, "%" PRId64, room < INT32_MAX ? room : INT32_MAX);
        rd_kafka_NewTopic_set_config(wanted, "max.message.bytes", bytes);
    }
    return wanted;
}

static bool create_topic(rd_kafka_t *rk, struct dlq_trouble *trouble, const char *topic,
                         const struct dlq_topic_shape *shape, const struct limits *limits, int timeout_ms,
                         struct upsink_error *err)
{
    bool ok = false;
    rd_kafka_NewTopic_t *wanted = new_topic(topic, shape, limits, err);
    if (!wanted)
        return false;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_AdminOptions_t *options = admin_options(rk, RD_KAFKA_ADMIN_OP_CREATETOPICS, timeout_ms);
    rd_kafka_CreateTopics(rk, &wanted, 1, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, timeout_ms + 500);
    rd_kafka_poll(rk, 0);
    const rd_kafka_CreateTopics_result_t *result = event ? rd_kafka_event_CreateTopics_result(event) : NULL;
    if (!result || rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        char what[320];
        snprintf(what, sizeof what, "the dead-letter topic %s can't be created", topic);
        if (event)
            dlq_trouble_note(trouble, rd_kafka_event_error(event), rd_kafka_event_error_string(event));
        dlq_trouble_fail(trouble, what, err);
    } else {
        size_t count;
        const rd_kafka_topic_result_t **topics = rd_kafka_CreateTopics_result_topics(result, &count);
        rd_kafka_resp_err_t code = count ? rd_kafka_topic_result_error(topics[0]) : RD_KAFKA_RESP_ERR__FAIL;
        ok = code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS;
        if (!ok) {
            const char *reason = count ? rd_kafka_topic_result_error_string(topics[0]) : NULL;
            dlq_fault_set(code, topic, reason ? reason : rd_kafka_err2str(code), err);
        } else if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            log_write(LOG_LEVEL_INFO, "created the dead-letter topic", LOG_STR("topic", topic),
                      LOG_INT("partitions", shape->partitions), LOG_INT("replicas", shape->replicas));
    }
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(wanted);
    return ok;
}

/* As many partitions and replicas as the source that has the most. A source that isn't there or may not be
 * seen counts for nothing: whoever reads it will say so. */
static bool largest_shape(rd_kafka_t *rk, struct dlq_trouble *trouble, const char *const *sources,
                          size_t source_count, int64_t deadline, struct dlq_topic_shape *largest,
                          struct upsink_error *err)
{
    *largest = (struct dlq_topic_shape){0};
    for (size_t i = 0; i < source_count; i++) {
        struct dlq_topic_shape shape;
        if (!dlq_topic_describe(rk, trouble, sources[i], remaining_ms(deadline), &shape, err)) {
            if (err->cls == UPSINK_ERR_OUTAGE)
                return false;
            continue;
        }
        if (shape.partitions > largest->partitions)
            largest->partitions = shape.partitions;
        if (shape.replicas > largest->replicas)
            largest->replicas = shape.replicas;
    }
    return true;
}

/* A topic takes a moment to be known everywhere. */
static bool await_topic(rd_kafka_t *rk, struct dlq_trouble *trouble, const char *topic, int64_t deadline,
                        struct dlq_topic_shape *shape, struct upsink_error *err)
{
    do {
        if (!dlq_topic_describe(rk, trouble, topic, remaining_ms(deadline), shape, err))
            return false;
        if (shape->partitions > 0)
            return true;
        rd_kafka_poll(rk, 50);
    } while (clock_monotonic_us() < deadline);
    return dlq_fault_set(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, topic, "it was just created", err);
}

static rd_kafka_t *make_client(const struct dlq_kafka *kafka, struct dlq_trouble *trouble,
                               struct upsink_error *err)
{
    static const struct dlq_property fixed[] = {{"allow.auto.create.topics", "false"}};
    rd_kafka_conf_t *conf = dlq_client_conf(kafka, RD_KAFKA_CONSUMER, NULL, 0, fixed, 1, err);
    if (!conf)
        return NULL;
    rd_kafka_conf_set_opaque(conf, trouble);
    rd_kafka_conf_set_error_cb(conf, note_trouble);
    return dlq_client_new(RD_KAFKA_CONSUMER, conf, err);
}

bool dlq_topic_ensure(const struct dlq_kafka *kafka, const char *topic, const char *const *sources,
                      size_t source_count, int timeout_ms, int32_t *partitions, struct upsink_error *err)
{
    bool ok = false;
    int64_t deadline = clock_monotonic_us() + timeout_ms * CLOCK_MS;
    struct dlq_trouble trouble;
    struct dlq_topic_shape own, source;
    struct limits limits;
    dlq_trouble_init(&trouble);
    rd_kafka_t *rk = make_client(kafka, &trouble, err);
    if (!rk)
        goto cleanup;
    if (!dlq_topic_describe(rk, &trouble, topic, timeout_ms, &own, err))
        goto cleanup;
    limits = (struct limits){.source_bytes = -1, .own_bytes = -1};
    if (own.has_controller)
        read_limits(rk, topic, own.partitions > 0, sources, source_count, remaining_ms(deadline), &limits);
    if (own.partitions > 0)
        warn_if_unfit(topic, &limits);
    else if (!largest_shape(rk, &trouble, sources, source_count, deadline, &source, err) ||
             !create_topic(rk, &trouble, topic, &source, &limits, remaining_ms(deadline), err) ||
             !await_topic(rk, &trouble, topic, deadline, &own, err))
        goto cleanup;
    *partitions = own.partitions;
    ok = true;
cleanup:
    if (rk)
        rd_kafka_destroy(rk);
    dlq_trouble_destroy(&trouble);
    return ok;
}
