/* For the tests of the MongoDB sink against a real server, which they start themselves and may do anything
 * to. Every test has a database of its own. */
#ifndef UPSINK_MONGODB_HELP_H
#define UPSINK_MONGODB_HELP_H

#include "arena.h"
#include "clock.h"
#include "sinks/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <limits.h>
#include <mongoc/mongoc.h>
#include <stdlib.h>
#include <unistd.h>

struct desk {
    mongoc_client_t *admin;
    char database[64], url[512];
    struct upsink_view view;
    struct upsink_sink *sink;
    struct upsink_position position; /* of partition 0 */
    struct upsink_error err;
    struct arena arena;
};

static const struct upsink_sink_type *type;
static char server_directory[64];
static long server_port, server_pid;

static inline void find_program(char path[PATH_MAX])
{
    ssize_t len = readlink("/proc/self/exe", path, PATH_MAX - 1);
    assert_true(len > 0);
    path[len] = '\0';
    *strrchr(path, '/') = '\0';
}

/* start, stop, kill9 or restart. */
static inline void server(const char *command)
{
    char text[256], line[256];
    snprintf(text, sizeof text, "tests/servers/mongodb.sh %s %s/server >%s/out 2>&1", command,
             server_directory, server_directory);
    if (system(text) != 0)
        fail_msg("%s failed; it has to run in the project's directory", text);
    snprintf(text, sizeof text, "%s/server/env", server_directory);
    FILE *env = fopen(text, "r");
    while (env && fgets(line, sizeof line, env)) {
        sscanf(line, "MONGODB_PORT='%ld'", &server_port);
        sscanf(line, "MONGODB_PID='%ld'", &server_pid);
    }
    if (env)
        fclose(env);
}

static inline int group_setup(void **state)
{
    char program[PATH_MAX], path[PATH_MAX + 32];
    struct upsink_error err;
    (void)state;
    find_program(program);
    snprintf(path, sizeof path, "%s/../../../sinks", program);
    setenv("UPSINK_PLUGIN_PATH", path, 1);
    type = registry_find("mongodb://", &err);
    if (!type)
        fail_msg("%s", err.text);
    mongoc_init();
    mongoc_log_set_handler(NULL, NULL);
    snprintf(server_directory, sizeof server_directory, "/tmp/upsink-mongodb-XXXXXX");
    assert_non_null(mkdtemp(server_directory));
    server("start");
    return 0;
}

static inline int group_teardown(void **state)
{
    char text[128];
    (void)state;
    server("stop");
    snprintf(text, sizeof text, "rm -rf %s", server_directory);
    return system(text);
}

/* The answer to a command in extended JSON, with ' for ". NULL database: the test's own. To be destroyed. */
__attribute__((format(printf, 3, 4))) static inline bson_t *ask(struct desk *desk, const char *database,
                                                                const char *format, ...)
{
    char text[4096];
    bson_error_t error;
    bson_t *reply = bson_new();
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *at = text; *at; at++)
        *at = *at == '\'' ? '"' : *at;
    bson_t *command = bson_new_from_json((const uint8_t *)text, -1, &error);
    if (!command)
        fail_msg("%s: %s", text, error.message);
    bson_destroy(reply);
    reply = calloc(1, sizeof *reply);
    assert_non_null(reply);
    bool done = mongoc_client_command_simple(desk->admin, database ? database : desk->database, command, NULL,
                                             reply, &error);
    bson_destroy(command);
    if (!done)
        fail_msg("%s: %s", text, error.message);
    return reply;
}

static inline void forget(bson_t *reply)
{
    bson_destroy(reply);
    free(reply);
}

/* What stands at the path in the document of the key, as relaxed extended JSON; "" where there is none. */
static inline const char *look(struct desk *desk, const char *collection, const char *key, const char *path)
{
    static char seen[8192];
    char whole[300];
    bson_iter_t iter, found;
    bson_t *reply = ask(desk, NULL, "{'find':'%s','filter':{'_id':'%s'}}", collection, key);
    seen[0] = '\0';
    snprintf(whole, sizeof whole, "cursor.firstBatch.0%s%s", *path ? "." : "", path);
    if (bson_iter_init(&iter, reply) && bson_iter_find_descendant(&iter, whole, &found)) {
        bson_t one = BSON_INITIALIZER;
        bson_append_iter(&one, "v", 1, &found);
        char *text = bson_as_canonical_extended_json(&one, NULL);
        snprintf(seen, sizeof seen, "%.*s", (int)strlen(text) - 10, text + 8); /* without { "v" : and } */
        bson_free(text);
        bson_destroy(&one);
    }
    forget(reply);
    return seen;
}

static inline void desk_connect(struct desk *desk)
{
    char url[256];
    bson_error_t error;
    if (desk->admin)
        mongoc_client_destroy(desk->admin);
    snprintf(url, sizeof url, "mongodb://127.0.0.1:%ld/?directConnection=true", server_port);
    mongoc_uri_t *uri = mongoc_uri_new_with_error(url, &error);
    assert_non_null(uri);
    desk->admin = mongoc_client_new_from_uri_with_error(uri, &error);
    mongoc_uri_destroy(uri);
    assert_non_null(desk->admin);
}

static inline int desk_setup(void **state)
{
    static unsigned made;
    struct desk *desk = calloc(1, sizeof *desk);
    assert_non_null(desk);
    arena_init(&desk->arena, 0);
    desk_connect(desk);
    snprintf(desk->database, sizeof desk->database, "test_%u", ++made);
    snprintf(desk->url, sizeof desk->url, "mongodb://127.0.0.1:%ld/%s?replicaSet=rs0&collection=orders",
             server_port, desk->database);
    desk->view = (struct upsink_view){.size = sizeof desk->view,
                                      .name = "shop",
                                      .topic = "orders",
                                      .versioned = true,
                                      .url = desk->url,
                                      .create = true,
                                      .timeout_us = 5 * CLOCK_SECOND};
    *state = desk;
    return 0;
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
    mongoc_client_destroy(desk->admin);
    arena_destroy(&desk->arena);
    free(desk);
    return 0;
}

static inline void need(struct desk *desk, bool done, const char *what)
{
    if (!done)
        fail_msg("%s failed: class %d, %s: %s (%s)", what, (int)desk->err.cls, desk->err.code, desk->err.text,
                 desk->err.detail);
}

static inline void desk_open(struct desk *desk)
{
    desk_close(desk);
    need(desk, type->open(&desk->sink, &desk->view, NULL, &desk->err), "open");
    need(desk, type->prepare(desk->sink, NULL, &desk->err), "prepare");
    desk->position = (struct upsink_position){.topic = UPSINK_SLICE_LIT("orders")};
    need(desk, type->claim(desk->sink, &desk->position, &desk->err), "claim");
}

static inline void *allocate(struct upsink_batch *batch, size_t size)
{
    return arena_alloc(batch->memory, size);
}

/* Sorted by key. */
static inline bool try_write(struct desk *desk, const struct upsink_change *changes, size_t count,
                             struct upsink_result *results)
{
    const struct upsink_change *pointers[64];
    struct upsink_batch batch = {
        .changes = pointers, .results = results, .count = count, .alloc = allocate, .memory = &desk->arena};
    assert_true(count <= 64);
    for (size_t i = 0; i < count; i++)
        pointers[i] = &changes[i];
    return type->write(desk->sink, &batch, &desk->err);
}

static inline bool try_commit(struct desk *desk, int64_t next_offset)
{
    desk->position.next_offset = next_offset;
    return type->commit(desk->sink, &desk->position, 1, &desk->err);
}

static inline enum upsink_verdict apply(struct desk *desk, struct upsink_change change)
{
    struct upsink_result result;
    need(desk, try_write(desk, &change, 1, &result), "write");
    need(desk, try_commit(desk, change.offset + 1), "commit");
    return result.verdict;
}

static inline struct upsink_change upsert(const char *key, int64_t offset, const char *entity)
{
    return (struct upsink_change){.op = UPSINK_UPSERT,
                                  .key = upsink_slice_of(key),
                                  .entity = upsink_slice_of(entity),
                                  .topic = UPSINK_SLICE_LIT("orders"),
                                  .offset = offset,
                                  .timestamp = 1700000000000000 + offset * 1000,
                                  .generation = 1};
}

static inline struct upsink_change tombstone(const char *key, int64_t offset)
{
    struct upsink_change change = upsert(key, offset, NULL);
    change.op = UPSINK_DELETE;
    change.flags = UPSINK_BY_POSITION;
    return change;
}

#define DESK_TEST(function) cmocka_unit_test_setup_teardown(function, desk_setup, desk_teardown)

#endif
