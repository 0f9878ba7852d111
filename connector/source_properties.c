/* The properties of the consumer: ours, our defaults, the user's. */
#include "connector/source_inside.h"

#include "clock.h"

#include <stdlib.h>

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
bool source_copy_properties(struct source *source, const struct config *config)
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

rd_kafka_t *source_open_consumer(struct source *source, const struct config *config, struct upsink_error *err)
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
    rd_kafka_conf_set_rebalance_cb(conf, source_on_rebalance);
    rd_kafka_conf_set_error_cb(conf, source_on_error);
    rd_kafka_conf_set_offset_commit_cb(conf, source_on_commit);
    char text[32];
    size_t size = sizeof text;
    int64_t max_poll_ms = 300000;
    if (rd_kafka_conf_get(conf, "max.poll.interval.ms", text, &size) == RD_KAFKA_CONF_OK)
        max_poll_ms = strtoll(text, NULL, 10);
    source->drain_limit_us = max_poll_ms * CLOCK_MS / 2;
    source->is_static = find_property(config, "group.instance.id") != NULL;
    size = sizeof text;
    if (rd_kafka_conf_get(conf, "fetch.queue.backoff.ms", text, &size) != RD_KAFKA_CONF_OK)
        source->needs_nudges = true;
    else if (!find_property(config, "fetch.queue.backoff.ms"))
        rd_kafka_conf_set(conf, "fetch.queue.backoff.ms", "2", NULL, 0);
    return dlq_client_new(RD_KAFKA_CONSUMER, conf, err);
}
