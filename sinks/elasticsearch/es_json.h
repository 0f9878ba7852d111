/* A reader of answers: pulls one member or element after the other, and hands out slices.
 *
 * For JSON from a server: what is malformed ends the reading with `bad`, and never reads beyond the end; but
 * not everything that is malformed is found. Texts are validated when they are decoded. Pure. */
#ifndef UPSINK_ES_JSON_H
#define UPSINK_ES_JSON_H

#include "arena.h"

#include <stdint.h>

struct es_json {
    const char *at, *end;
    bool bad;
};

static inline struct es_json es_json_of(struct upsink_slice text)
{
    return (struct es_json){text.data, text.data + text.len, text.data == NULL};
}

/* Steps into an object '{' or an array '['. */
bool es_json_enter(struct es_json *json, char bracket);
/* The next member: `name` is raw, with its quotes; the value follows. False behind the last one. */
bool es_json_member(struct es_json *json, struct upsink_slice *name);
/* The next element follows. False behind the last one. */
bool es_json_element(struct es_json *json);
/* Steps over the value that follows; its bytes. Absent where there is none. */
struct upsink_slice es_json_value(struct es_json *json);
/* Where a value stands: leave it behind without looking. */
bool es_json_is(struct upsink_slice raw_name, const char *name);

/* What stands at a path of member names, as in "hits.total.value"; * is the first member, whatever its name.
 * Absent where it leads nowhere. */
struct upsink_slice es_json_find(struct upsink_slice text, const char *path);

/* Values of raw slices; the fallback where it is another type. */
int64_t es_json_int(struct upsink_slice raw, int64_t fallback);
bool es_json_true(struct upsink_slice raw);
/* The text of a string, in the arena or borrowed; absent where it is none. False when out of memory. */
UPSINK_NODISCARD bool es_json_text(struct upsink_slice raw, struct arena *arena, struct upsink_slice *text);
/* Copies a string's text, cut; empty where it is none. */
void es_json_copy(struct upsink_slice raw, char *out, size_t size);

#endif
