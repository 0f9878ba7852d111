#include "nearest.h"

#include <ctype.h>
#include <string.h>

enum { LONGEST = 63 };

static int plain(char c)
{
    return c == '-' ? '_' : tolower((unsigned char)c);
}

/* Edits (insert, remove, replace, swap of neighbours) from a to b: optimal string alignment distance. */
static size_t count_edits(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][LONGEST + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b_len; j++)
        above[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t best = above[j - 1] + (plain(a[i - 1]) != plain(b[j - 1]));
            best = above[j] + 1 < best ? above[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            if (i > 1 && j > 1 && plain(a[i - 1]) == plain(b[j - 2]) && plain(a[i - 2]) == plain(b[j - 1]) &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[b_len];
}

const char *nearest_name(const char *typed, const char *const *names, size_t count)
{
    size_t len = strlen(typed), best = len / 3 + 2;
    const char *nearest = NULL;
    if (!len || len > LONGEST)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t name_len = strlen(names[i]);
        size_t edits = name_len && name_len <= LONGEST ? count_edits(typed, len, names[i], name_len) : best;
        if (edits < best && edits < name_len) {
            best = edits;
            nearest = names[i];
        }
    }
    return nearest;
}
