#include "sinks/postgres/pg_params.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static void an_array_is_laid_out_as_array_recv_reads_it(void **state)
{
    static const char expected[] = "\0\0\0\1"         /* one dimension */
                                   "\0\0\0\1"         /* may hold NULLs */
                                   "\0\0\0\x19"       /* text */
                                   "\0\0\0\3\0\0\0\1" /* three elements, from 1 */
                                   "\0\0\0\2hi"
                                   "\xff\xff\xff\xff"
                                   "\0\0\0\0";
    struct pg_params params;
    (void)state;
    pg_params_init(&params);
    pg_params_begin_array(&params, PG_TEXT);
    pg_params_put_text(&params, 0, UPSINK_SLICE_LIT("hi"));
    pg_params_put_text(&params, 0, UPSINK_SLICE_ABSENT);
    pg_params_put_text(&params, 0, UPSINK_SLICE_LIT(""));
    pg_params_end_arrays(&params, 3);
    assert_int_equal(params.count, 1);
    assert_int_equal(params.buf[0].len, sizeof expected - 1);
    assert_memory_equal(params.buf[0].data, expected, sizeof expected - 1);
    assert_false(pg_params_failed(&params));
    pg_params_destroy(&params);
}

static void only_arrays_get_a_length(void **state)
{
    struct pg_params params;
    (void)state;
    pg_params_init(&params);
    pg_params_add_text(&params, UPSINK_SLICE_LIT("a text longer than the header of an array"));
    pg_params_begin_array(&params, PG_INT8);
    pg_params_put_int8(&params, 1, -2);
    pg_params_end_arrays(&params, 1);
    pg_params_add_int8(&params, 7);
    assert_string_equal(params.buf[0].data, "a text longer than the header of an array");
    assert_int_equal(pg_read_int4(params.buf[1].data + 12), 1);
    assert_int_equal(pg_read_int8(params.buf[1].data + 24), -2);
    assert_int_equal(pg_read_int8(params.buf[2].data), 7);
    pg_params_destroy(&params);
}

static void an_empty_text_is_not_null(void **state)
{
    struct pg_params params;
    (void)state;
    pg_params_init(&params);
    pg_params_add_text(&params, UPSINK_SLICE_LIT(""));
    assert_non_null(params.buf[0].data);
    assert_int_equal(params.buf[0].len, 0);
    pg_params_destroy(&params);
}

static void clearing_gives_large_buffers_back(void **state)
{
    static char large[1 << 20];
    struct pg_params params;
    (void)state;
    pg_params_init(&params);
    pg_params_add_text(&params, (struct upsink_slice){large, sizeof large});
    pg_params_add_text(&params, UPSINK_SLICE_LIT("small"));
    pg_params_clear(&params);
    assert_int_equal(params.count, 0);
    assert_null(params.buf[0].data);
    assert_non_null(params.buf[1].data);
    pg_params_destroy(&params);
}

static void times_keep_their_microseconds_and_never_overflow(void **state)
{
    static const int64_t exact[] = {0, 1, -2, 946684800000000, 1700000000123456, -62135596800000000};
    (void)state;
    assert_int_equal(pg_timestamp_to_wire(946684800000000), 0); /* 2000-01-01 */
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++)
        assert_int_equal(pg_timestamp_from_wire(pg_timestamp_to_wire(exact[i])), exact[i]);
    assert_int_equal(pg_timestamp_to_wire(INT64_MIN), pg_timestamp_to_wire(-300000000000000000));
    assert_true(pg_timestamp_to_wire(INT64_MAX) < INT64_MAX); /* that would be "infinity" */
    assert_int_equal(pg_timestamp_from_wire(INT64_MAX), INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_array_is_laid_out_as_array_recv_reads_it),
        cmocka_unit_test(only_arrays_get_a_length),
        cmocka_unit_test(an_empty_text_is_not_null),
        cmocka_unit_test(clearing_gives_large_buffers_back),
        cmocka_unit_test(times_keep_their_microseconds_and_never_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
