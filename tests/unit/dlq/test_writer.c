/* The writer against a real protocol: librdkafka's mock brokers, with errors put into their answers. */
#include "mock.h"

#include "clock.h"
#include "log.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#define TIMEOUT_MS 20000

static struct upsink_error refused_value = {UPSINK_ERR_RECORD, "value_refused", "the sink refuses the value",
                                            ""};

static struct dlq_reason some_reason(void)
{
    return (struct dlq_reason){.error = &refused_value,
                               .stage = DLQ_STAGE_TASK_PUT,
                               .module = "test",
                               .view = "orders",
                               .sink = "test",
                               .failed_at = 1,
                               .schema_id = -1};
}

struct fixture {
    struct mock *mock;
    struct dlq_writer *writer;
    rd_kafka_message_t *original; /* partition 2 of orders, key k, value v, timestamp 1234567 */
};

static void make_writer(struct fixture *fixture)
{
    struct upsink_error err = {0};
    static const char *const sources[] = {"orders"};
    fixture->writer = dlq_writer_create(&fixture->mock->kafka, "orders.dlq", &err);
    assert_non_null(fixture->writer);
    if (!dlq_writer_open(fixture->writer, sources, 1, TIMEOUT_MS, &err))
        fail_msg("%s: %s", err.code, err.text);
}

static int set_up_without_writer(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->mock = mock_create();
    mock_produce(fixture->mock, "orders", 2, "k", 1, "v", 1, 1234567, NULL);
    assert_int_equal(mock_consume(fixture->mock, "orders", &fixture->original, 1), 1);
    *state = fixture;
    return 0;
}

static int set_up(void **state)
{
    set_up_without_writer(state);
    make_writer(*state);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    rd_kafka_message_destroy(fixture->original);
    dlq_writer_destroy(fixture->writer, 0);
    mock_destroy(fixture->mock);
    free(fixture);
    return 0;
}

static struct dlq_ticket *new_ticket(void)
{
    struct upsink_error err;
    struct dlq_ticket *ticket = dlq_ticket_create(&err);
    assert_non_null(ticket);
    return ticket;
}

static void send_one(struct fixture *fixture, const rd_kafka_message_t *original, struct dlq_ticket *ticket)
{
    struct upsink_error err = {0};
    struct dlq_reason reason = some_reason();
    if (!dlq_writer_send(fixture->writer, original, &reason, ticket, TIMEOUT_MS, &err))
        fail_msg("%s: %s", err.code, err.text);
}

static void await(struct fixture *fixture, struct dlq_ticket *ticket, enum dlq_wait wanted,
                  struct upsink_error *err)
{
    *err = (struct upsink_error){0};
    enum dlq_wait got = dlq_writer_await(fixture->writer, ticket, TIMEOUT_MS, err);
    if (got != wanted)
        fail_msg("%d: %s: %s (%s)", got, err->code, err->text, err->detail);
}

/* What a caller does after DLQ_FAILED. */
static void open_and_send_again(struct fixture *fixture)
{
    struct upsink_error err = {0};
    if (!dlq_writer_open(fixture->writer, NULL, 0, TIMEOUT_MS, &err))
        fail_msg("%s: %s", err.code, err.text);
    struct dlq_ticket *ticket = new_ticket();
    send_one(fixture, fixture->original, ticket);
    await(fixture, ticket, DLQ_WRITTEN, &err);
    assert_true(dlq_ticket_written(ticket, 0));
    dlq_ticket_release(ticket);
}

static size_t count_dead_letters(struct fixture *fixture)
{
    return mock_consume(fixture->mock, "orders.dlq", NULL, 0);
}

static void assert_same_bytes(const void *a, size_t a_len, const void *b, size_t b_len)
{
    assert_int_equal(a == NULL, b == NULL);
    assert_int_equal(a_len, b_len);
    if (a_len)
        assert_memory_equal(a, b, a_len);
}

/* The dead letter begins with the original's headers and ends with ours. */
static void assert_headers_kept(const rd_kafka_message_t *original, const rd_kafka_message_t *letter)
{
    rd_kafka_headers_t *before = NULL, *after = NULL;
    rd_kafka_message_headers(original, &before);
    assert_int_equal(rd_kafka_message_headers(letter, &after), 0);
    size_t kept = before ? rd_kafka_header_cnt(before) : 0;
    assert_true(rd_kafka_header_cnt(after) > kept);
    for (size_t i = 0; i < rd_kafka_header_cnt(after); i++) {
        const char *a_name, *b_name;
        const void *a, *b;
        size_t a_len, b_len;
        assert_int_equal(rd_kafka_header_get_all(after, i, &b_name, &b, &b_len), 0);
        bool ours = false;
        for (size_t n = 0; dlq_header_names[n]; n++)
            ours |= strcmp(dlq_header_names[n], b_name) == 0;
        assert_int_equal(ours, i >= kept);
        if (i < kept) {
            assert_int_equal(rd_kafka_header_get_all(before, i, &a_name, &a, &a_len), 0);
            assert_string_equal(a_name, b_name);
            assert_same_bytes(a, a_len, b, b_len);
        }
    }
}

static void a_record_arrives_as_it_was_byte_for_byte(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *key, *value;
        size_t key_len, len;
    } records[] = {{"\0k\xFF", "\0v\xFE", 3, 3}, {NULL, "v", 0, 1}, {"k", NULL, 1, 0}, {"", "", 0, 0}};
    for (size_t i = 0; i < 4; i++) {
        rd_kafka_headers_t *headers = rd_kafka_headers_new(4);
        rd_kafka_header_add(headers, "same", -1, "\0one\xFF", 5);
        rd_kafka_header_add(headers, "other", -1, NULL, 0);
        rd_kafka_header_add(headers, "same", -1, "", 0);
        mock_produce(fixture->mock, "orders", 1, records[i].key, records[i].key_len, records[i].value,
                     records[i].len, 1000 + (int64_t)i, headers);
    }
    rd_kafka_message_t *originals[5], *letters[4];
    assert_int_equal(mock_consume(fixture->mock, "orders", originals, 5), 5);
    struct dlq_ticket *ticket = new_ticket();
    struct upsink_error err;
    for (size_t i = 0; i < 4; i++) {
        send_one(fixture, originals[i], ticket);
        await(fixture, ticket, DLQ_WRITTEN, &err);
    }
    assert_int_equal(mock_consume(fixture->mock, "orders.dlq", letters, 4), 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(letters[i]->partition, 1);
        assert_same_bytes(letters[i]->key, letters[i]->key_len, originals[i]->key, originals[i]->key_len);
        assert_same_bytes(letters[i]->payload, letters[i]->len, originals[i]->payload, originals[i]->len);
        assert_int_equal(rd_kafka_message_timestamp(letters[i], NULL), 1000 + (int64_t)i);
        assert_headers_kept(originals[i], letters[i]);
        rd_kafka_message_destroy(letters[i]);
    }
    for (size_t i = 0; i < 5; i++)
        rd_kafka_message_destroy(originals[i]);
    dlq_ticket_release(ticket);
}

static void assert_header(const rd_kafka_message_t *letter, const char *name, const char *text)
{
    rd_kafka_headers_t *headers;
    const void *value;
    size_t len, count = 0;
    assert_int_equal(rd_kafka_message_headers(letter, &headers), 0);
    for (size_t i = 0; rd_kafka_header_get(headers, i, name, &value, &len) == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
        count++;
    assert_int_equal(count, 1);
    assert_int_equal(rd_kafka_header_get_last(headers, name, &value, &len), 0);
    assert_int_equal(len, strlen(text));
    assert_memory_equal(value, text, len);
}

static void a_record_that_fails_again_says_so_and_keeps_its_source(void **state)
{
    struct fixture *fixture = *state;
    struct upsink_error err;
    rd_kafka_message_t *first, *both[2];
    struct dlq_ticket *ticket = new_ticket();
    struct dlq_reason reason = some_reason();
    reason.schema_id = 7;
    assert_true(dlq_writer_send(fixture->writer, fixture->original, &reason, ticket, TIMEOUT_MS, &err));
    await(fixture, ticket, DLQ_WRITTEN, &err);
    assert_int_equal(mock_consume(fixture->mock, "orders.dlq", &first, 1), 1);
    assert_header(first, "upsink.attempts", "1");
    assert_header(first, "__connect.errors.topic", "orders");
    assert_header(first, "upsink.schema_id", "7");

    struct upsink_error other = {UPSINK_ERR_RECORD, "other_reason", "x", ""};
    reason = some_reason();
    reason.error = &other;
    reason.source_topic = UPSINK_SLICE_LIT("orders");
    reason.source_partition = 2;
    reason.source_offset = 0;
    assert_true(dlq_writer_send(fixture->writer, first, &reason, ticket, TIMEOUT_MS, &err));
    await(fixture, ticket, DLQ_WRITTEN, &err);
    assert_int_equal(mock_consume(fixture->mock, "orders.dlq", both, 2), 2);
    assert_header(both[1], "upsink.attempts", "2");
    assert_header(both[1], "upsink.error.code", "other_reason");
    assert_header(both[1], "__connect.errors.topic", "orders");
    assert_header(both[1], "__connect.errors.partition", "2");
    rd_kafka_headers_t *headers;
    const void *value;
    size_t len;
    assert_int_equal(rd_kafka_message_headers(both[1], &headers), 0);
    assert_int_equal(rd_kafka_header_get_last(headers, "upsink.schema_id", &value, &len),
                     RD_KAFKA_RESP_ERR__NOENT);
    rd_kafka_message_destroy(first);
    rd_kafka_message_destroy(both[0]);
    rd_kafka_message_destroy(both[1]);
    dlq_ticket_release(ticket);
}

static void a_partition_that_the_topic_does_not_have_is_no_obstacle(void **state)
{
    struct fixture *fixture = *state;
    struct upsink_error err;
    mock_produce(fixture->mock, "orders", 3, "k", 1, "v", 1, 1, NULL); /* orders.dlq has 0 to 2 */
    rd_kafka_message_t *originals[2];
    assert_int_equal(mock_consume(fixture->mock, "orders", originals, 2), 2);
    assert_int_equal(originals[1]->partition, 3);
    struct dlq_ticket *ticket = new_ticket();
    send_one(fixture, originals[1], ticket);
    await(fixture, ticket, DLQ_WRITTEN, &err);
    assert_int_equal(count_dead_letters(fixture), 1);
    rd_kafka_message_destroy(originals[0]);
    rd_kafka_message_destroy(originals[1]);
    dlq_ticket_release(ticket);
}

static void a_produce_error_never_counts_as_written(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        rd_kafka_resp_err_t answer;
        enum upsink_error_class cls;
        const char *code, *advice;
    } cases[] = {
        {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, UPSINK_ERR_REFUSED, "dlq_unauthorized", "grant"},
        {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, UPSINK_ERR_REFUSED, "dlq_too_large", "max.message.bytes"},
        {RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, UPSINK_ERR_REFUSED, "dlq_refused", "message.timestamp"},
        {RD_KAFKA_RESP_ERR_INVALID_RECORD, UPSINK_ERR_REFUSED, "dlq_refused", "cleanup.policy"},
        {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, UPSINK_ERR_REFUSED, "dlq_refused", ""},
        {RD_KAFKA_RESP_ERR_UNKNOWN, UPSINK_ERR_OUTAGE, "dlq_unreachable", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t before = count_dead_letters(fixture);
        struct upsink_error err;
        struct dlq_ticket *ticket = new_ticket();
        rd_kafka_mock_push_request_errors(fixture->mock->cluster, PRODUCE_REQUEST, 1, cases[i].answer);
        send_one(fixture, fixture->original, ticket);
        await(fixture, ticket, DLQ_FAILED, &err);
        assert_false(dlq_ticket_written(ticket, 0));
        assert_int_equal(err.cls, cases[i].cls);
        assert_string_equal(err.code, cases[i].code);
        assert_non_null(strstr(err.text, "orders.dlq"));
        assert_non_null(strstr(err.text, cases[i].advice));
        dlq_ticket_release(ticket);
        assert_int_equal(count_dead_letters(fixture), before);
        open_and_send_again(fixture);
        assert_int_equal(count_dead_letters(fixture), before + 1);
    }
}

static void one_failure_does_not_hide_the_neighbours_that_arrived(void **state)
{
    struct fixture *fixture = *state;
    struct upsink_error err;
    struct dlq_ticket *ticket = new_ticket();
    send_one(fixture, fixture->original, ticket);
    await(fixture, ticket, DLQ_WRITTEN, &err);
    rd_kafka_mock_push_request_errors(fixture->mock->cluster, PRODUCE_REQUEST, 1,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    send_one(fixture, fixture->original, ticket);
    await(fixture, ticket, DLQ_FAILED, &err);
    send_one(fixture, fixture->original, ticket);
    await(fixture, ticket, DLQ_FAILED, &err); /* a ticket does not forget */
    assert_true(dlq_ticket_written(ticket, 0));
    assert_false(dlq_ticket_written(ticket, 1));
    assert_true(dlq_ticket_written(ticket, 2));
    assert_false(dlq_ticket_written(ticket, 3));
    assert_int_equal(count_dead_letters(fixture), 2);
    dlq_ticket_release(ticket);
}

static void a_passing_error_is_tried_again_and_written_once(void **state)
{
    struct fixture *fixture = *state;
    struct upsink_error err;
    rd_kafka_mock_push_request_errors(fixture->mock->cluster, PRODUCE_REQUEST, 4,
                                      RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
                                      RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                      RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT);
    struct dlq_ticket *ticket = new_ticket();
    send_one(fixture, fixture->original, ticket);
    await(fixture, ticket, DLQ_WRITTEN, &err);
    assert_int_equal(count_dead_letters(fixture), 1);
    dlq_ticket_release(ticket);
}

static void what_is_not_acknowledged_is_pending_and_arrives_when_kafka_is_back(void **state)
{
    struct fixture *fixture = *state;
    struct upsink_error err = {0};
    rd_kafka_mock_broker_set_down(fixture->mock->cluster, -1);
    struct dlq_ticket *ticket = new_ticket();
    send_one(fixture, fixture->original, ticket);
    assert_int_equal(dlq_writer_await(fixture->writer, ticket, 700, &err), DLQ_PENDING);
    assert_int_equal(err.cls, UPSINK_ERR_OUTAGE);
    assert_string_equal(err.code, "dlq_unreachable");
    assert_false(dlq_ticket_written(ticket, 0));
    rd_kafka_mock_broker_set_up(fixture->mock->cluster, -1);
    await(fixture, ticket, DLQ_WRITTEN, &err);
    assert_true(dlq_ticket_written(ticket, 0));
    assert_int_equal(count_dead_letters(fixture), 1);
    dlq_ticket_release(ticket);
}

static void a_record_that_runs_out_of_time_has_failed_and_can_be_sent_again(void **state)
{
    struct fixture *fixture = *state;
    struct upsink_error err;
    mock_property(fixture->mock, "message.timeout.ms", "3000");
    make_writer(fixture);
    rd_kafka_mock_broker_set_down(fixture->mock->cluster, -1);
    struct dlq_ticket *ticket = new_ticket();
    send_one(fixture, fixture->original, ticket);
    await(fixture, ticket, DLQ_FAILED, &err);
    assert_int_equal(err.cls, UPSINK_ERR_OUTAGE);
    assert_string_equal(err.code, "dlq_timeout");
    assert_false(dlq_ticket_written(ticket, 0));
    rd_kafka_mock_broker_set_up(fixture->mock->cluster, -1);
    open_and_send_again(fixture);
    dlq_ticket_release(ticket);
}

static void a_producer_that_failed_for_good_is_replaced(void **state)
{
    struct fixture *fixture = *state;
    struct upsink_error err;
    for (int round = 0; round < 2; round++) {
        rd_kafka_mock_push_request_errors(fixture->mock->cluster, PRODUCE_REQUEST, 1,
                                          RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
        struct dlq_ticket *ticket = new_ticket();
        send_one(fixture, fixture->original, ticket);
        await(fixture, ticket, DLQ_FAILED, &err);
        assert_int_equal(err.cls, UPSINK_ERR_OUTAGE);
        assert_false(dlq_ticket_written(ticket, 0));
        struct dlq_reason reason = some_reason();
        bool sent = true;
        for (int64_t end = clock_monotonic_us() + 5 * CLOCK_SECOND; sent && clock_monotonic_us() < end;) {
            struct dlq_ticket *probe = new_ticket();
            sent = dlq_writer_send(fixture->writer, fixture->original, &reason, probe, 100, &err);
            dlq_ticket_release(probe);
        }
        assert_false(sent);
        assert_string_equal(err.code, "dlq_restarted");
        dlq_ticket_release(ticket);
        open_and_send_again(fixture);
    }
}

static void memory_is_bounded_while_kafka_is_away(void **state)
{
    struct fixture *fixture = *state;
    struct upsink_error err = {0};
    static char megabyte[1 << 20];
    mock_produce(fixture->mock, "orders", 3, "k", 1, megabyte, sizeof megabyte, 1, NULL);
    rd_kafka_message_t *originals[2];
    assert_int_equal(mock_consume(fixture->mock, "orders", originals, 2), 2);
    rd_kafka_mock_broker_set_down(fixture->mock->cluster, -1);
    struct dlq_reason reason = some_reason();
    struct dlq_ticket *ticket = new_ticket();
    size_t sent = 0;
    while (sent < 100 && dlq_writer_send(fixture->writer, originals[1], &reason, ticket, 300, &err))
        sent++;
    assert_int_equal(sent, DLQ_WRITER_BYTES / (1 << 20) - 1); /* the headers take some of the room */
    assert_int_equal(err.cls, UPSINK_ERR_OUTAGE);
    rd_kafka_mock_broker_set_up(fixture->mock->cluster, -1);
    await(fixture, ticket, DLQ_WRITTEN, &err);
    assert_int_equal(count_dead_letters(fixture), sent);
    rd_kafka_message_destroy(originals[0]);
    rd_kafka_message_destroy(originals[1]);
    dlq_ticket_release(ticket);
}

static void a_record_larger_than_all_the_room_is_sent_alone(void **state)
{
    struct fixture *fixture = *state;
    struct upsink_error err;
    size_t len = 3 * DLQ_WRITER_BYTES;
    char *large = calloc(1, len);
    assert_non_null(large);
    void *value = fixture->original->payload;
    fixture->original->payload = large;
    fixture->original->len = len;
    struct dlq_ticket *ticket = new_ticket();
    for (int i = 0; i < 3; i++)
        send_one(fixture, fixture->original, ticket);
    await(fixture, ticket, DLQ_WRITTEN, &err);
    assert_int_equal(count_dead_letters(fixture), 3);
    dlq_ticket_release(ticket);
    fixture->original->payload = value;
    fixture->original->len = 1;
    free(large);
}

enum { THREADS = 4, RECORDS = 500 };

static void *send_many(void *context)
{
    struct fixture *fixture = context;
    struct upsink_error err;
    struct dlq_reason reason = some_reason();
    for (int batch = 0; batch < 5; batch++) {
        struct dlq_ticket *ticket = dlq_ticket_create(&err);
        for (int i = 0; i < RECORDS / 5; i++)
            if (!ticket ||
                !dlq_writer_send(fixture->writer, fixture->original, &reason, ticket, TIMEOUT_MS, &err))
                return "not sent";
        if (dlq_writer_await(fixture->writer, ticket, TIMEOUT_MS, &err) != DLQ_WRITTEN)
            return "not written";
        for (size_t i = 0; i < RECORDS / 5; i++)
            if (!dlq_ticket_written(ticket, i))
                return "not marked";
        dlq_ticket_release(ticket);
    }
    return NULL;
}

static void several_workers_may_write_at_once(void **state)
{
    struct fixture *fixture = *state;
    pthread_t threads[THREADS];
    rd_kafka_headers_t *headers;
    rd_kafka_message_headers(fixture->original, &headers); /* decoded by whoever asks first, without a lock */
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, send_many, fixture), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *failure;
        pthread_join(threads[i], &failure);
        assert_null(failure);
    }
    assert_int_equal(count_dead_letters(fixture), THREADS * RECORDS);
}

static void a_ticket_may_be_released_before_its_records_arrive(void **state)
{
    struct fixture *fixture = *state;
    struct dlq_ticket *ticket = new_ticket();
    send_one(fixture, fixture->original, ticket);
    dlq_ticket_release(ticket);
    dlq_writer_destroy(fixture->writer, TIMEOUT_MS); /* gives it the time to arrive */
    fixture->writer = NULL;
    assert_int_equal(count_dead_letters(fixture), 1);
}

static void an_empty_ticket_is_written(void **state)
{
    struct fixture *fixture = *state;
    struct upsink_error err;
    struct dlq_ticket *ticket = new_ticket();
    await(fixture, ticket, DLQ_WRITTEN, &err);
    dlq_ticket_release(ticket);
}

static void properties_of_a_consumer_do_not_break_the_writer(void **state)
{
    struct fixture *fixture = *state;
    static const struct dlq_property more[] = {
        {"group.id", "mine"},       {"group.instance.id", "one"},    {"auto.offset.reset", "earliest"},
        {"fetch.wait.max.ms", "5"}, {"enable.auto.commit", "false"}, {"acks", "1"},
        {"transactional.id", "t"},  {"message.max.bytes", "2000"},   {"isolation.level", "read_committed"}};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        mock_property(fixture->mock, more[i].name, more[i].value);
    make_writer(fixture);
    open_and_send_again(fixture);
}

static void a_wrong_property_is_named_and_its_value_kept_secret(void **state)
{
    struct fixture *fixture = *state;
    struct upsink_error err;
    mock_property(fixture->mock, "ssl.key.pem", "hunter2");
    mock_property(fixture->mock, "no.such.property", "x");
    struct dlq_writer *writer = dlq_writer_create(&fixture->mock->kafka, "orders.dlq", &err);
    assert_non_null(writer);
    assert_false(dlq_writer_open(writer, NULL, 0, TIMEOUT_MS, &err));
    assert_int_equal(err.cls, UPSINK_ERR_CONFIG);
    assert_null(strstr(err.text, "hunter2"));
    dlq_writer_destroy(writer, 0);
}

static void brokers_that_are_away_are_an_outage_and_are_named(void **state)
{
    struct fixture *fixture = *state;
    struct upsink_error err;
    rd_kafka_mock_broker_set_down(fixture->mock->cluster, -1);
    struct dlq_writer *writer = dlq_writer_create(&fixture->mock->kafka, "orders.dlq", &err);
    assert_non_null(writer);
    assert_false(dlq_writer_open(writer, NULL, 0, 1000, &err));
    assert_int_equal(err.cls, UPSINK_ERR_OUTAGE);
    assert_string_equal(err.code, "dlq_unreachable");
    assert_non_null(strstr(err.text, "127.0.0.1"));
    struct dlq_ticket *ticket = new_ticket();
    struct dlq_reason reason = some_reason();
    assert_false(
        dlq_writer_send(writer, fixture->original, &reason, ticket, 10, &err)); /* was never opened */
    assert_int_equal(err.cls, UPSINK_ERR_OUTAGE);
    await(fixture, ticket, DLQ_WRITTEN, &err);
    dlq_ticket_release(ticket);
    dlq_writer_destroy(writer, 0);
}

static void what_librdkafka_logs_stands_in_our_log(void **state)
{
    struct fixture *fixture = *state;
    char lines[16384] = "";
    size_t len = 0;
    int ends[2];
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    log_set_descriptor(ends[1]);
    log_configure(LOG_LEVEL_DEBUG, false);
    rd_kafka_mock_broker_set_down(fixture->mock->cluster, -1);
    for (int round = 0; round < 100 && !strstr(lines, "msg=librdkafka"); round++) {
        usleep(50000);
        ssize_t got = read(ends[0], lines + len, sizeof lines - 1 - len);
        len += got > 0 ? (size_t)got : 0;
        lines[len] = '\0';
    }
    log_configure(LOG_LEVEL_INFO, false);
    log_set_descriptor(2);
    close(ends[0]);
    close(ends[1]);
    assert_non_null(strstr(lines, "msg=librdkafka"));
}

#define WITH(test)    cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define WITHOUT(test) cmocka_unit_test_setup_teardown(test, set_up_without_writer, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(a_record_arrives_as_it_was_byte_for_byte),
        WITH(a_record_that_fails_again_says_so_and_keeps_its_source),
        WITH(a_partition_that_the_topic_does_not_have_is_no_obstacle),
        WITH(a_produce_error_never_counts_as_written),
        WITH(one_failure_does_not_hide_the_neighbours_that_arrived),
        WITH(a_passing_error_is_tried_again_and_written_once),
        WITH(what_is_not_acknowledged_is_pending_and_arrives_when_kafka_is_back),
        WITHOUT(a_record_that_runs_out_of_time_has_failed_and_can_be_sent_again),
        WITH(a_producer_that_failed_for_good_is_replaced),
        WITH(memory_is_bounded_while_kafka_is_away),
        WITH(a_record_larger_than_all_the_room_is_sent_alone),
        WITH(several_workers_may_write_at_once),
        WITH(a_ticket_may_be_released_before_its_records_arrive),
        WITH(an_empty_ticket_is_written),
        WITHOUT(properties_of_a_consumer_do_not_break_the_writer),
        WITHOUT(a_wrong_property_is_named_and_its_value_kept_secret),
        WITH(what_librdkafka_logs_stands_in_our_log),
        WITHOUT(brokers_that_are_away_are_an_outage_and_are_named),
    };
    return cmocka_run_group_tests_name("dlq/writer", tests, NULL, NULL);
}
