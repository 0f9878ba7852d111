#include "connector/config_values.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

struct number {
    const char *text;
    int64_t value; /* -1: refused */
};

static void expect(bool (*parse)(const char *, int64_t *), const struct number *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t value = -1;
        bool ok = parse(cases[i].text, &value);
        if (ok != (cases[i].value != -1) || (ok && value != cases[i].value))
            fail_msg("\"%s\": %s %lld", cases[i].text, ok ? "is" : "refused", (long long)value);
    }
}

static void durations_have_a_unit(void **state)
{
    (void)state;
    static const struct number cases[] = {
        {"50ms", 50000},
        {"2s", 2000000},
        {"5m", 300000000},
        {"1h", 3600000000},
        {"30d", 2592000000000},
        {"1us", 1},
        {"1.5s", 1500000},
        {"0.25ms", 250},
        {"0", 0},
        {"0s", 0},
        {"2S", 2000000},
        {"50", -1},
        {"", -1},
        {"ms", -1},
        {"-1s", -1},
        {"1 s", -1},
        {"1.s", -1},
        {".5s", -1},
        {"1.5us", -1},
        {"1m30s", -1},
        {"1w", -1},
        {"106751991167301d", -1},
        {"99999999999999999999s", -1},
        {"0.0000000000000000000001s", -1},
    };
    expect(config_parse_duration, cases, COUNT(cases));
}

static void sizes_are_bytes_or_have_a_unit(void **state)
{
    (void)state;
    static const struct number cases[] = {
        {"1048576", 1048576},
        {"16MiB", 16777216},
        {"16MB", 16000000},
        {"16mb", 16000000},
        {"1kB", 1000},
        {"1KiB", 1024},
        {"1.5GiB", 1610612736},
        {"1B", 1},
        {"2GB", 2000000000},
        {"16M", -1},
        {"16 MiB", -1},
        {"-1", -1},
        {"1.5", -1},
        {"", -1},
        {"0x10", -1},
        {"9223372036854775807", 9223372036854775807},
        {"9223372036854775808", -1},
        {"9223372036854775807kB", -1},
    };
    expect(config_parse_size, cases, COUNT(cases));
}

static void integers_are_digits_alone(void **state)
{
    (void)state;
    static const struct number cases[] = {
        {"0", 0},
        {"100000", 100000},
        {"-7", -7},
        {"", -1},
        {"-", -1},
        {"1e3", -1},
        {"10_000", -1},
        {"10,000", -1},
        {"0x10", -1},
        {" 1", -1},
        {"+1", -1},
        {"1.0", -1},
        {"9223372036854775807", 9223372036854775807},
        {"9223372036854775808", -1},
        {"-9223372036854775808", INT64_MIN},
        {"-9223372036854775809", -1},
    };
    expect(config_parse_integer, cases, COUNT(cases));
}

static void shares_are_percentages(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double share;
    } cases[] = {{"20%", 0.2}, {"0%", 0}, {"100%", 1}, {"0.5%", 0.005}};
    static const char *const refused[] = {"20", "0.2", "101%", "-1%", "%", "", "20 %", "20%%"};
    double share = -1;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_true(config_parse_share(cases[i].text, &share));
        assert_float_equal(share, cases[i].share, 1e-12);
    }
    for (size_t i = 0; i < COUNT(refused); i++)
        assert_false(config_parse_share(refused[i], &share));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_have_a_unit),
        cmocka_unit_test(sizes_are_bytes_or_have_a_unit),
        cmocka_unit_test(integers_are_digits_alone),
        cmocka_unit_test(shares_are_percentages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
