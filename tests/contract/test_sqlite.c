/* What only SQLite has: files, readers and writers beside the sink, tables of the user's own making. */
#include "tests/contract/suite.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[32];

static int make_directory(void **state)
{
    snprintf(directory, sizeof directory, "/tmp/upsink-sqlite-XXXXXX");
    return mkdtemp(directory) ? fixture_setup(state) : -1;
}

static int remove_directory(void **state)
{
    char command[128];
    int result = fixture_teardown(state);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return result || system(command);
}

#define FILE_TEST(function) cmocka_unit_test_setup_teardown(function, make_directory, remove_directory)

/* The view writes to this file of the directory. */
static void set_file(struct fixture *fixture, const char *name)
{
    char url[256];
    snprintf(url, sizeof url, "sqlite:%s/%s", directory, name);
    fixture->view.url = arena_copy(&fixture->scratch, upsink_slice_of(url)).data;
}

/* What SQLite's own shell says to the statement, without its last newline. */
static const char *ask(const char *file, const char *sql)
{
    static char answer[4096];
    char command[4096];
    snprintf(command, sizeof command, "sqlite3 -bail -cmd '.timeout 5000' %s/%s \"%s\" 2>&1", directory, file, sql);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t len = fread(answer, 1, sizeof answer - 1, pipe);
    answer[len] = '\0';
    if (pclose(pipe) != 0)
        fail_msg("%s: %s", command, answer);
    if (len && answer[len - 1] == '\n')
        answer[len - 1] = '\0';
    return answer;
}

static bool try_open(struct fixture *fixture)
{
    fixture_close(fixture);
    return suite.type->open(&fixture->sink, &fixture->view, NULL, &fixture->err) &&
           suite.type->prepare(fixture->sink, NULL, &fixture->err);
}

static void assert_fails(struct fixture *fixture, enum upsink_error_class cls, const char *code)
{
    assert_false(try_open(fixture));
    assert_string_equal(fixture->err.code, code);
    assert_int_equal(fixture->err.cls, cls);
}

static void urls_that_name_no_file_or_table_are_refused(void **state)
{
    static const struct {
        const char *url, *target, *code;
    } cases[] = {
        {"sqlite:", NULL, "bad_url"},
        {"sqlite::memory:", NULL, "bad_url"},
        {"sqlite:%3Amemory%3A", NULL, "bad_url"},
        {"sqlite://host/x.db", NULL, "bad_url"},
        {"sqlite:/tmp/", NULL, "bad_url"},
        {"sqlite:x.db?tabel=a", NULL, "bad_url"},
        {"sqlite:x.db?table=a%", NULL, "bad_url"},
        {"sqlite:x.db?table=a", "a", "target_twice"},
        {"sqlite:x.db?table=", NULL, "bad_target"},
        {"sqlite:x.db?table=a.b", NULL, "bad_target"},
        {"sqlite:x.db", "sqlite_x", "bad_target"},
        {"sqlite:x.db", "_upsink_state", "bad_target"},
        {"sqlite:x.db", "a\xff", "bad_target"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture->view.url = cases[i].url;
        fixture->view.target = cases[i].target;
        assert_false(suite.type->open(&fixture->sink, &fixture->view, NULL, &fixture->err));
        assert_null(fixture->sink);
        assert_int_equal(fixture->err.cls, UPSINK_ERR_CONFIG);
        assert_string_equal(fixture->err.code, cases[i].code);
    }
}

static void settings_are_checked(void **state)
{
    static const struct upsink_setting settings[] = {{"synchronous", "full"}, {"synchronous", "off"}, {"synchronus", "full"}};
    struct fixture *fixture = *state;
    set_file(fixture, "x.db");
    fixture->view.setting_count = 1;
    fixture->view.settings = &settings[0];
    fixture_open(fixture);
    fixture->view.settings = &settings[1];
    assert_fails(fixture, UPSINK_ERR_CONFIG, "bad_setting");
    fixture->view.settings = &settings[2];
    assert_fails(fixture, UPSINK_ERR_CONFIG, "bad_setting");
    assert_non_null(strstr(fixture->err.text, "did you mean \"synchronous\"?"));
}

static void odd_paths_and_names_work(void **state)
{
    static const struct {
        const char *file, *table;
    } cases[] = {
        {"a%20b%3f%25.db", "two words"}, {"%23.db", "quo\"te'd"}, {":x", "select"}, {"file%3Ax.db", "t%s[]"}, {"\xc3\xbc.db", "\xc3\xbc.\n"}, {"plain.db", "main.orders"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        set_file(fixture, cases[i].file);
        /* A topic's name is one identifier, dots and all. */
        bool has_dot = strchr(cases[i].table, '.') && strncmp(cases[i].table, "main.", 5) != 0;
        fixture->view.target = has_dot ? NULL : cases[i].table;
        fixture->view.default_target = cases[i].table;
        fixture_reopen(fixture);
        fixture_apply(fixture, make_upsert(fixture, "a", 1));
        fixture_apply(fixture, make_tombstone("b", 2));
        fixture_reopen(fixture);
        assert_true(fixture_see_text(fixture, "a").found);
    }
    assert_string_equal(ask("a\\ b?%.db", "SELECT count(*) FROM [two words]"), "1");
    assert_string_equal(ask("\\#.db", "SELECT count(*) FROM [quo\\\"te'd]"), "1");
    assert_string_equal(ask("plain.db", "SELECT count(*) FROM orders"), "1");
}

static void a_relative_path_is_relative(void **state)
{
    struct fixture *fixture = *state;
    char before[256];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(directory), 0);
    fixture->view.url = "sqlite:relative.db";
    fixture_open(fixture);
    assert_int_equal(chdir(before), 0);
    assert_string_equal(ask("relative.db", "SELECT count(*) FROM _upsink_views"), "1");
}

static void a_row_reads_well(void **state)
{
    struct fixture *fixture = *state;
    set_file(fixture, "x.db");
    fixture->view.target = "orders";
    fixture_open(fixture);
    struct upsink_change change = make_upsert(fixture, "a", 7);
    change.flags = UPSINK_HAS_VERSION;
    change.version = -3;
    change.event_id = upsink_slice_of("e");
    change.timestamp = 1700000000123456;
    fixture_apply(fixture, change);
    change = make_tombstone("b", 8);
    fixture_apply(fixture, change);
    assert_string_equal(ask("x.db", "SELECT * FROM orders"),
                        "a|{\"offset\": 7}|-3|e||0|7|1|2023-11-14T22:13:20.123456Z");
    assert_string_equal(ask("x.db", "SELECT datetime(_upsink_updated_at), json_extract(doc, '$.offset') FROM orders"),
                        "2023-11-14 22:13:20|7");
    assert_string_equal(ask("x.db", "PRAGMA journal_mode"), "wal");
    assert_string_equal(ask("x.db", "PRAGMA integrity_check"), "ok");
}

static void readers_do_not_stop_the_writer(void **state)
{
    struct fixture *fixture = *state;
    char command[256];
    set_file(fixture, "x.db");
    fixture->view.target = "orders";
    fixture_open(fixture);
    fixture_apply(fixture, make_upsert(fixture, "a", 1));
    snprintf(command, sizeof command, "sqlite3 %s/x.db >%s/seen", directory, directory);
    FILE *reader = popen(command, "w");
    assert_non_null(reader);
    fputs("BEGIN;\nSELECT count(*) FROM orders;\n", reader);
    fflush(reader);
    for (struct stat seen = {0}; seen.st_size == 0;) {
        snprintf(command, sizeof command, "%s/seen", directory);
        usleep(1000);
        stat(command, &seen);
    }
    fixture_apply(fixture, make_upsert(fixture, "b", 2));
    fputs("SELECT count(*) FROM orders;\nCOMMIT;\nSELECT count(*) FROM orders;\n", reader);
    assert_int_equal(pclose(reader), 0);
    char seen[16] = "";
    FILE *file = fopen(command, "r");
    assert_non_null(file);
    assert_true(fread(seen, 1, sizeof seen - 1, file) > 0);
    fclose(file);
    assert_string_equal(seen, "1\n1\n2\n");
}

static void a_lock_that_is_held_too_long_is_an_outage(void **state)
{
    struct fixture *fixture = *state, *other = fixture_twin(fixture);
    void *other_state = other;
    set_file(fixture, "x.db");
    other->view.url = fixture->view.url;
    other->view.timeout_us = 50000;
    fixture_open(fixture);
    fixture_open(other);
    struct upsink_change change = make_upsert(fixture, "a", 1);
    const struct upsink_change *changes[1] = {&change};
    struct upsink_result result;
    assert_true(fixture_try_write(fixture, changes, 1, &result));
    assert_false(fixture_try_write(other, changes, 1, &result));
    assert_int_equal(other->err.cls, UPSINK_ERR_OUTAGE);
    assert_string_equal(other->err.code, "sink_busy");
    fixture_abort(other);
    fixture_abort(fixture);
    assert_true(fixture_try_write(other, changes, 1, &result));
    assert_true(fixture_try_commit(other));
    fixture_teardown(&other_state);
}

static bool stop_at_once(void *context)
{
    return ++*(int *)context > 2;
}

static void waiting_for_a_lock_ends_when_the_program_stops(void **state)
{
    struct fixture *fixture = *state, *other = fixture_twin(fixture);
    void *other_state = other;
    int asked = 0;
    struct upsink_host host = {.size = sizeof host, .context = &asked, .stopping = stop_at_once};
    set_file(fixture, "x.db");
    other->view.url = fixture->view.url;
    other->view.timeout_us = 60000000;
    fixture_open(fixture);
    assert_true(suite.type->open(&other->sink, &other->view, &host, &other->err));
    assert_true(suite.type->prepare(other->sink, NULL, &other->err));
    struct upsink_change change = make_upsert(fixture, "a", 1);
    const struct upsink_change *changes[1] = {&change};
    struct upsink_result result;
    assert_true(fixture_try_write(fixture, changes, 1, &result));
    assert_false(fixture_try_write(other, changes, 1, &result));
    assert_int_equal(other->err.cls, UPSINK_ERR_OUTAGE);
    assert_true(asked > 2);
    fixture_teardown(&other_state);
}

static void files_that_can_not_be_used_are_told_apart(void **state)
{
    struct fixture *fixture = *state;
    char path[128];
    set_file(fixture, "missing/x.db");
    assert_fails(fixture, UPSINK_ERR_OUTAGE, "sink_unreachable");
    assert_non_null(strstr(fixture->err.text, "No such file or directory"));
    set_file(fixture, ".");
    assert_fails(fixture, UPSINK_ERR_OUTAGE, "sink_unreachable");
    snprintf(path, sizeof path, "%s/text.db", directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++)
        fputs("this is no database ", file);
    fclose(file);
    set_file(fixture, "text.db");
    assert_fails(fixture, UPSINK_ERR_FATAL, "not_a_database");
    set_file(fixture, "absent.db");
    fixture->view.create = false;
    assert_fails(fixture, UPSINK_ERR_OUTAGE, "sink_unreachable");
    snprintf(path, sizeof path, "%s/absent.db", directory);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void ignore_statement(void *context, const char *text)
{
    (void)text;
    ++*(int *)context;
}

static void a_plan_makes_no_file(void **state)
{
    struct fixture *fixture = *state;
    char path[128];
    int statements = 0;
    struct upsink_printer printer = {&statements, ignore_statement};
    set_file(fixture, "x.db");
    assert_true(suite.type->open(&fixture->sink, &fixture->view, NULL, &fixture->err));
    assert_true(suite.type->prepare(fixture->sink, &printer, &fixture->err));
    assert_int_equal(statements, 6);
    snprintf(path, sizeof path, "%s/x.db", directory);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void a_file_that_is_removed_while_open_is_noticed(void **state)
{
    struct fixture *fixture = *state;
    char path[128];
    set_file(fixture, "x.db");
    fixture_open(fixture);
    fixture_claim(fixture, 0, 0)->next_offset = 5;
    fixture_apply(fixture, make_upsert(fixture, "a", 1));
    snprintf(path, sizeof path, "%s/x.db", directory);
    assert_int_equal(unlink(path), 0);
    struct upsink_change change = make_upsert(fixture, "b", 2);
    const struct upsink_change *changes[1] = {&change};
    struct upsink_result result;
    assert_false(fixture_try_write(fixture, changes, 1, &result));
    assert_int_equal(fixture->err.cls, UPSINK_ERR_TARGET_LOST);
    fixture_abort(fixture);
    assert_true(suite.type->prepare(fixture->sink, NULL, &fixture->err));
    assert_absent(fixture, "a");
    assert_int_equal(fixture_claim(fixture, 0, 0)->next_offset, -1);
    assert_int_equal(fixture_apply(fixture, change), UPSINK_APPLIED);
    assert_int_equal(access(path, F_OK), 0);
}

/* Tables that users make themselves, and whether they can hold a view. */
static void tables_of_the_users_own_are_judged(void **state)
{
    static const char bookkeeping[] = "_upsink_version INTEGER, _upsink_event_id TEXT, _upsink_change_id TEXT, _upsink_partition "
                                      "INTEGER, _upsink_offset INTEGER, _upsink_generation INTEGER, _upsink_updated_at TEXT";
    static const struct {
        const char *sql; /* %s stands for the bookkeeping columns */
        bool good;
    } cases[] = {
        {"CREATE TABLE orders (key TEXT PRIMARY KEY NOT NULL, doc TEXT NOT NULL)", true},
        {"CREATE TABLE orders (KEY TEXT PRIMARY KEY NOT NULL, Doc TEXT NOT NULL CHECK (json_valid(doc)))", true},
        {"CREATE TABLE orders (key TEXT PRIMARY KEY NOT NULL, doc TEXT NOT NULL, %s) WITHOUT ROWID", true},
        {"CREATE TABLE orders (key TEXT PRIMARY KEY NOT NULL, doc TEXT NOT NULL, %s) STRICT", true},
        {"CREATE TABLE orders (id INTEGER PRIMARY KEY, key VARCHAR(99) UNIQUE, doc, %s)", true},
        {"CREATE TABLE orders (key TEXT PRIMARY KEY, doc TEXT, total AS (json_extract(doc, '$.offset')), note TEXT DEFAULT 'x' NOT NULL, %s)", true},
        {"CREATE TABLE Orders (key TEXT PRIMARY KEY, doc TEXT)", true},
        {"CREATE TABLE orders (key TEXT PRIMARY KEY, doc TEXT); INSERT INTO orders VALUES ('mine', '{}')", false},
        {"CREATE TABLE orders (key TEXT, doc TEXT, %s)", false},
        {"CREATE TABLE orders (key TEXT PRIMARY KEY COLLATE NOCASE, doc TEXT, %s)", false},
        {"CREATE TABLE orders (key TEXT, part TEXT, doc TEXT, %s, PRIMARY KEY (key, part))", false},
        {"CREATE TABLE orders (key TEXT, doc TEXT, %s); CREATE UNIQUE INDEX i ON orders (key) WHERE key > 'a'", false},
        {"CREATE TABLE orders (key INTEGER PRIMARY KEY, doc TEXT, %s)", false},
        {"CREATE TABLE orders (key TEXT PRIMARY KEY, doc NUMERIC, %s)", false},
        {"CREATE TABLE orders (key TEXT PRIMARY KEY, doc REAL, %s)", false},
        {"CREATE TABLE orders (key TEXT PRIMARY KEY, doc AS (key), %s)", false},
        {"CREATE TABLE orders (key TEXT PRIMARY KEY, doc TEXT, must TEXT NOT NULL, %s)", false},
        {"CREATE TABLE orders (key TEXT PRIMARY KEY)", false},
        {"CREATE VIEW orders AS SELECT 1 AS key, 2 AS doc", false},
        {"CREATE VIRTUAL TABLE orders USING fts5(key, doc)", false},
    };
    struct fixture *fixture = *state;
    fixture->view.target = "orders";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char file[16], sql[1024];
        const char *mark = strstr(cases[i].sql, "%s");
        int before = mark ? (int)(mark - cases[i].sql) : (int)strlen(cases[i].sql);
        snprintf(sql, sizeof sql, "%.*s%s%s", before, cases[i].sql, mark ? bookkeeping : "", mark ? mark + 2 : "");
        snprintf(file, sizeof file, "%zu.db", i);
        ask(file, sql);
        set_file(fixture, file);
        bool good = try_open(fixture);
        if (good != cases[i].good)
            fail_msg("%s: %s", sql, good ? "was taken" : fixture->err.text);
        if (!good) {
            assert_int_equal(fixture->err.cls, UPSINK_ERR_FATAL);
            assert_string_equal(fixture->err.code, "target_mismatch");
            continue;
        }
        struct upsink_change change = make_upsert(fixture, "1.0", 1);
        change.entity = upsink_slice_of("2.50");
        change.event_id = upsink_slice_of("007");
        assert_int_equal(fixture_apply(fixture, change), UPSINK_APPLIED);
        struct upsink_row row = fixture_see_text(fixture, "1.0");
        assert_true(upsink_slice_is(row.entity, "2.50"));
        assert_true(upsink_slice_is(row.fence.event_id, "007"));
        assert_int_equal(fixture_apply(fixture, change), UPSINK_DUPLICATE_EVENT);
    }
}

static void a_constraint_of_the_user_costs_one_change(void **state)
{
    struct fixture *fixture = *state;
    struct upsink_result results[3];
    ask("x.db", "CREATE TABLE orders (key TEXT PRIMARY KEY, doc TEXT NOT NULL, total AS (json_extract(doc, '$.total')) UNIQUE, "
                "CONSTRAINT has_total CHECK (total IS NOT NULL))");
    set_file(fixture, "x.db");
    fixture->view.target = "orders";
    fixture_open(fixture);
    struct upsink_change changes[3] = {make_upsert(fixture, "a", 1), make_upsert(fixture, "b", 2), make_upsert(fixture, "c", 3)};
    changes[0].entity = changes[2].entity = upsink_slice_of("{\"total\": 4711}");
    fixture_write(fixture, changes, 3, results);
    assert_int_equal(results[0].verdict, UPSINK_APPLIED);
    assert_int_equal(results[1].verdict, UPSINK_REJECTED);
    assert_string_equal(results[1].error->code, "constraint_violation");
    assert_non_null(strstr(results[1].error->text, "has_total"));
    assert_non_null(strstr(results[1].error->detail, "SQLITE_CONSTRAINT_CHECK"));
    assert_int_equal(results[2].verdict, UPSINK_REJECTED);
    assert_null(strstr(results[2].error->text, "4711"));
    fixture_commit(fixture);
    assert_string_equal(ask("x.db", "SELECT key, total FROM orders"), "a|4711");
}

static void a_trigger_that_rolls_back_is_no_bad_record(void **state)
{
    struct fixture *fixture = *state;
    set_file(fixture, "x.db");
    fixture->view.target = "orders";
    fixture_open(fixture);
    ask("x.db", "CREATE TRIGGER t BEFORE INSERT ON orders WHEN NEW.key = 'b' BEGIN SELECT RAISE(ROLLBACK, 'no'); END");
    struct upsink_change changes[2] = {make_upsert(fixture, "a", 1), make_upsert(fixture, "b", 2)};
    const struct upsink_change *pointers[2] = {&changes[0], &changes[1]};
    struct upsink_result results[2];
    assert_false(fixture_try_write(fixture, pointers, 2, results));
    assert_int_equal(fixture->err.cls, UPSINK_ERR_UNKNOWN);
    /* Without an abort nothing may be taken for committed. */
    assert_false(suite.type->commit(fixture->sink, NULL, 0, &fixture->err));
    fixture_abort(fixture);
    assert_absent(fixture, "a");
    assert_int_equal(fixture_apply(fixture, changes[0]), UPSINK_APPLIED);
}

static void other_changes_of_the_schema_disturb_nobody(void **state)
{
    struct fixture *fixture = *state;
    set_file(fixture, "x.db");
    fixture->view.target = "orders";
    fixture_open(fixture);
    fixture_claim(fixture, 0, 0)->next_offset = 3;
    fixture_apply(fixture, make_upsert(fixture, "a", 1));
    ask("x.db", "CREATE INDEX by_offset ON orders (json_extract(doc, '$.offset')); ALTER TABLE orders ADD COLUMN note TEXT; "
                "CREATE TABLE other (a); ANALYZE");
    assert_int_equal(fixture_apply(fixture, make_upsert(fixture, "b", 2)), UPSINK_APPLIED);
    ask("x.db", "VACUUM");
    assert_int_equal(fixture_apply(fixture, make_upsert(fixture, "c", 3)), UPSINK_APPLIED);
    fixture_reopen(fixture);
    assert_int_equal(fixture_claim(fixture, 0, 0)->next_offset, 3);
}

static void a_table_that_was_renamed_away_is_a_lost_one(void **state)
{
    struct fixture *fixture = *state;
    set_file(fixture, "x.db");
    fixture->view.target = "orders";
    fixture_open(fixture);
    fixture_claim(fixture, 0, 0)->next_offset = 3;
    fixture_apply(fixture, make_upsert(fixture, "a", 1));
    fixture_close(fixture);
    ask("x.db", "ALTER TABLE orders RENAME TO before; CREATE TABLE orders (key TEXT PRIMARY KEY, doc TEXT)");
    fixture_open(fixture);
    assert_int_equal(fixture_claim(fixture, 0, 0)->next_offset, -1);
    assert_absent(fixture, "a");
    assert_string_equal(ask("x.db", "SELECT key FROM before"), "a");
}

static void soft_deletes_can_be_turned_on_and_off(void **state)
{
    struct fixture *fixture = *state;
    set_file(fixture, "x.db");
    fixture->view.target = "orders";
    fixture_open(fixture);
    fixture_claim(fixture, 0, 0)->next_offset = 3;
    fixture_apply(fixture, make_upsert(fixture, "a", 1));
    fixture_apply(fixture, make_tombstone("gone before", 2));
    fixture->view.delete_mode = UPSINK_DELETE_SOFT;
    fixture_reopen(fixture);
    assert_int_equal(fixture_apply(fixture, make_upsert(fixture, "gone before", 1)), UPSINK_STALE);
    fixture_apply(fixture, make_tombstone("a", 5));
    assert_string_equal(ask("x.db", "SELECT key, deleted_at FROM orders"), "a|2023-11-14T22:13:20.005005Z");
    fixture->view.delete_mode = UPSINK_DELETE_HARD;
    fixture_reopen(fixture);
    assert_string_equal(ask("x.db", "SELECT count(*) FROM orders"), "0");
    assert_int_equal(fixture_apply(fixture, make_upsert(fixture, "a", 4)), UPSINK_STALE);
    assert_int_equal(fixture_apply(fixture, make_upsert(fixture, "a", 6)), UPSINK_APPLIED);
    assert_int_equal(fixture_claim(fixture, 0, 0)->next_offset, 3);
}

/* Somebody's connection that makes tables of names that differ in case only. */
static void names_that_differ_in_case_are_one_table(void **state)
{
    struct fixture *fixture = *state, *other = fixture_twin(fixture);
    void *other_state = other;
    set_file(fixture, "x.db");
    other->view.url = fixture->view.url;
    fixture->view.target = "orders";
    other->view.target = "ORDERS";
    other->view.name = "other";
    fixture_open(fixture);
    assert_fails(other, UPSINK_ERR_FATAL, "target_taken");
    fixture_teardown(&other_state);
}

static void a_killed_writer_leaves_what_it_committed(void **state)
{
    struct fixture *fixture = *state;
    int status;
    set_file(fixture, "x.db");
    fixture->view.target = "orders";
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct upsink_result result;
        fixture_open(fixture);
        fixture_claim(fixture, 0, 0)->next_offset = 2;
        fixture_apply(fixture, make_upsert(fixture, "a", 1));
        struct upsink_change change = make_upsert(fixture, "b", 2);
        fixture->positions[0][0].next_offset = 3;
        fixture_write(fixture, &change, 1, &result);
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    fixture_open(fixture);
    assert_true(fixture_see_text(fixture, "a").found);
    assert_absent(fixture, "b");
    assert_int_equal(fixture_claim(fixture, 0, 0)->next_offset, 2);
    assert_string_equal(ask("x.db", "PRAGMA integrity_check"), "ok");
}

static const struct CMUnitTest tests[] = {
    FILE_TEST(urls_that_name_no_file_or_table_are_refused),
    FILE_TEST(settings_are_checked),
    FILE_TEST(odd_paths_and_names_work),
    FILE_TEST(a_relative_path_is_relative),
    FILE_TEST(a_row_reads_well),
    FILE_TEST(readers_do_not_stop_the_writer),
    FILE_TEST(a_lock_that_is_held_too_long_is_an_outage),
    FILE_TEST(waiting_for_a_lock_ends_when_the_program_stops),
    FILE_TEST(files_that_can_not_be_used_are_told_apart),
    FILE_TEST(a_plan_makes_no_file),
    FILE_TEST(a_file_that_is_removed_while_open_is_noticed),
    FILE_TEST(tables_of_the_users_own_are_judged),
    FILE_TEST(a_constraint_of_the_user_costs_one_change),
    FILE_TEST(a_trigger_that_rolls_back_is_no_bad_record),
    FILE_TEST(other_changes_of_the_schema_disturb_nobody),
    FILE_TEST(a_table_that_was_renamed_away_is_a_lost_one),
    FILE_TEST(soft_deletes_can_be_turned_on_and_off),
    FILE_TEST(names_that_differ_in_case_are_one_table),
    FILE_TEST(a_killed_writer_leaves_what_it_committed),
};

const struct group sqlite_group = {"sqlite", tests, sizeof tests / sizeof *tests};
