/* The sink stdout keeps nothing; what it prints is all there is to ask. */
#include "tests/contract/suite.h"

#include <stdlib.h>
#include <unistd.h>

/* Standard output goes to a file between these two. */
static int begin_capture(FILE **file)
{
    int before = dup(STDOUT_FILENO);
    *file = tmpfile();
    assert_true(*file && before >= 0);
    fflush(stdout);
    assert_true(dup2(fileno(*file), STDOUT_FILENO) >= 0);
    return before;
}

/* The text, to be freed. */
static char *end_capture(int before, FILE *file)
{
    dup2(before, STDOUT_FILENO);
    close(before);
    long len = lseek(fileno(file), 0, SEEK_END);
    char *text = calloc((size_t)len + 1, 1);
    assert_true(text && pread(fileno(file), text, (size_t)len, 0) == len);
    fclose(file);
    return text;
}

static void open_plain(struct fixture *fixture)
{
    fixture->view.target = NULL;
    fixture_open(fixture);
}

static char *print_changes(struct fixture *fixture, const struct upsink_change *changes, size_t count)
{
    struct upsink_result results[8];
    const struct upsink_change *pointers[8];
    FILE *file;
    for (size_t i = 0; i < count; i++)
        pointers[i] = &changes[i];
    int before = begin_capture(&file);
    bool done = fixture_try_write(fixture, pointers, count, results);
    char *text = end_capture(before, file);
    assert_true(done);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(results[i].verdict, UPSINK_APPLIED);
    return text;
}

static void each_change_is_a_line_of_json(void **state)
{
    static const char expected[] =
        "{\"op\":\"upsert\",\"key\":\"a\\\"\\\\\\u000a\\u0001\xc3\xbc\",\"topic\":\"orders\",\"partition\":2,"
        "\"offset\":7,\"version\":-5,"
        "\"event_id\":\"e 1\",\"change_id\":\"\",\"entity\":{ \"a\" :   1.10, \"b\":\"\\n\" }}\n"
        "{\"op\":\"delete\",\"key\":\"\",\"topic\":\"orders\",\"partition\":0,\"offset\":9}\n";
    struct fixture *fixture = *state;
    open_plain(fixture);
    struct upsink_change changes[2] = {make_upsert(fixture, "a\"\\\n\x01\xc3\xbc", 7), make_tombstone("", 9)};
    changes[0].partition = 2;
    changes[0].flags = UPSINK_HAS_VERSION;
    changes[0].version = -5;
    changes[0].event_id = upsink_slice_of("e 1");
    changes[0].change_id = upsink_slice_of("");
    changes[0].entity = upsink_slice_of("{ \"a\" :\r\n 1.10,\n\"b\":\"\\n\" }");
    char *text = print_changes(fixture, changes, 2);
    assert_string_equal(text, expected);
    free(text);
}

static void large_entities_are_printed_whole(void **state)
{
    struct fixture *fixture = *state;
    size_t len = 1 << 20;
    open_plain(fixture);
    char *entity = arena_alloc(&fixture->scratch, len);
    assert_non_null(entity);
    memset(entity, 'x', len);
    entity[0] = entity[len - 1] = '"';
    struct upsink_change changes[3] = {make_upsert(fixture, "a", 1), make_upsert(fixture, "b", 2),
                                       make_upsert(fixture, "c", 3)};
    changes[1].entity = (struct upsink_slice){entity, len};
    char *text = print_changes(fixture, changes, 3), *line = strchr(text, '\n') + 1,
         *end = strchr(line, '\n');
    assert_true((size_t)(end - line) > len);
    assert_non_null(strstr(end, "\"key\":\"c\""));
    free(text);
}

static void a_closed_pipe_ends_it(void **state)
{
    struct fixture *fixture = *state;
    struct upsink_change change = make_upsert(fixture, "a", 1);
    const struct upsink_change *changes[1] = {&change};
    struct upsink_result result;
    int pipes[2], before = dup(STDOUT_FILENO);
    open_plain(fixture);
    assert_int_equal(pipe(pipes), 0);
    fflush(stdout);
    dup2(pipes[1], STDOUT_FILENO);
    close(pipes[0]);
    close(pipes[1]);
    bool done = fixture_try_write(fixture, changes, 1, &result);
    dup2(before, STDOUT_FILENO);
    close(before);
    assert_false(done);
    assert_int_equal(fixture->err.cls, UPSINK_ERR_FATAL);
    assert_string_equal(fixture->err.code, "stdout_closed");
}

static void a_full_disk_is_an_outage(void **state)
{
    struct fixture *fixture = *state;
    struct upsink_change change = make_upsert(fixture, "a", 1);
    const struct upsink_change *changes[1] = {&change};
    struct upsink_result result;
    int before = dup(STDOUT_FILENO);
    open_plain(fixture);
    fflush(stdout);
    assert_non_null(freopen("/dev/full", "w", stdout));
    bool done = fixture_try_write(fixture, changes, 1, &result);
    dup2(before, STDOUT_FILENO);
    close(before);
    assert_false(done);
    assert_int_equal(fixture->err.cls, UPSINK_ERR_OUTAGE);
}

static void what_it_can_not_do_is_refused(void **state)
{
    static const char *const urls[] = {"stdout:file", "stdout:?a=b", "stdout://host"};
    struct fixture *fixture = *state;
    assert_int_equal(suite.type->capabilities, 0);
    assert_false(suite.type->open(&fixture->sink, &fixture->view, NULL, &fixture->err));
    assert_int_equal(fixture->err.cls, UPSINK_ERR_CONFIG);
    fixture->view.target = NULL;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        fixture->view.url = urls[i];
        assert_false(suite.type->open(&fixture->sink, &fixture->view, NULL, &fixture->err));
        assert_null(fixture->sink);
        assert_int_equal(fixture->err.cls, UPSINK_ERR_CONFIG);
    }
}

static const struct CMUnitTest tests[] = {
    CONTRACT_TEST(each_change_is_a_line_of_json), CONTRACT_TEST(large_entities_are_printed_whole),
    CONTRACT_TEST(a_closed_pipe_ends_it),         CONTRACT_TEST(a_full_disk_is_an_outage),
    CONTRACT_TEST(what_it_can_not_do_is_refused),
};

const struct group stdout_group = {"stdout", tests, sizeof tests / sizeof *tests};
