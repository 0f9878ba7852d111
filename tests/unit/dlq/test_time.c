#include "clock.h"
#include "dlq/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static void a_time_is_read_in_every_form_that_people_write(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t microseconds;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01", 0},
        {"2026-01-02T03:04:05.000006Z", 1767323045000006},
        {"2026-01-02t03:04:05.1234567z", 1767323045123456},
        {"2026-01-02 03:04:05", 1767323045000000},
        {"2026-01-02T03:04", 1767323040000000},
        {"2026-01-02T05:04:05+02:00", 1767323045000000},
        {"2026-01-01T22:04:05-05:00", 1767323045000000},
        {"2000-02-29T12:00:00Z", 951825600000000},
        {"1969-12-31T23:59:59.5Z", -500000},
        {"0001-01-01T00:00:00Z", -62135596800000000},
        {"9999-12-31T23:59:59.999999Z", 253402300799999999},
        {"2016-12-31T23:59:60Z", 1483228800000000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t microseconds = 1;
        assert_true(dlq_time_parse(upsink_slice_of(cases[i].text), &microseconds));
        assert_int_equal(microseconds, cases[i].microseconds);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "now",
                                      "2026",
                                      "2026-13-01",
                                      "2026-02-29",
                                      "1900-02-29",
                                      "2026-00-10",
                                      "2026-01-00",
                                      "2026-01-02T",
                                      "2026-01-02T24:00:00Z",
                                      "2026-01-02T03:60:00Z",
                                      "2026-01-02T03:04:05.Z",
                                      "2026-01-02T03:04:05+2",
                                      "2026-01-02T03:04:05Zx",
                                      "0000-01-01",
                                      "2026-1-02",
                                      "-026-01-02"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t microseconds = 1;
        assert_false(dlq_time_parse(upsink_slice_of(bad[i]), &microseconds));
        assert_int_equal(microseconds, 1);
    }
    int64_t microseconds;
    assert_false(dlq_time_parse(UPSINK_SLICE_ABSENT, &microseconds));
}

static void every_day_is_read_as_it_was_written(void **state)
{
    (void)state;
    for (int64_t day = -354285; /* 1000-01-01 */ day < 2932896; day += 17) {
        char text[CLOCK_TEXT_SIZE];
        int64_t wanted = day * 86400 * CLOCK_SECOND + 1, microseconds;
        clock_format(wanted, text);
        assert_true(dlq_time_parse(upsink_slice_of(text), &microseconds));
        assert_int_equal(microseconds, wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_is_read_in_every_form_that_people_write),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(every_day_is_read_as_it_was_written),
    };
    return cmocka_run_group_tests_name("dlq/time", tests, NULL, NULL);
}
