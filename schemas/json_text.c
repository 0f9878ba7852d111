#include "json_text.h"

#include "json_lex.h"
#include "utf8.h"

#include <assert.h>

static struct upsink_slice inside_quotes(struct upsink_slice raw)
{
    assert(raw.len >= 2 && raw.data[0] == '"' && raw.data[raw.len - 1] == '"');
    return (struct upsink_slice){raw.data + 1, raw.len - 2};
}

static size_t encode_utf8(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

/* The character of the (valid) escape at *at, as UTF-8; moves *at behind it. */
static size_t take_escape(const char **at, const char *end, char out[4])
{
    const char *p = *at;
    int32_t unit, low;
    assert(end - p >= 2 && p[0] == '\\');
    *at = p + 2;
    switch (p[1]) {
    case 'b':
        out[0] = '\b';
        return 1;
    case 'f':
        out[0] = '\f';
        return 1;
    case 'n':
        out[0] = '\n';
        return 1;
    case 'r':
        out[0] = '\r';
        return 1;
    case 't':
        out[0] = '\t';
        return 1;
    case 'u':
        break;
    default:
        out[0] = p[1];
        return 1;
    }
    unit = json_lex_hex4(p + 2, end);
    assert(unit >= 0);
    *at = p + 6;
    if ((unit & 0xFC00) != 0xD800)
        return encode_utf8((uint32_t)unit, out);
    assert(end - p >= 12);
    low = json_lex_hex4(p + 8, end);
    assert(low >= 0);
    *at = p + 12;
    return encode_utf8(0x10000 + (((uint32_t)unit & 0x3FF) << 10) + ((uint32_t)low & 0x3FF), out);
}

size_t json_text_unescape(struct upsink_slice raw, char *out)
{
    const struct upsink_slice inner = inside_quotes(raw);
    const char *p = inner.data, *end = p + inner.len;
    char *to = out;
    while (p < end) {
        const char *escape = memchr(p, '\\', (size_t)(end - p));
        const size_t run = (size_t)((escape ? escape : end) - p);
        char bytes[4];
        memcpy(to, p, run);
        to += run;
        p += run;
        if (escape) {
            size_t len = take_escape(&p, end, bytes);
            memcpy(to, bytes, len);
            to += len;
        }
    }
    return (size_t)(to - out);
}

bool json_text_decode(struct upsink_slice raw, struct arena *arena, struct upsink_slice *text,
                      struct upsink_error *err)
{
    const struct upsink_slice inner = inside_quotes(raw);
    char *out;
    if (!memchr(inner.data, '\\', inner.len)) {
        *text = inner;
        return true;
    }
    out = arena_alloc(arena, inner.len);
    if (!out)
        return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory",
                           "out of memory while reading a JSON string of %zu bytes; give the process "
                           "more memory or make the batches smaller",
                           inner.len);
    *text = (struct upsink_slice){out, json_text_unescape(raw, out)};
    return true;
}

/* Walks the text of a string byte by byte, without room to unescape it into. */
struct cursor {
    const char *p;
    const char *end;
    char pending[4]; /* what is left of an escape's character */
    size_t at;
    size_t count;
};

static struct cursor cursor_of(struct upsink_slice raw)
{
    const struct upsink_slice inner = inside_quotes(raw);
    return (struct cursor){.p = inner.data, .end = inner.data + inner.len};
}

/* The next byte, or -1 behind the last one. */
static int next_byte(struct cursor *c)
{
    if (c->at < c->count)
        return (unsigned char)c->pending[c->at++];
    if (c->p == c->end)
        return -1;
    if (*c->p != '\\')
        return (unsigned char)*c->p++;
    c->count = take_escape(&c->p, c->end, c->pending);
    c->at = 1;
    return (unsigned char)c->pending[0];
}

bool json_text_equals(struct upsink_slice raw, struct upsink_slice text)
{
    const struct upsink_slice inner = inside_quotes(raw);
    struct cursor c;
    if (text.len > inner.len)
        return false;
    if (!memchr(inner.data, '\\', inner.len))
        return text.len == inner.len && memcmp(inner.data, text.data, text.len) == 0;
    c = cursor_of(raw);
    for (size_t i = 0; i < text.len; i++) {
        if (next_byte(&c) != (unsigned char)text.data[i])
            return false;
    }
    return next_byte(&c) == -1;
}

int json_text_compare(struct upsink_slice a, struct upsink_slice b)
{
    const struct upsink_slice x = inside_quotes(a), y = inside_quotes(b);
    struct cursor left, right;
    if (!memchr(x.data, '\\', x.len) && !memchr(y.data, '\\', y.len)) {
        int order = memcmp(x.data, y.data, x.len < y.len ? x.len : y.len);
        return order ? order : (x.len > y.len) - (x.len < y.len);
    }
    left = cursor_of(a);
    right = cursor_of(b);
    for (;;) {
        int one = next_byte(&left), other = next_byte(&right);
        if (one != other)
            return one < other ? -1 : 1;
        if (one < 0)
            return 0;
    }
}

/* The escape of a character that can't stand for itself; returns its length. */
static size_t escape_char(char c, char out[6])
{
    static const char digits[] = "0123456789abcdef";
    static const char letters[] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r', ['"'] = '"', ['\\'] = '\\'};
    const unsigned byte = (unsigned char)c;
    if (byte < sizeof letters && letters[byte]) {
        out[0] = '\\';
        out[1] = letters[byte];
        return 2;
    }
    memcpy(out, "\\u00", 4);
    out[4] = digits[byte >> 4];
    out[5] = digits[byte & 15];
    return 6;
}

bool json_text_append(struct buf *out, struct upsink_slice text)
{
    const char *p = text.data, *end = text.len ? p + text.len : p, *run = p;
    if (!utf8_is_valid(text.data, text.len))
        return false;
    buf_append_byte(out, '"');
    while ((p = json_lex_plain(p, end)) < end) {
        if ((unsigned char)*p < 0x80) {
            char escape[6];
            buf_append(out, run, (size_t)(p - run));
            buf_append(out, escape, escape_char(*p, escape));
            run = p + 1;
        }
        p++;
    }
    buf_append(out, run, (size_t)(end - run));
    buf_append_byte(out, '"');
    return true;
}

size_t json_text_minimize(struct upsink_slice raw, char *out)
{
    const char *p = raw.data, *end = p + raw.len - 1;
    char *to = out;
    assert(raw.len >= 2 && *p == '"' && *end == '"');
    *to++ = *p++;
    while (p < end) {
        const char *escape = memchr(p, '\\', (size_t)(end - p));
        const size_t run = (size_t)((escape ? escape : end) - p);
        memcpy(to, p, run);
        to += run;
        p += run;
        if (escape) {
            char bytes[6];
            size_t len = take_escape(&p, end, bytes);
            if (!json_lex_is_plain(bytes[0]) && (unsigned char)bytes[0] < 0x80)
                len = escape_char(bytes[0], bytes);
            memcpy(to, bytes, len);
            to += len;
        }
    }
    *to++ = '"';
    return (size_t)(to - out);
}
