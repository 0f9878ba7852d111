/* What json_scan hands out: the values at the pointers. */
#include "schemas/json_scan.h"

#include "guarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const char event[] =
    "{\"specversion\":\"1.0\",\"id\":\"6f1c-77\",\"source\":\"/shop/"
    "orders\",\"type\":\"OrderCreateUpdate\",\n"
    "\"time\":\"2024-05-01T10:00:00.123456Z\",\"data\":{\"orderId\":\"order-17\",\"lastUpdated\":1714557600,"
    "\n"
    "  \"customer\":{\"id\":\"c-9\",\"name\":\"Zo\xC3\xAB \\\"Z\\\" M\\u00fcller "
    "\\ud83c\\udf81\",\"vip\":true},\n"
    "  "
    "\"items\":[{\"productId\":\"P-1\",\"quantity\":2,\"unitPrice\":19.990},{\"productId\":\"P-2\","
    "\"quantity\":1,"
    "\"unitPrice\":-0.5e-3}],\n\t\"shipping\":{\"city\":\"\xE6\x9D\xB1\xE4\xBA\xAC\",\"notes\":null},"
    "\"total\":12345678901234567890.10,\"tags\":[]}}";

static struct json_value scan_for(const char *pointer, struct upsink_slice text)
{
    struct json_paths *paths = json_paths_create();
    struct json_scan_result result;
    struct json_value value;
    struct upsink_error err = {0};
    unsigned slot;
    assert_true(json_paths_add(paths, pointer, &slot, &err));
    if (!json_scan(paths, JSON_WHOLE, text, NULL, &value, &result, &err))
        fail_msg("%s", err.text);
    json_paths_destroy(paths);
    return value;
}

struct find {
    const char *pointer;
    const char *text;
    const char *raw; /* NULL: absent */
    enum json_value_type type;
};

static void check_finds(const struct find *finds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct upsink_slice text = guarded(upsink_slice_of(finds[i].text));
        struct json_value value = scan_for(finds[i].pointer, text);
        if (!upsink_slice_equal(value.raw, upsink_slice_of(finds[i].raw)) || value.type != finds[i].type)
            fail_msg("%s in %s: type %d, '%.*s'", finds[i].pointer, finds[i].text, (int)value.type,
                     (int)value.raw.len, value.raw.data ? value.raw.data : "");
        assert_true(!value.raw.data ||
                    (value.raw.data >= text.data && value.raw.data < text.data + text.len));
    }
}

static void each_pointer_finds_its_value_byte_for_byte(void **state)
{
    static const struct find finds[] = {
        {"/id", event, "\"6f1c-77\"", JSON_TYPE_STRING},
        {"/data/orderId", event, "\"order-17\"", JSON_TYPE_STRING},
        {"/data/lastUpdated", event, "1714557600", JSON_TYPE_NUMBER},
        {"/data/total", event, "12345678901234567890.10", JSON_TYPE_NUMBER},
        {"/data/customer/vip", event, "true", JSON_TYPE_BOOL},
        {"/data/shipping/notes", event, "null", JSON_TYPE_NULL},
        {"/data/tags", event, "[]", JSON_TYPE_ARRAY},
        {"/data/items/1/unitPrice", event, "-0.5e-3", JSON_TYPE_NUMBER},
        {"/data/items/0", event, "{\"productId\":\"P-1\",\"quantity\":2,\"unitPrice\":19.990}",
         JSON_TYPE_OBJECT},
        {"/data/items/2", event, NULL, JSON_TYPE_ABSENT},
        {"/data/nothing", event, NULL, JSON_TYPE_ABSENT},
        {"/data/orderId/0", event, NULL, JSON_TYPE_ABSENT},
        {"/data/customer", event,
         "{\"id\":\"c-9\",\"name\":\"Zo\xC3\xAB \\\"Z\\\" M\\u00fcller \\ud83c\\udf81\",\"vip\":true}",
         JSON_TYPE_OBJECT},
        {"", " [1] ", "[1]", JSON_TYPE_ARRAY},
        {"", "7", "7", JSON_TYPE_NUMBER},
        {"", " \"a\"", "\"a\"", JSON_TYPE_STRING},
        {"", "false", "false", JSON_TYPE_BOOL},
        {"/a", "{ \"a\" : [ 1 , 2 ] , \"b\":0}", "[ 1 , 2 ]", JSON_TYPE_ARRAY},
        {"/a", "\"a\"", NULL, JSON_TYPE_ABSENT},
        {"/a", "[\"a\"]", NULL, JSON_TYPE_ABSENT},
        {"/a", "{}", NULL, JSON_TYPE_ABSENT},
        {"/a", "{\"A\":1,\"aa\":2,\"\":3}", NULL, JSON_TYPE_ABSENT},
    };
    (void)state;
    check_finds(finds, sizeof finds / sizeof *finds);
}

/* The table of RFC 6901 section 5. */
static void the_pointers_of_the_rfc_work(void **state)
{
    static const char text[] = "{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"c%d\":2,\"e^f\":3,\"g|h\":4,"
                               "\"i\\\\j\":5,\"k\\\"l\":6,\" \":7,\"m~n\":8}";
    static const struct find finds[] = {
        {"", text, text, JSON_TYPE_OBJECT},
        {"/foo", text, "[\"bar\",\"baz\"]", JSON_TYPE_ARRAY},
        {"/foo/0", text, "\"bar\"", JSON_TYPE_STRING},
        {"/", text, "0", JSON_TYPE_NUMBER},
        {"/a~1b", text, "1", JSON_TYPE_NUMBER},
        {"/c%d", text, "2", JSON_TYPE_NUMBER},
        {"/e^f", text, "3", JSON_TYPE_NUMBER},
        {"/g|h", text, "4", JSON_TYPE_NUMBER},
        {"/i\\j", text, "5", JSON_TYPE_NUMBER},
        {"/k\"l", text, "6", JSON_TYPE_NUMBER},
        {"/ ", text, "7", JSON_TYPE_NUMBER},
        {"/m~0n", text, "8", JSON_TYPE_NUMBER},
        {"/~01", "{\"~1\":1,\"/\":2}", "1", JSON_TYPE_NUMBER},
        {"/~0~1", "{\"~/\":1}", "1", JSON_TYPE_NUMBER},
    };
    (void)state;
    check_finds(finds, sizeof finds / sizeof *finds);
}

static void an_index_is_an_element_of_an_array_and_a_member_of_an_object(void **state)
{
    static const struct find finds[] = {
        {"/a/1", "{\"a\":[5,6,7]}", "6", JSON_TYPE_NUMBER},
        {"/a/1", "{\"a\":{\"0\":5,\"1\":6}}", "6", JSON_TYPE_NUMBER},
        {"/a/01", "{\"a\":[5,6,7]}", NULL, JSON_TYPE_ABSENT},
        {"/a/01", "{\"a\":{\"01\":6}}", "6", JSON_TYPE_NUMBER},
        {"/a/-", "{\"a\":[5,6,7]}", NULL, JSON_TYPE_ABSENT},
        {"/a/-", "{\"a\":{\"-\":1}}", "1", JSON_TYPE_NUMBER},
        {"/a/3", "{\"a\":[5,6,7]}", NULL, JSON_TYPE_ABSENT},
        {"/a/4294967296", "{\"a\":[5]}", NULL, JSON_TYPE_ABSENT},
        {"/a/18446744073709551616", "{\"a\":[5]}", NULL, JSON_TYPE_ABSENT},
        {"/a/", "{\"a\":[5]}", NULL, JSON_TYPE_ABSENT},
        {"/a/1x", "{\"a\":[5,6]}", NULL, JSON_TYPE_ABSENT},
        {"/1/0", "[[1],[2],[3]]", "2", JSON_TYPE_NUMBER},
        {"/11", "[0,1,2,3,4,5,6,7,8,9,10,11,12]", "11", JSON_TYPE_NUMBER},
    };
    (void)state;
    check_finds(finds, sizeof finds / sizeof *finds);
}

static void the_last_member_of_a_name_counts(void **state)
{
    static const struct find finds[] = {
        {"/a", "{\"a\":1,\"a\":2}", "2", JSON_TYPE_NUMBER},
        {"/data/id", "{\"data\":{\"id\":1},\"data\":{}}", NULL, JSON_TYPE_ABSENT},
        {"/data/id", "{\"data\":{\"id\":1},\"data\":5}", NULL, JSON_TYPE_ABSENT},
        {"/data/id", "{\"data\":{\"id\":1},\"data\":[]}", NULL, JSON_TYPE_ABSENT},
        {"/data/id", "{\"data\":{\"id\":1},\"data\":{\"id\":2}}", "2", JSON_TYPE_NUMBER},
        {"/data/id", "{\"data\":[],\"data\":{\"id\":2}}", "2", JSON_TYPE_NUMBER},
        {"/data/id", "{\"data\":{\"id\":1,\"x\":0,\"id\":null}}", "null", JSON_TYPE_NULL},
        {"/data/id", "{\"data\":{\"id\":1},\"d\\u0061ta\":{}}", NULL, JSON_TYPE_ABSENT},
        {"/data/id", "{\"d\\u0061ta\":{},\"data\":{\"id\":1}}", "1", JSON_TYPE_NUMBER},
        {"/data/id", "{\"data\":{\"id\":1},\"other\":{\"data\":{}}}", "1", JSON_TYPE_NUMBER},
        {"/a/0/b", "{\"a\":[{\"b\":1}],\"a\":[{}]}", NULL, JSON_TYPE_ABSENT},
        {"/a/0", "{\"a\":[1],\"a\":{\"0\":2}}", "2", JSON_TYPE_NUMBER},
        {"/a/b/c", "{\"a\":{\"b\":{\"c\":1},\"b\":{\"d\":1}}}", NULL, JSON_TYPE_ABSENT},
    };
    (void)state;
    check_finds(finds, sizeof finds / sizeof *finds);
}

static void names_match_after_their_escapes(void **state)
{
    static const struct find finds[] = {
        {"/orderId", "{\"order\\u0049d\":1}", "1", JSON_TYPE_NUMBER},
        {"/a/b", "{\"\\u0061\":{\"\\u0062\":1}}", "1", JSON_TYPE_NUMBER},
        {"/\xC3\xA9", "{\"\\u00e9\":1}", "1", JSON_TYPE_NUMBER},
        {"/\xC3\xA9", "{\"\xC3\xA9\":1}", "1", JSON_TYPE_NUMBER},
        {"/\xF0\x9F\x8E\x81", "{\"\\ud83c\\udf81\":1}", "1", JSON_TYPE_NUMBER},
        {"/a~1b", "{\"a\\/b\":1}", "1", JSON_TYPE_NUMBER},
        {"/a\nb", "{\"a\\nb\":1}", "1", JSON_TYPE_NUMBER},
        {"/a", "{\"\\u0061b\":1}", NULL, JSON_TYPE_ABSENT},
        {"/ab", "{\"\\u0061\":1}", NULL, JSON_TYPE_ABSENT},
        {"/a", "{\"a\\u0000\":1}", NULL, JSON_TYPE_ABSENT},
        {"/\\u0061", "{\"\\u0061\":1}", NULL, JSON_TYPE_ABSENT},
        {"/\\u0061", "{\"\\\\u0061\":1}", "1", JSON_TYPE_NUMBER},
    };
    (void)state;
    check_finds(finds, sizeof finds / sizeof *finds);
}

static void names_of_every_length_are_told_apart(void **state)
{
    struct json_paths *paths = json_paths_create();
    struct json_value values[JSON_SLOTS_MAX];
    struct json_scan_result result;
    char text[8192] = "{";
    size_t len = 1;
    (void)state;
    for (unsigned i = 0; i < 40; i++) { /* x…x, one longer each time, and the same with another end */
        char name[64] = "/";
        unsigned slot;
        memset(name + 1, 'x', i);
        name[1 + i] = i % 2 ? 'y' : '\0';
        name[2 + i] = '\0';
        assert_true(json_paths_add(paths, name, &slot, NULL));
        assert_int_equal(slot, i);
        len += (size_t)snprintf(text + len, sizeof text - len, "%s\"%sz\":-1,\"%s\":%u", i ? "," : "",
                                name + 1, name + 1, i);
    }
    text[len++] = '}';
    assert_true(
        json_scan(paths, JSON_WHOLE, guarded((struct upsink_slice){text, len}), NULL, values, &result, NULL));
    for (unsigned i = 0; i < 40; i++) {
        char digits[8];
        snprintf(digits, sizeof digits, "%u", i);
        assert_true(upsink_slice_is(values[i].raw, digits));
    }
    json_paths_destroy(paths);
}

static void a_value_and_what_lies_in_it_have_slots_of_their_own(void **state)
{
    static const char *const pointers[] = {"/data", "/data/items", "/data/items/0", "/data/items/0/id", ""};
    static const char *const expected[] = {"{\"items\":[{\"id\":1}]}", "[{\"id\":1}]", "{\"id\":1}", "1",
                                           "{\"data\":{\"items\":[{\"id\":1}]}}"};
    struct json_paths *paths = json_paths_create();
    struct json_value values[5];
    struct json_scan_result result;
    unsigned slot;
    (void)state;
    for (unsigned i = 0; i < 5; i++)
        assert_true(json_paths_add(paths, pointers[i], &slot, NULL));
    assert_true(json_scan(paths, JSON_WHOLE, upsink_slice_of(expected[4]), NULL, values, &result, NULL));
    for (unsigned i = 0; i < 5; i++)
        assert_true(upsink_slice_is(values[i].raw, expected[i]));
    json_paths_destroy(paths);
}

static void a_scan_may_start_at_an_inner_place(void **state)
{
    struct json_paths *paths = json_paths_create();
    struct json_value values[4];
    struct json_scan_result result;
    json_place data, nowhere, items;
    unsigned slot;
    (void)state;
    assert_true(json_paths_add(paths, "/id", &slot, NULL));
    assert_true(json_paths_add(paths, "/data", &slot, NULL));
    assert_true(json_paths_sub(paths, "/data", &data, NULL));
    assert_true(json_paths_sub(paths, "/somewhere/else", &nowhere, NULL));
    assert_true(json_paths_sub(paths, "/data/items", &items, NULL));
    assert_true(json_paths_add(paths, "/data/id", &slot, NULL));
    assert_true(json_paths_add(paths, "/data/items/0", &slot, NULL));
    assert_true(json_scan(paths, data, UPSINK_SLICE_LIT("{\"id\":5,\"data\":{\"id\":6}}"), NULL, values,
                          &result, NULL));
    assert_int_equal(values[0].type, JSON_TYPE_ABSENT);
    assert_true(upsink_slice_is(values[1].raw, "{\"id\":5,\"data\":{\"id\":6}}"));
    assert_true(upsink_slice_is(values[2].raw, "5"));
    assert_true(json_scan(paths, items, UPSINK_SLICE_LIT("[7]"), NULL, values, &result, NULL));
    assert_true(upsink_slice_is(values[3].raw, "7"));
    assert_int_equal(values[1].type, JSON_TYPE_ABSENT);
    assert_true(json_scan(paths, nowhere, UPSINK_SLICE_LIT("{\"id\":5}"), NULL, values, &result, NULL));
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(values[i].type, JSON_TYPE_ABSENT);
    json_paths_destroy(paths);
}

static void a_refused_text_yields_no_values(void **state)
{
    struct json_paths *paths = json_paths_create();
    struct json_value values[2];
    struct json_scan_result result;
    unsigned slot;
    (void)state;
    assert_true(json_paths_add(paths, "/a", &slot, NULL));
    assert_true(json_paths_add(paths, "/b", &slot, NULL));
    memset(values, 0xEE, sizeof values);
    assert_false(
        json_scan(paths, JSON_WHOLE, UPSINK_SLICE_LIT("{\"a\":1,\"b\":2,}"), NULL, values, &result, NULL));
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(values[i].type, JSON_TYPE_ABSENT);
        assert_null(values[i].raw.data);
    }
    json_paths_destroy(paths);
}

static void an_escaped_nul_is_told_of_the_text_and_of_each_value(void **state)
{
    struct json_paths *paths = json_paths_create();
    struct json_value values[4];
    struct json_scan_result result;
    unsigned slot;
    (void)state;
    assert_true(json_paths_add(paths, "/a", &slot, NULL));
    assert_true(json_paths_add(paths, "/b", &slot, NULL));
    assert_true(json_paths_add(paths, "/c", &slot, NULL));
    assert_true(json_paths_add(paths, "", &slot, NULL));
    assert_true(
        json_scan(paths, JSON_WHOLE,
                  UPSINK_SLICE_LIT("{\"a\":\"\\\\u0000\",\"b\":[\"x\\u0000\"],\"c\":{\"\\u0000\":1}}"), NULL,
                  values, &result, NULL));
    assert_true(result.has_nul);
    assert_true(values[0].escaped && !values[0].has_nul);
    assert_true(values[1].escaped && values[1].has_nul);
    assert_true(values[2].has_nul);
    assert_true(values[3].has_nul);
    assert_true(json_scan(paths, JSON_WHOLE,
                          UPSINK_SLICE_LIT("{\"a\":\"\\u0001\",\"b\":\"0\",\"\\u0030\":0}"), NULL, values,
                          &result, NULL));
    assert_false(result.has_nul);
    assert_true(values[0].escaped && !values[0].has_nul);
    assert_false(values[1].escaped);
    json_paths_destroy(paths);
}

/* With a pointer into the depth and without one: both ways through the text count. */
static bool scan_nested(const char *open, const char *middle, const char *close, size_t levels,
                        unsigned max_depth, struct json_scan_result *result, struct upsink_error *err)
{
    struct json_paths *paths = json_paths_create();
    struct json_limits limits = {.max_bytes = SIZE_MAX, .max_depth = max_depth};
    struct json_scan_result plain;
    struct json_value value;
    char *text = calloc(levels + 1, strlen(open) + strlen(middle) + strlen(close)), *end = text;
    struct upsink_slice slice;
    unsigned slot;
    bool with, without;
    assert_true(json_paths_add(paths, "/0/0/0/a/a/a", &slot, NULL));
    for (size_t i = 0; i < levels; i++)
        end = stpcpy(end, open);
    end = stpcpy(end, middle);
    for (size_t i = 0; i < levels; i++)
        end = stpcpy(end, close);
    slice = guarded((struct upsink_slice){text, (size_t)(end - text)});
    with = json_scan(paths, JSON_WHOLE, slice, &limits, &value, result, err);
    without = json_scan(NULL, JSON_WHOLE, slice, &limits, NULL, &plain, NULL);
    assert_int_equal(with, without);
    assert_int_equal(result->fault, plain.fault);
    assert_int_equal(result->position, plain.position);
    free(text);
    json_paths_destroy(paths);
    return with;
}

static void depth_is_bounded_to_the_level(void **state)
{
    struct json_scan_result result;
    (void)state;
    for (unsigned depth = 0; depth <= 200; depth++) {
        assert_true(depth == 0 || scan_nested("[", "0", "]", depth, depth, &result, NULL));
        assert_false(scan_nested("[", "", "]", depth + 1, depth, &result, NULL));
        assert_int_equal(result.fault, JSON_FAULT_TOO_DEEP);
        assert_int_equal(result.position, depth);
        assert_true(depth == 0 || scan_nested("{\"a\":", "0", "}", depth, depth, &result, NULL));
        assert_false(scan_nested("{\"a\":", "0", "}", depth + 1, depth, &result, NULL));
        assert_int_equal(result.fault, JSON_FAULT_TOO_DEEP);
    }
    assert_true(scan_nested("[", "0", "]", 1024, UINT32_MAX, &result, NULL));
    assert_false(scan_nested("[", "0", "]", 1025, UINT32_MAX, &result, NULL));
}

static void ten_thousand_levels_are_a_clean_error(void **state)
{
    struct json_scan_result result;
    struct upsink_error err = {0};
    (void)state;
    assert_false(scan_nested("[", "", "]", 10000, 128, &result, &err));
    assert_string_equal(err.code, "too_deep");
    assert_int_equal(err.cls, UPSINK_ERR_RECORD);
    assert_string_equal(err.detail, "byte 128");
    assert_false(scan_nested("{\"a\":[", "0", "]}", 10000, 128, &result, &err));
    assert_false(scan_nested("[", "", "", 100000, 128, &result, &err));
    assert_false(scan_nested("{\"a\":", "", "", 100000, 128, &result, &err));
    assert_string_equal(err.code, "too_deep");
}

static void brackets_must_match_at_every_depth(void **state)
{
    struct json_scan_result result;
    (void)state;
    assert_false(scan_nested("[", "0", "}", 5, 128, &result, NULL));
    assert_int_equal(result.fault, JSON_FAULT_COMMA);
    assert_false(scan_nested("{\"a\":[", "0", "}]", 5, 128, &result, NULL));
    assert_int_equal(result.fault, JSON_FAULT_COMMA);
    assert_true(scan_nested("{\"a\":[", "0", "]}", 5, 128, &result, NULL));
}

static void size_is_bounded_to_the_byte(void **state)
{
    struct json_limits limits = {.max_bytes = 4, .max_depth = 8};
    struct json_scan_result result;
    struct upsink_error err = {0};
    (void)state;
    assert_true(json_scan(NULL, JSON_WHOLE, UPSINK_SLICE_LIT("1234"), &limits, NULL, &result, NULL));
    assert_false(json_scan(NULL, JSON_WHOLE, UPSINK_SLICE_LIT("12345"), &limits, NULL, &result, &err));
    assert_string_equal(err.code, "too_large");
    assert_int_equal(err.cls, UPSINK_ERR_RECORD);
}

static void an_absent_text_is_empty(void **state)
{
    struct json_scan_result result;
    (void)state;
    assert_false(json_scan(NULL, JSON_WHOLE, UPSINK_SLICE_ABSENT, NULL, NULL, &result, NULL));
    assert_int_equal(result.fault, JSON_FAULT_EMPTY);
}

static void a_text_cut_anywhere_is_refused_and_never_read_beyond(void **state)
{
    struct json_paths *paths = json_paths_create();
    struct json_value values[3];
    struct json_scan_result result;
    unsigned slot;
    (void)state;
    assert_true(json_paths_add(paths, "/data/customer/name", &slot, NULL));
    assert_true(json_paths_add(paths, "/data/items/1/unitPrice", &slot, NULL));
    assert_true(json_paths_add(paths, "/data/shipping", &slot, NULL));
    for (size_t len = 0; len < sizeof event - 1; len++) {
        struct upsink_slice text = guarded((struct upsink_slice){event, len});
        assert_false(json_scan(paths, JSON_WHOLE, text, NULL, values, &result, NULL));
        assert_true(result.position <= len);
        assert_false(json_scan(NULL, JSON_WHOLE, text, NULL, NULL, &result, NULL));
    }
    assert_true(json_scan(paths, JSON_WHOLE, guarded(UPSINK_SLICE_LIT(event)), NULL, values, &result, NULL));
    assert_true(upsink_slice_is(values[1].raw, "-0.5e-3"));
    json_paths_destroy(paths);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_pointer_finds_its_value_byte_for_byte),
        cmocka_unit_test(the_pointers_of_the_rfc_work),
        cmocka_unit_test(an_index_is_an_element_of_an_array_and_a_member_of_an_object),
        cmocka_unit_test(the_last_member_of_a_name_counts),
        cmocka_unit_test(names_match_after_their_escapes),
        cmocka_unit_test(names_of_every_length_are_told_apart),
        cmocka_unit_test(a_value_and_what_lies_in_it_have_slots_of_their_own),
        cmocka_unit_test(a_scan_may_start_at_an_inner_place),
        cmocka_unit_test(a_refused_text_yields_no_values),
        cmocka_unit_test(an_escaped_nul_is_told_of_the_text_and_of_each_value),
        cmocka_unit_test(depth_is_bounded_to_the_level),
        cmocka_unit_test(ten_thousand_levels_are_a_clean_error),
        cmocka_unit_test(brackets_must_match_at_every_depth),
        cmocka_unit_test(size_is_bounded_to_the_byte),
        cmocka_unit_test(an_absent_text_is_empty),
        cmocka_unit_test(a_text_cut_anywhere_is_refused_and_never_read_beyond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
