/* A growing run of bytes that remembers its first error, so that a long series of appends is
 * checked once, at its end. Owned by one thread at a time; always NUL-terminated once non-empty. */
#ifndef UPSINK_BUF_H
#define UPSINK_BUF_H

#include "error.h"
#include "slice.h"

#include <stdint.h>

struct buf {
    char *data;
    size_t len;
    size_t capacity;
    bool failed; /* out of memory: everything appended after that was dropped */
};

void buf_init(struct buf *buf);
void buf_clear(struct buf *buf); /* empty, memory kept, error forgotten */
void buf_destroy(struct buf *buf);

/* At least `more` further bytes can be appended without growing; false when out of memory. */
bool buf_reserve(struct buf *buf, size_t more);
void buf_append(struct buf *buf, const void *bytes, size_t len);
void buf_append_byte(struct buf *buf, char byte);
void buf_append_text(struct buf *buf, const char *text);
void buf_append_slice(struct buf *buf, struct upsink_slice slice);
UPSINK_PRINTF(2, 3) void buf_printf(struct buf *buf, const char *format, ...);

static inline struct upsink_slice buf_view(const struct buf *buf)
{
    return (struct upsink_slice){buf->data ? buf->data : "", buf->len};
}

#endif
