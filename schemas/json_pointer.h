/* A compiled set of JSON Pointers (RFC 6901): which values json_scan is to hand out.
 *
 * Each pointer gets a slot; the same pointer twice gets the same slot. "" is the whole document,
 * "/items/0/id" goes through an array (and through an object with a member "0"), "-" never meets
 * an array element. The pointers become a trie, so that a scan looks up a name only where a
 * pointer can still match. URI fragments ("#/a") are refused.
 *
 * Compile at start, then share: scans only read it, from any number of threads. */
#ifndef UPSINK_JSON_POINTER_H
#define UPSINK_JSON_POINTER_H

#include "error.h"

#define JSON_SLOTS_MAX    64 /* different pointers in one set */
#define JSON_SEGMENTS_MAX 32 /* names in one pointer */

struct json_paths;

/* A place in the set to start a scan at, see json_paths_sub. */
typedef unsigned json_place;
#define JSON_WHOLE ((json_place)0)

UPSINK_NODISCARD struct json_paths *json_paths_create(void); /* NULL: out of memory */
void json_paths_destroy(struct json_paths *paths);           /* NULL is fine */

/* Adds a pointer and tells its slot, 0 for the first one, then 1, and so on.
 * Errors: invalid_pointer, too_many_pointers (CONFIG), out_of_memory (FATAL). */
UPSINK_NODISCARD bool json_paths_add(struct json_paths *paths, const char *pointer, unsigned *slot,
                                     struct upsink_error *err);

/* The place that `pointer` leads to. A scan that starts there reads its text as if it stood at
 * that pointer in a larger document: from the place of "/data" the text {"id":1} fills the slot
 * of "/data/id". Valid as long as the set, whatever is added later. Errors as above. */
UPSINK_NODISCARD bool json_paths_sub(struct json_paths *paths, const char *pointer, json_place *place,
                                     struct upsink_error *err);

/* How many slots there are: what json_scan's array of values must have room for. */
size_t json_paths_slots(const struct json_paths *paths);

#endif
