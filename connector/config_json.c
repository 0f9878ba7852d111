#include "config_node.h"

#include "buf.h"
#include "schemas/json_canonical.h"
#include "schemas/json_text.h"

#include <inttypes.h>

#define DIGITS "0123456789"

static bool is_word(const char *text, const char *lower, const char *capitalized, const char *upper)
{
    return strcmp(text, lower) == 0 || strcmp(text, capitalized) == 0 || strcmp(text, upper) == 0;
}

bool config_is_null_word(const char *text)
{
    return !*text || strcmp(text, "~") == 0 || is_word(text, "null", "Null", "NULL");
}

/* Of 0o17 and 0x1F, which JSON has not. */
static bool put_other_base(struct config_loader *loader, const struct config_node *node, struct buf *out,
                           bool *is_number)
{
    const char *text = node->text, *digits = text + 2;
    int base = strncmp(text, "0x", 2) == 0 ? 16 : strncmp(text, "0o", 2) == 0 ? 8 : 0;
    uint64_t value = 0;
    *is_number =
        base && *digits && strspn(digits, base == 8 ? "01234567" : DIGITS "abcdefABCDEF") == strlen(digits);
    for (; *is_number && *digits; digits++) {
        uint64_t digit = *digits <= '9' ? (uint64_t)(*digits - '0') : (uint64_t)((*digits | 0x20) - 'a' + 10);
        if (__builtin_mul_overflow(value, (uint64_t)base, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return config_fail(loader, node,
                               "the number is larger than 64 bits can hold; put a text in quotes");
    }
    if (*is_number)
        buf_printf(out, "%" PRIu64, value);
    return true;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?, integers among them. Digits stay as
 * they are, but for what JSON does not allow: +1, 007, .5 and 1. */
static bool put_decimal(const char *text, struct buf *out)
{
    bool negative = *text == '-';
    const char *whole = text + (*text == '-' || *text == '+');
    size_t whole_len = strspn(whole, DIGITS);
    const char *fraction = whole + whole_len + (whole[whole_len] == '.');
    size_t fraction_len = whole[whole_len] == '.' ? strspn(fraction, DIGITS) : 0;
    const char *exponent = fraction + fraction_len;
    if (!whole_len && !fraction_len)
        return false;
    if (*exponent) {
        const char *digits = exponent + 1 + (exponent[1] == '-' || exponent[1] == '+');
        if ((*exponent != 'e' && *exponent != 'E') || !*digits || strspn(digits, DIGITS) != strlen(digits))
            return false;
    }
    for (; whole_len > 1 && *whole == '0'; whole_len--)
        whole++;
    buf_append_text(out, negative ? "-" : "");
    buf_append(out, whole_len ? whole : "0", whole_len ? whole_len : 1);
    buf_append_text(out, fraction_len ? "." : "");
    buf_append(out, fraction, fraction_len);
    buf_append_text(out, exponent);
    return true;
}

static bool is_no_json_number(const char *text)
{
    const char *unsigned_text = text + (*text == '-' || *text == '+');
    return is_word(unsigned_text, ".inf", ".Inf", ".INF") || is_word(text, ".nan", ".NaN", ".NAN");
}

/* The core schema of YAML 1.2, section 10.3.2: what stands in quotes is text, the rest is what it looks like.
 */
static bool put_scalar(struct config_loader *loader, const struct config_node *node, struct buf *out)
{
    const char *text = node->text;
    bool is_number = false;
    if (node->kind == CONFIG_NULL || (!node->quoted && config_is_null_word(text))) {
        buf_append_text(out, "null");
        return true;
    }
    if (!node->quoted) {
        bool is_true = is_word(text, "true", "True", "TRUE");
        if (is_true || is_word(text, "false", "False", "FALSE")) {
            buf_append_text(out, is_true ? "true" : "false");
            return true;
        }
        if (is_no_json_number(text))
            return config_fail(loader, node, "JSON has no such number; put a text in quotes");
        if (!put_other_base(loader, node, out, &is_number))
            return false;
        if (is_number || put_decimal(text, out))
            return true;
    }
    return json_text_append(out, upsink_slice_of(text)) ||
           config_fail(loader, node, "the value is not UTF-8 text");
}

static bool put_node(struct config_loader *loader, const struct config_node *node, struct buf *out)
{
    bool is_map = node->kind == CONFIG_MAP;
    if (!is_map && node->kind != CONFIG_LIST)
        return put_scalar(loader, node, out);
    buf_append_byte(out, is_map ? '{' : '[');
    for (const struct config_node *child = node->first; child; child = child->next) {
        if (child != node->first)
            buf_append_byte(out, ',');
        if (is_map && !json_text_append(out, upsink_slice_of(child->name)))
            return config_fail(loader, child, "the key is not UTF-8 text");
        if (is_map)
            buf_append_byte(out, ':');
        if (!put_node(loader, child, out))
            return false;
    }
    buf_append_byte(out, is_map ? '}' : ']');
    return true;
}

const char *config_json(struct config_loader *loader, const struct config_node *node)
{
    struct buf text, sorted;
    struct json_canonical *canonical = json_canonical_create();
    const char *json = NULL;
    buf_init(&text);
    buf_init(&sorted);
    if (!put_node(loader, node, &text))
        goto cleanup;
    if (!canonical || text.failed)
        upsink_fail(loader->err, UPSINK_ERR_FATAL, "out_of_memory",
                    "out of memory while reading the configuration");
    else if (json_canonical_append(canonical, buf_view(&text), NULL, &sorted, loader->err))
        json = config_text(loader, sorted.data, sorted.len);
cleanup:
    json_canonical_destroy(canonical);
    buf_destroy(&sorted);
    buf_destroy(&text);
    return json;
}
