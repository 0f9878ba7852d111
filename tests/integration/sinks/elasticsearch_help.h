/* For the tests of the Elasticsearch sink against a real server, which they start themselves and may do
 * anything to. Every test has an index of its own. A program calls choose_server before the group begins; the
 * environment variable SEARCH_SERVER names another script of tests/servers to run all of it against. */
#ifndef UPSINK_ELASTICSEARCH_HELP_H
#define UPSINK_ELASTICSEARCH_HELP_H

#include "arena.h"
#include "buf.h"
#include "clock.h"
#include "sinks/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <curl/curl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MANY = 8 };

/* A view, and the sink that keeps it. */
struct desk {
    char name[32], index[40], url[512];
    struct upsink_view view;
    struct upsink_setting settings[MANY];
    struct upsink_sink *sink;
    struct upsink_position position; /* of partition 0 */
    struct upsink_error err;
    struct arena arena;
};

static const struct upsink_sink_type *type;
static const char *server_script, *server_extra = "";
static char server_directory[64], server_user[64];
static long server_port, server_pid;

static inline void choose_server(const char *script)
{
    const char *other = getenv("SEARCH_SERVER");
    server_script = other ? other : script;
}

/* start, stop, kill9 or restart: what goes wrong ends the test. */
static inline void server(const char *command)
{
    char text[256], line[256];
    setenv("SEARCH_EXTRA", server_extra, 1);
    snprintf(text, sizeof text, "tests/servers/%s.sh %s %s/server >%s/out 2>&1", server_script, command,
             server_directory, server_directory);
    if (system(text) != 0)
        fail_msg("%s failed; it has to run in the project's directory", text);
    snprintf(text, sizeof text, "%s/server/env", server_directory);
    FILE *env = fopen(text, "r");
    while (env && fgets(line, sizeof line, env)) {
        sscanf(line, "SEARCH_PORT='%ld'", &server_port);
        sscanf(line, "OPENSEARCH_PID='%ld'", &server_pid);
        sscanf(line, "ELASTICSEARCH_PID='%ld'", &server_pid);
        sscanf(line, "SEARCH_USER='%63[^']'", server_user);
    }
    if (env)
        fclose(env);
}

static inline int group_setup(void **state)
{
    char program[PATH_MAX], path[PATH_MAX + 32];
    struct upsink_error err;
    (void)state;
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    assert_true(len > 0);
    program[len] = '\0';
    *strrchr(program, '/') = '\0';
    snprintf(path, sizeof path, "%s/../../../sinks", program);
    setenv("UPSINK_PLUGIN_PATH", path, 1);
    type = registry_find("opensearch://", &err);
    if (!type)
        fail_msg("%s", err.text);
    snprintf(server_directory, sizeof server_directory, "/tmp/upsink-search-XXXXXX");
    assert_non_null(mkdtemp(server_directory));
    assert_int_equal(chmod(server_directory, 0755), 0);
    server("start");
    return 0;
}

static inline int group_teardown(void **state)
{
    char text[128];
    (void)state;
    server("stop");
    snprintf(text, sizeof text, "rm -rf %s", server_directory);
    assert_int_equal(system(text), 0);
    return 0;
}

static inline size_t take_answer(char *data, size_t size, size_t count, void *context)
{
    buf_append(context, data, size * count);
    return size * count;
}

static struct buf answer_text;

/* A request as the administrator; the status, and the answer until the next one. */
static inline long ask(const char *method, const char *path, const char *body, const char **answer)
{
    char url[512];
    long status = 0;
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    assert_non_null(curl);
    buf_clear(&answer_text);
    snprintf(url, sizeof url, "http://127.0.0.1:%ld/%s", server_port, path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (body)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    if (*server_user)
        curl_easy_setopt(curl, CURLOPT_USERPWD, server_user);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer_text);
    if (curl_easy_perform(curl) != CURLE_OK)
        fail_msg("%s /%s: no answer", method, path);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    if (answer)
        *answer = buf_view(&answer_text).data;
    return status;
}

/* %s in the path is the index; anything but success ends the test. */
static inline const char *must(const struct desk *desk, const char *method, const char *path_of,
                               const char *body)
{
    char path[256];
    const char *place = strstr(path_of, "%s");
    if (place)
        snprintf(path, sizeof path, "%.*s%s%s", (int)(place - path_of), path_of, desk->index, place + 2);
    else
        snprintf(path, sizeof path, "%s", path_of);
    long status = ask(method, path, body, NULL);
    if (status < 200 || status > 299)
        fail_msg("%s /%s: %ld %s", method, path, status, buf_view(&answer_text).data);
    return buf_view(&answer_text).data;
}

/* What a reader gets for a key that needs no encoding: its _source, or NULL. */
static inline const char *row(const struct desk *desk, const char *key)
{
    char path[256];
    const char *answer;
    snprintf(path, sizeof path, "%s/_source/%s", desk->index, key);
    return ask("GET", path, NULL, &answer) == 200 ? answer : NULL;
}

static inline void assert_row_has(const struct desk *desk, const char *key, const char *part)
{
    const char *text = row(desk, key);
    if (!text || !strstr(text, part))
        fail_msg("%s is %s, without %s", key, text ? text : "not there", part);
}

static inline int desk_setup(void **state)
{
    static unsigned made;
    struct desk *desk = calloc(1, sizeof *desk);
    assert_non_null(desk);
    arena_init(&desk->arena, 0);
    snprintf(desk->name, sizeof desk->name, "view-%u", ++made);
    snprintf(desk->index, sizeof desk->index, "t%u", made);
    snprintf(desk->url, sizeof desk->url, "opensearch://%s%s127.0.0.1:%ld", server_user,
             *server_user ? "@" : "", server_port);
    desk->view = (struct upsink_view){.size = sizeof desk->view,
                                      .name = desk->name,
                                      .topic = "orders",
                                      .versioned = true,
                                      .url = desk->url,
                                      .target = desk->index,
                                      .create = true,
                                      .settings = desk->settings,
                                      .timeout_us = 60 * CLOCK_SECOND};
    *state = desk;
    return 0;
}

static inline void desk_set(struct desk *desk, const char *name, const char *value)
{
    desk->settings[desk->view.setting_count++] = (struct upsink_setting){name, value};
}

static inline void desk_close(struct desk *desk)
{
    if (desk->sink)
        type->close(desk->sink);
    desk->sink = NULL;
}

static inline int desk_teardown(void **state)
{
    struct desk *desk = *state;
    desk_close(desk);
    arena_destroy(&desk->arena);
    free(desk);
    return 0;
}

static inline void need(struct desk *desk, bool done, const char *what)
{
    if (!done)
        fail_msg("%s: class %d, %s: %s (%s)", what, (int)desk->err.cls, desk->err.code, desk->err.text,
                 desk->err.detail);
}

static inline bool try_prepare(struct desk *desk)
{
    return (desk->sink || type->open(&desk->sink, &desk->view, NULL, &desk->err)) &&
           type->prepare(desk->sink, NULL, &desk->err);
}

static inline void claim(struct desk *desk)
{
    desk->position = (struct upsink_position){.topic = UPSINK_SLICE_LIT("orders")};
    need(desk, type->claim(desk->sink, &desk->position, &desk->err), "claim");
}

static inline void desk_open(struct desk *desk)
{
    desk_close(desk);
    need(desk, try_prepare(desk), "prepare");
    claim(desk);
}

/* The same view and target in a connection of its own. */
static inline struct desk *desk_twin(const struct desk *of)
{
    struct desk *desk = calloc(1, sizeof *desk);
    assert_non_null(desk);
    *desk = *of;
    arena_init(&desk->arena, 0);
    desk->sink = NULL;
    desk->view.settings = desk->settings;
    return desk;
}

static inline struct upsink_change upsert(const char *key, const char *entity, int64_t offset)
{
    return (struct upsink_change){.op = UPSINK_UPSERT,
                                  .key = upsink_slice_of(key),
                                  .entity = upsink_slice_of(entity),
                                  .topic = UPSINK_SLICE_LIT("orders"),
                                  .offset = offset,
                                  .timestamp = 1700000000000000 + offset,
                                  .generation = 1};
}

static inline struct upsink_change tombstone(const char *key, int64_t offset)
{
    struct upsink_change change = upsert(key, NULL, offset);
    change.op = UPSINK_DELETE;
    change.flags = UPSINK_BY_POSITION;
    change.entity = UPSINK_SLICE_ABSENT;
    return change;
}

static inline void *allocate(struct upsink_batch *batch, size_t size)
{
    return arena_alloc(batch->memory, size);
}

/* The keys have to be sorted. */
static inline bool try_write(struct desk *desk, const struct upsink_change *changes, size_t count,
                             struct upsink_result *results)
{
    const struct upsink_change **pointers = calloc(count + 1, sizeof *pointers);
    struct upsink_batch batch = {
        .changes = pointers, .results = results, .count = count, .alloc = allocate, .memory = &desk->arena};
    assert_non_null(pointers);
    for (size_t i = 0; i < count; i++)
        pointers[i] = &changes[i];
    bool done = type->write(desk->sink, &batch, &desk->err);
    free(pointers);
    return done;
}

static inline bool try_commit(struct desk *desk)
{
    return type->commit(desk->sink, &desk->position, 1, &desk->err);
}

/* Writes and commits one change. */
static inline enum upsink_verdict apply(struct desk *desk, struct upsink_change change)
{
    struct upsink_result result;
    need(desk, try_write(desk, &change, 1, &result), "write");
    desk->position.next_offset = change.offset + 1;
    need(desk, try_commit(desk), "commit");
    return result.verdict;
}

static inline void assert_write_fails(struct desk *desk, struct upsink_change change,
                                      enum upsink_error_class cls, const char *code)
{
    struct upsink_result result;
    if (try_write(desk, &change, 1, &result))
        fail_msg("the write succeeded, with the verdict %d", (int)result.verdict);
    if (desk->err.cls != cls || strcmp(desk->err.code, code) != 0)
        need(desk, false, "another error was expected");
    type->abort(desk->sink);
}

static inline void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, desk_setup, desk_teardown)

#endif
