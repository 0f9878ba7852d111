/* BSON (bsonspec.org, version 1.1) written by hand into a growing buffer.
 *
 * Every element is its type, its name with a NUL behind it, and its value, little-endian. Names given here
 * hold no NUL. Out of memory shows in buf->failed, once, at the end. */
#ifndef UPSINK_MG_BSON_H
#define UPSINK_MG_BSON_H

#include "buf.h"

#include <bson/bson.h>

enum mg_type {
    MG_DOUBLE = 0x01,
    MG_TEXT = 0x02,
    MG_DOCUMENT = 0x03,
    MG_ARRAY = 0x04,
    MG_BINARY = 0x05,
    MG_BOOL = 0x08,
    MG_DATE = 0x09,
    MG_NULL = 0x0A,
    MG_INT32 = 0x10,
    MG_INT64 = 0x12,
    MG_DECIMAL = 0x13
};

/* Room for `size` further bytes at the end, not yet counted in len; NULL when out of memory. */
static inline char *mg_room(struct buf *out, size_t size)
{
    /* One byte more, for buf's NUL. */
    if (out->failed || (out->capacity - out->len <= size && !buf_reserve(out, size)))
        return NULL;
    return out->data + out->len;
}

static inline void mg_put_int32_raw(struct buf *out, int32_t value)
{
    char *at = mg_room(out, 4);
    uint32_t bits = BSON_UINT32_TO_LE((uint32_t)value);
    if (!at)
        return;
    memcpy(at, &bits, 4);
    out->len += 4;
}

static inline void mg_put_int64_raw(struct buf *out, int64_t value)
{
    char *at = mg_room(out, 8);
    uint64_t bits = BSON_UINT64_TO_LE((uint64_t)value);
    if (!at)
        return;
    memcpy(at, &bits, 8);
    out->len += 8;
}

/* The type and the name of an element; its value follows. */
static inline void mg_put_name(struct buf *out, enum mg_type type, const char *name)
{
    size_t len = strlen(name) + 1;
    char *at = mg_room(out, len + 1);
    if (!at)
        return;
    *at = (char)type;
    memcpy(at + 1, name, len);
    out->len += len + 1;
}

/* The length of a document stands at its begin: a place for it, to be given to mg_close. */
static inline size_t mg_open(struct buf *out)
{
    size_t at = out->len;
    mg_put_int32_raw(out, 0);
    return at;
}

static inline size_t mg_open_named(struct buf *out, enum mg_type type, const char *name)
{
    mg_put_name(out, type, name);
    return mg_open(out);
}

static inline void mg_close(struct buf *out, size_t at)
{
    buf_append_byte(out, '\0');
    if (out->failed || out->len - at > INT32_MAX) {
        out->failed = true;
        return;
    }
    uint32_t bits = BSON_UINT32_TO_LE((uint32_t)(out->len - at));
    memcpy(out->data + at, &bits, 4);
}

static inline void mg_put_int32(struct buf *out, const char *name, int32_t value)
{
    mg_put_name(out, MG_INT32, name);
    mg_put_int32_raw(out, value);
}

static inline void mg_put_int64(struct buf *out, const char *name, int64_t value)
{
    mg_put_name(out, MG_INT64, name);
    mg_put_int64_raw(out, value);
}

static inline void mg_put_date(struct buf *out, const char *name, int64_t ms)
{
    mg_put_name(out, MG_DATE, name);
    mg_put_int64_raw(out, ms);
}

static inline void mg_put_bool(struct buf *out, const char *name, bool value)
{
    mg_put_name(out, MG_BOOL, name);
    buf_append_byte(out, value);
}

static inline void mg_put_text_raw(struct buf *out, struct upsink_slice text)
{
    if (text.len >= INT32_MAX) {
        out->failed = true;
        return;
    }
    mg_put_int32_raw(out, (int32_t)(text.len + 1));
    buf_append(out, text.data, text.len);
    buf_append_byte(out, '\0');
}

static inline void mg_put_text(struct buf *out, const char *name, struct upsink_slice text)
{
    mg_put_name(out, MG_TEXT, name);
    mg_put_text_raw(out, text);
}

/* Elements of an array are named by their numbers. */
static inline void mg_put_index(struct buf *out, enum mg_type type, uint32_t index)
{
    char name[12];
    char *at = name + sizeof name;
    *--at = '\0';
    do
        *--at = (char)('0' + index % 10);
    while (index /= 10);
    mg_put_name(out, type, at);
}

/* Milliseconds, rounded down, and the microseconds that are left. */
static inline int64_t mg_floor_ms(int64_t us, int32_t *rest)
{
    int64_t ms = us / 1000, left = us % 1000;
    if (left < 0) {
        ms--;
        left += 1000;
    }
    *rest = (int32_t)left;
    return ms;
}

#endif
