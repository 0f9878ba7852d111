/* JSON text laid out anew, every token as it was: numbers keep their digits, strings their escapes. Pure. */
#ifndef UPSINK_JSON_LAYOUT_H
#define UPSINK_JSON_LAYOUT_H

#include "buf.h"

/* On one line where indent is 0; otherwise one value a line, `indent` spaces deeper at each level, every line
 * but the first behind `margin` spaces. Laid out over lines it is for people: control characters are escaped.
 * The text must be valid JSON (json_scan). */
void json_layout(struct upsink_slice text, int indent, int margin, struct buf *out);

#endif
