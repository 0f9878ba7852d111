#include "log.h"

#include "clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include <jansson.h>

static int64_t now_us = 1767323045000006;

static int64_t tell_time(void *context)
{
    (void)context;
    return now_us;
}

static const struct clock_source stopped = {.monotonic_us = tell_time, .wall_us = tell_time};
static int ends[2];
static char seen[16384];

static int open_pipe(void **state)
{
    (void)state;
    clock_replace(&stopped);
    log_configure(LOG_LEVEL_INFO, false);
    if (pipe(ends) != 0)
        return -1;
    log_set_descriptor(ends[1]);
    return 0;
}

static int close_pipe(void **state)
{
    (void)state;
    log_set_descriptor(2);
    clock_replace(NULL);
    close(ends[1]);
    return close(ends[0]);
}

/* What was written since the last call. */
static const char *written(void)
{
    fflush(NULL);
    if (write(ends[1], "", 1) != 1)
        abort();
    ssize_t len = read(ends[0], seen, sizeof seen - 1);
    assert_true(len >= 1);
    seen[len - 1] = '\0';
    return seen;
}

#define PREFIX "time=2026-01-02T03:04:05.000006Z level=info msg="

static void a_line_is_key_value_text(void **state)
{
    (void)state;
    log_write(LOG_LEVEL_WARN, "the sink does not answer", LOG_STR("view", "orders"), LOG_INT("partition", 3),
              LOG_INT("offset", INT64_MIN), LOG_REAL("seconds", 0.25), LOG_BOOL("up", false));
    assert_string_equal(written(),
                        "time=2026-01-02T03:04:05.000006Z level=warn msg=\"the sink does not answer\" "
                        "view=orders partition=3 offset=-9223372036854775808 seconds=0.25 up=false\n");
}

static void a_line_without_fields_is_fine(void **state)
{
    (void)state;
    log_write(LOG_LEVEL_INFO, "started");
    assert_string_equal(written(), PREFIX "started\n");
}

static void absent_texts_do_not_appear_and_empty_ones_do(void **state)
{
    (void)state;
    log_write(LOG_LEVEL_INFO, "x", LOG_STR("a", NULL), LOG_SLICE("b", UPSINK_SLICE_ABSENT), LOG_STR("c", ""));
    assert_string_equal(written(), PREFIX "x c=\"\"\n");
}

static void no_field_can_forge_a_line_or_steer_a_terminal(void **state)
{
    (void)state;
    log_write(
        LOG_LEVEL_INFO, "x",
        LOG_SLICE("key", UPSINK_SLICE_LIT("a\nlevel=error \x1b[31m\0\"\\ \xff \xc2\x9b \xe2\x80\xae é")));
    assert_string_equal(written(), PREFIX
                        "x key=\"a\\nlevel=error \\u001b[31m\\u0000\\\"\\\\ \\xff \\u009b \\u202e é\"\n");
}

static void json_lines_parse_and_hold_the_same(void **state)
{
    (void)state;
    log_configure(LOG_LEVEL_INFO, true);
    log_write(LOG_LEVEL_INFO, "a \"quoted\" text", LOG_SLICE("key", UPSINK_SLICE_LIT("a\n\x1b\0\\é\xff")),
              LOG_INT("offset", 9007199254740993), LOG_REAL("share", 1.0 / 0.0), LOG_BOOL("up", true));
    json_t *line = json_loads(written(), JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(line);
    assert_string_equal(json_string_value(json_object_get(line, "time")), "2026-01-02T03:04:05.000006Z");
    assert_string_equal(json_string_value(json_object_get(line, "level")), "info");
    assert_string_equal(json_string_value(json_object_get(line, "msg")), "a \"quoted\" text");
    json_t *key = json_object_get(line, "key");
    assert_int_equal(json_string_length(key), 10);
    assert_memory_equal(json_string_value(key), "a\n\x1b\0\\é\xef\xbf\xbd", 10);
    assert_int_equal(json_integer_value(json_object_get(line, "offset")), 9007199254740993);
    assert_true(json_is_null(json_object_get(line, "share")));
    assert_true(json_is_true(json_object_get(line, "up")));
    json_decref(line);
}

static void levels_below_the_chosen_one_are_silent(void **state)
{
    (void)state;
    log_write(LOG_LEVEL_DEBUG, "no");
    log_configure(LOG_LEVEL_ERROR, false);
    log_write(LOG_LEVEL_WARN, "no");
    assert_string_equal(written(), "");
    assert_false(log_enabled(LOG_LEVEL_WARN));
    log_configure(LOG_LEVEL_DEBUG, false);
    log_write(LOG_LEVEL_DEBUG, "yes");
    assert_non_null(strstr(written(), "level=debug msg=yes"));
}

/* Every text is as long as can be and made of bytes that take six each. */
static void long_fields_are_cut_and_the_line_keeps_its_bound(void **state)
{
    (void)state;
    char text[5000];
    memset(text, 1, sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (int json = 0; json < 2; json++) {
        log_configure(LOG_LEVEL_INFO, json);
        log_write(LOG_LEVEL_INFO, text, LOG_STR("a", text), LOG_INT("n", 7), LOG_STR("b", text));
        const char *line = written();
        assert_true(strlen(line) <= 4096);
        assert_non_null(strstr(line, json ? "\"n\":7,\"truncated\":true}\n" : " n=7 truncated=true\n"));
        assert_non_null(strstr(line, "\\u0001…\""));
        if (json) {
            json_t *parsed = json_loads(line, 0, NULL);
            assert_non_null(parsed);
            json_decref(parsed);
        }
    }
}

static void a_repeated_line_passes_once_in_each_interval(void **state)
{
    (void)state;
    struct log_limit limit = {0};
    int64_t held = -1;
    assert_true(log_limit_pass(&limit, 10, &held));
    assert_int_equal(held, 0);
    assert_false(log_limit_pass(&limit, 10, &held));
    now_us += 9;
    assert_false(log_limit_pass(&limit, 10, &held));
    now_us += 1;
    assert_true(log_limit_pass(&limit, 10, &held));
    assert_int_equal(held, 2);
}

static void escaped_text_fits_its_buffer(void **state)
{
    (void)state;
    char out[16];
    log_escape(upsink_slice_of("two\nlines"), out, sizeof out);
    assert_string_equal(out, "two\\nlines");
    log_escape(upsink_slice_of("ééééééééééé"), out, sizeof out);
    assert_string_equal(out, "éééééé…");
    log_escape(upsink_slice_of("anything"), out, 3);
    assert_string_equal(out, "");
}

#define WRITERS 4
#define LINES   200

static void *write_many(void *context)
{
    for (int i = 0; i < LINES; i++)
        log_write(LOG_LEVEL_INFO, "a line of some length, so that two of them could get mixed up",
                  LOG_STR("who", context), LOG_INT("n", i));
    return NULL;
}

static void lines_of_several_threads_stay_whole(void **state)
{
    (void)state;
    static const char *const names[WRITERS] = {"one", "two", "three", "four"};
    FILE *file = tmpfile();
    assert_non_null(file);
    log_set_descriptor(fileno(file));
    pthread_t threads[WRITERS];
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, (void *)(uintptr_t)names[i]), 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    rewind(file);
    char line[512], who[8];
    int lines = 0, n;
    while (fgets(line, sizeof line, file)) {
        char *fields = strstr(line, " who=");
        assert_non_null(fields);
        assert_int_equal(sscanf(fields, " who=%7s n=%d\n", who, &n), 2);
        assert_ptr_equal(strstr(line, "time="), line);
        lines++;
    }
    assert_int_equal(lines, WRITERS * LINES);
    fclose(file);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_pipe, close_pipe)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_line_is_key_value_text),
        TEST(a_line_without_fields_is_fine),
        TEST(absent_texts_do_not_appear_and_empty_ones_do),
        TEST(no_field_can_forge_a_line_or_steer_a_terminal),
        TEST(json_lines_parse_and_hold_the_same),
        TEST(levels_below_the_chosen_one_are_silent),
        TEST(long_fields_are_cut_and_the_line_keeps_its_bound),
        TEST(a_repeated_line_passes_once_in_each_interval),
        TEST(escaped_text_fits_its_buffer),
        TEST(lines_of_several_threads_stay_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
