/* The innermost loops over JSON text, shared by the scanner and the text functions.
 *
 * Nothing here reads a byte at or behind `end`. On x86-64 sixteen bytes are looked at in one step
 * (SSE2 is its baseline); JSON_LEX_PORTABLE asks for the plain loops that other machines get. */
#ifndef UPSINK_JSON_LEX_H
#define UPSINK_JSON_LEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__SSE2__) && !defined(JSON_LEX_PORTABLE)
#define JSON_LEX_SSE2 1
#include <emmintrin.h>
#else
#define JSON_LEX_SSE2 0
#endif

/* Within a string: neither its end, nor an escape, nor a control character, nor beyond ASCII. */
static inline bool json_lex_is_plain(char c)
{
    return (signed char)c >= 0x20 && c != '"' && c != '\\';
}

/* The first byte that is not plain, or `end`. */
static inline const char *json_lex_plain(const char *p, const char *end)
{
#if JSON_LEX_SSE2
    const __m128i quote = _mm_set1_epi8('"'), escape = _mm_set1_epi8('\\'), space = _mm_set1_epi8(' ');
    for (; end - p >= 16; p += 16) {
        const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
        /* The comparison is a signed one: bytes beyond ASCII are below the space as well. */
        const __m128i stops =
            _mm_or_si128(_mm_cmplt_epi8(bytes, space),
                         _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, escape)));
        const unsigned mask = (unsigned)_mm_movemask_epi8(stops);
        if (mask)
            return p + __builtin_ctz(mask);
    }
#endif
    while (p < end && json_lex_is_plain(*p))
        p++;
    return p;
}

static inline bool json_lex_is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* The first byte that is not white space, or `end`; for runs, see json_lex_space. */
static inline const char *json_lex_space_run(const char *p, const char *end)
{
#if JSON_LEX_SSE2
    for (; end - p >= 16; p += 16) {
        const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
        const __m128i spaces = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(' ')),
                                                         _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\n'))),
                                            _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\r')),
                                                         _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'))));
        const unsigned others = (unsigned)_mm_movemask_epi8(spaces) ^ 0xFFFFU;
        if (others)
            return p + __builtin_ctz(others);
    }
#endif
    while (p < end && json_lex_is_space(*p))
        p++;
    return p;
}

/* The same, quick where there is none (compact JSON) or one (behind a colon). */
static inline const char *json_lex_space(const char *p, const char *end)
{
    if (p == end || (unsigned char)*p > ' ')
        return p;
    if (*p == ' ' && end - p > 1 && (unsigned char)p[1] > ' ')
        return p + 1;
    return json_lex_space_run(p, end);
}

static inline bool json_lex_is_tail(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* Length of the well-formed UTF-8 sequence (RFC 3629 section 4) at p, whose first byte is beyond
 * ASCII; 0 where it is overlong, a surrogate, beyond U+10FFFF, cut off, or not UTF-8 at all. */
static inline size_t json_lex_utf8(const char *p, const char *end)
{
    const unsigned lead = (unsigned char)*p;
    const ptrdiff_t room = end - p;
    uint32_t code;
    if (lead < 0xE0)
        return lead >= 0xC2 && room >= 2 && json_lex_is_tail(p[1]) ? 2 : 0;
    if (room < 3 || !json_lex_is_tail(p[1]) || !json_lex_is_tail(p[2]))
        return 0;
    code = (lead & 0x0F) << 12 | ((unsigned char)p[1] & 0x3FU) << 6 | ((unsigned char)p[2] & 0x3FU);
    if (lead < 0xF0)
        return code >= 0x800 && (code < 0xD800 || code > 0xDFFF) ? 3 : 0;
    if (room < 4 || !json_lex_is_tail(p[3]))
        return 0;
    /* `code` lacks the last six bits here. A lead beyond F4 leaves at least 5 << 12 in it. */
    return code >= 0x10000 >> 6 && code <= 0x10FFFF >> 6 ? 4 : 0;
}

static inline bool json_lex_is_digit(char c)
{
    return (unsigned char)(c - '0') <= 9;
}

/* The 16 bits of the four hexadecimal digits at p; -1 where they are not four, or not hexadecimal. */
static inline int32_t json_lex_hex4(const char *p, const char *end)
{
    int32_t value = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        const unsigned c = (unsigned char)p[i], letter = (c | 0x20) - 'a';
        if (c - '0' <= 9)
            value = value << 4 | (int32_t)(c - '0');
        else if (letter <= 5)
            value = value << 4 | (int32_t)(letter + 10);
        else
            return -1;
    }
    return value;
}

#endif
