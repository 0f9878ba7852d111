#include "mg_json.h"

#include "mg_number.h"
#include "schemas/json_lex.h"
#include "schemas/json_text.h"
#include "schemas/rfc3339.h"

#include <stdlib.h>

enum { LINEAR_MEMBERS = 32 };

/* One conversion. `dates` in the functions below is the set of pointers that the way to the value has
 * followed so far, one bit each. */
struct run {
    struct mg_converter *converter;
    struct buf *out;
    const char *p, *end;
    unsigned depth;
    mg_see_member *see;
    void *context;
    struct upsink_error *err;
};

static bool put_value(struct run *run, size_t type_at, uint32_t dates);

static bool fail_broken(struct run *run)
{
    return upsink_fail(run->err, UPSINK_ERR_RECORD, "invalid_json", "the entity is not valid JSON");
}

static bool fail_memory(struct run *run)
{
    return upsink_fail(run->err, UPSINK_ERR_FATAL, "out_of_memory",
                       "no memory to convert an entity; lower batch.max_bytes");
}

static bool enter(struct run *run)
{
    if (++run->depth <= MG_DEPTH_MAX)
        return true;
    return upsink_fail(run->err, UPSINK_ERR_RECORD, "too_deep",
                       "arrays and objects are nested more than %d deep, which MongoDB can't hold",
                       MG_DEPTH_MAX);
}

static void skip_space(struct run *run)
{
    run->p = json_lex_space(run->p, run->end);
}

static bool take(struct run *run, char c)
{
    if (run->p == run->end || *run->p != c)
        return false;
    run->p++;
    return true;
}

/* At an opening quote; to behind the closing one. `raw` has both. */
static bool find_string(struct run *run, struct upsink_slice *raw, bool *escaped)
{
    const char *begin = run->p, *p = begin + 1;
    *escaped = false;
    for (;;) {
        p = json_lex_plain(p, run->end);
        if (p == run->end)
            return fail_broken(run);
        if (*p == '"')
            break;
        if (*p == '\\') {
            *escaped = true;
            p++;
        }
        if (p == run->end)
            return fail_broken(run);
        p++;
    }
    run->p = p + 1;
    *raw = (struct upsink_slice){begin, (size_t)(run->p - begin)};
    return true;
}

/* Appends the text of a string, without its NUL; returns where it begins, NULL when out of memory. */
static const char *put_unescaped(struct run *run, struct upsink_slice raw, bool escaped, size_t *len)
{
    char *at = mg_room(run->out, raw.len);
    if (!at)
        return NULL;
    *len = raw.len - 2;
    if (escaped)
        *len = json_text_unescape(raw, at);
    else
        memcpy(at, raw.data + 1, *len);
    run->out->len += *len;
    return at;
}

/* Of the pointers in `dates`, those that go on with this name; `ends` gets those that end with it. */
static uint32_t follow_dates(const struct run *run, uint32_t dates, unsigned depth, const char *name,
                             size_t len, bool *ends)
{
    const struct mg_dates *known = run->converter->dates;
    uint32_t left = 0;
    *ends = false;
    for (size_t i = 0; dates && i < known->count; i++) {
        if (!(dates >> i & 1) || depth >= known->lengths[i])
            continue;
        const char *token = known->tokens[i][depth];
        if (strlen(token) != len || memcmp(token, name, len) != 0)
            continue;
        left |= UINT32_C(1) << i;
        *ends = *ends || known->lengths[i] == depth + 1;
    }
    return left;
}

/* A text, or null, stands where a date is wanted. */
static bool put_date(struct run *run, size_t type_at)
{
    struct upsink_slice raw;
    bool escaped;
    int64_t us;
    int32_t rest;
    if (!find_string(run, &raw, &escaped))
        return false;
    if (escaped || !rfc3339_parse((struct upsink_slice){raw.data + 1, raw.len - 2}, &us))
        return upsink_fail(run->err, UPSINK_ERR_RECORD, "invalid_date",
                           "a field that `dates` names holds no RFC 3339 time with its offset");
    run->out->data[type_at] = MG_DATE;
    mg_put_int64_raw(run->out, mg_floor_ms(us, &rest));
    return true;
}

static bool put_text(struct run *run, size_t type_at)
{
    struct upsink_slice raw;
    bool escaped;
    size_t len, len_at = run->out->len;
    if (!find_string(run, &raw, &escaped))
        return false;
    if (raw.len >= INT32_MAX)
        return fail_memory(run);
    mg_put_int32_raw(run->out, 0);
    if (!put_unescaped(run, raw, escaped, &len))
        return fail_memory(run);
    buf_append_byte(run->out, '\0');
    uint32_t bits = BSON_UINT32_TO_LE((uint32_t)(len + 1));
    memcpy(run->out->data + len_at, &bits, 4);
    run->out->data[type_at] = MG_TEXT;
    return true;
}

static bool put_number(struct run *run, size_t type_at)
{
    const char *begin = run->p;
    struct mg_number number;
    while (run->p < run->end && (json_lex_is_digit(*run->p) || memchr("+-.eE", *run->p, 5)))
        run->p++;
    struct upsink_slice text = {begin, (size_t)(run->p - begin)};
    if (!text.len)
        return fail_broken(run);
    if (!mg_number_read(text, &number))
        return upsink_fail(
            run->err, UPSINK_ERR_RECORD, "value_out_of_range",
            "a number has more digits or a larger exponent than MongoDB's Decimal128 holds (34 digits)");
    run->out->data[type_at] = (char)number.type;
    uint64_t bits;
    switch (number.type) {
    case MG_INT64:
        mg_put_int64_raw(run->out, number.integer);
        break;
    case MG_DOUBLE:
        memcpy(&bits, &number.real, sizeof bits);
        mg_put_int64_raw(run->out, (int64_t)bits);
        break;
    default:
        mg_put_int64_raw(run->out, (int64_t)number.decimal.low);
        mg_put_int64_raw(run->out, (int64_t)number.decimal.high);
    }
    return true;
}

static bool put_literal(struct run *run, size_t type_at)
{
    static const struct {
        const char *word;
        enum mg_type type;
        int value;
    } literals[] = {{"true", MG_BOOL, 1}, {"false", MG_BOOL, 0}, {"null", MG_NULL, -1}};
    for (size_t i = 0; i < 3; i++) {
        size_t len = strlen(literals[i].word);
        if ((size_t)(run->end - run->p) < len || memcmp(run->p, literals[i].word, len) != 0)
            continue;
        run->p += len;
        run->out->data[type_at] = (char)literals[i].type;
        if (literals[i].value >= 0)
            buf_append_byte(run->out, (char)literals[i].value);
        return true;
    }
    return fail_broken(run);
}

/* --- objects --------------------------------------------------------------------------------- */

/* FNV-1a (Fowler, Noll, Vo). Only to tell that no name stands twice; equal ones are compared. */
static uint32_t hash_name(const char *name, size_t len)
{
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)name[i]) * 16777619U;
    return hash;
}

static bool add_member(struct run *run, size_t at, size_t name_len)
{
    struct mg_converter *converter = run->converter;
    if (converter->member_count == converter->member_capacity) {
        size_t capacity = converter->member_capacity * 2 + 64;
        void *grown = reallocarray(converter->members, capacity, sizeof *converter->members);
        if (!grown)
            return fail_memory(run);
        converter->members = grown;
        converter->member_capacity = capacity;
    }
    converter->members[converter->member_count++] = (struct mg_member){
        .at = at, .name_len = (uint32_t)name_len, .hash = hash_name(run->out->data + at + 1, name_len)};
    return true;
}

/* At a member's name; to its value. */
static bool put_name(struct run *run, size_t *type_at, size_t *len)
{
    struct upsink_slice raw;
    bool escaped;
    if (run->p == run->end || *run->p != '"' || !find_string(run, &raw, &escaped))
        return fail_broken(run);
    *type_at = run->out->len;
    buf_append_byte(run->out, '\0');
    const char *name = put_unescaped(run, raw, escaped, len);
    if (!name)
        return fail_memory(run);
    if (escaped && memchr(name, '\0', *len))
        return upsink_fail(run->err, UPSINK_ERR_RECORD, "nul_in_name",
                           "the name of a field holds \\u0000, which MongoDB can't");
    buf_append_byte(run->out, '\0');
    skip_space(run);
    if (!take(run, ':'))
        return fail_broken(run);
    skip_space(run);
    return !run->out->failed || fail_memory(run);
}

static bool put_member(struct run *run, uint32_t dates)
{
    size_t type_at = 0, len = 0;
    bool is_date = false;
    if (!put_name(run, &type_at, &len))
        return false;
    if (dates)
        dates = follow_dates(run, dates, run->depth - 1, run->out->data + type_at + 1, len, &is_date);
    if (!add_member(run, type_at, len))
        return false;
    if (is_date && run->p < run->end && *run->p != 'n')
        return *run->p == '"' ? put_date(run, type_at)
                              : upsink_fail(run->err, UPSINK_ERR_RECORD, "invalid_date",
                                            "a field that `dates` names is neither a text nor null");
    return put_value(run, type_at, dates);
}

struct order {
    const char *data;
};

static int compare_members(const void *left, const void *right, void *context)
{
    const struct order *order = context;
    const struct mg_member *a = left, *b = right;
    uint32_t shorter = a->name_len < b->name_len ? a->name_len : b->name_len;
    int result = memcmp(order->data + a->at + 1, order->data + b->at + 1, shorter);
    if (result || a->name_len != b->name_len)
        return result ? result : a->name_len < b->name_len ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at;
}

static bool may_repeat(const struct mg_member *members, size_t count)
{
    if (count > LINEAR_MEMBERS)
        return true;
    for (size_t i = 1; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (members[i].hash == members[j].hash)
                return true;
    return false;
}

/* Takes the marked members (name_len UINT32_MAX) out of the output. */
static void drop_marked(struct run *run, struct mg_member *members, size_t *count)
{
    struct buf *out = run->out;
    size_t end = out->len, to = *count ? members[0].at : 0, kept = 0;
    for (size_t i = 0; i < *count; i++) {
        size_t from = members[i].at, len = (i + 1 < *count ? members[i + 1].at : end) - from;
        if (members[i].name_len == UINT32_MAX)
            continue;
        memmove(out->data + to, out->data + from, len);
        members[kept] = members[i];
        members[kept++].at = to;
        to += len;
    }
    if (*count)
        out->len = to;
    *count = kept;
}

/* Of members with one name the last stays. */
static bool drop_repeated(struct run *run, size_t base)
{
    struct mg_converter *converter = run->converter;
    struct mg_member *members = converter->members + base;
    size_t count = converter->member_count - base, repeated = 0;
    if (!may_repeat(members, count))
        return true;
    if (converter->sorted_capacity < count) {
        void *grown = reallocarray(converter->sorted, count, sizeof *converter->sorted);
        if (!grown)
            return fail_memory(run);
        converter->sorted = grown;
        converter->sorted_capacity = count;
    }
    struct order order = {run->out->data};
    memcpy(converter->sorted, members, count * sizeof *members);
    for (size_t i = 0; i < count; i++)
        converter->sorted[i].hash = (uint32_t)i;
    qsort_r(converter->sorted, count, sizeof *members, compare_members, &order);
    for (size_t i = 0; i + 1 < count; i++) {
        const struct mg_member *a = &converter->sorted[i], *b = a + 1;
        if (a->name_len == b->name_len &&
            memcmp(order.data + a->at + 1, order.data + b->at + 1, a->name_len) == 0) {
            members[a->hash].name_len = UINT32_MAX;
            repeated++;
        }
    }
    if (repeated) {
        drop_marked(run, members, &count);
        converter->member_count = base + count;
    }
    return true;
}

/* Behind the opening brace; to behind the closing one. The members stay on the converter's list, from `base`.
 */
static bool put_members(struct run *run, uint32_t dates, size_t base)
{
    skip_space(run);
    if (take(run, '}'))
        return true;
    do {
        skip_space(run);
        if (!put_member(run, dates))
            return false;
        skip_space(run);
    } while (take(run, ','));
    if (!take(run, '}'))
        return fail_broken(run);
    return drop_repeated(run, base);
}

static bool put_object(struct run *run, uint32_t dates)
{
    size_t base = run->converter->member_count, at = mg_open(run->out);
    if (!enter(run) || !put_members(run, dates, base))
        return false;
    run->converter->member_count = base;
    run->depth--;
    mg_close(run->out, at);
    return true;
}

static bool put_array(struct run *run, uint32_t dates)
{
    size_t at = mg_open(run->out);
    uint32_t index = 0;
    if (!enter(run))
        return false;
    skip_space(run);
    if (!take(run, ']')) {
        do {
            size_t type_at = run->out->len;
            uint32_t left = 0;
            bool is_date = false;
            mg_put_index(run->out, MG_NULL, index++);
            if (run->out->failed)
                return fail_memory(run);
            if (dates)
                left = follow_dates(run, dates, run->depth - 1, run->out->data + type_at + 1,
                                    run->out->len - type_at - 2, &is_date);
            skip_space(run);
            if (is_date && run->p < run->end && *run->p == '"' ? !put_date(run, type_at)
                                                               : !put_value(run, type_at, left))
                return false;
            skip_space(run);
        } while (take(run, ','));
        if (!take(run, ']'))
            return fail_broken(run);
    }
    run->depth--;
    mg_close(run->out, at);
    return true;
}

/* The value of the element whose type byte stands at type_at, which gets its type. */
static bool put_value(struct run *run, size_t type_at, uint32_t dates)
{
    if (run->out->failed)
        return fail_memory(run);
    if (run->p == run->end)
        return fail_broken(run);
    switch (*run->p) {
    case '"':
        return put_text(run, type_at);
    case '{':
        run->p++;
        run->out->data[type_at] = MG_DOCUMENT;
        return put_object(run, dates);
    case '[':
        run->p++;
        run->out->data[type_at] = MG_ARRAY;
        return put_array(run, dates);
    case 't':
    case 'f':
    case 'n':
        return put_literal(run, type_at);
    default:
        return put_number(run, type_at);
    }
}

/* --- what is called from outside -------------------------------------------------------------- */

static uint32_t all_dates(const struct mg_converter *converter)
{
    size_t count = converter->dates ? converter->dates->count : 0;
    return count == 32 ? UINT32_MAX : (UINT32_C(1) << count) - 1;
}

static void begin(struct run *run, struct mg_converter *converter, struct upsink_slice text, struct buf *out,
                  struct upsink_error *err)
{
    *run = (struct run){
        .converter = converter, .out = out, .p = text.data, .end = text.data + text.len, .err = err};
    converter->member_count = 0;
    skip_space(run);
}

static bool finish(struct run *run)
{
    skip_space(run);
    if (run->p != run->end)
        return fail_broken(run);
    return !run->out->failed || fail_memory(run);
}

static bool show_members(struct run *run)
{
    struct mg_converter *converter = run->converter;
    struct mg_member *members = converter->members;
    size_t count = converter->member_count, dropped = 0;
    for (size_t i = 0; i < count; i++) {
        const char *name = run->out->data + members[i].at + 1;
        bool drop = false;
        if (!run->see(run->context, name, members[i].name_len, name + members[i].name_len + 1,
                      (enum mg_type)(unsigned char)name[-1], &drop, run->err))
            return false;
        if (drop) {
            members[i].name_len = UINT32_MAX;
            dropped++;
        }
    }
    if (dropped)
        drop_marked(run, members, &count);
    return true;
}

bool mg_json_members(struct mg_converter *converter, struct upsink_slice text, struct buf *out,
                     mg_see_member *see, void *context, struct upsink_error *err)
{
    struct run run;
    begin(&run, converter, text, out, err);
    run.see = see;
    run.context = context;
    if (!take(&run, '{'))
        return fail_broken(&run);
    run.depth = 1;
    return put_members(&run, all_dates(converter), 0) && finish(&run) && show_members(&run);
}

bool mg_json_value(struct mg_converter *converter, struct upsink_slice text, const char *name,
                   struct buf *out, struct upsink_error *err)
{
    struct run run;
    begin(&run, converter, text, out, err);
    size_t type_at = out->len;
    mg_put_name(out, MG_NULL, name);
    return put_value(&run, type_at, 0) && finish(&run);
}

char mg_json_first(struct upsink_slice text)
{
    const char *p = json_lex_space(text.data, text.data + text.len);
    return p < text.data + text.len ? *p : '\0';
}

void mg_converter_destroy(struct mg_converter *converter)
{
    free(converter->members);
    free(converter->sorted);
    *converter = (struct mg_converter){.dates = NULL};
}

/* --- dates ------------------------------------------------------------------------------------ */

/* "~1" is a slash, "~0" a tilde (RFC 6901 section 3). */
static bool unescape_token(char *token)
{
    char *to = token;
    for (const char *from = token; *from; from++) {
        if (*from == '~' && from[1] != '0' && from[1] != '1')
            return false;
        if (*from == '~')
            *to++ = *++from == '1' ? '/' : '~';
        else
            *to++ = *from;
    }
    *to = '\0';
    return true;
}

static bool split_pointer(struct mg_dates *dates, char *pointer)
{
    size_t i = dates->count, length = 0;
    if (*pointer != '/')
        return false;
    for (char *at = pointer; at; length++) {
        if (length == MG_DATE_TOKENS)
            return false;
        *at++ = '\0';
        dates->tokens[i][length] = at;
        at = strchr(at, '/');
    }
    dates->lengths[i] = length;
    for (size_t t = 0; t < length; t++)
        if (!unescape_token((char *)(uintptr_t)dates->tokens[i][t]))
            return false;
    return true;
}

/* The view's other pointers begin at the record, where the entity is a member of its envelope. */
static bool add_without_envelope(struct mg_dates *dates)
{
    static const char *const members[] = {"data", "payload", "after"};
    size_t last = dates->count - 1, length = dates->lengths[last];
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (length < 2 || strcmp(dates->tokens[last][0], members[i]) != 0)
            continue;
        if (dates->count == MG_DATES_MAX)
            return false;
        memcpy(dates->tokens[last + 1], dates->tokens[last] + 1, (length - 1) * sizeof *dates->tokens[0]);
        dates->lengths[last + 1] = length - 1;
        dates->count++;
    }
    return true;
}

bool mg_dates_parse(struct mg_dates *dates, const char *text, struct upsink_error *err)
{
    char *rest = NULL;
    *dates = (struct mg_dates){.memory = strdup(text)};
    if (!dates->memory)
        return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory");
    for (char *at = strtok_r(dates->memory, ", \t\r\n", &rest); at; at = strtok_r(NULL, ", \t\r\n", &rest)) {
        bool good = dates->count < MG_DATES_MAX && split_pointer(dates, at);
        dates->count += good;
        if (!good || !add_without_envelope(dates)) {
            mg_dates_clear(dates);
            return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_setting",
                               "mongodb.dates wants JSON Pointers, at most %d, separated by commas, as in "
                               "/lastUpdated,/shipping/sentAt",
                               MG_DATES_MAX / 2);
        }
    }
    return true;
}

void mg_dates_clear(struct mg_dates *dates)
{
    free(dates->memory);
    *dates = (struct mg_dates){.memory = NULL};
}
