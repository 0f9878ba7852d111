#include "schemas/record_key.h"

#include "guarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct bench {
    struct arena arena;
    struct json_limits limits;
    struct key_reader reader;
};

static int set_up(void **state)
{
    static struct bench bench;
    arena_init(&bench.arena, 0);
    bench.limits = JSON_LIMITS_DEFAULT;
    bench.reader = (struct key_reader){canonical_pool_create(), &bench.limits, &bench.arena};
    *state = &bench;
    return bench.reader.canonical ? 0 : -1;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    arena_destroy(&bench->arena);
    canonical_pool_destroy(bench->reader.canonical);
    return 0;
}

static void the_bytes_of_a_key_become_a_text(void **state)
{
#define K(format, bytes, text)                                                                               \
    {                                                                                                        \
        format, UPSINK_SLICE_LIT(bytes), text                                                                \
    }
    static const struct {
        enum key_format format;
        struct upsink_slice bytes;
        const char *text;
    } keys[] = {
        K(KEY_STRING, "ord-1", "ord-1"),
        K(KEY_STRING, "", ""),
        K(KEY_STRING, " Zo\xC3\xAB\n", " Zo\xC3\xAB\n"),
        K(KEY_STRING, "{\"a\": 1}", "{\"a\": 1}"),
        K(KEY_JSON, "\"ord-1\"", "ord-1"),
        K(KEY_JSON, "\"\"", ""),
        K(KEY_JSON, " \"Zo\\u00eb\\n\" ", "Zo\xC3\xAB\n"),
        K(KEY_JSON, "42", "42"),
        K(KEY_JSON, "\t-1.50e3\r\n", "-1.50e3"),
        K(KEY_JSON, "9007199254740993", "9007199254740993"),
        K(KEY_JSON, "true", "true"),
        K(KEY_JSON, "false", "false"),
        K(KEY_JSON, "{\"b\" : [1, 2.0], \"a\":\"\\u0041\"}", "{\"a\":\"A\",\"b\":[1,2.0]}"),
        K(KEY_JSON, "[ 1 , {} ]", "[1,{}]"),
        K(KEY_JSON, "{\"a\":1,\"a\":2}", "{\"a\":2}"),
        K(KEY_JSON, "\0\0\0\0\7{\"id\": 5}", "{\"id\":5}"),
        K(KEY_JSON, "\0\0\0\0\7\"ord-1\"", "ord-1"),
        K(KEY_INT32, "\0\0\0\x2A", "42"),
        K(KEY_INT32, "\xFF\xFF\xFF\xFF", "-1"),
        K(KEY_INT32, "\x80\0\0\0", "-2147483648"),
        K(KEY_INT32, "\x7F\xFF\xFF\xFF", "2147483647"),
        K(KEY_INT64, "\0\0\0\0\0\0\0\x2A", "42"),
        K(KEY_INT64, "\x80\0\0\0\0\0\0\0", "-9223372036854775808"),
        K(KEY_INT64, "\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "9223372036854775807"),
        K(KEY_UUID, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
        K(KEY_UUID, "F81D4FAE-7dec-11D0-A765-00A0C91E6BF6", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
        K(KEY_UUID, "\xF8\x1D\x4F\xAE\x7D\xEC\x11\xD0\xA7\x65\x00\xA0\xC9\x1E\x6B\xF6",
          "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
        K(KEY_BYTES, "", ""),
        K(KEY_BYTES, "\0\xFF", "AP8="),
    };
#undef K
    struct bench *bench = *state;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct upsink_error err = {0};
        struct upsink_slice key = UPSINK_SLICE_ABSENT;
        if (!record_key_read(&bench->reader, keys[i].format, guarded(keys[i].bytes), &key, &err))
            fail_msg("key %zu: %s %s", i, err.code, err.text);
        if (!upsink_slice_is(key, keys[i].text))
            fail_msg("key %zu is %.*s, not %s", i, (int)key.len, key.data, keys[i].text);
    }
}

static void what_is_no_key_is_refused(void **state)
{
#define K(format, bytes, code, detail)                                                                       \
    {                                                                                                        \
        format, UPSINK_SLICE_LIT(bytes), code, detail                                                        \
    }
    static const struct {
        enum key_format format;
        struct upsink_slice bytes;
        const char *code, *detail;
    } keys[] = {
        {KEY_STRING, {NULL, 0}, "missing_key", ""},
        {KEY_JSON, {NULL, 0}, "missing_key", ""},
        {KEY_INT64, {NULL, 0}, "missing_key", ""},
        {KEY_BYTES, {NULL, 0}, "missing_key", ""},
        K(KEY_STRING, "ord\0", "invalid_key", "byte 3"),
        K(KEY_STRING, "ord-1\xFF", "invalid_key", "byte 5"),
        K(KEY_JSON, "null", "missing_key", ""),
        K(KEY_JSON, "", "invalid_key", "byte 0"),
        K(KEY_JSON, "  ", "invalid_key", "byte 2"),
        K(KEY_JSON, "ord-1", "invalid_key", "byte 0"),
        K(KEY_JSON, "{\"a\":", "invalid_key", "byte 5"),
        K(KEY_JSON, "\"a\\u0000\"", "invalid_key", NULL),
        K(KEY_JSON, "\"\\ud800\"", "invalid_key", "byte 1"),
        K(KEY_JSON, "\"\xFF\"", "invalid_key", "byte 1"),
        K(KEY_JSON, "\0\0\0\0\7\x02", "invalid_key", "byte 5"),
        K(KEY_INT32, "", "invalid_key", NULL),
        K(KEY_INT32, "\0\0\0", "invalid_key", NULL),
        K(KEY_INT32, "\0\0\0\0\0\0\0\1", "invalid_key", NULL),
        K(KEY_INT64, "\0\0\0\1", "invalid_key", NULL),
        K(KEY_UUID, "", "invalid_key", NULL),
        K(KEY_UUID, "f81d4fae7dec11d0a76500a0c91e6bf6", "invalid_key", NULL),
        K(KEY_UUID, "f81d4fae-7dec-11d0-a765-00a0c91e6bfg", "invalid_key", NULL),
        K(KEY_UUID, "f81d4fae-7dec-11d0-a765+00a0c91e6bf6", "invalid_key", NULL),
        K(KEY_UUID, "{81d4fae-7dec-11d0-a765-00a0c91e6bf}", "invalid_key", NULL),
    };
#undef K
    struct bench *bench = *state;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct upsink_error err = {0};
        struct upsink_slice key = UPSINK_SLICE_ABSENT;
        struct upsink_slice bytes = keys[i].bytes.data ? guarded(keys[i].bytes) : keys[i].bytes;
        if (record_key_read(&bench->reader, keys[i].format, bytes, &key, &err))
            fail_msg("key %zu became %.*s", i, (int)key.len, key.data);
        assert_int_equal(err.cls, UPSINK_ERR_RECORD);
        assert_string_equal(err.code, keys[i].code);
        if (keys[i].detail)
            assert_string_equal(err.detail, keys[i].detail);
    }
}

static void a_key_has_a_longest_length(void **state)
{
    static char text[2 * RECORD_KEY_MAX];
    struct bench *bench = *state;
    struct upsink_error err;
    struct upsink_slice key;
    memset(text, 'k', sizeof text);
    assert_true(
        record_key_read(&bench->reader, KEY_STRING, (struct upsink_slice){text, RECORD_KEY_MAX}, &key, &err));
    assert_int_equal(key.len, RECORD_KEY_MAX);
    assert_false(record_key_read(&bench->reader, KEY_STRING, (struct upsink_slice){text, RECORD_KEY_MAX + 1},
                                 &key, &err));
    assert_string_equal(err.code, "key_too_large");
    /* Of bytes it is the text that counts, which is a third longer. */
    assert_true(record_key_read(&bench->reader, KEY_BYTES,
                                (struct upsink_slice){text, RECORD_KEY_MAX / 4 * 3}, &key, &err));
    assert_int_equal(key.len, RECORD_KEY_MAX);
    assert_false(record_key_read(&bench->reader, KEY_BYTES,
                                 (struct upsink_slice){text, RECORD_KEY_MAX / 4 * 3 + 1}, &key, &err));
    assert_string_equal(err.code, "key_too_large");
    text[0] = text[RECORD_KEY_MAX + 1] = '"';
    assert_true(record_key_of_json(
        &bench->reader, &(struct json_value){.type = JSON_TYPE_STRING, .raw = {text, RECORD_KEY_MAX + 2}},
        &key, &err));
    assert_int_equal(key.len, RECORD_KEY_MAX);
    assert_false(record_key_of_json(
        &bench->reader, &(struct json_value){.type = JSON_TYPE_STRING, .raw = {text, RECORD_KEY_MAX + 3}},
        &key, &err));
    assert_string_equal(err.code, "key_too_large");
}

static void a_key_that_needs_no_change_is_borrowed(void **state)
{
    struct bench *bench = *state;
    static const char string[] = "ord-1", json[] = " \"ord-1\"",
                      uuid[] = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
    struct upsink_slice key;
    assert_true(record_key_read(&bench->reader, KEY_STRING, UPSINK_SLICE_LIT(string), &key, NULL));
    assert_ptr_equal(key.data, string);
    assert_true(record_key_read(&bench->reader, KEY_JSON, UPSINK_SLICE_LIT(json), &key, NULL));
    assert_ptr_equal(key.data, json + 2);
    assert_true(record_key_read(&bench->reader, KEY_UUID, UPSINK_SLICE_LIT(uuid), &key, NULL));
    assert_ptr_equal(key.data, uuid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_bytes_of_a_key_become_a_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_key_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_key_has_a_longest_length, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_key_that_needs_no_change_is_borrowed, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
