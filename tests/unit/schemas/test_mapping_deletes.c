/* Which records delete, which are left out, and what a delete carries: schemas/mapping.h. */
#include "mapping_help.h"

#define EVENT(type, data)                                                                                    \
    "{\"specversion\":\"1.0\",\"id\":\"e-1\",\"source\":\"/shop\",\"type\":\"" type "\",\"data\":" data "}"
#define CANONICAL(type, payload)                                                                             \
    "{\"event_id\":\"e-1\",\"timestamp\":0,\"source\":\"s\",\"type\":" type ",\"payload\":" payload "}"
#define BINARY(type) "ce_specversion", "1.0", "ce_id", "e-1", "ce_source", "s", "ce_type", type

static const char *const included[] = {"Created", "Updated"};
static const char *const deleting[] = {"Deleted", "Purg\xC3\xA9"};
static const char *const change_id[] = {"/data/id", "/data/v"};

static void a_tombstone_deletes_in_every_envelope(void **state)
{
    static const enum envelope envelopes[] = {ENVELOPE_AUTO, ENVELOPE_CLOUDEVENTS, ENVELOPE_CANONICAL,
                                              ENVELOPE_NONE};
    (void)state;
    for (size_t i = 0; i < sizeof envelopes / sizeof *envelopes; i++) {
        const struct mapping_spec spec = {.envelope = envelopes[i],
                                          .version = "/v",
                                          .event_id = "header:id",
                                          .change_id = change_id,
                                          .change_id_count = 2,
                                          .include_types = included,
                                          .include_type_count = envelopes[i] == ENVELOPE_NONE ? 0 : 2};
        struct outcome out;
        decode_sample(&spec, &(struct sample){.key = "k"}, &out);
        assert_changed(&out);
        assert_int_equal(out.change.op, UPSINK_DELETE);
        assert_int_equal(out.change.flags, UPSINK_BY_POSITION);
        assert_slice("key", out.change.key, "k");
        assert_slice("entity", out.change.entity, NULL);
        assert_slice("event id", out.change.event_id, NULL);
        assert_slice("change id", out.change.change_id, NULL);
        assert_int_equal(out.change.version, 0);
        outcome_clear(&out);
    }
}

static void a_tombstone_without_a_key_is_refused(void **state)
{
    struct outcome out;
    (void)state;
    decode_sample(&(struct mapping_spec){0}, &(struct sample){0}, &out);
    assert_rejected(&out, "missing_key", "");
    outcome_clear(&out);
}

static void a_tombstone_carries_what_its_headers_say(void **state)
{
    static const char *const header[] = {"header:change"};
    const struct mapping_spec spec = {
        .event_id = "header:id", .change_id = header, .change_id_count = 1, .version = "header:v"};
    struct outcome out;
    (void)state;
    decode_sample(&spec, &(struct sample){.key = "k", .headers = {"id", "e-7", "v", "12", "change", "c-3"}},
                  &out);
    assert_changed(&out);
    assert_int_equal(out.change.flags, UPSINK_HAS_VERSION);
    assert_int_equal(out.change.version, 12);
    assert_slice("event id", out.change.event_id, "e-7");
    assert_slice("change id", out.change.change_id, "c-3");
    outcome_clear(&out);
    decode_sample(&spec, &(struct sample){.key = "k", .headers = {"v", "soon"}}, &out);
    assert_rejected(&out, "invalid_version", "header:v");
    outcome_clear(&out);
}

static void a_binary_event_without_a_value_is_a_tombstone_with_an_id(void **state)
{
    const struct mapping_spec spec = {.version = "/time", .include_types = included, .include_type_count = 2};
    struct outcome out;
    (void)state;
    decode_sample(
        &spec, &(struct sample){.key = "k", .headers = {BINARY("Other"), "ce_time", "2026-01-02T03:04:05Z"}},
        &out);
    assert_changed(&out);
    assert_int_equal(out.change.op, UPSINK_DELETE);
    assert_slice("event id", out.change.event_id, "e-1");
    assert_int_equal(out.change.flags, UPSINK_HAS_VERSION);
    assert_int_equal(out.change.version, 1767323045000000);
    outcome_clear(&out);
}

static void a_tombstone_needs_no_proper_envelope(void **state)
{
    static const struct sample samples[] = {
        {.key = "k", .headers = {"content-type", "application/cloudevents+avro"}},
        {.key = "k", .headers = {"content-type", "application/cloudevents-batch+json"}},
        {.key = "k", .headers = {"ce_specversion", "0.3"}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct outcome out;
        decode_sample(&(struct mapping_spec){0}, &samples[i], &out);
        assert_changed(&out);
        assert_int_equal(out.change.op, UPSINK_DELETE);
        outcome_clear(&out);
    }
}

static const struct {
    struct sample sample;
    enum decode_outcome outcome;
    enum upsink_op op;
} typed[] = {
    {{.value = EVENT("Created", "1")}, DECODE_CHANGE, UPSINK_UPSERT},
    {{.value = EVENT("Upda\\u0074ed", "1")}, DECODE_CHANGE, UPSINK_UPSERT},
    {{.value = EVENT("created", "1")}, DECODE_FILTERED, 0},
    {{.value = EVENT("Created ", "1")}, DECODE_FILTERED, 0},
    {{.value = EVENT("Other", "null")}, DECODE_FILTERED, 0},
    {{.value = "{\"type\":\"Other\",\"specversion\":\"1.0\"}"}, DECODE_FILTERED, 0},
    {{.value = EVENT("Deleted", "1")}, DECODE_CHANGE, UPSINK_DELETE},
    {{.value = EVENT("Purg\xC3\xA9", "null")}, DECODE_CHANGE, UPSINK_DELETE},
    {{.value = EVENT("Purg\\u00E9", "null")}, DECODE_CHANGE, UPSINK_DELETE},
    {{.value = "{\"specversion\":\"1.0\",\"id\":\"e\",\"source\":\"s\",\"type\":\"Deleted\"}"},
     DECODE_CHANGE,
     UPSINK_DELETE},
    {{.value = "{\"specversion\":\"1.0\",\"id\":\"e\",\"source\":\"s\"}"}, DECODE_REJECTED, 0},
    {{.value = CANONICAL("\"Created\"", "1")}, DECODE_CHANGE, UPSINK_UPSERT},
    {{.value = CANONICAL("\"Other\"", "1")}, DECODE_FILTERED, 0},
    {{.value = CANONICAL("5", "1")}, DECODE_FILTERED, 0},
    {{.value = CANONICAL("\"Deleted\"", "null")}, DECODE_CHANGE, UPSINK_DELETE},
    {{.value = "{\"plain\":1}"}, DECODE_FILTERED, 0},
    {{.value = "1", .headers = {BINARY("Created")}}, DECODE_CHANGE, UPSINK_UPSERT},
    {{.value = "1", .headers = {BINARY("Deleted")}}, DECODE_CHANGE, UPSINK_DELETE},
    {{.value = "not JSON", .headers = {BINARY("Other")}}, DECODE_FILTERED, 0},
    {{.value = "not JSON", .headers = {BINARY("Deleted")}}, DECODE_REJECTED, 0},
    {{.value = "not JSON"}, DECODE_REJECTED, 0},
    {{.value = "1", .headers = {"ce_specversion", "1.0", "ce_id", "e", "ce_source", "s"}},
     DECODE_REJECTED,
     0},
};

static void types_tell_what_is_in_and_what_deletes(void **state)
{
    const struct mapping_spec spec = {
        .include_types = included, .include_type_count = 2, .delete_types = deleting, .delete_type_count = 2};
    struct mapping *mapping = make_mapping(&spec);
    (void)state;
    for (size_t i = 0; i < sizeof typed / sizeof *typed; i++) {
        struct sample sample = typed[i].sample;
        struct outcome out;
        sample.key = "k";
        decode_with(mapping, &sample, &out);
        if (out.outcome != typed[i].outcome)
            fail_msg("%zu: %s: outcome %d %s", i, sample.value, (int)out.outcome, out.err.code);
        if (out.outcome == DECODE_CHANGE)
            assert_int_equal(out.change.op, typed[i].op);
        outcome_clear(&out);
    }
    mapping_destroy(mapping);
}

/* The types that nobody asked for need not have what the view maps, not even a key. */
static void what_is_left_out_is_not_judged(void **state)
{
    const struct mapping_spec spec = {.include_types = included,
                                      .include_type_count = 2,
                                      .version = "/data/v",
                                      .key_field = "/data/id",
                                      .change_id = change_id,
                                      .change_id_count = 2};
    struct outcome out;
    (void)state;
    decode_sample(&spec, &(struct sample){.value = EVENT("Other", "{}")}, &out);
    assert_int_equal(out.outcome, DECODE_FILTERED);
    outcome_clear(&out);
}

static void an_empty_binary_event_deletes_where_its_type_does(void **state)
{
    const struct mapping_spec spec = {.delete_types = deleting, .delete_type_count = 2};
    struct mapping *mapping = make_mapping(&spec);
    struct upsink_change change;
    struct upsink_error err;
    struct arena arena;
    struct sample sample = {.headers = {BINARY("Deleted")}};
    struct record record = {.key = UPSINK_SLICE_LIT("k"),
                            .value = UPSINK_SLICE_LIT(""),
                            .header = sample_header,
                            .header_context = &sample};
    (void)state;
    arena_init(&arena, 0);
    assert_int_equal(mapping_decode(mapping, &record, &arena, &change, &err), DECODE_CHANGE);
    assert_int_equal(change.op, UPSINK_DELETE);
    sample.headers[7] = "Created";
    assert_int_equal(mapping_decode(mapping, &record, &arena, &change, &err), DECODE_REJECTED);
    assert_string_equal(err.code, "invalid_json");
    assert_non_null(strstr(err.text, "null value"));
    arena_destroy(&arena);
    mapping_destroy(mapping);
}

static void a_delete_event_has_a_version_where_it_carries_one(void **state)
{
    const struct mapping_spec spec = {.delete_types = deleting,
                                      .delete_type_count = 2,
                                      .version = "/data/v",
                                      .key_field = "/data/id",
                                      .change_id = change_id,
                                      .change_id_count = 2};
    struct outcome out;
    (void)state;
    decode_sample(&spec, &(struct sample){.key = "x", .value = EVENT("Deleted", "{\"id\":\"k\",\"v\":9}")},
                  &out);
    assert_changed(&out);
    assert_slice("key", out.change.key, "k");
    assert_slice("entity", out.change.entity, NULL);
    assert_slice("event id", out.change.event_id, "e-1");
    assert_slice("change id", out.change.change_id, "[\"k\",\"9\"]");
    assert_int_equal(out.change.flags, UPSINK_HAS_VERSION);
    assert_int_equal(out.change.version, 9);
    outcome_clear(&out);
    decode_sample(&spec, &(struct sample){.key = "x", .value = EVENT("Deleted", "{\"id\":\"k\"}")}, &out);
    assert_changed(&out);
    assert_int_equal(out.change.flags, UPSINK_BY_POSITION);
    assert_slice("change id", out.change.change_id, NULL);
    outcome_clear(&out);
    decode_sample(&spec,
                  &(struct sample){.key = "x", .value = EVENT("Deleted", "{\"id\":\"k\",\"v\":\"soon\"}")},
                  &out);
    assert_rejected(&out, "invalid_version", "/data/v");
    outcome_clear(&out);
    decode_sample(&spec, &(struct sample){.key = "x", .value = EVENT("Deleted", "{}")}, &out);
    assert_rejected(&out, "missing_key", "/data/id");
    outcome_clear(&out);
}

static void a_delete_without_mapped_versions_has_no_flags(void **state)
{
    struct outcome out;
    (void)state;
    decode_sample(&(struct mapping_spec){.change_id_hash = true}, &(struct sample){.key = "k"}, &out);
    assert_changed(&out);
    assert_int_equal(out.change.flags, 0);
    assert_slice("change id", out.change.change_id, NULL);
    outcome_clear(&out);
}

static void a_field_deletes_where_it_has_the_value(void **state)
{
    static const struct {
        const char *equals, *field;
        bool deletes;
    } fields[] = {
        {"true", "true", true},    {"true", "false", false},       {"true", "\"true\"", false},
        {"true", "1", false},      {"false", "false", true},       {"1", "1", true},
        {"1", "1.0", true},        {"1", "10e-1", true},           {"1", "1.5", false},
        {"1", "\"1\"", false},     {" 1.50 ", "15e-1", true},      {"1e400", "10e399", true},
        {"1e400", "1e401", false}, {"null", "null", true},         {"null", "false", false},
        {"\"D\"", "\"D\"", true},  {"\"D\"", "\"\\u0044\"", true}, {"\"\\u0044\"", "\"D\"", true},
        {"\"D\"", "\"d\"", false}, {"\"\"", "\"\"", true},         {"true", "{\"x\":true}", false},
        {"true", "[true]", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const struct mapping_spec spec = {.delete_field = "/gone", .delete_equals = fields[i].equals};
        char value[64];
        struct outcome out;
        snprintf(value, sizeof value, "{\"gone\":%s}", fields[i].field);
        decode_sample(&spec, &(struct sample){.key = "k", .value = value}, &out);
        assert_changed(&out);
        if ((out.change.op == UPSINK_DELETE) != fields[i].deletes)
            fail_msg("equals %s: %s", fields[i].equals, value);
        assert_slice("entity", out.change.entity, fields[i].deletes ? NULL : value);
        outcome_clear(&out);
    }
}

static void a_field_that_is_missing_deletes_nothing(void **state)
{
    const struct mapping_spec spec = {.delete_field = "/gone", .delete_equals = "null"};
    struct outcome out;
    (void)state;
    decode_sample(&spec, &(struct sample){.key = "k", .value = "{}"}, &out);
    assert_changed(&out);
    assert_int_equal(out.change.op, UPSINK_UPSERT);
    outcome_clear(&out);
}

static void a_field_may_stand_in_a_header_or_behind_base64(void **state)
{
    static const struct {
        const char *equals, *header;
        bool deletes;
    } headers[] = {{"true", "true", true}, {"true", "TRUE", false}, {"1", "1.0", true},
                   {"1", "one", false},    {"\"1\"", "1", true},    {"null", "null", false}};
    const struct mapping_spec inside = {.delete_field = "/data/gone", .delete_equals = "true"};
    struct outcome out;
    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        const struct mapping_spec spec = {.delete_field = "/gone", .delete_equals = headers[i].equals};
        decode_sample(&spec,
                      &(struct sample){
                          .key = "k", .value = "1", .headers = {BINARY("T"), "ce_gone", headers[i].header}},
                      &out);
        assert_changed(&out);
        assert_int_equal(out.change.op == UPSINK_DELETE, headers[i].deletes);
        outcome_clear(&out);
    }
    decode_sample(
        &inside,
        &(struct sample){.key = "k",
                         .value = "{\"specversion\":\"1.0\",\"id\":\"e\",\"source\":\"s\",\"type\":\"T\","
                                  "\"data_base64\":\"eyJnb25lIjp0cnVlfQ==\"}"},
        &out);
    assert_changed(&out);
    assert_int_equal(out.change.op, UPSINK_DELETE);
    outcome_clear(&out);
}

static void deletes_can_be_ignored(void **state)
{
    const struct mapping_spec spec = {.delete_types = deleting,
                                      .delete_type_count = 2,
                                      .delete_field = "/data/gone",
                                      .delete_equals = "true",
                                      .delete_policy = DELETE_IGNORE};
    static const struct sample samples[] = {
        {.key = "k"},
        {.key = NULL},
        {.key = "k", .value = EVENT("Deleted", "{}")},
        {.key = "k", .value = EVENT("Other", "{\"gone\":true}")},
    };
    struct outcome out;
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        decode_sample(&spec, &samples[i], &out);
        assert_int_equal(out.outcome, DECODE_FILTERED);
        outcome_clear(&out);
    }
    decode_sample(&spec, &(struct sample){.key = "k", .value = EVENT("Other", "{}")}, &out);
    assert_changed(&out);
    outcome_clear(&out);
}

static void a_soft_delete_is_the_same_change(void **state)
{
    const struct mapping_spec spec = {.delete_policy = DELETE_SOFT};
    struct outcome out;
    (void)state;
    decode_sample(&spec, &(struct sample){.key = "k"}, &out);
    assert_changed(&out);
    assert_int_equal(out.change.op, UPSINK_DELETE);
    assert_slice("entity", out.change.entity, NULL);
    outcome_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tombstone_deletes_in_every_envelope),
        cmocka_unit_test(a_tombstone_without_a_key_is_refused),
        cmocka_unit_test(a_tombstone_carries_what_its_headers_say),
        cmocka_unit_test(a_binary_event_without_a_value_is_a_tombstone_with_an_id),
        cmocka_unit_test(a_tombstone_needs_no_proper_envelope),
        cmocka_unit_test(types_tell_what_is_in_and_what_deletes),
        cmocka_unit_test(what_is_left_out_is_not_judged),
        cmocka_unit_test(an_empty_binary_event_deletes_where_its_type_does),
        cmocka_unit_test(a_delete_event_has_a_version_where_it_carries_one),
        cmocka_unit_test(a_delete_without_mapped_versions_has_no_flags),
        cmocka_unit_test(a_field_deletes_where_it_has_the_value),
        cmocka_unit_test(a_field_that_is_missing_deletes_nothing),
        cmocka_unit_test(a_field_may_stand_in_a_header_or_behind_base64),
        cmocka_unit_test(deletes_can_be_ignored),
        cmocka_unit_test(a_soft_delete_is_the_same_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
