/* The demo: a broker, a topic of order events, a real view of it, and the proof that the two agree. One
 * thread. */
#ifndef UPSINK_DEMO_H
#define UPSINK_DEMO_H

#include "connector/demo/check.h"
#include "connector/demo/feed.h"
#include "connector/demo/mock_broker.h"
#include "connector/view.h"

enum { DEMO_PARTITIONS = 6 };

struct demo_options {
    uint64_t events;
    const char *brokers; /* NULL: one in this process */
    const char *sink;    /* NULL: a file of SQLite in a new directory */
    const struct config_override *overrides;
    size_t override_count;
};

/* What became of the records, as the metrics have it. */
struct demo_outcome {
    uint64_t consumed, upserts, deletes, dropped[METRICS_REASONS], dead;
};

struct demo {
    struct demo_options options;
    uint32_t orders;
    uint64_t random;
    char topic[40], table[40];
    bool table_named;    /* that table was chosen here, not by the sink's URL */
    char directory[200]; /* "" unless the sink is ours */
    char sink[300];
    struct mock_broker *broker;
    struct config *config;
    const struct view_config *settings;
    struct dlq_property *properties;
    struct dlq_kafka kafka;
    struct feed *feed;
    struct metrics *metrics;
    struct view *view;
    char sink_name[256];
    struct demo_outcome outcome;
    double rate; /* records a second */
    struct check check;
};

/* demo.c: each after the one before; all need demo_clear in the end. demo_run shows its progress. */
UPSINK_NODISCARD bool demo_prepare(struct demo *demo, const struct demo_options *options,
                                   struct upsink_error *err);
UPSINK_NODISCARD bool demo_run(struct demo *demo, struct upsink_error *err);
UPSINK_NODISCARD bool demo_check(struct demo *demo, struct upsink_error *err);
void demo_clear(struct demo *demo);

uint64_t demo_dealt_with(const struct demo_outcome *outcome);

/* demo_report.c: text for people, in the order of the file. */
void demo_show_start(const struct demo *demo);
void demo_show_outcome(const struct demo *demo);
UPSINK_NODISCARD bool demo_show_rows(struct demo *demo, struct upsink_error *err);
UPSINK_NODISCARD bool demo_show_dead_letters(const struct demo *demo, struct upsink_error *err);
void demo_show_verdict(const struct demo *demo);
void demo_show_next(const struct demo *demo);

/* Whether the view equals the topic, and the books balance. */
bool demo_is_good(const struct demo *demo);

#endif
