/* What stands in Redis: rows as readers want them, and nothing else under the prefix. */
#include "redis_help.h"

static void use_hash(struct desk *desk)
{
    snprintf(desk->url, sizeof desk->url, "redis://127.0.0.1:%ld/0?type=hash", server_port);
}

static const char *field(const struct desk *desk, const char *key, const char *name)
{
    return ask("HGET %s%s %s", desk->prefix, key, name);
}

static int64_t keys_under(const char *prefix)
{
    return strtoll(ask("EVAL %s 0 %s", "return #redis.call('KEYS', ARGV[1] .. '*')", prefix), NULL, 10);
}

static void a_row_is_the_producers_json_and_nothing_else_stands_under_the_prefix(void **state)
{
    struct desk *desk = *state;
    desk_open(desk);
    apply(desk, upsert("a", " {\"n\" : 1.10, \"\\u0061\":null} ", 1));
    apply(desk, upsert("b", "{}", 2));
    apply(desk, tombstone("b", 3));
    assert_string_equal(row(desk, "a"), " {\"n\" : 1.10, \"\\u0061\":null} ");
    assert_string_equal(ask("TTL %sa", desk->prefix), "-1");
    assert_int_equal(keys_under(desk->prefix), 1);
    /* Everything else is where the manual's pattern for rights says. */
    int64_t all = strtoll(ask("DBSIZE"), NULL, 10);
    assert_int_equal(keys_under("_upsink:") + keys_under("t"), all);
}

static void a_hash_has_the_fields_of_the_last_state_alone(void **state)
{
    struct desk *desk = *state;
    use_hash(desk);
    desk_open(desk);
    apply(
        desk,
        upsert("a",
               "{\"text\":\"\\u00e9\\n\\\"\",\"int\":9007199254740993,\"dec\":1.10,\"yes\":true,\"no\":false,"
               "\"none\":null,\"deep\":{ \"a\" : [1, null] "
               "},\"gone\":1,\"twice\":1,\"twice\":null,\"\":\"empty\"}",
               1));
    assert_string_equal(field(desk, "a", "text"), "\xc3\xa9\n\"");
    assert_string_equal(field(desk, "a", "int"), "9007199254740993");
    assert_string_equal(field(desk, "a", "dec"), "1.10");
    assert_string_equal(field(desk, "a", "yes"), "true");
    assert_string_equal(field(desk, "a", "no"), "false");
    assert_string_equal(field(desk, "a", "deep"), "{ \"a\" : [1, null] }");
    assert_string_equal(ask("HLEN %sa", desk->prefix), "8");
    assert_string_equal(ask("HEXISTS %sa %s", desk->prefix, "none"), "0");
    assert_string_equal(ask("HEXISTS %sa %s", desk->prefix, "twice"), "0");
    apply(desk, upsert("a", "{\"text\":\"x\"}", 2));
    assert_string_equal(ask("HLEN %sa", desk->prefix), "1");
    apply(desk, tombstone("a", 3));
    assert_string_equal(ask("EXISTS %sa", desk->prefix), "0");
}

static void what_no_hash_can_hold_is_refused_alone(void **state)
{
    struct desk *desk = *state;
    struct upsink_result results[4];
    use_hash(desk);
    desk_open(desk);
    struct upsink_change changes[4] = {upsert("a", "[1]", 1), upsert("b", "{\"x\":1}", 2),
                                       upsert("c", "{}", 3), upsert("d", "{\"x\":null}", 4)};
    need(desk, try_write(desk, changes, 4, results), "write");
    assert_string_equal(results[0].error->code, "not_an_object");
    assert_int_equal(results[1].verdict, UPSINK_APPLIED);
    assert_string_equal(results[2].error->code, "empty_hash");
    assert_string_equal(results[3].error->code, "empty_hash");
}

static void a_hash_of_many_fields_is_taken(void **state)
{
    enum { FIELDS = 20000 };
    struct desk *desk = *state;
    char *text = malloc(FIELDS * 24), *at = text;
    assert_non_null(text);
    for (int i = 0; i < FIELDS; i++)
        at += sprintf(at, "%c\"f%d\":%d", i ? ',' : '{', i, i);
    strcpy(at, "}");
    use_hash(desk);
    desk_open(desk);
    assert_int_equal(apply(desk, upsert("a", text, 1)), UPSINK_APPLIED);
    assert_string_equal(ask("HLEN %sa", desk->prefix), "20000");
    assert_string_equal(field(desk, "a", "f19999"), "19999");
    free(text);
}

/* Judged: a single key that is not ours is one record's trouble; see sinks/redis/README.md. */
static void a_key_that_holds_something_else_is_refused_alone(void **state)
{
    struct desk *desk = *state;
    struct upsink_result results[3];
    desk_open(desk);
    ask("RPUSH %sb theirs", desk->prefix);
    struct upsink_change changes[3] = {upsert("a", "{}", 1), upsert("b", "{}", 2), upsert("c", "{}", 3)};
    need(desk, try_write(desk, changes, 3, results), "write");
    assert_int_equal(results[0].verdict, UPSINK_APPLIED);
    assert_int_equal(results[1].verdict, UPSINK_REJECTED);
    assert_string_equal(results[1].error->code, "key_taken");
    assert_int_equal(results[2].verdict, UPSINK_APPLIED);
    /* A tombstone does not take it away either. */
    assert_int_equal(apply(desk, tombstone("b", 5)), UPSINK_APPLIED);
    assert_string_equal(ask("LLEN %sb", desk->prefix), "1");
    ask("DEL %sb", desk->prefix);
    assert_int_equal(apply(desk, upsert("b", "{}", 6)), UPSINK_APPLIED);
}

static void a_prefix_with_keys_of_another_type_is_refused(void **state)
{
    struct desk *desk = *state;
    ask("RPUSH %sx theirs", desk->prefix);
    assert_false(try_prepare(desk));
    assert_string_equal(desk->err.code, "target_mismatch");
    assert_int_equal(desk->err.cls, UPSINK_ERR_FATAL);
    ask("DEL %sx", desk->prefix);
    need(desk, try_prepare(desk), "prepare");
    desk_close(desk);
    use_hash(desk);
    assert_false(try_prepare(desk));
    assert_string_equal(desk->err.code, "target_mismatch");
}

/* A pattern in a prefix is no pattern. */
static void a_prefix_is_taken_literally(void **state)
{
    struct desk *desk = *state;
    snprintf(desk->prefix, sizeof desk->prefix, "[a-z]*?\\^:");
    ask("RPUSH q theirs");
    desk_open(desk);
    apply(desk, upsert("a", "{}", 1));
    assert_string_equal(row(desk, "a"), "{}");
    desk_close(desk);
    need(desk, try_prepare(desk), "prepare");
    claim(desk);
    assert_int_equal(desk->position.next_offset, 2);
    ask("DEL q");
}

static void a_row_that_was_taken_away_comes_back_with_a_repetition(void **state)
{
    struct desk *desk = *state;
    desk_open(desk);
    apply(desk, upsert("a", "{\"n\":1}", 1));
    apply(desk, upsert("b", "{\"n\":2}", 2));
    ask("DEL %sa", desk->prefix);
    assert_int_equal(apply(desk, upsert("b", "{\"n\":2}", 2)), UPSINK_STALE);
    assert_int_equal(apply(desk, upsert("a", "{\"n\":1}", 1)), UPSINK_APPLIED);
    assert_string_equal(row(desk, "a"), "{\"n\":1}");
}

static void what_the_server_has_no_room_for_is_refused_alone(void **state)
{
    enum { SIZE = 3 << 20 };
    struct desk *desk = *state;
    struct upsink_result results[3];
    ask("CONFIG SET proto-max-bulk-len 1048576");
    desk_open(desk);
    char *text = malloc(SIZE + 1);
    assert_non_null(text);
    memset(text, '1', SIZE);
    text[SIZE] = '\0';
    struct upsink_change changes[3] = {upsert("a", "1", 1), upsert("b", text, 2), upsert("c", "3", 3)};
    need(desk, try_write(desk, changes, 3, results), "write");
    assert_int_equal(results[0].verdict, UPSINK_APPLIED);
    assert_string_equal(results[1].error->code, "value_too_large");
    assert_int_equal(results[2].verdict, UPSINK_APPLIED);
    ask("CONFIG SET proto-max-bulk-len 536870912");
    desk_open(desk);
    assert_int_equal(apply(desk, changes[1]), UPSINK_APPLIED);
    assert_string_equal(ask("STRLEN %sb", desk->prefix), "3145728");
    free(text);
}

static void keys_and_values_may_hold_any_byte(void **state)
{
    struct desk *desk = *state;
    static const char odd[] = "a\0b\r\n$5\r\n*\xff\xfe";
    desk_open(desk);
    struct upsink_change change = upsert("", "{}", 1);
    change.key = (struct upsink_slice){odd, sizeof odd - 1};
    change.event_id = change.change_id = change.key;
    assert_int_equal(apply(desk, change), UPSINK_APPLIED);
    redisReply *reply = redisCommand(admin, "GET %s%b", desk->prefix, odd, sizeof odd - 1);
    assert_string_equal(reply->str, "{}");
    freeReplyObject(reply);
    change.offset = 2;
    assert_int_equal(apply(desk, change), UPSINK_DUPLICATE_EVENT);
}

/* Lua's numbers are doubles: these differ where doubles don't. */
static void versions_and_offsets_are_compared_exactly(void **state)
{
    static const int64_t rising[] = {
        INT64_MIN,  INT64_MIN + 1,    -9007199254740993, -9007199254740992, -1,       0, 1, 4294967295,
        4294967296, 9007199254740992, 9007199254740993,  INT64_MAX - 1,     INT64_MAX};
    enum { COUNT = sizeof rising / sizeof *rising };
    struct desk *desk = *state;
    desk_open(desk);
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < COUNT; j++) {
            char key[32];
            snprintf(key, sizeof key, "%zu-%zu", i, j);
            struct upsink_change first = upsert(key, "1", 1), second = upsert(key, "2", 0);
            first.flags = second.flags = UPSINK_HAS_VERSION;
            first.version = rising[i];
            second.version = rising[j];
            apply(desk, first);
            assert_int_equal(apply(desk, second), j > i ? UPSINK_APPLIED : UPSINK_STALE);
            if (rising[i] < 0 || rising[j] < 0)
                continue;
            snprintf(key, sizeof key, "offset-%zu-%zu", i, j);
            first = upsert(key, "1", rising[i]);
            second = upsert(key, "2", rising[j]);
            first.timestamp = second.timestamp = 5;
            desk->position.next_offset = 1;
            apply(desk, first);
            assert_int_equal(apply(desk, second), j > i ? UPSINK_APPLIED : UPSINK_STALE);
        }
}

static void one_batch_may_have_several_floors(void **state)
{
    enum { COUNT = 300 };
    static struct upsink_change changes[COUNT];
    static struct upsink_result results[COUNT];
    static char keys[COUNT][16];
    struct desk *desk = *state;
    desk_open(desk);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < COUNT; i++) {
            snprintf(keys[i], sizeof keys[i], "%05d", i);
            changes[i] = upsert(keys[i], round ? "2" : "1", 1000);
            changes[i].generation = round && i % 3 == 1 ? 5 : 1;
            changes[i].partition = round;
            changes[i].timestamp = 7 - round;
            changes[i].floor = round ? i % 3 + 1 : 0;
        }
        need(desk, try_write(desk, changes, COUNT, results), "write");
    }
    /* Older by time: only a floor above the old fence lets it through. */
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(results[i].verdict, i % 3 == 0 ? UPSINK_STALE : UPSINK_APPLIED);
}

static void a_zombies_late_write_changes_nothing(void **state)
{
    struct desk *zombie = *state, *owner = desk_twin(zombie);
    void *owner_state = owner;
    struct upsink_result result;
    desk_open(zombie);
    apply(zombie, upsert("a", "{\"n\":1}", 1));
    desk_open(owner);
    apply(owner, upsert("a", "{\"n\":5}", 5));
    apply(owner, tombstone("b", 6));
    struct upsink_change late[2] = {upsert("a", "{\"n\":2}", 2), upsert("b", "{\"n\":3}", 3)};
    struct upsink_result results[2];
    need(zombie, try_write(zombie, late, 2, results), "write");
    assert_int_equal(results[0].verdict, UPSINK_STALE);
    assert_int_equal(results[1].verdict, UPSINK_STALE);
    assert_false(try_commit(zombie));
    assert_int_equal(zombie->err.cls, UPSINK_ERR_FENCED);
    assert_string_equal(row(zombie, "a"), "{\"n\":5}");
    assert_string_equal(row(zombie, "b"), "(nil)");
    /* And one of a target that is gone, and was made anew by the owner. */
    ask("FLUSHALL");
    assert_false(try_write(owner, late, 1, &result));
    need(owner, try_prepare(owner), "prepare");
    assert_write_fails(zombie, late[0], UPSINK_ERR_TARGET_LOST, "target_lost");
    assert_string_equal(row(zombie, "a"), "(nil)");
    desk_teardown(&owner_state);
}

static int64_t ttl_of(const char *format, const char *a, const char *b, const char *c)
{
    char key[256];
    snprintf(key, sizeof key, format, a, b, c);
    return strtoll(ask("PTTL %s", key), NULL, 10);
}

static void rows_and_fences_expire_as_configured(void **state)
{
    struct desk *desk = *state;
    const struct upsink_setting settings[] = {{"ttl", "1h"}, {"fence_ttl", "2h"}};
    desk->view.settings = settings;
    desk->view.setting_count = 2;
    desk_open(desk);
    apply(desk, upsert("a", "{}", 1));
    apply(desk, upsert("b", "{}", 2));
    apply(desk, tombstone("b", 3));
    char id[64];
    snprintf(id, sizeof id, "%s", ask("HGET _upsink:target:%s id", desk->prefix));
    assert_in_range(ttl_of("%s%s%s", desk->prefix, "a", ""), 3500000, 3600000);
    assert_in_range(ttl_of("_upsink:gone:%s:%s%s", id, desk->prefix, "a"), 7100000, 7200000);
    assert_in_range(ttl_of("_upsink:gone:%s:%s%s", id, desk->prefix, "b"), 7100000, 7200000);
    /* An expired row stays away from late updates, and comes with newer ones. */
    ask("DEL %sa", desk->prefix);
    assert_int_equal(apply(desk, upsert("a", "{}", 1)), UPSINK_STALE);
    assert_int_equal(apply(desk, upsert("a", "{\"n\":2}", 9)), UPSINK_APPLIED);
    assert_string_equal(row(desk, "a"), "{\"n\":2}");
    /* Nobody takes expired rows for an emptied target. */
    ask("DEL %sa", desk->prefix);
    desk_open(desk);
    assert_int_equal(desk->position.next_offset, 10);
}

static void fences_of_deleted_entities_stay_for_ever_where_that_is_asked_for(void **state)
{
    struct desk *desk = *state;
    const struct upsink_setting settings[] = {{"fence_ttl", "0"}};
    desk_open(desk);
    apply(desk, tombstone("a", 3));
    char id[64];
    snprintf(id, sizeof id, "%s", ask("HGET _upsink:target:%s id", desk->prefix));
    int64_t usual = ttl_of("_upsink:gone:%s:%s%s", id, desk->prefix, "a");
    assert_true(usual > 29 * INT64_C(86400000) && usual <= 30 * INT64_C(86400000));
    desk->view.settings = settings;
    desk->view.setting_count = 1;
    desk_open(desk);
    apply(desk, tombstone("a", 4));
    assert_int_equal(ttl_of("_upsink:gone:%s:%s%s", id, desk->prefix, "a"), -1);
}

/* What the setting costs, so that nobody has to guess. */
static void behind_an_expired_fence_a_late_update_is_taken(void **state)
{
    struct desk *desk = *state;
    const struct upsink_setting settings[] = {{"fence_ttl", "20ms"}};
    desk->view.settings = settings;
    desk->view.setting_count = 1;
    desk_open(desk);
    apply(desk, upsert("a", "{}", 1));
    apply(desk, tombstone("a", 5));
    usleep(100000);
    assert_int_equal(apply(desk, upsert("a", "{}", 3)), UPSINK_APPLIED);
}

static void a_soft_delete_shows_in_the_row(void **state)
{
    static const char *const entities[] = {"{\"n\":1}", "{}", " { } ", "{\"deleted_at\":\"x\"} \n"};
    static const char *const rows[] = {
        "{\"n\":1,\"deleted_at\":\"2023-11-14T22:13:20.000005Z\"}",
        "{\"deleted_at\":\"2023-11-14T22:13:20.000005Z\"}",
        " { \"deleted_at\":\"2023-11-14T22:13:20.000005Z\"}",
        "{\"deleted_at\":\"x\",\"deleted_at\":\"2023-11-14T22:13:20.000005Z\"}"};
    struct desk *desk = *state;
    desk->view.delete_mode = UPSINK_DELETE_SOFT;
    desk_open(desk);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char key[8];
        snprintf(key, sizeof key, "%zu", i);
        apply(desk, upsert(key, entities[i], 1));
        apply(desk, tombstone(key, 5));
        assert_string_equal(row(desk, key), rows[i]);
        apply(desk, tombstone(key, 6));
        assert_string_equal(row(desk, key), rows[i]);
        apply(desk, upsert(key, "{\"n\":7}", 7));
        assert_string_equal(row(desk, key), "{\"n\":7}");
    }
    desk_close(desk);
    use_hash(desk);
    snprintf(desk->prefix, sizeof desk->prefix, "soft:");
    desk_open(desk);
    apply(desk, upsert("h", "{\"n\":1}", 1));
    apply(desk, tombstone("h", 5));
    assert_string_equal(field(desk, "h", "deleted_at"), "2023-11-14T22:13:20.000005Z");
    apply(desk, upsert("h", "{\"n\":2}", 6));
    assert_string_equal(field(desk, "h", "deleted_at"), "(nil)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DESK_TEST(a_row_is_the_producers_json_and_nothing_else_stands_under_the_prefix),
        DESK_TEST(a_hash_has_the_fields_of_the_last_state_alone),
        DESK_TEST(what_no_hash_can_hold_is_refused_alone),
        DESK_TEST(a_hash_of_many_fields_is_taken),
        DESK_TEST(a_key_that_holds_something_else_is_refused_alone),
        DESK_TEST(a_prefix_with_keys_of_another_type_is_refused),
        DESK_TEST(a_prefix_is_taken_literally),
        DESK_TEST(a_row_that_was_taken_away_comes_back_with_a_repetition),
        DESK_TEST(what_the_server_has_no_room_for_is_refused_alone),
        DESK_TEST(keys_and_values_may_hold_any_byte),
        DESK_TEST(versions_and_offsets_are_compared_exactly),
        DESK_TEST(one_batch_may_have_several_floors),
        DESK_TEST(rows_and_fences_expire_as_configured),
        DESK_TEST(fences_of_deleted_entities_stay_for_ever_where_that_is_asked_for),
        DESK_TEST(behind_an_expired_fence_a_late_update_is_taken),
        DESK_TEST(a_soft_delete_shows_in_the_row),
        DESK_TEST(a_zombies_late_write_changes_nothing),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
