#include "mg_json.h"

#include "mg_number.h"
#include "schemas/json_lex.h"
#include "schemas/json_text.h"
#include "schemas/rfc3339.h"

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

/* A text, or null, stands where a date is wanted. */
static bool put_date(struct run *run, size_t type_at)
{
    struct upsink_slice raw = UPSINK_SLICE_ABSENT;
    bool escaped = false;
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
    struct upsink_slice raw = UPSINK_SLICE_ABSENT;
    bool escaped = false;
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

/* At a member's name; to its value. */
static bool put_name(struct run *run, size_t *type_at, size_t *len)
{
    struct upsink_slice raw = UPSINK_SLICE_ABSENT;
    bool escaped = false;
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
        dates = mg_dates_follow(run->converter->dates, dates, run->depth - 1, run->out->data + type_at + 1,
                                len, &is_date);
    if (!mg_members_add(&run->converter->members, run->out, type_at, len))
        return fail_memory(run);
    if (is_date && run->p < run->end && *run->p != 'n')
        return *run->p == '"' ? put_date(run, type_at)
                              : upsink_fail(run->err, UPSINK_ERR_RECORD, "invalid_date",
                                            "a field that `dates` names is neither a text nor null");
    return put_value(run, type_at, dates);
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
    return mg_members_settle(&run->converter->members, run->out, base) || fail_memory(run);
}

static bool put_object(struct run *run, uint32_t dates)
{
    size_t base = run->converter->members.count, at = mg_open(run->out);
    if (!enter(run) || !put_members(run, dates, base))
        return false;
    run->converter->members.count = base;
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
                left = mg_dates_follow(run->converter->dates, dates, run->depth - 1,
                                       run->out->data + type_at + 1, run->out->len - type_at - 2, &is_date);
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

static void begin(struct run *run, struct mg_converter *converter, struct upsink_slice text, struct buf *out,
                  struct upsink_error *err)
{
    *run = (struct run){
        .converter = converter, .out = out, .p = text.data, .end = text.data + text.len, .err = err};
    converter->members.count = 0;
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
    struct mg_members *members = &run->converter->members;
    bool dropped = false;
    for (size_t i = 0; i < members->count; i++) {
        struct mg_member *member = &members->items[i];
        const char *name = run->out->data + member->at + 1;
        bool drop = false;
        if (!run->see(run->context, name, member->name_len, name + member->name_len + 1,
                      (enum mg_type)(unsigned char)name[-1], &drop, run->err))
            return false;
        if (drop)
            member->name_len = MG_MEMBER_DROPPED;
        dropped = dropped || drop;
    }
    if (dropped)
        mg_members_drop(members, run->out, 0);
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
    return put_members(&run, mg_dates_all(converter->dates), 0) && finish(&run) && show_members(&run);
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
    mg_members_clear(&converter->members);
    *converter = (struct mg_converter){.dates = NULL};
}
