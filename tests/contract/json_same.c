/* A reader of JSON (RFC 8259) for comparisons only, on purpose not the product's own. */
#include "tests/contract/suite.h"

#include <ctype.h>
#include <stdlib.h>

enum kind { KIND_WORD, KIND_NUMBER, KIND_STRING, KIND_ARRAY, KIND_OBJECT };

struct value {
    enum kind kind;
    struct upsink_slice text; /* a word, a decoded string, or a number's digits without outer zeros */
    int64_t exponent;         /* of a number: 0.DIGITS times ten to this */
    bool negative;
    struct value *items; /* of an array or an object */
    struct upsink_slice *names;
    size_t count;
};

struct reader {
    const char *at, *end;
    struct arena *arena;
};

static bool read_value(struct reader *reader, struct value *value);

static void skip_space(struct reader *reader)
{
    while (reader->at < reader->end && strchr(" \t\r\n", *reader->at) && *reader->at)
        reader->at++;
}

static bool take(struct reader *reader, char c)
{
    if (reader->at >= reader->end || *reader->at != c)
        return false;
    reader->at++;
    return true;
}

static bool read_hex(struct reader *reader, uint32_t *code)
{
    *code = 0;
    for (int i = 0; i < 4; i++) {
        if (reader->at >= reader->end || !isxdigit((unsigned char)*reader->at))
            return false;
        char digit[2] = {*reader->at++, '\0'};
        *code = *code * 16 + (uint32_t)strtoul(digit, NULL, 16);
    }
    return true;
}

static size_t put_utf8(char *out, uint32_t code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

static bool read_escape(struct reader *reader, char *out, size_t *len)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    uint32_t code, low;
    const char *letter = reader->at < reader->end && *reader->at ? strchr(letters, *reader->at) : NULL;
    if (letter) {
        reader->at++;
        out[(*len)++] = meanings[letter - letters];
        return true;
    }
    if (!take(reader, 'u') || !read_hex(reader, &code))
        return false;
    if (code >= 0xd800 && code < 0xdc00) {
        if (!take(reader, '\\') || !take(reader, 'u') || !read_hex(reader, &low) || low < 0xdc00 ||
            low > 0xdfff)
            return false;
        code = 0x10000 + (code - 0xd800) * 0x400 + (low - 0xdc00);
    }
    *len += put_utf8(out + *len, code);
    return true;
}

static bool read_string(struct reader *reader, struct upsink_slice *text)
{
    char *out = arena_alloc(reader->arena, (size_t)(reader->end - reader->at) + 4);
    size_t len = 0;
    if (!out || !take(reader, '"'))
        return false;
    while (reader->at < reader->end && *reader->at != '"') {
        char c = *reader->at++;
        if (c != '\\')
            out[len++] = c;
        else if (!read_escape(reader, out, &len))
            return false;
    }
    *text = (struct upsink_slice){out, len};
    return take(reader, '"');
}

/* "-12.50e3" is 0.125 times ten to the 5th. */
static bool read_number(struct reader *reader, struct value *value)
{
    char *digits = arena_alloc(reader->arena, (size_t)(reader->end - reader->at) + 1);
    size_t len = 0;
    bool point = false, any = false;
    if (!digits)
        return false;
    value->negative = take(reader, '-');
    for (;
         reader->at < reader->end && (isdigit((unsigned char)*reader->at) || (*reader->at == '.' && !point));
         reader->at++) {
        if (*reader->at == '.') {
            point = true;
            continue;
        }
        any = true;
        if (len || *reader->at != '0')
            digits[len++] = *reader->at;
        value->exponent += point ? (len ? 0 : -1) : (len ? 1 : 0);
    }
    if (take(reader, 'e') || take(reader, 'E')) {
        char *end, text[32] = "";
        size_t used = 0;
        while (reader->at < reader->end && used < sizeof text - 1 &&
               (isdigit((unsigned char)*reader->at) || strchr("+-", *reader->at)))
            text[used++] = *reader->at++;
        value->exponent += strtoll(text, &end, 10);
        any = any && used && !*end;
    }
    while (len && digits[len - 1] == '0')
        len--;
    if (!len)
        value->negative = false, value->exponent = 0;
    value->text = (struct upsink_slice){digits, len};
    return any;
}

static bool read_word(struct reader *reader, struct value *value)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < 3; i++) {
        size_t len = strlen(words[i]);
        if ((size_t)(reader->end - reader->at) < len || memcmp(reader->at, words[i], len) != 0)
            continue;
        value->text = upsink_slice_of(words[i]);
        reader->at += len;
        return true;
    }
    return false;
}

static bool grow(struct reader *reader, struct value *value)
{
    if (value->count & (value->count - 1))
        return true;
    size_t room = value->count ? value->count * 2 : 1;
    struct value *items = arena_alloc_array(reader->arena, room, sizeof *items);
    struct upsink_slice *names = arena_alloc_array(reader->arena, room, sizeof *names);
    if (!items || !names)
        return false;
    if (value->count) {
        memcpy(items, value->items, value->count * sizeof *items);
        memcpy(names, value->names, value->count * sizeof *names);
    }
    value->items = items;
    value->names = names;
    return true;
}

static bool read_items(struct reader *reader, struct value *value, char close)
{
    skip_space(reader);
    if (take(reader, close))
        return true;
    do {
        struct upsink_slice name = UPSINK_SLICE_ABSENT;
        struct value item;
        skip_space(reader);
        if (close == '}') {
            if (!read_string(reader, &name))
                return false;
            skip_space(reader);
            if (!take(reader, ':'))
                return false;
        }
        if (!grow(reader, value) || !read_value(reader, &item))
            return false;
        value->items[value->count] = item;
        value->names[value->count++] = name;
    } while (take(reader, ','));
    return take(reader, close);
}

static bool read_value(struct reader *reader, struct value *value)
{
    *value = (struct value){.kind = KIND_WORD};
    skip_space(reader);
    if (reader->at >= reader->end)
        return false;
    bool done;
    if (*reader->at == '"') {
        value->kind = KIND_STRING;
        done = read_string(reader, &value->text);
    } else if (*reader->at == '[' || *reader->at == '{') {
        char close = *reader->at++ == '[' ? ']' : '}';
        value->kind = close == ']' ? KIND_ARRAY : KIND_OBJECT;
        done = read_items(reader, value, close);
    } else if (*reader->at == '-' || isdigit((unsigned char)*reader->at)) {
        value->kind = KIND_NUMBER;
        done = read_number(reader, value);
    } else {
        done = read_word(reader, value);
    }
    skip_space(reader);
    return done;
}

/* The last of the items of that name. */
static const struct value *find(const struct value *object, struct upsink_slice name)
{
    for (size_t i = object->count; i-- > 0;)
        if (upsink_slice_equal(object->names[i], name))
            return &object->items[i];
    return NULL;
}

static bool same(const struct value *a, const struct value *b);

/* Every name of a is one of b, with the same value where `values` are to be compared (one direction does). */
static bool holds_all(const struct value *a, const struct value *b, bool values)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct value *mine = find(a, a->names[i]), *other = find(b, a->names[i]);
        if (!other || (values && !same(mine, other)))
            return false;
    }
    return true;
}

static bool same(const struct value *a, const struct value *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind == KIND_OBJECT)
        return holds_all(a, b, true) && holds_all(b, a, false);
    if (a->kind != KIND_ARRAY)
        return a->negative == b->negative && a->exponent == b->exponent &&
               upsink_slice_equal(a->text, b->text);
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!same(&a->items[i], &b->items[i]))
            return false;
    return true;
}

static bool read_all(struct upsink_slice text, struct arena *arena, struct value *value)
{
    struct reader reader = {text.data, text.data + text.len, arena};
    return text.data && read_value(&reader, value) && reader.at == reader.end;
}

bool json_same(struct upsink_slice a, struct upsink_slice b)
{
    struct arena arena;
    struct value left, right;
    if (a.data && b.data && a.len == b.len && memcmp(a.data, b.data, a.len) == 0)
        return true;
    arena_init(&arena, 0);
    bool result = read_all(a, &arena, &left) && read_all(b, &arena, &right) && same(&left, &right);
    arena_destroy(&arena);
    return result;
}
