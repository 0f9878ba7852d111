/* Sections and lists among the settings of a sink: it gets them as JSON, and text as it is. */
#include "config_fixture.h"

static const char *setting_of(const struct config *config, const char *name)
{
    const struct view_config *view = &config->views[0];
    for (size_t i = 0; i < view->setting_count; i++)
        if (strcmp(view->settings[i].name, name) == 0)
            return view->settings[i].value;
    fail_msg("the sink got no setting %s", name);
    return "";
}

static void expect_json(const char *yaml, const char *json)
{
    char lines[1000];
    snprintf(lines, sizeof lines, "    sqlite:\n      a:\n        x: %s\n", yaml);
    struct config *config = load_in_view(lines);
    char wanted[1000];
    snprintf(wanted, sizeof wanted, "{\"x\":%s}", json);
    assert_string_equal(setting_of(config, "a"), wanted);
    config_destroy(config);
}

static void scalars_are_typed_as_yaml_says(void **state)
{
    static const char *const cases[][2] = {
        {"", "null"},
        {"~", "null"},
        {"NULL", "null"},
        {"nULL", "\"nULL\""},
        {"true", "true"},
        {"False", "false"},
        {"tRUE", "\"tRUE\""},
        {"yes", "\"yes\""},
        {"off", "\"off\""},
        {"3", "3"},
        {"-0", "-0"},
        {"+12", "12"},
        {"007", "7"},
        {"000", "0"},
        {"12345678901234567890123", "12345678901234567890123"},
        {"0x1F", "31"},
        {"0xffffffffffffffff", "18446744073709551615"},
        {"0o17", "15"},
        {"0x", "\"0x\""},
        {"0o8", "\"0o8\""},
        {"-0x1", "\"-0x1\""},
        {"1.50", "1.50"},
        {"-.5", "-0.5"},
        {"1.", "1"},
        {".", "\".\""},
        {"1e3", "1e3"},
        {"+1.e-07", "1e-07"},
        {"1e", "\"1e\""},
        {"e1", "\"e1\""},
        {"1_000", "\"1_000\""},
        {"1:30", "\"1:30\""},
        {"1s", "\"1s\""},
        {"'3'", "\"3\""},
        {"\"true\"", "\"true\""},
        {"''", "\"\""},
        {"'null'", "\"null\""},
        {"'a \"b\" \\'", "\"a \\\"b\\\" \\\\\""},
        {"|-\n          7", "\"7\""},
        {"{}", "{}"},
        {"[]", "[]"},
        {"[1, a, [true], {y: null}]", "[1,\"a\",[true],{\"y\":null}]"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        expect_json(cases[i][0], cases[i][1]);
}

static void a_section_is_canonical_json_and_text_stays_what_it_is(void **state)
{
    (void)state;
    struct config *config = load("kafka: { bootstrap.servers: 'k:9092' }\n"
                                 "views:\n"
                                 "  orders:\n"
                                 "    topic: orders\n"
                                 "    sink: opensearch://h/orders\n"
                                 "    elasticsearch:\n"
                                 "      settings:\n"
                                 "        index: { refresh_interval: 5s, number_of_shards: 2 }\n"
                                 "        analysis:\n"
                                 "          filter:\n"
                                 "            - \"1\"\n"
                                 "            - 1\n"
                                 "      mappings: '{ \"dynamic\" : false }'\n"
                                 "      alias: 007\n");
    assert_string_equal(setting_of(config, "settings"),
                        "{\"analysis\":{\"filter\":[\"1\",1]},\"index\":{\"number_of_shards\":2,\"refresh_"
                        "interval\":\"5s\"}}");
    assert_string_equal(setting_of(config, "mappings"), "{ \"dynamic\" : false }");
    assert_string_equal(setting_of(config, "alias"), "007");
    config_destroy(config);
}

static void references_are_typed_by_what_they_stand_for(void **state)
{
    char *environment[] = {"SHARDS=3", "NAME=3", NULL};
    struct config_request request = {.environment = environment};
    (void)state;
    struct config *config = load_with(&request, VIEW "    sqlite: { a: { x: \"${env:NAME}\" } , b: 1 }\n");
    assert_non_null(config);
    assert_string_equal(setting_of(config, "a"), "{\"x\":\"3\"}");
    config_destroy(config);
    config = load_with(&request, VIEW "    sqlite:\n      a:\n        x: ${env:SHARDS}\n");
    assert_non_null(config);
    assert_string_equal(setting_of(config, "a"), "{\"x\":3}");
    config_destroy(config);
}

static void the_command_line_reaches_into_sections(void **state)
{
    struct config_override overrides[] = {{"views.orders.sqlite.a.y.z", "4", "--set"},
                                          {"views.orders.sqlite.b", "{\"c\": 1}", "--set"}};
    struct config_request request = {.overrides = overrides, .override_count = COUNT(overrides)};
    (void)state;
    struct config *config = load_with(&request, VIEW "    sqlite: { a: { x: 1 }, b: { d: 2 } }\n");
    if (!config)
        fail_msg("%s", fixture_error.text);
    assert_string_equal(setting_of(config, "a"), "{\"x\":1,\"y\":{\"z\":4}}");
    assert_string_equal(setting_of(config, "b"), "{\"c\": 1}");
    config_destroy(config);
}

static void what_json_has_not_is_refused_with_its_line(void **state)
{
    static const char *const cases[][2] = {
        {"    sqlite:\n      a:\n        x: .inf\n",
         "u.yaml:8: views.orders.sqlite.a.x: JSON has no such number; put a text in quotes"},
        {"    sqlite:\n      a:\n        - 1\n        - -.INF\n",
         "u.yaml:9: views.orders.sqlite.a: JSON has no such number; put a text in quotes"},
        {"    sqlite:\n      a:\n        x: .NaN\n",
         "u.yaml:8: views.orders.sqlite.a.x: JSON has no such number; put a text in quotes"},
        {"    sqlite:\n      a:\n        x: 0x10000000000000000\n",
         "u.yaml:8: views.orders.sqlite.a.x: the number is larger than 64 bits can hold; put a text in "
         "quotes"},
        {"    sqlite:\n      a:\n        x: 1\n        x: 2\n",
         "u.yaml:9: \"x\" stands here a second time; the first is in line 8"},
        {"    sqlite:\n      a:\n        x: !!int 1\n",
         "u.yaml:8: tags (!name) are not supported; put a text that starts with ! in quotes"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(refuse_in_view(cases[i][0]), cases[i][1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_are_typed_as_yaml_says),
        cmocka_unit_test(a_section_is_canonical_json_and_text_stays_what_it_is),
        cmocka_unit_test(references_are_typed_by_what_they_stand_for),
        cmocka_unit_test(the_command_line_reaches_into_sections),
        cmocka_unit_test(what_json_has_not_is_refused_with_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
