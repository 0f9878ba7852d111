/* What a terminal can do, and a line on it that is drawn again and again. */
#ifndef UPSINK_TERMINAL_H
#define UPSINK_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Escapes around text that stands out; "" where out is no terminal or NO_COLOR is set (https://no-color.org).
 */
struct style {
    const char *bold, *good, *bad, *dim, *off;
};
struct style terminal_style(FILE *out);

/* Progress of long work on standard error: a bar on a terminal, otherwise a line a second where it
 * has changed. */
struct progress {
    bool drawn, bar;
    int64_t next_at_us;
    char last[160];
};

void progress_init(struct progress *progress);

/* `text` stands behind the bar. Draws at most ten times a second. */
void progress_show(struct progress *progress, uint64_t done, uint64_t all, const char *text);

/* Takes the bar away. */
void progress_end(struct progress *progress);

#endif
