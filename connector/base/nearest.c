#include "nearest.h"

#include <stdint.h>
#include <stdio.h>

static unsigned char fold(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned char)(c - 'A' + 'a');
    return (unsigned char)(c == '-' || c == '.' ? '_' : c);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment; both texts are shorter than NEAREST_NAME_SIZE. */
static size_t measure(struct upsink_slice a, struct upsink_slice b)
{
    size_t rows[3][NEAREST_NAME_SIZE];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= b.len; j++)
        last[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            unsigned char x = fold(a.data[i - 1]), y = fold(b.data[j - 1]);
            now[j] = least(least(last[j], now[j - 1]) + 1, last[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == fold(b.data[j - 2]) && y == fold(a.data[i - 2]))
                now[j] = least(now[j], before[j - 2] + 1);
        }
        size_t *free_row = before;
        before = last;
        last = now;
        now = free_row;
    }
    return last[b.len];
}

void nearest_init(struct nearest *nearest, const char *wanted)
{
    nearest->wanted = wanted;
    nearest->distance = SIZE_MAX;
    nearest->best[0] = '\0';
}

bool nearest_offer_slice(struct nearest *nearest, struct upsink_slice name)
{
    struct upsink_slice wanted = upsink_slice_of(nearest->wanted);
    if (wanted.len >= NEAREST_NAME_SIZE || name.len >= NEAREST_NAME_SIZE)
        return false;
    size_t distance = measure(wanted, name);
    size_t shorter = least(wanted.len, name.len), longer = wanted.len + name.len - shorter;
    /* A third of the letters may be wrong; who wrote only the start of a name meant that name. */
    bool near = distance <= (longer + 1) / 3;
    if (!near && shorter >= 3)
        near = measure((struct upsink_slice){wanted.data, shorter},
                       (struct upsink_slice){name.data, shorter}) == 0;
    if (!near || distance >= nearest->distance)
        return false;
    nearest->distance = distance;
    memcpy(nearest->best, name.data, name.len);
    nearest->best[name.len] = '\0';
    return true;
}

bool nearest_offer(struct nearest *nearest, const char *name)
{
    return nearest_offer_slice(nearest, upsink_slice_of(name));
}

const char *nearest_hint(struct nearest *nearest)
{
    nearest->hint[0] = '\0';
    if (nearest->distance != SIZE_MAX)
        snprintf(nearest->hint, sizeof nearest->hint, "; did you mean \"%s\"?", nearest->best);
    return nearest->hint;
}

bool words_next(const char **rest, struct upsink_slice *word)
{
    if (!*rest)
        return false;
    size_t len = strcspn(*rest, "|");
    *word = (struct upsink_slice){*rest, len};
    *rest = (*rest)[len] ? *rest + len + 1 : NULL;
    return true;
}

bool words_contain(const char *words, const char *text, unsigned *index)
{
    struct upsink_slice word;
    for (unsigned i = 0; words_next(&words, &word); i++) {
        if (upsink_slice_is(word, text)) {
            if (index)
                *index = i;
            return true;
        }
    }
    return false;
}
