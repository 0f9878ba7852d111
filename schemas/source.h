/* Reads what a view's sources (pointers and headers) name in one record. */
#ifndef UPSINK_SOURCE_H
#define UPSINK_SOURCE_H

#include "mapping_inside.h"

/* A value that was found: JSON, or the text of a header. */
struct found {
    const struct json_value *json; /* NULL where it is a header's text, or absent */
    struct upsink_slice header;
};

enum source_state { SOURCE_FOUND, SOURCE_MISSING, SOURCE_UNUSABLE };

/* The value of the last header of that name; absent where there is none. */
struct upsink_slice source_header(const struct record *record, const char *name);

struct found source_find(const struct decoding *d, const struct source *source);

/* The text of a scalar: borrowed, or in the arena where it has escapes. Missing also where JSON says null;
 * unusable, and the record rejected (invalid_field), where it is no text that can be stored. */
enum source_state source_text(struct decoding *d, const struct source *source, struct upsink_slice *text);

#define SOURCES_MAX 16

/* The text of one source (the same as above), or of two to SOURCES_MAX as ["a","b"]: the same for the same
 * texts, however they were escaped. Missing where one of them is (*which); unusable as above. */
enum source_state source_texts(struct decoding *d, const struct source *sources, size_t count,
                               struct upsink_slice *text, const struct source **which);

#endif
