#include "config_fixture.h"

#include <stdlib.h>

struct message {
    const char *yaml, *text;
};

static void expect_messages(const struct message *cases, size_t count, const char *(*refuse_it)(const char *))
{
    for (size_t i = 0; i < count; i++) {
        const char *text = refuse_it(cases[i].yaml);
        if (strcmp(text, cases[i].text) != 0)
            fail_msg("for\n%s\nthe message is\n  %s\nand not\n  %s", cases[i].yaml, text, cases[i].text);
    }
}

static void unknown_keys_are_told_the_nearest_one(void **state)
{
    (void)state;
    static const struct message cases[] = {
        {"    batch: { max_record: 1 }\n",
         "u.yaml:6: unknown key \"max_record\" in views.orders.batch; did you mean \"max_records\"?"},
        {"    bacth: {}\n", "u.yaml:6: unknown key \"bacth\" in views.orders; did you mean \"batch\"?"},
        {"\n\n    tabel: x\n", "u.yaml:8: unknown key \"tabel\" in views.orders; did you mean \"table\"?"},
        {"    collection: x\n",
         "u.yaml:6: unknown key \"collection\" in views.orders; did you mean \"table\"?"},
        {"logs: {}\n", "u.yaml:6: unknown key \"logs\"; did you mean \"log\"?"},
        {"qqqqq: 1\n", "u.yaml:6: unknown key \"qqqqq\"; known are: kafka, http, log, views"},
        {"log: { colour: 1 }\n", "u.yaml:6: unknown key \"colour\" in log; known are: level, format"},
        {"    <<: { table: x }\n",
         "u.yaml:6: unknown key \"<<\" in views.orders; merge keys are not supported"},
        {"    mysql: { x: 1 }\n", "u.yaml:6: unknown key \"mysql\" in views.orders; known are: topic, sink, "
                                  "table, key, value, envelope, "
                                  "event_id, change_id, version, include_types, delete_when, delete, create, "
                                  "batch, retry, timeout, on_error, "
                                  "dlq, dedup"},
        {"    postgres: { x: 1 }\n",
         "u.yaml:6: views.orders.postgres: this view's sink is of another kind; settings of "
         "its own stand below \"sqlite\""},
    };
    expect_messages(cases, COUNT(cases), refuse_in_view);
}

static void what_this_version_can_not_do_is_said(void **state)
{
    (void)state;
    static const char *const keys[] = {"columns", "children", "schema", "redact", "republish"};
    char lines[128], expected[160];
    for (size_t i = 0; i < COUNT(keys); i++) {
        snprintf(lines, sizeof lines, "    %s: { x: 1 }\n", keys[i]);
        snprintf(expected, sizeof expected, "u.yaml:6: views.orders.%s: not supported by this version",
                 keys[i]);
        assert_string_equal(refuse_in_view(lines), expected);
    }
    static const struct message cases[] = {
        {"schema_registry: { url: x }\n", "u.yaml:6: schema_registry: not supported by this version"},
        {"tracing:\n", "u.yaml:6: tracing: not supported by this version"},
        {"    value: { format: avro }\n",
         "u.yaml:6: views.orders.value.format: \"avro\" is not supported by this version"},
        {"    value: { format: protobuf }\n",
         "u.yaml:6: views.orders.value.format: \"protobuf\" is not supported by this version"},
        {"    key:\n      format: avro\n",
         "u.yaml:7: views.orders.key.format: \"avro\" is not supported by this version"},
        {"    envelope: debezium\n",
         "u.yaml:6: views.orders.envelope: \"debezium\" is not supported by this version"},
        {"    envelope: connect\n",
         "u.yaml:6: views.orders.envelope: \"connect\" is not supported by this version"},
    };
    expect_messages(cases, COUNT(cases), refuse_in_view);
}

static void wrong_values_are_told_what_would_be_right(void **state)
{
    (void)state;
    static const struct message cases[] = {
        {"    batch: { max_records: ten }\n",
         "u.yaml:6: views.orders.batch.max_records: \"ten\" is not a whole number"},
        {"    batch: { max_records: 0 }\n",
         "u.yaml:6: views.orders.batch.max_records: \"0\" is out of range; it must be from 1 to 1000000"},
        {"    batch: { max_records: 1000001 }\n", "u.yaml:6: views.orders.batch.max_records: \"1000001\" is "
                                                  "out of range; it must be from 1 to 1000000"},
        {"    batch: { max_bytes: 2GiB }\n",
         "u.yaml:6: views.orders.batch.max_bytes: \"2GiB\" is out of range; it must be from 1KiB to 1GiB"},
        {"    batch: { max_bytes: 16M }\n",
         "u.yaml:6: views.orders.batch.max_bytes: \"16M\" is not a size; write bytes, or "
         "a number with a unit, as in 1048576, 512KiB, 16MiB or 16MB"},
        {"    batch: { linger: 50 }\n",
         "u.yaml:6: views.orders.batch.linger: \"50\" is not a duration; write a number "
         "with a unit, as in 50ms, 2s, 5m, 1h or 30d"},
        {"    batch: { linger: 2m }\n",
         "u.yaml:6: views.orders.batch.linger: \"2m\" is out of range; it must be from 0 to 1m"},
        {"    timeout: 1ms\n",
         "u.yaml:6: views.orders.timeout: \"1ms\" is out of range; it must be from 100ms to 1h"},
        {"    retry: { initial: 2s, max: 1s }\n",
         "u.yaml:6: views.orders.retry: \"initial\" is longer than \"max\""},
        {"    dlq: { stop_above: 0.2 }\n",
         "u.yaml:6: views.orders.dlq.stop_above: \"0.2\" is not a percentage; write 0% "
         "to 100%, as in 20%, or off"},
        {"    on_error: stpo\n",
         "u.yaml:6: views.orders.on_error: \"stpo\" is not one of dlq, stop or skip; did you mean \"stop\"?"},
        {"    on_error: x\n", "u.yaml:6: views.orders.on_error: \"x\" is not one of dlq, stop or skip"},
        {"    version: data.at\n",
         "u.yaml:6: views.orders.version: \"data.at\" is not a JSON Pointer, which starts with /, "
         "nor header:NAME; did you mean \"/data/at\"?"},
        {"    event_id: $.id\n",
         "u.yaml:6: views.orders.event_id: \"$.id\" is not a JSON Pointer, which starts with /, "
         "nor header:NAME; did you mean \"/id\"?"},
        {"    change_id: [/a, 'header:']\n",
         "u.yaml:6: views.orders.change_id: \"header:\" is not a JSON Pointer, which "
         "starts with /, nor header:NAME"},
        {"    version: /a~b\n",
         "u.yaml:6: views.orders.version: \"/a~b\" is not a JSON Pointer: behind a ~ stands 0 (for "
         "~) or 1 (for /)"},
        {"    key: { field: 'header:x' }\n",
         "u.yaml:6: views.orders.key.field: a header can't be named here, only a field "
         "of the value, as in /data/orderId"},
        {"    delete_when: { field: /a }\n",
         "u.yaml:6: views.orders.delete_when: \"field\" needs \"equals\" beside it: the value that deletes"},
        {"    delete_when: { equals: a }\n",
         "u.yaml:6: views.orders.delete_when: \"equals\" needs \"field\" beside it: where the value stands"},
        {"    dlq: { topic: orders }\n",
         "u.yaml:6: views.orders.dlq.topic: orders is both a topic of the view and its "
         "dead-letter topic"},
        {"    dlq: { topic: a/b }\n", "u.yaml:6: views.orders.dlq.topic: not the name of a topic: 1 to 249 "
                                      "of the characters a-z A-Z 0-9 . _ -"},
    };
    expect_messages(cases, COUNT(cases), refuse_in_view);
}

static void wrong_shapes_are_told_what_is_needed(void **state)
{
    (void)state;
    static const struct message cases[] = {
        {"    batch: 5\n",
         "u.yaml:6: views.orders.batch: a section is needed here (names with values), not a single value"},
        {"    batch: [5]\n",
         "u.yaml:6: views.orders.batch: a section is needed here (names with values), not a list"},
        {"    table:\n", "u.yaml:6: views.orders.table: there is no value here"},
        {"    table: \"\"\n", "u.yaml:6: views.orders.table: there is no value here"},
        {"    table: [x]\n", "u.yaml:6: views.orders.table: one value must stand here, not a list"},
        {"    version: { a: b }\n",
         "u.yaml:6: views.orders.version: one value must stand here, not a section"},
        {"    include_types: []\n", "u.yaml:6: views.orders.include_types: the list is empty"},
        {"    include_types:\n      - a\n      -\n",
         "u.yaml:8: views.orders.include_types: there is no value here"},
        {"    sqlite: { a: }\n", "u.yaml:6: views.orders.sqlite.a: there is no value here"},
        {"    sqlite: wal\n", "u.yaml:6: views.orders.sqlite: a section is needed here (names with values)"},
    };
    expect_messages(cases, COUNT(cases), refuse_in_view);
}

static void views_need_a_topic_and_a_sink(void **state)
{
    (void)state;
    static const struct message cases[] = {
        {"", "u.yaml:1: there are no views; each needs at least a topic and a sink, below views.NAME"},
        {"# nothing\n",
         "u.yaml:1: there are no views; each needs at least a topic and a sink, below views.NAME"},
        {"kafka: {}\nviews:\n",
         "u.yaml:2: there are no views; each needs at least a topic and a sink, below views.NAME"},
        {"- a\n", "u.yaml:1: a configuration consists of the sections kafka, views, http and log"},
        {"views: [a]\n", "u.yaml:1: views: a section is needed here (names with values), not a list"},
        {"views:\n  a:\n",
         "u.yaml:2: views.a: \"topic\" is missing: a topic's name, a list of names, or ^regex"},
        {"views:\n  a: { topic: t }\n",
         "u.yaml:2: views.a: \"sink\" is missing: the URL of the database, as in "
         "postgres://user@host/database or sqlite:FILE"},
        {"views:\n  a: { topic: t, sink: reports }\n",
         "u.yaml:2: views.a.sink: this is not a URL, which starts with a scheme and a colon, as in "
         "postgres://user@host/database or sqlite:FILE; see `upsink sinks`"},
        {"views:\n  a: { topic: t, sink: 'sqlite:x?mode=ro&table=y', table: z }\n",
         "u.yaml:2: views.a.table: the sink's URL says table= too; keep one of the two"},
        {"views:\n  a b: { topic: t, sink: 'x:' }\n",
         "u.yaml:2: views.a b: the name of a view is 1 to 200 of the characters a-z A-Z 0-9 . _ - +"},
        {"views:\n  a: { topic: 'a,b', sink: 'x:' }\n",
         "u.yaml:2: views.a.topic: \"a,b\" is not the name of a topic: 1 to 249 of the characters a-z A-Z "
         "0-9 . _ - "
         "(several are a list, as in [a, b]; an expression starts with ^)"},
        {"views:\n  a: { topic: [a, ^b], sink: 'x:' }\n",
         "u.yaml:2: views.a.topic: \"^b\": a ^regex stands alone, not in a list"},
        {"views:\n  a: { topic: [a, b, a], sink: 'x:' }\n",
         "u.yaml:2: views.a.topic: \"a\" stands in the list twice"},
        {"views:\n  a: { topic: '^a(', sink: 'x:' }\n",
         "u.yaml:2: views.a.topic: not a regular expression: Unmatched ( or \\("},
        {"views:\n  a: { topic: '^a', sink: 'x:' }\n",
         "u.yaml:2: views.a.topic: the expression matches the view's own dead-letter topic a.dlq too; narrow "
         "it, or name "
         "another dlq.topic"},
    };
    expect_messages(cases, COUNT(cases), refuse);
}

static void kafka_properties_are_checked_by_librdkafka(void **state)
{
    (void)state;
    static const struct message cases[] = {
        {"",
         "u.yaml:1: it is not said where Kafka is: set kafka.bootstrap.servers, or give --brokers HOST:PORT"},
        {"kafka: {}\n", "u.yaml:2: kafka: it is not said where Kafka is: set kafka.bootstrap.servers, or "
                        "give --brokers HOST:PORT"},
        {"kafka:\n  bootstrap.server: k\n",
         "u.yaml:3: unknown key \"bootstrap.server\" in kafka; did you mean \"bootstrap.servers\"?"},
        {"kafka: { bootstrap.servers: '' }\n",
         "u.yaml:2: kafka.bootstrap.servers: there is no value here; write HOST:PORT, several by commas"},
        {"kafka:\n  bootstrap.servers: k\n  boostrap.servers: k\n",
         "u.yaml:4: unknown key \"boostrap.servers\" in kafka; did you mean \"bootstrap.servers\"?"},
        {"kafka: { bootstrap.servers: k, qqqqqqqq: 1 }\n",
         "u.yaml:2: unknown key \"qqqqqqqq\" in kafka, whose keys are the properties of librdkafka"},
        {"kafka: { bootstrap.servers: k, security.protocol: tls }\n",
         "u.yaml:2: kafka.security.protocol: librdkafka does not take this value: Invalid value \"tls\" for "
         "configuration property \"security.protocol\""},
        {"kafka: { bootstrap.servers: k, group.id: x }\n",
         "u.yaml:2: kafka.group.id: this can't be set here: each view is the consumer group upsink-NAME; "
         "choose the "
         "view's name instead"},
        {"kafka: { bootstrap.servers: k, enable.auto.commit: true }\n",
         "u.yaml:2: kafka.enable.auto.commit: this can't be changed here: offsets are committed once their "
         "records are "
         "applied"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char yaml[256];
        snprintf(yaml, sizeof yaml, "views: { a: { topic: t, sink: 'x:' } }\n%s", cases[i].yaml);
        assert_string_equal(refuse(yaml), cases[i].text);
    }
    /* Goes on with an address that is not the same in all versions of librdkafka. */
    static const char java[] =
        "u.yaml:2: kafka.sasl.jaas.config: librdkafka does not take this value: Java JAAS "
        "configuration is not supported";
    assert_memory_equal(refuse("views: { a: { topic: t, sink: 'x:' } }\n"
                               "kafka: { bootstrap.servers: k, sasl.jaas.config: x }\n"),
                        java, sizeof java - 1);
    config_destroy(load(VIEW "    table: x\n"));
}

static void listening_to_the_world_needs_a_token(void **state)
{
    (void)state;
    static const struct message cases[] = {
        {"http: { listen: 0.0.0.0:9464 }\n",
         "u.yaml:6: http.listen: \"0.0.0.0:9464\" can be reached from other machines, "
         "which needs http.token; set one, or listen on 127.0.0.1"},
        {"http: { listen: ':9464', token: '' }\n",
         "u.yaml:6: http.listen: \":9464\" can be reached from other machines, "
         "which needs http.token; set one, or listen on 127.0.0.1"},
        {"http: { listen: '[::]:1' }\n",
         "u.yaml:6: http.listen: \"[::]:1\" can be reached from other machines, which "
         "needs http.token; set one, or listen on 127.0.0.1"},
        {"http: { listen: example.com:1 }\n",
         "u.yaml:6: http.listen: \"example.com:1\" can be reached from other "
         "machines, which needs http.token; set one, or listen on 127.0.0.1"},
        {"http: { listen: 9464 }\n",
         "u.yaml:6: http.listen: \"9464\" is not an address to listen on; write HOST:PORT, as "
         "in 127.0.0.1:9464 or [::1]:9464, or off"},
        {"http: { listen: '127.0.0.1:70000' }\n",
         "u.yaml:6: http.listen: \"127.0.0.1:70000\" is not an address to listen on; write HOST:PORT, as in "
         "127.0.0.1:9464 or [::1]:9464, or off"},
    };
    expect_messages(cases, COUNT(cases), refuse_in_view);
}

static void yaml_mistakes_are_told_with_their_line(void **state)
{
    (void)state;
    static const struct message cases[] = {
        {"kafka:\n\tx: 1\n", "u.yaml:2: a tab stands where the line is indented; YAML allows spaces only"},
        {"a: b: c\n",
         "u.yaml:1: this is not valid YAML: mapping values are not allowed in this context; is a line above "
         "indented differently or without a space behind its colon, or does a text with a colon need "
         "quotes?"},
        {"a: @b\n",
         "u.yaml:1: this is not valid YAML: found character that cannot start any token; a text that starts "
         "with %, @ or ` needs quotes"},
        {"log: { level: ${env:L} }\n",
         "u.yaml:1: this is not valid YAML: did not find expected ',' or '}'; inside { } "
         "and [ ] a ${...} needs quotes"},
        {"log: { level: info\n\n",
         "u.yaml:3: this is not valid YAML: did not find expected ',' or '}' while parsing a "
         "flow mapping that starts in line 1"},
        {"log:\n  level: info\n  level: warn\n",
         "u.yaml:3: \"level\" stands here a second time; the first is in line 2"},
        {"a: &x b\n",
         "u.yaml:1: anchors (&name) and aliases (*name) are not supported; write the value out, or put a "
         "text that starts with & or * in quotes"},
        {"a: *x\n", "u.yaml:1: anchors (&name) and aliases (*name) are not supported; write the value out, "
                    "or put a text "
                    "that starts with & or * in quotes"},
        {"&x a: b\n",
         "u.yaml:1: anchors (&name) and aliases (*name) are not supported; write the value out, or put a "
         "text that starts with & or * in quotes"},
        {"a: !!str b\n", "u.yaml:1: tags (!name) are not supported; put a text that starts with ! in quotes"},
        {"a: !x { b: c }\n",
         "u.yaml:1: tags (!name) are not supported; put a text that starts with ! in quotes"},
        {"{ [a]: b }\n",
         "u.yaml:1: a key must be a plain text; a value that starts with { or [ needs quotes if it is text"},
        {"---\nlog: {}\n---\nlog: {}\n",
         "u.yaml:3: a second document starts here; a configuration is one document"},
        {"a:\n  b: \"x\\0y\"\n", "u.yaml:2: a text can't hold the character NUL"},
        {"\"x\\0y\": 1\n", "u.yaml:1: a key can't hold the character NUL"},
        {"a: b\nc: \xff\n",
         "u.yaml:2: the text is not UTF-8, or holds a control character (invalid leading UTF-8 octet)"},
        {"a: b\nc: \x01\n", "u.yaml:2: the text is not UTF-8, or holds a control character (control "
                            "characters are not allowed)"},
    };
    expect_messages(cases, COUNT(cases), refuse);
}

static void depth_size_and_number_are_bounded(void **state)
{
    (void)state;
    size_t most = 1024 * 1024 + 1;
    char *yaml = malloc(most + 1);
    assert_non_null(yaml);
    memset(yaml, '[', 100);
    yaml[100] = '\0';
    assert_string_equal(refuse(yaml), "u.yaml:1: more than 32 levels of nesting");
    memset(yaml, ' ', most);
    yaml[most] = '\0';
    assert_string_equal(refuse(yaml), "u.yaml: larger than 1 MiB, which no configuration needs");
    yaml[0] = '[';
    for (size_t i = 1; i < 60001; i += 2)
        memcpy(yaml + i, "a,", 2);
    yaml[60001] = '\0';
    assert_string_equal(refuse(yaml), "u.yaml: more than 20000 values in one configuration");
    free(yaml);
}

/* One word that stands for every secret, in every place where one may be by right or by mistake. */
static void no_message_ever_shows_a_secret(void **state)
{
    (void)state;
    static const char *const cases[] = {
        VIEW "http: { token:hunter2 }\n",
        VIEW "http: { token: [hunter2] }\n",
        VIEW "http: { token=hunter2: }\n",
        VIEW "    password:hunter2: x\n",
        VIEW "    version: postgres://u:hunter2@h/db\n",
        VIEW "    on_error: 'postgres://u:hunter2@h/db?password=hunter2'\n",
        VIEW "    timeout: ${env:SECRET}\n",
        VIEW "    batch: { max_records: '${env:SECRET}' }\n",
        VIEW "    envelope: ${env:NOPE:-hunter2}\n",
        VIEW "    version: ${env:SECRET}\n",
        VIEW "    dlq: { stop_above: '${env:SECRET}', topic: 'x' }\n",
        VIEW "http: { listen: '${env:SECRET}' }\n",
        "kafka: { bootstrap.servers: k, security.protocol: '${env:SECRET}' }\nviews: { a: { topic: t, sink: "
        "'x:' } }\n",
        "kafka: { bootstrap.servers: k, sasl.password:hunter2 }\nviews: { a: { topic: t, sink: 'x:' } }\n",
        "kafka: { bootstrap.servers: k, ssl.ca.location: x, sasl.oauthbearer.method: hunter2 }\nviews: { a: "
        "{ topic: t, sink: 'x:' } }\n",
        "views: { a: { topic: 'postgres://u:hunter2@h/db', sink: 'x:' } }\n",
        "views: { a: { topic: '${env:SECRET}/', sink: 'x:' } }\n",
        "views: { a: { topic: t, sink: hunter2 } }\n",
        "views: { 'postgres://u:hunter2@h/db': {} }\n",
        "views: { a: 'sqlite:hunter2' }\n",
    };
    char *environment[] = {(char[]){"SECRET=hunter2/"}, NULL};
    struct config_request request = {.environment = environment};
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *text = refuse_with(&request, cases[i]);
        if (strstr(text, "hunter2") || strstr(fixture_error.detail, "hunter2"))
            fail_msg("shown: %s", text);
    }
}

static void nothing_from_outside_can_break_the_line(void **state)
{
    (void)state;
    assert_string_equal(refuse(VIEW "\"a\\nb\\e[31m\": 1\n"),
                        "u.yaml:6: unknown key \"a\\nb\\u001b[31m\"; known are: kafka, http, log, views");
    assert_string_equal(refuse_in_view("    on_error: \"a\\nb\"\n"),
                        "u.yaml:6: views.orders.on_error: \"a\\nb\" is not one of dlq, stop or skip");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_keys_are_told_the_nearest_one),
        cmocka_unit_test(what_this_version_can_not_do_is_said),
        cmocka_unit_test(wrong_values_are_told_what_would_be_right),
        cmocka_unit_test(wrong_shapes_are_told_what_is_needed),
        cmocka_unit_test(views_need_a_topic_and_a_sink),
        cmocka_unit_test(kafka_properties_are_checked_by_librdkafka),
        cmocka_unit_test(listening_to_the_world_needs_a_token),
        cmocka_unit_test(yaml_mistakes_are_told_with_their_line),
        cmocka_unit_test(depth_size_and_number_are_bounded),
        cmocka_unit_test(no_message_ever_shows_a_secret),
        cmocka_unit_test(nothing_from_outside_can_break_the_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
