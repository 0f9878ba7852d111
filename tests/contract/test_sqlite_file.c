/* What only SQLite has: files, and readers and writers beside the sink. */
#include "tests/contract/sqlite_file.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void odd_paths_and_names_work(void **state)
{
    static const struct {
        const char *file, *table;
    } cases[] = {
        {"a%20b%3f%25.db", "two words"}, {"%23.db", "quo\"te'd"},        {":x", "select"},
        {"file%3Ax.db", "t%s[]"},        {"\xc3\xbc.db", "\xc3\xbc.\n"}, {"plain.db", "main.orders"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sqlite_set_file(fixture, cases[i].file);
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
    assert_string_equal(sqlite_ask("a\\ b?%.db", "SELECT count(*) FROM [two words]"), "1");
    assert_string_equal(sqlite_ask("\\#.db", "SELECT count(*) FROM [quo\\\"te'd]"), "1");
    assert_string_equal(sqlite_ask("plain.db", "SELECT count(*) FROM orders"), "1");
}

static void a_relative_path_is_relative(void **state)
{
    struct fixture *fixture = *state;
    char before[256];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(sqlite_directory), 0);
    fixture->view.url = "sqlite:relative.db";
    fixture_open(fixture);
    assert_int_equal(chdir(before), 0);
    assert_string_equal(sqlite_ask("relative.db", "SELECT count(*) FROM _upsink_views"), "1");
}

static void readers_do_not_stop_the_writer(void **state)
{
    struct fixture *fixture = *state;
    char command[256];
    sqlite_set_file(fixture, "x.db");
    fixture->view.target = "orders";
    fixture_open(fixture);
    fixture_apply(fixture, make_upsert(fixture, "a", 1));
    snprintf(command, sizeof command, "sqlite3 %s/x.db >%s/seen", sqlite_directory, sqlite_directory);
    FILE *reader = popen(command, "w");
    assert_non_null(reader);
    fputs("BEGIN;\nSELECT count(*) FROM orders;\n", reader);
    fflush(reader);
    for (struct stat seen = {0}; seen.st_size == 0;) {
        snprintf(command, sizeof command, "%s/seen", sqlite_directory);
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
    sqlite_set_file(fixture, "x.db");
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
    sqlite_set_file(fixture, "x.db");
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
    sqlite_set_file(fixture, "missing/x.db");
    sqlite_assert_fails(fixture, UPSINK_ERR_OUTAGE, "sink_unreachable");
    assert_non_null(strstr(fixture->err.text, "No such file or directory"));
    sqlite_set_file(fixture, ".");
    sqlite_assert_fails(fixture, UPSINK_ERR_OUTAGE, "sink_unreachable");
    snprintf(path, sizeof path, "%s/text.db", sqlite_directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++)
        fputs("this is no database ", file);
    fclose(file);
    sqlite_set_file(fixture, "text.db");
    sqlite_assert_fails(fixture, UPSINK_ERR_FATAL, "not_a_database");
    sqlite_set_file(fixture, "absent.db");
    fixture->view.create = false;
    sqlite_assert_fails(fixture, UPSINK_ERR_OUTAGE, "sink_unreachable");
    snprintf(path, sizeof path, "%s/absent.db", sqlite_directory);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void ignore_statement(void *context, const char *text)
{
    (void)text;
    ++*(int *)context;
}

static void ignore_refill(void *context)
{
    (void)context;
}

static void a_plan_makes_no_file(void **state)
{
    struct fixture *fixture = *state;
    char path[128];
    int statements = 0;
    struct upsink_printer printer = {&statements, ignore_statement, ignore_refill};
    sqlite_set_file(fixture, "x.db");
    assert_true(suite.type->open(&fixture->sink, &fixture->view, NULL, &fixture->err));
    assert_true(suite.type->prepare(fixture->sink, &printer, &fixture->err));
    assert_int_equal(statements, 6);
    snprintf(path, sizeof path, "%s/x.db", sqlite_directory);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void a_file_that_is_removed_while_open_is_noticed(void **state)
{
    struct fixture *fixture = *state;
    char path[128];
    sqlite_set_file(fixture, "x.db");
    fixture_open(fixture);
    fixture_claim(fixture, 0, 0)->next_offset = 5;
    fixture_apply(fixture, make_upsert(fixture, "a", 1));
    snprintf(path, sizeof path, "%s/x.db", sqlite_directory);
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

static void a_killed_writer_leaves_what_it_committed(void **state)
{
    struct fixture *fixture = *state;
    int status;
    sqlite_set_file(fixture, "x.db");
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
    assert_string_equal(sqlite_ask("x.db", "PRAGMA integrity_check"), "ok");
}

/* Standing in for a full disk: the process may not write beyond this size. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_is_an_outage_and_it_goes_on_afterwards(void **state)
{
    enum { COUNT = 200 };
    struct fixture *fixture = *state;
    struct upsink_change changes[COUNT];
    struct upsink_result results[COUNT];
    char keys[COUNT][16];
    sqlite_set_file(fixture, "x.db");
    fixture_open(fixture);
    fixture_claim(fixture, 0, 0)->next_offset = 1;
    fixture_apply(fixture, make_upsert(fixture, "before", 1));
    char *text = arena_alloc(&fixture->scratch, 65536);
    assert_non_null(text);
    memset(text, '1', 65536);
    for (int i = 0; i < COUNT; i++) {
        snprintf(keys[i], sizeof keys[i], "key-%03d", i);
        changes[i] = make_upsert(fixture, keys[i], 10 + i);
        changes[i].entity = (struct upsink_slice){text, 65536};
    }
    fixture->positions[0][0].next_offset = 2;
    for (int tries = 0; tries < 3; tries++) {
        limit_files(1 << 20);
        bool done = fixture_try_write_all(fixture, changes, COUNT, results) && fixture_try_commit(fixture);
        enum upsink_error_class cls = fixture->err.cls;
        limit_files(RLIM_INFINITY);
        assert_false(done);
        assert_int_equal(cls, UPSINK_ERR_OUTAGE);
        fixture_abort(fixture);
        assert_true(suite.type->prepare(fixture->sink, NULL, &fixture->err));
    }
    assert_absent(fixture, keys[0]);
    fixture_write(fixture, changes, COUNT, results);
    fixture_commit(fixture);
    assert_row_is(fixture, changes[COUNT - 1].key, &changes[COUNT - 1]);
    assert_true(fixture_see_text(fixture, "before").found);
    assert_string_equal(sqlite_ask("x.db", "PRAGMA integrity_check"), "ok");
}

/* Root may write everywhere; so it is somebody else for a while. */
static void a_read_only_file_is_an_outage(void **state)
{
    struct fixture *fixture = *state;
    sqlite_set_file(fixture, "x.db");
    fixture_open(fixture);
    fixture_apply(fixture, make_upsert(fixture, "a", 1));
    fixture_close(fixture);
    assert_int_equal(chmod(sqlite_directory, 0755) | chmod(sqlite_path("x.db"), 0444), 0);
    bool root = geteuid() == 0;
    assert_int_equal(root ? seteuid(65534) : 0, 0);
    bool done = sqlite_try_open(fixture);
    assert_int_equal(root ? seteuid(0) : 0, 0);
    assert_false(done);
    assert_int_equal(fixture->err.cls, UPSINK_ERR_OUTAGE);
    assert_int_equal(chmod(sqlite_path("x.db"), 0644), 0);
    assert_true(suite.type->prepare(fixture->sink, NULL, &fixture->err));
    assert_int_equal(fixture_apply(fixture, make_upsert(fixture, "a", 2)), UPSINK_APPLIED);
}

static const struct CMUnitTest tests[] = {
    FILE_TEST(odd_paths_and_names_work),
    FILE_TEST(a_relative_path_is_relative),
    FILE_TEST(readers_do_not_stop_the_writer),
    FILE_TEST(a_lock_that_is_held_too_long_is_an_outage),
    FILE_TEST(waiting_for_a_lock_ends_when_the_program_stops),
    FILE_TEST(files_that_can_not_be_used_are_told_apart),
    FILE_TEST(a_plan_makes_no_file),
    FILE_TEST(a_file_that_is_removed_while_open_is_noticed),
    FILE_TEST(a_killed_writer_leaves_what_it_committed),
    FILE_TEST(a_full_disk_is_an_outage_and_it_goes_on_afterwards),
    FILE_TEST(a_read_only_file_is_an_outage),
};

const struct group sqlite_file_group = {"sqlite file", tests, sizeof tests / sizeof *tests};
