#include "config_values.h"

#include <string.h>
#include <strings.h>

struct unit {
    const char *name;
    int64_t factor;
};

/* Digits, perhaps with a fraction: mantissa / scale. *rest is what follows. */
static bool parse_decimal(const char *text, int64_t *mantissa, int64_t *scale, const char **rest)
{
    const char *at = text;
    *mantissa = 0;
    *scale = 1;
    bool fraction = false, digit = false;
    for (;; at++) {
        if (*at == '.' && digit && !fraction) {
            fraction = true;
            digit = false; /* one has to follow */
            continue;
        }
        if (*at < '0' || *at > '9')
            break;
        digit = true;
        if (__builtin_mul_overflow(*mantissa, 10, mantissa) ||
            __builtin_add_overflow(*mantissa, *at - '0', mantissa) ||
            (fraction && __builtin_mul_overflow(*scale, 10, scale)))
            return false;
    }
    *rest = at;
    return digit;
}

bool config_parse_integer(const char *text, int64_t *value)
{
    bool negative = *text == '-';
    const char *at = text + negative;
    if (!*at)
        return false;
    *value = 0;
    for (; *at; at++) {
        int digit = *at - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, negative ? -digit : digit, value))
            return false;
    }
    return true;
}

/* mantissa / scale * factor, where that is a whole number. */
static bool parse_with_unit(const char *text, const struct unit *units, int64_t *value)
{
    int64_t mantissa, scale, product;
    const char *rest;
    if (!parse_decimal(text, &mantissa, &scale, &rest))
        return false;
    for (; units->name; units++) {
        if (strcasecmp(rest, units->name) == 0) {
            if (__builtin_mul_overflow(mantissa, units->factor, &product) || product % scale != 0)
                return false;
            *value = product / scale;
            return true;
        }
    }
    return false;
}

bool config_parse_duration(const char *text, int64_t *us)
{
    static const struct unit units[] = {
        {"us", 1},           {"ms", 1000},         {"s", 1000000}, {"m", 60000000},
        {"h", 3600000000LL}, {"d", 86400000000LL}, {NULL, 0},
    };
    if (strcmp(text, "0") == 0) {
        *us = 0;
        return true;
    }
    return parse_with_unit(text, units, us);
}

bool config_parse_size(const char *text, int64_t *bytes)
{
    static const struct unit units[] = {
        {"", 1},          {"B", 1},         {"kB", 1000},     {"MB", 1000000}, {"GB", 1000000000},
        {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {NULL, 0},
    };
    return parse_with_unit(text, units, bytes);
}

bool config_parse_share(const char *text, double *share)
{
    int64_t mantissa, scale;
    const char *rest;
    if (!parse_decimal(text, &mantissa, &scale, &rest) || strcmp(rest, "%") != 0)
        return false;
    *share = (double)mantissa / (double)scale / 100;
    return *share <= 1;
}
