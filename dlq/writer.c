#include "writer.h"

#include "arena.h"
#include "clock.h"
#include "dlq/fault.h"
#include "dlq/ticket.h"
#include "dlq/topic.h"
#include "condition.h"
#include "log.h"

#include <stdlib.h>

enum {
    POLL_MS = 100,
    RECORD_OVERHEAD = 512 /* what librdkafka and we keep of a record beside its bytes, roughly */
};

/* Locking: `opening` is held by the one thread that opens, which alone replaces rk. `lock` guards what stands
 * below it; it is held while librdkafka takes a record (which never blocks), but not while anything waits for
 * Kafka, nor together with a ticket's lock. Threads: `poller` serves delivery reports and errors. */
struct dlq_writer {
    const struct dlq_kafka *kafka;
    char *topic;
    struct dlq_trouble trouble;
    pthread_mutex_t opening;
    pthread_t poller; /* runs while rk is set */
    pthread_mutex_t lock;
    pthread_cond_t room; /* a record is no longer under way */
    rd_kafka_t *rk;      /* NULL: not open */
    bool broken;         /* the producer refuses everything from now on */
    bool stopping;       /* the poller ends */
    int32_t partitions;
    size_t bytes; /* under way */
};

/* One record under way. */
struct flight {
    struct dlq_ticket *ticket;
    size_t index;
    size_t bytes;
};

/* A producer that may write nowhere is denied its number already, and fails as a whole. */
static rd_kafka_resp_err_t find_cause(rd_kafka_t *rk, rd_kafka_resp_err_t code)
{
    bool given_up = code == RD_KAFKA_RESP_ERR__FATAL || code == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
                    code == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
    rd_kafka_resp_err_t fatal =
        given_up && rk ? rd_kafka_fatal_error(rk, NULL, 0) : RD_KAFKA_RESP_ERR_NO_ERROR;
    bool denied = fatal == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED ||
                  fatal == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    return denied ? fatal : code;
}

static void take_report(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    struct dlq_writer *writer = opaque;
    pthread_mutex_lock(&writer->lock);
    struct flight flight = *(struct flight *)message->_private;
    free(message->_private);
    writer->bytes -= flight.bytes;
    pthread_cond_broadcast(&writer->room);
    pthread_mutex_unlock(&writer->lock);
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        dlq_trouble_clear(&writer->trouble);
        dlq_ticket_settle(flight.ticket, flight.index, NULL);
    } else {
        /* Not rd_kafka_message_errstr: for producers that is the payload. */
        struct upsink_error failure;
        dlq_fault_set(find_cause(rk, message->err), writer->topic, NULL, &failure);
        dlq_ticket_settle(flight.ticket, flight.index, &failure);
    }
}

static void note_trouble(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    (void)rk;
    struct dlq_writer *writer = opaque;
    dlq_trouble_note(&writer->trouble, (rd_kafka_resp_err_t)code, reason);
}

static rd_kafka_t *make_producer(struct dlq_writer *writer, struct upsink_error *err)
{
    /* The source's records may be compressed far below their size, and the limit of the topic holds for what
     * is sent: zstd, or they would not fit. Small batches, because one that is too large is refused as a
     * whole. */
    static const struct dlq_property defaults[] = {{"enable.idempotence", "true"},
                                                   {"compression.codec", "zstd"},
                                                   {"batch.size", "65536"},
                                                   {"message.timeout.ms", "30000"}};
    /* The limits are the writer's own (bytes under way) and the topic's. */
    static const struct dlq_property fixed[] = {{"acks", "all"},
                                                {"max.in.flight", "5"},
                                                {"retries", "2147483647"},
                                                {"message.max.bytes", "1000000000"},
                                                {"queue.buffering.max.kbytes", "1048576"},
                                                {"queue.buffering.max.messages", "1000000"}};
    rd_kafka_conf_t *conf =
        dlq_client_conf(writer->kafka, RD_KAFKA_PRODUCER, defaults, sizeof defaults / sizeof *defaults, fixed,
                        sizeof fixed / sizeof *fixed, err);
    if (!conf)
        return NULL;
    rd_kafka_conf_set_opaque(conf, writer);
    rd_kafka_conf_set_dr_msg_cb(conf, take_report);
    rd_kafka_conf_set_error_cb(conf, note_trouble);
    return dlq_client_new(RD_KAFKA_PRODUCER, conf, err);
}

/* An idempotent producer that lost count of its sequence numbers refuses everything from then on. What it
 * holds is failed, and dlq_writer_open makes another. */
static void give_up_producer(struct dlq_writer *writer, rd_kafka_t *rk, const char *reason)
{
    log_write(LOG_LEVEL_WARN, "the producer of the dead letters failed and will be replaced",
              LOG_STR("topic", writer->topic), LOG_STR("reason", reason));
    pthread_mutex_lock(&writer->lock);
    writer->broken = true;
    pthread_cond_broadcast(&writer->room);
    pthread_mutex_unlock(&writer->lock);
    rd_kafka_purge(rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
}

static void *poll_producer(void *context)
{
    struct dlq_writer *writer = context;
    char reason[256];
    for (;;) {
        pthread_mutex_lock(&writer->lock);
        rd_kafka_t *rk = writer->rk;
        bool stopping = writer->stopping, broken = writer->broken;
        pthread_mutex_unlock(&writer->lock);
        if (stopping)
            return NULL;
        rd_kafka_poll(rk, POLL_MS);
        if (!broken && rd_kafka_fatal_error(rk, reason, sizeof reason) != RD_KAFKA_RESP_ERR_NO_ERROR)
            give_up_producer(writer, rk, reason);
    }
}

static bool start_producer(struct dlq_writer *writer, struct upsink_error *err)
{
    rd_kafka_t *rk = make_producer(writer, err);
    if (!rk)
        return false;
    pthread_mutex_lock(&writer->lock);
    writer->rk = rk;
    writer->broken = writer->stopping = false;
    bool started = pthread_create(&writer->poller, NULL, poll_producer, writer) == 0;
    if (!started)
        writer->rk = NULL;
    pthread_mutex_unlock(&writer->lock);
    if (!started) {
        rd_kafka_destroy(rk);
        upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory",
                    "no thread can be made for the dead-letter writer");
    }
    return started;
}

/* What is still under way gets a (failed) delivery report. */
static void stop_producer(struct dlq_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    rd_kafka_t *rk = writer->rk;
    writer->stopping = true;
    writer->broken = true;
    pthread_mutex_unlock(&writer->lock);
    if (!rk)
        return;
    pthread_join(writer->poller, NULL);
    rd_kafka_purge(rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    while (rd_kafka_outq_len(rk) > 0)
        rd_kafka_poll(rk, POLL_MS);
    pthread_mutex_lock(&writer->lock);
    writer->rk = NULL;
    pthread_mutex_unlock(&writer->lock);
    rd_kafka_destroy(rk);
}

struct dlq_writer *dlq_writer_create(const struct dlq_kafka *kafka, const char *topic,
                                     struct upsink_error *err)
{
    struct dlq_writer *writer = calloc(1, sizeof *writer);
    char *name = strdup(topic);
    if (!writer || !name) {
        free(writer);
        free(name);
        upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory for the dead-letter writer");
        return NULL;
    }
    writer->kafka = kafka;
    writer->topic = name;
    dlq_trouble_init(&writer->trouble);
    pthread_mutex_init(&writer->opening, NULL);
    pthread_mutex_init(&writer->lock, NULL);
    condition_init(&writer->room);
    return writer;
}

/* A producer that was denied the topic, or saw it vanish, asks about it again only after minutes. */
static void refresh_metadata(struct dlq_writer *writer, int timeout_ms)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(writer->rk, writer->topic, NULL);
    if (!handle)
        return;
    if (rd_kafka_metadata(writer->rk, 0, handle, &metadata, timeout_ms) == RD_KAFKA_RESP_ERR_NO_ERROR)
        rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(handle);
}

bool dlq_writer_open(struct dlq_writer *writer, const char *const *sources, size_t source_count,
                     int timeout_ms, struct upsink_error *err)
{
    int32_t partitions;
    pthread_mutex_lock(&writer->opening);
    bool ok =
        dlq_topic_ensure(writer->kafka, writer->topic, sources, source_count, timeout_ms, &partitions, err);
    if (ok) {
        pthread_mutex_lock(&writer->lock);
        writer->partitions = partitions;
        bool running = writer->rk != NULL;
        bool broken = running && rd_kafka_fatal_error(writer->rk, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR;
        pthread_mutex_unlock(&writer->lock);
        if (broken)
            stop_producer(writer);
        if (broken || !running)
            ok = start_producer(writer, err);
        else
            refresh_metadata(writer, timeout_ms);
    }
    pthread_mutex_unlock(&writer->opening);
    return ok;
}

/* The headers as they were, without ours of an earlier failure, then ours. NULL with *err. */
static rd_kafka_headers_t *make_headers(const rd_kafka_message_t *original, const struct dlq_reason *reason,
                                        struct upsink_error *err)
{
    bool ok = false;
    struct arena arena;
    struct dlq_header ours[DLQ_HEADER_MAX];
    rd_kafka_headers_t *as_they_were = NULL, *headers = NULL;
    struct upsink_slice attempts = UPSINK_SLICE_ABSENT;
    arena_init(&arena, 16 * 1024);
    /* Headers that librdkafka can't read can't be sent again either; better without them than not at all. */
    if (rd_kafka_message_headers(original, &as_they_were) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        const void *value;
        size_t len;
        if (rd_kafka_header_get_last(as_they_were, DLQ_ATTEMPTS_HEADER, &value, &len) ==
            RD_KAFKA_RESP_ERR_NO_ERROR)
            attempts = (struct upsink_slice){value, len};
        headers = rd_kafka_headers_copy(as_they_were);
        for (size_t i = 0; dlq_header_names[i]; i++)
            rd_kafka_header_remove(headers, dlq_header_names[i]);
    } else
        headers = rd_kafka_headers_new(DLQ_HEADER_MAX);
    size_t count = dlq_headers_build(reason, dlq_attempts_of(attempts), &arena, ours);
    if (count == 0) {
        upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory for the headers of a dead letter");
        goto cleanup;
    }
    for (size_t i = 0; i < count; i++)
        rd_kafka_header_add(headers, ours[i].name, -1, ours[i].value.data, (ssize_t)ours[i].value.len);
    ok = true;
cleanup:
    arena_destroy(&arena);
    if (!ok) {
        rd_kafka_headers_destroy(headers);
        return NULL;
    }
    return headers;
}

static size_t count_bytes(const rd_kafka_message_t *original, const rd_kafka_headers_t *headers)
{
    size_t bytes = RECORD_OVERHEAD + original->len + original->key_len;
    const char *name;
    const void *value;
    size_t len;
    for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &len) == RD_KAFKA_RESP_ERR_NO_ERROR;
         i++)
        bytes += strlen(name) + len + RECORD_OVERHEAD / 8;
    return bytes;
}

/* Holds the lock. */
static rd_kafka_resp_err_t produce(struct dlq_writer *writer, const rd_kafka_message_t *original,
                                   int32_t partition, rd_kafka_headers_t *headers, struct flight *flight)
{
    rd_kafka_timestamp_type_t type;
    int64_t timestamp = rd_kafka_message_timestamp(original, &type);
    if (type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE || timestamp < 0)
        timestamp = 0; /* librdkafka's word for now */
    if (partition < 0 || partition >= writer->partitions)
        partition = RD_KAFKA_PARTITION_UA;
    const rd_kafka_vu_t parts[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = writer->topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {original->payload, original->len}},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {original->key, original->key_len}},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = timestamp},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = flight},
    };
    rd_kafka_error_t *error = rd_kafka_produceva(writer->rk, parts, sizeof parts / sizeof *parts);
    if (!error)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_resp_err_t code =
        rd_kafka_error_is_fatal(error) ? RD_KAFKA_RESP_ERR__FATAL : rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    return code;
}

/* Waits for room and hands over. On success librdkafka has the headers and the flight. */
static bool launch(struct dlq_writer *writer, const rd_kafka_message_t *original, int32_t partition,
                   rd_kafka_headers_t *headers, struct flight *flight, int64_t deadline,
                   struct upsink_error *err)
{
    char what[320];
    snprintf(what, sizeof what,
             "the dead-letter topic %s takes no more records: earlier ones are not acknowledged yet",
             writer->topic);
    pthread_mutex_lock(&writer->lock);
    while (!writer->broken && writer->bytes > 0 && flight->bytes > DLQ_WRITER_BYTES - writer->bytes)
        if (!condition_wait(&writer->room, &writer->lock, deadline)) {
            pthread_mutex_unlock(&writer->lock);
            return dlq_trouble_fail(&writer->trouble, what, err);
        }
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__FATAL;
    if (writer->rk && !writer->broken)
        code = produce(writer, original, partition, headers, flight);
    code = find_cause(writer->rk, code);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        writer->bytes += flight->bytes;
    pthread_mutex_unlock(&writer->lock);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR || dlq_fault_set(code, writer->topic, NULL, err);
}

bool dlq_writer_send(struct dlq_writer *writer, const rd_kafka_message_t *original,
                     const struct dlq_reason *reason, struct dlq_ticket *ticket, int timeout_ms,
                     struct upsink_error *err)
{
    bool ok = false, entered = false;
    int64_t deadline = clock_monotonic_us() + timeout_ms * CLOCK_MS;
    struct dlq_reason full = *reason;
    if (!full.source_topic.data) {
        full.source_topic = upsink_slice_of(rd_kafka_topic_name(original->rkt));
        full.source_partition = original->partition;
        full.source_offset = original->offset;
    }
    struct flight *flight = NULL;
    rd_kafka_headers_t *headers = make_headers(original, &full, err);
    if (!headers)
        goto cleanup;
    flight = malloc(sizeof *flight);
    if (!flight) {
        upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory for a dead letter");
        goto cleanup;
    }
    *flight = (struct flight){.ticket = ticket, .bytes = count_bytes(original, headers)};
    entered = dlq_ticket_enter(ticket, &flight->index, err);
    ok = entered && launch(writer, original, full.source_partition, headers, flight, deadline, err);
cleanup:
    if (!ok) {
        if (entered)
            dlq_ticket_retract(ticket);
        if (headers)
            rd_kafka_headers_destroy(headers);
        free(flight);
    }
    return ok;
}

enum dlq_wait dlq_writer_await(struct dlq_writer *writer, struct dlq_ticket *ticket, int timeout_ms,
                               struct upsink_error *err)
{
    size_t open;
    int64_t deadline = clock_monotonic_us() + timeout_ms * CLOCK_MS;
    switch (dlq_ticket_wait(ticket, deadline, &open, err)) {
    case TICKET_WRITTEN:
        return DLQ_WRITTEN;
    case TICKET_FAILED:
        return DLQ_FAILED;
    case TICKET_OPEN:
        break;
    }
    char what[320];
    snprintf(what, sizeof what, "%zu dead letters for the topic %s are not acknowledged yet", open,
             writer->topic);
    dlq_trouble_fail(&writer->trouble, what, err);
    return DLQ_PENDING;
}

void dlq_writer_destroy(struct dlq_writer *writer, int timeout_ms)
{
    if (!writer)
        return;
    int64_t deadline = clock_monotonic_us() + timeout_ms * CLOCK_MS;
    pthread_mutex_lock(&writer->lock);
    while (writer->bytes > 0 && condition_wait(&writer->room, &writer->lock, deadline))
        ;
    pthread_mutex_unlock(&writer->lock);
    stop_producer(writer);
    pthread_cond_destroy(&writer->room);
    pthread_mutex_destroy(&writer->lock);
    pthread_mutex_destroy(&writer->opening);
    dlq_trouble_destroy(&writer->trouble);
    free(writer->topic);
    free(writer);
}
