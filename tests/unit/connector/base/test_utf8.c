#include "utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void well_formed_sequences_give_their_code_point(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        uint32_t code;
    } cases[] = {{"a", 'a'},
                 {"\x7f", 0x7F},
                 {"\xc2\x80", 0x80},
                 {"\xdf\xbf", 0x7FF},
                 {"\xe0\xa0\x80", 0x800},
                 {"\xed\x9f\xbf", 0xD7FF},
                 {"€", 0x20AC},
                 {"\xef\xbf\xbf", 0xFFFF},
                 {"\xf0\x90\x80\x80", 0x10000},
                 {"\xf4\x8f\xbf\xbf", 0x10FFFF}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t code = 0;
        assert_int_equal(utf8_decode(cases[i].bytes, strlen(cases[i].bytes), &code), strlen(cases[i].bytes));
        assert_int_equal(code, cases[i].code);
    }
}

static void malformed_sequences_are_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"\x80",
                                        "\xc0\x80",
                                        "\xc1\xbf",
                                        "\xe0\x80\x80",
                                        "\xe0\x9f\xbf",
                                        "\xed\xa0\x80",
                                        "\xf0\x8f\xbf\xbf",
                                        "\xf4\x90\x80\x80",
                                        "\xf5\x80\x80\x80",
                                        "\xff",
                                        "\xc2",
                                        "\xe2\x82",
                                        "\xf0\x9f\x98",
                                        "\xc2"
                                        "a",
                                        "\xe2\x82"
                                        "a"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_false(utf8_is_valid(cases[i], strlen(cases[i])));
    }
    assert_true(utf8_is_valid("", 0));
    assert_true(utf8_is_valid("a\0b", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(well_formed_sequences_give_their_code_point),
        cmocka_unit_test(malformed_sequences_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
