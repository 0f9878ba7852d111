#include "sinks/sqlite/sqlite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <time.h>

static void times_are_rfc_3339_to_the_microsecond(void **state)
{
    static const struct {
        int64_t microseconds;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000000Z"},
        {1, "1970-01-01T00:00:00.000001Z"},
        {-2, "1969-12-31T23:59:59.999998Z"},
        {1700000000123456, "2023-11-14T22:13:20.123456Z"},
        {951782400000000, "2000-02-29T00:00:00.000000Z"},
        {4107542400000000, "2100-03-01T00:00:00.000000Z"},
        {-62135596800000000, "0001-01-01T00:00:00.000000Z"},
        {253402300799999999, "9999-12-31T23:59:59.999999Z"},
        {253402300800000000, "253402300800000000"},
        {-62135596800000001, "-62135596800000001"},
        {INT64_MAX, "9223372036854775807"},
        {INT64_MIN, "-9223372036854775808"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[TIME_SIZE];
        assert_int_equal(sqlite_format_time(cases[i].microseconds, text), strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
        assert_int_equal(sqlite_parse_time(text, strlen(text)), cases[i].microseconds);
    }
}

static void every_day_is_that_of_the_system(void **state)
{
    (void)state;
    for (int64_t day = -719162; day < 2932897; day += 13) {
        time_t seconds = (time_t)(day * 86400 + 45296);
        struct tm utc;
        char text[TIME_SIZE], expected[48];
        gmtime_r(&seconds, &utc);
        snprintf(expected, sizeof expected, "%04d-%02d-%02dT12:34:56.000789Z", utc.tm_year + 1900,
                 utc.tm_mon + 1, utc.tm_mday);
        sqlite_format_time(seconds * 1000000 + 789, text);
        assert_string_equal(text, expected);
        assert_int_equal(sqlite_parse_time(text, strlen(text)), seconds * 1000000 + 789);
    }
}

static void what_is_no_time_is_unknown(void **state)
{
    static const char *const texts[] = {"", "x", "2023-11-14T22:13:20.12345xZ", "2023-11-14T22:13:20.123456+",
                                        "9999999999T9999999999999999"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(sqlite_parse_time(texts[i], strlen(texts[i])), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_rfc_3339_to_the_microsecond),
        cmocka_unit_test(every_day_is_that_of_the_system),
        cmocka_unit_test(what_is_no_time_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
