#include "utf8.h"

size_t utf8_decode(const char *bytes, size_t len, uint32_t *code_point)
{
    if (len == 0)
        return 0;
    const unsigned char *b = (const unsigned char *)bytes;
    if (b[0] < 0x80) {
        *code_point = b[0];
        return 1;
    }
    size_t size = b[0] >= 0xF0 ? 4 : b[0] >= 0xE0 ? 3 : 2;
    if (b[0] < 0xC2 || b[0] > 0xF4 || len < size)
        return 0;
    uint32_t code = b[0] & (0xFFu >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        if ((b[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (b[i] & 0x3Fu);
    }
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < smallest[size] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        return 0;
    *code_point = code;
    return size;
}

bool utf8_is_valid(const char *bytes, size_t len)
{
    uint32_t code;
    for (size_t at = 0; at < len;) {
        size_t size = utf8_decode(bytes + at, len - at, &code);
        if (size == 0)
            return false;
        at += size;
    }
    return true;
}
