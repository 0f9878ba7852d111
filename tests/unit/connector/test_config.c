#include "config_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* PRODUCT's own example, but for what this version does not do. */
static const char everything[] =
    "kafka:\n"
    "  bootstrap.servers: localhost:9092\n"
    "  security.protocol: SASL_SSL\n"
    "  sasl.mechanism: SCRAM-SHA-512\n"
    "  sasl.username: upsink\n"
    "  sasl.password: pw\n"
    "  fetch.wait.max.ms: 250\n"
    "  socket.keepalive.enable: true\n"
    "http: { listen: \"127.0.0.1:9999\", token: \"secret\" }\n"
    "log:  { level: warn, format: json }\n"
    "views:\n"
    "  orders:\n"
    "    topic: orders\n"
    "    sink: \"postgres://app:pw@localhost/reports\"\n"
    "    table: sales.orders\n"
    "    key: { format: int64, field: /data/orderId }\n"
    "    value: { format: json }\n"
    "    envelope: cloudevents\n"
    "    event_id: /id\n"
    "    change_id: [/data/orderId, \"header:change\"]\n"
    "    version: /data/lastUpdated\n"
    "    include_types: [OrderCreateUpdate]\n"
    "    delete_when: { type: OrderDeleted, field: /data/deleted, equals: true }\n"
    "    delete: soft\n"
    "    create: never\n"
    "    batch: { max_records: 500, max_bytes: 1MB, linger: 0 }\n"
    "    retry: { initial: 1s, max: 1m }\n"
    "    timeout: 5s\n"
    "    on_error: skip\n"
    "    dlq: { topic: dead, stop_above: 20% }\n"
    "    dedup: { window: 0 }\n"
    "    postgres: { fast: true, n: 7 }\n";

static void every_key_reaches_its_place(void **state)
{
    (void)state;
    struct config *config = load(everything);
    assert_int_equal(config->kafka_count, 7);
    assert_string_equal(config->kafka[4].name, "sasl.password");
    assert_string_equal(config->kafka[4].value, "pw");
    assert_string_equal(config->kafka[5].value, "250");
    assert_string_equal(config->kafka[6].value, "true");
    assert_string_equal(config->http_listen, "127.0.0.1:9999");
    assert_true(config->http_listen_given);
    assert_string_equal(config->http_token, "secret");
    assert_int_equal(config->log_level, UPSINK_LOG_WARN);
    assert_true(config->log_json);
    assert_int_equal(config->view_count, 1);
    const struct view_config *view = &config->views[0];
    assert_string_equal(view->name, "orders");
    assert_string_equal(view->group, "upsink-orders");
    assert_int_equal(view->topic_count, 1);
    assert_string_equal(view->topics[0], "orders");
    assert_string_equal(view->topic_text, "orders");
    assert_string_equal(view->url, "postgres://app:pw@localhost/reports");
    assert_string_equal(view->target, "sales.orders");
    assert_string_equal(view->default_target, "orders");
    assert_false(view->create);
    assert_int_equal(view->batch_max_records, 500);
    assert_int_equal(view->batch_max_bytes, 1000000);
    assert_int_equal(view->batch_linger_us, 0);
    assert_int_equal(view->retry_initial_us, 1000000);
    assert_int_equal(view->retry_max_us, 60000000);
    assert_int_equal(view->timeout_us, 5000000);
    assert_int_equal(view->on_error, ON_ERROR_SKIP);
    assert_string_equal(view->dlq_topic, "dead");
    assert_float_equal(view->dlq_stop_above, 0.2, 1e-9);
    assert_int_equal(view->dedup_window, 0);
    assert_int_equal(view->setting_count, 2);
    assert_string_equal(view->settings[0].name, "fast");
    assert_string_equal(view->settings[0].value, "true");
    assert_string_equal(view->settings[1].value, "7");
    config_destroy(config);
}

static void every_mapping_key_reaches_its_place(void **state)
{
    (void)state;
    struct config *config = load(everything);
    const struct mapping_spec *mapping = &config->views[0].mapping;
    assert_int_equal(mapping->key_format, KEY_INT64);
    assert_string_equal(mapping->key_field, "/data/orderId");
    assert_int_equal(mapping->value_format, VALUE_JSON);
    assert_int_equal(mapping->envelope, ENVELOPE_CLOUDEVENTS);
    assert_string_equal(mapping->event_id, "/id");
    assert_int_equal(mapping->change_id_count, 2);
    assert_string_equal(mapping->change_id[0], "/data/orderId");
    assert_string_equal(mapping->change_id[1], "header:change");
    assert_false(mapping->change_id_hash);
    assert_string_equal(mapping->version, "/data/lastUpdated");
    assert_int_equal(mapping->include_type_count, 1);
    assert_string_equal(mapping->include_types[0], "OrderCreateUpdate");
    assert_int_equal(mapping->delete_type_count, 1);
    assert_string_equal(mapping->delete_types[0], "OrderDeleted");
    assert_string_equal(mapping->delete_field, "/data/deleted");
    assert_string_equal(mapping->delete_equals, "true");
    assert_int_equal(mapping->delete_policy, DELETE_SOFT);
    config_destroy(config);
}

static void defaults_are_those_of_the_manual(void **state)
{
    (void)state;
    struct config *config = load(VIEW);
    const struct view_config *view = &config->views[0];
    assert_string_equal(config->http_listen, "127.0.0.1:9464");
    assert_false(config->http_listen_given);
    assert_null(config->http_token);
    assert_int_equal(config->log_level, UPSINK_LOG_INFO);
    assert_false(config->log_json);
    assert_null(view->target);
    assert_true(view->create);
    assert_int_equal(view->batch_max_records, 10000);
    assert_int_equal(view->batch_max_bytes, 16 << 20);
    assert_int_equal(view->batch_linger_us, 50000);
    assert_int_equal(view->retry_initial_us, 100000);
    assert_int_equal(view->retry_max_us, 30000000);
    assert_int_equal(view->timeout_us, 30000000);
    assert_int_equal(view->on_error, ON_ERROR_DLQ);
    assert_string_equal(view->dlq_topic, "orders.dlq");
    assert_true(view->dlq_stop_above < 0);
    assert_int_equal(view->dedup_window, 100000);
    assert_int_equal(view->setting_count, 0);
    assert_int_equal(view->mapping.key_format, KEY_STRING);
    assert_null(view->mapping.key_field);
    assert_int_equal(view->mapping.value_format, VALUE_AUTO);
    assert_int_equal(view->mapping.envelope, ENVELOPE_AUTO);
    assert_null(view->mapping.event_id);
    assert_int_equal(view->mapping.change_id_count, 0);
    assert_false(view->mapping.change_id_hash);
    assert_null(view->mapping.version);
    assert_int_equal(view->mapping.delete_policy, DELETE_HARD);
    config_destroy(config);
}

static void json_is_a_configuration_too(void **state)
{
    (void)state;
    struct config *config =
        load("{\n\t\"kafka\": {\"bootstrap.servers\": \"k:9092\"},\n"
             "\t\"views\": {\"orders\": {\"topic\": [\"a\", \"b\"],\n"
             "\t\t\"sink\": \"sqlite:\\/tmp\\/x.db\", \"batch\": {\"max_records\": 5}}}\n}\n");
    assert_string_equal(config->views[0].url, "sqlite:/tmp/x.db");
    assert_int_equal(config->views[0].batch_max_records, 5);
    config_destroy(config);
}

static void several_topics_share_a_dead_letter_topic_named_like_the_view(void **state)
{
    (void)state;
    struct config *config = load("kafka: { bootstrap.servers: k }\n"
                                 "views:\n"
                                 "  two: { topic: [b.orders, a], sink: 'rediss://h/0' }\n"
                                 "  all: { topic: '^shop-.*', sink: 'sqlite:x' }\n"
                                 "  one: { topic: [c], sink: 'redis://h/0' }\n");
    assert_int_equal(config->view_count, 3);
    assert_string_equal(config->views[0].topic_text, "b.orders,a");
    assert_string_equal(config->views[0].default_target, "b.orders:");
    assert_string_equal(config->views[0].dlq_topic, "two.dlq");
    assert_string_equal(config->views[1].topic_text, "^shop-.*");
    assert_string_equal(config->views[1].default_target, "all");
    assert_string_equal(config->views[1].dlq_topic, "all.dlq");
    assert_string_equal(config->views[2].topic_text, "c");
    assert_string_equal(config->views[2].default_target, "c:");
    assert_string_equal(config->views[2].dlq_topic, "c.dlq");
    config_destroy(config);
}

static void a_literal_keeps_its_json_type(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *json;
    } cases[] = {
        {"true", "true"},       {"True", "true"},
        {"FALSE", "false"},     {"null", "null"},
        {"~", "null"},          {"1", "1"},
        {"-1.50e3", "-1.50e3"}, {"9007199254740993", "9007199254740993"},
        {"'true'", "\"true\""}, {"\"1\"", "\"1\""},
        {"yes", "\"yes\""},     {"01", "\"01\""},
        {"1.", "\"1.\""},       {"+1", "\"+1\""},
        {"D", "\"D\""},         {"\"a\\\"\\\\\\n\"", "\"a\\\"\\\\\\u000a\""},
        {"\"\"", "\"\""},       {"0x1", "\"0x1\""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char lines[160];
        snprintf(lines, sizeof lines, "    delete_when: { field: /d, equals: %s }\n", cases[i].yaml);
        struct config *config = load_in_view(lines);
        assert_string_equal(config->views[0].mapping.delete_equals, cases[i].json);
        config_destroy(config);
    }
}

static void a_change_id_may_be_one_source_or_the_hash(void **state)
{
    (void)state;
    struct config *config = load_in_view("    change_id: hash\n");
    assert_true(config->views[0].mapping.change_id_hash);
    assert_int_equal(config->views[0].mapping.change_id_count, 0);
    config_destroy(config);
    config = load_in_view("    change_id: header:x\n");
    assert_false(config->views[0].mapping.change_id_hash);
    assert_string_equal(config->views[0].mapping.change_id[0], "header:x");
    config_destroy(config);
}

static void a_longest_wait_below_the_first_one_shortens_it(void **state)
{
    (void)state;
    struct config *config = load_in_view("    retry: { max: 50ms }\n");
    assert_int_equal(config->views[0].retry_initial_us, 50000);
    config_destroy(config);
}

static void bounds_are_inside(void **state)
{
    (void)state;
    config_destroy(load_in_view("    batch: { max_records: 1000000, max_bytes: 1GiB, linger: 1m }\n"));
    config_destroy(load_in_view("    batch: { max_records: 1, max_bytes: 1KiB, linger: 0 }\n"));
}

static void only_a_view_that_writes_dead_letters_must_keep_their_topic_out(void **state)
{
    (void)state;
    struct config *config = load("kafka: { bootstrap.servers: k }\n"
                                 "views: { all: { topic: '^.*', sink: 'x:', on_error: stop } }\n");
    assert_string_equal(config->views[0].topics[0], "^.*");
    config_destroy(config);
}

static void parameters_of_the_url_that_only_look_like_table_do_not_clash(void **state)
{
    (void)state;
    struct config *config =
        load("kafka: { bootstrap.servers: k }\n"
             "views: { a: { topic: t, sink: 'x:y?tables=1&retable=2#table=3', table: z } }\n");
    assert_string_equal(config->views[0].target, "z");
    config_destroy(config);
}

static void listening_can_be_turned_off(void **state)
{
    (void)state;
    static const char *const lines[] = {"http: { listen: off }\n", "http: { listen: \"\" }\n"};
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct config *config = load_in_view(lines[i]);
        assert_string_equal(config->http_listen, "");
        config_destroy(config);
    }
}

static void loopback_needs_no_token(void **state)
{
    (void)state;
    static const char *const addresses[] = {"127.0.0.1:0", "127.8.9.1:80", "[::1]:9464", "localhost:9464"};
    char lines[160];
    for (size_t i = 0; i < COUNT(addresses); i++) {
        snprintf(lines, sizeof lines, "http: { listen: \"%s\" }\n", addresses[i]);
        struct config *config = load_in_view(lines);
        assert_string_equal(config->http_listen, addresses[i]);
        config_destroy(config);
    }
    config_destroy(load_in_view("http: { listen: 0.0.0.0:9464, token: x }\n"));
}

static void a_file_is_read_and_its_neighbours_found(void **state)
{
    (void)state;
    char directory[] = "/tmp/upsink-config-XXXXXX", path[64], secret[64];
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/u.yaml", directory);
    snprintf(secret, sizeof secret, "%s/pw", directory);
    FILE *file = fopen(path, "w");
    fputs("kafka: { bootstrap.servers: k }\nviews: { v: { topic: t, sink: 'x:${file:pw}' } }\n", file);
    fclose(file);
    file = fopen(secret, "w");
    fputs("s\xc3\xa9\nret\r\n", file);
    fclose(file);
    struct config_request request = {.file = path};
    struct upsink_error err = {0};
    struct config *config = config_load(&request, &err);
    assert_string_equal(err.text, "");
    assert_string_equal(config->views[0].url, "x:s\xc3\xa9\nret");
    config_destroy(config);
    unlink(path);
    unlink(secret);
    assert_null(config_load(&request, &err));
    char expected[128];
    snprintf(expected, sizeof expected, "-c: can't read %s: No such file or directory", path);
    assert_string_equal(err.text, expected);
    assert_int_equal(err.cls, UPSINK_ERR_CONFIG);
    rmdir(directory);
}

static void standard_input_can_be_the_file(void **state)
{
    (void)state;
    int ends[2], kept = dup(0);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "log: { lvl: 1 }\n", 16), 16);
    close(ends[1]);
    dup2(ends[0], 0);
    struct config_request request = {.file = "-"};
    struct upsink_error err = {0};
    assert_null(config_load(&request, &err));
    assert_string_equal(err.text, "stdin:1: unknown key \"lvl\" in log; did you mean \"level\"?");
    dup2(kept, 0);
    close(kept);
    close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_reaches_its_place),
        cmocka_unit_test(every_mapping_key_reaches_its_place),
        cmocka_unit_test(defaults_are_those_of_the_manual),
        cmocka_unit_test(json_is_a_configuration_too),
        cmocka_unit_test(several_topics_share_a_dead_letter_topic_named_like_the_view),
        cmocka_unit_test(a_literal_keeps_its_json_type),
        cmocka_unit_test(a_change_id_may_be_one_source_or_the_hash),
        cmocka_unit_test(a_longest_wait_below_the_first_one_shortens_it),
        cmocka_unit_test(bounds_are_inside),
        cmocka_unit_test(only_a_view_that_writes_dead_letters_must_keep_their_topic_out),
        cmocka_unit_test(parameters_of_the_url_that_only_look_like_table_do_not_clash),
        cmocka_unit_test(listening_can_be_turned_off),
        cmocka_unit_test(loopback_needs_no_token),
        cmocka_unit_test(a_file_is_read_and_its_neighbours_found),
        cmocka_unit_test(standard_input_can_be_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
