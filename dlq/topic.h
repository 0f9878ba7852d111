/* The dead-letter topic itself: is it there, is it fit for its purpose, and if absent, making it. */
#ifndef UPSINK_DLQ_TOPIC_H
#define UPSINK_DLQ_TOPIC_H

#include "dlq/client.h"
#include "error.h"

enum { DLQ_HEADER_ROOM = 64 * 1024 }; /* what our headers may add to a record, in bytes */

/* Makes sure that the topic exists and says how many partitions it has; see dlq_writer_open. Makes a client
 * for itself that can't create topics by asking for them (a broker's auto.create.topics.enable would give
 * ours, or the source, the wrong shape). Blocks for about timeout_ms at most. */
UPSINK_NODISCARD bool dlq_topic_ensure(const struct dlq_kafka *kafka, const char *topic,
                                       const char *const *sources, size_t source_count, int timeout_ms,
                                       int32_t *partitions, struct upsink_error *err);

/* What the metadata says of a topic. */
struct dlq_topic_shape {
    int32_t partitions; /* 0: no such topic */
    int replicas;
    bool has_controller; /* a broker that answers questions about configurations is there */
};

/* Fills shape from the metadata. A topic that does not exist is no error. */
UPSINK_NODISCARD bool dlq_topic_describe(rd_kafka_t *rk, struct dlq_trouble *trouble, const char *topic,
                                         int timeout_ms, struct dlq_topic_shape *shape,
                                         struct upsink_error *err);

#endif
