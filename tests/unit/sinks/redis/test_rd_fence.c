/* Fences to bytes and back, and JSON to the fields of a hash and back. */
#include "sinks/redis/rd_fence.h"
#include "sinks/redis/rd_hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

static void a_fence_comes_back_from_its_bytes(void **state)
{
    static const int64_t numbers[] = {INT64_MIN, -1, 0, 1, 9007199254740993, INT64_MAX};
    (void)state;
    for (size_t i = 0; i < 6 * 8; i++) {
        struct upsink_change change = {
            .op = i & 1 ? UPSINK_DELETE : UPSINK_UPSERT,
            .flags = i & 2 ? UPSINK_HAS_VERSION : 0,
            .topic = UPSINK_SLICE_LIT("orders"),
            .event_id = i & 4 ? UPSINK_SLICE_LIT("e\0vent") : UPSINK_SLICE_ABSENT,
            .change_id = i & 1 ? UPSINK_SLICE_LIT("") : UPSINK_SLICE_ABSENT,
            .version = numbers[i / 8],
            .offset = numbers[(i + 1) / 8 % 6],
            .timestamp = numbers[(i + 2) / 8 % 6],
            .generation = numbers[(i + 3) / 8 % 6],
            .partition = INT32_MAX,
        };
        struct upsink_fence fence;
        struct upsink_slice rest;
        bool topics = i & 2;
        size_t size = rd_fence_size(&change, topics);
        char *bytes = malloc(size + 3);
        assert_non_null(bytes);
        rd_fence_pack(bytes, &change, topics);
        memcpy(bytes + size, "end", 3);
        assert_true(rd_fence_unpack(&fence, &rest, (struct upsink_slice){bytes, size + 3}));
        assert_true(upsink_slice_is(rest, "end"));
        assert_true(upsink_slice_is(fence.topic, topics ? "orders" : ""));
        assert_true(upsink_slice_equal(fence.event_id, change.event_id));
        assert_true(upsink_slice_equal(fence.change_id, change.change_id));
        assert_int_equal(fence.has_version, (i & 2) != 0);
        assert_int_equal(fence.version, i & 2 ? change.version : 0);
        assert_int_equal(fence.deleted, change.op == UPSINK_DELETE);
        assert_int_equal(fence.offset, change.offset);
        assert_int_equal(fence.timestamp, change.timestamp);
        assert_int_equal(fence.generation, change.generation);
        assert_int_equal(fence.partition, change.partition);
        /* What is cut off is no fence. */
        for (size_t len = 0; len < size; len++)
            assert_false(rd_fence_unpack(&fence, &rest, (struct upsink_slice){bytes, len}));
        free(bytes);
    }
}

static void packed_numbers_have_the_order_of_the_numbers(void **state)
{
    static const int64_t rising[] = {INT64_MIN, -2, -1, 0, 1, 255, 256, INT64_MAX};
    char left[8], right[8];
    (void)state;
    for (size_t i = 0; i + 1 < sizeof rising / sizeof *rising; i++) {
        rd_pack_int64(left, rising[i]);
        rd_pack_int64(right, rising[i + 1]);
        assert_true(memcmp(left, right, 8) < 0);
    }
}

/* The fields of a hash, as name=value in the order of their names. */
static void assert_fields(const char *json, const char *expected)
{
    struct rd_hash hash;
    struct upsink_error err;
    struct buf seen;
    rd_hash_init(&hash);
    buf_init(&seen);
    bool taken = rd_hash_read(&hash, upsink_slice_of(json), &err);
    for (size_t i = 0; taken && i < hash.count; i++) {
        buf_append_slice(&seen, rd_hash_name(&hash, i));
        buf_append_byte(&seen, '=');
        buf_append_slice(&seen, rd_hash_value(&hash, i));
        buf_append_byte(&seen, ';');
    }
    if (!taken)
        buf_append_text(&seen, err.code);
    assert_string_equal(seen.data, expected);
    buf_destroy(&seen);
    rd_hash_destroy(&hash);
}

static void an_object_becomes_fields(void **state)
{
    (void)state;
    assert_fields("{\"b\":\"x\",\"a\":1.50}", "a=1.50;b=x;");
    assert_fields(" { \"a\" : true , \"b\" :\tfalse\n} ", "a=true;b=false;");
    assert_fields("{\"a\":{\"x\":\"}\\\"]\"},\"b\":[[],\"{\"]}", "a={\"x\":\"}\\\"]\"};b=[[],\"{\"];");
    assert_fields("{\"a\":null,\"b\":\"null\"}", "b=null;");
    assert_fields("{\"a\":1,\"\\u0061\":2}", "a=2;");
    assert_fields("{\"a\":1,\"a\":null,\"b\":2}", "b=2;");
    assert_fields("{\"a\":null,\"a\":1}", "a=1;");
    assert_fields("{\"\":\"\",\"\\\\\":\"\\\"\"}", "=;\\=\";");
    assert_fields("{}", "empty_hash");
    assert_fields("{\"a\":null}", "empty_hash");
    assert_fields("[]", "not_an_object");
    assert_fields("\"{}\"", "not_an_object");
}

static void fields_become_the_object_again(void **state)
{
    static const char *const entities[] = {
        "{\"a\":1}",
        "{\"a\":\"1\"}",
        "{\"a\":\"true\",\"b\":true}",
        "{\"a\":\"null\"}",
        "{\"a\":\"{}\",\"b\":{}}",
        "{\"a\":\"-\",\"b\":\"01\",\"c\":\"12 \"}",
        "{\"\":\"\"}",
        "{\"a\":\"[1\",\"b\":[1]}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof entities / sizeof *entities; i++) {
        struct rd_hash hash;
        struct upsink_error err;
        struct buf json;
        rd_hash_init(&hash);
        buf_init(&json);
        assert_true(rd_hash_read(&hash, upsink_slice_of(entities[i]), &err));
        buf_append_byte(&json, '{');
        for (size_t n = 0; n < hash.count; n++)
            assert_true(rd_hash_append(&json, rd_hash_name(&hash, n), rd_hash_value(&hash, n),
                                       buf_view(&hash.doubtful)));
        buf_append_byte(&json, '}');
        assert_string_equal(json.data, entities[i]);
        buf_destroy(&json);
        rd_hash_destroy(&hash);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fence_comes_back_from_its_bytes),
        cmocka_unit_test(packed_numbers_have_the_order_of_the_numbers),
        cmocka_unit_test(an_object_becomes_fields),
        cmocka_unit_test(fields_become_the_object_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
