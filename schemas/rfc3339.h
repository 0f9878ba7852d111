/* Internet time stamps (RFC 3339 section 5.6) as microseconds. Pure.
 *
 * Any offset, any number of digits in the fraction: what is finer than a microsecond is cut off, not
 * rounded, so that the order of two times never turns round. Years 0001 to 9999. "T" and "Z" in either
 * case, and a space for the "T". The leap second 23:59:60 (in UTC) is taken for the second that follows it,
 * as in POSIX time. A time without an offset is refused: it says nothing of the order. */
#ifndef UPSINK_RFC3339_H
#define UPSINK_RFC3339_H

#include "error.h"
#include "slice.h"

#include <stdint.h>

/* Microseconds since 1970-01-01T00:00:00Z. False, with *us untouched, where the text is no such time. */
UPSINK_NODISCARD bool rfc3339_parse(struct upsink_slice text, int64_t *us);

#endif
