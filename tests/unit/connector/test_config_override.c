#include "config_fixture.h"

/* One --set, one variable, or both, over VIEW. */
static struct config *apply(const char *path, const char *value, const char *variable)
{
    char *environment[] = {(char *)variable, NULL};
    struct config_override override = {path, value, "--set"};
    struct config_request request = {
        .environment = environment, .overrides = &override, .override_count = path != NULL};
    return load_with(&request, VIEW "  shop.orders-2: { topic: t, sink: 'sqlite:x' }\n");
}

static const struct view_config *expect_view(struct config *config, size_t index)
{
    if (!config)
        print_error("%s\n", fixture_error.text);
    assert_non_null(config);
    return &config->views[index];
}

static void a_path_may_go_anywhere(void **state)
{
    (void)state;
    struct config *config = apply("views.orders.batch.max_records", "500", NULL);
    assert_int_equal(expect_view(config, 0)->batch_max_records, 500);
    assert_int_equal(config->views[1].batch_max_records, 10000);
    config_destroy(config);
    config = apply("views.shop.orders-2.table", "a.b # \"c\"", NULL);
    assert_string_equal(expect_view(config, 1)->target, "a.b # \"c\"");
    config_destroy(config);
    config = apply("views.orders.topic", "[a, b]", NULL);
    assert_string_equal(expect_view(config, 0)->topic_text, "a,b");
    config_destroy(config);
    config = apply("kafka.bootstrap.servers", "[::1]:9092", NULL);
    expect_view(config, 0);
    assert_string_equal(config->kafka[0].value, "[::1]:9092");
    assert_int_equal(config->kafka_count, 1);
    config_destroy(config);
    config = apply("log.level", "debug", NULL);
    expect_view(config, 0);
    assert_int_equal(config->log_level, UPSINK_LOG_DEBUG);
    config_destroy(config);
    config = apply("views.orders.sqlite.journal", "wal", NULL);
    assert_string_equal(expect_view(config, 0)->settings[0].value, "wal");
    config_destroy(config);
}

static void a_variable_may_name_any_key(void **state)
{
    (void)state;
    struct config *config = apply(NULL, NULL, "UPSINK_VIEWS__ORDERS__BATCH__MAX_RECORDS=500");
    assert_int_equal(expect_view(config, 0)->batch_max_records, 500);
    config_destroy(config);
    config = apply(NULL, NULL, "UPSINK_views__Shop_Orders_2__Table=x");
    assert_string_equal(expect_view(config, 1)->target, "x");
    config_destroy(config);
    config = apply(NULL, NULL, "UPSINK_KAFKA__BOOTSTRAP_SERVERS=other");
    expect_view(config, 0);
    assert_string_equal(config->kafka[0].value, "other");
    assert_int_equal(config->kafka_count, 1);
    config_destroy(config);
    config = apply(NULL, NULL, "UPSINK_KAFKA__SASL_PASSWORD=a # ${env:X} 'b");
    expect_view(config, 0);
    assert_string_equal(config->kafka[1].name, "sasl.password");
    assert_string_equal(config->kafka[1].value, "a # ${env:X} 'b");
    config_destroy(config);
    config = apply(NULL, NULL, "UPSINK_VIEWS__ORDERS__SQLITE__JOURNAL_MODE=wal");
    assert_string_equal(expect_view(config, 0)->settings[0].name, "journal_mode");
    config_destroy(config);
}

static void flags_win_over_the_environment_and_that_over_the_file(void **state)
{
    (void)state;
    struct config *config = apply("views.orders.timeout", "3s", "UPSINK_VIEWS__ORDERS__TIMEOUT=2s");
    assert_int_equal(expect_view(config, 0)->timeout_us, 3000000);
    config_destroy(config);
    struct config_override overrides[] = {{"log.level", "warn", "--log-level"},
                                          {"log.level", "error", "--set"}};
    struct config_request request = {.overrides = overrides, .override_count = 2};
    config = load_with(&request, VIEW "log: { level: debug }\n");
    expect_view(config, 0);
    assert_int_equal(config->log_level, UPSINK_LOG_ERROR);
    config_destroy(config);
}

static void mistaken_overrides_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *path, *variable, *text;
    } cases[] = {
        {"views.order.table", NULL, "--set: no view is named \"order\"; did you mean \"orders\"?"},
        {"log.lvl", NULL, "--set: unknown key \"lvl\" in log; did you mean \"level\"?"},
        {"log", NULL, "--set: log: this is a section; set one of the keys in it"},
        {"views.orders", NULL, "--set: views.orders: this is a section; set one of the keys in it"},
        {"views.orders.", NULL,
         "--set: a path is names with dots between them, as in log.level or views.NAME.batch.max_records"},
        {"", NULL,
         "--set: a path is names with dots between them, as in log.level or views.NAME.batch.max_records"},
        {"views.orders.columns", NULL, "--set: views.orders.columns: not supported by this version"},
        {"views.orders.topic.x", NULL,
         "u.yaml:4: views.orders.topic: a section is needed here (names with values)"},
        {"views.orders.on_error", NULL,
         "--set: views.orders.on_error: \"v\" is not one of dlq, stop or skip"},
        {"a.b.c.d.e.f.g.h.i", NULL,
         "--set: a path is names with dots between them, as in log.level or views.NAME.batch.max_records"},
        {NULL, "UPSINK_VIEWS__ORDRES__SINK=x",
         "UPSINK_VIEWS__ORDRES__SINK: no setting has this name; did you mean UPSINK_VIEWS__ORDERS__SINK?"},
        {NULL, "UPSINK_LOG__LVEL=x",
         "UPSINK_LOG__LVEL: no setting has this name; did you mean UPSINK_LOG__LEVEL?"},
        {NULL, "UPSINK_LOG=x", "UPSINK_LOG: no setting has this name; did you mean UPSINK_LOG__LEVEL?"},
        {NULL, "UPSINK_HTTP_LISTEN=x",
         "UPSINK_HTTP_LISTEN: no setting has this name; did you mean UPSINK_HTTP__LISTEN?"},
        {NULL, "UPSINK_QQ__RR=x",
         "UPSINK_QQ__RR: no setting has this name; they look like UPSINK_LOG__LEVEL or "
         "UPSINK_VIEWS__NAME__SINK, for views that the configuration has"},
        {NULL, "UPSINK_LOG__LEVEL=inof",
         "UPSINK_LOG__LEVEL: log.level: \"inof\" is not one of debug, info, warn or error; did you mean "
         "\"info\"?"},
        {NULL, "UPSINK_VIEWS__ORDERS__COLUMNS=x",
         "UPSINK_VIEWS__ORDERS__COLUMNS: views.orders.columns: not supported by this version"},
        {NULL, "UPSINK_KAFKA__SASL_PASWORD=x",
         "UPSINK_KAFKA__SASL_PASWORD: unknown key \"sasl.pasword\" in kafka; did you mean "
         "\"sasl.password\"?"},
        {NULL, "UPSINK_VIEWS__ORDERS__TABLE=\xff",
         "UPSINK_VIEWS__ORDERS__TABLE: views.orders.table: the value is not UTF-8 text"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct config *config = apply(cases[i].path, "v", cases[i].variable);
        if (config)
            print_error("accepted: %zu\n", i);
        assert_null(config);
        assert_int_equal(fixture_error.cls, UPSINK_ERR_CONFIG);
        assert_string_equal(fixture_error.text, cases[i].text);
    }
}

static void variables_that_are_no_settings_are_left_alone(void **state)
{
    (void)state;
    static const char *const variables[] = {
        "UPSINK_PLUGIN_PATH=/x",
        "UPSINK_TOKEN=x",
        "UPSINK_PORT=tcp://10.0.0.1:9464",
        "UPSINK_HTTP_PORT_9464_TCP=x",
        "UPSINK_SERVICE_HOST=x",
        "UPSINKER__X=y",
        "LOG__LEVEL=x",
        "UPSINK_NO_VALUE__X",
    };
    for (size_t i = 0; i < COUNT(variables); i++) {
        struct config *config = apply(NULL, NULL, variables[i]);
        expect_view(config, 0);
        config_destroy(config);
    }
    char *environment[] = {(char[]){"UPSINK_MY__TABLE=mine"}, NULL};
    struct config_request request = {.environment = environment};
    struct config *config = load_with(&request, VIEW "    table: ${env:UPSINK_MY__TABLE}\n");
    assert_string_equal(expect_view(config, 0)->target, "mine");
    config_destroy(config);
}

static void views_that_a_variable_can_not_tell_apart_are_refused(void **state)
{
    (void)state;
    char *environment[] = {(char[]){"UPSINK_VIEWS__A_B__TABLE=x"}, NULL};
    struct config_request request = {.environment = environment};
    assert_string_equal(
        refuse_with(&request, "views: { a-b: {}, a_b: {} }\n"),
        "UPSINK_VIEWS__A_B__TABLE: this fits several views, whose names differ in - . or _ only; use "
        "--set instead");
}

static struct config *from_flags(struct config_request *request)
{
    upsink_error_clear(&fixture_error);
    return config_load(request, &fixture_error);
}

static void flags_alone_describe_a_view(void **state)
{
    (void)state;
    char *environment[] = {(char[]){"UPSINK_VIEWS__ORDERS_SQLITE__SINK=sqlite:other"},
                           (char[]){"UPSINK_VIEWS__ORDERS_SQLITE__TABLE=t"}, (char[]){"PW=p w"}, NULL};
    struct config_override override = {"views.orders-sqlite.batch.linger", "0", "--set"};
    struct config_request request = {.brokers = "k:9092",
                                     .topic = "orders",
                                     .sink = "sqlite:${env:PW}",
                                     .environment = environment,
                                     .overrides = &override,
                                     .override_count = 1};
    struct config *config = from_flags(&request);
    const struct view_config *view = expect_view(config, 0);
    assert_string_equal(view->name, "orders-sqlite");
    assert_string_equal(view->group, "upsink-orders-sqlite");
    assert_string_equal(view->url, "sqlite:p w");
    assert_string_equal(view->target, "t");
    assert_int_equal(view->batch_linger_us, 0);
    assert_string_equal(config->kafka[0].value, "k:9092");
    config_destroy(config);
}

static void a_view_from_flags_is_named_after_topic_and_scheme(void **state)
{
    (void)state;
    static const struct {
        const char *topic, *sink, *name, *expected, *topics;
    } cases[] = {
        {"orders", "postgres://h/d", NULL, "orders-postgres", "orders"},
        {"orders", "stdout:", NULL, "orders-stdout", "orders"},
        {"orders", "stdout:", "mine", "mine", "orders"},
        {"a,b", "stdout:", "mine", "mine", "a,b"},
        {"^x{1,2}", "stdout:", "mine", "mine", "^x{1,2}"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct config_request request = {
            .brokers = "k", .topic = cases[i].topic, .sink = cases[i].sink, .name = cases[i].name};
        struct config *config = from_flags(&request);
        assert_string_equal(expect_view(config, 0)->name, cases[i].expected);
        assert_string_equal(config->views[0].topic_text, cases[i].topics);
        config_destroy(config);
    }
}

static void flags_that_do_not_make_a_view_are_refused(void **state)
{
    (void)state;
    static const struct {
        struct config_request request;
        const char *text;
    } cases[] = {
        {{.file = NULL},
         "no configuration: give a file with -c FILE, or describe a view with --brokers, --topic and --sink"},
        {{.brokers = "k", .topic = "t"},
         "--sink: missing; it says where the view goes, as in --sink "
         "postgres://user@host/database or --sink sqlite:FILE"},
        {{.brokers = "k", .sink = "x:"}, "--topic: missing; it says what the view is made from"},
        {{.topic = "t", .sink = "x:"},
         "command line: it is not said where Kafka is: set kafka.bootstrap.servers, or give --brokers "
         "HOST:PORT"},
        {{.brokers = "k", .topic = "t", .sink = "hunter2"},
         "--sink: this is not a URL, which starts with a scheme and a colon, as in "
         "postgres://user@host/database or "
         "sqlite:FILE; see `upsink sinks`"},
        {{.brokers = "k", .topic = "^t", .sink = "x:"},
         "--topic: several topics need --name NAME, which names the view"},
        {{.brokers = "k", .topic = "t/u", .sink = "x:"},
         "--topic: this is not the name of a topic: 1 to 249 of the characters a-z A-Z 0-9 . _ - (an "
         "expression starts with ^)"},
        {{.brokers = "k", .topic = "t", .sink = "x:", .name = "a b"},
         "--name: views.a b: the name of a view is 1 to 200 of the characters a-z A-Z 0-9 . _ - +"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct config_request request = cases[i].request;
        assert_null(from_flags(&request));
        assert_string_equal(fixture_error.text, cases[i].text);
        assert_int_equal(fixture_error.cls, UPSINK_ERR_CONFIG);
    }
}

static void a_file_takes_brokers_but_no_second_description(void **state)
{
    (void)state;
    struct config_request request = {.brokers = "other:1"};
    struct config *config = load_with(&request, VIEW);
    expect_view(config, 0);
    assert_string_equal(config->kafka[0].value, "other:1");
    config_destroy(config);
    static const struct {
        struct config_request request;
        const char *flag;
    } cases[] = {{{.sink = "x:"}, "--sink"}, {{.topic = "t"}, "--topic"}, {{.name = "n"}, "--name"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char expected[256];
        request = cases[i].request;
        snprintf(
            expected, sizeof expected,
            "%s: this describes a view without a file; with -c choose one by --view NAME and change it by "
            "--set views.NAME.KEY=VALUE",
            cases[i].flag);
        assert_string_equal(refuse_with(&request, VIEW), expected);
    }
}

static void only_the_chosen_views_are_loaded(void **state)
{
    (void)state;
    static const char yaml[] = "kafka: { bootstrap.servers: k }\n"
                               "views:\n"
                               "  a: { topic: a, sink: 'x:' }\n"
                               "  b: { topic: b, sink: 'x:${env:NOT_HERE}' }\n"
                               "  c: { topic: c, sink: 'x:' }\n";
    const char *names[] = {"c", "a", "c"};
    struct config_request request = {.views = names, .view_name_count = 3};
    struct config *config = load_with(&request, yaml);
    assert_string_equal(expect_view(config, 0)->name, "a");
    assert_string_equal(config->views[1].name, "c");
    assert_int_equal(config->view_count, 2);
    config_destroy(config);
    names[0] = "cc";
    assert_string_equal(refuse_with(&request, yaml),
                        "command line: no view is named \"cc\"; did you mean \"c\"?");
}

static void references_are_replaced_by_what_they_stand_for(void **state)
{
    (void)state;
    static const struct {
        const char *text, *value;
    } cases[] = {
        {"a${env:A}b${env:A}", "aA: {b}bA: {b}"},
        {"${env:NOPE:-d:-e}", "d:-e"},
        {"${env:EMPTY:-d}", "d"},
        {"x${env:EMPTY}", "x"},
        {"x${env:NOPE:-}", "x"},
        {"$${env:A} $ $$ $x", "${env:A} $ $$ $x"},
        {"${env:R}", "${env:A}"},
    };
    char *environment[] = {(char[]){"A=A: {b}"}, (char[]){"EMPTY="}, (char[]){"R=${env:A}"}, NULL};
    struct config_request request = {.environment = environment};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char yaml[512];
        snprintf(yaml, sizeof yaml, VIEW "    table: '%s'\n", cases[i].text);
        struct config *config = load_with(&request, yaml);
        assert_string_equal(expect_view(config, 0)->target, cases[i].value);
        config_destroy(config);
    }
}

static void references_to_nothing_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"${env:NOPE}", "the environment variable NOPE is not set; set it, or write ${env:NOPE:-default}"},
        {"${NOPE}",
         "${...} must be ${env:NAME}, ${env:NAME:-default} or ${file:PATH}; write $${ for a literal ${"},
        {"${env:}",
         "${env:...} needs the name of an environment variable, as in ${env:NAME} or ${env:NAME:-default}"},
        {"${env:A B}",
         "${env:...} needs the name of an environment variable, as in ${env:NAME} or ${env:NAME:-default}"},
        {"${env:A:d}",
         "${env:...} needs the name of an environment variable, as in ${env:NAME} or ${env:NAME:-default}"},
        {"${file:}", "${file:...} needs a path, as in ${file:/run/secrets/password}"},
        {"${file:/no/such}", "can't read /no/such: No such file or directory"},
        {"${file:/}", "can't read /: Is a directory"},
        {"${file:/dev/zero}", "can't read /dev/zero: File too large"},
        {"${env:A", "${ is never closed; write $${ for a literal ${"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char line[128], expected[256];
        snprintf(line, sizeof line, "    table: '%s'\n", cases[i].text);
        snprintf(expected, sizeof expected, "u.yaml:6: views.orders.table: %s", cases[i].message);
        assert_string_equal(refuse_in_view(line), expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_may_go_anywhere),
        cmocka_unit_test(a_variable_may_name_any_key),
        cmocka_unit_test(flags_win_over_the_environment_and_that_over_the_file),
        cmocka_unit_test(mistaken_overrides_are_refused),
        cmocka_unit_test(variables_that_are_no_settings_are_left_alone),
        cmocka_unit_test(views_that_a_variable_can_not_tell_apart_are_refused),
        cmocka_unit_test(flags_alone_describe_a_view),
        cmocka_unit_test(a_view_from_flags_is_named_after_topic_and_scheme),
        cmocka_unit_test(flags_that_do_not_make_a_view_are_refused),
        cmocka_unit_test(a_file_takes_brokers_but_no_second_description),
        cmocka_unit_test(only_the_chosen_views_are_loaded),
        cmocka_unit_test(references_are_replaced_by_what_they_stand_for),
        cmocka_unit_test(references_to_nothing_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
