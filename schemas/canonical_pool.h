/* Writers of canonical JSON for threads that share what they read: each call takes an idle writer, or makes
 * one, and puts it back. Any number of threads. */
#ifndef UPSINK_CANONICAL_POOL_H
#define UPSINK_CANONICAL_POOL_H

#include "arena.h"
#include "json_canonical.h"

struct canonical_pool;

UPSINK_NODISCARD struct canonical_pool *canonical_pool_create(void); /* NULL: out of memory */
void canonical_pool_destroy(struct canonical_pool *pool);            /* NULL is fine */

/* As json_canonical_append and json_state_hash; the canonical text is in the arena. */
UPSINK_NODISCARD bool canonical_pool_text(struct canonical_pool *pool, struct upsink_slice raw,
                                          const struct json_limits *limits, struct arena *arena,
                                          struct upsink_slice *text, struct upsink_error *err);
UPSINK_NODISCARD bool canonical_pool_hash(struct canonical_pool *pool, struct upsink_slice raw,
                                          const struct json_limits *limits,
                                          unsigned char hash[JSON_HASH_BYTES], struct upsink_error *err);

#endif
