#include "clock.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static int64_t fixed_time(void *context)
{
    return *(int64_t *)context;
}

static void a_replaced_clock_says_what_it_is_told(void **state)
{
    (void)state;
    int64_t now = 42;
    struct clock_source source = {.wall_us = fixed_time, .context = &now};
    clock_replace(&source);
    assert_int_equal(clock_wall_us(), 42);
    assert_int_not_equal(clock_monotonic_us(), 42); /* the member is NULL: the system's own */
    clock_replace(NULL);
    assert_true(clock_wall_us() > 1600000000 * CLOCK_SECOND);
}

static void the_monotonic_clock_does_not_step_back(void **state)
{
    (void)state;
    int64_t last = clock_monotonic_us();
    for (int i = 0; i < 1000; i++) {
        int64_t now = clock_monotonic_us();
        assert_true(now >= last);
        last = now;
    }
}

static void times_are_written_as_rfc_3339(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000000Z"},
        {1, "1970-01-01T00:00:00.000001Z"},
        {-1, "1969-12-31T23:59:59.999999Z"},
        {1767323045000006, "2026-01-02T03:04:05.000006Z"},
        {951782400000000, "2000-02-29T00:00:00.000000Z"},
    };
    char text[CLOCK_TEXT_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clock_format(cases[i].us, text);
        assert_string_equal(text, cases[i].text);
    }
    clock_format(INT64_MAX, text);
    assert_string_equal(text, "294247-01-10T04:00:54.775807Z");
    clock_format(INT64_MIN, text);
    assert_true(strlen(text) < CLOCK_TEXT_SIZE);
}

static void a_timestamp_that_nobody_can_mean_is_the_largest(void **state)
{
    (void)state;
    assert_int_equal(clock_from_ms(0), 0);
    assert_int_equal(clock_from_ms(1767323045001), 1767323045001000);
    assert_int_equal(clock_from_ms(-1), -1);
    assert_int_equal(clock_from_ms(INT64_MIN), -1);
    assert_int_equal(clock_from_ms(INT64_MAX), 9223372036854774000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_replaced_clock_says_what_it_is_told),
        cmocka_unit_test(the_monotonic_clock_does_not_step_back),
        cmocka_unit_test(times_are_written_as_rfc_3339),
        cmocka_unit_test(a_timestamp_that_nobody_can_mean_is_the_largest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
