#include "sinks/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/upsink-registry-XXXXXX";

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int make_directory(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(directory));
    write_file("libupsink_broken.so", "this is no shared object");
    write_file("libupsink_nothing", "");
    write_file("other.so", "");
    return setenv("UPSINK_PLUGIN_PATH", directory, 1);
}

static int remove_directory(void **state)
{
    static const char *const names[] = {"libupsink_broken.so", "libupsink_nothing", "other.so"};
    char path[128];
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        unlink(path);
    }
    return rmdir(directory);
}

static void assert_fails(const char *url, const char *code, const char *part)
{
    struct upsink_error err;
    assert_null(registry_find(url, &err));
    assert_int_equal(err.cls, UPSINK_ERR_CONFIG);
    assert_string_equal(err.code, code);
    if (!strstr(err.text, part))
        fail_msg("\"%s\" is not in: %s", part, err.text);
}

static void what_is_no_url_is_refused(void **state)
{
    static const char *const urls[] = {"", "orders.db", "/tmp/x", ":x", "1a:x", "a/../b:x", "a b:x"};
    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++)
        assert_fails(urls[i], "bad_url", "scheme");
}

static void an_unknown_scheme_names_what_is_known(void **state)
{
    (void)state;
    assert_fails("sqlit:orders.db", "unknown_sink", "did you mean \"sqlite\"?");
    assert_fails("sqlit:orders.db", "unknown_sink", "? known are broken, ");
    assert_fails("sqlit:orders.db", "unknown_sink", "postgres, postgresql, ");
    assert_fails("sqlit:orders.db", "unknown_sink", "sqlite, stdout; plugins");
    assert_fails("Postgre://u:s3cret@h/d", "unknown_sink", "did you mean \"postgres\"?");
    assert_fails("zzzzzz://u:s3cret@h/d", "unknown_sink", "libupsink_zzzzzz.so was found; known are ");
}

static void a_missing_sink_of_ours_is_not_an_unknown_one(void **state)
{
    (void)state;
    assert_fails("postgresql://u:s3cret@h/d", "unknown_sink", "libupsink_postgres.so");
    assert_fails("postgresql://u:s3cret@h/d", "unknown_sink", "not installed");
}

static void messages_hold_no_secrets(void **state)
{
    struct upsink_error err;
    (void)state;
    assert_null(registry_find("postgre://u:s3cret@h/d", &err));
    assert_null(strstr(err.text, "s3cret"));
    assert_null(registry_find("broken://u:s3cret@h/d", &err));
    assert_null(strstr(err.text, "s3cret"));
}

static void a_file_that_can_not_be_loaded_is_named_with_the_reason(void **state)
{
    (void)state;
    assert_fails("broken:x", "sink_not_loaded", directory);
    assert_fails("broken:x", "sink_not_loaded", "libupsink_broken.so can't be loaded: file too short");
}

struct seen {
    size_t count;
    bool broken;
};

static void see(void *context, const struct registry_entry *entry)
{
    struct seen *seen = context;
    seen->count++;
    assert_int_equal(!entry->type, entry->problem != NULL);
    if (strcmp(entry->name, "broken") != 0)
        return;
    seen->broken = true;
    assert_null(entry->type);
    assert_non_null(strstr(entry->path, directory));
    assert_non_null(strstr(entry->problem, "can't be loaded"));
}

static void the_list_has_what_can_not_be_loaded_too(void **state)
{
    struct seen seen = {0, false};
    struct upsink_error err;
    (void)state;
    assert_true(registry_list(see, &seen, &err));
    assert_true(seen.broken);
}

static bool fake_open(struct upsink_sink **sink, const struct upsink_view *view,
                      const struct upsink_host *host, struct upsink_error *err)
{
    (void)sink, (void)view, (void)host, (void)err;
    return false;
}
static const char *fake_describe(const struct upsink_sink *sink)
{
    (void)sink;
    return "";
}
static bool fake_prepare(struct upsink_sink *sink, const struct upsink_printer *plan,
                         struct upsink_error *err)
{
    (void)sink, (void)plan, (void)err;
    return false;
}
static bool fake_write(struct upsink_sink *sink, struct upsink_batch *batch, struct upsink_error *err)
{
    (void)sink, (void)batch, (void)err;
    return false;
}
static void fake_end(struct upsink_sink *sink)
{
    (void)sink;
}

static const char *const schemes[] = {"x", NULL};
static const struct upsink_sink_type good = {
    .abi = UPSINK_SINK_ABI,
    .size = sizeof good,
    .name = "x",
    .schemes = schemes,
    .summary = "s",
    .open = fake_open,
    .describe = fake_describe,
    .prepare = fake_prepare,
    .write = fake_write,
    .abort = fake_end,
    .close = fake_end,
};

static void a_plugin_of_another_version_is_refused(void **state)
{
    struct upsink_error err;
    (void)state;
    struct upsink_sink_type type = good;
    assert_true(registry_check(&type, "x.so", &err));
    type.size += 64;
    assert_true(registry_check(&type, "x.so", &err));
    type.size = sizeof type - 1;
    assert_false(registry_check(&type, "x.so", &err));
    assert_string_equal(err.code, "sink_abi");
    type = good;
    type.abi = UPSINK_SINK_ABI + 1;
    assert_false(registry_check(&type, "x.so", &err));
    assert_string_equal(err.code, "sink_abi");
    assert_non_null(strstr(err.text, "x.so"));
}

static void an_incomplete_plugin_is_refused(void **state)
{
    struct upsink_error err;
    (void)state;
    struct upsink_sink_type type = good;
    type.write = NULL;
    assert_false(registry_check(&type, "x.so", &err));
    type = good;
    type.capabilities = UPSINK_KEEPS_POSITIONS;
    assert_false(registry_check(&type, "x.so", &err));
    assert_string_equal(err.code, "sink_abi");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_url_is_refused),
        cmocka_unit_test(an_unknown_scheme_names_what_is_known),
        cmocka_unit_test(a_missing_sink_of_ours_is_not_an_unknown_one),
        cmocka_unit_test(messages_hold_no_secrets),
        cmocka_unit_test(a_file_that_can_not_be_loaded_is_named_with_the_reason),
        cmocka_unit_test(the_list_has_what_can_not_be_loaded_too),
        cmocka_unit_test(a_plugin_of_another_version_is_refused),
        cmocka_unit_test(an_incomplete_plugin_is_refused),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
