/* What went wrong, for the person who reads it and for the code that decides what follows.
 *
 * An error is a value of fixed size: it never allocates and can't fail. The callee fills it, the
 * caller owns it, and it is logged once, where it is handled. `code` is a stable lower-case word
 * with underscores (listed in the manual), `text` a sentence that says what, where, why and what
 * to do, `detail` the machine's own reason (SQLSTATE, errno, HTTP status, JSON Pointer). None of
 * them ever holds a secret or a payload. */
#ifndef UPSINK_ERROR_H
#define UPSINK_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The class alone decides what the connector does; the code and the text are for people. */
enum upsink_error_class {
    UPSINK_ERR_NONE = 0,
    UPSINK_ERR_CONFIG,      /* the user's configuration, flag or URL: exit 2 */
    UPSINK_ERR_REFUSED,     /* credentials or rights refused: exit 1 at start, an outage later */
    UPSINK_ERR_OUTAGE,      /* nothing can be written just now: retried with backoff, for ever */
    UPSINK_ERR_RECORD,      /* this one record can't be applied: dead-lettered */
    UPSINK_ERR_FENCED,      /* another owner holds the partition: forget the work, start it again */
    UPSINK_ERR_TARGET_LOST, /* the target vanished or was replaced: prepare it and fill it again */
    UPSINK_ERR_UNKNOWN,     /* not classified: retried a bounded number of times, then the view halts */
    UPSINK_ERR_FATAL /* can't go on (out of memory, a broken invariant, a target that is not ours): exit 1 */
};

struct upsink_error {
    enum upsink_error_class cls;
    char code[48];
    char text[512];
    char detail[256];
};

#define UPSINK_NODISCARD    __attribute__((warn_unused_result))
#define UPSINK_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* Sets the error; returns false so that a failing function can end with `return upsink_fail(...)`. */
UPSINK_PRINTF(4, 5)
static inline bool upsink_fail(struct upsink_error *err, enum upsink_error_class cls, const char *code,
                               const char *format, ...)
{
    if (err) {
        va_list args;
        err->cls = cls;
        err->detail[0] = '\0';
        snprintf(err->code, sizeof err->code, "%s", code);
        va_start(args, format);
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
    }
    return false;
}

/* Adds the machine's own reason to an error that is already set. */
UPSINK_PRINTF(2, 3)
static inline void upsink_error_detail(struct upsink_error *err, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->detail, sizeof err->detail, format, args);
        va_end(args);
    }
}

static inline void upsink_error_clear(struct upsink_error *err)
{
    if (err) {
        err->cls = UPSINK_ERR_NONE;
        err->code[0] = err->text[0] = err->detail[0] = '\0';
    }
}

#endif
