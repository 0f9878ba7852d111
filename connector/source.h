/* The Kafka side of a view: one consumer in the group upsink-<view>.
 *
 * Each worker reads a queue of its own, to which the partitions it owns are routed: librdkafka fetches while
 * there is room in that queue and stops by itself when there is not, so a slow sink holds nobody else up,
 * nothing is fetched twice, and the thread that polls for the group (source_poll) never touches a record. A
 * partition is taken when the group assigns it and opened when its worker knows where to start.
 *
 * Threads: source_poll and the handler run on the view's own thread; everything else may be called by any. */
#ifndef UPSINK_SOURCE_H
#define UPSINK_SOURCE_H

#include "connector/config.h"
#include "connector/lane.h"
#include "connector/resume.h"

#include <librdkafka/rdkafka.h>

struct source;

struct source_partition {
    const char *topic;
    int32_t partition;
};

/* Called from source_poll and source_close. */
struct source_handler {
    void *context;
    /* Which queue reads this partition; no I/O. */
    rd_kafka_queue_t *(*route)(void *context, const char *topic, int32_t partition);
    /* It is ours now, and not yet open. */
    void (*assigned)(void *context, const char *topic, int32_t partition);
    /* Let go of all of these, and return when nothing of them is under way (or time ran out). lost: they
     * belong to somebody else already. */
    void (*revoked)(void *context, const struct source_partition *partitions, size_t count, bool lost);
};

/* An offset to be committed to the group. */
struct source_offset {
    const char *topic;
    int32_t partition;
    int64_t offset;
    char note[RESUME_NOTE_SIZE];
};

/* UPSINK_ERR_CONFIG where a property of Kafka is set that is upsink's to decide. *from_latest: where nothing
 * is known of a partition, its end is where to begin. */
UPSINK_NODISCARD bool source_check_properties(const struct config *config, bool *from_latest,
                                              struct upsink_error *err);

/* No I/O yet. config and view must outlive the source. NULL with UPSINK_ERR_CONFIG. */
UPSINK_NODISCARD struct source *source_create(const struct config *config, const struct view_config *view,
                                              const struct source_handler *handler, struct upsink_error *err);
UPSINK_NODISCARD bool source_subscribe(struct source *source, struct upsink_error *err);

/* Leaves the group (the handler is called for what is still assigned). false: librdkafka did not come to an
 * end within ten seconds, and must not be destroyed. */
UPSINK_NODISCARD bool source_close(struct source *source);
/* May leave librdkafka's threads behind, at rest: for the end of the process. */
void source_destroy(struct source *source);

rd_kafka_queue_t *source_queue_create(struct source *source);

/* Serves the group. false: the consumer can't go on (*err FATAL, or REFUSED where Kafka refuses the
 * credentials at the first contact). */
UPSINK_NODISCARD bool source_poll(struct source *source, int timeout_ms, struct upsink_error *err);

/* Has Kafka ever answered? Any thread. */
bool source_is_in_touch(const struct source *source);

/* Has the group ever said which partitions are ours, be it none? The view's own thread. */
bool source_is_balanced(const struct source *source);

/* A partition of the view's topics, and a point in it that the caller keeps there. */
struct source_end {
    char *topic;
    int32_t partition;
    int64_t end; /* -1 */
};

/* The partitions that the view's topics have now. UPSINK_ERR_OUTAGE while no broker answers, code
 * unknown_topic where one that is named does not exist. */
UPSINK_NODISCARD bool source_partitions(struct source *source, struct source_end **ends, size_t *count,
                                        struct upsink_error *err);
void source_ends_free(struct source_end *ends, size_t count);
int32_t source_partition_count(struct source *source, const char *topic);

/* Watermarks, committed offset and cluster id of a partition. */
UPSINK_NODISCARD bool source_facts(struct source *source, const char *topic, int32_t partition,
                                   struct resume_facts *facts, struct upsink_error *err);

/* Asks which of the partitions of our topics have a leader, and visits each; none where Kafka does not answer
 * within half a second. */
void source_visit_leaders(struct source *source,
                          void (*visit)(void *context, const char *topic, int32_t partition, bool has_leader),
                          void *context);

/* End of the partition, asked from the broker; -1 where it does not answer. */
int64_t source_high(struct source *source, const char *topic, int32_t partition);
/* The same as of the last fetch, without asking; and where the partition begins. */
int64_t source_cached_high(struct source *source, const char *topic, int32_t partition);
int64_t source_cached_low(struct source *source, const char *topic, int32_t partition);

/* Committed offset of the group, -1 none or not known. */
int64_t source_committed(struct source *source, const char *topic, int32_t partition);

/* Reads the lane's partition from what it expects next, into the queue; what was fetched before is dropped.
 * OUTAGE where it is not ours any more, or just being given back: a lane that was revoked must not take the
 * records from the one that follows it. */
UPSINK_NODISCARD bool source_open(struct source *source, const struct lane *lane, rd_kafka_queue_t *queue,
                                  struct upsink_error *err);

/* Room was made in a queue that may have been full, and the partition has more: librdkafka before 2.2 looks
 * again only once a second, unless something wakes its broker thread. Cheap; nothing where the library can do
 * it by itself. */
void source_nudge(struct source *source, const char *topic, int32_t partition);

void source_commit(struct source *source, const struct source_offset *offsets, size_t count, bool wait);

/* How many commits failed so far, in part at least: where the number grew, all offsets are to be committed
 * again. Any thread. */
uint32_t source_failed_commits(const struct source *source);

/* Microseconds that a drain may take before the group gives us up. */
int64_t source_drain_limit_us(const struct source *source);

/* The last trouble with Kafka that is not over, "" for none. */
void source_trouble(struct source *source, char *text, size_t size);

#endif
