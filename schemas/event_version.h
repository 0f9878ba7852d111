/* What orders the changes of an entity, as an int64: an integer as it is, a time (RFC 3339) in microseconds
 * since 1970-01-01T00:00:00Z. Pure. */
#ifndef UPSINK_EVENT_VERSION_H
#define UPSINK_EVENT_VERSION_H

#include "error.h"
#include "slice.h"

#include <stdint.h>

/* Of a JSON number: any that is an integer and fits, also when written 1.0 or 1e3. */
UPSINK_NODISCARD bool event_version_of_number(struct upsink_slice raw, int64_t *version);

/* Of a text: digits, with a minus sign or zeros before them if need be; or a time. */
UPSINK_NODISCARD bool event_version_of_text(struct upsink_slice text, int64_t *version);

#endif
