#include "dlq/headers.h"
#include "utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

struct fixture {
    struct arena arena;
    struct upsink_error error;
    struct dlq_reason reason;
    struct dlq_header headers[DLQ_HEADER_MAX];
    size_t count;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){0};
    arena_init(&fixture.arena, 0);
    upsink_fail(&fixture.error, UPSINK_ERR_RECORD, "value_refused", "the sink refuses the value");
    upsink_error_detail(&fixture.error, "SQLSTATE 22003");
    fixture.reason = (struct dlq_reason){
        .error = &fixture.error,
        .stage = DLQ_STAGE_TASK_PUT,
        .module = "upsink.sink.postgres",
        .view = "orders",
        .sink = "postgres://localhost/reports table orders",
        .task = 2,
        .source_topic = UPSINK_SLICE_LIT("orders"),
        .source_partition = 3,
        .source_offset = 1234567890123,
        .failed_at = 1767323045000006,
        .schema_id = -1,
    };
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    arena_destroy(&fixture->arena);
    return 0;
}

static void build(struct fixture *fixture, uint32_t attempts)
{
    fixture->count = dlq_headers_build(&fixture->reason, attempts, &fixture->arena, fixture->headers);
    assert_true(fixture->count > 0);
}

static struct upsink_slice value_of(const struct fixture *fixture, const char *name)
{
    struct upsink_slice value = UPSINK_SLICE_ABSENT;
    for (size_t i = 0; i < fixture->count; i++)
        if (strcmp(fixture->headers[i].name, name) == 0) {
            assert_null(value.data);
            value = fixture->headers[i].value;
        }
    return value;
}

static void assert_header(const struct fixture *fixture, const char *name, const char *text)
{
    struct upsink_slice value = value_of(fixture, name);
    assert_non_null(value.data);
    assert_string_equal(value.data, text);
    assert_int_equal(value.len, strlen(text));
}

static void a_dead_letter_has_the_headers_that_kafka_connect_users_know(void **state)
{
    struct fixture *fixture = *state;
    build(fixture, 0);
    assert_header(fixture, "__connect.errors.topic", "orders");
    assert_header(fixture, "__connect.errors.partition", "3");
    assert_header(fixture, "__connect.errors.offset", "1234567890123");
    assert_header(fixture, "__connect.errors.connector.name", "orders");
    assert_header(fixture, "__connect.errors.task.id", "2");
    assert_header(fixture, "__connect.errors.stage", "TASK_PUT");
    assert_header(fixture, "__connect.errors.class.name", "upsink.sink.postgres");
    assert_header(fixture, "__connect.errors.exception.class.name", "value_refused");
    assert_header(fixture, "__connect.errors.exception.message", "the sink refuses the value");
    assert_header(fixture, "__connect.errors.exception.stacktrace",
                  "value_refused: the sink refuses the value\n"
                  "\tat upsink.sink.postgres (TASK_PUT)\n"
                  "\tat orders partition 3 offset 1234567890123\n"
                  "Caused by: SQLSTATE 22003\n");
}

static void a_dead_letter_has_the_headers_of_its_own(void **state)
{
    struct fixture *fixture = *state;
    fixture->reason.event_id = UPSINK_SLICE_LIT("e-1");
    fixture->reason.change_id = UPSINK_SLICE_LIT("c-1");
    fixture->reason.has_version = true;
    fixture->reason.version = INT64_MIN;
    fixture->reason.schema_id = 7;
    build(fixture, 0);
    assert_int_equal(fixture->count, DLQ_HEADER_MAX);
    assert_header(fixture, "upsink.error.code", "value_refused");
    assert_header(fixture, "upsink.error.detail", "SQLSTATE 22003");
    assert_header(fixture, "upsink.view", "orders");
    assert_header(fixture, "upsink.sink", "postgres://localhost/reports table orders");
    assert_header(fixture, "upsink.attempts", "1");
    assert_header(fixture, "upsink.failed_at", "2026-01-02T03:04:05.000006Z");
    assert_header(fixture, "upsink.event_id", "e-1");
    assert_header(fixture, "upsink.change_id", "c-1");
    assert_header(fixture, "upsink.version", "-9223372036854775808");
    assert_header(fixture, "upsink.schema_id", "7");
}

static void what_is_not_known_has_no_header(void **state)
{
    struct fixture *fixture = *state;
    fixture->error.detail[0] = '\0';
    build(fixture, 0);
    static const char *const missing[] = {"upsink.error.detail", "upsink.event_id", "upsink.change_id",
                                          "upsink.version", "upsink.schema_id"};
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
        assert_null(value_of(fixture, missing[i]).data);
    assert_int_equal(fixture->count, DLQ_HEADER_MAX - 5);
}

static void every_header_is_in_the_list_of_names(void **state)
{
    struct fixture *fixture = *state;
    build(fixture, 0);
    assert_null(dlq_header_names[DLQ_HEADER_MAX]);
    for (size_t i = 0; i < fixture->count; i++) {
        size_t at = 0;
        while (dlq_header_names[at] && strcmp(dlq_header_names[at], fixture->headers[i].name) != 0)
            at++;
        assert_non_null(dlq_header_names[at]);
    }
}

static void each_stage_has_the_name_that_kafka_connect_gives_it(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        enum dlq_stage stage;
        const char *name;
    } stages[] = {{DLQ_STAGE_KEY_CONVERTER, "KEY_CONVERTER"},
                  {DLQ_STAGE_VALUE_CONVERTER, "VALUE_CONVERTER"},
                  {DLQ_STAGE_TRANSFORMATION, "TRANSFORMATION"},
                  {DLQ_STAGE_TASK_PUT, "TASK_PUT"}};
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        fixture->reason.stage = stages[i].stage;
        build(fixture, 0);
        assert_header(fixture, "__connect.errors.stage", stages[i].name);
    }
}

static void attempts_are_counted_up(void **state)
{
    struct fixture *fixture = *state;
    build(fixture, dlq_attempts_of(UPSINK_SLICE_LIT("41")));
    assert_header(fixture, "upsink.attempts", "42");
}

static void attempts_that_are_no_number_begin_again(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "x", "-1", "1x", " 1", "2147483647", "99999999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(dlq_attempts_of(upsink_slice_of(bad[i])), 0);
    assert_int_equal(dlq_attempts_of(UPSINK_SLICE_ABSENT), 0);
    assert_int_equal(dlq_attempts_of(UPSINK_SLICE_LIT("2147483646")), 2147483646);
}

static void bytes_that_are_no_text_are_made_text(void **state)
{
    struct fixture *fixture = *state;
    fixture->reason.event_id = (struct upsink_slice){"a\xFF"
                                                     "b\xED\xA0\x80\xC3",
                                                     7};
    fixture->reason.source_topic = (struct upsink_slice){"\xC3\xBC\x80", 3};
    build(fixture, 0);
    assert_header(fixture, "upsink.event_id",
                  "a\xEF\xBF\xBD"
                  "b\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    assert_header(fixture, "__connect.errors.topic", "\xC3\xBC\xEF\xBF\xBD");
}

static void an_empty_id_is_an_empty_header(void **state)
{
    struct fixture *fixture = *state;
    fixture->reason.event_id = UPSINK_SLICE_LIT("");
    build(fixture, 0);
    assert_header(fixture, "upsink.event_id", "");
}

static void a_huge_id_is_cut_between_characters(void **state)
{
    struct fixture *fixture = *state;
    static char huge[1000000];
    for (size_t shift = 0; shift < 3; shift++) {
        memset(huge, 'x', sizeof huge);
        for (size_t at = shift; at + 3 <= sizeof huge; at += 3)
            memcpy(huge + at, "\xE2\x82\xAC", 3);
        fixture->reason.event_id = (struct upsink_slice){huge, sizeof huge};
        build(fixture, 0);
        struct upsink_slice value = value_of(fixture, "upsink.event_id");
        assert_in_range(value.len, DLQ_TEXT_MAX - 3, DLQ_TEXT_MAX);
        assert_true(utf8_is_valid(value.data, value.len));
        assert_memory_equal(value.data + value.len - 3, "...", 3);
    }
}

static void all_headers_together_stay_below_the_room_that_the_topic_has_for_them(void **state)
{
    struct fixture *fixture = *state;
    static char huge[1000000];
    memset(huge, '\xFF', sizeof huge);
    struct upsink_slice bytes = {huge, sizeof huge};
    char *long_text = arena_alloc(&fixture->arena, 100001);
    assert_non_null(long_text);
    memset(long_text, 'y', 100000);
    long_text[100000] = '\0';
    const char *causes[] = {long_text, long_text};
    fixture->reason.causes = causes;
    fixture->reason.cause_count = 2;
    fixture->reason.view = fixture->reason.sink = fixture->reason.module = long_text;
    fixture->reason.source_topic = fixture->reason.event_id = fixture->reason.change_id = bytes;
    build(fixture, 0);
    size_t total = 0;
    for (size_t i = 0; i < fixture->count; i++)
        total += strlen(fixture->headers[i].name) + fixture->headers[i].value.len + 10;
    assert_true(total < 64 * 1024);
}

static void the_chain_of_causes_is_told_from_the_outside_in(void **state)
{
    struct fixture *fixture = *state;
    const char *causes[] = {"first", "second"};
    fixture->reason.causes = causes;
    fixture->reason.cause_count = 2;
    build(fixture, 0);
    struct upsink_slice trace = value_of(fixture, "__connect.errors.exception.stacktrace");
    assert_non_null(strstr(trace.data, "Caused by: SQLSTATE 22003\nCaused by: first\nCaused by: second\n"));
}

static void headers_are_read_back_as_they_were_written(void **state)
{
    struct fixture *fixture = *state;
    fixture->reason.event_id = UPSINK_SLICE_LIT("e-1");
    fixture->reason.has_version = true;
    fixture->reason.version = -5;
    build(fixture, 3);
    struct dlq_facts facts;
    dlq_facts_init(&facts);
    for (size_t i = 0; i < fixture->count; i++)
        dlq_facts_add(&facts, fixture->headers[i].name, fixture->headers[i].value);
    assert_true(upsink_slice_is(facts.source_topic, "orders"));
    assert_int_equal(facts.source_partition, 3);
    assert_int_equal(facts.source_offset, 1234567890123);
    assert_true(upsink_slice_is(facts.view, "orders"));
    assert_true(upsink_slice_is(facts.code, "value_refused"));
    assert_true(upsink_slice_is(facts.detail, "SQLSTATE 22003"));
    assert_true(upsink_slice_is(facts.message, "the sink refuses the value"));
    assert_true(upsink_slice_is(facts.stage, "TASK_PUT"));
    assert_true(upsink_slice_is(facts.version, "-5"));
    assert_true(upsink_slice_is(facts.event_id, "e-1"));
    assert_null(facts.change_id.data);
    assert_int_equal(facts.attempts, 4);
    assert_int_equal(facts.failed_at, fixture->reason.failed_at);
}

static void hostile_headers_are_read_as_unknown(void **state)
{
    (void)state;
    struct dlq_facts facts;
    dlq_facts_init(&facts);
    dlq_facts_add(&facts, "__connect.errors.partition", UPSINK_SLICE_LIT("2147483648"));
    dlq_facts_add(&facts, "__connect.errors.offset", UPSINK_SLICE_LIT("9223372036854775808"));
    dlq_facts_add(&facts, "upsink.failed_at", UPSINK_SLICE_LIT("yesterday"));
    dlq_facts_add(&facts, "upsink.attempts", UPSINK_SLICE_ABSENT);
    dlq_facts_add(&facts, "", UPSINK_SLICE_LIT("x"));
    assert_int_equal(facts.source_partition, -1);
    assert_int_equal(facts.source_offset, -1);
    assert_int_equal(facts.failed_at, -1);
    assert_int_equal(facts.attempts, 0);
}

static void a_dead_letter_of_kafka_connect_itself_is_understood(void **state)
{
    (void)state;
    struct dlq_facts facts;
    dlq_facts_init(&facts);
    dlq_facts_add(&facts, "__connect.errors.connector.name", UPSINK_SLICE_LIT("jdbc-sink"));
    dlq_facts_add(&facts, "__connect.errors.exception.class.name",
                  UPSINK_SLICE_LIT("org.apache.kafka.connect.errors.DataException"));
    assert_null(facts.view.data); /* it is nobody's view */
    assert_true(upsink_slice_is(facts.code, "org.apache.kafka.connect.errors.DataException"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_dead_letter_has_the_headers_that_kafka_connect_users_know, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_dead_letter_has_the_headers_of_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_known_has_no_header, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_header_is_in_the_list_of_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_stage_has_the_name_that_kafka_connect_gives_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(attempts_are_counted_up, set_up, tear_down),
        cmocka_unit_test(attempts_that_are_no_number_begin_again),
        cmocka_unit_test_setup_teardown(bytes_that_are_no_text_are_made_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_empty_id_is_an_empty_header, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_huge_id_is_cut_between_characters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_headers_together_stay_below_the_room_that_the_topic_has_for_them,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_chain_of_causes_is_told_from_the_outside_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(headers_are_read_back_as_they_were_written, set_up, tear_down),
        cmocka_unit_test(hostile_headers_are_read_as_unknown),
        cmocka_unit_test(a_dead_letter_of_kafka_connect_itself_is_understood),
    };
    return cmocka_run_group_tests_name("dlq/headers", tests, NULL, NULL);
}
