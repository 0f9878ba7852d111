/* Servers that are away, refuse, hang or are locked: an outage is not a bad record, and nothing is half-done
 * after it. */
#include "tests/integration/sinks/postgres_help.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

static struct upsink_result result;

/* The URL of the server for another role. */
static void log_in_as(struct desk *desk, const char *role_and_password, const char *database)
{
    const char *at = strstr(server_url(), "@"), *slash = strchr(at + 1, '/');
    assert_true(at && slash);
    snprintf(desk->url, sizeof desk->url, "postgres://%s%.*s/%s", role_and_password, (int)(slash - at), at,
             database);
}

static void make_role(struct desk *desk, const char *options)
{
    char login[200];
    sql(desk, "CREATE ROLE %s LOGIN PASSWORD 'hush-hush' %s; GRANT ALL ON SCHEMA %s TO %s", desk->schema,
        options, desk->schema, desk->schema);
    snprintf(login, sizeof login, "%s:hush-hush", desk->schema);
    log_in_as(desk, login, "postgres");
}

static void drop_role(struct desk *desk)
{
    desk_close(desk);
    sql(desk, "DROP OWNED BY %s CASCADE; DROP ROLE %s", desk->schema, desk->schema);
}

static void assert_failure(struct desk *desk, enum upsink_error_class cls, const char *code)
{
    if (desk->err.cls != cls || strcmp(desk->err.code, code) != 0)
        fail_msg("class %d, %s: %s (%s)", (int)desk->err.cls, desk->err.code, desk->err.text,
                 desk->err.detail);
    assert_null(strstr(desk->err.text, "hush-hush"));
    assert_null(strstr(desk->err.text, "wrong-word"));
}

/* After an outage: abort, prepare, and the same batch once more. */
static void assert_recovers(struct desk *desk, struct upsink_change change)
{
    type->abort(desk->sink);
    need(desk, try_prepare(desk), "prepare");
    assert_int_equal(apply(desk, change), UPSINK_APPLIED);
}

/* --- connecting ------------------------------------------------------------------------------ */

static void wrong_credentials_are_refused_without_showing_them(void **state)
{
    struct desk *desk = *state;
    char login[200];
    make_role(desk, "");
    snprintf(login, sizeof login, "%s:wrong-word", desk->schema);
    log_in_as(desk, login, "postgres");
    assert_false(try_prepare(desk));
    assert_failure(desk, UPSINK_ERR_REFUSED, "credentials_refused");
    assert_string_equal(desk->err.detail, "SQLSTATE 28P01");
    log_in_as(desk, desk->schema, "postgres");
    desk_close(desk);
    assert_false(try_prepare(desk));
    assert_failure(desk, UPSINK_ERR_REFUSED, "credentials_refused");
    drop_role(desk);
}

static void a_database_that_is_not_there_is_named(void **state)
{
    struct desk *desk = *state;
    log_in_as(desk, "postgres", "no_such_database");
    assert_false(try_prepare(desk));
    assert_failure(desk, UPSINK_ERR_REFUSED, "database_missing");
    assert_says(desk->err.text, "no_such_database");
}

static void too_many_connections_are_an_outage(void **state)
{
    struct desk *desk = *state;
    make_role(desk, "CONNECTION LIMIT 0");
    assert_false(try_prepare(desk));
    assert_failure(desk, UPSINK_ERR_OUTAGE, "sink_out_of_resources");
    drop_role(desk);
}

/* A socket that accepts connections and never says a word. */
static int listen_silently(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&address, len) == 0 && listen(fd, 5) == 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static void a_server_that_never_answers_is_given_up(void **state)
{
    struct desk *desk = *state;
    int port, fd = listen_silently(&port);
    snprintf(desk->url, sizeof desk->url, "postgres://u:hush-hush@127.0.0.1:%d/db?sslmode=disable", port);
    desk->view.timeout_us = CLOCK_SECOND / 2;
    int64_t begin = clock_monotonic_us();
    assert_false(try_prepare(desk));
    assert_failure(desk, UPSINK_ERR_OUTAGE, "sink_timeout");
    assert_in_range(clock_monotonic_us() - begin, CLOCK_SECOND / 2, 20 * CLOCK_SECOND);
    close(fd);
    desk_close(desk);
    assert_false(try_prepare(desk));
    assert_failure(desk, UPSINK_ERR_OUTAGE, "sink_unreachable");
}

static void with_several_hosts_the_first_that_works_is_taken(void **state)
{
    struct desk *desk = *state;
    int port, fd = listen_silently(&port);
    const char *at = strstr(server_url(), "@") + 1, *slash = strchr(at, '/');
    close(fd);
    snprintf(desk->url, sizeof desk->url, "postgres://postgres@127.0.0.1:%d,%.*s/postgres", port,
             (int)(slash - at), at);
    desk_open(desk);
    assert_int_equal(apply(desk, upsert("a", "1", 1)), UPSINK_APPLIED);
}

static bool always(void *context)
{
    return context != NULL;
}

static void a_program_that_stops_does_not_wait_for_long(void **state)
{
    struct desk *desk = *state;
    int port, fd = listen_silently(&port);
    snprintf(desk->url, sizeof desk->url, "postgres://u@127.0.0.1:%d/db?sslmode=disable", port);
    desk->host = (struct upsink_host){.size = sizeof desk->host, .context = desk, .stopping = always};
    desk->view.timeout_us = 60 * CLOCK_SECOND;
    int64_t begin = clock_monotonic_us();
    assert_false(try_prepare(desk));
    assert_int_equal(desk->err.cls, UPSINK_ERR_OUTAGE);
    assert_in_range(clock_monotonic_us() - begin, 0, 20 * CLOCK_SECOND);
    close(fd);
}

/* --- writing --------------------------------------------------------------------------------- */

static void a_read_only_server_is_an_outage(void **state)
{
    struct desk *desk = *state;
    struct upsink_change change = upsert("a", "1", 1);
    make_role(desk, "");
    desk_open(desk);
    desk_close(desk);
    sql(desk, "ALTER ROLE %s SET default_transaction_read_only = on", desk->schema);
    assert_false(try_prepare(desk));
    assert_failure(desk, UPSINK_ERR_OUTAGE, "sink_read_only");
    sql(desk, "ALTER ROLE %s RESET default_transaction_read_only", desk->schema);
    desk_open(desk);
    assert_int_equal(apply(desk, change), UPSINK_APPLIED);
    drop_role(desk);
}

static void rights_that_are_withdrawn_are_an_outage(void **state)
{
    struct desk *desk = *state;
    struct upsink_change change = upsert("a", "1", 1);
    make_role(desk, "");
    desk_open(desk);
    sql(desk, "ALTER TABLE orders OWNER TO postgres");
    assert_false(try_write(desk, &change, 1, &result));
    assert_failure(desk, UPSINK_ERR_OUTAGE, "permission_denied");
    sql(desk, "ALTER TABLE orders OWNER TO %s", desk->schema);
    assert_recovers(desk, change);
    drop_role(desk);
}

static void kill_sessions(struct desk *desk)
{
    sql(desk, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = '%s'",
        desk->schema);
}

static void open_named(struct desk *desk)
{
    snprintf(desk->url, sizeof desk->url, "%s?application_name=%s", server_url(), desk->schema);
    desk_open(desk);
}

static void a_connection_lost_between_write_and_commit_leaves_nothing(void **state)
{
    struct desk *desk = *state;
    struct upsink_change change = upsert("a", "1", 1);
    open_named(desk);
    need(desk, try_write(desk, &change, 1, &result), "write");
    kill_sessions(desk);
    desk->position.next_offset = 2;
    assert_false(try_commit(desk));
    assert_int_equal(desk->err.cls, UPSINK_ERR_OUTAGE);
    assert_string_equal(sql(desk, "SELECT count(*) FROM orders"), "0");
    assert_string_equal(sql(desk, "SELECT next_offset FROM _upsink_state"), "-1");
    assert_recovers(desk, change);
}

static void a_connection_lost_before_a_write_is_an_outage(void **state)
{
    struct desk *desk = *state;
    struct upsink_change change = upsert("a", "1", 1);
    open_named(desk);
    kill_sessions(desk);
    assert_false(try_write(desk, &change, 1, &result));
    assert_int_equal(desk->err.cls, UPSINK_ERR_OUTAGE);
    assert_recovers(desk, change);
}

static void every_call_on_a_lost_connection_is_an_outage(void **state)
{
    struct desk *desk = *state;
    struct upsink_change change = upsert("a", "1", 1);
    struct upsink_row row;
    open_named(desk);
    kill_sessions(desk);
    for (int i = 0; i < 2; i++) {
        assert_false(type->claim(desk->sink, &desk->position, &desk->err));
        assert_int_equal(desk->err.cls, UPSINK_ERR_OUTAGE);
        assert_false(type->read_row(desk->sink, change.key, &row, &desk->err));
        assert_int_equal(desk->err.cls, UPSINK_ERR_OUTAGE);
        assert_false(try_commit(desk));
        assert_int_equal(desk->err.cls, UPSINK_ERR_OUTAGE);
        assert_false(try_write(desk, &change, 1, &result));
        assert_int_equal(desk->err.cls, UPSINK_ERR_OUTAGE);
    }
    assert_recovers(desk, change);
}

static void a_lock_that_is_not_given_is_waited_for_and_then_an_outage(void **state)
{
    struct desk *desk = *state;
    struct upsink_change change = upsert("a", "1", 1);
    desk->view.timeout_us = 3 * CLOCK_SECOND;
    desk_open(desk);
    sql(desk, "BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE");
    assert_false(try_write(desk, &change, 1, &result));
    assert_failure(desk, UPSINK_ERR_OUTAGE, "sink_timeout");
    sql(desk, "COMMIT");
    assert_recovers(desk, change);
}

/* --- a network that swallows everything -------------------------------------------------------- */

struct proxy {
    pthread_t thread;
    int listener, port, server_port;
    atomic_bool frozen, ended;
};

static void pass_on(int from, int to, bool *open)
{
    char bytes[65536];
    ssize_t len = recv(from, bytes, sizeof bytes, 0);
    *open = len > 0 && send(to, bytes, (size_t)len, MSG_NOSIGNAL) == len;
}

static void serve(struct proxy *proxy, int client)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {htonl(INADDR_LOOPBACK)},
                                  .sin_port = htons((uint16_t)proxy->server_port)};
    int server = socket(AF_INET, SOCK_STREAM, 0);
    bool open = connect(server, (struct sockaddr *)&address, sizeof address) == 0;
    while (open && !proxy->ended) {
        struct pollfd ends[2] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};
        struct pollfd next = {.fd = proxy->listener, .events = POLLIN};
        if (poll(&next, 1, 0) > 0)
            break; /* the client came anew */
        if (proxy->frozen || poll(ends, 2, 20) <= 0) {
            usleep(1000);
            continue;
        }
        if (ends[0].revents)
            pass_on(client, server, &open);
        if (open && ends[1].revents)
            pass_on(server, client, &open);
    }
    close(server);
}

static void *run_proxy(void *argument)
{
    struct proxy *proxy = argument;
    while (!proxy->ended) {
        struct pollfd next = {.fd = proxy->listener, .events = POLLIN};
        if (poll(&next, 1, 20) <= 0)
            continue;
        int client = accept(proxy->listener, NULL, NULL);
        serve(proxy, client);
        close(client);
    }
    return NULL;
}

static void a_connection_that_leads_nowhere_is_given_up(void **state)
{
    struct desk *desk = *state;
    struct proxy proxy = {.server_port = atoi(PQport(desk->admin))};
    struct upsink_change change = upsert("a", "1", 1);
    proxy.listener = listen_silently(&proxy.port);
    snprintf(desk->url, sizeof desk->url, "postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable",
             proxy.port);
    desk->view.timeout_us = 3 * CLOCK_SECOND;
    assert_int_equal(pthread_create(&proxy.thread, NULL, run_proxy, &proxy), 0);
    desk_open(desk);
    need(desk, try_write(desk, &change, 1, &result), "write");
    proxy.frozen = true;
    int64_t begin = clock_monotonic_us();
    assert_false(try_commit(desk));
    assert_failure(desk, UPSINK_ERR_OUTAGE, "sink_timeout");
    assert_in_range(clock_monotonic_us() - begin, 2 * CLOCK_SECOND, 30 * CLOCK_SECOND);
    type->abort(desk->sink);
    assert_in_range(clock_monotonic_us() - begin, 2 * CLOCK_SECOND, 30 * CLOCK_SECOND);
    proxy.frozen = false;
    assert_recovers(desk, change);
    proxy.ended = true;
    pthread_join(proxy.thread, NULL);
    close(proxy.listener);
}

static void a_writer_that_was_put_to_sleep_does_not_hold_the_others_up(void **state)
{
    struct desk *desk = *state, *other = desk_twin(desk);
    struct upsink_change change = upsert("a", "1", 1);
    desk->view.timeout_us = other->view.timeout_us = 3 * CLOCK_SECOND;
    desk_open(desk);
    need(desk, try_write(desk, &change, 1, &result), "write");
    desk_open(other); /* claims the same partition */
    /* The sleeper's transaction still locks the row; the server ends it. */
    if (try_write(other, &change, 1, &result)) {
        need(other, try_commit(other), "commit");
    } else {
        assert_int_equal(other->err.cls, UPSINK_ERR_OUTAGE);
        assert_recovers(other, change);
    }
    assert_false(try_commit(desk));
    assert_int_equal(desk->err.cls, UPSINK_ERR_OUTAGE);
    type->abort(desk->sink);
    need(desk, try_prepare(desk), "prepare");
    need(desk, try_write(desk, &change, 1, &result), "write");
    assert_int_equal(result.verdict, UPSINK_STALE);
    assert_false(try_commit(desk));
    assert_int_equal(desk->err.cls, UPSINK_ERR_FENCED);
    desk_free_twin(other);
}

/* Between two statements of a pipeline no timeout of the server's applies. */
static void a_writer_that_was_put_to_sleep_in_a_pipeline_does_not_hold_the_others_up(void **state)
{
    struct desk *desk = *state;
    struct upsink_change change = upsert("a", "1", 1);
    desk->view.timeout_us = 3 * CLOCK_SECOND;
    desk_open(desk);
    assert_int_equal(apply(desk, change), UPSINK_APPLIED);
    PGconn *sleeper = PQconnectdb(server_url());
    PQclear(PQexec(sleeper, "SET application_name = upsink; SET idle_in_transaction_session_timeout = 3000;"
                            "SET statement_timeout = 3000; BEGIN"));
    assert_int_equal(PQenterPipelineMode(sleeper), 1);
    char update[300];
    snprintf(update, sizeof update, "UPDATE %s SET doc = doc", desk->target);
    assert_int_equal(PQsendQueryParams(sleeper, update, 0, NULL, NULL, NULL, NULL, 0), 1);
    assert_int_equal(PQsendFlushRequest(sleeper), 1);
    assert_int_equal(PQflush(sleeper), 0);
    PGresult *updated = PQgetResult(sleeper);
    assert_string_equal(PQcmdTuples(updated), "1");
    PQclear(updated);
    change = upsert("a", "2", 2);
    assert_false(try_write(desk, &change, 1, &result));
    assert_failure(desk, UPSINK_ERR_OUTAGE, "sink_timeout");
    usleep(3 * CLOCK_SECOND);
    assert_recovers(desk, change);
    PQfinish(sleeper);
}

static void only_the_newest_owner_of_a_partition_commits(void **state)
{
    struct desk *desk = *state, *other = desk_twin(desk);
    struct upsink_change old = upsert("a", "1", 1), new = upsert("a", "2", 2);
    desk_open(desk);
    desk_open(other);
    assert_true(other->position.epoch > desk->position.epoch);
    need(desk, try_write(desk, &new, 1, &result), "write");
    assert_false(try_commit(desk));
    assert_int_equal(desk->err.cls, UPSINK_ERR_FENCED);
    assert_string_equal(sql(desk, "SELECT count(*) FROM orders"), "0");
    assert_int_equal(apply(other, old), UPSINK_APPLIED);
    desk_free_twin(other);
}

/* The statements of a session are gone, as behind a pooler that hands sessions round. */
static void forgotten_statements_are_prepared_again(void **state)
{
    struct desk *desk = *state;
    struct upsink_change change = upsert("a", "1", 1);
    open_named(desk);
    sql(desk, "ALTER TABLE orders ADD extra text; ALTER TABLE orders ALTER key TYPE varchar(50)");
    for (int tries = 0; tries < 3 && !try_write(desk, &change, 1, &result); tries++) {
        assert_true(desk->err.cls == UPSINK_ERR_UNKNOWN || desk->err.cls == UPSINK_ERR_TARGET_LOST);
        type->abort(desk->sink);
        need(desk, try_prepare(desk), "prepare");
        claim(desk);
    }
    assert_int_equal(result.verdict, UPSINK_APPLIED);
    need(desk, try_commit(desk), "commit");
}

/* --- two writers on one table ---------------------------------------------------------------- */

enum { KEYS = 400, ROUNDS = 60 };

struct writer {
    pthread_t thread;
    struct desk *desk;
    int32_t partition;
    unsigned random;
    int outages;
    bool failed;
};

static char names[KEYS][16];

static bool write_round(struct writer *writer, const struct upsink_change *changes, size_t count)
{
    static _Thread_local struct upsink_result results[KEYS];
    for (int tries = 0; tries < 5; tries++) {
        writer->desk->position.next_offset = changes[count - 1].offset + 1;
        if (try_write(writer->desk, changes, count, results) && try_commit(writer->desk))
            return true;
        writer->outages++;
        type->abort(writer->desk->sink);
    }
    return false;
}

/* Upserts and deletes of random keys, each later than all before. */
static void *write_rounds(void *argument)
{
    struct writer *writer = argument;
    static _Thread_local struct upsink_change changes[KEYS];
    for (int round = 0; round < ROUNDS && !writer->failed; round++) {
        size_t count = 0;
        for (int key = 0; key < KEYS; key++) {
            if (rand_r(&writer->random) % 3)
                continue;
            int64_t offset = (int64_t)round * KEYS + key;
            changes[count] = rand_r(&writer->random) % 3 ? upsert(names[key], "{}", offset)
                                                         : tombstone(names[key], offset);
            changes[count].partition = writer->partition;
            changes[count++].timestamp = 1000000 + offset * 2 + writer->partition;
        }
        writer->failed = count > 0 && !write_round(writer, changes, count);
    }
    return NULL;
}

static void two_writers_of_the_same_keys_neither_fail_nor_disagree(void **state)
{
    struct desk *desk = *state;
    struct writer writers[2] = {{.desk = desk, .partition = 0, .random = 1},
                                {.desk = desk_twin(desk), .partition = 1, .random = 2}};
    for (int i = 0; i < KEYS; i++)
        snprintf(names[i], sizeof names[i], "k%05d", i);
    for (int i = 0; i < 2; i++) {
        need(writers[i].desk, try_prepare(writers[i].desk), "prepare");
        writers[i].desk->position =
            (struct upsink_position){.topic = UPSINK_SLICE_LIT("orders"), .partition = i};
        need(writers[i].desk,
             type->claim(writers[i].desk->sink, &writers[i].desk->position, &writers[i].desk->err), "claim");
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_rounds, &writers[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(writers[i].thread, NULL);
    for (int i = 0; i < 2; i++) {
        assert_false(writers[i].failed);
        assert_int_equal(writers[i].outages, 0);
    }
    /* An entity has a row or a delete fence, never both. */
    assert_string_equal(sql(desk, "SELECT count(*) FROM orders JOIN _upsink_deleted_orders USING (key)"),
                        "0");
    desk_free_twin(writers[1].desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DESK_TEST(wrong_credentials_are_refused_without_showing_them),
        DESK_TEST(a_database_that_is_not_there_is_named),
        DESK_TEST(too_many_connections_are_an_outage),
        DESK_TEST(a_server_that_never_answers_is_given_up),
        DESK_TEST(with_several_hosts_the_first_that_works_is_taken),
        DESK_TEST(a_program_that_stops_does_not_wait_for_long),
        DESK_TEST(a_read_only_server_is_an_outage),
        DESK_TEST(rights_that_are_withdrawn_are_an_outage),
        DESK_TEST(a_connection_lost_between_write_and_commit_leaves_nothing),
        DESK_TEST(a_connection_lost_before_a_write_is_an_outage),
        DESK_TEST(every_call_on_a_lost_connection_is_an_outage),
        DESK_TEST(a_lock_that_is_not_given_is_waited_for_and_then_an_outage),
        DESK_TEST(a_connection_that_leads_nowhere_is_given_up),
        DESK_TEST(a_writer_that_was_put_to_sleep_does_not_hold_the_others_up),
        DESK_TEST(a_writer_that_was_put_to_sleep_in_a_pipeline_does_not_hold_the_others_up),
        DESK_TEST(only_the_newest_owner_of_a_partition_commits),
        DESK_TEST(forgotten_statements_are_prepared_again),
        DESK_TEST(two_writers_of_the_same_keys_neither_fail_nor_disagree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
