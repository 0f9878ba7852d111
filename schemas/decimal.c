#include "decimal.h"

#define EXPONENT_MAX INT64_C(1000000000000000)

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') <= 9;
}

/* The digits from *p on, counted as standing from `place` (of ten) downwards; moves behind them. */
static void take_digits(const char **p, const char *end, int64_t place, struct decimal *number)
{
    for (; *p < end && is_digit(**p); ++*p, place--) {
        if (**p == '0')
            continue;
        number->first = number->first ? number->first : *p;
        number->last = *p;
        number->exponent = place;
    }
}

static bool take_exponent(const char *p, const char *end, int64_t *exponent)
{
    bool negative = p < end && *p == '-';
    int64_t value = 0;
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    if (p == end)
        return false;
    for (; p < end; p++) {
        if (!is_digit(*p))
            return false;
        value = value * 10 + (*p - '0');
        value = value > EXPONENT_MAX ? EXPONENT_MAX : value;
    }
    *exponent = negative ? -value : value;
    return true;
}

bool decimal_parse(struct upsink_slice text, struct decimal *number)
{
    const char *p = text.data, *end = text.data ? p + text.len : p, *digits;
    int64_t exponent = 0;
    *number = (struct decimal){.negative = p < end && *p == '-'};
    p += number->negative;
    digits = p;
    while (p < end && is_digit(*p))
        p++;
    if (p == digits || (*digits == '0' && p - digits > 1))
        return false;
    take_digits(&digits, p, p - digits - 1, number);
    if (p < end && *p == '.') {
        digits = ++p;
        take_digits(&p, end, -1, number);
        if (p == digits)
            return false;
    }
    if (p < end && ((*p | 0x20) != 'e' || !take_exponent(p + 1, end, &exponent)))
        return false;
    number->exponent += number->first ? exponent : 0;
    return true;
}

bool decimal_equal(const struct decimal *a, const struct decimal *b)
{
    const char *p = a->first, *q = b->first;
    if (!p || !q)
        return !p && !q;
    if (a->negative != b->negative || a->exponent != b->exponent)
        return false;
    for (;;) {
        if (*p != *q)
            return false;
        if (p == a->last || q == b->last)
            return p == a->last && q == b->last;
        p += p[1] == '.' ? 2 : 1;
        q += q[1] == '.' ? 2 : 1;
    }
}

/* Adds a digit to a number that grows away from zero, so that the least int64 has its turn as well. */
static bool push_digit(int64_t *value, int digit, bool negative)
{
    return !__builtin_mul_overflow(*value, 10, value) &&
           !__builtin_add_overflow(*value, negative ? -digit : digit, value);
}

bool decimal_to_int64(const struct decimal *number, int64_t *value)
{
    int64_t result = 0;
    if (number->first && (number->exponent < 0 || number->exponent > 18))
        return false;
    for (const char *p = number->first; p && p <= number->last; p++) {
        if (*p != '.' && !push_digit(&result, *p - '0', number->negative))
            return false;
    }
    for (int64_t i = 0; number->first && i < number->exponent; i++) {
        if (!push_digit(&result, 0, number->negative))
            return false;
    }
    *value = result;
    return true;
}
