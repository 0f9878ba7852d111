/* What a view says of its records, applied to them: schemas/mapping.h. Envelopes: test_envelope.c. */
#include "mapping_help.h"

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

static void an_event_becomes_an_upsert(void **state)
{
    struct outcome out;
    (void)state;
    decode_sample(&order_spec, &(struct sample){.key = "o-1", .value = EVENT("OrderCreateUpdate", ORDER)},
                  &out);
    assert_changed(&out);
    assert_int_equal(out.change.op, UPSINK_UPSERT);
    assert_int_equal(out.change.flags, UPSINK_HAS_VERSION);
    assert_slice("key", out.change.key, "o-1");
    assert_slice("event id", out.change.event_id, "e-1");
    assert_slice("change id", out.change.change_id, "[\"o-1\",\"2026-01-02T03:04:05.678Z\"]");
    assert_slice("entity", out.change.entity, ORDER);
    assert_slice("topic", out.change.topic, "orders");
    assert_int_equal(out.change.version, 1767323045678000);
    assert_int_equal(out.change.partition, 3);
    assert_int_equal(out.change.offset, 42);
    assert_int_equal(out.change.timestamp, 1700000000000000);
    /* Not the mapping's to say. */
    assert_int_equal(out.change.generation, 7);
    assert_int_equal(out.change.floor, 5);
    outcome_clear(&out);
}

static void nothing_is_copied_where_nothing_has_to_be(void **state)
{
    const struct mapping_spec spec = {.key_field = "/id", .event_id = "/id", .version = "/v"};
    struct outcome out;
    const char *end;
    (void)state;
    decode_sample(&spec, &(struct sample){.value = "{\"id\":\"o-1\",\"v\":1}"}, &out);
    assert_changed(&out);
    end = out.value + strlen("{\"id\":\"o-1\",\"v\":1}");
    assert_true(out.change.key.data > out.value && out.change.key.data < end);
    assert_true(out.change.event_id.data > out.value && out.change.event_id.data < end);
    assert_ptr_equal(out.change.entity.data, out.value);
    assert_int_equal(out.arena.used, 0);
    outcome_clear(&out);
}

/* What one field of the value makes of event_id, key, change_id and version. */
static void a_field_is_used_as_the_text_that_it_stands_for(void **state)
{
    static const struct {
        const char *json, *text; /* NULL: refused */
        const char *code;
    } fields[] = {
        {"\"e-1\"", "e-1", NULL},
        {"\"caf\\u00e9\\n\"", "caf\xC3\xA9\n", NULL},
        {"17", "17", NULL},
        {"-1.50e400", "-1.50e400", NULL},
        {"12345678901234567890123", "12345678901234567890123", NULL},
        {"true", "true", NULL},
        {"null", NULL, "missing_field"},
        {"\"\"", NULL, "missing_field"},
        {"{}", NULL, "invalid_field"},
        {"[1]", NULL, "invalid_field"},
        {"\"a\\u0000b\"", NULL, "invalid_field"},
    };
    static const char *const change_id[] = {"/f"};
    const struct mapping_spec event_spec = {.event_id = "/f"},
                              change_spec = {.change_id = change_id, .change_id_count = 1};
    (void)state;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        char value[64];
        struct sample sample = {.key = "k", .value = value};
        struct outcome out;
        snprintf(value, sizeof value, "{\"f\": %s }", fields[i].json);
        for (int which = 0; which < 2; which++) {
            decode_sample(which ? &change_spec : &event_spec, &sample, &out);
            if (fields[i].text)
                assert_changed(&out);
            else
                assert_rejected(&out, fields[i].code, "/f");
            assert_slice(fields[i].json, which ? out.change.change_id : out.change.event_id, fields[i].text);
            assert_slice(fields[i].json, which ? out.change.event_id : out.change.change_id, NULL);
            outcome_clear(&out);
        }
    }
}

static void a_source_that_is_not_there_is_refused_by_name(void **state)
{
    static const char *const one[] = {"/a"}, *const two[] = {"/a", "/b"}, *const header[] = {"header:change"};
    static const struct {
        struct mapping_spec spec;
        const char *detail;
    } specs[] = {
        {{.event_id = "/missing/deep"}, "/missing/deep"},
        {{.event_id = "header:Event-Id"}, "header:Event-Id"},
        {{.version = "/v"}, "/v"},
        {{.version = "header:version"}, "header:version"},
        {{.change_id = one, .change_id_count = 1}, NULL},
        {{.change_id = two, .change_id_count = 2}, "/b"},
        {{.change_id = header, .change_id_count = 1}, "header:change"},
        {{.event_id = "/list/1"}, "/list/1"},
        {{.event_id = "/a/b"}, "/a/b"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        struct outcome out;
        decode_sample(&specs[i].spec, &(struct sample){.key = "k", .value = "{\"a\":\"x\",\"list\":[0]}"},
                      &out);
        if (specs[i].detail)
            assert_rejected(&out, "missing_field", specs[i].detail);
        else
            assert_changed(&out);
        outcome_clear(&out);
    }
}

static void ids_and_versions_come_from_headers_too(void **state)
{
    static const char *const change_id[] = {"header:a", "/b"};
    const struct mapping_spec spec = {
        .event_id = "header:id", .change_id = change_id, .change_id_count = 2, .version = "header:version"};
    struct outcome out;
    (void)state;
    decode_sample(&spec,
                  &(struct sample){.key = "k",
                                   .value = "{\"b\":\"\\u000a\"}",
                                   .headers = {"id", "e-1", "a", "x\"\x01\xC3\xA9", "version", "-12"}},
                  &out);
    assert_changed(&out);
    assert_slice("event id", out.change.event_id, "e-1");
    assert_slice("change id", out.change.change_id, "[\"x\\\"\\u0001\xC3\xA9\",\"\\u000a\"]");
    assert_int_equal(out.change.version, -12);
    outcome_clear(&out);
    decode_sample(&(struct mapping_spec){.event_id = "header:id"},
                  &(struct sample){.key = "k", .value = "1", .headers = {"id", "\xC3"}}, &out);
    assert_rejected(&out, "invalid_field", "header:id");
    outcome_clear(&out);
    decode_sample(&(struct mapping_spec){.version = "header:version"},
                  &(struct sample){.key = "k", .value = "1", .headers = {"version", ""}}, &out);
    assert_rejected(&out, "invalid_version", "header:version");
    outcome_clear(&out);
}

static void change_id_of(const struct mapping_spec *spec, const char *value, char *text, size_t size)
{
    struct outcome out;
    decode_sample(spec, &(struct sample){.key = "k", .value = value}, &out);
    assert_changed(&out);
    assert_true(out.change.change_id.len < size);
    memcpy(text, out.change.change_id.data, out.change.change_id.len);
    text[out.change.change_id.len] = '\0';
    outcome_clear(&out);
}

static void change_ids_are_equal_exactly_where_the_values_are(void **state)
{
    static const char *const change_id[] = {"/a", "/b"};
    const struct mapping_spec spec = {.change_id = change_id, .change_id_count = 2};
    /* Each differs from each of the others. */
    static const char *const different[] = {
        "{\"a\":\"x\",\"b\":\"y\"}",
        "{\"a\":\"xy\",\"b\":\"\"}",
        "{\"a\":\"\",\"b\":\"xy\"}",
        "{\"a\":\"x\\\",\\\"y\",\"b\":\"\"}",
        "{\"a\":\"x\",\"b\":\"\\\",\\\"y\"}",
        "{\"a\":\"x,y\",\"b\":\"z\"}",
        "{\"a\":\"x\",\"b\":\"y,z\"}",
        "{\"a\":\"x\\\\\",\"b\":\"y\"}",
        "{\"a\":\"X\",\"b\":\"y\"}",
        "{\"a\":\"x\\n\",\"b\":\"y\"}",
        "{\"a\":\"x\\\\n\",\"b\":\"y\"}",
        "{\"a\":1,\"b\":2.0}",
        "{\"a\":1,\"b\":2}",
    };
    /* All of these are the first one. */
    static const char *const same[] = {
        "{\"b\":\"y\",\"a\":\"x\"}",
        "{\"a\":\"\\u0078\",\"b\":\"\\u0079\"}",
        " { \"a\" : \"x\" , \"c\" : 1, \"b\" : \"y\" } ",
        "{\"\\u0061\":\"x\",\"b\":\"y\"}",
        "{\"a\":\"z\",\"a\":\"x\",\"b\":\"y\"}",
    };
    char ids[sizeof different / sizeof *different][64], id[64];
    (void)state;
    for (size_t i = 0; i < sizeof different / sizeof *different; i++) {
        change_id_of(&spec, different[i], ids[i], sizeof ids[i]);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(ids[i], ids[j]);
    }
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        change_id_of(&spec, same[i], id, sizeof id);
        assert_string_equal(id, ids[0]);
    }
}

/* Long enough for memory of its own in the arena, so that AddressSanitizer sees a byte too far. */
static void a_change_id_may_be_long_and_full_of_escapes(void **state)
{
    enum { TEXTS = 30001 };
    static const char *const change_id[] = {"header:a", "header:b", "header:c"};
    static char quotes[TEXTS], controls[TEXTS], plain[TEXTS];
    const struct mapping_spec spec = {.change_id = change_id, .change_id_count = 3};
    struct outcome out;
    (void)state;
    memset(quotes, '"', TEXTS - 1);
    memset(controls, '\x01', TEXTS - 1);
    memset(plain, 'x', TEXTS - 1);
    decode_sample(
        &spec,
        &(struct sample){.key = "k", .value = "1", .headers = {"a", quotes, "b", controls, "c", plain}},
        &out);
    assert_changed(&out);
    assert_int_equal(out.change.change_id.len, (2 + 6 + 1) * (TEXTS - 1) + 3 * 2 + 2 + 2);
    outcome_clear(&out);
}

static void a_hash_tells_states_apart(void **state)
{
    const struct mapping_spec spec = {.change_id_hash = true, .envelope = ENVELOPE_CLOUDEVENTS};
    char one[64], same[64], other[64];
    (void)state;
    change_id_of(&spec, EVENT("T", "{\"a\":1,\"b\":[true,\"x\"]}"), one, sizeof one);
    change_id_of(&spec, EVENT("U", "{ \"b\" : [true, \"\\u0078\"], \"a\":1 }"), same, sizeof same);
    change_id_of(&spec, EVENT("T", "{\"a\":2,\"b\":[true,\"x\"]}"), other, sizeof other);
    assert_int_equal(strspn(one, "0123456789abcdef"), 32);
    assert_int_equal(strlen(one), 32);
    assert_string_equal(one, same);
    assert_string_not_equal(one, other);
}

static void a_version_is_an_integer_or_a_time(void **state)
{
    static const struct {
        const char *json;
        bool valid;
        int64_t version;
    } versions[] = {
        {"7", true, 7},
        {"-7", true, -7},
        {"7.0", true, 7},
        {"\"7\"", true, 7},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"\"2026-01-02T03:04:05.678Z\"", true, 1767323045678000},
        {"\"2026-01-02T03:04:05.678\\u005a\"", true, 1767323045678000},
        {"9223372036854775808", false, 0},
        {"7.5", false, 0},
        {"1e400", false, 0},
        {"\"soon\"", false, 0},
        {"\"\"", false, 0},
        {"\"2026-01-02\"", false, 0},
        {"true", false, 0},
        {"{}", false, 0},
        {"[7]", false, 0},
    };
    const struct mapping_spec spec = {.version = "/v"};
    (void)state;
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        char value[64];
        struct outcome out;
        snprintf(value, sizeof value, "{\"v\":%s}", versions[i].json);
        decode_sample(&spec, &(struct sample){.key = "k", .value = value}, &out);
        if (!versions[i].valid) {
            assert_rejected(&out, "invalid_version", "/v");
            assert_int_equal(out.change.flags, 0);
        } else {
            assert_changed(&out);
            assert_int_equal(out.change.flags, UPSINK_HAS_VERSION);
            assert_int_equal(out.change.version, versions[i].version);
        }
        outcome_clear(&out);
    }
}

static void the_key_may_come_from_the_value(void **state)
{
    static const struct {
        const char *json, *key;
        const char *code;
    } fields[] = {
        {"\"o-1\"", "o-1", NULL},
        {"\"\"", "", NULL},
        {"17", "17", NULL},
        {"false", "false", NULL},
        {"{\"b\":1, \"a\":2}", "{\"a\":2,\"b\":1}", NULL},
        {"[1, 2]", "[1,2]", NULL},
        {"null", NULL, "missing_key"},
        {"\"\\u0000\"", NULL, "invalid_key"},
    };
    const struct mapping_spec spec = {.key_field = "/id", .key_format = KEY_INT32};
    struct outcome out;
    (void)state;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        char value[64];
        snprintf(value, sizeof value, "{\"id\":%s}", fields[i].json);
        decode_sample(&spec, &(struct sample){.key = "not looked at", .value = value}, &out);
        if (fields[i].key)
            assert_changed(&out);
        else
            assert_rejected(&out, fields[i].code, "/id");
        assert_slice("key", out.change.key, fields[i].key);
        outcome_clear(&out);
    }
    decode_sample(&spec, &(struct sample){.key = "k", .value = "{}"}, &out);
    assert_rejected(&out, "missing_key", "/id");
    outcome_clear(&out);
    decode_sample(&spec, &(struct sample){.key = "\0\0\0\x11", .key_len = 4}, &out);
    assert_changed(&out);
    assert_slice("a tombstone's key", out.change.key, "17");
    outcome_clear(&out);
}

static void a_refused_record_still_says_what_it_is(void **state)
{
    struct outcome out;
    (void)state;
    decode_sample(&order_spec, &(struct sample){.value = EVENT("T", ORDER)}, &out);
    assert_rejected(&out, "missing_key", "");
    assert_slice("key", out.change.key, NULL);
    assert_slice("event id", out.change.event_id, "e-1");
    assert_slice("change id", out.change.change_id, "[\"o-1\",\"2026-01-02T03:04:05.678Z\"]");
    assert_int_equal(out.change.version, 1767323045678000);
    outcome_clear(&out);
    decode_sample(&order_spec, &(struct sample){.key = "o-1", .value = EVENT("T", "{\"lastUpdated\":5}")},
                  &out);
    assert_rejected(&out, "missing_field", "/data/orderId");
    assert_slice("key", out.change.key, "o-1");
    assert_slice("event id", out.change.event_id, "e-1");
    assert_int_equal(out.change.version, 5);
    outcome_clear(&out);
    decode_sample(&(struct mapping_spec){.event_id = "header:id"},
                  &(struct sample){.key = "o-1", .value = "{", .headers = {"id", "e-2"}}, &out);
    assert_rejected(&out, "invalid_json", "byte 1");
    assert_slice("key", out.change.key, "o-1");
    assert_slice("event id", out.change.event_id, "e-2");
    outcome_clear(&out);
}

static void an_entity_with_nul_is_marked(void **state)
{
    static const struct {
        const char *value;
        uint32_t flags;
    } values[] = {
        {EVENT("T", "{\"a\":\"\\u0000\"}"), UPSINK_HAS_NUL},
        {EVENT("T", "{\"\\u0000\":1}"), UPSINK_HAS_NUL},
        {EVENT("T", "{\"a\":\"\\\\u0000\"}"), 0},
        {EVENT("\\u0000", "{\"a\":1}"), 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct outcome out;
        decode_sample(&(struct mapping_spec){0}, &(struct sample){.key = "k", .value = values[i].value},
                      &out);
        assert_changed(&out);
        assert_int_equal(out.change.flags, values[i].flags);
        outcome_clear(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_becomes_an_upsert),
        cmocka_unit_test(nothing_is_copied_where_nothing_has_to_be),
        cmocka_unit_test(a_field_is_used_as_the_text_that_it_stands_for),
        cmocka_unit_test(a_source_that_is_not_there_is_refused_by_name),
        cmocka_unit_test(ids_and_versions_come_from_headers_too),
        cmocka_unit_test(change_ids_are_equal_exactly_where_the_values_are),
        cmocka_unit_test(a_change_id_may_be_long_and_full_of_escapes),
        cmocka_unit_test(a_hash_tells_states_apart),
        cmocka_unit_test(a_version_is_an_integer_or_a_time),
        cmocka_unit_test(the_key_may_come_from_the_value),
        cmocka_unit_test(a_refused_record_still_says_what_it_is),
        cmocka_unit_test(an_entity_with_nul_is_marked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
