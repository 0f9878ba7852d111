#include "mock_broker.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdlib.h>

struct mock_broker {
    rd_kafka_t *owner; /* a client that does nothing but own the cluster */
    rd_kafka_mock_cluster_t *cluster;
};

struct mock_broker *mock_broker_start(struct upsink_error *err)
{
    char reason[256] = "";
    struct mock_broker *broker = calloc(1, sizeof *broker);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (!broker ||
        rd_kafka_conf_set(conf, "test.mock.num.brokers", "1", reason, sizeof reason) != RD_KAFKA_CONF_OK)
        goto fail;
    rd_kafka_conf_set_log_cb(conf, NULL);
    broker->owner = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    if (!broker->owner)
        goto fail;
    broker->cluster = rd_kafka_handle_mock_cluster(broker->owner);
    if (broker->cluster)
        return broker;
    conf = NULL;
fail:
    upsink_fail(err, UPSINK_ERR_FATAL, "embedded_broker",
                "the broker inside the process can't be started: %s; use a real one with --brokers HOST:PORT",
                reason[0] ? reason : "this librdkafka has none");
    if (conf)
        rd_kafka_conf_destroy(conf);
    mock_broker_stop(broker);
    return NULL;
}

void mock_broker_stop(struct mock_broker *broker)
{
    if (broker && broker->owner)
        rd_kafka_destroy(broker->owner);
    free(broker);
}

const char *mock_broker_address(const struct mock_broker *broker)
{
    return rd_kafka_mock_cluster_bootstraps(broker->cluster);
}

bool mock_broker_create_topic(struct mock_broker *broker, const char *topic, int32_t partitions,
                              struct upsink_error *err)
{
    rd_kafka_resp_err_t code = rd_kafka_mock_topic_create(broker->cluster, topic, partitions, 1);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ||
           upsink_fail(err, UPSINK_ERR_FATAL, "embedded_broker",
                       "topic %s can't be created in the process: %s", topic, rd_kafka_err2str(code));
}
