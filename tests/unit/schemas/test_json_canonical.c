#include "schemas/json_canonical.h"

#include "guarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const struct {
    const char *text;
    const char *canonical;
} values[] = {
    {" 1 ", "1"},
    {"\"a\"", "\"a\""},
    {"null", "null"},
    {"[ ]", "[]"},
    {"{ }", "{}"},
    {" [ 1 , [ 2 ] , { } ] ", "[1,[2],{}]"},
    {"{\"b\":1,\"a\":2}", "{\"a\":2,\"b\":1}"},
    {"{ \"a\" : 1 , \"b\" : [ true , false , null ] }", "{\"a\":1,\"b\":[true,false,null]}"},
    /* Digits are kept. */
    {"[1.0,1.00,1e2,1E2,-0,100000000000000000000000000000]",
     "[1.0,1.00,1e2,1E2,-0,100000000000000000000000000000]"},
    /* The last member of a name counts, at its sorted place. */
    {"{\"a\":1,\"a\":2}", "{\"a\":2}"},
    {"{\"b\":0,\"a\":1,\"c\":3,\"a\":{\"z\":1,\"y\":2}}", "{\"a\":{\"y\":2,\"z\":1},\"b\":0,\"c\":3}"},
    {"{\"a\":1,\"\\u0061\":2,\"b\":3}", "{\"a\":2,\"b\":3}"},
    {"{\"c\":1,\"c\":2,\"b\":1,\"b\":2,\"a\":1,\"a\":2,\"a\":3}", "{\"a\":3,\"b\":2,\"c\":2}"},
    /* Names are ordered by the bytes of their texts, not by how they are written. */
    {"{\"\\u0062\":1,\"a\":2}", "{\"a\":2,\"b\":1}"},
    {"{\"\\n\":1,\"a\":2,\"\\\"\":3,\"\":4}", "{\"\":4,\"\\n\":1,\"\\\"\":3,\"a\":2}"},
    {"{\"\xC3\xA9\":1,\"z\":2,\"\\ud800\\udc00\":3,\"\\uffff\":4}",
     "{\"z\":2,\"\xC3\xA9\":1,\"\xEF\xBF\xBF\":4,\"\xF0\x90\x80\x80\":3}"},
    {"{\"a\":1,\"a\\u0000\":2,\"a\\u0001\":3,\"aa\":4}", "{\"a\":1,\"a\\u0000\":2,\"a\\u0001\":3,\"aa\":4}"},
    {"{\"abcdefgh2\":1,\"abcdefgh1\":2,\"abcdefgh\":3}", "{\"abcdefgh\":3,\"abcdefgh1\":2,\"abcdefgh2\":1}"},
    /* Escapes. */
    {"\"\\u0041\\/\\u000A\\u001F\\u0022\\u00e9\"", "\"A/\\n\\u001f\\\"\xC3\xA9\""},
    /* Nested objects out of order at every level. */
    {"{\"z\":{\"y\":{\"x\":[{\"c\":1,\"b\":2}],\"w\":0},\"v\":0},\"a\":0}",
     "{\"a\":0,\"z\":{\"v\":0,\"y\":{\"w\":0,\"x\":[{\"b\":2,\"c\":1}]}}}"},
};

static void every_value_has_one_canonical_form(void **state)
{
    struct json_canonical *canonical = json_canonical_create();
    struct buf out;
    (void)state;
    buf_init(&out);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        unsigned char hash[JSON_HASH_BYTES], again[JSON_HASH_BYTES];
        struct upsink_slice text = guarded(upsink_slice_of(values[i].text));
        buf_clear(&out);
        buf_append_text(&out, "key ");
        assert_true(json_canonical_append(canonical, text, NULL, &out, NULL));
        assert_int_equal(out.len, strlen(out.data));
        assert_memory_equal(out.data, "key ", 4);
        assert_string_equal(out.data + 4, values[i].canonical);
        assert_true(json_state_hash(canonical, text, NULL, hash, NULL));
        assert_true(json_state_hash(canonical, upsink_slice_of(values[i].canonical), NULL, again, NULL));
        assert_memory_equal(hash, again, sizeof hash);
    }
    buf_destroy(&out);
    json_canonical_destroy(canonical);
}

static void the_state_hash_tells_different_values_apart(void **state)
{
    static const char *const different[] = {
        "{}",
        "[]",
        "null",
        "\"\"",
        "0",
        "1",
        "1.0",
        "\"1\"",
        "[1]",
        "[1,2]",
        "[2,1]",
        "[[1],2]",
        "{\"a\":1}",
        "{\"a\":\"1\"}",
        "{\"b\":1}",
        "{\"a\":1,\"b\":2}",
        "{\"a\":2,\"b\":1}",
        "{\"a\":{\"b\":2}}",
        "{\"a\":null}",
        "true",
        "false",
    };
    enum { N = sizeof different / sizeof *different };
    struct json_canonical *canonical = json_canonical_create();
    unsigned char hashes[N][JSON_HASH_BYTES];
    (void)state;
    for (size_t i = 0; i < N; i++) {
        assert_true(json_state_hash(canonical, upsink_slice_of(different[i]), NULL, hashes[i], NULL));
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(hashes[i], hashes[j], JSON_HASH_BYTES);
    }
    json_canonical_destroy(canonical);
}

/* It is stored in sinks: another machine or release must compute the same. */
static void the_state_hash_never_changes(void **state)
{
    static const unsigned char expected[JSON_HASH_BYTES] = {0x10, 0x2e, 0x5a, 0xfb, 0xde, 0x82, 0x3d, 0xb8,
                                                            0x09, 0x10, 0x3b, 0x51, 0xd3, 0xdc, 0x34, 0x2d};
    struct json_canonical *canonical = json_canonical_create();
    unsigned char hash[JSON_HASH_BYTES];
    (void)state;
    assert_true(json_state_hash(canonical, UPSINK_SLICE_LIT("{\"b\": 1, \"a\": [true]}"), NULL, hash, NULL));
    assert_memory_equal(hash, expected, sizeof hash);
    json_canonical_destroy(canonical);
}

static void many_members_are_sorted_too(void **state)
{
    struct json_canonical *canonical = json_canonical_create();
    unsigned char hash[JSON_HASH_BYTES], again[JSON_HASH_BYTES];
    struct buf text, out;
    unsigned seen = 0;
    (void)state;
    buf_init(&text);
    buf_init(&out);
    buf_append_byte(&text, '{');
    for (unsigned i = 0; i < 20000; i++)
        buf_printf(&text, "%s\"%05u\":%u", i ? "," : "", i * 7919U % 10000U, i);
    buf_append_byte(&text, '}');
    assert_true(json_canonical_append(canonical, buf_view(&text), NULL, &out, NULL));
    for (const char *p = strchr(out.data, '"'); p; p = strchr(p + 7, '"'), seen++) {
        unsigned name = 0, value = 0;
        assert_int_equal(sscanf(p, "\"%5u\":%u", &name, &value), 2);
        assert_int_equal(name, seen);
        assert_true(value >= 10000 && value * 7919U % 10000U == name);
    }
    assert_int_equal(seen, 10000);
    /* The memory of so large a value was given back: the next one must do without it. */
    assert_true(json_state_hash(canonical, buf_view(&text), NULL, hash, NULL));
    assert_true(json_state_hash(canonical, buf_view(&out), NULL, again, NULL));
    assert_memory_equal(hash, again, sizeof hash);
    buf_destroy(&text);
    buf_destroy(&out);
    json_canonical_destroy(canonical);
}

static void what_is_not_json_or_over_the_limits_is_refused(void **state)
{
    static const struct {
        const char *text;
        const char *code;
    } wrong[] = {{"", "invalid_json"},
                 {"{\"a\":1", "invalid_json"},
                 {"[1]x", "invalid_json"},
                 {"\"\xFF\"", "invalid_utf8"},
                 {"[[[[[0]]]]]", "too_deep"},
                 {"[12345678901]", "too_large"},
                 {"\"\\ud800\"", "lone_surrogate"}};
    struct json_canonical *canonical = json_canonical_create();
    struct json_limits limits = {.max_bytes = 12, .max_depth = 4};
    struct buf out;
    (void)state;
    buf_init(&out);
    buf_append_text(&out, "kept");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct upsink_error err = {0};
        unsigned char hash[JSON_HASH_BYTES];
        assert_false(
            json_canonical_append(canonical, guarded(upsink_slice_of(wrong[i].text)), &limits, &out, &err));
        assert_string_equal(err.code, wrong[i].code);
        assert_string_equal(out.data, "kept");
        assert_false(
            json_state_hash(canonical, guarded(upsink_slice_of(wrong[i].text)), &limits, hash, NULL));
    }
    buf_destroy(&out);
    json_canonical_destroy(canonical);
}

static void the_deepest_value_is_written(void **state)
{
    struct json_canonical *canonical = json_canonical_create();
    struct json_limits limits = {.max_bytes = SIZE_MAX, .max_depth = JSON_DEPTH_CEILING};
    struct buf text, out;
    (void)state;
    buf_init(&text);
    buf_init(&out);
    for (unsigned i = 0; i < JSON_DEPTH_CEILING; i++)
        buf_append_text(&text, "{\"b\":0,\"a\":");
    buf_append_byte(&text, '1');
    for (unsigned i = 0; i < JSON_DEPTH_CEILING; i++)
        buf_append_byte(&text, '}');
    assert_true(json_canonical_append(canonical, buf_view(&text), &limits, &out, NULL));
    assert_int_equal(out.len, text.len);
    assert_memory_equal(out.data, "{\"a\":{\"a\":", 10);
    assert_memory_equal(out.data + out.len - 14, ",\"b\":0},\"b\":0}", 14);
    buf_destroy(&text);
    buf_destroy(&out);
    json_canonical_destroy(canonical);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_has_one_canonical_form),
        cmocka_unit_test(the_state_hash_tells_different_values_apart),
        cmocka_unit_test(the_state_hash_never_changes),
        cmocka_unit_test(many_members_are_sorted_too),
        cmocka_unit_test(what_is_not_json_or_over_the_limits_is_refused),
        cmocka_unit_test(the_deepest_value_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
