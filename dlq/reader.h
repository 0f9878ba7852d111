/* Reads a dead-letter topic, oldest failure first, to the end that it had at the start.
 *
 * Owned by one thread. What was resolved is read first, from the compacted topic TOPIC.state: its keys are
 * "PARTITION:OFFSET" of the dead-letter topic, a value means resolved, a tombstone takes that back. */
#ifndef UPSINK_DLQ_READER_H
#define UPSINK_DLQ_READER_H

#include "dlq/client.h"
#include "dlq/headers.h"
#include "dlq/scan.h"

/* All slices are borrowed until the next call on the reader. */
struct dead_letter {
    int32_t partition; /* the position in the dead-letter topic */
    int64_t offset;
    int64_t timestamp;              /* of the record, in milliseconds; -1: none */
    struct upsink_slice key, value; /* as they were; absent: null */
    struct dlq_facts facts;
    bool resolved;
    const rd_kafka_message_t *message;
};

struct dlq_reader;

/* NULL as dlq_scan_open. A topic that does not exist holds no dead letters. */
UPSINK_NODISCARD struct dlq_reader *dlq_reader_open(const struct dlq_kafka *kafka, const char *topic,
                                                    int timeout_ms, struct upsink_error *err);
void dlq_reader_close(struct dlq_reader *reader);

/* The next one, in the order of failed_at as far as each partition is in that order. */
UPSINK_NODISCARD enum dlq_read dlq_reader_next(struct dlq_reader *reader, struct dead_letter *letter,
                                               struct upsink_error *err);

/* The one at that position; DLQ_READ_END: there is none. To be called at most once, instead of
 * dlq_reader_next. */
UPSINK_NODISCARD enum dlq_read dlq_reader_find(struct dlq_reader *reader, int32_t partition, int64_t offset,
                                               struct dead_letter *letter, struct upsink_error *err);

/* The nth header (from 0) of a letter, all of them in their order; false behind the last. */
bool dead_letter_header(const struct dead_letter *letter, size_t nth, struct dlq_header *header);

#endif
