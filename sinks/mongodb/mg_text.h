/* BSON values as JSON text, for read_row. Pure.
 *
 * Numbers come with their digits, dates as RFC 3339 in UTC; a type that JSON has no value for and that upsink
 * never wrote comes as the server's extended JSON has it. */
#ifndef UPSINK_MG_TEXT_H
#define UPSINK_MG_TEXT_H

#include "mg_bson.h"

/* False when out of memory, or where it is nested without end. */
UPSINK_NODISCARD bool mg_text_value(struct buf *out, const bson_iter_t *value);

/* The members of a document, without those whose names are in `without` (NULL-terminated), in braces. */
UPSINK_NODISCARD bool mg_text_members(struct buf *out, const bson_t *document, const char *const *without);

#endif
