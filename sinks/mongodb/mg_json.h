/* The entity's JSON text as BSON, in one pass, without a tree. Pure.
 *
 * The text was validated before (sink.h); it is still never read beyond its end. Types: mg_number.h; texts
 * are texts, whatever they hold, but for those that `dates` names. Of a member name that stands twice the
 * last one counts. What BSON can't hold is refused: a NUL within a member name, a number with too many
 * digits, more than MG_DEPTH_MAX levels. */
#ifndef UPSINK_MG_JSON_H
#define UPSINK_MG_JSON_H

#include "mg_bson.h"

/* The server takes 200 levels at most; some are needed around the entity. */
enum { MG_DEPTH_MAX = 180, MG_DATES_MAX = 32, MG_DATE_TOKENS = 16 };

/* Where texts become dates: JSON Pointers (RFC 6901) into the entity. One that begins with the envelope's
 * member (/data, /payload, /after) means the entity's own field as well: that is how the view's other
 * pointers begin. */
struct mg_dates {
    char *memory;
    size_t count;
    const char *tokens[MG_DATES_MAX][MG_DATE_TOKENS];
    size_t lengths[MG_DATES_MAX];
};

/* Of pointers separated by commas or white space. CONFIG "bad_setting". */
UPSINK_NODISCARD bool mg_dates_parse(struct mg_dates *dates, const char *text, struct upsink_error *err);
void mg_dates_clear(struct mg_dates *dates);

/* A member of the object that is open. */
struct mg_member {
    uint32_t hash;
    uint32_t name_len;
    size_t at; /* of its type byte in the output */
};

/* Keeps its memory from one entity to the next. */
struct mg_converter {
    const struct mg_dates *dates;
    struct mg_member *members;
    size_t member_count, member_capacity;
    struct mg_member *sorted;
    size_t sorted_capacity;
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
