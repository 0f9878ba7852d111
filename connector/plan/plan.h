/* What `run` would do with a view, found out without changing anything: no topic is created, no group joined,
 * no offset committed, no table touched.
 *
 * Kafka is asked by a client that belongs to no group; the sink prints its statements instead of running
 * them. What goes wrong is gathered, so that one look shows all of it. One thread. */
#ifndef UPSINK_PLAN_H
#define UPSINK_PLAN_H

#include "connector/config.h"
#include "connector/resume.h"
#include "dlq/topic.h"

enum { PLAN_PROBLEMS = 8 };

/* The Kafka side, shared by all views. */
struct plan_kafka {
    struct dlq_property *properties;
    struct dlq_trouble trouble;
    rd_kafka_t *client;
    char cluster[64];
    bool from_latest;
    bool reached; /* some broker has answered */
    bool failed;  /* none did, and nobody needs to try again */
};

struct plan_topic {
    const char *name;
    int32_t partitions; /* 0: there is no such topic */
    int32_t replicas;
};

struct plan_partition {
    const char *topic;
    int32_t partition;
    int64_t low, high; /* the records that are there: low ... high-1; -1: not known */
    bool has_commit, commit_is_ours;
    int64_t committed;       /* -1: none */
    struct resume_note note; /* where it is ours */
    bool decided;
    struct resume_plan start; /* once decided */
    const char *remark;       /* what is out of the ordinary about it; NULL: nothing */
    uint32_t wanted;          /* records to be read */
};

/* One record, as it would be applied. Texts live in the plan. */
struct plan_record {
    const char *topic;
    enum decode_outcome outcome;
    struct upsink_change change; /* the entity is cut off: only its length stays */
    size_t value_bytes;
    bool tombstone;
    const struct upsink_error *error; /* with DECODE_REJECTED */
};

struct plan {
    const struct config *config;
    const struct view_config *settings;
    struct arena arena;
    struct mapping *mapping;
    struct plan_topic *topics;
    size_t topic_count;
    struct plan_partition *partitions;
    size_t partition_count;
    bool group_known, group_exists;
    char group_state[32];
    int group_members;
    bool dlq_known;
    struct dlq_topic_shape dlq;
    const char *sink_name; /* as the sink describes itself; NULL: it could not be opened */
    bool sink_keeps;       /* positions */
    bool sink_known;       /* the statements say all that is missing */
    const char **statements;
    size_t statement_count;
    bool refills; /* whatever the group has committed, the sink is filled from the beginning */
    struct plan_record *records;
    size_t record_count;
    struct upsink_error problems[PLAN_PROBLEMS];
    size_t problem_count;
};

/* False with the error of a configuration that can't be used; the plan needs plan_clear in either case. */
UPSINK_NODISCARD bool plan_init(struct plan *plan, const struct config *config,
                                const struct view_config *settings, struct upsink_error *err);
void plan_clear(struct plan *plan);

/* Remembers what went wrong; false, to end a function with. Beyond PLAN_PROBLEMS they are dropped. */
bool plan_add_problem(struct plan *plan, const struct upsink_error *err);

/* plan_kafka.c: no I/O in open. */
UPSINK_NODISCARD bool plan_kafka_open(struct plan_kafka *kafka, const struct config *config,
                                      struct upsink_error *err);
void plan_kafka_close(struct plan_kafka *kafka);

/* Topics, partitions, group and dead-letter topic. */
void plan_look_at_kafka(struct plan *plan, struct plan_kafka *kafka);

/* plan_sink.c: opens the sink, and lets it print what it would do. */
void plan_look_at_sink(struct plan *plan);

/* plan_records.c: reads the first records of the partitions, `most` in all, and maps them. */
void plan_read_records(struct plan *plan, struct plan_kafka *kafka, uint32_t most);

/* Where each partition would start, from all that is known. */
void plan_decide(struct plan *plan, const struct plan_kafka *kafka);

#endif
