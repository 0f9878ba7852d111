#include "scan.h"

#include "clock.h"
#include "dlq/fault.h"
#include "dlq/topic.h"
#include "kafka_ends.h"

#include <stdlib.h>

enum { SLICE_MS = 100 };

struct lane {
    bool ranged, started, done;
    int64_t begin, end; /* end: the offset behind the last record, as it was at the start */
};

struct dlq_scan {
    rd_kafka_t *rk;
    rd_kafka_topic_t *handle;
    char *topic;
    struct dlq_trouble trouble;
    int timeout_ms;
    int32_t partitions;
    struct lane *lanes;
};

static void note_trouble(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    (void)rk;
    dlq_trouble_note(opaque, (rd_kafka_resp_err_t)code, reason);
}

static rd_kafka_t *make_client(const struct dlq_kafka *kafka, struct dlq_trouble *trouble,
                               struct upsink_error *err)
{
    /* Each partition has a queue of its own, and all of them are filled at once. A partition has to wait for
     * the answer that another one waits for: a short wait. */
    static const struct dlq_property fixed[] = {{"allow.auto.create.topics", "false"},
                                                {"enable.partition.eof", "true"},
                                                {"auto.offset.reset", "earliest"},
                                                {"isolation.level", "read_committed"},
                                                {"queued.max.messages.kbytes", "512"},
                                                {"fetch.message.max.bytes", "262144"},
                                                {"fetch.wait.max.ms", "10"}};
    rd_kafka_conf_t *conf =
        dlq_client_conf(kafka, RD_KAFKA_CONSUMER, NULL, 0, fixed, sizeof fixed / sizeof *fixed, err);
    if (!conf)
        return NULL;
    /* In newer releases: how long a partition is left alone after its queue was full. */
    rd_kafka_conf_set(conf, "fetch.queue.backoff.ms", "2", NULL, 0);
    rd_kafka_conf_set_opaque(conf, trouble);
    rd_kafka_conf_set_error_cb(conf, note_trouble);
    return dlq_client_new(RD_KAFKA_CONSUMER, conf, err);
}

struct dlq_scan *dlq_scan_open(const struct dlq_kafka *kafka, const char *topic, int timeout_ms,
                               struct upsink_error *err)
{
    struct dlq_topic_shape shape;
    struct dlq_scan *scan = calloc(1, sizeof *scan);
    if (!scan)
        goto out_of_memory;
    dlq_trouble_init(&scan->trouble);
    scan->timeout_ms = timeout_ms;
    scan->topic = strdup(topic);
    if (!scan->topic)
        goto out_of_memory;
    scan->rk = make_client(kafka, &scan->trouble, err);
    if (!scan->rk || !dlq_topic_describe(scan->rk, &scan->trouble, topic, timeout_ms, &shape, err))
        goto cleanup;
    scan->handle = rd_kafka_topic_new(scan->rk, topic, NULL);
    scan->lanes = calloc((size_t)shape.partitions + 1, sizeof *scan->lanes);
    if (!scan->handle || !scan->lanes)
        goto out_of_memory;
    scan->partitions = shape.partitions;
    return scan;
out_of_memory:
    upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory for reading the topic %s", topic);
cleanup:
    dlq_scan_close(scan);
    return NULL;
}

void dlq_scan_close(struct dlq_scan *scan)
{
    if (!scan)
        return;
    for (int32_t i = 0; i < scan->partitions; i++)
        if (scan->lanes[i].started)
            rd_kafka_consume_stop(scan->handle, i);
    if (scan->handle)
        rd_kafka_topic_destroy(scan->handle);
    if (scan->rk)
        rd_kafka_destroy(scan->rk);
    dlq_trouble_destroy(&scan->trouble);
    free(scan->lanes);
    free(scan->topic);
    free(scan);
}

int32_t dlq_scan_partitions(const struct dlq_scan *scan)
{
    return scan->partitions;
}

static bool fail_unreachable(struct dlq_scan *scan, struct upsink_error *err)
{
    char what[320];
    rd_kafka_poll(scan->rk, 0); /* serves note_trouble */
    snprintf(what, sizeof what, "the topic %s can't be read to its end", scan->topic);
    return dlq_trouble_fail(&scan->trouble, what, err);
}

/* Asks once where the partition begins and ends. */
static bool find_range(struct dlq_scan *scan, int32_t partition, struct upsink_error *err)
{
    struct lane *lane = &scan->lanes[partition];
    if (lane->ranged)
        return true;
    rd_kafka_resp_err_t code =
        kafka_ends(scan->rk, scan->topic, partition, &lane->begin, &lane->end, scan->timeout_ms);
    if (code == RD_KAFKA_RESP_ERR__TIMED_OUT || code == RD_KAFKA_RESP_ERR__TRANSPORT)
        return fail_unreachable(scan, err);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return dlq_fault_set(code, scan->topic, NULL, err);
    lane->ranged = true;
    return true;
}

static bool start_lane(struct dlq_scan *scan, int32_t partition, struct upsink_error *err)
{
    struct lane *lane = &scan->lanes[partition];
    if (lane->started)
        return true;
    if (!find_range(scan, partition, err))
        return false;
    if (lane->begin >= lane->end) {
        lane->done = true;
        return true;
    }
    if (rd_kafka_consume_start(scan->handle, partition, lane->begin) != 0)
        return dlq_fault_set(rd_kafka_last_error(), scan->topic, NULL, err);
    lane->started = true;
    return true;
}

enum dlq_read dlq_scan_seek(struct dlq_scan *scan, int32_t partition, int64_t offset,
                            struct upsink_error *err)
{
    if (partition < 0 || partition >= scan->partitions)
        return DLQ_READ_END;
    if (!find_range(scan, partition, err))
        return DLQ_READ_FAILED;
    struct lane *lane = &scan->lanes[partition];
    if (offset < lane->begin || offset >= lane->end)
        return DLQ_READ_END;
    lane->begin = offset;
    return DLQ_READ_RECORD;
}

/* A thread of librdkafka's that found all queues full sleeps up to a second, whatever becomes of the queues,
 * unless it has a request to send: a queue that has run empty asks for something. */
static rd_kafka_message_t *take_message(struct dlq_scan *scan, int32_t partition)
{
    int64_t end;
    rd_kafka_message_t *message = rd_kafka_consume(scan->handle, partition, 0);
    if (message)
        return message;
    kafka_end(scan->rk, scan->topic, partition, KAFKA_HIGH, &end, SLICE_MS);
    return rd_kafka_consume(scan->handle, partition, SLICE_MS);
}

enum dlq_read dlq_scan_next(struct dlq_scan *scan, int32_t partition, rd_kafka_message_t **message,
                            struct upsink_error *err)
{
    struct lane *lane = &scan->lanes[partition];
    if (!lane->done && !start_lane(scan, partition, err))
        return DLQ_READ_FAILED;
    int64_t deadline = clock_monotonic_us() + scan->timeout_ms * CLOCK_MS;
    while (!lane->done) {
        rd_kafka_message_t *got = take_message(scan, partition);
        rd_kafka_resp_err_t code = got ? got->err : RD_KAFKA_RESP_ERR__TIMED_OUT;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
            lane->done = got->offset + 1 >= lane->end;
            if (got->offset < lane->end) {
                *message = got;
                return DLQ_READ_RECORD;
            }
        }
        if (got)
            rd_kafka_message_destroy(got);
        /* The end comes early where the last records are a transaction's marks, or still undecided. */
        if (code == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            lane->done = true;
        else if (code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
                 code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC) {
            dlq_fault_set(code, scan->topic, NULL, err);
            return DLQ_READ_FAILED;
        }
        rd_kafka_poll(scan->rk, 0);
        if (!lane->done && clock_monotonic_us() > deadline) {
            fail_unreachable(scan, err);
            return DLQ_READ_FAILED;
        }
    }
    return DLQ_READ_END;
}
