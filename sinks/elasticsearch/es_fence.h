/* The fence of an entity as the member `_upsink` of a document. Pure. */
#ifndef UPSINK_ES_FENCE_H
#define UPSINK_ES_FENCE_H

#include "buf.h"
#include "es_cache.h"
#include "es_json.h"

/* Appends {"partition": ... without its closing brace, so that more members can follow. */
void es_fence_put(struct buf *out, const struct upsink_fence *fence, bool with_topic);

/* Reads `raw`, the value of `_upsink`; absent: a document that upsink never wrote. The slices are copied to
 * the arena. False when out of memory. */
UPSINK_NODISCARD bool es_fence_read(struct upsink_slice raw, struct upsink_slice topic, struct arena *arena,
                                    struct es_known *known);

#endif
