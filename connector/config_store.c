#include "config_read.h"

#include "buf.h"
#include "config_values.h"
#include "nearest.h"

static bool store_integer(const struct config_option *option, int64_t value, void *base)
{
    char *at = (char *)base + option->offset;
    if (option->size == sizeof(int64_t)) {
        memcpy(at, &value, sizeof value);
    } else if (option->size == sizeof(uint32_t)) {
        uint32_t narrow = (uint32_t)value;
        memcpy(at, &narrow, sizeof narrow);
    } else {
        bool flag = value != 0;
        memcpy(at, &flag, sizeof flag);
    }
    return true;
}

static bool store_pointer(const struct config_option *option, const void *value, void *base)
{
    memcpy((char *)base + option->offset, &value, sizeof value);
    return true;
}

/* "a, b or c" */
static void list_words(const char *words, char *text, size_t size)
{
    struct upsink_slice word;
    size_t len = 0;
    text[0] = '\0';
    while (words_next(&words, &word) && len < size) {
        int added = snprintf(text + len, size - len, "%s%.*s",
                             !len    ? ""
                             : words ? ", "
                                     : " or ",
                             (int)word.len, word.data);
        len += (size_t)added;
    }
}

static bool store_word(struct config_loader *loader, const struct config_option *option,
                       const struct config_node *node, void *base)
{
    unsigned index;
    char shown[CONFIG_SHOWN_SIZE], known[160];
    if (words_contain(option->words, node->text, &index))
        return store_integer(option, index, base);
    config_shown(node, option->secret, shown);
    if (words_contain(option->later, node->text, NULL))
        return config_fail(loader, node, "%s is not supported by this version", shown);
    struct nearest nearest;
    struct upsink_slice word;
    nearest_init(&nearest, node->text);
    for (const char *rest = option->words; words_next(&rest, &word);)
        nearest_offer_slice(&nearest, word);
    list_words(option->words, known, sizeof known);
    return config_fail(loader, node, "%s is not one of %s%s", shown, known, nearest_hint(&nearest));
}

/* A bound as a user would write it. */
static void format_bound(enum option_type type, int64_t value, char text[32])
{
    static const struct {
        int64_t factor;
        const char *unit;
    } durations[] = {{3600000000LL, "h"}, {60000000, "m"}, {1000000, "s"}, {1000, "ms"}, {1, "us"}},
      sizes[] = {{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}, {1, ""}};
    if (type == OPTION_INTEGER || value == 0) {
        snprintf(text, 32, "%lld", (long long)value);
        return;
    }
    size_t i = 0;
    if (type == OPTION_DURATION) {
        while (value % durations[i].factor)
            i++;
        snprintf(text, 32, "%lld%s", (long long)(value / durations[i].factor), durations[i].unit);
    } else {
        while (value % sizes[i].factor)
            i++;
        snprintf(text, 32, "%lld%s", (long long)(value / sizes[i].factor), sizes[i].unit);
    }
}

static bool store_number(struct config_loader *loader, const struct config_option *option,
                         const struct config_node *node, void *base)
{
    int64_t value = 0;
    bool ok;
    const char *kind, *example;
    char shown[CONFIG_SHOWN_SIZE], least[32], most[32];
    if (option->type == OPTION_DURATION) {
        ok = config_parse_duration(node->text, &value);
        kind = "a duration";
        example = "; write a number with a unit, as in 50ms, 2s, 5m, 1h or 30d";
    } else if (option->type == OPTION_SIZE) {
        ok = config_parse_size(node->text, &value);
        kind = "a size";
        example = "; write bytes, or a number with a unit, as in 1048576, 512KiB, 16MiB or 16MB";
    } else {
        ok = config_parse_integer(node->text, &value);
        kind = "a whole number";
        example = "";
    }
    config_shown(node, option->secret, shown);
    if (!ok)
        return config_fail(loader, node, "%s is not %s%s", shown, kind, example);
    if (value < option->least || value > option->most) {
        format_bound(option->type, option->least, least);
        format_bound(option->type, option->most, most);
        return config_fail(loader, node, "%s is out of range; it must be from %s to %s", shown, least, most);
    }
    return store_integer(option, value, base);
}

static bool store_share(struct config_loader *loader, const struct config_option *option,
                        const struct config_node *node, void *base)
{
    double share = -1;
    char shown[CONFIG_SHOWN_SIZE];
    if (strcmp(node->text, "off") != 0 && !config_parse_share(node->text, &share))
        return config_fail(loader, node, "%s is not a percentage; write 0%% to 100%%, as in 20%%, or off",
                           config_shown(node, option->secret, shown));
    memcpy((char *)base + option->offset, &share, sizeof share);
    return true;
}

static bool is_pointer(const char *text)
{
    if (*text != '/')
        return false;
    for (const char *tilde = text; (tilde = strchr(tilde, '~')); tilde++) {
        if (tilde[1] != '0' && tilde[1] != '1')
            return false;
    }
    return true;
}

/* What a path in another notation ($.a.b, a.b, a/b) would be as a pointer, as a hint. */
static void propose_pointer(const struct config_node *node, char hint[CONFIG_SHOWN_SIZE + 24])
{
    hint[0] = '\0';
    const char *text = node->text;
    if (*text == '$')
        text++;
    if (*text == '.')
        text++;
    char plain[CONFIG_SHOWN_SIZE];
    size_t len = strlen(text);
    if (node->hidden || !len || len >= sizeof plain ||
        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                     "0123456789_-./") != len)
        return;
    for (size_t i = 0; i <= len; i++)
        plain[i] = text[i] == '.' ? '/' : text[i];
    snprintf(hint, CONFIG_SHOWN_SIZE + 24, "; did you mean \"/%s\"?", plain[0] == '/' ? plain + 1 : plain);
}

/* The text of a pointer or source, or NULL with the error set. */
static const char *read_source(struct config_loader *loader, const struct config_node *node,
                               bool may_be_header)
{
    static const char header[] = "header:";
    char shown[CONFIG_SHOWN_SIZE], hint[CONFIG_SHOWN_SIZE + 24];
    config_shown(node, false, shown);
    bool is_header = strncmp(node->text, header, sizeof header - 1) == 0;
    if (is_pointer(node->text) || (may_be_header && is_header && node->text[sizeof header - 1]))
        return node->text;
    if (is_header && !may_be_header) {
        config_fail(loader, node,
                    "a header can't be named here, only a field of the value, as in /data/orderId");
    } else if (node->text[0] == '/') {
        config_fail(loader, node, "%s is not a JSON Pointer: behind a ~ stands 0 (for ~) or 1 (for /)",
                    shown);
    } else {
        propose_pointer(node, hint);
        config_fail(loader, node, "%s is not a JSON Pointer, which starts with /%s%s", shown,
                    may_be_header ? ", nor header:NAME" : "", hint);
    }
    return NULL;
}

static bool expect_scalar(struct config_loader *loader, const struct config_node *node)
{
    if (node->kind == CONFIG_NULL)
        return config_fail(loader, node, "there is no value here");
    if (node->kind != CONFIG_SCALAR)
        return config_fail(loader, node, "one value must stand here, not a %s",
                           node->kind == CONFIG_LIST ? "list" : "section");
    return true;
}

static const char *read_item(struct config_loader *loader, const struct config_option *option,
                             const struct config_node *node)
{
    if (!expect_scalar(loader, node))
        return NULL;
    return option->type == OPTION_SOURCES ? read_source(loader, node, true) : node->text;
}

static bool store_list(struct config_loader *loader, const struct config_option *option,
                       const struct config_node *node, void *base)
{
    size_t count = 0;
    const struct config_node *first = node;
    if (node->kind == CONFIG_LIST) {
        first = node->first;
        for (const struct config_node *item = first; item; item = item->next)
            count++;
        if (count == 0)
            return config_fail(loader, node, "the list is empty");
    } else {
        count = 1;
        if (option->words && node->kind == CONFIG_SCALAR && words_contain(option->words, node->text, NULL)) {
            bool yes = true;
            memcpy((char *)base + option->word_offset, &yes, sizeof yes);
            return true;
        }
    }
    const char **texts = config_alloc(loader, count, sizeof *texts);
    if (!texts)
        return false;
    for (size_t i = 0; i < count; i++, first = first->next) {
        texts[i] = read_item(loader, option, first);
        if (!texts[i])
            return false;
    }
    memcpy((char *)base + option->more_offset, &count, sizeof count);
    return store_pointer(option, texts, base);
}

/* RFC 8259, section 6. */
static bool is_json_number(const char *at)
{
    static const char digits[] = "0123456789";
    if (*at == '-')
        at++;
    size_t whole = strspn(at, digits);
    if (!whole || (whole > 1 && *at == '0'))
        return false;
    at += whole;
    if (*at == '.') {
        size_t fraction = strspn(++at, digits);
        if (!fraction)
            return false;
        at += fraction;
    }
    if (*at == 'e' || *at == 'E') {
        at++;
        if (*at == '+' || *at == '-')
            at++;
        size_t exponent = strspn(at, digits);
        if (!exponent)
            return false;
        at += exponent;
    }
    return !*at;
}

static void append_json_string(struct buf *out, const char *text)
{
    buf_append_byte(out, '"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c < 0x20)
            buf_printf(out, "\\u%04x", c);
        else
            buf_append_byte(out, *text);
    }
    buf_append_byte(out, '"');
}

static bool store_literal(struct config_loader *loader, const struct config_option *option,
                          const struct config_node *node, void *base)
{
    static const char *const words[][2] = {{"true|True|TRUE", "true"}, {"false|False|FALSE", "false"}};
    if (node->kind == CONFIG_NULL && *node->text)
        return store_pointer(option, "null", base);
    if (!expect_scalar(loader, node))
        return false;
    for (size_t i = 0; i < 2 && !node->quoted; i++) {
        if (words_contain(words[i][0], node->text, NULL))
            return store_pointer(option, words[i][1], base);
    }
    if (!node->quoted && is_json_number(node->text))
        return store_pointer(option, node->text, base);
    struct buf out;
    buf_init(&out);
    append_json_string(&out, node->text);
    const char *text = out.failed ? NULL : config_text(loader, out.data, out.len);
    buf_destroy(&out);
    return text && store_pointer(option, text, base);
}

bool config_store(struct config_loader *loader, const struct config_option *option,
                  const struct config_node *node, void *base)
{
    const char *text;
    switch (option->type) {
    case OPTION_TEXTS:
    case OPTION_SOURCES:
        return store_list(loader, option, node, base);
    case OPTION_LITERAL:
        return store_literal(loader, option, node, base);
    default:
        break;
    }
    if (!expect_scalar(loader, node))
        return false;
    switch (option->type) {
    case OPTION_POINTER:
    case OPTION_SOURCE:
        text = read_source(loader, node, option->type == OPTION_SOURCE);
        return text && store_pointer(option, text, base);
    case OPTION_WORD:
        return store_word(loader, option, node, base);
    case OPTION_INTEGER:
    case OPTION_SIZE:
    case OPTION_DURATION:
        return store_number(loader, option, node, base);
    case OPTION_SHARE:
        return store_share(loader, option, node, base);
    default:
        return store_pointer(option, node->text, base);
    }
}
