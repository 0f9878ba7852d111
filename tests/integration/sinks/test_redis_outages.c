/* Redis is away, full, frozen, a replica, or has forgotten something: nothing is lost, nothing steps back. */
#include "freeze.h"
#include "redis_help.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>

static void what_was_written_outlives_a_killed_server(void **state)
{
    struct desk *desk = *state;
    desk_open(desk);
    /* Else what it acknowledged can be in its memory alone for a moment. */
    ask("CONFIG SET appendfsync always");
    assert_int_equal(apply(desk, upsert("a", "{\"n\":1}", 1)), UPSINK_APPLIED);
    assert_int_equal(apply(desk, upsert("b", "{\"n\":2}", 2)), UPSINK_APPLIED);
    assert_int_equal(apply(desk, tombstone("b", 5)), UPSINK_APPLIED);
    server("kill9", NULL);
    assert_write_fails(desk, upsert("a", "{\"n\":6}", 6), UPSINK_ERR_OUTAGE, "sink_unreachable");
    assert_false(try_prepare(desk));
    assert_string_equal(desk->err.code, "sink_unreachable");
    server("restart", NULL);
    need(desk, try_prepare(desk), "prepare");
    assert_int_equal(apply(desk, upsert("a", "{\"n\":6}", 6)), UPSINK_APPLIED);
    /* A stale upsert after a delete after a restart of both. */
    desk_open(desk);
    assert_int_equal(desk->position.next_offset, 7);
    assert_int_equal(apply(desk, upsert("b", "{\"n\":3}", 3)), UPSINK_STALE);
    assert_string_equal(row(desk, "b"), "(nil)");
    assert_string_equal(row(desk, "a"), "{\"n\":6}");
}

static void a_server_that_came_back_empty_is_noticed(void **state)
{
    struct desk *desk = *state;
    desk_open(desk);
    apply(desk, upsert("a", "{}", 1));
    ask("CONFIG SET appendonly no");
    ask("FLUSHALL");
    assert_write_fails(desk, upsert("b", "{}", 2), UPSINK_ERR_TARGET_LOST, "target_lost");
    need(desk, try_prepare(desk), "prepare");
    claim(desk);
    assert_int_equal(desk->position.next_offset, -1);
    assert_int_equal(desk->position.generation, 0);
    apply(desk, upsert("a", "{}", 1));
    /* Without persistence a restart is the same. */
    server("kill9", NULL);
    assert_write_fails(desk, upsert("c", "{}", 3), UPSINK_ERR_OUTAGE, "sink_unreachable");
    server("restart", NULL);
    ask("FLUSHALL");
    assert_false(try_prepare(desk));
    assert_int_equal(desk->err.cls, UPSINK_ERR_TARGET_LOST);
    need(desk, try_prepare(desk), "prepare");
    claim(desk);
    assert_int_equal(desk->position.next_offset, -1);
}

/* A fail-over to a replica that lagged behind, a power cut. */
static void a_server_that_forgot_its_last_writes_is_noticed(void **state)
{
    struct desk *desk = *state;
    char before[512];
    desk_open(desk);
    apply(desk, upsert("a", "{}", 1));
    snprintf(before, sizeof before, "%s", ask("HGET _upsink:view:%s 0:orders", desk->name));
    apply(desk, upsert("b", "{}", 2));
    ask("HSET _upsink:view:%s 0:orders %s", desk->name, before);
    ask("CLIENT KILL TYPE normal");
    assert_write_fails(desk, upsert("c", "{}", 3), UPSINK_ERR_OUTAGE, "sink_unreachable");
    assert_false(try_prepare(desk));
    assert_int_equal(desk->err.cls, UPSINK_ERR_TARGET_LOST);
    type->abort(desk->sink);
    need(desk, try_prepare(desk), "prepare");
    claim(desk);
    assert_int_equal(desk->position.next_offset, 2);
    /* Also where the connection seems to be the same, as behind a proxy. */
    apply(desk, upsert("b", "{}", 2));
    ask("HSET _upsink:view:%s 0:orders %s", desk->name, "2 1 0 2 ");
    desk->position.next_offset = 4;
    assert_false(try_commit(desk));
    assert_int_equal(desk->err.cls, UPSINK_ERR_FENCED);
}

static void a_commit_whose_answer_was_lost_may_be_repeated(void **state)
{
    struct desk *desk = *state;
    desk_open(desk);
    apply(desk, upsert("a", "{}", 1));
    freeze(server_pid);
    desk->view.timeout_us = CLOCK_SECOND / 2;
    desk->position.next_offset = 9;
    assert_false(try_commit(desk));
    assert_string_equal(desk->err.code, "sink_timeout");
    kill((pid_t)server_pid, SIGCONT);
    desk->view.timeout_us = 10 * CLOCK_SECOND;
    type->abort(desk->sink);
    need(desk, try_prepare(desk), "prepare");
    need(desk, try_commit(desk), "commit");
    desk_open(desk);
    assert_int_equal(desk->position.next_offset, 9);
}

static void flushed_scripts_are_loaded_again(void **state)
{
    enum { COUNT = 1000 };
    static struct upsink_change changes[COUNT];
    static struct upsink_result results[COUNT];
    static char keys[COUNT][16];
    struct desk *desk = *state;
    desk_open(desk);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++) {
            snprintf(keys[i], sizeof keys[i], "%05d", i);
            changes[i] = upsert(keys[i], round ? "{\"round\":2}" : "{\"round\":1}", COUNT * round + i);
        }
        need(desk, try_write(desk, changes, COUNT, results), "write");
        for (int i = 0; i < COUNT; i++)
            assert_int_equal(results[i].verdict, UPSINK_APPLIED);
        ask("SCRIPT FLUSH");
        ask("FUNCTION FLUSH");
    }
    assert_string_equal(row(desk, "00999"), "{\"round\":2}");
    need(desk, try_commit(desk), "commit");
}

static void a_full_server_takes_nothing_and_goes_on_later(void **state)
{
    struct desk *desk = *state;
    struct upsink_result results[3];
    desk_open(desk);
    apply(desk, upsert("a", "{\"n\":1}", 1));
    ask("CONFIG SET maxmemory 1");
    struct upsink_change changes[3] = {upsert("a", "{\"n\":2}", 2), tombstone("b", 3),
                                       upsert("c", "{\"n\":4}", 4)};
    assert_false(try_write(desk, changes, 3, results));
    assert_string_equal(desk->err.code, "sink_full");
    assert_int_equal(desk->err.cls, UPSINK_ERR_OUTAGE);
    type->abort(desk->sink);
    assert_string_equal(row(desk, "a"), "{\"n\":1}");
    ask("CONFIG SET maxmemory 0");
    need(desk, try_prepare(desk), "prepare");
    need(desk, try_write(desk, changes, 3, results), "write");
    for (int i = 0; i < 3; i++)
        assert_int_equal(results[i].verdict, UPSINK_APPLIED);
    assert_string_equal(row(desk, "a"), "{\"n\":2}");
    need(desk, try_commit(desk), "commit");
}

static void a_full_server_takes_no_hash_apart(void **state)
{
    struct desk *desk = *state;
    snprintf(desk->url, sizeof desk->url, "redis://127.0.0.1:%ld/0?type=hash", server_port);
    desk_open(desk);
    apply(desk, upsert("a", "{\"n\":1}", 1));
    ask("CONFIG SET maxmemory 1");
    assert_write_fails(desk, upsert("a", "{\"m\":2}", 2), UPSINK_ERR_OUTAGE, "sink_full");
    assert_string_equal(ask("HGET %sa n", desk->prefix), "1");
    ask("CONFIG SET maxmemory 0");
}

static void a_replica_is_an_outage(void **state)
{
    struct desk *desk = *state;
    desk_open(desk);
    apply(desk, upsert("a", "{\"n\":1}", 1));
    ask("REPLICAOF 127.0.0.1 1");
    assert_write_fails(desk, upsert("a", "{\"n\":2}", 2), UPSINK_ERR_OUTAGE, "sink_read_only");
    ask("CONFIG SET replica-serve-stale-data no");
    assert_false(try_prepare(desk));
    assert_int_equal(desk->err.cls, UPSINK_ERR_OUTAGE);
    ask("REPLICAOF NO ONE");
    ask("CONFIG SET replica-serve-stale-data yes");
    need(desk, try_prepare(desk), "prepare");
    assert_int_equal(apply(desk, upsert("a", "{\"n\":2}", 2)), UPSINK_APPLIED);
}

static void a_busy_server_is_an_outage(void **state)
{
    struct desk *desk = *state;
    char text[64];
    desk_open(desk);
    ask("CONFIG SET busy-reply-threshold 50");
    redisContext *other = redisConnect("127.0.0.1", (int)server_port);
    assert_non_null(other);
    int sent = 0;
    redisAppendCommand(other, "EVAL %s 0", "while true do end");
    while (!sent)
        assert_int_equal(redisBufferWrite(other, &sent), REDIS_OK);
    for (bool busy = false; !busy; usleep(10000)) {
        redisReply *reply = redisCommand(admin, "PING");
        assert_non_null(reply);
        busy = reply->type == REDIS_REPLY_ERROR;
        freeReplyObject(reply);
    }
    assert_write_fails(desk, upsert("a", "{}", 1), UPSINK_ERR_OUTAGE, "sink_busy");
    snprintf(text, sizeof text, "%s", ask("SCRIPT KILL"));
    assert_string_equal(text, "OK");
    redisFree(other);
    for (int tries = 0; tries < 500 && !try_prepare(desk); tries++)
        usleep(20000);
    need(desk, try_prepare(desk), "prepare");
    assert_int_equal(apply(desk, upsert("a", "{}", 1)), UPSINK_APPLIED);
}

/* What a frozen server was sent comes late: behind what was written meanwhile it must change nothing. */
static void a_frozen_server_is_given_up_and_late_writes_change_nothing(void **state)
{
    struct desk *desk = *state, *other = desk_twin(desk);
    void *other_state = other;
    desk_open(desk);
    desk_open(other);
    apply(other, upsert("a", "{\"n\":1}", 1));
    freeze(server_pid);
    desk->view.timeout_us = CLOCK_SECOND / 2;
    int64_t begin = clock_monotonic_us();
    assert_write_fails(desk, upsert("a", "{\"n\":2}", 2), UPSINK_ERR_OUTAGE, "sink_timeout");
    assert_true(clock_monotonic_us() - begin < 8 * CLOCK_SECOND);
    kill((pid_t)server_pid, SIGCONT);
    assert_int_equal(apply(other, upsert("a", "{\"n\":3}", 3)), UPSINK_APPLIED);
    need(desk, try_prepare(desk), "prepare");
    struct upsink_change late = upsert("a", "{\"n\":2}", 2);
    struct upsink_result result;
    need(desk, try_write(desk, &late, 1, &result), "write");
    assert_int_equal(result.verdict, UPSINK_STALE);
    assert_string_equal(row(desk, "a"), "{\"n\":3}");
    desk_teardown(&other_state);
}

static void a_connection_that_leads_nowhere_is_given_up(void **state)
{
    struct desk *desk = *state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 4), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    snprintf(desk->url, sizeof desk->url, "redis://127.0.0.1:%d/0", ntohs(address.sin_port));
    desk->view.timeout_us = CLOCK_SECOND / 2;
    assert_false(try_prepare(desk));
    assert_string_equal(desk->err.code, "sink_timeout");
    close(listener);
}

static void what_answers_nonsense_is_not_taken_for_redis(void **state)
{
    struct desk *desk = *state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 4), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    pid_t child = fork();
    if (child == 0) {
        int client = accept(listener, NULL, NULL);
        char bytes[512];
        if (read(client, bytes, sizeof bytes) > 0 && write(client, "HTTP/1.1 400 Bad Request\r\n", 26) > 0)
            sleep(20);
        _exit(0);
    }
    snprintf(desk->url, sizeof desk->url, "redis://127.0.0.1:%d/0", ntohs(address.sin_port));
    assert_false(try_prepare(desk));
    assert_string_equal(desk->err.code, "sink_error");
    kill(child, SIGKILL);
    close(listener);
}

static void a_killed_connection_is_made_again(void **state)
{
    struct desk *desk = *state;
    desk_open(desk);
    apply(desk, upsert("a", "{\"n\":1}", 1));
    ask("CLIENT KILL TYPE normal");
    assert_write_fails(desk, upsert("a", "{\"n\":2}", 2), UPSINK_ERR_OUTAGE, "sink_unreachable");
    need(desk, try_prepare(desk), "prepare");
    assert_int_equal(apply(desk, upsert("a", "{\"n\":2}", 2)), UPSINK_APPLIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DESK_TEST(what_was_written_outlives_a_killed_server),
        DESK_TEST(a_server_that_forgot_its_last_writes_is_noticed),
        DESK_TEST(a_commit_whose_answer_was_lost_may_be_repeated),
        DESK_TEST(flushed_scripts_are_loaded_again),
        DESK_TEST(a_full_server_takes_nothing_and_goes_on_later),
        DESK_TEST(a_full_server_takes_no_hash_apart),
        DESK_TEST(a_replica_is_an_outage),
        DESK_TEST(a_busy_server_is_an_outage),
        DESK_TEST(a_frozen_server_is_given_up_and_late_writes_change_nothing),
        DESK_TEST(a_connection_that_leads_nowhere_is_given_up),
        DESK_TEST(what_answers_nonsense_is_not_taken_for_redis),
        DESK_TEST(a_killed_connection_is_made_again),
        DESK_TEST(a_server_that_came_back_empty_is_noticed),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
