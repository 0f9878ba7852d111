/* "Did you mean …?": of the names that there are, the one that a mistyped name is nearest to.
 *
 *     struct nearest nearest;
 *     nearest_init(&nearest, "max_record");
 *     nearest_offer(&nearest, "max_records"); ...
 *     printf("unknown key%s", nearest_hint(&nearest));    // unknown key; did you mean "max_records"?
 *
 * Distance counts insertions, deletions, replacements and swaps of neighbours; letter case, and the
 * difference between - _ and ., cost nothing. Owned by one thread at a time. */
#ifndef UPSINK_NEAREST_H
#define UPSINK_NEAREST_H

#include "slice.h"

#define NEAREST_NAME_SIZE 96

struct nearest {
    const char *wanted; /* borrowed */
    char best[NEAREST_NAME_SIZE];
    size_t distance; /* SIZE_MAX: nothing near enough was offered */
    char hint[NEAREST_NAME_SIZE + 24];
};

void nearest_init(struct nearest *nearest, const char *wanted);

/* True where this name is the nearest so far. Longer names than fit are never near. */
bool nearest_offer(struct nearest *nearest, const char *name);
bool nearest_offer_slice(struct nearest *nearest, struct upsink_slice name);

/* `; did you mean "NAME"?`, or "" where nothing is near. Lives in the struct. */
const char *nearest_hint(struct nearest *nearest);

/* Takes the next word off "a|b|c"; false at the end. *rest may be NULL. */
bool words_next(const char **rest, struct upsink_slice *word);

/* Whether the text is one of the words, and the how manieth; index may be NULL. */
bool words_contain(const char *words, const char *text, unsigned *index);

#endif
