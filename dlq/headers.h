/* The headers that tell why a record became a dead letter: built for the writer, read for people.
 *
 * Pure: no I/O, no librdkafka. Ten of them have the names and meanings of Kafka Connect's
 * DeadLetterQueueReporter (org.apache.kafka.connect.runtime.errors), so that its users and tools find them;
 * the others begin with "upsink.". All values are valid UTF-8 text: what isn't gets U+FFFD in place of each
 * bad byte, and what is longer than DLQ_TEXT_MAX bytes is cut, with "..." at its end. */
#ifndef UPSINK_DLQ_HEADERS_H
#define UPSINK_DLQ_HEADERS_H

#include "arena.h"
#include "error.h"
#include "slice.h"

#include <stdint.h>

enum {
    DLQ_HEADER_MAX = 20, /* headers that a record can get */
    DLQ_TEXT_MAX = 4096  /* bytes in one value; all of them together stay below 64 KiB */
};

/* Where it failed, in Kafka Connect's words (enum Stage). */
enum dlq_stage {
    DLQ_STAGE_KEY_CONVERTER,   /* the key can't be used */
    DLQ_STAGE_VALUE_CONVERTER, /* the value can't be read */
    DLQ_STAGE_TRANSFORMATION,  /* what the view maps isn't there or has the wrong type */
    DLQ_STAGE_TASK_PUT         /* the sink refused it */
};

/* Why a record is written off, and what is known of it. Everything is borrowed for the length of the call.
 * No payloads and no secrets: the texts end up in a topic that others read. */
struct dlq_reason {
    const struct upsink_error *error;
    enum dlq_stage stage;
    const char *module;        /* who refused it, such as "upsink.mapping" or "upsink.sink.postgres" */
    const char *const *causes; /* further causes beneath error->detail, the outermost first; NULL: none */
    size_t cause_count;
    const char *view;
    const char *sink; /* as the sink describes itself: without credentials */
    int32_t task;     /* number of the worker */
    struct upsink_slice
        source_topic; /* of the record that the view consumed; a retry keeps the first one's */
    int32_t source_partition;
    int64_t source_offset;
    int64_t failed_at;                       /* microseconds since 1970-01-01T00:00:00Z */
    struct upsink_slice event_id, change_id; /* absent: unknown */
    bool has_version;
    int64_t version;
    int64_t schema_id; /* -1: none */
};

struct dlq_header {
    const char *name;
    struct upsink_slice value;
};

/* Fills headers; previous_attempts is what dlq_attempts_of said of the record, 0 for a first failure. Texts
 * live in the arena. Returns how many there are; 0 when out of memory. */
UPSINK_NODISCARD size_t dlq_headers_build(const struct dlq_reason *reason, uint32_t previous_attempts,
                                          struct arena *arena, struct dlq_header headers[DLQ_HEADER_MAX]);

/* All names that dlq_headers_build can use, NULL at the end: what a record that fails again loses first. */
extern const char *const dlq_header_names[DLQ_HEADER_MAX + 1];

#define DLQ_ATTEMPTS_HEADER "upsink.attempts"

/* The number in a DLQ_ATTEMPTS_HEADER; 0 where it is absent or no number. */
uint32_t dlq_attempts_of(struct upsink_slice value);

/* What the headers of a dead letter say. Slices are absent, numbers -1 (attempts 0) where a header is missing
 * or unreadable: anybody can write to the topic. */
struct dlq_facts {
    struct upsink_slice source_topic;
    int32_t source_partition;
    int64_t source_offset;
    struct upsink_slice view, sink, stage, module, code, message, detail, stacktrace;
    struct upsink_slice event_id, change_id, version;
    uint32_t attempts;
    int64_t failed_at; /* microseconds since 1970 */
};

void dlq_facts_init(struct dlq_facts *facts);

/* Takes one header in; call it for each, in their order (the last of a name wins). Slices borrow the value.
 */
void dlq_facts_add(struct dlq_facts *facts, const char *name, struct upsink_slice value);

#endif
