#include "text_check.h"

#include "utf8.h"

#include <stdint.h>

#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* Whether eight bytes have a NUL or one beyond ASCII among them. */
static bool is_special(uint64_t word)
{
    return ((word - ONES) | word) & HIGHS;
}

enum text_fault text_check(struct upsink_slice bytes, size_t *position)
{
    size_t at = 0;
    while (at < bytes.len) {
        uint64_t word;
        uint32_t code = 0;
        size_t size;
        if (bytes.len - at >= sizeof word) {
            memcpy(&word, bytes.data + at, sizeof word);
            if (!is_special(word)) {
                at += sizeof word;
                continue;
            }
        }
        size = utf8_decode(bytes.data + at, bytes.len - at, &code);
        if (size == 0 || code == 0) {
            *position = at;
            return size == 0 ? TEXT_IS_NOT_UTF8 : TEXT_HAS_NUL;
        }
        at += size;
    }
    return TEXT_IS_FINE;
}
