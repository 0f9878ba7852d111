/* Where a partition begins and ends: ListOffsets, as Kafka's protocol calls it.
 *
 * rd_kafka_query_watermark_offsets asks the same, but in older ones (2.0.2 among them) it waits for the
 * answer to its request, however long that takes; these come back after `timeout_ms`. Any thread may call
 * them. */
#ifndef UPSINK_KAFKA_ENDS_H
#define UPSINK_KAFKA_ENDS_H

#include <librdkafka/rdkafka.h>
#include <stdint.h>

/* The offset of the first record that is there, or the one that the next record gets (with read_committed:
 * the first of an open transaction). */
enum kafka_end { KAFKA_LOW = RD_KAFKA_OFFSET_BEGINNING, KAFKA_HIGH = RD_KAFKA_OFFSET_END };

rd_kafka_resp_err_t kafka_end(rd_kafka_t *client, const char *topic, int32_t partition, enum kafka_end which,
                              int64_t *offset, int timeout_ms);

/* Both; twice the time at most. */
rd_kafka_resp_err_t kafka_ends(rd_kafka_t *client, const char *topic, int32_t partition, int64_t *low,
                               int64_t *high, int timeout_ms);

#endif
