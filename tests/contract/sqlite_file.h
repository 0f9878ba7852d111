/* For the tests of SQLite alone: a directory for each of them, and SQLite's own shell. */
#ifndef UPSINK_CONTRACT_SQLITE_FILE_H
#define UPSINK_CONTRACT_SQLITE_FILE_H

#include "tests/contract/suite.h"

extern char sqlite_directory[32];

/* For cmocka: *state is a fixture whose view has no file yet. */
int sqlite_setup(void **state);
int sqlite_teardown(void **state);

/* The view writes to this file of the directory. */
void sqlite_set_file(struct fixture *fixture, const char *name);

/* The file's path, until the next call. */
const char *sqlite_path(const char *name);

/* What SQLite's own shell says to the statement, without its last newline, until the next call. */
const char *sqlite_ask(const char *file, const char *sql);

bool sqlite_try_open(struct fixture *fixture);
void sqlite_assert_fails(struct fixture *fixture, enum upsink_error_class cls, const char *code);

#define FILE_TEST(function) cmocka_unit_test_setup_teardown(function, sqlite_setup, sqlite_teardown)

#endif
