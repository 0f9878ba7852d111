#include "connector/commands/json_layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static void assert_layout(const char *text, int indent, int margin, const char *wanted)
{
    struct buf out;
    buf_init(&out);
    json_layout(upsink_slice_of(text), indent, margin, &out);
    assert_false(out.failed);
    assert_string_equal(out.data, wanted);
    buf_destroy(&out);
}

static void values_stand_one_on_a_line(void **state)
{
    (void)state;
    assert_layout(
        "{\"a\":1,\"b\":[true,null],\"c\":{\"d\":\"e\"}}", 2, 0,
        "{\n  \"a\": 1,\n  \"b\": [\n    true,\n    null\n  ],\n  \"c\": {\n    \"d\": \"e\"\n  }\n}");
    assert_layout("[1,2]", 2, 4, "[\n      1,\n      2\n    ]");
}

static void empty_ones_stay_on_their_line(void **state)
{
    (void)state;
    assert_layout("{\"a\":{},\"b\":[ ],\"c\":[[],{ }]}", 2, 0,
                  "{\n  \"a\": {},\n  \"b\": [],\n  \"c\": [\n    [],\n    {}\n  ]\n}");
    assert_layout("{}", 2, 0, "{}");
    assert_layout(" [ ] ", 2, 0, "[]");
}

static void one_line_has_no_space_but_in_strings(void **state)
{
    (void)state;
    assert_layout(" { \"a b\" : [ 1 ,\r\n\t 2 ] , \"c\" : \" \" } ", 0, 0, "{\"a b\":[1,2],\"c\":\" \"}");
}

static void every_token_stays_as_it_was(void **state)
{
    (void)state;
    assert_layout("[1.50,1E400,-0,123456789012345678901234567890,\"\\u00e4\\\"\\\\\"]", 0, 0,
                  "[1.50,1E400,-0,123456789012345678901234567890,\"\\u00e4\\\"\\\\\"]");
    assert_layout("\"{[,:]}\"", 2, 0, "\"{[,:]}\"");
    assert_layout("12", 2, 0, "12");
}

static void nothing_in_it_can_steer_a_terminal(void **state)
{
    (void)state;
    assert_layout("\"\x7F\xC2\x80\xC2\x9F\xC2\xA0\xC3\xA4\"", 2, 0,
                  "\"\\u007f\\u0080\\u009f\xC2\xA0\xC3\xA4\"");
    assert_layout("\"\x7F\xC2\x80\"", 0, 0, "\"\x7F\xC2\x80\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_stand_one_on_a_line),
        cmocka_unit_test(empty_ones_stay_on_their_line),
        cmocka_unit_test(one_line_has_no_space_but_in_strings),
        cmocka_unit_test(every_token_stays_as_it_was),
        cmocka_unit_test(nothing_in_it_can_steer_a_terminal),
    };
    return cmocka_run_group_tests_name("connector/commands/json_layout", tests, NULL, NULL);
}
