/* Parameters of a statement in PostgreSQL's binary form, arrays among them. Pure.
 *
 * Source: PostgreSQL manual, chapter "Frontend/Backend Protocol" (Bind), and array_recv in
 * src/backend/utils/adt/arrayfuncs.c: dimensions, has-nulls, element type, length, lower bound, then
 * each element as int32 length (-1: NULL) and bytes. Integers are big-endian. */
#ifndef UPSINK_PG_PARAMS_H
#define UPSINK_PG_PARAMS_H

#include "buf.h"
#include "slice.h"

#include <stdint.h>

/* Object ids of built-in types (src/include/catalog/pg_type.dat); they never change. */
enum pg_type {
    PG_BOOL = 16,
    PG_INT8 = 20,
    PG_INT4 = 23,
    PG_TEXT = 25,
    PG_TIMESTAMPTZ = 1184,
    PG_INT4_ARRAY = 1007,
    PG_TEXT_ARRAY = 1009,
    PG_INT8_ARRAY = 1016,
    PG_TIMESTAMPTZ_ARRAY = 1185
};

enum { PG_PARAMS_MAX = 16 };

struct pg_params {
    struct buf buf[PG_PARAMS_MAX];
    int count;
    uint32_t arrays; /* bit i: parameter i is an array */
    size_t bytes;    /* of array elements */
};

void pg_params_init(struct pg_params *params);
void pg_params_destroy(struct pg_params *params);
bool pg_params_failed(const struct pg_params *params);

/* Empties all; memory over a few hundred KB is given back. */
void pg_params_clear(struct pg_params *params);

/* A parameter after the others; a pg_params_begin_array is completed by pg_params_end_arrays. */
void pg_params_add_int8(struct pg_params *params, int64_t value);
void pg_params_add_int4(struct pg_params *params, int32_t value);
void pg_params_add_text(struct pg_params *params, struct upsink_slice text);
void pg_params_begin_array(struct pg_params *params, enum pg_type element);
void pg_params_end_arrays(struct pg_params *params, size_t length); /* all that were begun have this length */

/* An element of the array that is parameter `index` (from 0). Absent texts become NULL. */
void pg_params_put_text(struct pg_params *params, int index, struct upsink_slice text);
void pg_params_put_int8(struct pg_params *params, int index, int64_t value);
void pg_params_put_int4(struct pg_params *params, int index, int32_t value);
void pg_params_put_null(struct pg_params *params, int index);

/* PostgreSQL counts microseconds from 2000-01-01; what it can't hold becomes the nearest it can. */
int64_t pg_timestamp_to_wire(int64_t unix_microseconds);
int64_t pg_timestamp_from_wire(int64_t microseconds);

int64_t pg_read_int8(const char *bytes);
int32_t pg_read_int4(const char *bytes);

#endif
