/* Names, shapes and fates of the table that a view is kept in. */
#include "tests/integration/sinks/postgres_help.h"

#include <pthread.h>
#include <stdatomic.h>

static void assert_row(struct desk *desk, const char *key, const char *entity)
{
    struct upsink_row row;
    need(desk, type->read_row(desk->sink, upsink_slice_of(key), &row, &desk->err), "read_row");
    assert_true(row.found && row.entity.data);
    assert_memory_equal(row.entity.data, entity, row.entity.len);
}

/* --- names ----------------------------------------------------------------------------------- */

static void any_name_can_be_a_table(void **state)
{
    static const char *const names[] = {
        "Orders",
        "select",
        "with space",
        "\"dotted.name\"",
        "\"say \"\"hi\"\"\"",
        "semi;colon",
        "it's",
        "100%",
        "caf\xc3\xa9",
        "back\\slash",
        "$1",
        "a23456789012345678901234567890123456789012345678901234567890123",
        "*/ --",
    };
    struct desk *desk = *state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char view[100];
        snprintf(view, sizeof view, "%s-%zu", desk->schema, i);
        snprintf(desk->target, sizeof desk->target, "%s.%s", desk->schema, names[i]);
        desk->view.name = view;
        desk_open(desk);
        assert_int_equal(apply(desk, upsert("k", "1", 1)), UPSINK_APPLIED);
        assert_int_equal(apply(desk, tombstone("k", 2)), UPSINK_APPLIED);
        assert_int_equal(apply(desk, upsert("k", "0", 1)), UPSINK_STALE);
        assert_int_equal(apply(desk, upsert("k", "2", 3)), UPSINK_APPLIED);
        assert_row(desk, "k", "2");
        desk_close(desk);
        desk_open(desk);
        assert_int_equal(desk->position.next_offset, 4);
    }
    assert_string_equal(sql(desk,
                            "SELECT count(*) FROM pg_tables WHERE schemaname = '%s' AND tablename LIKE "
                            "'\\_upsink\\_deleted%%'",
                            desk->schema),
                        "13");
    assert_string_equal(sql(desk, "SELECT doc FROM \"dotted.name\""), "2");
}

static void names_by_default_in_the_url_and_twice(void **state)
{
    struct desk *desk = *state;
    snprintf(desk->url, sizeof desk->url, "%s?options=-csearch_path%%3D%s", server_url(), desk->schema);
    desk->view.target = NULL;
    desk->view.default_target = "shop.orders";
    desk_open(desk);
    assert_string_equal(sql(desk, "SELECT count(*) FROM \"shop.orders\""), "0");
    assert_says(type->describe(desk->sink), "table shop.orders");

    snprintf(desk->url, sizeof desk->url, "%s?table=%s.other", server_url(), desk->schema);
    desk->view.name = "another";
    desk_open(desk);
    assert_string_equal(sql(desk, "SELECT count(*) FROM other"), "0");

    desk->view.target = "again";
    assert_false(try_open(desk));
    assert_int_equal(desk->err.cls, UPSINK_ERR_CONFIG);
    assert_string_equal(desk->err.code, "target_twice");
}

static void an_unqualified_name_is_where_the_session_sees_it(void **state)
{
    struct desk *desk = *state;
    sql(desk, "CREATE SCHEMA %s_b; CREATE TABLE %s_b.seen (key text PRIMARY KEY, doc jsonb)", desk->schema,
        desk->schema);
    snprintf(desk->url, sizeof desk->url, "%s?options=-csearch_path%%3Dno_such_schema,%s,%s_b", server_url(),
             desk->schema, desk->schema);
    desk->view.target = "seen";
    desk_open(desk);
    apply(desk, upsert("k", "1", 1));
    assert_string_equal(sql(desk, "SELECT count(*) FROM %s_b.seen", desk->schema), "1");
    desk->view.target = "unseen";
    desk->view.name = "another";
    desk_open(desk);
    assert_string_equal(sql(desk, "SELECT count(*) FROM %s.unseen", desk->schema), "0");
    sql(desk, "DROP SCHEMA %s_b CASCADE", desk->schema);
}

/* --- shapes ---------------------------------------------------------------------------------- */

static void a_table_of_the_users_own_is_taken_as_it_is(void **state)
{
    struct desk *desk = *state;
    sql(desk, "CREATE TABLE orders (id bigserial, doc jsonb, note text DEFAULT 'n' NOT NULL, key varchar(20) "
              "UNIQUE NOT NULL,"
              " total numeric GENERATED ALWAYS AS ((doc->>'total')::numeric) STORED);"
              "CREATE INDEX ON orders USING gin (doc); CREATE INDEX ON orders (total)");
    desk_open(desk);
    apply(desk, upsert("a", "{\"total\":12.50}", 1));
    apply(desk, upsert("a", "{\"total\":13.50}", 2));
    assert_int_equal(apply(desk, upsert("a", "{\"total\":1}", 1)), UPSINK_STALE);
    assert_string_equal(sql(desk, "SELECT total || note || _upsink_offset FROM orders"), "13.50n2");
    apply(desk, tombstone("a", 3));
    assert_int_equal(apply(desk, upsert("a", "{\"total\":1}", 1)), UPSINK_STALE);
    apply(desk, upsert("a", "{\"total\":2}", 4));
    assert_string_equal(sql(desk, "SELECT total FROM orders"), "2");
}

static void a_row_that_the_user_put_there_gives_way(void **state)
{
    struct desk *desk = *state;
    sql(desk, "CREATE TABLE orders (key text PRIMARY KEY, doc jsonb); INSERT INTO orders VALUES ('a', '0'), "
              "('b', '0'), ('c', '0')");
    desk_open(desk);
    assert_int_equal(apply(desk, upsert("a", "1", 1)), UPSINK_APPLIED);
    assert_int_equal(apply(desk, tombstone("b", 2)), UPSINK_APPLIED);
    assert_string_equal(sql(desk, "SELECT string_agg(key || doc, ',' ORDER BY key) FROM orders"), "a1,c0");
}

static void what_can_not_hold_a_view_is_refused_with_the_remedy(void **state)
{
    static const struct {
        const char *ddl, *names;
    } cases[] = {
        {"CREATE TABLE orders (id int)", "no column key (text)"},
        {"CREATE TABLE orders (key int PRIMARY KEY, doc jsonb)",
         "column key is integer where text is expected"},
        {"CREATE TABLE orders (key text PRIMARY KEY)", "no column doc (jsonb)"},
        {"CREATE TABLE orders (key text PRIMARY KEY, doc json)",
         "column doc is json where jsonb is expected"},
        {"CREATE TABLE orders (key text PRIMARY KEY, doc text)",
         "column doc is text where jsonb is expected"},
        {"CREATE TABLE orders (key text, doc jsonb)", "column key is not unique by itself"},
        {"CREATE TABLE orders (key text, doc jsonb, tenant int UNIQUE, UNIQUE (key, tenant))",
         "column key is not unique by itself"},
        {"CREATE TABLE orders (key text, doc jsonb); CREATE UNIQUE INDEX ON orders (key) WHERE doc IS NOT "
         "NULL",
         "partial or deferrable"},
        {"CREATE TABLE orders (key text UNIQUE DEFERRABLE, doc jsonb)", "partial or deferrable"},
        {"CREATE TABLE orders (key text PRIMARY KEY, doc jsonb, _upsink_offset text)",
         "column _upsink_offset is text where bigint"},
        {"CREATE TABLE orders (key text PRIMARY KEY, doc jsonb, region text NOT NULL)",
         "column region is NOT NULL without a default"},
    };
    struct desk *desk = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sql(desk, "DROP SCHEMA %s CASCADE; CREATE SCHEMA %s", desk->schema, desk->schema);
        sql(desk, "%s", cases[i].ddl);
        assert_false(try_prepare(desk));
        assert_int_equal(desk->err.cls, UPSINK_ERR_FATAL);
        assert_string_equal(desk->err.code, "target_mismatch");
        assert_says(desk->err.text, cases[i].names);
        /* The remedy is what it says it is; where two things are wrong, each has one. */
        for (int step = 0; step < 3 && !try_prepare(desk); step++) {
            char *remedy = strstr(desk->err.text, "To mend it: ");
            assert_non_null(remedy);
            char *aside = strstr(remedy, " (or give");
            if (aside)
                *aside = '\0';
            const char *usual = strstr(remedy, "TYPE bigint") ? " USING NULL" : "";
            sql(desk, "%s%s", remedy + strlen("To mend it: "), usual);
        }
        need(desk, try_prepare(desk), cases[i].ddl);
        desk_close(desk);
    }
}

static void what_is_no_table_is_refused(void **state)
{
    struct desk *desk = *state;
    sql(desk, "CREATE VIEW orders AS SELECT 'a'::text AS key, '1'::jsonb AS doc");
    assert_false(try_prepare(desk));
    assert_string_equal(desk->err.code, "target_mismatch");
    assert_says(desk->err.text, "not a table");
}

static void a_partitioned_table_works(void **state)
{
    struct desk *desk = *state;
    sql(desk, "CREATE TABLE orders (key text PRIMARY KEY, doc jsonb) PARTITION BY HASH (key);"
              "CREATE TABLE orders_0 PARTITION OF orders FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
              "CREATE TABLE orders_1 PARTITION OF orders FOR VALUES WITH (MODULUS 2, REMAINDER 1)");
    desk_open(desk);
    for (int i = 0; i < 10; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(apply(desk, upsert(key, "1", 1 + i)), UPSINK_APPLIED);
        assert_int_equal(apply(desk, tombstone(key, 20 + i)), UPSINK_APPLIED);
        assert_int_equal(apply(desk, upsert(key, "0", 10 + i)), UPSINK_STALE);
        assert_int_equal(apply(desk, upsert(key, "2", 30 + i)), UPSINK_APPLIED);
    }
    assert_string_equal(sql(desk, "SELECT count(*) || '/' || sum(doc::int) FROM orders"), "10/20");
    assert_string_equal(sql(desk, "SELECT count(*) FROM _upsink_deleted_orders"), "0");
}

/* --- fates ----------------------------------------------------------------------------------- */

static void fill(struct desk *desk)
{
    desk_open(desk);
    apply(desk, upsert("a", "1", 1));
    apply(desk, upsert("b", "1", 2));
    apply(desk, tombstone("c", 3));
}

static void assert_fate(struct desk *desk, bool lost)
{
    int64_t epoch = desk->position.epoch;
    desk_close(desk);
    desk_open(desk);
    assert_int_equal(desk->position.next_offset, lost ? -1 : 4);
    assert_int_equal(desk->position.generation, 1);
    assert_int_equal(desk->position.epoch, epoch + (lost ? 2 : 1));
    assert_string_equal(sql(desk, "SELECT count(*) FROM _upsink_deleted_orders"), lost ? "0" : "1");
}

#define COPY_TABLE                                                                                           \
    "CREATE TABLE copy (LIKE orders INCLUDING ALL); INSERT INTO copy SELECT * FROM orders; DROP TABLE "      \
    "orders;"                                                                                                \
    "ALTER TABLE copy RENAME TO orders"

static void rewriting_or_restoring_a_table_loses_nothing(void **state)
{
    static const char *const deeds[] = {"VACUUM FULL %s.orders", "CLUSTER %s.orders USING orders_pkey",
                                        "ALTER TABLE %s.orders ADD x int DEFAULT random()",
                                        "DELETE FROM %s.orders WHERE key = 'a'", "DELETE FROM %s.orders"};
    struct desk *desk = *state;
    fill(desk);
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
        char deed[200];
        snprintf(deed, sizeof deed, deeds[i], desk->schema);
        if (i == 3) {
            sql(desk, COPY_TABLE);
            assert_fate(desk, false);
        }
        sql(desk, "%s", deed);
        assert_fate(desk, false);
    }
}

static void what_loses_the_rows_begins_again(void **state)
{
    static const char *const deeds[] = {
        "TRUNCATE orders",
        "DROP TABLE orders",
        "DROP TABLE orders; CREATE TABLE orders (key text PRIMARY KEY, doc jsonb)",
        "DROP TABLE orders, _upsink_deleted_orders",
        "DROP TABLE orders, _upsink_views",
        "TRUNCATE orders, _upsink_views"};
    struct desk *desk = *state;
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
        sql(desk, "DROP SCHEMA %s CASCADE; CREATE SCHEMA %s", desk->schema, desk->schema);
        fill(desk);
        sql(desk, "%s", deeds[i]);
        assert_fate(desk, true);
        desk_open(desk);
        assert_int_equal(desk->position.next_offset, -1); /* until somebody filled it */
        assert_int_equal(apply(desk, upsert("c", "1", 2)), UPSINK_APPLIED);
    }
}

static void dropped_with_its_state_everything_is_new(void **state)
{
    struct desk *desk = *state;
    fill(desk);
    sql(desk, "DROP TABLE orders, _upsink_state, _upsink_views");
    desk_close(desk);
    desk_open(desk);
    assert_int_equal(desk->position.next_offset, -1);
    assert_int_equal(desk->position.generation, 0);
    assert_int_equal(apply(desk, upsert("c", "1", 2)), UPSINK_APPLIED); /* the old delete fence is gone */
}

static void an_unlogged_table_that_a_crash_emptied_begins_again(void **state)
{
    struct desk *desk = *state;
    sql(desk, "CREATE UNLOGGED TABLE orders (key text PRIMARY KEY, doc jsonb)");
    fill(desk);
    assert_fate(desk, false);
    sql(desk, "DELETE FROM orders"); /* what the server does after a crash keeps the file, too */
    assert_fate(desk, true);
}

static void what_happens_to_an_open_table_is_noticed_before_anything_is_committed(void **state)
{
    static const char *const deeds[] = {"TRUNCATE orders",
                                        "DROP TABLE orders",
                                        "ALTER TABLE orders RENAME TO gone",
                                        "DROP TABLE orders; CREATE TABLE orders (LIKE old INCLUDING ALL)",
                                        "DROP TABLE _upsink_deleted_orders",
                                        "ALTER SCHEMA %s RENAME TO %s_gone"};
    struct desk *desk = *state;
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
        struct upsink_change two[] = {upsert("d", "1", 10), tombstone("e", 11)};
        struct upsink_result both[2];
        char deed[200];
        sql(desk, "DROP SCHEMA IF EXISTS %s CASCADE; CREATE SCHEMA %s", desk->schema, desk->schema);
        fill(desk);
        sql(desk, "CREATE TABLE old (LIKE orders INCLUDING ALL)");
        snprintf(deed, sizeof deed, deeds[i], desk->schema, desk->schema);
        sql(desk, "%s", deed);
        assert_false(try_write(desk, two, 2, both));
        if (desk->err.cls != UPSINK_ERR_TARGET_LOST)
            fail_msg("%s: class %d, %s", deeds[i], (int)desk->err.cls, desk->err.text);
        type->abort(desk->sink);
        need(desk, try_prepare(desk), deeds[i]);
        claim(desk);
        assert_int_equal(desk->position.next_offset, i == 4 ? 4 : -1);
        assert_int_equal(apply(desk, two[0]), UPSINK_APPLIED);
    }
    sql(desk, "DROP SCHEMA %s_gone CASCADE", desk->schema);
}

/* --- owners ---------------------------------------------------------------------------------- */

static void a_table_of_another_view_is_refused_by_name(void **state)
{
    struct desk *desk = *state;
    char first[100];
    snprintf(first, sizeof first, "view %s of topic orders", desk->schema);
    fill(desk);
    desk_close(desk);
    desk->view.name = "second";
    assert_false(try_prepare(desk));
    assert_int_equal(desk->err.cls, UPSINK_ERR_FATAL);
    assert_string_equal(desk->err.code, "target_taken");
    assert_says(desk->err.text, first);
    assert_says(desk->err.text, "view second of topic orders");
    /* The remedy that the message names. */
    sql(desk, "DROP TABLE orders; DELETE FROM _upsink_views WHERE target = 'orders'");
    need(desk, try_prepare(desk), "prepare");
}

struct racer {
    pthread_t thread;
    struct desk *desk;
    bool done;
};

static void *race(void *argument)
{
    struct racer *racer = argument;
    racer->done = try_prepare(racer->desk);
    return NULL;
}

static void many_may_prepare_at_once(void **state)
{
    enum { RACERS = 8 };
    struct desk *desk = *state;
    struct racer racers[RACERS];
    for (int i = 0; i < RACERS; i++)
        racers[i] = (struct racer){.desk = desk_twin(desk)};
    for (int i = 0; i < RACERS; i++)
        assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    for (int i = 0; i < RACERS; i++)
        pthread_join(racers[i].thread, NULL);
    for (int i = 0; i < RACERS; i++) {
        need(racers[i].desk, racers[i].done, "prepare");
        desk_free_twin(racers[i].desk);
    }
}

/* --- plan, rights, surroundings -------------------------------------------------------------- */

static void gather(void *context, const char *text)
{
    strcat(context, text);
    strcat(context, "\n");
}

static void gather_refill(void *context)
{
    strcat(context, "-- filled from the beginning\n"); /* may be among what is run by hand */
}

struct dropper {
    char statement[300];
    atomic_bool ended;
};

static void *drop_again_and_again(void *context)
{
    struct dropper *dropper = context;
    PGconn *connection = PQconnectdb(server_url());
    for (unsigned i = 0; !dropper->ended; i++) {
        PQclear(PQexec(connection, dropper->statement));
        usleep(i % 7 * 1000);
    }
    PQfinish(connection);
    return NULL;
}

static void a_table_that_is_dropped_while_it_is_looked_at_is_looked_at_again(void **state)
{
    struct desk *desk = *state;
    struct dropper dropper = {.ended = false};
    pthread_t thread;
    snprintf(dropper.statement, sizeof dropper.statement,
             "SET client_min_messages = error; DROP TABLE IF EXISTS %s", desk->target);
    assert_int_equal(pthread_create(&thread, NULL, drop_again_and_again, &dropper), 0);
    for (int i = 0; i < 300; i++) {
        if (i % 10 == 0)
            desk_close(desk);
        if (!try_prepare(desk) && strcmp(desk->err.code, "target_lost") != 0)
            fail_msg("preparation %d: %s: %s", i, desk->err.code, desk->err.text);
    }
    dropper.ended = true;
    pthread_join(thread, NULL);
    desk_open(desk);
}

static void a_plan_changes_nothing_and_its_statements_are_all_that_is_needed(void **state)
{
    char statements[8192] = "", again[8192] = "";
    struct desk *desk = *state;
    struct upsink_printer printer = {statements, gather, gather_refill},
                          second = {again, gather, gather_refill};
    sql(desk, "DROP SCHEMA %s", desk->schema);
    desk->view.delete_mode = UPSINK_DELETE_SOFT;
    need(desk, try_open(desk), "open");
    need(desk, type->prepare(desk->sink, &printer, &desk->err), "plan");
    assert_says(statements, "CREATE SCHEMA");
    assert_says(statements, "deleted_at timestamptz");
    assert_says(statements, "-- filled from the beginning");
    assert_string_equal(sql(desk, "SELECT count(*) FROM pg_namespace WHERE nspname = '%s'", desk->schema),
                        "0");
    desk->view.create = false;
    assert_false(try_prepare(desk));
    assert_string_equal(desk->err.code, "target_missing");
    assert_int_equal(desk->err.cls, UPSINK_ERR_FATAL);
    sql(desk, "%s", statements);
    desk_open(desk);
    need(desk, type->prepare(desk->sink, &second, &desk->err), "plan");
    assert_string_equal(again, "");
}

/* A role of the test's own; NULL where this server's superuser may not log in by password. */
static void use_role(struct desk *desk, const char *options)
{
    const char *at = strstr(server_url(), "@");
    assert_non_null(at);
    sql(desk,
        "DROP ROLE IF EXISTS %s; CREATE ROLE %s LOGIN PASSWORD 'hush-hush' %s; GRANT USAGE ON SCHEMA %s TO "
        "%s",
        desk->schema, desk->schema, options, desk->schema, desk->schema);
    snprintf(desk->url, sizeof desk->url, "postgres://%s:hush-hush%s", desk->schema, at);
}

static void drop_role(struct desk *desk)
{
    desk_close(desk);
    sql(desk, "DROP OWNED BY %s CASCADE; DROP ROLE %s", desk->schema, desk->schema);
}

static void a_role_without_rights_is_told_which_it_needs(void **state)
{
    struct desk *desk = *state;
    use_role(desk, "");
    assert_false(try_prepare(desk));
    assert_int_equal(desk->err.cls, UPSINK_ERR_REFUSED);
    assert_string_equal(desk->err.code, "permission_denied");
    assert_says(desk->err.text, "CREATE on schema");
    assert_null(strstr(desk->err.text, "hush-hush"));
    /* What the message offers instead. */
    desk_close(desk);
    char url[600], statements[8192] = "";
    struct upsink_printer printer = {statements, gather, gather_refill};
    snprintf(url, sizeof url, "%s", desk->url);
    snprintf(desk->url, sizeof desk->url, "%s", server_url());
    need(desk, try_open(desk), "open");
    need(desk, type->prepare(desk->sink, &printer, &desk->err), "plan");
    sql(desk, "%s; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %s TO %s", statements,
        desk->schema, desk->schema);
    snprintf(desk->url, sizeof desk->url, "%s", url);
    fill(desk);
    assert_string_equal(sql(desk, "SELECT count(*) FROM orders"), "2");
    drop_role(desk);
}

static void functions_of_other_schemas_are_not_taken_for_postgres_own(void **state)
{
    struct desk *desk = *state;
    use_role(desk, "");
    sql(desk,
        "GRANT CREATE ON SCHEMA %s TO %s; ALTER ROLE %s SET search_path = %s, pg_catalog;"
        "CREATE FUNCTION never(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT false';"
        "CREATE OPERATOR = (LEFTARG = text, RIGHTARG = text, FUNCTION = never);"
        "CREATE FUNCTION neverint(bigint, bigint) RETURNS boolean LANGUAGE sql AS 'SELECT false';"
        "CREATE OPERATOR > (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = neverint);"
        "CREATE FUNCTION now() RETURNS timestamptz LANGUAGE sql AS 'SELECT NULL::timestamptz'",
        desk->schema, desk->schema, desk->schema, desk->schema);
    fill(desk);
    assert_int_equal(apply(desk, upsert("a", "2", 4)), UPSINK_APPLIED);
    assert_int_equal(apply(desk, tombstone("a", 5)), UPSINK_APPLIED);
    assert_int_equal(apply(desk, upsert("a", "3", 4)), UPSINK_STALE);
    assert_string_equal(sql(desk, "SELECT string_agg(key, pg_catalog.text ',') FROM orders"), "b");
    drop_role(desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DESK_TEST(any_name_can_be_a_table),
        DESK_TEST(names_by_default_in_the_url_and_twice),
        DESK_TEST(an_unqualified_name_is_where_the_session_sees_it),
        DESK_TEST(a_table_of_the_users_own_is_taken_as_it_is),
        DESK_TEST(a_row_that_the_user_put_there_gives_way),
        DESK_TEST(what_can_not_hold_a_view_is_refused_with_the_remedy),
        DESK_TEST(what_is_no_table_is_refused),
        DESK_TEST(a_partitioned_table_works),
        DESK_TEST(rewriting_or_restoring_a_table_loses_nothing),
        DESK_TEST(what_loses_the_rows_begins_again),
        DESK_TEST(dropped_with_its_state_everything_is_new),
        DESK_TEST(an_unlogged_table_that_a_crash_emptied_begins_again),
        DESK_TEST(what_happens_to_an_open_table_is_noticed_before_anything_is_committed),
        DESK_TEST(a_table_of_another_view_is_refused_by_name),
        DESK_TEST(many_may_prepare_at_once),
        DESK_TEST(a_table_that_is_dropped_while_it_is_looked_at_is_looked_at_again),
        DESK_TEST(a_plan_changes_nothing_and_its_statements_are_all_that_is_needed),
        DESK_TEST(a_role_without_rights_is_told_which_it_needs),
        DESK_TEST(functions_of_other_schemas_are_not_taken_for_postgres_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
