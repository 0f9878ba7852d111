/* JSON numbers (RFC 8259 section 6) compared and converted by their digits, never through a double. Pure. */
#ifndef UPSINK_DECIMAL_H
#define UPSINK_DECIMAL_H

#include "error.h"
#include "slice.h"

#include <stdint.h>

/* Borrows the text that it was read from. 1, 1.0, 10e-1 are one and the same. */
struct decimal {
    const char *first, *last; /* digits that aren't zero, a point perhaps between them; NULL: zero */
    int64_t exponent;         /* of ten, at the last digit */
    bool negative;
};

/* False where the text is not a number as JSON writes it. Exponents beyond 10^15 count as 10^15. */
UPSINK_NODISCARD bool decimal_parse(struct upsink_slice text, struct decimal *number);

bool decimal_equal(const struct decimal *a, const struct decimal *b);

/* False where the number has a fraction or does not fit; 1.0 and 1e3 are integers. */
UPSINK_NODISCARD bool decimal_to_int64(const struct decimal *number, int64_t *value);

#endif
