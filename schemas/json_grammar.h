/* The grammar of RFC 8259 as a scanner that moves through a text; the inside of json_scan.c.
 *
 * Functions take and return a position; NULL means refused, with the reason in the scanner. They
 * stand in a header of their own so that they can be inlined into the walk along the pointers. */
#ifndef UPSINK_JSON_GRAMMAR_H
#define UPSINK_JSON_GRAMMAR_H

#include "json_lex.h"
#include "json_scan.h"

#include <string.h>

struct scanner {
    const char *end;
    const struct json_paths *paths;
    struct json_value *values;
    uint64_t captured; /* the slots that hold a value now */
    size_t escapes;    /* seen so far: what two readings differ by lies between them */
    size_t nuls;
    unsigned depth;
    unsigned max_depth;
    enum json_fault fault;
    const char *fault_at;
    char closers[JSON_DEPTH_CEILING]; /* of the open arrays and objects, up to depth */
};

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

__attribute__((cold, noinline)) static const char *refuse(struct scanner *s, const char *at,
                                                          enum json_fault fault)
{
    s->fault = at == s->end && fault != JSON_FAULT_EMPTY ? JSON_FAULT_TRUNCATED : fault;
    s->fault_at = at;
    return NULL;
}

/* RFC 8259 section 7, at a backslash. A cut-off escape is told apart from a wrong one. */
static const char *scan_escape(struct scanner *s, const char *p)
{
    int32_t unit, low;
    s->escapes++;
    if (s->end - p < 2)
        return refuse(s, s->end, JSON_FAULT_ESCAPE);
    switch (p[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return p + 2;
    case 'u':
        break;
    default:
        return refuse(s, p, JSON_FAULT_ESCAPE);
    }
    unit = json_lex_hex4(p + 2, s->end);
    if (unit < 0)
        return refuse(s, p, JSON_FAULT_ESCAPE);
    s->nuls += unit == 0;
    if ((unit & 0xF800) != 0xD800)
        return p + 6;
    if ((unit & 0xFC00) == 0xDC00 || s->end - p < 8 || p[6] != '\\' || p[7] != 'u')
        return refuse(s, p, JSON_FAULT_LONE_SURROGATE);
    low = json_lex_hex4(p + 8, s->end);
    if (low < 0)
        return refuse(s, p + 6, JSON_FAULT_ESCAPE);
    if ((low & 0xFC00) != 0xDC00)
        return refuse(s, p, JSON_FAULT_LONE_SURROGATE);
    return p + 12;
}

/* At a byte of a string that is not plain nor its end: over the escapes and the characters beyond
 * ASCII that stand here. */
__attribute__((noinline)) static const char *scan_unplain(struct scanner *s, const char *p)
{
    while (p < s->end) {
        if ((unsigned char)*p >= 0x80) {
            size_t len = json_lex_utf8(p, s->end);
            if (unlikely(len == 0))
                return refuse(s, p, JSON_FAULT_UTF8);
            p += len;
        } else if (*p == '\\') {
            p = scan_escape(s, p);
            if (unlikely(!p))
                return NULL;
        } else if (unlikely((unsigned char)*p < 0x20)) {
            return refuse(s, p, JSON_FAULT_CONTROL_CHARACTER);
        } else {
            break;
        }
    }
    return p;
}

/* At the opening quote; to behind the closing one. */
static inline const char *scan_string(struct scanner *s, const char *p)
{
    p++;
    for (;;) {
        p = json_lex_plain(p, s->end);
        if (unlikely(p == s->end))
            return refuse(s, p, JSON_FAULT_TRUNCATED);
        if (likely(*p == '"'))
            return p + 1;
        p = scan_unplain(s, p);
        if (unlikely(!p))
            return NULL;
    }
}

static inline const char *scan_digits(struct scanner *s, const char *p)
{
    if (unlikely(p == s->end || !json_lex_is_digit(*p)))
        return refuse(s, p, JSON_FAULT_NUMBER);
    do
        p++;
    while (p < s->end && json_lex_is_digit(*p));
    return p;
}

/* RFC 8259 section 6. */
static inline const char *scan_number(struct scanner *s, const char *p)
{
    p += *p == '-';
    if (p < s->end && *p == '0') {
        p++;
        if (unlikely(p < s->end && json_lex_is_digit(*p)))
            return refuse(s, p, JSON_FAULT_NUMBER);
    } else {
        p = scan_digits(s, p);
    }
    if (p && p < s->end && *p == '.')
        p = scan_digits(s, p + 1);
    if (p && p < s->end && (*p | 0x20) == 'e') {
        p++;
        p += p < s->end && (*p == '+' || *p == '-');
        p = scan_digits(s, p);
    }
    return p;
}

static inline const char *scan_literal(struct scanner *s, const char *p, const char *word, size_t len)
{
    if (likely((size_t)(s->end - p) >= len && memcmp(p, word, len) == 0))
        return p + len;
    for (size_t i = 0; i < len && p + i < s->end; i++) {
        if (p[i] != word[i])
            return refuse(s, p, JSON_FAULT_LITERAL);
    }
    return refuse(s, s->end, JSON_FAULT_LITERAL);
}

__attribute__((cold, noinline)) static const char *refuse_value(struct scanner *s, const char *p)
{
    if (p < s->end && ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z'))
        return refuse(s, p, JSON_FAULT_LITERAL);
    return refuse(s, p, *p == '+' || *p == '.' ? JSON_FAULT_NUMBER : JSON_FAULT_VALUE);
}

/* A value that is neither array nor object. */
static inline const char *scan_scalar(struct scanner *s, const char *p)
{
    switch (*p) {
    case 't':
        return scan_literal(s, p, "true", 4);
    case 'f':
        return scan_literal(s, p, "false", 5);
    case 'n':
        return scan_literal(s, p, "null", 4);
    case '-':
        return scan_number(s, p);
    default:
        return likely(json_lex_is_digit(*p)) ? scan_number(s, p) : refuse_value(s, p);
    }
}

/* At an opening bracket; to the first byte inside that is not white space. */
static inline const char *enter(struct scanner *s, const char *p, char closer)
{
    if (unlikely(s->depth >= s->max_depth))
        return refuse(s, p, JSON_FAULT_TOO_DEEP);
    s->closers[s->depth++] = closer;
    p = json_lex_space(p + 1, s->end);
    return likely(p < s->end) ? p : refuse(s, p, JSON_FAULT_TRUNCATED);
}

/* Behind a member name; to the first byte of its value. */
static inline const char *scan_colon(struct scanner *s, const char *p)
{
    p = json_lex_space(p, s->end);
    if (unlikely(p == s->end || *p != ':'))
        return refuse(s, p, JSON_FAULT_COLON);
    p = json_lex_space(p + 1, s->end);
    return likely(p < s->end) ? p : refuse(s, p, JSON_FAULT_TRUNCATED);
}

/* At a member name; to the first byte of its value. */
static inline const char *scan_name(struct scanner *s, const char *p)
{
    if (unlikely(*p != '"'))
        return refuse(s, p, JSON_FAULT_NAME);
    p = scan_string(s, p);
    return likely(p) ? scan_colon(s, p) : NULL;
}

/* Behind a value in an array or object: over the comma to what must follow it, or out over the
 * closing bracket, which lowers the depth. */
static inline const char *scan_comma(struct scanner *s, const char *p)
{
    p = json_lex_space(p, s->end);
    if (unlikely(p == s->end))
        return refuse(s, p, JSON_FAULT_TRUNCATED);
    if (likely(*p == ',')) {
        p = json_lex_space(p + 1, s->end);
        return likely(p < s->end) ? p : refuse(s, p, JSON_FAULT_TRUNCATED);
    }
    if (unlikely(*p != s->closers[s->depth - 1]))
        return refuse(s, p, JSON_FAULT_COMMA);
    s->depth--;
    return p + 1;
}

/* Over one value that holds nothing of interest; p is before the end. A loop, not a recursion: the
 * open brackets are in `closers`. */
static const char *skip_value(struct scanner *s, const char *p)
{
    const unsigned base = s->depth;
    for (;;) {
        if (*p == '"') {
            p = scan_string(s, p);
        } else if (*p == '{' || *p == '[') {
            const char closer = *p == '{' ? '}' : ']';
            p = enter(s, p, closer);
            if (unlikely(!p))
                return NULL;
            if (*p != closer) {
                if (closer == '}' && unlikely(!(p = scan_name(s, p))))
                    return NULL;
                continue;
            }
            s->depth--;
            p++;
        } else {
            p = scan_scalar(s, p);
        }
        for (;;) {
            unsigned depth = s->depth;
            if (unlikely(!p))
                return NULL;
            if (depth == base)
                return p;
            p = scan_comma(s, p);
            if (likely(s->depth == depth))
                break;
        }
        if (unlikely(!p) || (s->closers[s->depth - 1] == '}' && unlikely(!(p = scan_name(s, p)))))
            return NULL;
    }
}

#endif
