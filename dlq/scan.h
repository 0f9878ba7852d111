/* Reads the partitions of a topic from where they begin, or from one offset, to the end that they had at the
 * start.
 *
 * A consumer in no group, committed records only, few bytes in memory. Owned by one thread. */
#ifndef UPSINK_DLQ_SCAN_H
#define UPSINK_DLQ_SCAN_H

#include "dlq/client.h"
#include "error.h"

enum dlq_read { DLQ_READ_RECORD, DLQ_READ_END, DLQ_READ_FAILED };

struct dlq_scan;

/* A topic that does not exist has no partitions, and is no error. NULL with dlq_unreachable (OUTAGE),
 * dlq_unauthorized (REFUSED) and the like. Waits up to timeout_ms for each answer, here and later. */
UPSINK_NODISCARD struct dlq_scan *dlq_scan_open(const struct dlq_kafka *kafka, const char *topic,
                                                int timeout_ms, struct upsink_error *err);
void dlq_scan_close(struct dlq_scan *scan);

int32_t dlq_scan_partitions(const struct dlq_scan *scan);

/* Begins a partition at an offset instead of its beginning; before its first dlq_scan_next. DLQ_READ_END:
 * there is nothing at that offset. */
UPSINK_NODISCARD enum dlq_read dlq_scan_seek(struct dlq_scan *scan, int32_t partition, int64_t offset,
                                             struct upsink_error *err);

/* The next record of that partition; the caller destroys it before the scan is closed. Records of one
 * partition come in order; the partitions are independent of each other. */
UPSINK_NODISCARD enum dlq_read dlq_scan_next(struct dlq_scan *scan, int32_t partition,
                                             rd_kafka_message_t **message, struct upsink_error *err);

#endif
