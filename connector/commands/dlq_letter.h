/* A dead letter as the dlq commands see it: which ones are asked for, and what is shown of each. */
#ifndef UPSINK_DLQ_LETTER_H
#define UPSINK_DLQ_LETTER_H

#include "arena.h"
#include "cli.h"
#include "dlq/reader.h"
#include "schemas/mapping.h"

#include <jansson.h>

/* The view that a command is about, and how to read its dead letters. */
struct dlq_view {
    struct config *config;
    const struct view_config *settings;
    struct dlq_property *properties;
    struct dlq_kafka kafka;
    struct mapping *mapping; /* gives the entity key of a record */
    struct arena arena;
};

/* *view needs dlq_view_close in either case. */
UPSINK_NODISCARD bool dlq_view_open(struct dlq_view *view, const struct cli_args *args,
                                    struct upsink_error *err);
void dlq_view_close(struct dlq_view *view);

/* Patience with Kafka, in milliseconds. */
enum { DLQ_PATIENCE_MS = 10000 };

struct dlq_filter {
    const char *code, *key, *grep; /* NULL: any */
    int64_t since, until;          /* microseconds; INT64_MIN and INT64_MAX: any */
    bool all;                      /* resolved ones too */
};

UPSINK_NODISCARD bool dlq_filter_read(struct dlq_filter *filter, const struct cli_args *args,
                                      struct upsink_error *err);
bool dlq_filter_passes(const struct dlq_filter *filter, struct dlq_view *view,
                       const struct dead_letter *letter);

/* The entity key as the view has it, where the key can be read; otherwise the record's key as it is. Absent:
 * null. Lives until the next call. */
struct upsink_slice dlq_letter_key(struct dlq_view *view, const struct dead_letter *letter);

/* Does the letter belong to the view? A topic may be shared; letters that name no view are everybody's. */
bool dlq_letter_is_of(const struct dead_letter *letter, const struct view_config *view);

/* Text as a JSON string: bytes that are no UTF-8 become U+FFFD. Absent: null. */
json_t *dlq_text_json(struct upsink_slice text);

/* RFC 3339; below zero: null. */
json_t *dlq_time_json(int64_t microseconds);

/* The object of PRODUCT's "dead letters have ...". */
json_t *dlq_letter_json(struct dlq_view *view, const struct dead_letter *letter);

#endif
