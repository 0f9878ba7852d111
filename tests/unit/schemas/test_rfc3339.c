#include "schemas/rfc3339.h"

#include "clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void times_become_microseconds(void **state)
{
    static const struct {
        const char *text;
        int64_t us;
    } times[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T00:00:01Z", 1000000},
        {"1969-12-31T23:59:59Z", -1000000},
        {"1969-12-31T23:59:59.999999Z", -1},
        {"2000-02-29T12:00:00Z", 951825600000000},
        {"2026-01-02T03:04:05.678Z", 1767323045678000},
        {"2026-01-02t03:04:05.678z", 1767323045678000},
        {"2026-01-02 03:04:05.678Z", 1767323045678000},
        {"2026-01-02T04:04:05.678+01:00", 1767323045678000},
        {"2026-01-01T21:34:05.678-05:30", 1767323045678000},
        {"2026-01-02T03:04:05.678-00:00", 1767323045678000},
        {"2026-01-03T03:03:05.678+23:59", 1767323045678000},
        {"2026-01-02T03:04:05.6Z", 1767323045600000},
        {"2026-01-02T03:04:05.000001Z", 1767323045000001},
        {"2026-01-02T03:04:05.0000019Z", 1767323045000001},
        {"2026-01-02T03:04:05.123456789123456789123456789Z", 1767323045123456},
        {"0001-01-01T00:00:00Z", -62135596800000000},
        {"9999-12-31T23:59:59.999999Z", 253402300799999999},
        {"9999-12-31T23:59:59.999999-23:59", 253402387139999999},
        {"1600-12-31T00:00:00Z", -11644560000000000},
        {"2016-12-31T23:59:60Z", 1483228800000000},
        {"2016-12-31T23:59:60.5Z", 1483228800500000},
        {"2017-01-01T08:59:60+09:00", 1483228800000000},
    };
    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        int64_t us = 0;
        if (!rfc3339_parse(upsink_slice_of(times[i].text), &us) || us != times[i].us)
            fail_msg("%s became %lld", times[i].text, (long long)us);
    }
}

/* Against another implementation, over all the days from 1000 to 2016. */
static void every_day_is_the_one_after_the_day_before(void **state)
{
    (void)state;
    for (int64_t day = -354285; day < 17000; day++) {
        char text[CLOCK_TEXT_SIZE];
        int64_t us = day * 86400 * CLOCK_SECOND + 86399999999, parsed = 0;
        clock_format(us, text);
        if (!rfc3339_parse(upsink_slice_of(text), &parsed) || parsed != us)
            fail_msg("%s became %lld", text, (long long)parsed);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "2026",
        "2026-01-02",
        "2026-01-02T03:04:05",
        "2026-01-02T03:04Z",
        "2026-01-02T03:04:05.Z",
        "2026-01-02T03:04:05,5Z",
        "2026-01-02T03:04:05Z ",
        " 2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05ZZ",
        "2026-01-02T03:04:05+01",
        "2026-01-02T03:04:05+0100",
        "2026-01-02T03:04:05+24:00",
        "2026-01-02T03:04:05+01:60",
        "2026-01-02T03:04:05 01:00",
        "2026-01-02T24:00:00Z",
        "2026-01-02T03:60:00Z",
        "2026-01-02T03:04:61Z",
        "2026-01-02T03:04:60Z",
        "2016-12-31T23:59:60+01:00",
        "2026-00-02T03:04:05Z",
        "2026-13-02T03:04:05Z",
        "2026-01-00T03:04:05Z",
        "2026-01-32T03:04:05Z",
        "2026-04-31T03:04:05Z",
        "2026-02-29T03:04:05Z",
        "1900-02-29T03:04:05Z",
        "0000-01-01T00:00:00Z",
        "-001-01-01T00:00:00Z",
        "+2026-01-02T03:04:05Z",
        "12026-01-02T03:04:05Z",
        "2026/01/02T03:04:05Z",
        "2026-1-2T03:04:05Z",
        "2026-01-02X03:04:05Z",
        "2026-01-0\xD9\xA2T03:04:05Z",
        "20260102T030405Z",
        "Fri, 02 Jan 2026 03:04:05 GMT",
    };
    int64_t us = 42;
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (rfc3339_parse(upsink_slice_of(texts[i]), &us))
            fail_msg("'%s' became %lld", texts[i], (long long)us);
    }
    assert_false(rfc3339_parse(UPSINK_SLICE_ABSENT, &us));
    assert_int_equal(us, 42);
}

static void a_time_cut_off_anywhere_is_refused(void **state)
{
    static const char text[] = "2026-01-02T03:04:05.678+01:00";
    int64_t us;
    (void)state;
    for (size_t len = 0; len < sizeof text - 1; len++)
        assert_false(rfc3339_parse((struct upsink_slice){text, len}, &us));
    assert_true(rfc3339_parse((struct upsink_slice){text, sizeof text - 1}, &us));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_become_microseconds),
        cmocka_unit_test(every_day_is_the_one_after_the_day_before),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(a_time_cut_off_anywhere_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
