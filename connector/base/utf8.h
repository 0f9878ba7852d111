/* UTF-8 (RFC 3629): well-formed sequences only, no surrogates, nothing above U+10FFFF. */
#ifndef UPSINK_UTF8_H
#define UPSINK_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The length of the sequence at the start of the bytes, 1 to 4, and its code point; 0 where it is malformed
 * or len is 0. */
size_t utf8_decode(const char *bytes, size_t len, uint32_t *code_point);

bool utf8_is_valid(const char *bytes, size_t len);

#endif
