#include "plan.h"

#include "clock.h"
#include "connector/message.h"

#include <stdlib.h>

enum { PATIENCE_MS = 15000, WAIT_MS = 100 };

/* Hands out the records to be read in turns, so that every partition that has some is looked at. */
static uint32_t share_out(struct plan *plan, uint32_t most)
{
    uint32_t given = 0, before;
    do {
        before = given;
        for (size_t i = 0; i < plan->partition_count && given < most; i++) {
            struct plan_partition *partition = &plan->partitions[i];
            if (partition->high < 0 || partition->high - partition->low <= (int64_t)partition->wanted)
                continue;
            partition->wanted++;
            given++;
        }
    } while (given < most && given > before);
    return given;
}

static struct plan_partition *find_partition(struct plan *plan, const rd_kafka_message_t *message)
{
    const char *topic = message->rkt ? rd_kafka_topic_name(message->rkt) : "";
    for (size_t i = 0; i < plan->partition_count; i++)
        if (plan->partitions[i].partition == message->partition &&
            strcmp(plan->partitions[i].topic, topic) == 0)
            return &plan->partitions[i];
    return NULL;
}

static bool keep_text(struct plan *plan, struct upsink_slice *text)
{
    bool absent = !text->data;
    *text = arena_copy(&plan->arena, *text);
    return absent || text->data;
}

/* What is left of the record once its message is gone. */
static void map_record(struct plan *plan, const struct plan_partition *partition,
                       const rd_kafka_message_t *message, struct arena *scratch)
{
    struct plan_record *kept = &plan->records[plan->record_count];
    struct record record = message_record(message, upsink_slice_of(partition->topic));
    struct upsink_error err;
    upsink_error_clear(&err);
    *kept = (struct plan_record){
        .topic = partition->topic, .value_bytes = message->len, .tombstone = !message->payload};
    kept->outcome = mapping_decode(plan->mapping, &record, scratch, &kept->change, &err);
    kept->change.partition = message->partition;
    kept->change.offset = message->offset;
    kept->change.entity.data = NULL;
    if (kept->outcome == DECODE_REJECTED) {
        struct upsink_error *copy = arena_alloc(&plan->arena, sizeof *copy);
        if (!copy)
            return;
        *copy = err;
        kept->error = copy;
    }
    if (!keep_text(plan, &kept->change.key) || !keep_text(plan, &kept->change.event_id) ||
        !keep_text(plan, &kept->change.change_id))
        return;
    plan->record_count++;
}

/* One partition speaks for the others that fail alike. */
static void refuse_reading(struct plan *plan, const struct plan_partition *partition,
                           const rd_kafka_message_t *message)
{
    struct upsink_error err;
    const char *name = rd_kafka_err2name(message->err);
    for (size_t i = 0; i < plan->problem_count; i++)
        if (strcmp(plan->problems[i].detail, name) == 0)
            return;
    upsink_fail(&err, UPSINK_ERR_REFUSED, "kafka_refused", "topic %s can't be read: partition %d: %s%s",
                partition->topic, partition->partition, rd_kafka_message_errstr(message),
                message->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ? "; grant this user Read on it"
                                                                             : "");
    upsink_error_detail(&err, "%s", name);
    plan_add_problem(plan, &err);
}

/* Takes a message in. A partition that has given enough is stopped at once: the fetches of the others get its
 * room. */
static void take_message(struct plan *plan, const rd_kafka_message_t *message, struct arena *scratch,
                         uint32_t *wanted)
{
    struct plan_partition *partition = find_partition(plan, message);
    uint32_t done = 1;
    if (!partition || !partition->wanted)
        return;
    if (message->err) { /* its end, which may come early in a compacted topic; or trouble */
        if (message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
            refuse_reading(plan, partition, message);
        done = partition->wanted;
    } else {
        map_record(plan, partition, message, scratch);
        arena_clear(scratch);
    }
    partition->wanted -= done;
    *wanted -= done;
    if (!partition->wanted)
        rd_kafka_consume_stop(message->rkt, message->partition);
}

static void read_queue(struct plan *plan, rd_kafka_t *client, rd_kafka_queue_t *queue, uint32_t wanted)
{
    int64_t deadline = clock_monotonic_us() + PATIENCE_MS * CLOCK_MS;
    struct arena scratch;
    arena_init(&scratch, 0);
    while (wanted && clock_monotonic_us() < deadline) {
        rd_kafka_message_t *message = rd_kafka_consume_queue(queue, WAIT_MS);
        rd_kafka_poll(client, 0);
        if (!message)
            continue;
        take_message(plan, message, &scratch, &wanted);
        rd_kafka_message_destroy(message);
    }
    arena_destroy(&scratch);
    if (wanted) {
        struct upsink_error err;
        upsink_fail(&err, UPSINK_ERR_OUTAGE, "kafka_unreachable",
                    "the first records of topic %s could not be read within %d seconds",
                    plan->settings->topic_text, PATIENCE_MS / 1000);
        plan_add_problem(plan, &err);
    }
}

static int compare_records(const void *a, const void *b)
{
    const struct plan_record *left = a, *right = b;
    int order = strcmp(left->topic, right->topic);
    if (order)
        return order;
    if (left->change.partition != right->change.partition)
        return left->change.partition < right->change.partition ? -1 : 1;
    return left->change.offset < right->change.offset ? -1 : left->change.offset > right->change.offset;
}

/* The thread that fetches sleeps up to a second; a request wakes it. */
static void wake_fetcher(rd_kafka_t *client)
{
    const rd_kafka_metadata_t *metadata = NULL;
    if (rd_kafka_metadata(client, 0, NULL, &metadata, WAIT_MS) == RD_KAFKA_RESP_ERR_NO_ERROR)
        rd_kafka_metadata_destroy(metadata);
}

static void start_partitions(struct plan *plan, rd_kafka_t *client, rd_kafka_queue_t *queue,
                             rd_kafka_topic_t **topics)
{
    for (size_t i = 0; i < plan->partition_count; i++) {
        const struct plan_partition *partition = &plan->partitions[i];
        topics[i] = partition->wanted ? rd_kafka_topic_new(client, partition->topic, NULL) : NULL;
        if (topics[i])
            rd_kafka_consume_start_queue(topics[i], partition->partition, partition->low, queue);
    }
    wake_fetcher(client);
}

static void stop_partitions(struct plan *plan, rd_kafka_topic_t **topics)
{
    for (size_t i = 0; i < plan->partition_count; i++) {
        if (topics[i] && plan->partitions[i].wanted)
            rd_kafka_consume_stop(topics[i], plan->partitions[i].partition);
        if (topics[i])
            rd_kafka_topic_destroy(topics[i]);
    }
}

void plan_read_records(struct plan *plan, struct plan_kafka *kafka, uint32_t most)
{
    uint32_t wanted = kafka->reached ? share_out(plan, most) : 0;
    if (!wanted)
        return;
    rd_kafka_topic_t **topics =
        arena_alloc_array(&plan->arena, plan->partition_count, sizeof(rd_kafka_topic_t *));
    plan->records = arena_alloc_array(&plan->arena, wanted, sizeof *plan->records);
    if (!topics || !plan->records)
        return;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(kafka->client);
    start_partitions(plan, kafka->client, queue, topics);
    read_queue(plan, kafka->client, queue, wanted);
    stop_partitions(plan, topics);
    rd_kafka_queue_destroy(queue);
    if (plan->record_count)
        qsort(plan->records, plan->record_count, sizeof *plan->records, compare_records);
}
