/* Base64 (RFC 4648 section 4): the standard alphabet, with padding. Pure. */
#ifndef UPSINK_BASE64_H
#define UPSINK_BASE64_H

#include "error.h"
#include "slice.h"

#define BASE64_ENCODED_SIZE(len) (((len) / 3 + ((len) % 3 != 0)) * 4)

/* Writes BASE64_ENCODED_SIZE(bytes.len) characters, without a NUL behind them. */
void base64_encode(struct upsink_slice bytes, char *out);

/* `out` has room for text.len / 4 * 3 bytes. False where the text is anything but base64: no white space,
 * no other alphabet, no missing padding, no bits that are dropped. */
UPSINK_NODISCARD bool base64_decode(struct upsink_slice text, char *out, size_t *len);

#endif
