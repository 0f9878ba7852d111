#include "sinks/mongodb/mg_json.h"
#include "sinks/mongodb/mg_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

static struct mg_converter converter;

static bool see(void *context, const char *name, size_t len, const char *value, enum mg_type kind, bool *drop,
                struct upsink_error *err)
{
    (void)value;
    (void)kind;
    (void)err;
    *drop = context && len == strlen(context) && memcmp(name, context, len) == 0;
    return true;
}

/* From a copy of exactly its size, so that reading beyond it is noticed. */
static bool convert(const char *text, size_t len, struct buf *out, const char *without,
                    struct upsink_error *err)
{
    char *copy = malloc(len + !len);
    assert_non_null(copy);
    memcpy(copy, text, len);
    buf_clear(out);
    size_t at = mg_open(out);
    bool done = mg_json_members(&converter, (struct upsink_slice){copy, len}, out, see,
                                (void *)(uintptr_t)without, err);
    mg_close(out, at);
    free(copy);
    return done && !out->failed;
}

static void assert_becomes(const char *text, const char *without, const char *expected)
{
    struct upsink_error err;
    struct buf out, back;
    bson_t document;
    buf_init(&out);
    buf_init(&back);
    if (!convert(text, strlen(text), &out, without, &err))
        fail_msg("%s: %s", text, err.text);
    assert_true(bson_init_static(&document, (const uint8_t *)out.data, out.len));
    assert_true(bson_validate(&document, BSON_VALIDATE_UTF8 | BSON_VALIDATE_UTF8_ALLOW_NULL, NULL));
    assert_true(mg_text_members(&back, &document, NULL));
    assert_string_equal(back.data, expected);
    buf_destroy(&out);
    buf_destroy(&back);
}

static void entities_go_there_and_back(void **state)
{
    static const char *const same[] = {"{}",
                                       "{\"a\":[]}",
                                       "{\"a\":{\"b\":[{\"c\":[[],{}]}]},\"d\":null,\"e\":true,\"f\":false}",
                                       "{\"\":\"\",\".\":\"$\",\"$a.b\":1}",
                                       "{\"a\":\"\xc3\xa9\xf0\x9f\x98\x80\"}",
                                       "{\"a\":\"x\\u0000y\"}",
                                       "{\"a\":[0,1,2,3,4,5,6,7,8,9,10,11]}",
                                       "{\"a\":-12.5,\"b\":1E+400}"};
    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        assert_becomes(same[i], NULL, same[i]);
    assert_becomes(" { \"a\" : [ 1 , 2 ] ,\n\"b\\u0063\" : \"\\u00e9\\/\\ud83d\\ude00\" } ", NULL,
                   "{\"a\":[1,2],\"bc\":\"\xc3\xa9/\xf0\x9f\x98\x80\"}");
}

static void of_repeated_names_the_last_counts(void **state)
{
    char text[8000] = "{", expected[8000] = "{";
    (void)state;
    assert_becomes("{\"a\":1,\"a\":2}", NULL, "{\"a\":2}");
    assert_becomes("{\"a\":{\"b\":1},\"c\":{\"d\":1,\"d\":[1,2],\"e\":3},\"a\":\"x\"}", NULL,
                   "{\"c\":{\"d\":[1,2],\"e\":3},\"a\":\"x\"}");
    assert_becomes("{\"a\":1,\"b\":2,\"a\":3,\"b\":4,\"a\":5}", "b", "{\"a\":5}");
    /* More than are compared with each other. */
    for (int i = 0; i < 200; i++)
        snprintf(text + strlen(text), 40, "%s\"n%d\":%d", i ? "," : "", i % 150, i);
    for (int i = 50; i < 200; i++)
        snprintf(expected + strlen(expected), 40, "%s\"n%d\":%d", i > 50 ? "," : "", i % 150, i);
    strcat(text, "}");
    strcat(expected, "}");
    assert_becomes(text, NULL, expected);
}

static void members_can_be_dropped(void **state)
{
    (void)state;
    assert_becomes("{\"a\":1,\"_id\":\"k\",\"b\":2}", "_id", "{\"a\":1,\"b\":2}");
    assert_becomes("{\"_id\":\"k\"}", "_id", "{}");
}

static void what_bson_can_not_hold_is_refused(void **state)
{
    struct upsink_error err;
    struct buf out;
    char deep[1024];
    (void)state;
    buf_init(&out);
    const char *nul = "{\"a\\u0000\":1}", *number = "{\"a\":[1e99999]}";
    assert_false(convert(nul, strlen(nul), &out, NULL, &err));
    assert_string_equal(err.code, "nul_in_name");
    assert_false(convert(number, strlen(number), &out, NULL, &err));
    assert_string_equal(err.code, "value_out_of_range");
    memset(deep, '[', sizeof deep);
    memcpy(deep, "{\"a\":", 5);
    assert_false(convert(deep, sizeof deep, &out, NULL, &err));
    assert_string_equal(err.code, "too_deep");
    buf_destroy(&out);
}

/* The text was validated before; if not, nothing is read beyond its end. */
static void a_text_that_is_cut_off_is_refused(void **state)
{
    static const char text[] = "{\"a\":[1,-2.5e3,{\"b\":\"x\\u00e9\\n\"},true,false,null],\"c\\\"d\":"
                               "\"\xc3\xa9 plain text of some length here\"}";
    struct upsink_error err;
    struct buf out;
    (void)state;
    buf_init(&out);
    for (size_t len = 0; len < sizeof text - 1; len++) {
        assert_false(convert(text, len, &out, NULL, &err));
        assert_int_equal(err.cls, UPSINK_ERR_RECORD);
    }
    assert_true(convert(text, sizeof text - 1, &out, NULL, &err));
    buf_destroy(&out);
}

static void dates_are_found_by_their_pointers(void **state)
{
    struct mg_dates dates;
    struct upsink_error err;
    (void)state;
    assert_true(mg_dates_parse(&dates, "/a~1b,/data/c /list/1", &err));
    converter.dates = &dates;
    assert_becomes("{\"a/"
                   "b\":\"2020-01-01T02:00:00.5+02:00\",\"c\":\"2020-01-01T00:00:00Z\",\"list\":[\"x\","
                   "\"1960-01-01T00:00:00Z\"],\"d\":\"y\"}",
                   NULL,
                   "{\"a/"
                   "b\":\"2020-01-01T00:00:00.500Z\",\"c\":\"2020-01-01T00:00:00Z\",\"list\":[\"x\",\"1960-"
                   "01-01T00:00:00Z\"],\"d\":\"y\"}");
    assert_becomes("{\"a/b\":null,\"c\":null}", NULL, "{\"a/b\":null,\"c\":null}");
    converter.dates = NULL;
    mg_dates_clear(&dates);
    assert_false(mg_dates_parse(&dates, "a/b", &err));
    assert_int_equal(err.cls, UPSINK_ERR_CONFIG);
    assert_false(mg_dates_parse(&dates, "/a~2", &err));
}

static int end(void **state)
{
    (void)state;
    mg_converter_destroy(&converter);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entities_go_there_and_back),
        cmocka_unit_test(of_repeated_names_the_last_counts),
        cmocka_unit_test(members_can_be_dropped),
        cmocka_unit_test(what_bson_can_not_hold_is_refused),
        cmocka_unit_test(a_text_that_is_cut_off_is_refused),
        cmocka_unit_test(dates_are_found_by_their_pointers),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}
