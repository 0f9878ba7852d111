/* What is asked of Kafka, by several workers at once: librdkafka's mock brokers answer. The thread sanitizer
 * sees most of it. */
#include "tests/unit/dlq/mock.h"

#include "connector/source.h"
#include "config_fixture.h"

#include <pthread.h>

enum { ASKERS = 4, ROUNDS = 20 };

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

static rd_kafka_queue_t *route_nowhere(void *context, const char *topic, int32_t partition)
{
    (void)context, (void)topic, (void)partition;
    return NULL;
}

static void take_nothing(void *context, const char *topic, int32_t partition)
{
    (void)context, (void)topic, (void)partition;
}

static void give_nothing(void *context, const struct source_partition *partitions, size_t count, bool lost)
{
    (void)context, (void)partitions, (void)count, (void)lost;
}

/* Half of an id is that of another cluster, and the view would be filled from the beginning. */
static void ask_at_once(const struct config *config, const char *cluster)
{
    struct upsink_error err;
    struct source_handler handler = {NULL, route_nowhere, take_nothing, give_nothing};
    struct source *source = source_create(config, &config->views[0], &handler, &err);
    struct asker askers[ASKERS];
    pthread_barrier_t start;
    assert_non_null(source);
    pthread_barrier_init(&start, NULL, ASKERS);
    for (int i = 0; i < ASKERS; i++) {
        askers[i] = (struct asker){.source = source, .start = &start, .partition = i};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
    }
    for (int i = 0; i < ASKERS; i++)
        pthread_join(askers[i].thread, NULL);
    pthread_barrier_destroy(&start);
    for (int i = 0; i < ASKERS; i++) {
        assert_true(askers[i].answered);
        assert_string_equal(askers[i].cluster, cluster);
    }
    source_close(source);
    source_destroy(source);
}

static void workers_that_begin_at_once_are_told_the_same_cluster(void **state)
{
    char yaml[512];
    struct mock *mock = mock_create();
    char *cluster = rd_kafka_clusterid(mock->producer, 20000);
    (void)state;
    assert_non_null(cluster);
    snprintf(yaml, sizeof yaml,
             "kafka: { bootstrap.servers: '%s' }\nviews: { orders: { topic: orders, sink: 'sqlite:orders.db' "
             "} }\n",
             rd_kafka_mock_cluster_bootstraps(mock->cluster));
    struct config *config = load(yaml);
    for (int round = 0; round < ROUNDS; round++)
        ask_at_once(config, cluster);
    config_destroy(config);
    rd_kafka_mem_free(mock->producer, cluster);
    mock_destroy(mock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_that_begin_at_once_are_told_the_same_cluster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
