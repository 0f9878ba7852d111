/* Against a Kafka of librdkafka's own, in this process. */
#include "connector/source.h"

#include "clock.h"

#include <librdkafka/rdkafka_mock.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

struct fixture {
    rd_kafka_t *host;
    rd_kafka_mock_cluster_t *cluster;
    struct source *source;
    rd_kafka_queue_t *queues[2];
    int assigned;
};

static rd_kafka_queue_t *route(void *context, const char *topic, int32_t partition)
{
    const struct fixture *fixture = context;
    (void)topic;
    (void)partition;
    return fixture->queues[0];
}

static void assigned(void *context, const char *topic, int32_t partition)
{
    struct fixture *fixture = context;
    (void)topic;
    (void)partition;
    fixture->assigned++;
}

static void revoked(void *context, const struct source_partition *partitions, size_t count, bool lost)
{
    (void)context;
    (void)partitions;
    (void)count;
    (void)lost;
}

static void produce_one(struct fixture *fixture)
{
    assert_int_equal(rd_kafka_producev(fixture->host, RD_KAFKA_V_TOPIC("orders"), RD_KAFKA_V_PARTITION(0),
                                       RD_KAFKA_V_VALUE("x", 1), RD_KAFKA_V_END),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(rd_kafka_flush(fixture->host, 30000), RD_KAFKA_RESP_ERR_NO_ERROR);
}

static bool comes_in(rd_kafka_queue_t *queue, int64_t offset, int wait_ms)
{
    int64_t until = clock_monotonic_us() + wait_ms * CLOCK_MS;
    bool found = false;
    while (!found && clock_monotonic_us() < until) {
        rd_kafka_message_t *message = rd_kafka_consume_queue(queue, 100);
        found = message && !message->err && message->offset == offset;
        if (message)
            rd_kafka_message_destroy(message);
    }
    return found;
}

/* A worker that was held up opens a partition that was lost and given back meanwhile. */
static void a_lane_that_was_revoked_does_not_take_the_records_of_the_one_that_follows(void **state)
{
    struct fixture fixture = {0};
    struct upsink_error err;
    (void)state;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "test.mock.num.brokers", "1", NULL, 0);
    rd_kafka_conf_set(conf, "log_level", "3", NULL, 0);
    fixture.host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    assert_non_null(fixture.host);
    fixture.cluster = rd_kafka_handle_mock_cluster(fixture.host);
    assert_int_equal(rd_kafka_mock_topic_create(fixture.cluster, "orders", 1, 1), 0);
    const struct config_property kafka[] = {
        {.name = "bootstrap.servers", .value = rd_kafka_mock_cluster_bootstraps(fixture.cluster)}};
    const struct config config = {.kafka = kafka, .kafka_count = 1};
    const char *topics[] = {"orders"};
    const struct view_config view = {.name = "orders",
                                     .group = "upsink-orders",
                                     .topics = topics,
                                     .topic_count = 1,
                                     .topic_text = "orders"};
    const struct source_handler handler = {&fixture, route, assigned, revoked};
    fixture.source = source_create(&config, &view, &handler, &err);
    assert_non_null(fixture.source);
    for (int i = 0; i < 2; i++)
        fixture.queues[i] = source_queue_create(fixture.source);
    assert_true(source_subscribe(fixture.source, &err));
    for (int i = 0; i < 600 && !fixture.assigned; i++)
        assert_true(source_poll(fixture.source, 100, &err));
    assert_int_equal(fixture.assigned, 1);

    struct lane *old = lane_create("orders", 0, 1, NULL), *new = lane_create("orders", 0, 1, NULL);
    assert_true(old && new);
    old->expected = new->expected = 0;
    atomic_store(&old->revoked, true);
    assert_true(source_open(fixture.source, new, fixture.queues[1], &err));
    produce_one(&fixture);
    assert_true(comes_in(fixture.queues[1], 0, 30000));
    assert_false(source_open(fixture.source, old, fixture.queues[0], &err));
    assert_int_equal(err.cls, UPSINK_ERR_OUTAGE);
    produce_one(&fixture);
    assert_true(comes_in(fixture.queues[1], 1, 30000));

    lane_destroy(old);
    lane_destroy(new);
    source_close(fixture.source);
    for (int i = 0; i < 2; i++)
        rd_kafka_queue_destroy(fixture.queues[i]);
    source_destroy(fixture.source);
    rd_kafka_destroy(fixture.host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lane_that_was_revoked_does_not_take_the_records_of_the_one_that_follows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
