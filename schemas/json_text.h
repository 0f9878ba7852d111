/* Between the JSON string as the producer wrote it and the text it stands for.
 *
 * A `raw` here is always a string that json_scan accepted (a value's or a member's name), with its
 * quotes; anything else is a programming error, and is caught by assertions. Text is UTF-8 and may
 * contain NUL. */
#ifndef UPSINK_JSON_TEXT_H
#define UPSINK_JSON_TEXT_H

#include "arena.h"
#include "buf.h"

/* The text of a string: borrowed from it where it has no escapes, otherwise in the arena.
 * Errors: out_of_memory (FATAL). */
UPSINK_NODISCARD bool json_text_decode(struct upsink_slice raw, struct arena *arena,
                                       struct upsink_slice *text, struct upsink_error *err);

/* Writes the text of a string to `out`, which has room for raw.len - 2 bytes; returns its length. */
size_t json_text_unescape(struct upsink_slice raw, char *out);

/* Whether a string stands for `text`. */
bool json_text_equals(struct upsink_slice raw, struct upsink_slice text);

/* Orders two strings by the bytes of their texts, which is the order of their code points.
 * Less than, equal to, or greater than 0, like memcmp. */
int json_text_compare(struct upsink_slice a, struct upsink_slice b);

/* Appends `text` as a JSON string with as few escapes as can be: \" \\ \b \f \n \r \t and \u00xx
 * for the other control characters (RFC 8785 section 3.2.2.2). False, with nothing appended, where
 * the text is not UTF-8. Out of memory shows in out->failed. */
UPSINK_NODISCARD bool json_text_append(struct buf *out, struct upsink_slice text);

/* Writes a string once more, quotes included, with as few escapes as can be. `out` has room for
 * raw.len bytes: it never gets longer. Returns its length. */
size_t json_text_minimize(struct upsink_slice raw, char *out);

#endif
