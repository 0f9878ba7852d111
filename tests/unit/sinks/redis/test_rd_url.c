/* URLs and settings of the Redis sink. */
#include "sinks/redis/rd_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static struct upsink_error err;

static bool parse(struct rd_settings *settings, const char *url, const char *target)
{
    struct upsink_view view = {.name = "v", .url = url, .target = target, .default_target = "orders:"};
    return rd_settings_parse(settings, &view, &err);
}

static void a_url_says_where_and_what(void **state)
{
    struct rd_settings settings;
    (void)state;
    assert_true(parse(&settings, "redis://app:p%40ss@db.example:6380/7?prefix=o%3A&type=hash", NULL));
    assert_string_equal(settings.host, "db.example");
    assert_int_equal(settings.port, 6380);
    assert_int_equal(settings.database, 7);
    assert_string_equal(settings.user, "app");
    assert_string_equal(settings.password, "p@ss");
    assert_string_equal(settings.prefix, "o:");
    assert_string_equal(settings.address, "db.example:6380/7");
    assert_int_equal(settings.type, RD_HASH);
    assert_false(settings.tls);
    rd_settings_clear(&settings);
}

static void what_a_url_leaves_out_has_defaults(void **state)
{
    struct rd_settings settings;
    (void)state;
    assert_true(parse(&settings, "rediss://:secret@", NULL));
    assert_string_equal(settings.host, "localhost");
    assert_int_equal(settings.port, 6379);
    assert_int_equal(settings.database, 0);
    assert_null(settings.user);
    assert_string_equal(settings.password, "secret");
    assert_string_equal(settings.prefix, "orders:");
    assert_int_equal(settings.type, RD_JSON);
    assert_true(settings.tls);
    assert_int_equal(settings.ttl_ms, 0);
    assert_int_equal(settings.fence_ttl_ms, INT64_C(30) * 86400 * 1000);
    rd_settings_clear(&settings);
    assert_true(parse(&settings, "redis://[::1]:6379", "mine:"));
    assert_string_equal(settings.host, "::1");
    assert_string_equal(settings.prefix, "mine:");
    rd_settings_clear(&settings);
}

static void wrong_urls_are_refused_with_a_reason(void **state)
{
    static const struct {
        const char *url, *target, *code, *says;
    } cases[] = {
        {"redis://h/orders", NULL, "bad_url", "number of the database"},
        {"redis://h/12345678", NULL, "bad_url", "number of the database"},
        {"redis://h?prefx=a", NULL, "bad_url", "prefix"},
        {"redis://h?type=list", NULL, "bad_url", "json or hash"},
        {"redis://h?type=json&type=json", NULL, "bad_url", "twice"},
        {"redis://a,b", NULL, "bad_url", "one server"},
        {"redis://user@h", NULL, "bad_url", "password"},
        {"redis:h", NULL, "bad_url", "redis://localhost"},
        {"redis://h?prefix=a", "b", "target_twice", "twice"},
        {"redis://h?prefix=", NULL, "bad_target", "not empty"},
        {"redis://h?prefix=_up", NULL, "bad_target", "_upsink:"},
        {"redis://h?prefix=_upsink:view:", NULL, "bad_target", "_upsink:"},
    };
    struct rd_settings settings;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (parse(&settings, cases[i].url, cases[i].target))
            fail_msg("%s was taken", cases[i].url);
        assert_int_equal(err.cls, UPSINK_ERR_CONFIG);
        assert_string_equal(err.code, cases[i].code);
        if (!strstr(err.text, cases[i].says))
            fail_msg("%s: %s", cases[i].url, err.text);
    }
}

static void no_message_holds_a_password(void **state)
{
    static const char *const urls[] = {"redis://u:s3cr3t@h/x", "redis://u:s3cr3t@h?typ=1",
                                       "redis://:s3cr3t@a,b"};
    struct rd_settings settings;
    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        assert_false(parse(&settings, urls[i], NULL));
        assert_null(strstr(err.text, "s3cr3t"));
    }
}

static bool set(struct rd_settings *settings, const char *name, const char *value)
{
    const struct upsink_setting setting = {name, value};
    struct upsink_view view = {
        .name = "v", .url = "redis://h", .default_target = "o:", .settings = &setting, .setting_count = 1};
    return rd_settings_parse(settings, &view, &err);
}

static void durations_have_a_unit(void **state)
{
    static const struct {
        const char *value;
        int64_t milliseconds; /* -1: refused */
    } cases[] = {
        {"0", 0},
        {"0s", 0},
        {"1ms", 1},
        {"90s", 90000},
        {"5m", 300000},
        {"2h", 7200000},
        {"30d", 2592000000},
        {"36500d", 3153600000000},
        {"36501d", -1},
        {"30", -1},
        {"d", -1},
        {"", -1},
        {"-1s", -1},
        {"1.5h", -1},
        {"1 h", -1},
        {"99999999999999999999s", -1},
        {"9223372036854775807ms", -1},
    };
    struct rd_settings settings;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool taken = set(&settings, "ttl", cases[i].value);
        if (taken != (cases[i].milliseconds >= 0))
            fail_msg("ttl: %s", cases[i].value);
        if (!taken) {
            assert_string_equal(err.code, "bad_setting");
            continue;
        }
        assert_int_equal(settings.ttl_ms, cases[i].milliseconds);
        rd_settings_clear(&settings);
    }
    assert_true(set(&settings, "fence_ttl", "1d"));
    assert_int_equal(settings.fence_ttl_ms, 86400000);
    rd_settings_clear(&settings);
    assert_false(set(&settings, "fence_tll", "1d"));
    assert_non_null(strstr(err.text, "fence_ttl"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_says_where_and_what),
        cmocka_unit_test(what_a_url_leaves_out_has_defaults),
        cmocka_unit_test(wrong_urls_are_refused_with_a_reason),
        cmocka_unit_test(no_message_holds_a_password),
        cmocka_unit_test(durations_have_a_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
