/* A mapping under hostile input, in several threads, and what it says of itself: schemas/mapping.h. */
#include "mapping_help.h"

#include <pthread.h>

static const char *const order_change[] = {"/data/orderId", "/data/lastUpdated"};

static const struct mapping_spec order_spec = {
    .envelope = ENVELOPE_CLOUDEVENTS,
    .change_id = order_change,
    .change_id_count = 2,
    .version = "/data/lastUpdated",
};

#define EVENT(type, data)                                                                                    \
    "{\"specversion\":\"1.0\",\"id\":\"e-1\",\"source\":\"/shop\",\"type\":\"" type "\",\"data\":" data "}"
#define ORDER "{\"orderId\":\"o-1\",\"lastUpdated\":\"2026-01-02T03:04:05.678Z\"}"

static const char *repeat(const char *text, size_t count)
{
    static char memory[40000];
    size_t len = strlen(text);
    assert_true(len * count < sizeof memory);
    for (size_t i = 0; i < count; i++)
        memcpy(memory + i * len, text, len);
    memory[len * count] = '\0';
    return memory;
}

static void hostile_values_are_refused(void **state)
{
    static const struct {
        const char *value;
        size_t repeated;
        const char *code, *detail;
    } values[] = {
        {"", 1, "invalid_json", "byte 0"},
        {" ", 1, "invalid_json", NULL},
        {"{\"a\":1", 1, "invalid_json", "byte 6"},
        {"{\"a\":1}}", 1, "invalid_json", "byte 7"},
        {"{\"a\":01}", 1, "invalid_json", NULL},
        {"{\"a\":NaN}", 1, "invalid_json", NULL},
        {"{'a':1}", 1, "invalid_json", NULL},
        {"{\"a\":\"\x01\"}", 1, "invalid_json", NULL},
        {"\xEF\xBB\xBF{}", 1, "invalid_json", NULL},
        {"{\"a\":\"\xFF\"}", 1, "invalid_utf8", "byte 6"},
        {"{\"a\":\"\xC0\x80\"}", 1, "invalid_utf8", "byte 6"},
        {"{\"a\":\"\\ud800\"}", 1, "lone_surrogate", "byte 6"},
        {"{\"a\":\"\\udc00\\ud800\"}", 1, "lone_surrogate", "byte 6"},
        {"[", 10000, "too_deep", "byte 128"},
        {"{\"a\":", 129, "too_deep", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct sample sample = {.key = "k", .value = repeat(values[i].value, values[i].repeated)};
        struct outcome out;
        decode_sample(&order_spec, &sample, &out);
        assert_rejected(&out, values[i].code, values[i].detail);
        assert_slice("key", out.change.key, "k");
        outcome_clear(&out);
    }
}

static void an_event_cut_off_anywhere_is_refused(void **state)
{
    static const char event[] = EVENT("OrderCreateUpdate", ORDER);
    struct mapping *mapping = make_mapping(&order_spec);
    struct outcome out;
    (void)state;
    for (size_t len = 1; len < sizeof event - 1; len++) {
        decode_with(mapping, &(struct sample){.key = "k", .value = event, .value_len = len}, &out);
        assert_rejected(&out, "invalid_json", NULL);
        outcome_clear(&out);
    }
    mapping_destroy(mapping);
}

static void limits_can_be_set(void **state)
{
    const struct mapping_spec spec = {.max_depth = 3, .max_value_bytes = 20};
    struct outcome out;
    (void)state;
    decode_sample(&spec, &(struct sample){.key = "k", .value = "[[[\"345678901234\"]]]"}, &out);
    assert_changed(&out);
    outcome_clear(&out);
    decode_sample(&spec, &(struct sample){.key = "k", .value = "[[[[1]]]]"}, &out);
    assert_rejected(&out, "too_deep", "byte 3");
    outcome_clear(&out);
    decode_sample(&spec, &(struct sample){.key = "k", .value = "[[[\"3456789012345\"]]]"}, &out);
    assert_rejected(&out, "too_large", "byte 20");
    outcome_clear(&out);
}

static void a_record_without_headers_needs_no_header_function(void **state)
{
    struct mapping *mapping = make_mapping(&(struct mapping_spec){.event_id = "header:id"});
    struct record record = {.key = UPSINK_SLICE_LIT("k"), .value = UPSINK_SLICE_LIT("{}")};
    struct upsink_change change;
    struct arena arena;
    (void)state;
    arena_init(&arena, 0);
    assert_int_equal(mapping_decode(mapping, &record, &arena, &change, NULL), DECODE_REJECTED);
    record.value = UPSINK_SLICE_ABSENT;
    assert_int_equal(mapping_decode(mapping, &record, &arena, &change, NULL), DECODE_CHANGE);
    arena_destroy(&arena);
    mapping_destroy(mapping);
}

static void the_ids_alone_are_the_same_as_with_the_rest(void **state)
{
    static const struct sample samples[] = {
        {.key = "o-1", .value = EVENT("T", ORDER)},
        {.key = "o-1", .value = EVENT("T", "{\"orderId\":\"\\u006f\",\"lastUpdated\":7}")},
        {.value = EVENT("T", ORDER)},
        {.key = "o-1", .value = EVENT("T", "{}")},
        {.key = "o-1", .value = "{"},
        {.key = "o-1"},
        {.key = "o-1", .headers = {"ce_specversion", "1.0", "ce_id", "e-3"}},
    };
    static const bool expected[] = {true, true, false, false, false, false, true};
    struct mapping *mapping = make_mapping(&order_spec);
    (void)state;
    assert_true(mapping_has_ids(mapping));
    assert_true(mapping_has_version(mapping));
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct record record = {.key = upsink_slice_of(samples[i].key),
                                .value = upsink_slice_of(samples[i].value),
                                .header = sample_header,
                                .header_context = &samples[i]};
        struct upsink_change change;
        struct outcome out;
        decode_with(mapping, &samples[i], &out);
        assert_int_equal(mapping_decode_ids(mapping, &record, &out.arena, &change), expected[i]);
        assert_true(upsink_slice_equal(change.key, out.change.key));
        assert_true(upsink_slice_equal(change.event_id, out.change.event_id));
        assert_true(upsink_slice_equal(change.change_id, out.change.change_id));
        outcome_clear(&out);
    }
    mapping_destroy(mapping);
}

static void a_mapping_knows_whether_events_carry_ids(void **state)
{
    static const struct {
        struct mapping_spec spec;
        bool has_ids;
    } specs[] = {
        {{.envelope = ENVELOPE_AUTO}, true},
        {{.envelope = ENVELOPE_CLOUDEVENTS}, true},
        {{.envelope = ENVELOPE_CANONICAL}, true},
        {{.envelope = ENVELOPE_NONE}, false},
        {{.envelope = ENVELOPE_NONE, .event_id = "/id"}, true},
        {{.envelope = ENVELOPE_NONE, .change_id = order_change, .change_id_count = 1}, true},
        {{.envelope = ENVELOPE_NONE, .change_id_hash = true}, false}, /* a state may come back */
    };
    (void)state;
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        struct mapping *mapping = make_mapping(&specs[i].spec);
        assert_int_equal(mapping_has_ids(mapping), specs[i].has_ids);
        assert_false(mapping_has_version(mapping));
        mapping_destroy(mapping);
    }
}

/* Out of memory is not the record's fault: a class of its own, so that nobody dead-letters the record. */
static void running_out_of_memory_is_not_blamed_on_the_record(void **state)
{
    static const char *const two[] = {"/data/orderId", "/data/lastUpdated"}, *const types[] = {"T"};
    static const struct {
        struct mapping_spec spec;
        struct sample sample;
    } samples[] = {
        {{.change_id = two, .change_id_count = 2}, {.key = "k", .value = EVENT("T", ORDER)}},
        {{.change_id_hash = true}, {.key = "k", .value = EVENT("T", ORDER)}},
        {{.event_id = "/data"}, {.key = "k", .value = EVENT("T", "\"\\n\"")}},
        {{.include_types = types, .include_type_count = 1}, {.key = "k", .value = EVENT("\\u0054", ORDER)}},
        {{.key_format = KEY_INT32}, {.key = "1234", .value = EVENT("T", ORDER)}},
        {{.key_format = KEY_UUID}, {.key = "1234567890123456", .value = EVENT("T", ORDER)}},
        {{.key_format = KEY_BYTES}, {.key = "1234"}},
        {{.key_format = KEY_JSON}, {.key = "{}"}},
        {{.key_format = KEY_JSON}, {.key = "\"\\n\""}},
        {{.envelope = ENVELOPE_CLOUDEVENTS},
         {.key = "k",
          .value = "{\"specversion\":\"1.0\",\"id\":\"e\",\"source\":\"s\",\"type\":\"T\",\"data_base64\":"
                   "\"MQ==\"}"}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct mapping *mapping = make_mapping(&samples[i].spec);
        struct record record = {.key = upsink_slice_of(samples[i].sample.key),
                                .value = upsink_slice_of(samples[i].sample.value)};
        struct upsink_change change;
        struct upsink_error err = {0};
        struct arena full;
        arena_init(&full, SIZE_MAX); /* a block that no machine has */
        assert_int_equal(mapping_decode(mapping, &record, &full, &change, &err), DECODE_REJECTED);
        assert_int_equal(err.cls, UPSINK_ERR_FATAL);
        assert_string_equal(err.code, "out_of_memory");
        arena_destroy(&full);
        mapping_destroy(mapping);
    }
}

static void *decode_often(void *argument)
{
    static const struct sample sample = {.key = "{\"b\":1,\"a\":[2]}", .value = EVENT("T", ORDER)};
    for (int i = 0; i < 2000; i++) {
        struct outcome out;
        decode_with(argument, &sample, &out);
        if (out.outcome != DECODE_CHANGE || !upsink_slice_is(out.change.key, "{\"a\":[2],\"b\":1}") ||
            out.change.change_id.len != 32)
            abort();
        outcome_clear(&out);
    }
    return NULL;
}

static void threads_share_a_mapping(void **state)
{
    struct mapping *mapping =
        make_mapping(&(struct mapping_spec){.key_format = KEY_JSON, .change_id_hash = true});
    pthread_t threads[4];
    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, decode_often, mapping), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    mapping_destroy(mapping);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_values_are_refused),
        cmocka_unit_test(an_event_cut_off_anywhere_is_refused),
        cmocka_unit_test(limits_can_be_set),
        cmocka_unit_test(a_record_without_headers_needs_no_header_function),
        cmocka_unit_test(the_ids_alone_are_the_same_as_with_the_rest),
        cmocka_unit_test(a_mapping_knows_whether_events_carry_ids),
        cmocka_unit_test(running_out_of_memory_is_not_blamed_on_the_record),
        cmocka_unit_test(threads_share_a_mapping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
