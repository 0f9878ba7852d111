/* One way to write a JSON value, so that equal values are equal bytes.
 *
 * Close to RFC 8785, with two differences that keep what the producer said: numbers stay byte for
 * byte as they were written (1.0 and 1 differ; no digit goes through a double), and members are
 * sorted by the UTF-8 bytes of their unescaped names (RFC 8785 takes UTF-16 units, which differs
 * only beyond U+FFFF). No white space, as few escapes as can be, and of a name that stands twice
 * the last member.
 *
 * Takes time in proportion to size times depth, and memory of about three times the size (twenty,
 * where it is nothing but the shortest members), both bounded by the limits. The writer below keeps
 * its memory from one ordinary value to the next; one thread uses it at a time. */
#ifndef UPSINK_JSON_CANONICAL_H
#define UPSINK_JSON_CANONICAL_H

#include "json_scan.h"

#include "buf.h"

#include <stdint.h>

struct json_canonical;

UPSINK_NODISCARD struct json_canonical *json_canonical_create(void); /* NULL: out of memory */
void json_canonical_destroy(struct json_canonical *canonical);       /* NULL is fine */

/* Appends the canonical form of `text`, which is not a part of `out`, to `out`. `limits` NULL: json_scan's
 * defaults. Where it fails `out` is as long as before. Errors: those of json_scan, out_of_memory (FATAL). */
UPSINK_NODISCARD bool json_canonical_append(struct json_canonical *canonical, struct upsink_slice text,
                                            const struct json_limits *limits, struct buf *out,
                                            struct upsink_error *err);

#define JSON_HASH_BYTES 16

/* The XXH3 128-bit hash (in XXH128_canonical_t's byte order, so that it may be stored) of the
 * canonical form: the same for values that differ in member order, white space and escapes only.
 * Not a defence against a producer who looks for collisions. Errors as above. */
UPSINK_NODISCARD bool json_state_hash(struct json_canonical *canonical, struct upsink_slice text,
                                      const struct json_limits *limits, unsigned char hash[JSON_HASH_BYTES],
                                      struct upsink_error *err);

#endif
