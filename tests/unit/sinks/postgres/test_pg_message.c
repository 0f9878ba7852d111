#include "sinks/postgres/pg_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static const char refused[] =
    "connection to server at \"127.0.0.1\", port 5432 failed: FATAL:  28P01: password authentication "
    "failed for user \"app\"\nLOCATION:  auth_failed, auth.c:326\n";
static const char unreachable[] = "connection to server at \"127.0.0.1\", port 1 failed: Connection refused\n"
                                  "\tIs the server running on that host and accepting TCP/IP connections?\n";

static void the_sqlstate_is_found_behind_the_severity(void **state)
{
    char sqlstate[6];
    (void)state;
    pg_find_sqlstate(refused, sqlstate);
    assert_string_equal(sqlstate, "28P01");
    pg_find_sqlstate("FATAL:  53300: sorry, too many clients already", sqlstate);
    assert_string_equal(sqlstate, "53300");
    pg_find_sqlstate("schwerwiegend:  3D000: gibt es nicht", sqlstate);
    assert_string_equal(sqlstate, "3D000");
}

static void where_there_is_none_none_is_found(void **state)
{
    static const char *const messages[] = {
        "", unreachable, "FATAL:  short", "x:  1234: y", "FATAL:  28p01: lower", ":  "};
    char sqlstate[6];
    (void)state;
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        pg_find_sqlstate(messages[i], sqlstate);
        assert_string_equal(sqlstate, "");
    }
}

static void the_message_fits_on_one_line(void **state)
{
    char text[300], tiny[10];
    (void)state;
    pg_tidy_message(refused, text, sizeof text);
    assert_string_equal(
        text,
        "connection to server at \"127.0.0.1\", port 5432 failed: FATAL:  password authentication failed for "
        "user \"app\"");
    pg_tidy_message(unreachable, text, sizeof text);
    assert_string_equal(
        text,
        "connection to server at \"127.0.0.1\", port 1 failed: Connection refused  Is the server running on "
        "that host and accepting TCP/IP connections?");
    pg_tidy_message(refused, tiny, sizeof tiny);
    assert_string_equal(tiny, "connectio");
    pg_tidy_message("", tiny, sizeof tiny);
    assert_string_equal(tiny, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sqlstate_is_found_behind_the_severity),
        cmocka_unit_test(where_there_is_none_none_is_found),
        cmocka_unit_test(the_message_fits_on_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
