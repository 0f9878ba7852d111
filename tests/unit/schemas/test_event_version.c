#include "schemas/event_version.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct {
    const char *text;
    int64_t version;
} integers[] = {
    {"0", 0},
    {"7", 7},
    {"-7", -7},
    {"-0", 0},
    {"1767323045678", 1767323045678},
    {"9223372036854775807", INT64_MAX},
    {"-9223372036854775808", INT64_MIN},
};

static void integers_are_versions_as_numbers_and_as_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
        int64_t number = 1, text = 1;
        assert_true(event_version_of_number(upsink_slice_of(integers[i].text), &number));
        assert_true(event_version_of_text(upsink_slice_of(integers[i].text), &text));
        assert_int_equal(number, integers[i].version);
        assert_int_equal(text, integers[i].version);
    }
}

static void a_number_may_be_written_in_any_way_that_is_an_integer(void **state)
{
    int64_t version;
    (void)state;
    assert_true(event_version_of_number(UPSINK_SLICE_LIT("1.767323045678e12"), &version));
    assert_int_equal(version, 1767323045678);
    assert_true(event_version_of_number(UPSINK_SLICE_LIT("5.0"), &version));
    assert_int_equal(version, 5);
    assert_false(event_version_of_number(UPSINK_SLICE_LIT("5.5"), &version));
    assert_false(event_version_of_number(UPSINK_SLICE_LIT("1e400"), &version));
    assert_false(event_version_of_number(UPSINK_SLICE_LIT("9223372036854775808"), &version));
}

static void texts_may_have_leading_zeros_or_be_times(void **state)
{
    int64_t version;
    (void)state;
    assert_true(event_version_of_text(UPSINK_SLICE_LIT("00000000000000000000000042"), &version));
    assert_int_equal(version, 42);
    assert_true(event_version_of_text(UPSINK_SLICE_LIT("-0042"), &version));
    assert_int_equal(version, -42);
    assert_true(event_version_of_text(UPSINK_SLICE_LIT("2026-01-02T03:04:05.678Z"), &version));
    assert_int_equal(version, 1767323045678000);
    assert_true(event_version_of_text(UPSINK_SLICE_LIT("1969-12-31T23:59:59Z"), &version));
    assert_int_equal(version, -1000000);
}

static void other_texts_are_no_versions(void **state)
{
    static const char *const texts[] = {
        "",
        "-",
        "+1",
        "1.0",
        "1e3",
        " 1",
        "1 ",
        "soon",
        "0x10",
        "9223372036854775808",
        "-9223372036854775809",
        "99999999999999999999999999999999",
        "2026-01-02",
        "2026-01-02T03:04:05",
        "1-2-3-4-5",
        "1234-",
        "--1",
        "1_000",
        "\xD9\xA1",
    };
    int64_t version = 42;
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (event_version_of_text(upsink_slice_of(texts[i]), &version))
            fail_msg("'%s' became %lld", texts[i], (long long)version);
    }
    assert_int_equal(version, 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_versions_as_numbers_and_as_texts),
        cmocka_unit_test(a_number_may_be_written_in_any_way_that_is_an_integer),
        cmocka_unit_test(texts_may_have_leading_zeros_or_be_times),
        cmocka_unit_test(other_texts_are_no_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
