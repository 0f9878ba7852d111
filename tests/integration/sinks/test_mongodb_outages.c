/* What happens to a batch when MongoDB, or the way to it, fails. */
#include "freeze.h"
#include "mongodb_help.h"

#include <pthread.h>
#include <signal.h>

static void fail_next(struct desk *desk, const char *commands, const char *how)
{
    forget(ask(desk, "admin",
               "{'configureFailPoint':'failCommand','mode':{'times':1},'data':{'failCommands':[%s],%s}}",
               commands, how));
}

static void end_failures(struct desk *desk)
{
    forget(ask(desk, "admin", "{'configureFailPoint':'failCommand','mode':'off'}"));
}

/* What the connector does after a failure: until it is done. */
static void repeat(struct desk *desk, const struct upsink_change *changes, size_t count, int64_t next_offset)
{
    struct upsink_result results[64];
    for (int tries = 0; tries < 200; tries++) {
        type->abort(desk->sink);
        if (type->prepare(desk->sink, NULL, &desk->err) && try_write(desk, changes, count, results) &&
            try_commit(desk, next_offset))
            return;
        if (desk->err.cls != UPSINK_ERR_OUTAGE)
            break;
        usleep(100000);
    }
    need(desk, false, "the repeated batch");
}

static void a_killed_server_is_an_outage_and_the_batch_goes_in_after_its_restart(void **state)
{
    struct desk *desk = *state;
    struct upsink_result results[3];
    const struct upsink_change changes[3] = {upsert("a", 10, "{\"n\":2}"), upsert("b", 11, "{\"n\":1}"),
                                             tombstone("c", 12)};
    desk_open(desk);
    assert_int_equal(apply(desk, upsert("a", 1, "{\"n\":1}")), UPSINK_APPLIED);
    assert_int_equal(apply(desk, upsert("c", 2, "{\"n\":1}")), UPSINK_APPLIED);
    server("kill9");
    assert_false(try_write(desk, changes, 3, results));
    assert_int_equal(desk->err.cls, UPSINK_ERR_OUTAGE);
    type->abort(desk->sink);
    assert_false(type->prepare(desk->sink, NULL, &desk->err));
    assert_int_equal(desk->err.cls, UPSINK_ERR_OUTAGE);
    assert_string_equal(desk->err.code, "sink_unreachable");
    server("restart");
    desk_connect(desk);
    repeat(desk, changes, 3, 13);
    assert_string_equal(look(desk, "orders", "a", "n"), "{ \"$numberLong\" : \"2\" }");
    assert_string_equal(look(desk, "orders", "c", ""), "");
    assert_string_equal(look(desk, "_upsink_deleted_orders", "c", "_upsink.deleted"), "true");
}

/* What was acknowledged by one primary alone may be gone with it: the position must not pass it. */
static void another_primary_between_write_and_commit_repeats_the_batch(void **state)
{
    struct desk *desk = *state;
    struct upsink_result result;
    struct upsink_change change = upsert("a", 5, "{\"n\":1}");
    desk_open(desk);
    need(desk, try_write(desk, &change, 1, &result), "write");
    server("kill9");
    server("restart");
    desk_connect(desk);
    int64_t before = desk->position.next_offset;
    for (int tries = 0; tries < 3; tries++) {
        assert_false(try_commit(desk, 6));
        assert_int_equal(desk->err.cls, UPSINK_ERR_OUTAGE);
    }
    type->abort(desk->sink);
    need(desk, type->prepare(desk->sink, NULL, &desk->err), "prepare");
    need(desk, type->claim(desk->sink, &desk->position, &desk->err), "claim");
    assert_int_equal(desk->position.next_offset, before);
    repeat(desk, &change, 1, 6);
    assert_string_equal(look(desk, "orders", "a", "n"), "{ \"$numberLong\" : \"1\" }");
}

static void a_stale_upsert_stays_out_after_a_delete_and_a_restart_of_both(void **state)
{
    struct desk *desk = *state;
    struct upsink_change late = upsert("a", 2, "{\"n\":2}");
    desk_open(desk);
    apply(desk, upsert("a", 1, "{\"n\":1}"));
    apply(desk, tombstone("a", 3));
    desk_close(desk);
    server("kill9");
    server("restart");
    desk_connect(desk);
    desk_open(desk);
    assert_int_equal(desk->position.next_offset, 4);
    assert_int_equal(apply(desk, late), UPSINK_STALE);
    assert_string_equal(look(desk, "orders", "a", ""), "");
    assert_int_equal(apply(desk, upsert("a", 4, "{\"n\":4}")), UPSINK_APPLIED);
    assert_string_equal(look(desk, "_upsink_deleted_orders", "a", ""), "");
}

static void a_primary_that_steps_down_is_an_outage(void **state)
{
    struct desk *desk = *state;
    struct upsink_result result;
    struct upsink_change change = upsert("a", 5, "{\"n\":5}");
    desk_open(desk);
    forget(ask(desk, "admin", "{'replSetStepDown':2,'force':true}"));
    assert_false(try_write(desk, &change, 1, &result) && try_commit(desk, 6));
    assert_int_equal(desk->err.cls, UPSINK_ERR_OUTAGE);
    repeat(desk, &change, 1, 6);
    assert_string_equal(look(desk, "orders", "a", "n"), "{ \"$numberLong\" : \"5\" }");
}

static void every_failure_of_a_command_has_its_class(void **state)
{
    static const struct {
        const char *how;
        enum upsink_error_class cls;
        const char *code;
    } cases[] = {
        {"'errorCode':10107", UPSINK_ERR_OUTAGE, "sink_read_only"},
        {"'errorCode':189", UPSINK_ERR_OUTAGE, "sink_unavailable"},
        {"'errorCode':91", UPSINK_ERR_OUTAGE, "sink_unavailable"},
        {"'errorCode':11602", UPSINK_ERR_OUTAGE, "sink_unavailable"},
        {"'errorCode':6", UPSINK_ERR_OUTAGE, "sink_unreachable"},
        {"'errorCode':112", UPSINK_ERR_OUTAGE, "sink_busy"},
        {"'errorCode':50", UPSINK_ERR_OUTAGE, "sink_timeout"},
        {"'errorCode':14031", UPSINK_ERR_OUTAGE, "sink_full"},
        {"'errorCode':13", UPSINK_ERR_REFUSED, "permission_denied"},
        {"'errorCode':18", UPSINK_ERR_REFUSED, "credentials_refused"},
        {"'errorCode':121", UPSINK_ERR_UNKNOWN, "sink_error"}, /* no record is at fault for a command */
        {"'errorCode':11000", UPSINK_ERR_UNKNOWN, "sink_error"},
        {"'errorCode':424242", UPSINK_ERR_UNKNOWN, "sink_error"},
        {"'closeConnection':true", UPSINK_ERR_OUTAGE, NULL},
        {"'writeConcernError':{'code':64,'errmsg':'waiting for replication timed out'}", UPSINK_ERR_OUTAGE,
         "write_not_replicated"},
        {"'writeConcernError':{'code':91,'errmsg':'shutdown in progress'}", UPSINK_ERR_OUTAGE,
         "sink_unavailable"},
        {"'writeConcernError':{'code':79,'errmsg':'no such mode'}", UPSINK_ERR_FATAL, "bad_write_concern"},
    };
    struct desk *desk = *state;
    struct upsink_result result;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct upsink_change change = upsert("a", (int64_t)i, "{\"n\":1}");
        desk_open(desk);
        fail_next(desk, "'insert','update'", cases[i].how);
        if (try_write(desk, &change, 1, &result) && try_commit(desk, (int64_t)i + 1))
            fail_msg("%s went unnoticed", cases[i].how);
        end_failures(desk);
        if (desk->err.cls != cases[i].cls || (cases[i].code && strcmp(cases[i].code, desk->err.code) != 0))
            fail_msg("%s: class %d, %s: %s", cases[i].how, (int)desk->err.cls, desk->err.code,
                     desk->err.text);
        repeat(desk, &change, 1, (int64_t)i + 1);
        assert_string_equal(look(desk, "orders", "a", "n"), "{ \"$numberLong\" : \"1\" }");
    }
}

/* The write stands, the answer does not come: repeating it changes nothing. */
static void a_lost_answer_makes_no_second_change(void **state)
{
    struct desk *desk = *state;
    struct upsink_result result;
    struct upsink_change change = upsert("a", 5, "{\"n\":5}");
    desk_open(desk);
    fail_next(desk, "'insert'", "'writeConcernError':{'code':64,'errmsg':'x'}");
    assert_false(try_write(desk, &change, 1, &result));
    assert_string_equal(look(desk, "orders", "a", "n"), "{ \"$numberLong\" : \"5\" }");
    type->abort(desk->sink);
    need(desk, type->prepare(desk->sink, NULL, &desk->err), "prepare");
    assert_int_equal(apply(desk, change), UPSINK_STALE);
    assert_string_equal(look(desk, "orders", "a", "_upsink.offset"), "{ \"$numberLong\" : \"5\" }");
}

/* One that is held up on its way to the server, with what it knew before. */
struct slow {
    struct desk *desk;
    struct upsink_change change;
    struct upsink_result result;
    bool done;
};

static void *write_slowly(void *context)
{
    struct slow *slow = context;
    slow->done = try_write(slow->desk, &slow->change, 1, &slow->result);
    return NULL;
}

/* `slow` is written by one sink, which is stopped before its command runs; `quick` by another meanwhile. */
static void overtake(struct desk *desk, const char *command, struct upsink_change slow,
                     struct upsink_change quick)
{
    struct desk other = {.admin = desk->admin, .view = desk->view};
    struct slow writer = {.desk = desk, .change = slow};
    pthread_t thread;
    arena_init(&other.arena, 0);
    need(&other, type->open(&other.sink, &other.view, NULL, &other.err), "open");
    need(&other, type->prepare(other.sink, NULL, &other.err), "prepare");
    other.position = (struct upsink_position){.topic = UPSINK_SLICE_LIT("orders"), .partition = 1};
    need(&other, type->claim(other.sink, &other.position, &other.err), "claim");
    fail_next(desk, command, "'blockConnection':true,'blockTimeMS':3000");
    assert_int_equal(pthread_create(&thread, NULL, write_slowly, &writer), 0);
    usleep(500000);
    assert_int_equal(apply(&other, quick), UPSINK_APPLIED);
    pthread_join(thread, NULL);
    need(desk, writer.done, "the slow write");
    need(desk, try_commit(desk, slow.offset + 1), "commit");
    type->close(other.sink);
    arena_destroy(&other.arena);
}

static struct upsink_change in_partition_1(struct upsink_change change, int64_t timestamp)
{
    change.partition = 1;
    change.timestamp = timestamp;
    return change;
}

static void a_write_that_was_overtaken_does_not_undo_a_newer_one(void **state)
{
    struct desk *desk = *state;
    desk_open(desk);
    apply(desk, upsert("a", 1, "{\"n\":1}"));
    struct upsink_change slow = upsert("a", 2, "{\"n\":2}");
    overtake(desk, "'update'", slow, in_partition_1(upsert("a", 1, "{\"n\":3}"), slow.timestamp + 1));
    assert_string_equal(look(desk, "orders", "a", "n"), "{ \"$numberLong\" : \"3\" }");
}

static void a_write_that_was_overtaken_by_an_older_one_still_stands(void **state)
{
    struct desk *desk = *state;
    desk_open(desk);
    apply(desk, upsert("a", 1, "{\"n\":1}"));
    struct upsink_change slow = upsert("a", 2, "{\"n\":2}");
    overtake(desk, "'update'", slow, in_partition_1(upsert("a", 1, "{\"n\":3}"), slow.timestamp - 1));
    assert_string_equal(look(desk, "orders", "a", "n"), "{ \"$numberLong\" : \"2\" }");
}

static void a_new_row_that_a_delete_overtook_does_not_stay(void **state)
{
    struct desk *desk = *state;
    desk_open(desk);
    struct upsink_change slow = upsert("a", 2, "{\"n\":2}");
    overtake(desk, "'insert'", slow, in_partition_1(tombstone("a", 1), slow.timestamp + 1));
    assert_string_equal(look(desk, "orders", "a", ""), "");
    assert_string_equal(look(desk, "_upsink_deleted_orders", "a", "_upsink.deleted"), "true");
}

static void a_delete_that_a_newer_row_overtook_does_not_take_it(void **state)
{
    struct desk *desk = *state;
    desk_open(desk);
    apply(desk, upsert("a", 1, "{\"n\":1}"));
    struct upsink_change slow = tombstone("a", 2);
    overtake(desk, "'delete'", slow, in_partition_1(upsert("a", 1, "{\"n\":3}"), slow.timestamp + 1));
    assert_string_equal(look(desk, "orders", "a", "n"), "{ \"$numberLong\" : \"3\" }");
}

/* How often rows were read, since the profile was switched on. */
static int reads_of_rows(struct desk *desk)
{
    bson_iter_t iter;
    bson_t *reply =
        ask(desk, NULL, "{'count':'system.profile','query':{'op':'query','command.find':'orders'}}");
    assert_true(bson_iter_init_find(&iter, reply, "n"));
    int count = (int)bson_iter_as_int64(&iter);
    forget(reply);
    return count;
}

/* Whoever slept while it read may have lost its partition meanwhile. */
static void no_row_is_made_by_fences_that_took_long_to_read(void **state)
{
    struct desk *desk = *state;
    desk_open(desk);
    apply(desk, upsert("z", 1, "{\"n\":1}"));
    forget(ask(desk, NULL, "{'profile':2}"));
    apply(desk, upsert("a", 2, "{\"n\":2}"));
    int usual = reads_of_rows(desk);
    assert_true(usual > 0);
    forget(ask(desk, "admin",
               "{'configureFailPoint':'failCommand','mode':{'times':4},'data':{'failCommands':['find'],"
               "'blockConnection':true,'blockTimeMS':700}}"));
    apply(desk, upsert("b", 3, "{\"n\":3}"));
    end_failures(desk);
    assert_int_equal(reads_of_rows(desk), usual * 2 + 1); /* once more, by fresh ones */
    forget(ask(desk, NULL, "{'profile':0}"));
    assert_string_equal(look(desk, "orders", "b", "n"), "{ \"$numberLong\" : \"3\" }");
}

static void a_frozen_server_is_given_up_after_the_timeout(void **state)
{
    struct desk *desk = *state;
    struct upsink_result result;
    struct upsink_change change = upsert("a", 1, "{}");
    desk_open(desk);
    freeze(server_pid);
    int64_t begin = clock_monotonic_us();
    bool done = try_write(desk, &change, 1, &result);
    int64_t took = clock_monotonic_us() - begin;
    kill((pid_t)server_pid, SIGCONT);
    assert_false(done);
    assert_int_equal(desk->err.cls, UPSINK_ERR_OUTAGE);
    assert_string_equal(desk->err.code, "sink_timeout");
    assert_in_range(took, 5 * CLOCK_SECOND, 30 * CLOCK_SECOND);
    repeat(desk, &change, 1, 2);
}

static void another_name_of_the_replica_set_is_said_to_be_suspicious(void **state)
{
    struct desk *desk = *state;
    desk_close(desk);
    snprintf(desk->url, sizeof desk->url,
             "mongodb://127.0.0.1:%ld/app?replicaSet=other&collection=orders&serverSelectionTimeoutMS=500",
             server_port);
    need(desk, type->open(&desk->sink, &desk->view, NULL, &desk->err), "open");
    assert_false(type->prepare(desk->sink, NULL, &desk->err));
    assert_int_equal(desk->err.cls, UPSINK_ERR_OUTAGE);
    assert_non_null(strstr(desk->err.detail, "is other (replicaSet in the URL) the name of its replica set"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DESK_TEST(a_killed_server_is_an_outage_and_the_batch_goes_in_after_its_restart),
        DESK_TEST(another_primary_between_write_and_commit_repeats_the_batch),
        DESK_TEST(a_stale_upsert_stays_out_after_a_delete_and_a_restart_of_both),
        DESK_TEST(a_primary_that_steps_down_is_an_outage),
        DESK_TEST(every_failure_of_a_command_has_its_class),
        DESK_TEST(a_lost_answer_makes_no_second_change),
        DESK_TEST(a_write_that_was_overtaken_does_not_undo_a_newer_one),
        DESK_TEST(a_write_that_was_overtaken_by_an_older_one_still_stands),
        DESK_TEST(a_new_row_that_a_delete_overtook_does_not_stay),
        DESK_TEST(a_delete_that_a_newer_row_overtook_does_not_take_it),
        DESK_TEST(no_row_is_made_by_fences_that_took_long_to_read),
        DESK_TEST(a_frozen_server_is_given_up_after_the_timeout),
        DESK_TEST(another_name_of_the_replica_set_is_said_to_be_suspicious),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
