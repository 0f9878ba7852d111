#include "event_version.h"

#include "decimal.h"
#include "rfc3339.h"

static bool parse_integer(struct upsink_slice text, int64_t *version)
{
    bool negative = text.len > 0 && text.data[0] == '-';
    int64_t value = 0;
    if (text.len == negative)
        return false;
    for (size_t i = negative; i < text.len; i++) {
        int digit = text.data[i] - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, negative ? -digit : digit, &value))
            return false;
    }
    *version = value;
    return true;
}

bool event_version_of_number(struct upsink_slice raw, int64_t *version)
{
    struct decimal number;
    if (parse_integer(raw, version))
        return true;
    return decimal_parse(raw, &number) && decimal_to_int64(&number, version);
}

bool event_version_of_text(struct upsink_slice text, int64_t *version)
{
    /* The fifth character of a time is a hyphen, of an integer never. */
    if (text.len > 4 && text.data[4] == '-')
        return rfc3339_parse(text, version);
    return parse_integer(text, version);
}
