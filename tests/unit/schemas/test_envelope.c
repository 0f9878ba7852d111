/* What the envelopes make of a record: schemas/mapping.h, seen through mapping_decode. */
#include "mapping_help.h"

#define REQUIRED "\"specversion\":\"1.0\",\"id\":\"e-1\",\"source\":\"/shop\",\"type\":\"T\""
#define STATE    "{\"orderId\":\"o-1\",\"v\":7}"

static const struct mapping_spec automatic = {.envelope = ENVELOPE_AUTO};
static const struct mapping_spec cloudevents = {.envelope = ENVELOPE_CLOUDEVENTS};
static const struct mapping_spec canonical = {.envelope = ENVELOPE_CANONICAL};
static const struct mapping_spec none = {.envelope = ENVELOPE_NONE};

#define BINARY "ce_specversion", "1.0", "ce_id", "e-1", "ce_source", "/shop", "ce_type", "T"

static const struct {
    const char *name;
    const struct mapping_spec *spec;
    struct sample sample;
    const char *entity, *event_id; /* event_id NULL: absent */
} opened[] = {
    {"a structured event", &cloudevents, {.value = "{" REQUIRED ",\"data\":" STATE "}"}, STATE, "e-1"},
    {"a structured event, told by itself",
     &automatic,
     {.value = "{\"data\":" STATE "," REQUIRED "}"},
     STATE,
     "e-1"},
    {"white space and unknown members",
     &automatic,
     {.value = " { \"x\" : [ { \"data\" : 1 } ] , " REQUIRED " , \"data\" : " STATE " } "},
     STATE,
     "e-1"},
    {"any JSON as data", &cloudevents, {.value = "{" REQUIRED ",\"data\":[1, 2]}"}, "[1, 2]", "e-1"},
    {"text as data", &cloudevents, {.value = "{" REQUIRED ",\"data\":\"plain\"}"}, "\"plain\"", "e-1"},
    {"told by its content type",
     &automatic,
     {.value = "{" REQUIRED ",\"data\":" STATE "}",
      .headers = {"content-type", "application/cloudevents+json; charset=UTF-8"}},
     STATE,
     "e-1"},
    {"a content type in capitals, without a format",
     &cloudevents,
     {.value = "{" REQUIRED ",\"data\":" STATE "}", .headers = {"content-type", "Application/CloudEvents"}},
     STATE,
     "e-1"},
    {"structured, its attributes once more in headers",
     &automatic,
     {.value = "{" REQUIRED ",\"data\":" STATE "}",
      .headers = {"content-type", "application/cloudevents+json", "ce_specversion", "1.0", "ce_id", "other"}},
     STATE,
     "e-1"},
    {"another 1.x",
     &cloudevents,
     {.value = "{\"specversion\":\"1.1\",\"id\":\"e-1\",\"source\":\"s\",\"type\":\"T\",\"data\":1}"},
     "1",
     "e-1"},
    {"data in base64",
     &cloudevents,
     {.value = "{" REQUIRED ",\"data_base64\":\"eyJvcmRlcklkIjoiby0xIiwidiI6N30=\"}"},
     STATE,
     "e-1"},
    {"base64 with escapes",
     &cloudevents,
     {.value = "{" REQUIRED ",\"data_base64\":\"Ij8/Pz8\\/Ig==\"}"},
     "\"?????\"",
     "e-1"},
    {"data beside a null data_base64",
     &cloudevents,
     {.value = "{" REQUIRED ",\"data_base64\":null,\"data\":" STATE "}"},
     STATE,
     "e-1"},
    {"the last of two members counts",
     &cloudevents,
     {.value = "{" REQUIRED ",\"data\":1,\"id\":\"e-2\",\"data\":2}"},
     "2",
     "e-2"},
    {"a binary event", &cloudevents, {.value = STATE, .headers = {BINARY}}, STATE, "e-1"},
    {"a binary event, told by itself",
     &automatic,
     {.value = STATE, .headers = {"content-type", "application/json", BINARY}},
     STATE,
     "e-1"},
    {"a binary event whose data looks like an event",
     &automatic,
     {.value = "{" REQUIRED ",\"data\":1}",
      .headers = {"ce_specversion", "1.0", "ce_id", "e-9", "ce_source", "s", "ce_type", "T"}},
     "{" REQUIRED ",\"data\":1}",
     "e-9"},
    {"white space round binary data", &cloudevents, {.value = " 1\n", .headers = {BINARY}}, "1", "e-1"},
    {"the canonical envelope",
     &canonical,
     {.value =
          "{\"event_id\":\"e-1\",\"timestamp\":\"t\",\"source\":\"s\",\"type\":\"T\",\"payload\":" STATE "}"},
     STATE,
     "e-1"},
    {"the canonical envelope, told by itself",
     &automatic,
     {.value = "{\"payload\":" STATE ",\"event_id\":\"e-1\",\"timestamp\":5,\"source\":{},\"type\":\"T\"}"},
     STATE,
     "e-1"},
    {"a number for an event id",
     &canonical,
     {.value = "{\"event_id\":17,\"payload\":" STATE "}"},
     STATE,
     "17"},
    {"no event id where none is needed", &canonical, {.value = "{\"payload\":" STATE "}"}, STATE, NULL},
    {"an empty event id is none",
     &canonical,
     {.value = "{\"event_id\":\"\",\"payload\":" STATE "}"},
     STATE,
     NULL},
    {"a null event id is none",
     &canonical,
     {.value = "{\"event_id\":null,\"payload\":" STATE "}"},
     STATE,
     NULL},
    {"no envelope", &none, {.value = " " STATE "\n"}, STATE, NULL},
    {"no envelope, told by itself", &automatic, {.value = STATE}, STATE, NULL},
    {"a scalar without an envelope", &automatic, {.value = "1e400"}, "1e400", NULL},
    {"an event that is taken as it is",
     &none,
     {.value = "{" REQUIRED ",\"data\":1}", .headers = {BINARY}},
     "{" REQUIRED ",\"data\":1}",
     NULL},
    {"not all of the canonical members",
     &automatic,
     {.value = "{\"event_id\":\"e\",\"type\":\"T\",\"payload\":1}"},
     "{\"event_id\":\"e\",\"type\":\"T\",\"payload\":1}",
     NULL},
    {"a member called specversion is not enough",
     &automatic,
     {.value = "{\"specversion\":\"1.0\",\"data\":1}"},
     "{\"specversion\":\"1.0\",\"data\":1}",
     NULL},
    {"an array without an envelope", &automatic, {.value = "[" STATE "]"}, "[" STATE "]", NULL},
    {"a registry's framing",
     &none,
     {.value = "\0\0\0\1\2" STATE, .value_len = 5 + sizeof STATE - 1},
     STATE,
     NULL},
};

static void envelopes_are_opened(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof opened / sizeof *opened; i++) {
        struct sample sample = opened[i].sample;
        struct outcome out;
        sample.key = "k";
        decode_sample(opened[i].spec, &sample, &out);
        if (out.outcome != DECODE_CHANGE)
            fail_msg("%s: %s: %s", opened[i].name, out.err.code, out.err.text);
        assert_slice(opened[i].name, out.change.entity, opened[i].entity);
        assert_slice(opened[i].name, out.change.event_id, opened[i].event_id);
        assert_int_equal(out.change.flags, 0);
        outcome_clear(&out);
    }
}

static const struct {
    const struct mapping_spec *spec;
    struct sample sample;
    const char *code, *detail;
} refused[] = {
    {&cloudevents, {.value = "{\"data\":1}"}, "missing_attribute", "/specversion"},
    {&cloudevents,
     {.value = "{\"specversion\":\"1.0\",\"source\":\"s\",\"type\":\"T\",\"data\":1}"},
     "missing_attribute",
     "/id"},
    {&automatic,
     {.value = "{\"specversion\":\"1.0\",\"source\":\"s\",\"type\":\"T\",\"data\":1}"},
     "missing_attribute",
     "/id"},
    {&automatic,
     {.value = "{\"specversion\":\"1.0\",\"id\":\"e\",\"type\":\"T\",\"data\":1}"},
     "missing_attribute",
     "/source"},
    {&automatic,
     {.value = "{\"specversion\":\"1.0\",\"id\":\"e\",\"source\":\"s\",\"data\":1}"},
     "missing_attribute",
     "/type"},
    {&cloudevents,
     {.value = "{\"specversion\":\"1.0\",\"id\":null,\"source\":\"s\",\"type\":\"T\"}"},
     "missing_attribute",
     "/id"},
    {&cloudevents,
     {.value = "{\"specversion\":\"1.0\",\"id\":\"\",\"source\":\"s\",\"type\":\"T\"}"},
     "invalid_attribute",
     "/id"},
    {&cloudevents,
     {.value = "{\"specversion\":\"1.0\",\"id\":5,\"source\":\"s\",\"type\":\"T\"}"},
     "invalid_attribute",
     "/id"},
    {&cloudevents,
     {.value = "{\"specversion\":1.0,\"id\":\"e\",\"source\":\"s\",\"type\":\"T\"}"},
     "invalid_attribute",
     "/specversion"},
    {&cloudevents,
     {.value = "{\"specversion\":\"1.0\",\"id\":\"e\",\"source\":{},\"type\":\"T\"}"},
     "invalid_attribute",
     "/source"},
    {&cloudevents,
     {.value = "{\"specversion\":\"0.3\",\"id\":\"e\",\"source\":\"s\",\"type\":\"T\",\"data\":1}"},
     "unsupported_specversion",
     "/specversion"},
    {&cloudevents,
     {.value = "{\"specversion\":\"1\",\"id\":\"e\",\"source\":\"s\",\"type\":\"T\",\"data\":1}"},
     "unsupported_specversion",
     "/specversion"},
    {&cloudevents, {.value = "5"}, "invalid_envelope", ""},
    {&cloudevents, {.value = "null"}, "invalid_envelope", ""},
    {&cloudevents, {.value = "[{" REQUIRED ",\"data\":1}]"}, "cloudevents_batch", ""},
    {&automatic,
     {.value = "[]", .headers = {"content-type", "application/cloudevents-batch+json"}},
     "cloudevents_batch",
     "header:content-type"},
    {&automatic,
     {.value = "x", .headers = {"content-type", "application/cloudevents+avro"}},
     "unsupported_format",
     "header:content-type"},
    {&automatic,
     {.value = STATE, .headers = {"content-type", "application/cloudevents+json"}},
     "missing_attribute",
     "/specversion"},
    {&cloudevents, {.value = "{" REQUIRED "}"}, "missing_entity", "/data"},
    {&cloudevents, {.value = "{" REQUIRED ",\"data\":null}"}, "missing_entity", "/data"},
    {&cloudevents,
     {.value = "{" REQUIRED ",\"data\":1,\"data_base64\":\"MQ==\"}"},
     "invalid_envelope",
     "/data_base64"},
    {&cloudevents,
     {.value = "{" REQUIRED ",\"data\":null,\"data_base64\":\"MQ==\"}"},
     "invalid_envelope",
     "/data_base64"},
    {&cloudevents, {.value = "{" REQUIRED ",\"data_base64\":5}"}, "invalid_base64", "/data_base64"},
    {&cloudevents, {.value = "{" REQUIRED ",\"data_base64\":\"M\"}"}, "invalid_base64", "/data_base64"},
    {&cloudevents, {.value = "{" REQUIRED ",\"data_base64\":\"\"}"}, "invalid_json", "/data_base64 byte 0"},
    {&cloudevents,
     {.value = "{" REQUIRED ",\"data_base64\":\"eyI=\"}"},
     "invalid_json",
     "/data_base64 byte 2"},
    {&cloudevents,
     {.value = "{" REQUIRED ",\"data_base64\":\"Iv8i\"}"},
     "invalid_utf8",
     "/data_base64 byte 1"},
    {&cloudevents, {.value = "{" REQUIRED ",\"data_base64\":\"bnVsbA==\"}"}, "missing_entity", "/data"},
    {&automatic,
     {.value = STATE, .headers = {"ce_specversion", "1.0", "ce_source", "s", "ce_type", "T"}},
     "missing_attribute",
     "/id"},
    {&automatic,
     {.value = STATE, .headers = {"ce_specversion", "1.0", "ce_id", "", "ce_source", "s", "ce_type", "T"}},
     "invalid_attribute",
     "/id"},
    {&automatic,
     {.value = STATE, .headers = {"ce_specversion", "0.3", "ce_id", "e", "ce_source", "s", "ce_type", "T"}},
     "unsupported_specversion",
     "/specversion"},
    {&automatic,
     {.value = STATE,
      .headers = {"ce_specversion", "1.0", "ce_id", "\xFF", "ce_source", "s", "ce_type", "T"}},
     "invalid_field",
     "/id"},
    {&automatic, {.value = "null", .headers = {BINARY}}, "missing_entity", "/data"},
    {&automatic, {.value = "<xml/>", .headers = {BINARY}}, "invalid_json", "byte 0"},
    {&canonical, {.value = "{\"event_id\":\"e\"}"}, "missing_entity", "/payload"},
    {&canonical, {.value = "{\"event_id\":\"e\",\"payload\":null}"}, "missing_entity", "/payload"},
    {&canonical, {.value = "{\"event_id\":{},\"payload\":1}"}, "invalid_field", "/event_id"},
    {&canonical, {.value = "[1]"}, "invalid_envelope", ""},
    {&none, {.value = "null"}, "missing_entity", ""},
    {&automatic, {.value = "null"}, "missing_entity", ""},
    {&none, {.value = "\0\0\0\1\2\4abc", .value_len = 9}, "invalid_json", "byte 5"},
    {&none, {.value = "\0\0\0\1\2", .value_len = 5}, "invalid_json", "byte 5"},
    {&none, {.value = "\0\0\0\1", .value_len = 4}, "invalid_json", "byte 0"},
};

static void what_is_not_in_its_envelope_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct sample sample = refused[i].sample;
        struct outcome out;
        sample.key = "k";
        decode_sample(refused[i].spec, &sample, &out);
        if (out.outcome != DECODE_REJECTED || strcmp(out.err.code, refused[i].code) != 0)
            fail_msg("%zu: %s: outcome %d %s", i, sample.value, (int)out.outcome, out.err.code);
        assert_rejected(&out, refused[i].code, refused[i].detail);
        assert_slice("key", out.change.key, "k");
        outcome_clear(&out);
    }
}

/* Told by itself, an event with anything but its version missing is a bad event; without one of its members,
 * the canonical envelope is not that envelope. */
static void a_record_tells_its_envelope_by_its_members(void **state)
{
    static const char *const attributes[] = {"id", "source", "type"};
    static const char *const members[] = {"event_id", "timestamp", "source", "type", "payload"};
    char value[256];
    struct outcome out;
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        snprintf(value, sizeof value, "{\"specversion\":\"1.0\",\"%s\":\"x\",\"data\":1}", attributes[i]);
        decode_sample(&automatic, &(struct sample){.key = "k", .value = value}, &out);
        assert_rejected(&out, "missing_attribute", NULL);
        outcome_clear(&out);
    }
    for (size_t left_out = 0; left_out < 6; left_out++) {
        size_t len = 0;
        for (size_t i = 0; i < 5; i++) {
            if (i != left_out)
                len += (size_t)snprintf(value + len, sizeof value - len, "%c\"%s\":7", len ? ',' : '{',
                                        members[i]);
        }
        snprintf(value + len, sizeof value - len, "}");
        decode_sample(&automatic, &(struct sample){.key = "k", .value = value}, &out);
        assert_changed(&out);
        assert_slice(value, out.change.entity, left_out < 5 ? value : "7");
        outcome_clear(&out);
    }
}

static void a_format_that_can_not_be_read_is_named(void **state)
{
    struct outcome out;
    (void)state;
    decode_sample(&none, &(struct sample){.key = "k", .value = "abc"}, &out);
    assert_null(strstr(out.err.text, "schema"));
    outcome_clear(&out);
    decode_sample(&none, &(struct sample){.key = "k", .value = "\0\0\0\1\2\4abc", .value_len = 9}, &out);
    assert_non_null(strstr(out.err.text, "schema id 258"));
    outcome_clear(&out);
}

/* Everything that a view can say, told of the same event in both modes. */
static void structured_and_binary_events_make_the_same_change(void **state)
{
    static const char *const change_id[] = {"/id", "/sequence", "/subject", "/data/orderId", "/data/flag"};
    static const char *const types[] = {"T"};
    const struct mapping_spec spec = {
        .key_field = "/subject",
        .change_id = change_id,
        .change_id_count = 5,
        .version = "/sequence",
        .include_types = types,
        .include_type_count = 1,
        .delete_field = "/gone",
        .delete_equals = "true",
    };
    const struct sample structured = {
        .value = "{" REQUIRED ",\"subject\":\"caf\\u00e9 \\\"1\\\"\",\"sequence\":42,\"gone\":false,"
                 "\"data\":{\"orderId\":\"o-1\",\"flag\":true,\"nul\":\"\\u0000\"}}"};
    const struct sample binary = {.value = "{\"orderId\":\"o-1\",\"flag\":true,\"nul\":\"\\u0000\"}",
                                  .headers = {BINARY, "ce_subject", "caf\xC3\xA9 \"1\"", "ce_sequence", "42",
                                              "ce_gone", "false", "content-type", "application/json"}};
    struct outcome one, other;
    (void)state;
    decode_sample(&spec, &structured, &one);
    decode_sample(&spec, &binary, &other);
    assert_changed(&one);
    assert_changed(&other);
    assert_slice("key", one.change.key, "caf\xC3\xA9 \"1\"");
    assert_slice("change id", one.change.change_id,
                 "[\"e-1\",\"42\",\"caf\xC3\xA9 \\\"1\\\"\",\"o-1\",\"true\"]");
    assert_int_equal(one.change.version, 42);
    assert_int_equal(one.change.flags, UPSINK_HAS_VERSION | UPSINK_HAS_NUL);
    assert_true(upsink_slice_equal(one.change.key, other.change.key));
    assert_true(upsink_slice_equal(one.change.entity, other.change.entity));
    assert_true(upsink_slice_equal(one.change.event_id, other.change.event_id));
    assert_true(upsink_slice_equal(one.change.change_id, other.change.change_id));
    assert_int_equal(one.change.version, other.change.version);
    assert_int_equal(one.change.flags, other.change.flags);
    assert_int_equal(one.change.op, other.change.op);
    outcome_clear(&one);
    outcome_clear(&other);
}

static void pointers_reach_into_data_that_came_in_base64(void **state)
{
    static const char *const change_id[] = {"/data/orderId"};
    const struct mapping_spec spec = {
        .key_field = "/data/orderId", .change_id = change_id, .change_id_count = 1, .version = "/data/v"};
    struct outcome out;
    (void)state;
    decode_sample(
        &spec,
        &(struct sample){.value = "{" REQUIRED ",\"data_base64\":\"eyJvcmRlcklkIjoiby0xIiwidiI6N30=\"}"},
        &out);
    assert_changed(&out);
    assert_slice("key", out.change.key, "o-1");
    assert_slice("change id", out.change.change_id, "o-1");
    assert_slice("event id", out.change.event_id, "e-1");
    assert_int_equal(out.change.version, 7);
    outcome_clear(&out);
}

static void the_content_type_of_a_binary_event_is_its_datacontenttype(void **state)
{
    const struct mapping_spec spec = {.event_id = "/datacontenttype"};
    struct outcome out;
    (void)state;
    decode_sample(
        &spec, &(struct sample){.key = "k", .value = "1", .headers = {BINARY, "content-type", "text/json"}},
        &out);
    assert_changed(&out);
    assert_slice("event id", out.change.event_id, "text/json");
    outcome_clear(&out);
}

static void what_a_binary_event_can_not_have_is_missing(void **state)
{
    static const char *const pointers[] = {"",      "/",          "/id/x",   "/data_base64",
                                           "/a~1b", "/x\xC3\xA9", "/payload"};
    (void)state;
    for (size_t i = 0; i < sizeof pointers / sizeof *pointers; i++) {
        const struct mapping_spec spec = {.event_id = pointers[i]};
        struct outcome out;
        decode_sample(&spec, &(struct sample){.key = "k", .value = "{\"id\":{\"x\":1}}", .headers = {BINARY}},
                      &out);
        assert_rejected(&out, "missing_field", pointers[i]);
        outcome_clear(&out);
    }
}

static struct upsink_slice header_with_nul(const void *context, const char *name)
{
    (void)context;
    return strcmp(name, "id") == 0 ? UPSINK_SLICE_LIT("e\0") : UPSINK_SLICE_ABSENT;
}

static void a_header_with_nul_is_refused(void **state)
{
    struct mapping *mapping = make_mapping(&(struct mapping_spec){.event_id = "header:id"});
    struct record record = {
        .key = UPSINK_SLICE_LIT("k"), .value = UPSINK_SLICE_LIT("1"), .header = header_with_nul};
    struct upsink_change change;
    struct upsink_error err = {0};
    struct arena arena;
    (void)state;
    arena_init(&arena, 0);
    assert_int_equal(mapping_decode(mapping, &record, &arena, &change, &err), DECODE_REJECTED);
    assert_string_equal(err.code, "invalid_field");
    arena_destroy(&arena);
    mapping_destroy(mapping);
}

static void the_last_header_of_a_name_counts_and_case_does_too(void **state)
{
    const struct mapping_spec spec = {.event_id = "header:Id"};
    struct outcome out;
    (void)state;
    decode_sample(&spec,
                  &(struct sample){.key = "k", .value = "1", .headers = {"Id", "1", "Id", "2", "id", "3"}},
                  &out);
    assert_changed(&out);
    assert_slice("event id", out.change.event_id, "2");
    outcome_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(envelopes_are_opened),
        cmocka_unit_test(what_is_not_in_its_envelope_is_refused),
        cmocka_unit_test(a_record_tells_its_envelope_by_its_members),
        cmocka_unit_test(a_format_that_can_not_be_read_is_named),
        cmocka_unit_test(structured_and_binary_events_make_the_same_change),
        cmocka_unit_test(pointers_reach_into_data_that_came_in_base64),
        cmocka_unit_test(the_content_type_of_a_binary_event_is_its_datacontenttype),
        cmocka_unit_test(what_a_binary_event_can_not_have_is_missing),
        cmocka_unit_test(a_header_with_nul_is_refused),
        cmocka_unit_test(the_last_header_of_a_name_counts_and_case_does_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
