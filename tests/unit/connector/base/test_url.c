#include "url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

static void a_full_url_is_taken_apart_and_decoded(void **state)
{
    (void)state;
    struct url url;
    struct upsink_error err;
    assert_true(url_parse(
        &url, "Postgres://a%40b:p%3A%2Fw@db.example:5432/re%20ports?table=my%26t&x&y=a=b&&z=+#frag", &err));
    assert_string_equal(url.scheme, "postgres");
    assert_string_equal(url.user, "a@b");
    assert_string_equal(url.password, "p:/w");
    assert_string_equal(url.host, "db.example");
    assert_int_equal(url.port, 5432);
    assert_string_equal(url.path, "/re ports");
    assert_int_equal(url.parameter_count, 4);
    assert_string_equal(url_get(&url, "table"), "my&t");
    assert_string_equal(url_get(&url, "x"), "");
    assert_string_equal(url_get(&url, "y"), "a=b");
    assert_string_equal(url_get(&url, "z"), "+");
    assert_null(url_get(&url, "w"));
    url_clear(&url);
}

static void what_is_missing_is_null(void **state)
{
    (void)state;
    static const struct {
        const char *text, *user, *password, *host, *path;
        int32_t port;
    } cases[] = {
        {"sqlite:orders.db", NULL, NULL, NULL, "orders.db", -1},
        {"sqlite:", NULL, NULL, NULL, "", -1},
        {"sqlite:/a/b:c@d", NULL, NULL, NULL, "/a/b:c@d", -1},
        {"sqlite:///abs/path", NULL, NULL, "", "/abs/path", -1},
        {"redis://h", NULL, NULL, "h", "", -1},
        {"redis://h:/0", NULL, NULL, "h", "/0", -1},
        {"redis://:pw@h:6379", NULL, "pw", "h", "", 6379},
        {"redis://u@h", "u", NULL, "h", "", -1},
        {"redis://a@b:c@h", "a@b", "c", "h", "", -1},
        {"http://[::1]:9200/i", NULL, NULL, "::1", "/i", 9200},
        {"http://[::1]", NULL, NULL, "::1", "", -1},
        {"mongodb://a:1,b:2/db", NULL, NULL, "a:1,b:2", "/db", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct url url;
        assert_true(url_parse(&url, cases[i].text, NULL));
        if (cases[i].user)
            assert_string_equal(url.user, cases[i].user);
        else if (url.user)
            assert_string_equal(url.user, "");
        assert_int_equal(!url.password, !cases[i].password);
        if (url.password)
            assert_string_equal(url.password, cases[i].password);
        assert_int_equal(!url.host, !cases[i].host);
        if (url.host)
            assert_string_equal(url.host, cases[i].host);
        assert_string_equal(url.path, cases[i].path);
        assert_int_equal(url.port, cases[i].port);
        assert_int_equal(url.parameter_count, 0);
        url_clear(&url);
    }
}

static void malformed_urls_are_refused_without_repeating_them(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "orders.db",
        "/a/b:c",
        ":x",
        "1a:b",
        "a b:c",
        "x:%",
        "x:%4",
        "x:%zz",
        "x:a%00b",
        "x://h:99999",
        "x://u:s3cret/x@h",
        "x://h:12a",
        "x://[::1",
        "x://[::1]x",
        "x:?s3cret=%4",
        "x:?%00=a",
        "x://s3cret%zz@h",
        "x://u:s3cret%@h",
        "x://h:-1",
        "x://u:1/p?s3cret@h/d",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct url url;
        struct upsink_error err;
        assert_false(url_parse(&url, cases[i], &err));
        assert_int_equal(err.cls, UPSINK_ERR_CONFIG);
        assert_string_equal(err.code, "bad_url");
        assert_null(strstr(err.text, "s3cret"));
        assert_null(url.memory);
        assert_null(url.parameters);
    }
}

static void secrets_are_not_shown(void **state)
{
    (void)state;
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"postgres://app:secret@localhost/db?table=t", "postgres://app@localhost/db?table=t"},
        {"postgres://app@localhost/db", "postgres://app@localhost/db"},
        {"redis://:pw@h:6379/0?prefix=a", "redis://@h:6379/0?prefix=a"},
        {"redis://h:6379/0?prefix=a@b", "redis://h:6379/0?prefix=a@b"},
        {"postgres://app:pa/ss@h/db", "postgres://app@h/db"},
        {"postgres://app:pa?ss@h/db", "postgres://app@h/db"},
        {"postgres://app:pa#ss@h/db", "postgres://app@h/db"},
        {"postgres://a@b:c@h", "postgres://a@b@h"},
        {"postgres://h/db?user=a&password=b&sslmode=require",
         "postgres://h/db?user=a&password=***&sslmode=require"},
        {"postgres://h/db?pass%77ord=b", "postgres://h/db?pass%77ord=***"},
        {"postgres://h/db?PASSWORD=b&x=1#t", "postgres://h/db?PASSWORD=***&x=1#t"},
        {"x:?api_key=b&authToken=c&password", "x:?api_key=***&authToken=***&password"},
        {"http://[::1]:9200/i", "http://[::1]:9200/i"},
        {"sqlite:a@b:c.db?table=t", "sqlite:a@b:c.db?table=t"},
        {"no url at all", "no url at all"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out;
        buf_init(&out);
        url_redact(&out, cases[i].text);
        assert_string_equal(buf_view(&out).data, cases[i].shown);
        buf_destroy(&out);
    }
}

static bool check_name(void *context, const char *name, struct upsink_error *err)
{
    (void)context;
    return strcmp(name, "y") != 0 || upsink_fail(err, UPSINK_ERR_CONFIG, "bad_url", "unknown: %s", name);
}

static void one_parameter_is_taken_out_and_the_rest_stays_as_it_was(void **state)
{
    (void)state;
    static const struct {
        const char *text, *rest, *value;
    } cases[] = {
        {"db://u:p@h/d?x=1&table=a%2Fb&z=%41", "db://u:p@h/d?x=1&z=%41", "a/b"},
        {"db://u:p@h/d?Table=a", "db://u:p@h/d", "a"},
        {"db://u:p@h/d?table", "db://u:p@h/d", ""},
        {"db://u:p@h/d?&&x", "db://u:p@h/d?x", NULL},
        {"db://h", "db://h", NULL},
        {"db://u:p?table=a@h/d?table=b", "db://u:p?table=a@h/d", "b"},
        {"db://h/d?mail=a@b&table=c@d", "db://h/d?mail=a@b", "c@d"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf rest;
        char *value;
        buf_init(&rest);
        assert_true(url_take_parameter(cases[i].text, "table", check_name, NULL, &rest, &value, NULL));
        assert_string_equal(rest.data, cases[i].rest);
        assert_int_equal(!value, !cases[i].value);
        if (value)
            assert_string_equal(value, cases[i].value);
        free(value);
        buf_destroy(&rest);
    }
}

static void no_end_of_a_password_passes_for_a_host_a_path_or_a_parameter(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "db://u:p@s3cret@h/d",    "db://u:p/s3cret@h/d",  "db://u:1/p?s3cret@h/d",
        "db://u@corp:s3cret@h/d", "db://h/d?y&pw=s3cret", "db://h/d?table=a&table=b",
        "db://h/d?table=%zz",     "db://h/d?table=a%00b", "db://u:p@s3cret@h?x=1",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf rest;
        struct upsink_error err;
        char *value;
        buf_init(&rest);
        assert_false(url_take_parameter(cases[i], "table", check_name, NULL, &rest, &value, &err));
        assert_string_equal(err.code, "bad_url");
        assert_null(strstr(err.text, "s3cret"));
        assert_null(value);
        buf_destroy(&rest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_url_is_taken_apart_and_decoded),
        cmocka_unit_test(what_is_missing_is_null),
        cmocka_unit_test(malformed_urls_are_refused_without_repeating_them),
        cmocka_unit_test(secrets_are_not_shown),
        cmocka_unit_test(one_parameter_is_taken_out_and_the_rest_stays_as_it_was),
        cmocka_unit_test(no_end_of_a_password_passes_for_a_host_a_path_or_a_parameter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
