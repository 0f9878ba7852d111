/* Points in time as people and headers write them. */
#ifndef UPSINK_DLQ_TIME_H
#define UPSINK_DLQ_TIME_H

#include "slice.h"

#include <stdint.h>

/* RFC 3339 ("2026-01-02T03:04:05.678Z", "2026-01-02 03:04+02:00"; seconds, fraction and zone may be missing,
 * without a zone it is UTC) or a date alone (its midnight). Microseconds since 1970; what is finer is cut
 * off. false, and *microseconds untouched, where the text is nothing of that. */
bool dlq_time_parse(struct upsink_slice text, int64_t *microseconds);

#endif
