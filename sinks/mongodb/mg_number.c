#include "mg_number.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum {
    DOUBLE_DIGITS = 15,
    DECIMAL_DIGITS = 34,
    DECIMAL_MIN = -6176, /* exponents of the last digit */
    DECIMAL_MAX = 6111,
    EXACT_POWER = 22, /* of ten, that a double holds exactly */
    DOUBLE_MIN = -290,
    DOUBLE_MAX = 290, /* powers of ten well within the range of normal doubles */
    EXPONENT_MAX = 1000000
};

/* The number is `digits` times ten to `exponent`; digits begin and end with another one than 0. */
struct parts {
    char digits[DECIMAL_DIGITS];
    size_t count; /* 0: the number is zero */
    int64_t exponent;
    bool negative, plain, too_long;
};

/* Zeros are counted, and put down only when another digit follows. */
struct collector {
    struct parts *parts;
    int64_t zeros;
};

static void take_digit(struct collector *collector, char digit)
{
    struct parts *parts = collector->parts;
    if (digit == '0') {
        collector->zeros += parts->count > 0;
        return;
    }
    if (parts->too_long || collector->zeros + 1 > (int64_t)(DECIMAL_DIGITS - parts->count)) {
        parts->too_long = true;
        return;
    }
    for (; collector->zeros; collector->zeros--)
        parts->digits[parts->count++] = '0';
    parts->digits[parts->count++] = digit;
}

static int64_t read_exponent(const char *p, const char *end)
{
    int64_t value = 0;
    bool negative = p < end && *p == '-';
    p += p < end && (*p == '-' || *p == '+');
    for (; p < end && isdigit((unsigned char)*p); p++)
        if (value < EXPONENT_MAX)
            value = value * 10 + (*p - '0');
    return negative ? -value : value;
}

static void take_apart(struct upsink_slice text, struct parts *parts)
{
    const char *p = text.data, *end = text.data + text.len;
    struct collector collector = {.parts = parts};
    bool fraction = false;
    int64_t scale = 0;
    *parts = (struct parts){.plain = true};
    if (p < end && *p == '-') {
        parts->negative = true;
        p++;
    }
    for (; p < end && (isdigit((unsigned char)*p) || *p == '.'); p++) {
        if (*p == '.') {
            fraction = true;
            continue;
        }
        scale += fraction;
        take_digit(&collector, *p);
    }
    parts->plain = p == end && !fraction;
    parts->exponent = collector.zeros - scale;
    if (p < end)
        parts->exponent += read_exponent(p + 1, end);
}

/* At most 19 digits and no exponent. */
static bool read_integer(struct upsink_slice text, bool negative, int64_t *value)
{
    const char *p = text.data + negative, *end = text.data + text.len;
    uint64_t sum = 0, most = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX;
    for (; p < end; p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        if (sum > (most - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *value = negative ? (int64_t)(0 - sum) : (int64_t)sum;
    return true;
}

/* Whole numbers below 2^53 and powers of ten up to 10^22 are doubles exactly, so that one operation rounds
 * once, correctly; for anything further off strtod does. Without a decimal point no locale matters. */
static double make_double(const struct parts *parts)
{
    static const double powers[EXACT_POWER + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    char text[DOUBLE_DIGITS + 32];
    int64_t digits = 0;
    double value;
    for (size_t i = 0; i < parts->count; i++)
        digits = digits * 10 + (parts->digits[i] - '0');
    if (parts->exponent >= 0 && parts->exponent <= EXACT_POWER) {
        value = (double)digits * powers[parts->exponent];
    } else if (parts->exponent < 0 && parts->exponent >= -EXACT_POWER) {
        value = (double)digits / powers[-parts->exponent];
    } else {
        snprintf(text, sizeof text, "%" PRId64 "e%" PRId64, digits, parts->exponent);
        value = strtod(text, NULL);
    }
    return parts->negative ? -value : value;
}

static bool fits_double(const struct parts *parts)
{
    if (!parts->count)
        return true;
    int64_t magnitude = parts->exponent + (int64_t)parts->count;
    return parts->count <= DOUBLE_DIGITS && magnitude > DOUBLE_MIN && magnitude < DOUBLE_MAX;
}

static bool make_decimal(const struct parts *parts, bson_decimal128_t *value)
{
    char text[DECIMAL_DIGITS + 32];
    size_t count = parts->count;
    int64_t exponent = parts->exponent;
    /* 1e6112 is 10e6111. */
    memcpy(text + 1, parts->digits, count);
    for (; exponent > DECIMAL_MAX && count < DECIMAL_DIGITS; exponent--)
        text[1 + count++] = '0';
    if (exponent < DECIMAL_MIN || exponent > DECIMAL_MAX)
        return false;
    text[0] = parts->negative ? '-' : '+';
    snprintf(text + 1 + count, sizeof text - 1 - count, "E%" PRId64, exponent);
    return bson_decimal128_from_string(text, value);
}

bool mg_number_read(struct upsink_slice text, struct mg_number *number)
{
    struct parts parts;
    take_apart(text, &parts);
    if (parts.plain && (parts.count || !parts.negative) &&
        read_integer(text, parts.negative, &number->integer)) {
        number->type = MG_INT64;
        return true;
    }
    if (parts.too_long)
        return false;
    if (!parts.count || (!parts.plain && fits_double(&parts))) {
        number->type = MG_DOUBLE;
        number->real = make_double(&parts);
        return true;
    }
    number->type = MG_DECIMAL;
    return make_decimal(&parts, &number->decimal);
}

void mg_double_write(struct buf *out, double value)
{
    char text[40];
    if (!isfinite(value)) {
        buf_append_text(out, "null");
        return;
    }
    for (int digits = DOUBLE_DIGITS; digits <= DOUBLE_DIGITS + 2; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (!(strtod(text, NULL) < value) && !(strtod(text, NULL) > value))
            break;
    }
    buf_append_text(out, text);
}

void mg_decimal_write(struct buf *out, const bson_decimal128_t *value)
{
    char text[BSON_DECIMAL128_STRING];
    bson_decimal128_to_string(value, text);
    bool number = isdigit((unsigned char)text[0]) || (text[0] == '-' && isdigit((unsigned char)text[1]));
    buf_append_text(out, number ? text : "null");
}
