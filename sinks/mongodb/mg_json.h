/* The entity's JSON text as BSON, in one pass, without a tree. Pure.
 *
 * The text was validated before (sink.h); it is still never read beyond its end. Types: mg_number.h; texts
 * are texts, whatever they hold, but for those that `dates` names. Of a member name that stands twice the
 * last one counts. What BSON can't hold is refused: a NUL within a member name, a number with too many
 * digits, more than MG_DEPTH_MAX levels. */
#ifndef UPSINK_MG_JSON_H
#define UPSINK_MG_JSON_H

#include "mg_bson.h"
#include "mg_dates.h"
#include "mg_members.h"

/* The server takes 200 levels at most; some are needed around the entity. */
enum { MG_DEPTH_MAX = 180 };

/* Keeps its memory from one entity to the next. */
struct mg_converter {
    const struct mg_dates *dates;
    struct mg_members members;
};

void mg_converter_destroy(struct mg_converter *converter);

/* What the caller wants to know of the members of the entity itself. */
typedef bool mg_see_member(void *context, const char *name, size_t name_len, const char *value,
                           enum mg_type type, bool *drop, struct upsink_error *err);

/* Appends the members of an object, one element each, without length and end: `see` is asked about each of
 * them and may refuse or drop it. Errors: RECORD as above; FATAL out_of_memory. After a failure the output is
 * void. */
UPSINK_NODISCARD bool mg_json_members(struct mg_converter *converter, struct upsink_slice text,
                                      struct buf *out, mg_see_member *see, void *context,
                                      struct upsink_error *err);
/* Appends one element of that name: any value. */
UPSINK_NODISCARD bool mg_json_value(struct mg_converter *converter, struct upsink_slice text,
                                    const char *name, struct buf *out, struct upsink_error *err);

/* The first byte of the value that is not white space; NUL where there is none. */
char mg_json_first(struct upsink_slice text);

#endif
