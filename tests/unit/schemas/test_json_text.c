#include "schemas/json_text.h"

#include "guarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
    struct upsink_slice raw;
    struct upsink_slice text;
    struct upsink_slice minimal;
} strings[] = {
#define S(raw, text, minimal)                                                                                \
    {{raw, sizeof(raw) - 1}, {text, sizeof(text) - 1}, {minimal, sizeof(minimal) - 1}},
    S("\"\"", "", "\"\"") S("\"plain\"", "plain", "\"plain\"")
        S("\"Zo\xC3\xAB\"", "Zo\xC3\xAB", "\"Zo\xC3\xAB\"")
            S("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", "\"\\\"\\\\/\\b\\f\\n\\r\\t\"")
                S("\"\\u0041\\u00e9\\u20AC\\ud83c\\udf81\"", "A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x8E\x81",
                  "\"A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x8E\x81\"") S("\"\\u0000\"", "\0", "\"\\u0000\"")
                    S("\"a\\u0000b\"", "a\0b", "\"a\\u0000b\"")
                        S("\"\\u001F\\u007f\\u0080\\u07ff\\u0800\\uffff\"",
                          "\x1F\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF",
                          "\"\\u001f\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF\"")
                            S("\"\\ud800\\udc00\\udbff\\udfff\"", "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF",
                              "\"\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\"")
                                S("\"\\u000a\\u0022\\u005c\\u002f\"", "\n\"\\/", "\"\\n\\\"\\\\/\"")
                                    S("\"a long run before \\t a long run behind it\"",
                                      "a long run before \t a long run behind it",
                                      "\"a long run before \\t a long run behind it\"")
#undef S
};

enum { STRINGS = sizeof strings / sizeof *strings };

static void a_string_becomes_the_text_it_stands_for(void **state)
{
    struct arena arena;
    (void)state;
    arena_init(&arena, 0);
    for (size_t i = 0; i < STRINGS; i++) {
        struct upsink_slice raw = guarded(strings[i].raw), text;
        assert_true(json_text_decode(raw, &arena, &text, NULL));
        assert_true(upsink_slice_equal(text, strings[i].text));
        assert_true(json_text_equals(raw, strings[i].text));
        /* Borrowed exactly where it can be. */
        assert_int_equal(text.data >= raw.data && text.data < raw.data + raw.len,
                         memchr(raw.data, '\\', raw.len) == NULL);
    }
    arena_destroy(&arena);
}

static void a_text_is_written_with_the_fewest_escapes(void **state)
{
    struct buf out;
    (void)state;
    buf_init(&out);
    for (size_t i = 0; i < STRINGS; i++) {
        char minimal[128];
        buf_clear(&out);
        assert_true(json_text_append(&out, guarded(strings[i].text)));
        assert_true(upsink_slice_equal(buf_view(&out), strings[i].minimal));
        assert_int_equal(json_text_minimize(guarded(strings[i].raw), minimal), strings[i].minimal.len);
        assert_memory_equal(minimal, strings[i].minimal.data, strings[i].minimal.len);
        assert_true(strings[i].minimal.len <= strings[i].raw.len);
    }
    buf_clear(&out);
    assert_true(json_text_append(&out, UPSINK_SLICE_ABSENT));
    assert_true(upsink_slice_is(buf_view(&out), "\"\""));
    buf_destroy(&out);
}

static void what_is_not_utf8_is_not_written(void **state)
{
    static const struct upsink_slice wrong[] = {
        {"\xFF", 1}, {"abc\xC3", 4}, {"\xED\xA0\x80", 3}, {"\xC3\xA9 \"\n \xE9", 7}};
    struct buf out;
    (void)state;
    buf_init(&out);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(json_text_append(&out, guarded(wrong[i])));
        assert_int_equal(out.len, 0);
    }
    buf_destroy(&out);
}

static void a_string_equals_its_own_text_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < STRINGS; i++) {
        for (size_t j = 0; j < STRINGS; j++)
            assert_int_equal(json_text_equals(strings[i].raw, strings[j].text), i == j);
    }
    assert_false(json_text_equals(UPSINK_SLICE_LIT("\"\\u0061b\""), UPSINK_SLICE_LIT("a")));
    assert_false(json_text_equals(UPSINK_SLICE_LIT("\"\\u0061\""), UPSINK_SLICE_LIT("ab")));
    assert_true(json_text_equals(UPSINK_SLICE_LIT("\"\\u0061\""), UPSINK_SLICE_LIT("a")));
}

static int sign(int order)
{
    return (order > 0) - (order < 0);
}

static void strings_are_ordered_by_the_bytes_of_their_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < STRINGS; i++) {
        for (size_t j = 0; j < STRINGS; j++) {
            struct upsink_slice a = strings[i].text, b = strings[j].text;
            int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
            order = order ? order : (a.len > b.len) - (a.len < b.len);
            assert_int_equal(sign(json_text_compare(strings[i].raw, strings[j].raw)), sign(order));
            assert_int_equal(sign(json_text_compare(strings[i].minimal, strings[j].raw)), sign(order));
        }
    }
    /* Where UTF-16 units would say otherwise: U+FFFF comes before U+10000. */
    assert_true(json_text_compare(UPSINK_SLICE_LIT("\"\\uffff\""), UPSINK_SLICE_LIT("\"\\ud800\\udc00\"")) <
                0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_string_becomes_the_text_it_stands_for),
        cmocka_unit_test(a_text_is_written_with_the_fewest_escapes),
        cmocka_unit_test(what_is_not_utf8_is_not_written),
        cmocka_unit_test(a_string_equals_its_own_text_alone),
        cmocka_unit_test(strings_are_ordered_by_the_bytes_of_their_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
