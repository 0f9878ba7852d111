/* What stands in MongoDB, and what becomes of a record that it refuses. */
#include "mongodb_help.h"

static const struct upsink_error *assert_rejected(const struct upsink_result *result, const char *code)
{
    if (result->verdict != UPSINK_REJECTED)
        fail_msg("the verdict is %d, not REJECTED with %s", (int)result->verdict, code);
    assert_int_equal(result->error->cls, UPSINK_ERR_RECORD);
    assert_string_equal(result->error->code, code);
    return result->error;
}

static void an_entity_stands_at_the_top_level_beside_its_id_and_upsinks_own(void **state)
{
    struct desk *desk = *state;
    struct upsink_change change = upsert(
        "o-1", 7, "{\"total\":12.5,\"customer\":{\"name\":\"\\u00c5sa\"},\"items\":[1,\"x\",null,true]}");
    change.flags = UPSINK_HAS_VERSION;
    change.version = 99;
    change.event_id = UPSINK_SLICE_LIT("event 1");
    change.change_id = UPSINK_SLICE_LIT("change 1");
    change.timestamp = 1700000000123456;
    desk_open(desk);
    assert_int_equal(apply(desk, change), UPSINK_APPLIED);
    assert_string_equal(look(desk, "orders", "o-1", ""),
                        "{ \"_id\" : \"o-1\", \"total\" : { \"$numberDouble\" : \"12.5\" }, \"customer\" : { "
                        "\"name\" : \"\xc3\x85sa\" }, "
                        "\"items\" : [ { \"$numberLong\" : \"1\" }, \"x\", null, true ], \"_upsink\" : { "
                        "\"version\" : { \"$numberLong\" : \"99\" }, "
                        "\"event_id\" : \"event 1\", \"change_id\" : \"change 1\", \"partition\" : { "
                        "\"$numberInt\" : \"0\" }, \"offset\" : { "
                        "\"$numberLong\" : \"7\" }, \"generation\" : { \"$numberLong\" : \"1\" }, "
                        "\"updated_at\" : { \"$date\" : { \"$numberLong\" : "
                        "\"1700000000123\" } }, \"micros\" : { \"$numberInt\" : \"456\" } } }");
}

static void numbers_keep_their_digits_in_the_type_that_holds_them(void **state)
{
    static const struct {
        const char *json, *stored;
    } cases[] = {
        {"0", "{ \"$numberLong\" : \"0\" }"},
        {"-0", "{ \"$numberDouble\" : \"-0.0\" }"},
        {"7", "{ \"$numberLong\" : \"7\" }"},
        {"9007199254740993", "{ \"$numberLong\" : \"9007199254740993\" }"},
        {"9223372036854775807", "{ \"$numberLong\" : \"9223372036854775807\" }"},
        {"-9223372036854775808", "{ \"$numberLong\" : \"-9223372036854775808\" }"},
        {"9223372036854775808", "{ \"$numberDecimal\" : \"9223372036854775808\" }"},
        {"18446744073709551616", "{ \"$numberDecimal\" : \"18446744073709551616\" }"},
        {"12.5", "{ \"$numberDouble\" : \"12.5\" }"},
        {"19.90", "{ \"$numberDouble\" : \"19.899999999999998579\" }"}, /* that is 19.9 */
        {"0.1234567890123456789", "{ \"$numberDecimal\" : \"0.1234567890123456789\" }"},
        {"123456789012345.678", "{ \"$numberDecimal\" : \"123456789012345.678\" }"},
        {"1e400", "{ \"$numberDecimal\" : \"1E+400\" }"},
        {"1e-400", "{ \"$numberDecimal\" : \"1E-400\" }"},
        {"1e6144", "{ \"$numberDecimal\" : \"1.000000000000000000000000000000000E+6144\" }"},
    };
    struct desk *desk = *state;
    char key[16], entity[128];
    desk_open(desk);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(key, sizeof key, "k-%zu", i);
        snprintf(entity, sizeof entity, "{\"v\":%s}", cases[i].json);
        /* As a new row, and in the place of one. */
        for (int64_t offset = 0; offset < 2; offset++) {
            assert_int_equal(apply(desk, upsert(key, (int64_t)i * 2 + offset, entity)), UPSINK_APPLIED);
            if (strcmp(look(desk, "orders", key, "v"), cases[i].stored) != 0)
                fail_msg("%s is stored as %s", cases[i].json, look(desk, "orders", key, "v"));
        }
    }
}

static void field_names_with_dots_and_dollars_are_stored_unchanged(void **state)
{
    static const char *const entities[] = {
        "{\"$set\":{\"a.b\":1},\"x\":2}",
        "{\"a.b\":1,\"a\":{\"b\":2}}",
        "{\"$ref\":\"c\",\"$id\":1}",
        "{\"$ref\":1}",
        "{\"\":{\"\":\"\"},\".\":1,\"..\":2}",
        "{\"$\":1,\"$$ROOT\":\"$x\"}",
        "{\"v\":\"$_upsink\",\"w\":[\"$$NOW\"]}",
        "{\"a\":{\"$gt\":1,\"$db\":\"x\"}}",
        "{\"$literal\":{\"$each\":[1]}}",
    };
    struct desk *desk = *state;
    struct upsink_row row;
    desk_open(desk);
    for (size_t i = 0; i < sizeof entities / sizeof *entities; i++)
        for (int64_t offset = 0; offset < 2; offset++) {
            char key[16];
            snprintf(key, sizeof key, "k-%zu", i);
            if (apply(desk, upsert(key, (int64_t)i * 2 + offset, entities[i])) != UPSINK_APPLIED)
                fail_msg("%s was not taken", entities[i]);
            need(desk, type->read_row(desk->sink, upsink_slice_of(key), &row, &desk->err), "read_row");
            if (!upsink_slice_is(row.entity, entities[i]))
                fail_msg("%s came back as %.*s", entities[i], (int)row.entity.len, row.entity.data);
        }
    assert_string_equal(look(desk, "orders", "k-0", "$set"), "{ \"a.b\" : { \"$numberLong\" : \"1\" } }");
    bson_t *reply = ask(desk, NULL,
                        "{'find':'orders','filter':{'$expr':{'$eq':[{'$getField':{'$literal':'$set'}},{'$"
                        "literal':{'a.b':{'$numberLong':'1'}}}]}}}");
    bson_iter_t iter, found;
    assert_true(bson_iter_init(&iter, reply) &&
                bson_iter_find_descendant(&iter, "cursor.firstBatch.0._id", &found));
    forget(reply);
}

static void each_refused_record_of_a_batch_costs_itself_alone(void **state)
{
    enum { COUNT = 10, LARGE = (16 << 20) + 100 };
    struct desk *desk = *state;
    struct upsink_result results[COUNT];
    char *large = malloc(LARGE + 1);
    assert_non_null(large);
    memset(large, 'x', LARGE);
    memcpy(large, "{\"v\":\"", 6);
    memcpy(large + LARGE - 2, "\"}", 3);
    desk_open(desk);
    forget(ask(desk, NULL,
               "{'createIndexes':'orders','indexes':[{'key':{'email':1},'name':'e','unique':true,"
               "'partialFilterExpression':{'email':{'$exists':true}}}]}"));
    forget(ask(desk, NULL,
               "{'collMod':'orders','validator':{'$jsonSchema':{'properties':{'total':{'bsonType':['long','"
               "double']}}}}}"));
    const struct upsink_change changes[COUNT] = {
        upsert("a", 1, "{\"email\":\"secret@example.org\"}"),
        upsert("b", 2, "{\"email\":\"secret@example.org\"}"),
        upsert("c", 3, "{\"total\":\"a secret\"}"),
        upsert("d", 4, "{\"total\":4}"),
        upsert("e", 5, large),
        upsert("f", 6, "{\"a\\u0000b\":1}"),
        upsert("g", 7, "{\"v\":12345678901234567890123456789012345678901234567890}"),
        upsert("h", 8, "{\"_upsink\":1}"),
        upsert("i", 9, "{\"_id\":\"other\"}"),
        upsert("j", 10, "{\"total\":10}"),
    };
    need(desk, try_write(desk, changes, COUNT, results), "write");
    need(desk, try_commit(desk, 11), "commit");
    assert_int_equal(results[0].verdict, UPSINK_APPLIED);
    assert_int_equal(results[3].verdict, UPSINK_APPLIED);
    assert_int_equal(results[9].verdict, UPSINK_APPLIED);
    const struct upsink_error *unique = assert_rejected(&results[1], "constraint_violation");
    assert_non_null(strstr(unique->detail, "unique index on email"));
    const struct upsink_error *validator = assert_rejected(&results[2], "constraint_violation");
    assert_non_null(strstr(validator->detail, "total"));
    assert_rejected(&results[4], "value_too_large");
    assert_rejected(&results[5], "nul_in_name");
    assert_rejected(&results[6], "value_out_of_range");
    assert_rejected(&results[7], "reserved_field");
    assert_rejected(&results[8], "id_is_not_key");
    for (size_t i = 0; i < COUNT; i++)
        if (results[i].error) {
            assert_null(strstr(results[i].error->text, "secret"));
            assert_null(strstr(results[i].error->detail, "secret"));
        }
    /* In the place of a row as well. */
    const struct upsink_change again[3] = {upsert("a", 21, "{\"total\":\"a secret\"}"),
                                           upsert("d", 22, "{\"email\":\"secret@example.org\"}"),
                                           upsert("j", 23, "{\"total\":23}")};
    need(desk, try_write(desk, again, 3, results), "write");
    assert_rejected(&results[0], "constraint_violation");
    assert_rejected(&results[1], "constraint_violation");
    assert_int_equal(results[2].verdict, UPSINK_APPLIED);
    assert_string_equal(look(desk, "orders", "a", "_upsink.offset"), "{ \"$numberLong\" : \"1\" }");
    free(large);
}

static void what_an_index_for_places_can_not_hold_is_refused_alone(void **state)
{
    static const char *const indexes[] = {
        "{'createIndexes':'orders','indexes':[{'key':{'at':'2d'},'name':'flat'}]}",
        "{'createIndexes':'orders','indexes':[{'key':{'at':'2dsphere'},'name':'round'}]}",
    };
    struct desk *desk = *state;
    struct upsink_result results[5];
    desk_open(desk);
    for (size_t i = 0; i < sizeof indexes / sizeof *indexes; i++) {
        int64_t at = (int64_t)i * 10;
        forget(ask(desk, NULL, indexes[i]));
        const struct upsink_change changes[5] = {
            upsert("a", at + 1, "{\"at\":[1,2]}"), upsert("b", at + 2, "{\"at\":[200,0]}"),
            upsert("c", at + 3, "{\"at\":[[1],[2]]}"),
            upsert("d", at + 4, "{\"at\":{\"lng\":1,\"lat\":\"x\"}}"), upsert("e", at + 5, "{\"at\":[3,4]}")};
        need(desk, try_write(desk, changes, 5, results), "write");
        assert_int_equal(results[0].verdict, UPSINK_APPLIED);
        for (size_t j = 1; j < 4; j++)
            assert_rejected(&results[j], "invalid_for_sink");
        assert_int_equal(results[4].verdict, UPSINK_APPLIED);
        forget(ask(desk, NULL, "{'dropIndexes':'orders','index':'*'}"));
    }
}

static void what_is_stale_is_not_refused(void **state)
{
    struct desk *desk = *state;
    desk_open(desk);
    assert_int_equal(apply(desk, upsert("a", 5, "{\"total\":1}")), UPSINK_APPLIED);
    assert_int_equal(
        apply(desk, upsert("a", 4, "{\"v\":12345678901234567890123456789012345678901234567890}")),
        UPSINK_STALE);
    forget(ask(desk, NULL, "{'collMod':'orders','validator':{'total':{'$type':'long'}}}"));
    assert_int_equal(apply(desk, upsert("a", 3, "{\"total\":\"x\"}")), UPSINK_STALE);
}

static void documents_up_to_the_servers_limit_are_taken(void **state)
{
    enum { SIZE = (16 << 20) - 400 };
    struct desk *desk = *state;
    char *large = malloc(SIZE + 1);
    assert_non_null(large);
    memset(large, 'x', SIZE);
    memcpy(large, "{\"v\":\"", 6);
    memcpy(large + SIZE - 2, "\"}", 3);
    desk->view.timeout_us = 60 * CLOCK_SECOND;
    desk_open(desk);
    assert_int_equal(apply(desk, upsert("a", 1, large)), UPSINK_APPLIED);
    large[10] = 'y';
    assert_int_equal(apply(desk, upsert("a", 2, large)), UPSINK_APPLIED);
    assert_string_equal(look(desk, "orders", "a", "_upsink.offset"), "{ \"$numberLong\" : \"2\" }");
    free(large);
}

static void a_name_that_stands_twice_counts_once_with_its_last_value(void **state)
{
    struct desk *desk = *state;
    desk_open(desk);
    apply(desk, upsert("a", 1,
                       "{\"x\":1,\"o\":{\"k\":1,\"\\u006b\":2,\"l\":3},\"x\":[{\"y\":1,\"y\":2}],\"z\":0}"));
    assert_string_equal(look(desk, "orders", "a", "o"),
                        "{ \"k\" : { \"$numberLong\" : \"2\" }, \"l\" : { \"$numberLong\" : \"3\" } }");
    assert_string_equal(look(desk, "orders", "a", "x"), "[ { \"y\" : { \"$numberLong\" : \"2\" } } ]");
    assert_string_equal(look(desk, "orders", "a", "z"), "{ \"$numberLong\" : \"0\" }");
}

static void texts_become_dates_where_the_view_says_so(void **state)
{
    static const struct upsink_setting settings[] = {{"dates", "/data/updated, /shipping/sent /log/0"}};
    struct desk *desk = *state;
    struct upsink_result result;
    desk->view.settings = settings;
    desk->view.setting_count = 1;
    desk_open(desk);
    apply(desk, upsert("a", 1,
                       "{\"updated\":\"2023-11-14T22:13:20.123456+01:00\",\"other\":\"2023-11-14T22:13:20Z\","
                       "\"shipping\":{\"sent\":null},\"log\":"
                       "[\"1969-12-31T23:59:59.999Z\"]}"));
    assert_string_equal(look(desk, "orders", "a", "updated"),
                        "{ \"$date\" : { \"$numberLong\" : \"1699996400123\" } }");
    assert_string_equal(look(desk, "orders", "a", "other"), "\"2023-11-14T22:13:20Z\"");
    assert_string_equal(look(desk, "orders", "a", "shipping.sent"), "null");
    assert_string_equal(look(desk, "orders", "a", "log.0"), "{ \"$date\" : { \"$numberLong\" : \"-1\" } }");
    struct upsink_change bad = upsert("b", 2, "{\"updated\":\"yesterday\"}");
    need(desk, try_write(desk, &bad, 1, &result), "write");
    assert_rejected(&result, "invalid_date");
}

static void a_soft_delete_leaves_the_state_with_the_time_of_the_delete(void **state)
{
    struct desk *desk = *state;
    desk->view.delete_mode = UPSINK_DELETE_SOFT;
    desk_open(desk);
    apply(desk, upsert("a", 1, "{\"n\":1}"));
    apply(desk, tombstone("a", 5));
    assert_string_equal(look(desk, "orders", "a", "n"), "{ \"$numberLong\" : \"1\" }");
    assert_string_equal(look(desk, "orders", "a", "deleted_at"),
                        "{ \"$date\" : { \"$numberLong\" : \"1700000000005\" } }");
    apply(desk, upsert("a", 6, "{\"n\":6}"));
    assert_string_equal(look(desk, "orders", "a", "deleted_at"), "");
}

/* As a crash between the two writes leaves them: the batch that comes again takes the older one away. */
static void of_a_row_and_a_delete_fence_of_one_entity_the_older_one_goes(void **state)
{
    struct desk *desk = *state;
    struct upsink_row row;
    desk_open(desk);
    apply(desk, upsert("deleted", 1, "{\"n\":1}"));
    apply(desk, upsert("alive", 9, "{\"n\":9}"));
    forget(ask(desk, NULL,
               "{'insert':'_upsink_deleted_orders','documents':[{'_id':'deleted','_upsink':{'partition':0,'"
               "offset':5,'generation':1,'deleted':true}},"
               "{'_id':'alive','_upsink':{'partition':0,'offset':5,'generation':1,'deleted':true}}]}"));
    need(desk, type->read_row(desk->sink, UPSINK_SLICE_LIT("deleted"), &row, &desk->err), "read_row");
    assert_true(row.found && row.fence.deleted && !row.entity.data);
    assert_int_equal(apply(desk, tombstone("deleted", 5)), UPSINK_STALE);
    assert_string_equal(look(desk, "orders", "deleted", ""), "");
    assert_int_equal(apply(desk, upsert("alive", 9, "{\"n\":9}")), UPSINK_STALE);
    assert_string_equal(look(desk, "_upsink_deleted_orders", "alive", ""), "");
    assert_string_equal(look(desk, "orders", "alive", "n"), "{ \"$numberLong\" : \"9\" }");
}

static void a_document_of_the_users_own_is_taken_over(void **state)
{
    struct desk *desk = *state;
    desk_open(desk);
    forget(ask(desk, NULL, "{'insert':'orders','documents':[{'_id':'a','mine':1}]}"));
    assert_int_equal(apply(desk, upsert("a", 1, "{\"n\":1}")), UPSINK_APPLIED);
    assert_string_equal(look(desk, "orders", "a", "mine"), "");
    assert_string_equal(look(desk, "orders", "a", "n"), "{ \"$numberLong\" : \"1\" }");
}

static void a_unique_value_that_another_entity_of_the_batch_lets_go_of_is_free(void **state)
{
    enum { COUNT = 5 };
    struct desk *desk = *state;
    struct upsink_result results[COUNT];
    desk_open(desk);
    forget(ask(desk, NULL,
               "{'createIndexes':'orders','indexes':[{'key':{'seat':1},'name':'s','unique':true}]}"));
    apply(desk, upsert("deleted", 1, "{\"seat\":1}"));
    apply(desk, upsert("moved", 2, "{\"seat\":2}"));
    apply(desk, upsert("stays", 3, "{\"seat\":3}"));
    const struct upsink_change changes[COUNT] = {
        tombstone("deleted", 4), upsert("has 1", 7, "{\"seat\":1}"), upsert("has 2", 6, "{\"seat\":2}"),
        upsert("has 3", 8, "{\"seat\":3}"), upsert("moved", 5, "{\"seat\":4}")};
    need(desk, try_write(desk, changes, COUNT, results), "write");
    need(desk, try_commit(desk, 9), "commit");
    for (size_t i = 0; i < COUNT; i++)
        if (i != 3)
            assert_int_equal(results[i].verdict, UPSINK_APPLIED);
    assert_rejected(&results[3], "constraint_violation");
    assert_string_equal(look(desk, "orders", "has 1", "seat"), "{ \"$numberLong\" : \"1\" }");
    assert_string_equal(look(desk, "orders", "has 2", "seat"), "{ \"$numberLong\" : \"2\" }");
}

static void without_any_position_every_partition_begins_above_the_rows(void **state)
{
    struct desk *desk = *state;
    desk_open(desk);
    struct upsink_change change = upsert("a", 1, "{\"n\":1}");
    change.generation = 4;
    apply(desk, change);
    forget(ask(desk, NULL, "{'drop':'_upsink_state'}"));
    for (int32_t partition = 0; partition < 3; partition++) {
        desk_open(desk);
        struct upsink_position position = {.topic = UPSINK_SLICE_LIT("orders"), .partition = partition};
        need(desk, type->claim(desk->sink, &position, &desk->err), "claim");
        assert_int_equal(position.next_offset, -1);
        assert_int_equal(position.generation, 4);
    }
}

static void a_collection_that_was_renamed_is_lost(void **state)
{
    struct desk *desk = *state;
    struct upsink_result result;
    struct upsink_change change = upsert("a", 2, "{\"n\":2}");
    desk_open(desk);
    apply(desk, upsert("a", 1, "{\"n\":1}"));
    forget(ask(desk, "admin", "{'renameCollection':'%s.orders','to':'%s.kept'}", desk->database,
               desk->database));
    assert_false(try_write(desk, &change, 1, &result));
    assert_int_equal(desk->err.cls, UPSINK_ERR_TARGET_LOST);
    desk_open(desk);
    assert_int_equal(desk->position.next_offset, -1);
    assert_string_equal(look(desk, "kept", "a", "n"), "{ \"$numberLong\" : \"1\" }");
}

static void views_of_mongodb_and_collations_are_refused(void **state)
{
    static const char *const commands[] = {"{'create':'v','viewOn':'orders','pipeline':[]}",
                                           "{'create':'v','collation':{'locale':'en','strength':2}}",
                                           "{'create':'v','timeseries':{'timeField':'t'}}"};
    struct desk *desk = *state;
    desk->view.target = "v";
    *strstr(desk->url, "&collection") = '\0';
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        forget(ask(desk, NULL, "%s", commands[i]));
        desk_close(desk);
        need(desk, type->open(&desk->sink, &desk->view, NULL, &desk->err), "open");
        assert_false(type->prepare(desk->sink, NULL, &desk->err));
        assert_int_equal(desk->err.cls, UPSINK_ERR_FATAL);
        assert_string_equal(desk->err.code, "target_mismatch");
        forget(ask(desk, NULL, "{'drop':'v'}"));
    }
}

static void every_option_of_connection_strings_is_taken(void **state)
{
    static const char *const urls[] = {
        "mongodb://u:p@127.0.0.1/db?authSource=admin&authMechanism=SCRAM-SHA-256",
        "mongodb://127.0.0.1/db?w=majority&readConcernLevel=majority&journal=true&wTimeoutMS=5000",
        "mongodb://127.0.0.1/db?w=2&compressors=zlib&retryWrites=true&tls=true&replicaSet=rs0&appName=x"};
    struct desk *desk = *state;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        desk_close(desk);
        desk->view.url = urls[i];
        desk->view.default_target = "orders";
        if (!type->open(&desk->sink, &desk->view, NULL, &desk->err))
            fail_msg("%s was refused: %s", urls[i], desk->err.text);
    }
}

static void bad_urls_and_settings_are_refused_without_their_secrets(void **state)
{
    static const char *const urls[] = {"mongodb://u:topsecret@127.0.0.1",
                                       "mongodb://u:topsecret@127.0.0.1/db?colection=x",
                                       "mongodb://u:topsecret@127.0.0.1/db?w=0",
                                       "mongodb://u:top/secret@127.0.0.1/db",
                                       "mongodb://u:top@secret@127.0.0.1/db",
                                       "mongodb://u:top?secret@127.0.0.1/db?collection=a%24b",
                                       "mongodb://127.0.0.1/db?collection=a%24b",
                                       "mongodb://127.0.0.1/db?collection=%zz",
                                       "mongodb://127.0.0.1/db?collection=system.x",
                                       "mongodb:topsecret"};
    struct desk *desk = *state;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        desk->view.url = urls[i];
        desk->view.default_target = "orders";
        if (type->open(&desk->sink, &desk->view, NULL, &desk->err))
            fail_msg("%s was taken", urls[i]);
        assert_int_equal(desk->err.cls, UPSINK_ERR_CONFIG);
        assert_null(strstr(desk->err.text, "secret"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DESK_TEST(an_entity_stands_at_the_top_level_beside_its_id_and_upsinks_own),
        DESK_TEST(numbers_keep_their_digits_in_the_type_that_holds_them),
        DESK_TEST(field_names_with_dots_and_dollars_are_stored_unchanged),
        DESK_TEST(each_refused_record_of_a_batch_costs_itself_alone),
        DESK_TEST(what_an_index_for_places_can_not_hold_is_refused_alone),
        DESK_TEST(what_is_stale_is_not_refused),
        DESK_TEST(documents_up_to_the_servers_limit_are_taken),
        DESK_TEST(a_name_that_stands_twice_counts_once_with_its_last_value),
        DESK_TEST(texts_become_dates_where_the_view_says_so),
        DESK_TEST(a_soft_delete_leaves_the_state_with_the_time_of_the_delete),
        DESK_TEST(of_a_row_and_a_delete_fence_of_one_entity_the_older_one_goes),
        DESK_TEST(a_document_of_the_users_own_is_taken_over),
        DESK_TEST(a_unique_value_that_another_entity_of_the_batch_lets_go_of_is_free),
        DESK_TEST(without_any_position_every_partition_begins_above_the_rows),
        DESK_TEST(a_collection_that_was_renamed_is_lost),
        DESK_TEST(views_of_mongodb_and_collations_are_refused),
        DESK_TEST(every_option_of_connection_strings_is_taken),
        DESK_TEST(bad_urls_and_settings_are_refused_without_their_secrets),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
