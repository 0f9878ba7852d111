/* The reader on librdkafka's mock brokers. */
#include "mock.h"

#include "dlq/reader.h"

#define TIMEOUT_MS 20000

static int set_up(void **state)
{
    *state = mock_create();
    return 0;
}

static int tear_down(void **state)
{
    mock_destroy(*state);
    return 0;
}

static struct dlq_reader *open_reader(struct mock *mock, const char *topic)
{
    struct upsink_error err = {0};
    struct dlq_reader *reader = dlq_reader_open(&mock->kafka, topic, TIMEOUT_MS, &err);
    if (!reader)
        fail_msg("%s: %s", err.code, err.text);
    return reader;
}

static void produce_letter(struct mock *mock, int32_t partition, const char *key, const char *failed_at)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(4);
    rd_kafka_header_add(headers, "theirs", -1, NULL, 0);
    rd_kafka_header_add(headers, "upsink.failed_at", -1, failed_at, -1);
    rd_kafka_header_add(headers, "upsink.error.code", -1, "value_refused", -1);
    rd_kafka_header_add(headers, "__connect.errors.offset", -1, "42", -1);
    mock_produce(mock, "orders.dlq", partition, key, strlen(key), "v", 1, 777, headers);
}

static void read_one(struct dlq_reader *reader, struct dead_letter *letter)
{
    struct upsink_error err = {0};
    if (dlq_reader_next(reader, letter, &err) != DLQ_READ_RECORD)
        fail_msg("%s: %s", err.code, err.text);
}

static void assert_end(struct dlq_reader *reader)
{
    struct dead_letter letter;
    struct upsink_error err = {0};
    assert_int_equal(dlq_reader_next(reader, &letter, &err), DLQ_READ_END);
    assert_int_equal(dlq_reader_next(reader, &letter, &err), DLQ_READ_END);
}

static void an_empty_topic_has_no_dead_letters(void **state)
{
    struct dlq_reader *reader = open_reader(*state, "orders.dlq");
    assert_end(reader);
    dlq_reader_close(reader);
}

static void a_dead_letter_is_read_with_all_that_is_known(void **state)
{
    struct mock *mock = *state;
    produce_letter(mock, 2, "k", "2026-01-02T03:04:05Z");
    struct dlq_reader *reader = open_reader(mock, "orders.dlq");
    struct dead_letter letter;
    struct dlq_header header;
    read_one(reader, &letter);
    assert_int_equal(letter.partition, 2);
    assert_int_equal(letter.offset, 0);
    assert_int_equal(letter.timestamp, 777);
    assert_true(upsink_slice_is(letter.key, "k"));
    assert_true(upsink_slice_is(letter.value, "v"));
    assert_true(upsink_slice_is(letter.facts.code, "value_refused"));
    assert_int_equal(letter.facts.source_offset, 42);
    assert_int_equal(letter.facts.failed_at, 1767323045000000);
    assert_false(letter.resolved);
    assert_true(dead_letter_header(&letter, 0, &header));
    assert_string_equal(header.name, "theirs");
    assert_null(header.value.data);
    assert_true(dead_letter_header(&letter, 3, &header));
    assert_false(dead_letter_header(&letter, 4, &header));
    assert_end(reader);
    dlq_reader_close(reader);
}

static void dead_letters_of_all_partitions_come_in_the_order_of_their_failure(void **state)
{
    struct mock *mock = *state;
    static const struct {
        int32_t partition;
        const char *key, *time;
    } letters[] = {{0, "1", "2026-01-01T00:00:01Z"}, {1, "2", "2026-01-01T00:00:02Z"},
                   {0, "3", "2026-01-01T00:00:03Z"}, {2, "4", "2026-01-01T00:00:04Z"},
                   {2, "5", "2026-01-01T00:00:05Z"}, {1, "6", "2026-01-01T00:00:06Z"}};
    for (size_t i = 0; i < 6; i++)
        produce_letter(mock, letters[i].partition, letters[i].key, letters[i].time);
    struct dlq_reader *reader = open_reader(mock, "orders.dlq");
    for (size_t i = 0; i < 6; i++) {
        struct dead_letter letter;
        read_one(reader, &letter);
        assert_true(upsink_slice_is(letter.key, letters[i].key));
    }
    assert_end(reader);
    dlq_reader_close(reader);
}

static void what_is_written_after_the_start_is_not_waited_for(void **state)
{
    struct mock *mock = *state;
    produce_letter(mock, 0, "1", "2026-01-01T00:00:01Z");
    struct dlq_reader *reader = open_reader(mock, "orders.dlq");
    struct dead_letter letter;
    read_one(reader, &letter);
    produce_letter(mock, 0, "2", "2026-01-01T00:00:02Z");
    assert_end(reader);
    dlq_reader_close(reader);
}

static void the_state_topic_says_what_is_resolved(void **state)
{
    struct mock *mock = *state;
    assert_int_equal(rd_kafka_mock_topic_create(mock->cluster, "orders.dlq.state", 2, 1), 0);
    for (int i = 0; i < 3; i++)
        produce_letter(mock, 0, "k", "2026-01-01T00:00:01Z");
    mock_produce(mock, "orders.dlq.state", 0, "0:1", 3, "{}", 2, 1, NULL);
    mock_produce(mock, "orders.dlq.state", 1, "0:2", 3, "{}", 2, 1, NULL);
    mock_produce(mock, "orders.dlq.state", 1, "0:2", 3, NULL, 0, 1, NULL);
    struct dlq_reader *reader = open_reader(mock, "orders.dlq");
    for (int i = 0; i < 3; i++) {
        struct dead_letter letter;
        read_one(reader, &letter);
        assert_int_equal(letter.resolved, i == 1);
    }
    dlq_reader_close(reader);
}

static void one_dead_letter_is_found_by_its_position(void **state)
{
    struct mock *mock = *state;
    struct upsink_error err = {0};
    struct dead_letter letter;
    for (int i = 0; i < 5; i++) {
        char key[2] = {(char)('0' + i), '\0'};
        produce_letter(mock, 1, key, "2026-01-01T00:00:01Z");
    }
    struct dlq_reader *reader = open_reader(mock, "orders.dlq");
    assert_int_equal(dlq_reader_find(reader, 1, 3, &letter, &err), DLQ_READ_RECORD);
    assert_true(upsink_slice_is(letter.key, "3"));
    dlq_reader_close(reader);
    static const int64_t missing[][2] = {{1, 5}, {0, 0}, {3, 0}, {-1, 0}, {1, -1}, {1, INT64_MAX}};
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
        reader = open_reader(mock, "orders.dlq");
        assert_int_equal(dlq_reader_find(reader, (int32_t)missing[i][0], missing[i][1], &letter, &err),
                         DLQ_READ_END);
        dlq_reader_close(reader);
    }
}

static void a_reader_may_be_closed_in_the_middle(void **state)
{
    struct mock *mock = *state;
    for (int32_t i = 0; i < 30; i++)
        produce_letter(mock, i % 3, "k", "2026-01-01T00:00:01Z");
    struct dlq_reader *reader = open_reader(mock, "orders.dlq");
    struct dead_letter letter;
    read_one(reader, &letter);
    read_one(reader, &letter);
    dlq_reader_close(reader);
    dlq_reader_close(NULL);
}

static void brokers_that_are_away_are_an_outage(void **state)
{
    struct mock *mock = *state;
    struct upsink_error err = {0};
    rd_kafka_mock_broker_set_down(mock->cluster, -1);
    assert_null(dlq_reader_open(&mock->kafka, "orders.dlq", 800, &err));
    assert_int_equal(err.cls, UPSINK_ERR_OUTAGE);
    assert_non_null(strstr(err.text, "orders.dlq"));
}

static void brokers_that_go_away_in_the_middle_are_an_outage(void **state)
{
    struct mock *mock = *state;
    struct upsink_error err = {0};
    struct dead_letter letter;
    static char value[300000];
    for (int i = 0; i < 20; i++)
        mock_produce(mock, "orders.dlq", 0, "k", 1, value, sizeof value, 1, NULL);
    struct dlq_reader *reader = dlq_reader_open(&mock->kafka, "orders.dlq", 6000, &err);
    assert_non_null(reader);
    read_one(reader, &letter);
    rd_kafka_mock_broker_set_down(mock->cluster, -1);
    enum dlq_read read;
    int count = 1;
    while ((read = dlq_reader_next(reader, &letter, &err)) == DLQ_READ_RECORD)
        count++;
    assert_true(count < 20);
    assert_int_equal(read, DLQ_READ_FAILED);
    assert_int_equal(err.cls, UPSINK_ERR_OUTAGE);
    dlq_reader_close(reader);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_topic_has_no_dead_letters),
        TEST(a_dead_letter_is_read_with_all_that_is_known),
        TEST(dead_letters_of_all_partitions_come_in_the_order_of_their_failure),
        TEST(what_is_written_after_the_start_is_not_waited_for),
        TEST(the_state_topic_says_what_is_resolved),
        TEST(one_dead_letter_is_found_by_its_position),
        TEST(a_reader_may_be_closed_in_the_middle),
        TEST(brokers_that_are_away_are_an_outage),
        TEST(brokers_that_go_away_in_the_middle_are_an_outage),
    };
    return cmocka_run_group_tests_name("dlq/reader", tests, NULL, NULL);
}
