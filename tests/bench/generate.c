/* Fills a topic with order events, and writes down the state that a view of it must reach.
 *
 * --brokers B --topic T [--events N] [--keys K] [--partitions P] [--seed S] [--zipf s] [--duplicates
 * share] [--late share] [--ties share] [--tombstones share] [--poison share] [--codec none|gzip|zstd|…]
 * [--pad BYTES] [--rate EVENTS/S] [--expected FILE] [--existing 1] [-X librdkafka.property=value]
 *
 * The topic is created, and must not exist unless --existing says so. Equal options give equal records, but
 * with --rate: there the times are those of the clock. --pad fills every value up with spaces, for topics
 * that compress well. A line of the expected file: key, orderId, live|deleted, event id, lastUpdated, event
 * id of the key's last record; tab-separated, "-" where there is none. */
#include "bench.h"

#include "connector/demo/order_events.h"

#include <errno.h>

static const int64_t START_MS = 1767225600000; /* 2026-01-01T00:00:00Z */

struct settings {
    const char *topic, *codec, *expected;
    uint64_t events;
    int partitions;
    size_t pad;
    double rate;
    bool existing;
    struct order_events_options orders;
};

static uint64_t failed_deliveries;

static void count_delivery(rd_kafka_t *kafka, const rd_kafka_message_t *message, void *opaque)
{
    (void)kafka;
    (void)opaque;
    if (message->err && failed_deliveries++ == 0)
        fprintf(stderr, "not delivered: %s\n", rd_kafka_err2str(message->err));
}

static void create_topic(rd_kafka_t *kafka, const struct settings *settings)
{
    char reason[256];
    rd_kafka_NewTopic_t *topic =
        rd_kafka_NewTopic_new(settings->topic, settings->partitions, 1, reason, sizeof reason);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(kafka);
    rd_kafka_event_t *event;
    const rd_kafka_topic_result_t **results;
    size_t count;
    if (!topic)
        bench_die("topic %s: %s", settings->topic, reason);
    /* The times of the records are made up, and may be old. */
    rd_kafka_NewTopic_set_config(topic, "retention.ms", "-1");
    rd_kafka_CreateTopics(kafka, &topic, 1, NULL, queue);
    event = rd_kafka_queue_poll(queue, BENCH_TIMEOUT_MS);
    if (!event || rd_kafka_event_error(event))
        bench_die("topic %s: %s", settings->topic, event ? rd_kafka_event_error_string(event) : "timed out");
    results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
    if (rd_kafka_topic_result_error(results[0]))
        bench_die("topic %s: %s", settings->topic, rd_kafka_topic_result_error_string(results[0]));
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(topic);
}

static int32_t choose_partition(const struct order_event *event, int partitions)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < event->key.len; i++)
        hash = (hash ^ (unsigned char)event->key.data[i]) * 16777619u;
    return (int32_t)((hash ^ hash >> 16) % (uint32_t)partitions);
}

static void produce(rd_kafka_t *kafka, const struct settings *settings, const struct order_event *event,
                    int64_t time_ms)
{
    static char padded[1 << 20];
    const char *value = event->value.data;
    size_t len = event->value.len;
    rd_kafka_resp_err_t error;
    if (value && len < settings->pad) {
        memcpy(padded, value, len);
        memset(padded + len, ' ', settings->pad - len);
        value = padded;
        len = settings->pad;
    }
    do {
        error = rd_kafka_producev(kafka, RD_KAFKA_V_TOPIC(settings->topic),
                                  RD_KAFKA_V_PARTITION(choose_partition(event, settings->partitions)),
                                  RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                  RD_KAFKA_V_KEY((void *)(uintptr_t)event->key.data, event->key.len),
                                  RD_KAFKA_V_VALUE((void *)(uintptr_t)value, len),
                                  RD_KAFKA_V_TIMESTAMP(time_ms), RD_KAFKA_V_END);
        rd_kafka_poll(kafka, error ? 10 : 0);
    } while (error == RD_KAFKA_RESP_ERR__QUEUE_FULL);
    if (error)
        bench_die("can't produce: %s", rd_kafka_err2str(error));
}

static int64_t wall_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits until event number i is due; returns its time. */
static int64_t wait_for_turn(rd_kafka_t *kafka, const struct settings *settings, uint64_t i, double begin)
{
    if (settings->rate <= 0)
        return START_MS + (int64_t)i;
    double ahead = begin + (double)i / settings->rate - bench_now();
    if (ahead > 0) {
        struct timespec pause = {(time_t)ahead, (long)((ahead - (double)(time_t)ahead) * 1e9)};
        rd_kafka_poll(kafka, 0);
        nanosleep(&pause, NULL);
    }
    return wall_clock_ms();
}

static void write_expected(const struct order_events *generator, const struct settings *settings)
{
    struct order_state state;
    FILE *file = fopen(settings->expected, "w");
    if (!file)
        bench_die("%s: %s", settings->expected, strerror(errno));
    for (uint32_t i = 0; i < settings->orders.orders; i++) {
        order_events_state(generator, i, &state);
        if (state.seen)
            fprintf(file, "%s\t%s\t%s\t%s\t%s\t%s\n", state.key, state.key, state.live ? "live" : "deleted",
                    state.live ? state.event_id : "-", state.live ? state.last_updated : "-",
                    state.last_event_id[0] ? state.last_event_id : "-");
    }
    if (ferror(file) | fclose(file))
        bench_die("%s: can't write", settings->expected);
}

static void run(rd_kafka_t *kafka, const struct settings *settings)
{
    struct order_events *generator = order_events_create(&settings->orders);
    struct order_event event;
    uint64_t counts[ORDER_EVENT_KINDS] = {0}, bytes = 0;
    double begin = bench_now();
    if (!generator)
        bench_die("can't generate: out of memory, no keys, or shares above 1");
    for (uint64_t i = 0; i < settings->events; i++) {
        int64_t time_ms = wait_for_turn(kafka, settings, i, begin);
        if (!order_events_next(generator, time_ms, &event))
            bench_die("out of memory");
        produce(kafka, settings, &event, time_ms);
        counts[event.kind]++;
        bytes += event.value.len;
    }
    if (rd_kafka_flush(kafka, BENCH_TIMEOUT_MS) || failed_deliveries)
        bench_die("%llu records were not delivered", (unsigned long long)failed_deliveries);
    if (*settings->expected)
        write_expected(generator, settings);
    printf("%s: %llu records, %llu bytes each:", settings->topic, (unsigned long long)settings->events,
           (unsigned long long)(bytes / (settings->events ? settings->events : 1)));
    for (int i = 0; i < ORDER_EVENT_KINDS; i++)
        printf(" %llu %s%s", (unsigned long long)counts[i], order_event_kind_name((enum order_event_kind)i),
               i + 1 < ORDER_EVENT_KINDS ? "," : "");
    printf("; %.0f records/s\n", (double)settings->events / (bench_now() - begin));
    order_events_destroy(generator);
}

int main(int argc, char **argv)
{
    struct bench_args args = {argc, argv, 0};
    struct settings settings = {.topic = bench_text(&args, "topic", NULL)};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char reason[256];
    bench_set(conf, "bootstrap.servers", bench_text(&args, "brokers", NULL));
    bench_set(conf, "enable.idempotence", "true"); /* no duplicates but the ones that are meant */
    bench_set(conf, "linger.ms", "5");
    bench_set(conf, "log_level", "3"); /* a broker that has just started makes its warnings */
    settings.events = (uint64_t)bench_number(&args, "events", 500000);
    settings.partitions = (int)bench_number(&args, "partitions", 4);
    settings.codec = bench_text(&args, "codec", "none");
    settings.pad = (size_t)bench_number(&args, "pad", 0);
    settings.rate = bench_number(&args, "rate", 0);
    settings.existing = bench_number(&args, "existing", 0) > 0;
    settings.expected = bench_text(&args, "expected", "");
    settings.orders = (struct order_events_options){.seed = (uint64_t)bench_number(&args, "seed", 1),
                                                    .orders = (uint32_t)bench_number(&args, "keys", 100000),
                                                    .zipf = bench_number(&args, "zipf", 1),
                                                    .duplicates = bench_number(&args, "duplicates", 0.01),
                                                    .late = bench_number(&args, "late", 0.01),
                                                    .ties = bench_number(&args, "ties", 0),
                                                    .tombstones = bench_number(&args, "tombstones", 0.02),
                                                    .poison = bench_number(&args, "poison", 0)};
    bench_set(conf, "compression.codec", settings.codec);
    bench_set_extra(&args, conf);
    bench_end_args(&args);
    if (settings.partitions < 1 || settings.partitions > BENCH_MAX_PARTITIONS || settings.pad > 1000000)
        bench_die("--partitions is 1 to %d, --pad at most 1000000", BENCH_MAX_PARTITIONS);
    rd_kafka_conf_set_dr_msg_cb(conf, count_delivery);
    rd_kafka_t *kafka = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    if (!kafka)
        bench_die("%s", reason);
    if (!settings.existing)
        create_topic(kafka, &settings);
    run(kafka, &settings);
    rd_kafka_destroy(kafka);
    return 0;
}
