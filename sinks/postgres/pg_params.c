#include "pg_params.h"

#include <endian.h>
#include <string.h>

#define KEPT_BYTES ((size_t)512 * 1024)
#define LENGTH_AT  12 /* of an array's length within its header */

#define YEAR_2000 946684800000000
#define WIRE_MIN  (-211813488000000000)
#define WIRE_MAX  9223371331199999999

void pg_params_init(struct pg_params *params)
{
    memset(params, 0, sizeof *params);
}

void pg_params_destroy(struct pg_params *params)
{
    for (int i = 0; i < PG_PARAMS_MAX; i++)
        buf_destroy(&params->buf[i]);
}

void pg_params_clear(struct pg_params *params)
{
    for (int i = 0; i < PG_PARAMS_MAX; i++) {
        if (params->buf[i].capacity > KEPT_BYTES)
            buf_destroy(&params->buf[i]);
        else
            buf_clear(&params->buf[i]);
    }
    params->count = 0;
    params->arrays = 0;
    params->bytes = 0;
}

bool pg_params_failed(const struct pg_params *params)
{
    for (int i = 0; i < params->count; i++)
        if (params->buf[i].failed)
            return true;
    return false;
}

static void append_int4(struct buf *buf, int32_t value)
{
    uint32_t wire = htobe32((uint32_t)value);
    buf_append(buf, &wire, sizeof wire);
}

static void append_int8(struct buf *buf, int64_t value)
{
    uint64_t wire = htobe64((uint64_t)value);
    buf_append(buf, &wire, sizeof wire);
}

void pg_params_add_int8(struct pg_params *params, int64_t value)
{
    append_int8(&params->buf[params->count++], value);
}

void pg_params_add_int4(struct pg_params *params, int32_t value)
{
    append_int4(&params->buf[params->count++], value);
}

void pg_params_add_text(struct pg_params *params, struct upsink_slice text)
{
    struct buf *buf = &params->buf[params->count++];
    buf_append_slice(buf, text);
    buf_reserve(buf, 1); /* an empty text is not NULL */
}

void pg_params_begin_array(struct pg_params *params, enum pg_type element)
{
    struct buf *buf = &params->buf[params->count];
    params->arrays |= 1u << params->count++;
    append_int4(buf, 1); /* dimensions */
    append_int4(buf, 1); /* has NULLs, or may have */
    append_int4(buf, (int32_t)element);
    append_int4(buf, 0); /* length, set at the end */
    append_int4(buf, 1); /* lower bound */
}

void pg_params_end_arrays(struct pg_params *params, size_t length)
{
    uint32_t wire = htobe32((uint32_t)length);
    for (int i = 0; i < params->count; i++)
        if (params->arrays >> i & 1 && !params->buf[i].failed)
            memcpy(params->buf[i].data + LENGTH_AT, &wire, sizeof wire);
}

void pg_params_put_text(struct pg_params *params, int index, struct upsink_slice text)
{
    struct buf *buf = &params->buf[index];
    if (!text.data) {
        append_int4(buf, -1);
        return;
    }
    if (text.len > INT32_MAX) {
        buf->failed = true;
        return;
    }
    buf_reserve(buf, text.len + 4);
    append_int4(buf, (int32_t)text.len);
    buf_append(buf, text.data, text.len);
    params->bytes += text.len + 4;
}

void pg_params_put_int8(struct pg_params *params, int index, int64_t value)
{
    append_int4(&params->buf[index], 8);
    append_int8(&params->buf[index], value);
    params->bytes += 12;
}

void pg_params_put_int4(struct pg_params *params, int index, int32_t value)
{
    append_int4(&params->buf[index], 4);
    append_int4(&params->buf[index], value);
    params->bytes += 8;
}

void pg_params_put_null(struct pg_params *params, int index)
{
    append_int4(&params->buf[index], -1);
}

int64_t pg_timestamp_to_wire(int64_t unix_microseconds)
{
    int64_t wire;
    if (__builtin_sub_overflow(unix_microseconds, (int64_t)YEAR_2000, &wire) || wire < WIRE_MIN)
        return WIRE_MIN;
    return wire > WIRE_MAX ? WIRE_MAX : wire;
}

int64_t pg_timestamp_from_wire(int64_t microseconds)
{
    int64_t result;
    /* "infinity" and "-infinity" are the ends of the range. */
    return __builtin_add_overflow(microseconds, (int64_t)YEAR_2000, &result) ? INT64_MAX : result;
}

int64_t pg_read_int8(const char *bytes)
{
    uint64_t wire;
    memcpy(&wire, bytes, sizeof wire);
    return (int64_t)be64toh(wire);
}

int32_t pg_read_int4(const char *bytes)
{
    uint32_t wire;
    memcpy(&wire, bytes, sizeof wire);
    return (int32_t)be32toh(wire);
}
