/* The ceiling: librdkafka reading a topic to its end, and nothing else.
 *
 * --brokers B --topic T [--pause-every N --pause-ms M] [-X librdkafka.property=value]
 *
 * --pause-every stops reading for a while after every N records, as a slow sink would: then the
 * queues fill up, and the peak RSS is the one that a stalled view has. */
#include "bench.h"

static void assign_from_beginning(rd_kafka_t *kafka, const struct bench_topic *topic)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(topic->partitions);
    for (int i = 0; i < topic->partitions; i++)
        rd_kafka_topic_partition_list_add(list, topic->name, i)->offset = topic->begin[i];
    rd_kafka_assign(kafka, list);
    rd_kafka_topic_partition_list_destroy(list);
}

static uint64_t consume(rd_kafka_t *kafka, const struct bench_topic *topic, uint64_t pause_every,
                        unsigned pause_ms)
{
    enum { BATCH = 1000 };
    rd_kafka_message_t *batch[BATCH];
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(kafka);
    uint64_t events = 0, paused_at = 0;
    int open = 0;
    for (int i = 0; i < topic->partitions; i++)
        open += topic->end[i] > topic->begin[i];
    while (open > 0) {
        ssize_t count = rd_kafka_consume_batch_queue(queue, 1000, batch, BATCH);
        for (ssize_t i = 0; i < count; i++) {
            if (batch[i]->err)
                bench_die("%s", rd_kafka_message_errstr(batch[i]));
            events++;
            open -= batch[i]->offset + 1 == topic->end[batch[i]->partition];
            rd_kafka_message_destroy(batch[i]);
        }
        if (pause_every && events - paused_at >= pause_every) {
            struct timespec pause = {pause_ms / 1000, (long)(pause_ms % 1000) * 1000000};
            nanosleep(&pause, NULL);
            paused_at = events;
        }
    }
    rd_kafka_queue_destroy(queue);
    return events;
}

int main(int argc, char **argv)
{
    double begin = bench_now();
    struct bench_args args = {argc, argv, 0};
    struct bench_topic topic = {.name = bench_text(&args, "topic", NULL)};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    uint64_t pause_every, events;
    unsigned pause_ms;
    char reason[256];
    bench_set(conf, "bootstrap.servers", bench_text(&args, "brokers", NULL));
    bench_set(conf, "group.id", "bench-consume");
    bench_set(conf, "enable.auto.commit", "false");
    pause_every = (uint64_t)bench_number(&args, "pause-every", 0);
    pause_ms = (unsigned)bench_number(&args, "pause-ms", 1000);
    bench_set_extra(&args, conf);
    bench_end_args(&args);
    rd_kafka_t *kafka = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
    if (!kafka)
        bench_die("%s", reason);
    rd_kafka_poll_set_consumer(kafka);
    bench_find_partitions(kafka, &topic);
    assign_from_beginning(kafka, &topic);
    events = consume(kafka, &topic, pause_every, pause_ms);
    bench_report("consume", events, bench_now() - begin);
    rd_kafka_consumer_close(kafka);
    rd_kafka_destroy(kafka);
    return 0;
}
