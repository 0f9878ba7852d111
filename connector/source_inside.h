/* The inside of the source, shared by its files. */
#ifndef UPSINK_SOURCE_INSIDE_H
#define UPSINK_SOURCE_INSIDE_H

#include "connector/source.h"

#include "dlq/client.h"

/* A partition that the group gave us; open once a worker has said where to read. */
struct owned {
    char *topic;
    int32_t partition;
    bool open;
};

struct source {
    const struct view_config *view;
    struct source_handler handler;
    struct dlq_kafka kafka;
    struct dlq_property *properties;
    rd_kafka_t *consumer;
    bool from_latest;
    bool is_static; /* a member of the group that comes back: it never leaves */
    _Atomic bool closing;
    _Atomic bool destroyed; /* the consumer */
    bool balanced;
    int64_t drain_limit_us;
    pthread_mutex_t owned_lock;
    struct owned *owned;
    size_t owned_count, owned_room;
    bool giving_back; /* nothing is opened meanwhile: librdkafka would take it for the answer to the group */
    bool needs_nudges;
    rd_kafka_queue_t *consumer_queue;
    pthread_mutex_t lock; /* of what follows */
    char *nudge_topic;    /* a partition whose broker is to be woken; NULL none */
    int32_t nudge_partition;
    char cluster[64]; /* "" not yet known */
    char trouble[256];
    rd_kafka_resp_err_t trouble_code;
    int64_t probe_at_us; /* monotonic: when Kafka is asked whether it answers again */
    _Atomic bool in_touch;
    _Atomic uint32_t failed_commits;
};

/* --- source.c --- */

/* Says what is wrong with Kafka, until something shows that it is over. Callbacks of librdkafka. */
void source_on_error(rd_kafka_t *consumer, int code, const char *reason, void *opaque);
void source_on_commit(rd_kafka_t *consumer, rd_kafka_resp_err_t code,
                      rd_kafka_topic_partition_list_t *offsets, void *opaque);
void source_clear_trouble(struct source *source);

/* --- source_group.c --- */

void source_on_rebalance(rd_kafka_t *consumer, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *list, void *opaque);
void source_forget_owned(struct source *source);

/* A list of one. */
rd_kafka_topic_partition_list_t *source_list_of(const char *topic, int32_t partition, int64_t offset);

/* --- source_properties.c --- */

/* Keeps the user's properties in the source; false: out of memory. They are borrowed from the configuration.
 */
bool source_copy_properties(struct source *source, const struct config *config);
rd_kafka_t *source_open_consumer(struct source *source, const struct config *config,
                                 struct upsink_error *err);

/* --- source_queries.c --- */

/* Returns false, with what is known of Kafka's troubles. */
bool source_fail_kafka(struct source *source, const char *what, rd_kafka_resp_err_t code,
                       struct upsink_error *err);

#endif
