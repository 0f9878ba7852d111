/* Log lines on standard error, as key=value text or as JSON.
 *
 *     log_write(LOG_LEVEL_WARN, "the sink does not answer", LOG_STR("view", name), LOG_INT("attempt", n));
 *     time=2026-01-02T03:04:05.000006Z level=warn msg="the sink does not answer" view=orders attempt=3
 *     {"time":"2026-01-02T03:04:05.000006Z","level":"warn","msg":"the sink does not
 * answer","view":"orders","attempt":3}
 *
 * Any thread may write at any time: a line is one write(2) of at most 4096 bytes, which a pipe keeps whole,
 * and nothing is allocated. Long texts are cut and end with "…"; fields that find no room are left out and
 * the line says truncated=true. Control characters and malformed UTF-8 are escaped, so that no field can
 * forge a line or steer a terminal. The caller keeps secrets out. */
#ifndef UPSINK_LOG_H
#define UPSINK_LOG_H

#include "slice.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

enum log_field_type { LOG_FIELD_TEXT, LOG_FIELD_INTEGER, LOG_FIELD_REAL, LOG_FIELD_BOOLEAN };

/* A field whose text is absent (NULL) does not appear. */
struct log_field {
    const char *name; /* lower case, digits and underscores */
    enum log_field_type type;
    union {
        struct upsink_slice text;
        int64_t integer;
        double real;
        bool boolean;
    };
};

#define LOG_STR(n, v)   ((struct log_field){.name = (n), .type = LOG_FIELD_TEXT, .text = upsink_slice_of(v)})
#define LOG_SLICE(n, v) ((struct log_field){.name = (n), .type = LOG_FIELD_TEXT, .text = (v)})
#define LOG_INT(n, v)   ((struct log_field){.name = (n), .type = LOG_FIELD_INTEGER, .integer = (int64_t)(v)})
#define LOG_REAL(n, v)  ((struct log_field){.name = (n), .type = LOG_FIELD_REAL, .real = (v)})
#define LOG_BOOL(n, v)  ((struct log_field){.name = (n), .type = LOG_FIELD_BOOLEAN, .boolean = (v)})

/* Lines below the level are dropped. Before the first call: info, text. */
void log_configure(enum log_level level, bool json);

/* Where lines go; 2 (standard error) before the first call. */
void log_set_descriptor(int fd);

/* For callers whose fields cost something to gather. */
bool log_enabled(enum log_level level);

/* `text` is a sentence without a full stop. The field list may be empty. */
#define log_write(level, message, ...)                                                                       \
    log_write_fields((level), (message), (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){.name = NULL}})

/* The fields end with a NULL name. */
void log_write_fields(enum log_level level, const char *text, const struct log_field *fields);

/* Keeps a line that repeats from flooding the log: one in each interval. Zero is a fresh one. */
struct log_limit {
    _Atomic int64_t open_at_us; /* monotonic; 0: open */
    _Atomic int64_t held_back;
};

/* True where the line may be written; *held_back says how many were not since the last one. Any thread. */
bool log_limit_pass(struct log_limit *limit, int64_t interval_us, int64_t *held_back);

/* The text with control characters and malformed UTF-8 escaped (\n, \u001b, \xff), cut at the size with "…"
 * and NUL-terminated: for one-line messages to people. */
void log_escape(struct upsink_slice text, char *out, size_t size);

#endif
