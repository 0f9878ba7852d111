#include "json_canonical.h"

#include "json_lex.h"
#include "json_text.h"

#include <stdlib.h>
#include <xxhash.h>

/* What is kept for the next value; the room that a huge one took is given back. */
#define KEEP_MEMBERS 16384
#define KEEP_BYTES   (1U << 20)

/* A member that was written already, but perhaps not at its place. */
struct member {
    struct upsink_slice name; /* raw, in the source */
    bool escaped;             /* the name has escapes */
    uint64_t head;            /* the name's first eight bytes as a number, zero behind a shorter one */
    size_t at;                /* of its canonical "name":value in the output */
    size_t len;
};

struct json_canonical {
    struct member *members; /* of all objects that are open, the innermost last */
    size_t count;
    size_t capacity;
    bool failed;        /* out of memory for them */
    const char *end;    /* of the source */
    char *out;          /* the output; never longer than the source, so it has room enough */
    size_t len;         /* written so far */
    struct buf scratch; /* an object's members while they are put in order; with as much room */
    struct buf text;    /* what json_state_hash hashes */
};

struct json_canonical *json_canonical_create(void)
{
    struct json_canonical *c = calloc(1, sizeof *c);
    if (c) {
        buf_init(&c->scratch);
        buf_init(&c->text);
    }
    return c;
}

void json_canonical_destroy(struct json_canonical *c)
{
    if (!c)
        return;
    buf_destroy(&c->scratch);
    buf_destroy(&c->text);
    free(c->members);
    free(c);
}

static void push_member(struct json_canonical *c, struct member member)
{
    if (c->count == c->capacity) {
        size_t capacity = c->capacity ? 2 * c->capacity : 32;
        struct member *members = NULL;
        if (!c->failed && capacity <= SIZE_MAX / sizeof *members)
            members = realloc(c->members, capacity * sizeof *members);
        if (!members) {
            c->failed = true;
            return;
        }
        c->members = members;
        c->capacity = capacity;
    }
    c->members[c->count++] = member;
}

static int compare_names(const struct member *a, const struct member *b)
{
    if (a->escaped || b->escaped || a->head == b->head)
        return json_text_compare(a->name, b->name);
    return a->head < b->head ? -1 : 1;
}

/* By name, and the later of two equal ones first: it is the one that counts. */
static int compare_members(const void *left, const void *right)
{
    const struct member *a = left, *b = right;
    int order = compare_names(a, b);
    return order ? order : (a->at < b->at) - (a->at > b->at);
}

static void sort_members(struct member *members, size_t count)
{
    if (count > 32) {
        qsort(members, count, sizeof *members, compare_members);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        struct member member = members[i];
        size_t to = i;
        for (; to > 0 && compare_members(&member, &members[to - 1]) < 0; to--)
            members[to] = members[to - 1];
        members[to] = member;
    }
}

/* Puts the members, which were written to the end of the output from `begin` on, in order. */
static void order_members(struct json_canonical *c, size_t first, size_t begin)
{
    const size_t count = c->count - first;
    struct member *members;
    char *to = c->scratch.data;
    size_t i = 1;
    if (c->failed || count < 2)
        return;
    members = c->members + first;
    while (i < count && compare_names(&members[i - 1], &members[i]) < 0)
        i++;
    if (i >= count)
        return;
    sort_members(members, count);
    for (i = 0; i < count; i++) {
        if (i > 0 && compare_names(&members[i - 1], &members[i]) == 0)
            continue;
        if (i > 0)
            *to++ = ',';
        memcpy(to, c->out + members[i].at, members[i].len);
        to += members[i].len;
    }
    c->len = begin + (size_t)(to - c->scratch.data);
    memcpy(c->out + begin, c->scratch.data, c->len - begin);
}

/* From here on the text is known to be valid. Only memory for members can run out, which is noted;
 * the walk just goes on to its end. */

static const char *append_string(struct json_canonical *c, const char *p, bool *escaped)
{
    const char *start = p;
    *escaped = false;
    p = json_lex_plain(p + 1, c->end);
    while (*p != '"') {
        if (*p == '\\') {
            *escaped = true;
            p += 2;
        } else {
            p++;
        }
        while ((unsigned char)*p >= 0x80)
            p++;
        p = json_lex_plain(p, c->end);
    }
    p++;
    if (*escaped) {
        c->len += json_text_minimize((struct upsink_slice){start, (size_t)(p - start)}, c->out + c->len);
    } else {
        memcpy(c->out + c->len, start, (size_t)(p - start));
        c->len += (size_t)(p - start);
    }
    return p;
}

static const char *append_word(struct json_canonical *c, const char *p)
{
    while (p < c->end && !json_lex_is_space(*p) && *p != ',' && *p != ']' && *p != '}')
        c->out[c->len++] = *p++;
    return p;
}

static const char *append_value(struct json_canonical *c, const char *p);

static const char *append_array(struct json_canonical *c, const char *p)
{
    c->out[c->len++] = *p;
    p = json_lex_space(p + 1, c->end);
    while (*p != ']') {
        if (*p == ',') {
            c->out[c->len++] = ',';
            p = json_lex_space(p + 1, c->end);
        }
        p = json_lex_space(append_value(c, p), c->end);
    }
    c->out[c->len++] = ']';
    return p + 1;
}

static uint64_t head_of(struct upsink_slice name)
{
    uint64_t head = 0;
    for (size_t i = 1; i <= 8; i++)
        head = head << 8 | (i < name.len - 1 ? (unsigned char)name.data[i] : 0);
    return head;
}

static const char *append_member(struct json_canonical *c, const char *p)
{
    struct member member = {.name = {p, 0}, .at = c->len};
    p = append_string(c, p, &member.escaped);
    member.name.len = (size_t)(p - member.name.data);
    member.head = head_of(member.name);
    p = json_lex_space(p, c->end);
    c->out[c->len++] = ':';
    p = append_value(c, json_lex_space(p + 1, c->end));
    member.len = c->len - member.at;
    push_member(c, member);
    return json_lex_space(p, c->end);
}

static const char *append_object(struct json_canonical *c, const char *p)
{
    const size_t first = c->count, begin = c->len + 1;
    c->out[c->len++] = *p;
    p = json_lex_space(p + 1, c->end);
    while (*p != '}') {
        if (*p == ',') {
            c->out[c->len++] = ',';
            p = json_lex_space(p + 1, c->end);
        }
        p = append_member(c, p);
    }
    order_members(c, first, begin);
    c->count = first;
    c->out[c->len++] = '}';
    return p + 1;
}

/* Recursion is bounded by the depth that json_scan let pass. */
static const char *append_value(struct json_canonical *c, const char *p)
{
    bool escaped;
    switch (*p) {
    case '{':
        return append_object(c, p);
    case '[':
        return append_array(c, p);
    case '"':
        return append_string(c, p, &escaped);
    default:
        return append_word(c, p);
    }
}

static bool append_canonical(struct json_canonical *c, struct upsink_slice text,
                             const struct json_limits *limits, struct buf *out, struct upsink_error *err)
{
    struct json_scan_result result;
    if (!json_scan(NULL, JSON_WHOLE, text, limits, NULL, &result, err))
        return false;
    buf_clear(&c->scratch);
    c->failed = !buf_reserve(&c->scratch, text.len) || !buf_reserve(out, text.len);
    c->count = c->len = 0;
    if (!c->failed) {
        c->end = text.data + text.len;
        c->out = out->data + out->len;
        append_value(c, json_lex_space(text.data, c->end));
        c->out = NULL;
    }
    c->count = 0;
    if (c->failed)
        return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory",
                           "out of memory while sorting the members of a JSON value of %zu bytes; give "
                           "the process more memory",
                           text.len);
    out->len += c->len;
    out->data[out->len] = '\0';
    return true;
}

static void give_back(struct json_canonical *c)
{
    if (c->capacity > KEEP_MEMBERS) {
        free(c->members);
        c->members = NULL;
        c->capacity = 0;
    }
    if (c->scratch.capacity > KEEP_BYTES)
        buf_destroy(&c->scratch);
    if (c->text.capacity > KEEP_BYTES)
        buf_destroy(&c->text);
}

bool json_canonical_append(struct json_canonical *c, struct upsink_slice text,
                           const struct json_limits *limits, struct buf *out, struct upsink_error *err)
{
    bool done = append_canonical(c, text, limits, out, err);
    give_back(c);
    return done;
}

bool json_state_hash(struct json_canonical *c, struct upsink_slice text, const struct json_limits *limits,
                     unsigned char hash[JSON_HASH_BYTES], struct upsink_error *err)
{
    bool done;
    buf_clear(&c->text);
    done = append_canonical(c, text, limits, &c->text, err);
    if (done) {
        XXH128_canonical_t stored;
        XXH128_canonicalFromHash(&stored, XXH3_128bits(c->text.data, c->text.len));
        memcpy(hash, stored.digest, JSON_HASH_BYTES);
    }
    give_back(c);
    return done;
}
