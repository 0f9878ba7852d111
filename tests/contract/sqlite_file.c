#include "tests/contract/sqlite_file.h"

#include <stdlib.h>

char sqlite_directory[32];

int sqlite_setup(void **state)
{
    snprintf(sqlite_directory, sizeof sqlite_directory, "/tmp/upsink-sqlite-XXXXXX");
    return mkdtemp(sqlite_directory) ? fixture_setup(state) : -1;
}

int sqlite_teardown(void **state)
{
    char command[128];
    int result = fixture_teardown(state);
    snprintf(command, sizeof command, "rm -rf %s", sqlite_directory);
    return result || system(command);
}

void sqlite_set_file(struct fixture *fixture, const char *name)
{
    char url[256];
    snprintf(url, sizeof url, "sqlite:%s/%s", sqlite_directory, name);
    fixture->view.url = arena_copy(&fixture->scratch, upsink_slice_of(url)).data;
}

const char *sqlite_path(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", sqlite_directory, name);
    return path;
}

const char *sqlite_ask(const char *file, const char *sql)
{
    static char answer[4096];
    char command[4096];
    snprintf(command, sizeof command, "sqlite3 -bail -cmd '.timeout 5000' %s/%s \"%s\" 2>&1",
             sqlite_directory, file, sql);
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

bool sqlite_try_open(struct fixture *fixture)
{
    fixture_close(fixture);
    return suite.type->open(&fixture->sink, &fixture->view, NULL, &fixture->err) &&
           suite.type->prepare(fixture->sink, NULL, &fixture->err);
}

void sqlite_assert_fails(struct fixture *fixture, enum upsink_error_class cls, const char *code)
{
    assert_false(sqlite_try_open(fixture));
    assert_string_equal(fixture->err.code, code);
    assert_int_equal(fixture->err.cls, cls);
}
