/* A Kafka cluster inside the test's process (librdkafka's mock), with one record to take as original. */
#ifndef UPSINK_TEST_DLQ_MOCK_H
#define UPSINK_TEST_DLQ_MOCK_H

#include "dlq/writer.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define PRODUCE_REQUEST 0 /* Kafka's ApiKey */

struct mock {
    rd_kafka_t *host;
    rd_kafka_mock_cluster_t *cluster;
    rd_kafka_t *producer; /* of the originals */
    rd_kafka_t *consumer; /* outlives the messages that it gave */
    struct dlq_property properties[16];
    struct dlq_kafka kafka;
};

static void mock_property(struct mock *mock, const char *name, const char *value)
{
    assert_true(mock->kafka.count < 16);
    mock->properties[mock->kafka.count++] = (struct dlq_property){name, value};
}

static rd_kafka_t *mock_client(struct mock *mock, rd_kafka_type_t type)
{
    char reason[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(mock->cluster), reason,
                      sizeof reason);
    rd_kafka_conf_set(conf, "message.max.bytes", "100000000", reason, sizeof reason);
    rd_kafka_conf_set(conf, "log_level", "0", reason, sizeof reason);
    if (type == RD_KAFKA_CONSUMER) {
        rd_kafka_conf_set(conf, "enable.partition.eof", "true", reason, sizeof reason);
        rd_kafka_conf_set(conf, "fetch.wait.max.ms", "10", reason, sizeof reason);
    }
    rd_kafka_t *rk = rd_kafka_new(type, conf, reason, sizeof reason);
    assert_non_null(rk);
    return rk;
}

static struct mock *mock_create(void)
{
    char reason[256];
    struct mock *mock = calloc(1, sizeof *mock);
    assert_non_null(mock);
    alarm(120); /* a test that failed may keep messages, without which the consumer does not end */
    rd_kafka_conf_t *quiet = rd_kafka_conf_new();
    rd_kafka_conf_set(quiet, "log_level", "0", reason, sizeof reason);
    mock->host = rd_kafka_new(RD_KAFKA_PRODUCER, quiet, reason, sizeof reason);
    assert_non_null(mock->host);
    mock->cluster = rd_kafka_mock_cluster_new(mock->host, 1);
    assert_non_null(mock->cluster);
    mock->kafka.properties = mock->properties;
    mock_property(mock, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(mock->cluster));
    mock_property(mock, "reconnect.backoff.max.ms", "200");
    mock_property(mock, "retry.backoff.ms", "20");
    assert_int_equal(rd_kafka_mock_topic_create(mock->cluster, "orders", 4, 1), 0);
    assert_int_equal(rd_kafka_mock_topic_create(mock->cluster, "orders.dlq", 3, 1), 0);
    mock->producer = mock_client(mock, RD_KAFKA_PRODUCER);
    mock->consumer = mock_client(mock, RD_KAFKA_CONSUMER);
    return mock;
}

static void mock_destroy(struct mock *mock)
{
    rd_kafka_destroy(mock->consumer);
    rd_kafka_destroy(mock->producer);
    rd_kafka_mock_cluster_destroy(mock->cluster);
    rd_kafka_destroy(mock->host);
    free(mock);
    alarm(0);
}

/* Takes the headers. */
static void mock_produce(struct mock *mock, const char *topic, int32_t partition, const void *key,
                         size_t key_len, const void *value, size_t len, int64_t timestamp,
                         rd_kafka_headers_t *headers)
{
    const rd_kafka_vu_t parts[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)(uintptr_t)key, key_len}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)(uintptr_t)value, len}},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = timestamp},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers ? headers : rd_kafka_headers_new(0)},
    };
    rd_kafka_error_t *error = rd_kafka_produceva(mock->producer, parts, sizeof parts / sizeof *parts);
    assert_null(error);
    assert_int_equal(rd_kafka_flush(mock->producer, 10000), 0);
}

/* Reads everything in a topic; returns how many, and keeps up to `room` of them, which the caller destroys.
 */
__attribute__((unused)) static size_t mock_consume(struct mock *mock, const char *topic,
                                                   rd_kafka_message_t **kept, size_t room)
{
    size_t count = 0;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(mock->consumer, topic, NULL);
    const struct rd_kafka_metadata *metadata;
    assert_int_equal(rd_kafka_metadata(mock->consumer, 0, handle, &metadata, 10000), 0);
    int32_t partitions = metadata->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(metadata);
    for (int32_t partition = 0; partition < partitions; partition++) {
        assert_int_equal(rd_kafka_consume_start(handle, partition, RD_KAFKA_OFFSET_BEGINNING), 0);
        for (bool more = true; more;) {
            rd_kafka_message_t *message = rd_kafka_consume(handle, partition, 10000);
            assert_non_null(message);
            more = message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF;
            if (more)
                assert_int_equal(message->err, 0);
            if (more && count < room)
                kept[count] = message;
            else
                rd_kafka_message_destroy(message);
            count += more;
        }
        rd_kafka_consume_stop(handle, partition);
    }
    rd_kafka_topic_destroy(handle);
    return count;
}

#endif
