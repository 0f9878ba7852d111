#include "schemas/decimal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct decimal parse(const char *text)
{
    struct decimal number;
    if (!decimal_parse(upsink_slice_of(text), &number))
        fail_msg("'%s' was refused", text);
    return number;
}

static void numbers_are_equal_by_value(void **state)
{
    /* Each group stands for one value; groups end with NULL. */
    static const char *const groups[] = {
        "0",
        "-0",
        "0.0",
        "0e5",
        "0.000e-99999999999999999999",
        NULL,
        "1",
        "1.0",
        "1.00",
        "1e0",
        "10e-1",
        "0.1e1",
        "0.001E+3",
        "1000e-3",
        NULL,
        "-1",
        "-1.0",
        "-1e0",
        NULL,
        "100",
        "1e2",
        "1.00e2",
        "100.0",
        NULL,
        "101",
        "1.01e2",
        "10.1e1",
        "101.000",
        NULL,
        "1001",
        "1.001e3",
        NULL,
        "10.5",
        "1.05e1",
        "105e-1",
        "10.50",
        NULL,
        "12345678901234567890123456789.5",
        "123456789012345678901234567895e-1",
        NULL,
        "12345678901234567890123456789.6",
        NULL,
        "1e400",
        "10e399",
        NULL,
        "1e401",
        NULL,
        "0.1",
        "1e-1",
        NULL,
        "11",
        NULL,
        "1.1",
        NULL,
        "111",
        NULL,
        "10",
        "1e1",
        NULL,
    };
    enum { GROUPS = sizeof groups / sizeof *groups };
    (void)state;
    for (size_t i = 0, group_i = 0; i < GROUPS; i++) {
        if (!groups[i]) {
            group_i++;
            continue;
        }
        for (size_t j = 0, group_j = 0; j < GROUPS; j++) {
            struct decimal a = parse(groups[i]), b;
            if (!groups[j]) {
                group_j++;
                continue;
            }
            b = parse(groups[j]);
            if (decimal_equal(&a, &b) != (group_i == group_j))
                fail_msg("%s and %s", groups[i], groups[j]);
        }
    }
}

static void integers_that_fit_are_converted(void **state)
{
    static const struct {
        const char *text;
        int64_t value;
    } numbers[] = {
        {"0", 0},
        {"-0.0", 0},
        {"1e3", 1000},
        {"1.5e1", 15},
        {"1700000000000.000", 1700000000000},
        {"1.7E+12", 1700000000000},
        {"-120e-1", -12},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
        {"-9.223372036854775808e18", INT64_MIN},
        {"9223372036854775807.0", INT64_MAX},
        {"1e18", 1000000000000000000},
        {"9e18", 9000000000000000000},
    };
    static const char *const others[] = {
        "0.5",
        "1e-1",
        "1.01e1",
        "9223372036854775808",
        "-9223372036854775809",
        "1e19",
        "10e18",
        "1e400",
        "-1e400",
        "1e-400",
        "1e99999999999999999999999",
        "92233720368547758070",
        "1.5",
        "1e-99999999999999999999",
    };
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct decimal number = parse(numbers[i].text);
        int64_t value = 1;
        if (!decimal_to_int64(&number, &value) || value != numbers[i].value)
            fail_msg("%s became %lld", numbers[i].text, (long long)value);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct decimal number = parse(others[i]);
        int64_t value = 42;
        if (decimal_to_int64(&number, &value))
            fail_msg("%s became %lld", others[i], (long long)value);
        assert_int_equal(value, 42);
    }
}

static void what_json_does_not_take_for_a_number_is_refused(void **state)
{
    static const char *const texts[] = {"",      "-",   "+1",       "01",  "-01", "1.", ".5",    "1.e1",
                                        "1e",    "1e+", "1ex",      "0x1", "1 ",  " 1", "1,0",   "1..0",
                                        "1e1.5", "NaN", "Infinity", "--1", "e1",  "1-", "1e--1", "true"};
    struct decimal number;
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (decimal_parse(upsink_slice_of(texts[i]), &number))
            fail_msg("'%s' was taken", texts[i]);
    }
    assert_false(decimal_parse(UPSINK_SLICE_ABSENT, &number));
}

static void what_stands_behind_a_number_does_not_count(void **state)
{
    struct decimal one, eleven;
    (void)state;
    assert_true(decimal_parse((struct upsink_slice){"111", 1}, &one));
    assert_true(decimal_parse((struct upsink_slice){"111", 2}, &eleven));
    assert_false(decimal_equal(&one, &eleven));
    assert_false(decimal_equal(&eleven, &one));
    assert_true(decimal_parse((struct upsink_slice){"1.15", 3}, &one));
    assert_true(decimal_parse((struct upsink_slice){"1.15", 4}, &eleven));
    assert_false(decimal_equal(&one, &eleven));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_equal_by_value),
        cmocka_unit_test(integers_that_fit_are_converted),
        cmocka_unit_test(what_stands_behind_a_number_does_not_count),
        cmocka_unit_test(what_json_does_not_take_for_a_number_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
