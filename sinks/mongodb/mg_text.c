#include "mg_text.h"

#include "mg_number.h"
#include "schemas/json_text.h"

#include <inttypes.h>
#include <time.h>

enum { DEPTH_MAX = 250 };

static bool put_value(struct buf *out, const bson_iter_t *value, unsigned depth);

static bool is_named(const char *name, const char *const *list)
{
    for (; list && *list; list++)
        if (strcmp(*list, name) == 0)
            return true;
    return false;
}

static bool put_members(struct buf *out, bson_iter_t *member, bool names, const char *const *without,
                        unsigned depth)
{
    bool first = true;
    if (depth > DEPTH_MAX)
        return false;
    buf_append_byte(out, names ? '{' : '[');
    while (bson_iter_next(member)) {
        if (is_named(bson_iter_key(member), without))
            continue;
        if (!first)
            buf_append_byte(out, ',');
        first = false;
        if (names) {
            if (!json_text_append(out, upsink_slice_of(bson_iter_key(member))))
                return false;
            buf_append_byte(out, ':');
        }
        if (!put_value(out, member, depth + 1))
            return false;
    }
    buf_append_byte(out, names ? '}' : ']');
    return !out->failed;
}

static void put_date(struct buf *out, int64_t ms)
{
    int32_t rest;
    int64_t seconds = mg_floor_ms(ms, &rest);
    struct tm tm;
    char text[40];
    if (!gmtime_r(&(time_t){seconds}, &tm) || tm.tm_year < -1899 || tm.tm_year > 8099) {
        buf_printf(out, "%" PRId64, ms);
        return;
    }
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    buf_printf(out, "\"%s", text);
    if (rest)
        buf_printf(out, ".%03d", (int)rest);
    buf_append_text(out, "Z\"");
}

/* As {"": value}, of which only the value is taken. */
static bool put_extended(struct buf *out, const bson_iter_t *value)
{
    static const char before[] = "{ \"\" : ";
    bson_t wrapped = BSON_INITIALIZER;
    size_t len = 0;
    bool done = bson_append_iter(&wrapped, "", 0, value);
    char *text = done ? bson_as_relaxed_extended_json(&wrapped, &len) : NULL;
    done = text && len > sizeof before + 1 && memcmp(text, before, sizeof before - 1) == 0;
    if (done)
        buf_append(out, text + sizeof before - 1, len - sizeof before - 1);
    bson_free(text);
    bson_destroy(&wrapped);
    return done;
}

static bool put_value(struct buf *out, const bson_iter_t *value, unsigned depth)
{
    bson_iter_t inside;
    bson_decimal128_t decimal;
    uint32_t len;
    switch (bson_iter_type(value)) {
    case BSON_TYPE_UTF8: {
        const char *text = bson_iter_utf8(value, &len);
        return json_text_append(out, (struct upsink_slice){text, len});
    }
    case BSON_TYPE_DOCUMENT:
    case BSON_TYPE_ARRAY:
        return bson_iter_recurse(value, &inside) &&
               put_members(out, &inside, bson_iter_type(value) == BSON_TYPE_DOCUMENT, NULL, depth);
    case BSON_TYPE_INT32:
    case BSON_TYPE_INT64:
        buf_printf(out, "%" PRId64, bson_iter_as_int64(value));
        return true;
    case BSON_TYPE_DOUBLE:
        mg_double_write(out, bson_iter_double(value));
        return true;
    case BSON_TYPE_DECIMAL128:
        bson_iter_decimal128(value, &decimal);
        mg_decimal_write(out, &decimal);
        return true;
    case BSON_TYPE_BOOL:
        buf_append_text(out, bson_iter_bool(value) ? "true" : "false");
        return true;
    case BSON_TYPE_NULL:
        buf_append_text(out, "null");
        return true;
    case BSON_TYPE_DATE_TIME:
        put_date(out, bson_iter_date_time(value));
        return true;
    default:
        return put_extended(out, value);
    }
}

bool mg_text_value(struct buf *out, const bson_iter_t *value)
{
    return put_value(out, value, 0) && !out->failed;
}

bool mg_text_members(struct buf *out, const bson_t *document, const char *const *without)
{
    bson_iter_t member;
    return bson_iter_init(&member, document) && put_members(out, &member, true, without, 0);
}
