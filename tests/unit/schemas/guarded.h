/* Text that ends where readable memory ends: a read of one byte more is a crash. */
#ifndef UPSINK_TEST_GUARDED_H
#define UPSINK_TEST_GUARDED_H

#include "slice.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define GUARDED_MAX (1U << 20)

static inline struct upsink_slice guarded(struct upsink_slice text)
{
    static char *fence;
    char *copy;
    if (!fence) {
        char *memory =
            mmap(NULL, GUARDED_MAX + 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED || mprotect(memory + GUARDED_MAX, 65536, PROT_NONE) != 0)
            abort();
        fence = memory + GUARDED_MAX;
    }
    if (text.len > GUARDED_MAX)
        abort();
    copy = fence - text.len;
    if (text.len)
        memcpy(copy, text.data, text.len);
    return (struct upsink_slice){copy, text.len};
}

#endif
