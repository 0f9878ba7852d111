/* Against a Kafka of librdkafka's own, in this process. */
#include "connector/source.h"

#include "clock.h"

#include <librdkafka/rdkafka_mock.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

enum { PARTITIONS = 4 };

struct fixture {
    rd_kafka_t *host;
    rd_kafka_mock_cluster_t *cluster;
    struct config_property kafka;
    struct config config;
    struct view_config view;
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

static void set_up(struct fixture *fixture)
{
    static const char *topics[] = {"orders"};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    *fixture = (struct fixture){.assigned = 0};
    rd_kafka_conf_set(conf, "test.mock.num.brokers", "1", NULL, 0);
    rd_kafka_conf_set(conf, "log_level", "3", NULL, 0);
    fixture->host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    assert_non_null(fixture->host);
    fixture->cluster = rd_kafka_handle_mock_cluster(fixture->host);
    assert_int_equal(rd_kafka_mock_topic_create(fixture->cluster, "orders", PARTITIONS, 1), 0);
    fixture->kafka = (struct config_property){.name = "bootstrap.servers",
                                              .value = rd_kafka_mock_cluster_bootstraps(fixture->cluster)};
    fixture->config = (struct config){.kafka = &fixture->kafka, .kafka_count = 1};
    fixture->view = (struct view_config){.name = "orders",
                                         .group = "upsink-orders",
                                         .topics = topics,
                                         .topic_count = 1,
                                         .topic_text = "orders"};
}

static void open_source(struct fixture *fixture)
{
    struct upsink_error err;
    const struct source_handler handler = {fixture, route, assigned, revoked};
    fixture->source = source_create(&fixture->config, &fixture->view, &handler, &err);
    assert_non_null(fixture->source);
}

/* A worker that was held up opens a partition that was lost and given back meanwhile. */
static void a_lane_that_was_revoked_does_not_take_the_records_of_the_one_that_follows(void **state)
{
    struct fixture fixture;
    struct upsink_error err;
    (void)state;
    set_up(&fixture);
    open_source(&fixture);
    for (int i = 0; i < 2; i++)
        fixture.queues[i] = source_queue_create(fixture.source);
    assert_true(source_subscribe(fixture.source, &err));
    for (int i = 0; i < 600 && !fixture.assigned; i++)
        assert_true(source_poll(fixture.source, 100, &err));
    assert_int_equal(fixture.assigned, PARTITIONS);

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
    assert_true(source_close(fixture.source));
    for (int i = 0; i < 2; i++)
        rd_kafka_queue_destroy(fixture.queues[i]);
    source_destroy(fixture.source);
    rd_kafka_destroy(fixture.host);
}

struct asker {
    pthread_t thread;
    struct source *source;
    pthread_barrier_t *start;
    int32_t partition;
    char cluster[64];
    bool answered;
};

static void *ask(void *context)
{
    struct asker *asker = context;
    struct upsink_error err;
    struct resume_facts facts = {0};
    pthread_barrier_wait(asker->start);
    asker->answered = source_facts(asker->source, "orders", asker->partition, &facts, &err);
    if (asker->answered)
        snprintf(asker->cluster, sizeof asker->cluster, "%s", facts.cluster);
    return NULL;
}

static void ask_at_once(struct source *source, const char *cluster)
{
    struct asker askers[PARTITIONS];
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, PARTITIONS);
    for (int i = 0; i < PARTITIONS; i++) {
        askers[i] = (struct asker){.source = source, .start = &start, .partition = i};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
    }
    for (int i = 0; i < PARTITIONS; i++)
        pthread_join(askers[i].thread, NULL);
    pthread_barrier_destroy(&start);
    for (int i = 0; i < PARTITIONS; i++) {
        assert_true(askers[i].answered);
        assert_string_equal(askers[i].cluster, cluster);
    }
}

/* Half of an id would be that of another cluster. What fails here is rare; the thread sanitizer sees it. */
static void workers_that_begin_at_once_are_told_the_same_cluster(void **state)
{
    struct fixture fixture;
    (void)state;
    set_up(&fixture);
    char *cluster = rd_kafka_clusterid(fixture.host, 30000);
    assert_non_null(cluster);
    for (int round = 0; round < 5; round++) {
        open_source(&fixture);
        ask_at_once(fixture.source, cluster);
        assert_true(source_close(fixture.source));
        source_destroy(fixture.source);
    }
    rd_kafka_mem_free(fixture.host, cluster);
    rd_kafka_destroy(fixture.host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lane_that_was_revoked_does_not_take_the_records_of_the_one_that_follows),
        cmocka_unit_test(workers_that_begin_at_once_are_told_the_same_cluster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
