#include "sinks/postgres/pg_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

static void parse(struct pg_settings *settings, const char *url)
{
    struct upsink_error err;
    if (!pg_settings_parse(settings, url, &err))
        fail_msg("%s: %s", url, err.text);
}

static void the_table_is_ours_and_the_rest_is_libpqs(void **state)
{
    static const char *const urls[] = {
        "postgres://u:p@h:6543/db?table=s.t&sslmode=require&application_name=me",
        "postgresql://u:p@h:6543/db?sslmode=require&table=s.t&application_name=me",
        "postgres://u:p@h:6543/db?sslmode=require&application_name=me&table=s.t",
        "postgres://u:p@h:6543/db?sslmode=require&&application_name=me&table=s%2Et&",
    };
    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct pg_settings settings;
        parse(&settings, urls[i]);
        assert_string_equal(settings.table, "s.t");
        assert_string_equal(pg_settings_find(&settings, "user"), "u");
        assert_string_equal(pg_settings_find(&settings, "password"), "p");
        assert_string_equal(pg_settings_find(&settings, "sslmode"), "require");
        assert_string_equal(pg_settings_find(&settings, "application_name"), "me");
        assert_null(pg_settings_find(&settings, "table"));
        assert_string_equal(settings.address, "h:6543/db");
        pg_settings_clear(&settings);
    }
}

static void without_a_query_there_is_no_table(void **state)
{
    struct pg_settings settings;
    (void)state;
    parse(&settings, "postgres://h/db");
    assert_null(settings.table);
    pg_settings_clear(&settings);
}

static void a_question_mark_in_the_password_begins_no_query(void **state)
{
    struct pg_settings settings;
    (void)state;
    parse(&settings, "postgres://u:a?table=b@h/db?table=c");
    assert_string_equal(pg_settings_find(&settings, "password"), "a?table=b");
    assert_string_equal(settings.table, "c");
    pg_settings_clear(&settings);
}

static void odd_table_names_are_decoded(void **state)
{
    struct pg_settings settings;
    (void)state;
    parse(&settings, "postgres://h/db?table=%22odd%20%25%26name%22");
    assert_string_equal(settings.table, "\"odd %&name\"");
    pg_settings_clear(&settings);
}

static void the_address_shows_hosts_and_database_but_no_credentials(void **state)
{
    static const struct {
        const char *url, *address;
        size_t hosts;
    } cases[] = {
        {"postgres://app:hunter2@db.example:6000/reports", "db.example:6000/reports", 1},
        {"postgres://h1:1,h2:2/db", "h1:1,h2:2/db", 2},
        {"postgres://h1,h2/db?port=7", "h1:7,h2:7/db", 2},
        {"postgres://app:hunter2@/db?host=/run/pg", "/run/pg:5432/db", 1},
        {"postgres://[::1]:1/db", "::1:1/db", 1},
    };
    (void)state;
    unsetenv("PGPORT");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pg_settings settings;
        parse(&settings, cases[i].url);
        assert_string_equal(settings.address, cases[i].address);
        assert_int_equal(settings.hosts, cases[i].hosts);
        pg_settings_clear(&settings);
    }
}

static void errors_name_the_fault_and_never_quote_the_url(void **state)
{
    static const struct {
        const char *url, *says;
    } cases[] = {
        {"postgres://u:hunter2@h/db?tabel=x",
         "'tabel'; it takes `table` and libpq's connection parameters; did you mean \"table\"?"},
        {"postgres://u:hunter2@h/db?sslmod=x", "did you mean \"sslmode\"?"},
        {"postgres://u:hunter2@h/db?table=a&table=b", "twice"},
        {"postgres://u:hunter2@h/db?table=%zz", "percent-encoded"},
        {"postgres://u:hunter2@h/db?table=%0", "percent-encoded"},
        {"postgres://u:hunter2@h/db?table=a%00b", "percent-encoded"},
        {"postgres://u:hunter2%@h/db", "connection URI"},
        {"postgres://u:hunter2@[::1/db", "connection URI"},
        {"postgres://u:hunter2@h/db?sslmode", "connection URI"},
        {"postgres://u:a@hunter2@h/db", "%40"},
        {"postgres://u:hunter2/a@h/db", "%2F"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pg_settings settings;
        struct upsink_error err = {0};
        assert_false(pg_settings_parse(&settings, cases[i].url, &err));
        assert_int_equal(err.cls, UPSINK_ERR_CONFIG);
        assert_string_equal(err.code, "bad_url");
        if (!strstr(err.text, cases[i].says) || strstr(err.text, "hunter2"))
            fail_msg("%s: %s", cases[i].url, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_ours_and_the_rest_is_libpqs),
        cmocka_unit_test(without_a_query_there_is_no_table),
        cmocka_unit_test(a_question_mark_in_the_password_begins_no_query),
        cmocka_unit_test(odd_table_names_are_decoded),
        cmocka_unit_test(the_address_shows_hosts_and_database_but_no_credentials),
        cmocka_unit_test(errors_name_the_fault_and_never_quote_the_url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
