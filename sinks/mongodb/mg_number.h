/* JSON numbers (RFC 8259 section 6) as BSON numbers that lose no digit. Pure.
 *
 * An integer without point and exponent is an int64, however small, so that a field keeps its type; -0 is a
 * double. Anything else with at most 15 significant digits, in the range of a double, is a double: that many
 * digits come back from it as they went in (C17 5.2.4.2.2, DBL_DIG). What is left, of up to 34 significant
 * digits and exponents from -6176 to 6111, is a Decimal128 (IEEE 754-2008). */
#ifndef UPSINK_MG_NUMBER_H
#define UPSINK_MG_NUMBER_H

#include "mg_bson.h"

struct mg_number {
    enum mg_type type; /* MG_INT64, MG_DOUBLE, MG_DECIMAL */
    int64_t integer;
    double real;
    bson_decimal128_t decimal;
};

/* False where no BSON number holds all of its digits. The text has to be a JSON number. */
UPSINK_NODISCARD bool mg_number_read(struct upsink_slice text, struct mg_number *number);

/* Appends the value as a JSON number. A double comes with the fewest digits that give it back; what JSON has
 * no number for (infinity, not a number) is null. */
void mg_double_write(struct buf *out, double value);
void mg_decimal_write(struct buf *out, const bson_decimal128_t *value);

#endif
