/* Views that can't be meant are refused before the first record, by the name of the key at fault. */
#include "mapping_help.h"

static const char *const one[] = {"T"};
static const char *const bad_pointers[] = {"/data/id", "data/lastUpdated"};
static const char *const many[] = {"/0", "/1",  "/2",  "/3",  "/4",  "/5",  "/6",  "/7", "/8",
                                   "/9", "/10", "/11", "/12", "/13", "/14", "/15", "/16"};

static void what_can_not_be_meant_is_refused_by_name(void **state)
{
    static const struct {
        struct mapping_spec spec;
        const char *code, *prefix;
    } specs[] = {
        {{.event_id = "id"}, "invalid_pointer", "event_id: 'id' is not a JSON Pointer"},
        {{.event_id = "/a~2"}, "invalid_pointer", "event_id: "},
        {{.event_id = "header:"}, "invalid_source", "event_id: "},
        {{.event_id = "Header:id"}, "invalid_pointer", "event_id: "},
        {{.version = "#/data/v"}, "invalid_pointer", "version: "},
        {{.key_field = "id"}, "invalid_pointer", "key.field: "},
        {{.key_field = "header:id"}, "invalid_pointer", "key.field: "},
        {{.change_id = bad_pointers, .change_id_count = 2},
         "invalid_pointer",
         "change_id: 'data/lastUpdated'"},
        {{.change_id = many, .change_id_count = 17}, "too_many_sources", "change_id: "},
        {{.change_id = many, .change_id_count = 1, .change_id_hash = true},
         "invalid_combination",
         "change_id: "},
        {{.delete_field = "gone", .delete_equals = "true"}, "invalid_pointer", "delete_when.field: "},
        {{.delete_field = "header:gone", .delete_equals = "true"}, "invalid_pointer", "delete_when.field: "},
        {{.delete_field = "/gone"}, "invalid_combination", "delete_when: "},
        {{.delete_equals = "true"}, "invalid_combination", "delete_when: "},
        {{.delete_field = "/gone", .delete_equals = "yes"}, "invalid_literal", "delete_when.equals: "},
        {{.delete_field = "/gone", .delete_equals = ""}, "invalid_literal", "delete_when.equals: "},
        {{.delete_field = "/gone", .delete_equals = "[1]"}, "invalid_literal", "delete_when.equals: "},
        {{.delete_field = "/gone", .delete_equals = "{}"}, "invalid_literal", "delete_when.equals: "},
        {{.envelope = ENVELOPE_NONE, .include_types = one, .include_type_count = 1},
         "invalid_combination",
         "include_types: "},
        {{.envelope = ENVELOPE_NONE, .delete_types = one, .delete_type_count = 1},
         "invalid_combination",
         "delete_when.type: "},
        {{.envelope = ENVELOPE_NONE,
          .include_types = one,
          .include_type_count = 1,
          .delete_types = one,
          .delete_type_count = 1},
         "invalid_combination",
         "include_types: "},
        {{.max_depth = 1025}, "invalid_limit", "max_depth: "},
    };
    (void)state;
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        struct upsink_error err = {0};
        struct mapping *mapping = mapping_create(&specs[i].spec, &err);
        assert_null(mapping);
        assert_int_equal(err.cls, UPSINK_ERR_CONFIG);
        assert_string_equal(err.code, specs[i].code);
        if (strncmp(err.text, specs[i].prefix, strlen(specs[i].prefix)) != 0)
            fail_msg("'%s' does not begin with '%s'", err.text, specs[i].prefix);
        assert_null(mapping_create(&specs[i].spec, NULL));
    }
}

static void the_greatest_depth_is_allowed(void **state)
{
    (void)state;
    mapping_destroy(make_mapping(&(struct mapping_spec){.max_depth = 1024}));
}

static void a_pointer_may_be_used_for_several_things(void **state)
{
    static const char *const change_id[] = {"/id", "/id", "/data", "/payload"};
    const struct mapping_spec spec = {.envelope = ENVELOPE_NONE,
                                      .key_field = "/id",
                                      .event_id = "/id",
                                      .change_id = change_id,
                                      .change_id_count = 4,
                                      .version = "/id",
                                      .delete_field = "/id",
                                      .delete_equals = "8"};
    struct outcome out;
    (void)state;
    decode_sample(&spec, &(struct sample){.value = "{\"id\":7,\"data\":\"d\",\"payload\":\"p\"}"}, &out);
    assert_changed(&out);
    assert_slice("key", out.change.key, "7");
    assert_slice("event id", out.change.event_id, "7");
    assert_slice("change id", out.change.change_id, "[\"7\",\"7\",\"d\",\"p\"]");
    assert_int_equal(out.change.version, 7);
    outcome_clear(&out);
}

static void the_texts_of_a_view_are_borrowed_only_while_it_is_compiled(void **state)
{
    char pointer[] = "/v", header[] = "header:h", type[] = "T", equals[] = "\"D\"";
    const char *change_id[] = {header}, *types[] = {type};
    const struct mapping_spec spec = {.event_id = pointer,
                                      .change_id = change_id,
                                      .change_id_count = 1,
                                      .delete_types = types,
                                      .delete_type_count = 1,
                                      .delete_field = pointer,
                                      .delete_equals = equals};
    struct mapping *mapping = make_mapping(&spec);
    struct outcome out;
    (void)state;
    memset(pointer, 'x', sizeof pointer);
    memset(header, 'x', sizeof header);
    memset(type, 'x', sizeof type);
    memset(equals, 'x', sizeof equals);
    change_id[0] = types[0] = NULL;
    decode_with(mapping, &(struct sample){.key = "k", .value = "{\"v\":\"D\"}", .headers = {"h", "c-1"}},
                &out);
    assert_changed(&out);
    assert_int_equal(out.change.op, UPSINK_DELETE);
    assert_slice("event id", out.change.event_id, "D");
    assert_slice("change id", out.change.change_id, "c-1");
    outcome_clear(&out);
    mapping_destroy(mapping);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_not_be_meant_is_refused_by_name),
        cmocka_unit_test(the_greatest_depth_is_allowed),
        cmocka_unit_test(a_pointer_may_be_used_for_several_things),
        cmocka_unit_test(the_texts_of_a_view_are_borrowed_only_while_it_is_compiled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
