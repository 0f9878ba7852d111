#include "reader.h"

#include "clock.h"
#include "dlq/resolved.h"

#include <stdlib.h>

#define STATE_SUFFIX ".state"

struct head {
    rd_kafka_message_t *message; /* NULL: to be read, or over */
    int64_t order;               /* microseconds */
    bool over;
};

struct dlq_reader {
    struct dlq_scan *scan;
    struct dlq_resolved resolved;
    struct head *heads; /* one for each partition */
    rd_kafka_message_t *lent;
};

static struct upsink_slice slice_of(const void *data, size_t len)
{
    return (struct upsink_slice){data, data ? len : 0};
}

static bool read_resolved(struct dlq_reader *reader, const struct dlq_kafka *kafka, const char *topic,
                          int timeout_ms, struct upsink_error *err)
{
    bool ok = false;
    char name[512];
    snprintf(name, sizeof name, "%s" STATE_SUFFIX, topic);
    struct dlq_scan *scan = dlq_scan_open(kafka, name, timeout_ms, err);
    if (!scan)
        return false;
    for (int32_t partition = 0; partition < dlq_scan_partitions(scan); partition++) {
        rd_kafka_message_t *message;
        enum dlq_read read;
        while ((read = dlq_scan_next(scan, partition, &message, err)) == DLQ_READ_RECORD) {
            bool kept = dlq_resolved_add(&reader->resolved, slice_of(message->key, message->key_len),
                                         !message->payload);
            rd_kafka_message_destroy(message);
            if (!kept) {
                upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory",
                            "out of memory for the resolved dead letters");
                goto cleanup;
            }
        }
        if (read == DLQ_READ_FAILED)
            goto cleanup;
    }
    ok = true;
cleanup:
    dlq_scan_close(scan);
    return ok;
}

struct dlq_reader *dlq_reader_open(const struct dlq_kafka *kafka, const char *topic, int timeout_ms,
                                   struct upsink_error *err)
{
    struct dlq_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        goto out_of_memory;
    dlq_resolved_init(&reader->resolved);
    reader->scan = dlq_scan_open(kafka, topic, timeout_ms, err);
    if (!reader->scan ||
        (dlq_scan_partitions(reader->scan) > 0 && !read_resolved(reader, kafka, topic, timeout_ms, err)))
        goto cleanup;
    reader->heads = calloc((size_t)dlq_scan_partitions(reader->scan) + 1, sizeof *reader->heads);
    if (reader->heads)
        return reader;
out_of_memory:
    upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory for reading dead letters");
cleanup:
    dlq_reader_close(reader);
    return NULL;
}

static void drop_lent(struct dlq_reader *reader)
{
    if (reader->lent)
        rd_kafka_message_destroy(reader->lent);
    reader->lent = NULL;
}

void dlq_reader_close(struct dlq_reader *reader)
{
    if (!reader)
        return;
    drop_lent(reader);
    for (int32_t i = 0; reader->heads && i < dlq_scan_partitions(reader->scan); i++)
        if (reader->heads[i].message)
            rd_kafka_message_destroy(reader->heads[i].message);
    free(reader->heads);
    dlq_scan_close(reader->scan);
    dlq_resolved_clear(&reader->resolved);
    free(reader);
}

bool dead_letter_header(const struct dead_letter *letter, size_t nth, struct dlq_header *header)
{
    rd_kafka_headers_t *headers;
    const void *value;
    size_t len;
    if (rd_kafka_message_headers(letter->message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_header_get_all(headers, nth, &header->name, &value, &len) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    header->value = slice_of(value, len);
    return true;
}

static void describe(struct dlq_reader *reader, const rd_kafka_message_t *message, struct dead_letter *letter)
{
    struct dlq_header header;
    *letter = (struct dead_letter){
        .partition = message->partition,
        .offset = message->offset,
        .timestamp = rd_kafka_message_timestamp(message, NULL),
        .key = slice_of(message->key, message->key_len),
        .value = slice_of(message->payload, message->len),
        .resolved = dlq_resolved_has(&reader->resolved, message->partition, message->offset),
        .message = message,
    };
    dlq_facts_init(&letter->facts);
    for (size_t i = 0; dead_letter_header(letter, i, &header); i++)
        dlq_facts_add(&letter->facts, header.name, header.value);
}

static bool fill_head(struct dlq_reader *reader, int32_t partition, struct upsink_error *err)
{
    struct head *head = &reader->heads[partition];
    struct dead_letter letter;
    if (head->message || head->over)
        return true;
    switch (dlq_scan_next(reader->scan, partition, &head->message, err)) {
    case DLQ_READ_RECORD:
        describe(reader, head->message, &letter);
        head->order = letter.facts.failed_at >= 0 ? letter.facts.failed_at : clock_from_ms(letter.timestamp);
        return true;
    case DLQ_READ_END:
        head->over = true;
        return true;
    case DLQ_READ_FAILED:
        break;
    }
    return false;
}

enum dlq_read dlq_reader_next(struct dlq_reader *reader, struct dead_letter *letter, struct upsink_error *err)
{
    struct head *first = NULL;
    drop_lent(reader);
    for (int32_t i = 0; i < dlq_scan_partitions(reader->scan); i++) {
        struct head *head = &reader->heads[i];
        if (!fill_head(reader, i, err))
            return DLQ_READ_FAILED;
        if (head->message && (!first || head->order < first->order))
            first = head;
    }
    if (!first)
        return DLQ_READ_END;
    reader->lent = first->message;
    first->message = NULL;
    describe(reader, reader->lent, letter);
    return DLQ_READ_RECORD;
}

enum dlq_read dlq_reader_find(struct dlq_reader *reader, int32_t partition, int64_t offset,
                              struct dead_letter *letter, struct upsink_error *err)
{
    drop_lent(reader);
    enum dlq_read read = dlq_scan_seek(reader->scan, partition, offset, err);
    if (read != DLQ_READ_RECORD)
        return read;
    read = dlq_scan_next(reader->scan, partition, &reader->lent, err);
    if (read != DLQ_READ_RECORD)
        return read;
    if (reader->lent->offset != offset)
        return DLQ_READ_END;
    describe(reader, reader->lent, letter);
    return DLQ_READ_RECORD;
}
