/* OpenSearch is killed, frozen, too busy, blocked, or loses an index: nothing is lost, nothing steps back. */
#include "elasticsearch_help.h"
#include "freeze.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

static void deletes_hold_past_gc_deletes_and_a_closed_index(void **state)
{
    struct desk *desk = *state;
    desk_set(desk, "settings", "{\"index.gc_deletes\":\"10ms\",\"number_of_replicas\":0}");
    desk_open(desk);
    apply(desk, upsert("a", "{\"n\":1}", 1));
    apply(desk, tombstone("a", 5));
    apply(desk, upsert("b", "{\"n\":1}", 6));
    sleep_ms(50);
    must(desk, "POST", "%s/_forcemerge?only_expunge_deletes=true", "");
    must(desk, "POST", "%s/_flush?force=true", "");
    desk_open(desk); /* without what it remembered */
    assert_int_equal(apply(desk, upsert("a", "{\"n\":3}", 3)), UPSINK_STALE);
    must(desk, "POST", "%s/_close", "");
    assert_write_fails(desk, upsert("b", "{\"n\":7}", 7), UPSINK_ERR_OUTAGE, "target_closed");
    must(desk, "POST", "%s/_open?wait_for_active_shards=1", "");
    desk_open(desk);
    assert_int_equal(apply(desk, upsert("a", "{\"n\":4}", 4)), UPSINK_STALE);
    assert_null(row(desk, "a"));
    assert_int_equal(apply(desk, upsert("a", "{\"n\":8}", 8)), UPSINK_APPLIED);
    assert_row_has(desk, "a", "\"n\":8");
}

static void what_was_written_outlives_a_killed_server(void **state)
{
    struct desk *desk = *state;
    desk_open(desk);
    assert_int_equal(apply(desk, upsert("a", "{\"n\":1}", 1)), UPSINK_APPLIED);
    assert_int_equal(apply(desk, upsert("b", "{\"n\":2}", 2)), UPSINK_APPLIED);
    assert_int_equal(apply(desk, tombstone("b", 5)), UPSINK_APPLIED);
    server("kill9");
    assert_write_fails(desk, upsert("a", "{\"n\":6}", 6), UPSINK_ERR_OUTAGE, "sink_unreachable");
    assert_false(try_prepare(desk));
    assert_string_equal(desk->err.code, "sink_unreachable");
    server("restart");
    need(desk, try_prepare(desk), "prepare");
    assert_int_equal(apply(desk, upsert("a", "{\"n\":6}", 6)), UPSINK_APPLIED);
    /* A stale upsert after a delete after a restart of both. */
    desk_open(desk);
    assert_int_equal(desk->position.next_offset, 7);
    assert_int_equal(apply(desk, upsert("b", "{\"n\":3}", 3)), UPSINK_STALE);
    assert_null(row(desk, "b"));
    assert_row_has(desk, "a", "\"n\":6");
}

static void each_item_of_a_bulk_is_judged(void **state)
{
    struct desk *desk = *state;
    char long_key[514];
    memset(long_key, 'c', sizeof long_key);
    long_key[sizeof long_key - 1] = '\0';
    struct upsink_change changes[] = {
        upsert("a", "{\"total\":1,\"when\":{\"day\":1}}", 1),
        upsert("b", "{\"total\":\"many, s3cret\"}", 2),
        upsert(long_key, "{\"total\":3}", 3),
        upsert("d", "{\"when\":7}", 4),
        upsert("e", "{\"total\":5}", 5),
    };
    struct upsink_result results[5];
    desk_open(desk);
    assert_int_equal(apply(desk, upsert("0", "{\"total\":0,\"when\":{\"day\":0}}", 0)), UPSINK_APPLIED);
    need(desk, try_write(desk, changes, 5, results), "write");
    assert_int_equal(results[0].verdict, UPSINK_APPLIED);
    assert_int_equal(results[1].verdict, UPSINK_REJECTED);
    assert_string_equal(results[1].error->code, "mapping_conflict");
    assert_non_null(strstr(results[1].error->detail, "HTTP 400"));
    assert_non_null(strstr(results[1].error->detail, "[total]"));
    assert_null(strstr(results[1].error->detail, "s3cret"));
    assert_int_equal(results[2].verdict, UPSINK_REJECTED);
    assert_string_equal(results[2].error->code, "key_too_large");
    assert_int_equal(results[3].verdict, UPSINK_REJECTED);
    assert_int_equal(results[4].verdict, UPSINK_APPLIED);
    assert_row_has(desk, "e", "\"total\":5");
    assert_null(row(desk, "b"));
}

static void a_block_is_an_outage_and_no_bad_record(void **state)
{
    static const char *const blocks[] = {"write", "read_only_allow_delete"};
    struct desk *desk = *state;
    char on[80], off[80];
    desk_open(desk);
    for (int64_t i = 0; i < 2; i++) {
        snprintf(on, sizeof on, "{\"index.blocks.%s\":true}", blocks[i]);
        snprintf(off, sizeof off, "{\"index.blocks.%s\":null}", blocks[i]);
        must(desk, "PUT", "%s/_settings", on);
        assert_write_fails(desk, upsert("a", "{\"n\":1}", i), UPSINK_ERR_OUTAGE, "sink_read_only");
        must(desk, "PUT", "%s/_settings", off);
        assert_int_equal(apply(desk, upsert("a", "{\"n\":1}", i)), UPSINK_APPLIED);
    }
}

static void a_pipeline_that_is_not_there_is_an_outage_and_no_bad_record(void **state)
{
    struct desk *desk = *state;
    desk_open(desk);
    must(desk, "PUT", "%s/_settings", "{\"index.default_pipeline\":\"missing\"}");
    assert_write_fails(desk, upsert("a", "{\"n\":1}", 1), UPSINK_ERR_OUTAGE, "sink_unavailable");
    must(desk, "PUT", "%s/_settings", "{\"index.default_pipeline\":null}");
    assert_int_equal(apply(desk, upsert("a", "{\"n\":1}", 1)), UPSINK_APPLIED);
}

/* As a snapshot restores one: aliases belong to it. */
static void a_copy_of_the_index_with_its_aliases_is_in_nobodys_way(void **state)
{
    struct desk *desk = *state;
    char aliases[200];
    snprintf(aliases, sizeof aliases, "{\"aliases\":{\".upsink-rows-%s\":{\"is_hidden\":true}}}",
             desk->index);
    desk_open(desk);
    apply(desk, upsert("a", "{\"n\":1}", 1));
    for (int i = 0; i < 2; i++) {
        must(desk, "PUT", i ? "zzz-%s" : "aaa-%s", aliases);
        struct upsink_change change = upsert("a", "{\"n\":2}", 2 + i);
        struct upsink_result result;
        if (!try_write(desk, &change, 1, &result)) {
            assert_true(desk->err.cls == UPSINK_ERR_OUTAGE || desk->err.cls == UPSINK_ERR_TARGET_LOST);
            type->abort(desk->sink);
        }
        desk_open(desk);
        assert_int_equal(desk->position.next_offset, 2 + i);
        assert_int_equal(apply(desk, change), UPSINK_APPLIED);
    }
}

static void a_frozen_server_is_given_up_after_the_timeout(void **state)
{
    struct desk *desk = *state;
    desk_open(desk);
    apply(desk, upsert("a", "{\"n\":1}", 1));
    desk->view.timeout_us = CLOCK_SECOND;
    freeze(server_pid);
    struct upsink_change change = upsert("a", "{\"n\":2}", 2);
    struct upsink_result result;
    bool done = try_write(desk, &change, 1, &result);
    assert_int_equal(kill((pid_t)server_pid, SIGCONT), 0);
    assert_false(done);
    assert_int_equal(desk->err.cls, UPSINK_ERR_OUTAGE);
    assert_string_equal(desk->err.code, "sink_timeout");
    type->abort(desk->sink);
    desk->view.timeout_us = 30 * CLOCK_SECOND;
    need(desk, try_prepare(desk), "prepare");
    assert_int_not_equal(apply(desk, upsert("a", "{\"n\":2}", 2)), UPSINK_REJECTED);
    assert_row_has(desk, "a", "\"n\":2");
}

/* The server of this program takes no more than some hundred kilobytes at once: a whole bulk gets 429. */
static void a_busy_server_is_asked_for_less(void **state)
{
    enum { COUNT = 400, SIZE = 8000 };
    struct desk *desk = *state;
    static char keys[COUNT][16], text[SIZE];
    static struct upsink_change changes[COUNT];
    static struct upsink_result results[COUNT];
    desk_set(desk, "mappings", "{\"dynamic\":false}");
    desk_open(desk);
    memset(text, 'x', sizeof text - 1);
    memcpy(text, "{\"a\":\"", 6);
    memcpy(text + SIZE - 3, "\"}", 2);
    for (int i = 0; i < COUNT; i++) {
        snprintf(keys[i], sizeof keys[i], "k%04d", i);
        changes[i] = upsert(keys[i], text, i);
    }
    need(desk, try_write(desk, changes, COUNT, results), "write");
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(results[i].verdict, UPSINK_APPLIED);
    const char *stats = must(desk, "GET", "_nodes/stats/indexing_pressure", NULL);
    assert_null(strstr(stats, "\"coordinating_rejections\":0"));
}

static void what_no_request_can_hold_is_refused_alone(void **state)
{
    struct desk *desk = *state;
    size_t len = 3 << 20;
    char *text = malloc(len + 1);
    assert_non_null(text);
    memset(text, 'x', len);
    text[0] = text[len - 1] = '"';
    text[len] = '\0';
    struct upsink_change changes[] = {upsert("a", "{\"n\":1}", 1), upsert("b", text, 2),
                                      upsert("c", "{}", 3)};
    struct upsink_result results[3];
    desk_open(desk);
    need(desk, try_write(desk, changes, 3, results), "write");
    assert_int_equal(results[0].verdict, UPSINK_APPLIED);
    assert_int_equal(results[1].verdict, UPSINK_REJECTED);
    assert_string_equal(results[1].error->code, "value_too_large");
    assert_int_equal(results[2].verdict, UPSINK_APPLIED);
    free(text);
}

/* --- the index is not what it was --------------------------------------------------------------------------
 */

static void an_index_that_somebody_else_made_again_is_filled_again(void **state)
{
    struct desk *desk = *state;
    desk_open(desk);
    apply(desk, upsert("a", "{\"n\":1}", 1));
    must(desk, "DELETE", "%s", NULL);
    must(desk, "PUT", "%s/_doc/theirs", "{\"n\":\"made by the first document\"}");
    assert_write_fails(desk, upsert("b", "{\"n\":2}", 2), UPSINK_ERR_TARGET_LOST, "target_lost");
    need(desk, try_prepare(desk), "prepare");
    claim(desk);
    assert_int_equal(desk->position.next_offset, -1);
    assert_int_equal(apply(desk, upsert("a", "{\"n\":1}", 1)), UPSINK_APPLIED);
    assert_non_null(strstr(must(desk, "GET", "%s/_mapping", NULL), "\"enabled\":false"));
}

/* Writes go through an alias that only upsink's own index has: without it nothing is made by a write. */
static void no_write_makes_an_index(void **state)
{
    struct desk *desk = *state;
    char body[200];
    desk_open(desk);
    apply(desk, upsert("a", "{\"n\":1}", 1));
    snprintf(body, sizeof body,
             "{\"actions\":[{\"remove\":{\"index\":\"%s\",\"alias\":\".upsink-rows-%s\"}}]}", desk->index,
             desk->index);
    must(desk, "POST", "_aliases", body);
    assert_write_fails(desk, upsert("a", "{\"n\":2}", 2), UPSINK_ERR_TARGET_LOST, "target_lost");
    assert_int_equal(ask("GET", ".upsink-rows-t0", NULL, NULL), 404);
    /* The index is the same: it is not filled again. */
    need(desk, try_prepare(desk), "prepare");
    claim(desk);
    assert_int_equal(desk->position.next_offset, 2);
    assert_int_equal(apply(desk, upsert("a", "{\"n\":2}", 2)), UPSINK_APPLIED);
}

static void lost_state_begins_above_every_generation_in_the_rows(void **state)
{
    struct desk *desk = *state;
    desk_open(desk);
    struct upsink_change change = upsert("a", "{\"n\":1}", 1);
    change.generation = 7;
    apply(desk, change);
    change = tombstone("b", 2);
    change.generation = 9;
    apply(desk, change);
    must(desk, "DELETE", ".upsink-state", NULL);
    assert_false(try_commit(desk));
    need(desk, try_prepare(desk), "prepare");
    claim(desk);
    assert_int_equal(desk->position.next_offset, -1);
    assert_int_equal(desk->position.generation, 9);
}

static void lost_delete_fences_are_noticed(void **state)
{
    struct desk *desk = *state;
    char path[64];
    desk_open(desk);
    apply(desk, tombstone("a", 5));
    snprintf(path, sizeof path, ".upsink-deleted-%s", desk->index);
    must(desk, "DELETE", path, NULL);
    assert_write_fails(desk, upsert("b", "{\"n\":6}", 6), UPSINK_ERR_TARGET_LOST, "target_lost");
    need(desk, try_prepare(desk), "prepare");
    claim(desk);
    assert_int_equal(desk->position.next_offset, -1);
}

static void an_alias_stands_for_its_one_index(void **state)
{
    struct desk *desk = *state;
    must(desk, "PUT", "%s-1", "{\"mappings\":{\"dynamic\":false}}");
    char body[200];
    snprintf(body, sizeof body, "{\"actions\":[{\"add\":{\"index\":\"%s-1\",\"alias\":\"%s\"}}]}",
             desk->index, desk->index);
    must(desk, "POST", "_aliases", body);
    desk_open(desk);
    assert_int_equal(apply(desk, upsert("a", "{\"n\":1}", 1)), UPSINK_APPLIED);
    assert_row_has(desk, "a", "\"n\":1");
    must(desk, "GET", "%s-1/_doc/a", NULL);
    must(desk, "PUT", "%s-2", "{}");
    snprintf(body, sizeof body, "{\"actions\":[{\"add\":{\"index\":\"%s-2\",\"alias\":\"%s\"}}]}",
             desk->index, desk->index);
    must(desk, "POST", "_aliases", body);
    desk_close(desk);
    assert_false(try_prepare(desk));
    assert_string_equal(desk->err.code, "target_mismatch");
}

static void the_views_settings_make_the_index(void **state)
{
    struct desk *desk = *state;
    desk_set(desk, "settings", "{\"number_of_shards\":3,\"refresh_interval\":\"7s\"}");
    desk_set(desk, "mappings", "{\"dynamic\":\"strict\",\"properties\":{\"n\":{\"type\":\"long\"}}}");
    desk_set(desk, "alias", "readers-of-orders");
    struct upsink_result result;
    struct upsink_change odd = upsert("b", "{\"m\":1}", 2);
    desk_open(desk);
    apply(desk, upsert("a", "{\"n\":1}", 1));
    const char *text = must(desk, "GET", "%s", NULL);
    assert_non_null(strstr(text, "\"number_of_shards\":\"3\""));
    assert_non_null(strstr(text, "\"refresh_interval\":\"7s\""));
    assert_non_null(strstr(text, "\"dynamic\":\"strict\""));
    must(desk, "GET", "readers-of-orders/_doc/a", NULL);
    need(desk, try_write(desk, &odd, 1, &result), "write");
    assert_int_equal(result.verdict, UPSINK_REJECTED);
    assert_string_equal(result.error->code, "mapping_conflict");
    desk_open(desk); /* what is there already is good */
}

/* --- readers
 * ------------------------------------------------------------------------------------------------- */

static void readers_see_live_entities_and_nothing_else(void **state)
{
    struct desk *desk = *state;
    desk_open(desk);
    apply(desk, upsert("a", "{\"n\":1,\"_id\":\"a\"}", 1));
    apply(desk, upsert("b", "{\"n\":2}", 2));
    apply(desk, tombstone("b", 3));
    apply(desk, tombstone("never", 4));
    must(desk, "POST", "_refresh", "");
    assert_non_null(strstr(must(desk, "GET", "%s/_count", NULL), "\"count\":1"));
    assert_null(strstr(must(desk, "GET", "_search?size=1000", NULL), "\"deleted\":true"));
    assert_null(strstr(must(desk, "GET", "%s/_search?q=generation:1", NULL), "\"_id\":\"a\""));
}

static void digits_survive_a_soft_delete(void **state)
{
    static const char entity[] = "{\"n\":1234567890123456789012345.678901234,\"z\":[1.10,1e2]}";
    struct desk *desk = *state;
    desk->view.delete_mode = UPSINK_DELETE_SOFT;
    desk_set(desk, "mappings", "{\"dynamic\":false}");
    desk_open(desk);
    apply(desk, upsert("a", entity, 1));
    assert_int_equal(apply(desk, tombstone("a", 5)), UPSINK_APPLIED);
    assert_row_has(desk, "a", "\"n\":1234567890123456789012345.678901234,\"z\":[1.10,1e2]");
    assert_row_has(desk, "a", "\"deleted_at\":\"2023-11-14T22:13:20.000005Z\"");
    struct upsink_row seen;
    need(desk, type->read_row(desk->sink, UPSINK_SLICE_LIT("a"), &seen, &desk->err), "read_row");
    assert_true(upsink_slice_is(seen.entity, entity));
}

static long long writes_of_rows(const struct desk *desk)
{
    static const char name[] = "\"index_total\":";
    const char *answer =
        must(desk, "GET", "%s/_stats/indexing?filter_path=_all.primaries.indexing.index_total", NULL);
    const char *found = strstr(answer, name);
    assert_non_null(found);
    return atoll(found + strlen(name));
}

static void what_a_zombie_remembers_can_not_undo_a_delete(void **state)
{
    struct desk *zombie = *state, *owner = desk_twin(zombie);
    void *owner_state = owner;
    desk_open(zombie);
    apply(zombie, upsert("a", "{\"n\":1}", 1));
    apply(zombie, upsert("b", "{\"n\":2}", 2));
    apply(zombie, tombstone("c", 3));
    desk_open(owner);
    assert_int_equal(apply(owner, tombstone("a", 10)), UPSINK_APPLIED);
    assert_int_equal(apply(owner, upsert("b", "{\"n\":11}", 11)), UPSINK_APPLIED);
    assert_int_equal(apply(owner, upsert("c", "{\"n\":12}", 12)), UPSINK_APPLIED);
    assert_int_equal(apply(owner, tombstone("c", 13)), UPSINK_APPLIED);
    struct upsink_change late[] = {upsert("a", "{\"n\":5}", 5), upsert("b", "{\"n\":6}", 6),
                                   upsert("c", "{\"n\":7}", 7)};
    struct upsink_result results[3];
    long long rows_written = writes_of_rows(owner);
    need(zombie, try_write(zombie, late, 3, results), "write");
    assert_int_equal(writes_of_rows(owner), rows_written); /* nor was it there for a moment */
    assert_false(try_commit(zombie));
    assert_int_equal(zombie->err.cls, UPSINK_ERR_FENCED);
    assert_null(row(owner, "a"));
    assert_row_has(owner, "b", "\"n\":11");
    assert_null(row(owner, "c"));
    desk_teardown(&owner_state);
}

/* --- what is no Elasticsearch
 * -------------------------------------------------------------------------------- */

struct stranger {
    int listener;
    const char *answer;
};

static void *answer_once(void *context)
{
    struct stranger *stranger = context;
    char request[4096];
    for (int i = 0; i < 8; i++) {
        int client = accept(stranger->listener, NULL, NULL);
        if (client < 0)
            return NULL;
        if (recv(client, request, sizeof request, 0) > 0)
            (void)!write(client, stranger->answer, strlen(stranger->answer));
        close(client);
    }
    return NULL;
}

static void half_answers_and_other_servers_are_no_bad_records(void **state)
{
    static const struct {
        const char *answer, *code;
        enum upsink_error_class cls;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"nod", "sink_unreachable", UPSINK_ERR_OUTAGE},
        {"", "sink_unreachable", UPSINK_ERR_OUTAGE},
        {"HTTP/1.1 200 OK\r\nContent-Length: 13\r\nConnection: close\r\n\r\n<html></html>", "bad_answer",
         UPSINK_ERR_UNKNOWN},
        {"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
         "sink_unavailable", UPSINK_ERR_OUTAGE},
        {"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "sink_busy",
         UPSINK_ERR_OUTAGE},
    };
    struct desk *desk = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof address;
        struct stranger stranger = {socket(AF_INET, SOCK_STREAM, 0), cases[i].answer};
        pthread_t thread;
        assert_int_equal(bind(stranger.listener, (struct sockaddr *)&address, len), 0);
        assert_int_equal(listen(stranger.listener, 8), 0);
        assert_int_equal(getsockname(stranger.listener, (struct sockaddr *)&address, &len), 0);
        assert_int_equal(pthread_create(&thread, NULL, answer_once, &stranger), 0);
        snprintf(desk->url, sizeof desk->url, "elasticsearch://127.0.0.1:%d", ntohs(address.sin_port));
        assert_false(try_prepare(desk));
        shutdown(stranger.listener, SHUT_RDWR);
        pthread_join(thread, NULL);
        close(stranger.listener);
        if (desk->err.cls != cases[i].cls || strcmp(desk->err.code, cases[i].code) != 0)
            need(desk, false, "another error was expected");
        desk_close(desk);
    }
}

/* Nothing is ever there, and all that is made is confirmed; each answer takes its time. */
static void *answer_slowly(void *context)
{
    static const char missing[] =
        "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    static const char made[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    struct stranger *stranger = context;
    char request[4096];
    for (;;) {
        int client = accept(stranger->listener, NULL, NULL);
        if (client < 0)
            return NULL;
        ssize_t len = recv(client, request, sizeof request, 0);
        sleep_ms(300);
        if (len > 0 && *request == 'G')
            (void)!write(client, missing, sizeof missing - 1);
        else if (len > 0)
            (void)!write(client, made, sizeof made - 1);
        close(client);
    }
}

static void preparing_a_server_that_only_just_answers_is_given_up(void **state)
{
    struct desk *desk = *state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    struct stranger stranger = {socket(AF_INET, SOCK_STREAM, 0), NULL};
    pthread_t thread;
    assert_int_equal(bind(stranger.listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(stranger.listener, 8), 0);
    assert_int_equal(getsockname(stranger.listener, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(pthread_create(&thread, NULL, answer_slowly, &stranger), 0);
    snprintf(desk->url, sizeof desk->url, "elasticsearch://127.0.0.1:%d", ntohs(address.sin_port));
    desk->view.timeout_us = CLOCK_SECOND;
    int64_t begun = clock_monotonic_us();
    assert_false(try_prepare(desk));
    int64_t took = clock_monotonic_us() - begun;
    shutdown(stranger.listener, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(stranger.listener);
    assert_int_equal(desk->err.cls, UPSINK_ERR_OUTAGE);
    if (took > 10 * CLOCK_SECOND) /* without an end of its own it is 27 s */
        fail_msg("it took %lld ms", (long long)(took / CLOCK_MS));
}

static const struct CMUnitTest tests[] = {
    TEST(deletes_hold_past_gc_deletes_and_a_closed_index),
    TEST(what_was_written_outlives_a_killed_server),
    TEST(each_item_of_a_bulk_is_judged),
    TEST(a_block_is_an_outage_and_no_bad_record),
    TEST(a_pipeline_that_is_not_there_is_an_outage_and_no_bad_record),
    TEST(a_copy_of_the_index_with_its_aliases_is_in_nobodys_way),
    TEST(a_frozen_server_is_given_up_after_the_timeout),
    TEST(a_busy_server_is_asked_for_less),
    TEST(what_no_request_can_hold_is_refused_alone),
    TEST(an_index_that_somebody_else_made_again_is_filled_again),
    TEST(no_write_makes_an_index),
    TEST(lost_delete_fences_are_noticed),
    TEST(an_alias_stands_for_its_one_index),
    TEST(the_views_settings_make_the_index),
    TEST(readers_see_live_entities_and_nothing_else),
    TEST(digits_survive_a_soft_delete),
    TEST(what_a_zombie_remembers_can_not_undo_a_delete),
    TEST(half_answers_and_other_servers_are_no_bad_records),
    TEST(preparing_a_server_that_only_just_answers_is_given_up),
    TEST(lost_state_begins_above_every_generation_in_the_rows), /* the last one: it takes all views' state */
};

int main(void)
{
    choose_server("opensearch");
    server_extra = "indexing_pressure.memory.limit: 400kb\nhttp.max_content_length: 2mb";
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
