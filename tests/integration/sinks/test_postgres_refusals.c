/* What becomes of changes that PostgreSQL refuses: each costs itself, never its neighbours. */
#include "tests/integration/sinks/postgres_help.h"

enum { MANY = 10000 };
#define SECRET "4111-1111-1111-1111"

static char keys[MANY][32], entities[MANY][96];
static struct upsink_change changes[MANY];
static struct upsink_result results[MANY];

static bool is_bad(size_t i, size_t every)
{
    return i % every == every / 2;
}

static void make_changes(size_t count, size_t every, int64_t offset)
{
    for (size_t i = 0; i < count; i++) {
        snprintf(keys[i], sizeof keys[i], "key-%05zu", i);
        snprintf(entities[i], sizeof entities[i], "{\"n\":%zu,\"total\":%d,\"card\":\"" SECRET "\"}", i,
                 is_bad(i, every) ? -1 : 1);
        changes[i] = upsert(keys[i], entities[i], offset + (int64_t)i);
    }
}

/* Exactly the bad ones are refused, and exactly the others are there. */
static void assert_only_bad_refused(struct desk *desk, size_t count, size_t every, const char *code,
                                    const char *detail)
{
    size_t bad = 0;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(results[i].verdict, is_bad(i, every) ? UPSINK_REJECTED : UPSINK_APPLIED);
        bad += is_bad(i, every);
        if (!is_bad(i, every))
            continue;
        assert_int_equal(results[i].error->cls, UPSINK_ERR_RECORD);
        assert_string_equal(results[i].error->code, code);
        assert_says(results[i].error->detail, detail);
        assert_null(strstr(results[i].error->text, SECRET));
        assert_null(strstr(results[i].error->detail, SECRET));
    }
    assert_int_equal(atol(sql(desk, "SELECT count(*) FROM orders")), count - bad);
    assert_int_equal(atol(sql(desk, "SELECT count(*) FROM orders WHERE doc->>'total' = '-1'")), 0);
}

static void refuse_negative_totals(struct desk *desk, const char *ddl)
{
    desk_open(desk);
    sql(desk, "%s", ddl);
}

#define CHECK_TOTAL "ALTER TABLE orders ADD CONSTRAINT positive CHECK ((doc->>'total')::int >= 0)"

static void one_bad_record_in_ten_thousand_costs_itself(void **state)
{
    struct desk *desk = *state;
    refuse_negative_totals(desk, CHECK_TOTAL);
    make_changes(MANY, MANY, 0);
    need(desk, try_write(desk, changes, MANY, results), "write");
    need(desk, try_commit(desk), "commit");
    assert_only_bad_refused(desk, MANY, MANY, "constraint_violation", "SQLSTATE 23514 constraint positive");
    assert_says(results[MANY / 2].error->text, "positive");
}

static void fifty_bad_records_in_ten_thousand_cost_themselves(void **state)
{
    struct desk *desk = *state;
    refuse_negative_totals(desk, CHECK_TOTAL);
    make_changes(MANY, MANY / 50, 0);
    need(desk, try_write(desk, changes, MANY, results), "write");
    need(desk, try_commit(desk), "commit");
    assert_only_bad_refused(desk, MANY, MANY / 50, "constraint_violation", "SQLSTATE 23514");
}

static void nothing_but_bad_records_is_survived(void **state)
{
    struct desk *desk = *state;
    refuse_negative_totals(desk, CHECK_TOTAL);
    make_changes(500, 1, 0);
    need(desk, try_write(desk, changes, 500, results), "write");
    need(desk, try_commit(desk), "commit");
    assert_only_bad_refused(desk, 500, 1, "constraint_violation", "SQLSTATE 23514");
}

static void a_refusal_in_the_second_write_leaves_the_first_alone(void **state)
{
    struct desk *desk = *state;
    struct upsink_result first;
    struct upsink_change before = upsert("before", "{\"total\":1}", 1);
    refuse_negative_totals(desk, CHECK_TOTAL);
    make_changes(100, 10, 10);
    need(desk, try_write(desk, &before, 1, &first), "write");
    need(desk, try_write(desk, changes, 100, results), "write");
    need(desk, try_commit(desk), "commit");
    assert_int_equal(first.verdict, UPSINK_APPLIED);
    assert_string_equal(sql(desk, "SELECT count(*) FROM orders"), "91");
}

/* Each way of refusing a negative total, and what is said of it. */
static void every_kind_of_constraint_names_itself(void **state)
{
    static const struct {
        const char *ddl, *code, *detail;
    } cases[] = {
        {CHECK_TOTAL, "constraint_violation", "SQLSTATE 23514 constraint positive"},
        {"ALTER TABLE orders ADD t int GENERATED ALWAYS AS (nullif((doc->>'total')::int, -1)) STORED NOT "
         "NULL",
         "constraint_violation", "SQLSTATE 23502 column t"},
        {"ALTER TABLE orders ADD t text GENERATED ALWAYS AS (CASE doc->>'total' WHEN '-1' THEN 'same' END) "
         "STORED;"
         "CREATE UNIQUE INDEX one_only ON orders (t); INSERT INTO orders (key, doc) VALUES ('other', "
         "'{\"total\":-1}')",
         "constraint_violation", "SQLSTATE 23505 constraint one_only"},
        {"CREATE TABLE parents (id int PRIMARY KEY); INSERT INTO parents VALUES (1);"
         "ALTER TABLE orders ADD t int GENERATED ALWAYS AS ((doc->>'total')::int) STORED REFERENCES parents",
         "constraint_violation", "SQLSTATE 23503 constraint orders_t_fkey"},
        {"CREATE TABLE parents (id int PRIMARY KEY); INSERT INTO parents VALUES (1);"
         "ALTER TABLE orders ADD t int GENERATED ALWAYS AS ((doc->>'total')::int) STORED REFERENCES parents"
         " DEFERRABLE INITIALLY DEFERRED",
         "constraint_violation", "SQLSTATE 23503 constraint orders_t_fkey"},
        {"ALTER TABLE orders ADD t smallint GENERATED ALWAYS AS ((CASE doc->>'total' WHEN '-1' THEN 70000 "
         "ELSE 1 END)::smallint) STORED",
         "value_out_of_range", "SQLSTATE 22003"},
        {"ALTER TABLE orders ADD t int GENERATED ALWAYS AS ((CASE doc->>'total' WHEN '-1' THEN doc->>'card' "
         "ELSE '1' END)::int) STORED",
         "invalid_for_sink", "SQLSTATE 22P02"},
        {"CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.doc->>'total' = '-1' "
         "THEN"
         " RAISE EXCEPTION 'no: %', NEW.doc; END IF; RETURN NEW; END $$;"
         "CREATE TRIGGER look BEFORE INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION look()",
         "rejected_by_trigger", "SQLSTATE P0001"},
        {"CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.doc->>'total' = '-1' "
         "THEN"
         " RAISE EXCEPTION 'no: %', NEW.doc; END IF; RETURN NEW; END $$;"
         "CREATE CONSTRAINT TRIGGER look AFTER INSERT OR UPDATE ON orders DEFERRABLE INITIALLY DEFERRED FOR "
         "EACH ROW"
         " EXECUTE FUNCTION look()",
         "rejected_by_trigger", "SQLSTATE P0001"},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct desk *desk = *state;
        sql(desk, "DROP SCHEMA %s CASCADE; CREATE SCHEMA %s", desk->schema, desk->schema);
        desk_open(desk);
        sql(desk, "%s", cases[c].ddl);
        need(desk, try_prepare(desk), "prepare"); /* some of them rewrite the table */
        claim(desk);
        make_changes(60, 20, 0);
        need(desk, try_write(desk, changes, 60, results), cases[c].ddl);
        need(desk, try_commit(desk), cases[c].ddl);
        sql(desk, "DELETE FROM orders WHERE key = 'other'");
        assert_only_bad_refused(desk, 60, 20, cases[c].code, cases[c].detail);
    }
}

static void a_record_may_need_one_that_comes_after_it(void **state)
{
    struct desk *desk = *state;
    refuse_negative_totals(desk, CHECK_TOTAL);
    sql(desk, "ALTER TABLE orders ADD parent text GENERATED ALWAYS AS (doc->>'parent') STORED REFERENCES "
              "orders DEFERRABLE INITIALLY"
              " DEFERRED");
    need(desk, try_prepare(desk), "prepare");
    claim(desk);
    make_changes(100, 100, 0);
    changes[0].entity = UPSINK_SLICE_LIT("{\"parent\":\"key-00099\"}");
    need(desk, try_write(desk, changes, 100, results), "write");
    need(desk, try_commit(desk), "commit");
    assert_only_bad_refused(desk, 100, 100, "constraint_violation", "SQLSTATE 23514 constraint positive");
    changes[0].entity = UPSINK_SLICE_LIT("{\"parent\":\"nobody\"}");
    changes[0].offset = 1000;
    need(desk, try_write(desk, changes, 1, results), "write");
    assert_int_equal(results[0].verdict, UPSINK_REJECTED);
    assert_string_equal(results[0].error->detail, "SQLSTATE 23503 constraint orders_parent_fkey");
}

static void what_jsonb_can_not_hold_is_refused_by_name(void **state)
{
    static const struct {
        const char *entity, *code, *detail;
    } cases[] = {
        {"{\"a\":\"x\\u0000y\"}", "unsupported_text", "SQLSTATE 22P05"}, /* where nobody set UPSINK_HAS_NUL */
        {"\"\\ud800\"", "invalid_for_sink", "SQLSTATE 22P02"},
        {"1e1000000", "value_out_of_range", "SQLSTATE 22003"},
    };
    struct desk *desk = *state;
    desk_open(desk);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct upsink_change three[] = {upsert("a", "1", 1 + (int64_t)c), upsert("b", cases[c].entity, 1),
                                        upsert("c", "1", 1 + (int64_t)c)};
        need(desk, try_write(desk, three, 3, results), "write");
        need(desk, try_commit(desk), "commit");
        assert_int_equal(results[0].verdict, UPSINK_APPLIED);
        assert_int_equal(results[2].verdict, UPSINK_APPLIED);
        assert_int_equal(results[1].verdict, UPSINK_REJECTED);
        assert_string_equal(results[1].error->code, cases[c].code);
        assert_string_equal(results[1].error->detail, cases[c].detail);
    }
    struct upsink_change known = upsert("b", "\"\\u0000\"", 1);
    known.flags = UPSINK_HAS_NUL;
    need(desk, try_write(desk, &known, 1, results), "write");
    assert_string_equal(results[0].error->code, "nul_in_text");
}

static void a_key_too_long_for_the_index_is_refused(void **state)
{
    static char noise[20001];
    struct desk *desk = *state;
    unsigned random = 7;
    desk_open(desk);
    for (size_t i = 0; i < sizeof noise - 1; i++)
        noise[i] = (char)('!' + (random = random * 1103515245 + 12345) / 65536 % 90);
    struct upsink_change two[] = {upsert(noise, "1", 1), upsert("~", "1", 2)};
    need(desk, try_write(desk, two, 2, results), "write");
    need(desk, try_commit(desk), "commit");
    assert_int_equal(results[0].verdict, UPSINK_REJECTED);
    assert_string_equal(results[0].error->code, "value_too_large");
    assert_int_equal(results[1].verdict, UPSINK_APPLIED);
}

static void a_delete_that_a_foreign_key_forbids_is_refused(void **state)
{
    struct desk *desk = *state;
    desk_open(desk);
    apply(desk, upsert("a", "1", 1));
    apply(desk, upsert("b", "1", 2));
    sql(desk, "CREATE TABLE notes (order_key text REFERENCES orders); INSERT INTO notes VALUES ('a')");
    struct upsink_change two[] = {tombstone("a", 3), tombstone("b", 4)};
    need(desk, try_write(desk, two, 2, results), "write");
    need(desk, try_commit(desk), "commit");
    assert_int_equal(results[0].verdict, UPSINK_REJECTED);
    assert_says(results[0].error->detail, "SQLSTATE 23503 constraint notes_order_key_fkey");
    assert_int_equal(results[1].verdict, UPSINK_APPLIED);
    assert_string_equal(sql(desk, "SELECT string_agg(key, ',') FROM orders"), "a");
}

static void what_is_refused_but_stale_is_stale(void **state)
{
    struct desk *desk = *state;
    refuse_negative_totals(desk, CHECK_TOTAL);
    apply(desk, upsert("a", "{\"total\":1}", 10));
    apply(desk, tombstone("b", 11));
    struct upsink_change three[] = {upsert("a", "{\"total\":-1}", 5), upsert("b", "{\"total\":-1}", 6),
                                    upsert("c", "{\"total\":-1}", 7)};
    need(desk, try_write(desk, three, 3, results), "write");
    assert_int_equal(results[0].verdict, UPSINK_STALE);
    assert_int_equal(results[1].verdict, UPSINK_STALE);
    assert_int_equal(results[2].verdict, UPSINK_REJECTED);
    assert_null(results[0].error);
}

static void a_row_that_a_trigger_keeps_away_counts_as_applied(void **state)
{
    struct desk *desk = *state;
    desk_open(desk);
    sql(desk, "CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
              "CREATE TRIGGER skip BEFORE INSERT ON orders FOR EACH ROW WHEN (NEW.key = 'b') EXECUTE "
              "FUNCTION skip()");
    struct upsink_change three[] = {upsert("a", "1", 1), upsert("b", "1", 2), upsert("c", "1", 3)};
    need(desk, try_write(desk, three, 3, results), "write");
    need(desk, try_commit(desk), "commit");
    assert_int_equal(results[1].verdict, UPSINK_APPLIED);
    assert_string_equal(sql(desk, "SELECT string_agg(key, ',' ORDER BY key) FROM orders"), "a,c");
}

static void triggers_see_what_happens_and_with_their_own_search_path(void **state)
{
    struct desk *desk = *state;
    snprintf(desk->url, sizeof desk->url, "%s?options=-csearch_path%%3D%s", server_url(), desk->schema);
    desk_open(desk);
    sql(desk, "CREATE TABLE audit (what text, key text);"
              "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO audit VALUES "
              "(TG_OP, coalesce(NEW.key, OLD.key));"
              " RETURN NULL; END';"
              "CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON orders FOR EACH ROW EXECUTE FUNCTION "
              "note()");
    apply(desk, upsert("a", "1", 1));
    apply(desk, upsert("a", "2", 2));
    apply(desk, upsert("a", "0", 1));
    apply(desk, tombstone("a", 3));
    assert_string_equal(sql(desk, "SELECT string_agg(what, ',') FROM audit"), "INSERT,UPDATE,DELETE");
}

/* An error of the trigger's own making that no record is to blame for. */
static void a_broken_trigger_is_no_records_fault(void **state)
{
    struct desk *desk = *state;
    struct upsink_change change = upsert("a", "1", 1);
    desk_open(desk);
    sql(desk, "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM 1 FROM "
              "no_such_table; RETURN NEW; END';"
              "CREATE TRIGGER broken BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION broken()");
    assert_false(try_write(desk, &change, 1, results));
    assert_int_equal(desk->err.cls, UPSINK_ERR_UNKNOWN);
    assert_says(desk->err.text, "no_such_table");
    type->abort(desk->sink);
    need(desk, try_prepare(desk), "prepare");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DESK_TEST(one_bad_record_in_ten_thousand_costs_itself),
        DESK_TEST(fifty_bad_records_in_ten_thousand_cost_themselves),
        DESK_TEST(nothing_but_bad_records_is_survived),
        DESK_TEST(a_refusal_in_the_second_write_leaves_the_first_alone),
        DESK_TEST(every_kind_of_constraint_names_itself),
        DESK_TEST(a_record_may_need_one_that_comes_after_it),
        DESK_TEST(what_jsonb_can_not_hold_is_refused_by_name),
        DESK_TEST(a_key_too_long_for_the_index_is_refused),
        DESK_TEST(a_delete_that_a_foreign_key_forbids_is_refused),
        DESK_TEST(what_is_refused_but_stale_is_stale),
        DESK_TEST(a_row_that_a_trigger_keeps_away_counts_as_applied),
        DESK_TEST(triggers_see_what_happens_and_with_their_own_search_path),
        DESK_TEST(a_broken_trigger_is_no_records_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
