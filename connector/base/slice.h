/* A borrowed run of bytes.
 *
 * A slice owns nothing: whoever hands it out says how long the bytes live. The bytes are not
 * NUL-terminated and may contain NUL. data == NULL means "absent", which is not the same as an
 * empty text (data != NULL, len == 0). */
#ifndef UPSINK_SLICE_H
#define UPSINK_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct upsink_slice {
    const char *data;
    size_t len;
};

#ifdef __cplusplus
#define UPSINK_SLICE_ABSENT (upsink_slice{NULL, 0})
#define UPSINK_SLICE_LIT(s) (upsink_slice{(s), sizeof(s) - 1})
#else
#define UPSINK_SLICE_ABSENT ((struct upsink_slice){NULL, 0})
#define UPSINK_SLICE_LIT(s) ((struct upsink_slice){(s), sizeof(s) - 1})
#endif

static inline struct upsink_slice upsink_slice_of(const char *text)
{
    struct upsink_slice slice = {text, text ? strlen(text) : 0};
    return slice;
}

/* Two absent slices are equal; an absent one never equals an empty one. */
static inline bool upsink_slice_equal(struct upsink_slice a, struct upsink_slice b)
{
    if (!a.data || !b.data)
        return !a.data && !b.data;
    return a.len == b.len && (a.data == b.data || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool upsink_slice_is(struct upsink_slice a, const char *text)
{
    return a.data && a.len == strlen(text) && memcmp(a.data, text, a.len) == 0;
}

#endif
