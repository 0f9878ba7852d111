/* May these bytes be called text: well-formed UTF-8 without NUL? Pure. */
#ifndef UPSINK_TEXT_CHECK_H
#define UPSINK_TEXT_CHECK_H

#include "slice.h"

enum text_fault { TEXT_IS_FINE, TEXT_HAS_NUL, TEXT_IS_NOT_UTF8 };

/* *position: of the first byte at fault, from 0; untouched where all is fine. */
enum text_fault text_check(struct upsink_slice bytes, size_t *position);

#endif
