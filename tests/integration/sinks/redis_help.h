/* For the tests of the Redis sink against a real server, which they start themselves and may do anything
 * to. Every test has a prefix of its own. */
#ifndef UPSINK_REDIS_HELP_H
#define UPSINK_REDIS_HELP_H

#include "arena.h"
#include "clock.h"
#include "sinks/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <hiredis/hiredis.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

/* A view, the sink that keeps it, and somebody who looks at the server from outside. */
struct desk {
    char name[32], prefix[40], url[512];
    struct upsink_view view;
    struct upsink_sink *sink;
    struct upsink_position position; /* of partition 0 */
    struct upsink_error err;
    struct arena arena;
};

static const struct upsink_sink_type *type;
static char server_directory[64];
static long server_port, server_pid;
static redisContext *admin;

static inline void connect_admin(void)
{
    if (admin)
        redisFree(admin);
    admin = redisConnect("127.0.0.1", (int)server_port);
    if (!admin || admin->err)
        fail_msg("can't connect to the server of the tests");
}

/* start, stop, kill9 or restart, with `extra` lines for redis.conf; NULL: what goes wrong ends the test. */
static inline void server(const char *command, const char *extra)
{
    char text[256], line[256];
    setenv("REDIS_EXTRA", extra ? extra : "", 1);
    snprintf(text, sizeof text, "tests/servers/redis.sh %s %s/server >%s/out 2>&1", command, server_directory,
             server_directory);
    if (system(text) != 0)
        fail_msg("%s failed; it has to run in the project's directory", text);
    snprintf(text, sizeof text, "%s/server/env", server_directory);
    FILE *env = fopen(text, "r");
    while (env && fgets(line, sizeof line, env)) {
        sscanf(line, "REDIS_PORT='%ld'", &server_port);
        sscanf(line, "REDIS_PID='%ld'", &server_pid);
    }
    if (env)
        fclose(env);
    if (strcmp(command, "start") == 0 || strcmp(command, "restart") == 0)
        connect_admin();
}

static inline void start_server(const char *extra)
{
    snprintf(server_directory, sizeof server_directory, "/tmp/upsink-redis-XXXXXX");
    assert_non_null(mkdtemp(server_directory));
    server("start", extra);
}

static inline void remove_server(void)
{
    char text[128];
    server("stop", NULL);
    snprintf(text, sizeof text, "rm -rf %s", server_directory);
    assert_int_equal(system(text), 0);
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
    type = registry_find("redis://", &err);
    if (!type)
        fail_msg("%s", err.text);
    start_server(NULL);
    return 0;
}

static inline int group_teardown(void **state)
{
    (void)state;
    redisFree(admin);
    admin = NULL;
    remove_server();
    return 0;
}

/* A command as the administrator, as redisCommand takes it; the answer as text, "(nil)" where there is none.
 */
static inline const char *ask(const char *format, ...)
{
    static char text[8][1024];
    static unsigned turn;
    char *out = text[turn++ % 8];
    va_list args;
    va_start(args, format);
    redisReply *reply = redisvCommand(admin, format, args);
    va_end(args);
    if (!reply)
        fail_msg("%s: no answer", format);
    if (reply->type == REDIS_REPLY_ERROR)
        fail_msg("%s: %s", format, reply->str);
    if (reply->type == REDIS_REPLY_INTEGER)
        snprintf(out, sizeof text[0], "%lld", reply->integer);
    else if (reply->type == REDIS_REPLY_ARRAY)
        snprintf(out, sizeof text[0], "%zu", reply->elements);
    else
        snprintf(out, sizeof text[0], "%s", reply->type == REDIS_REPLY_NIL ? "(nil)" : reply->str);
    freeReplyObject(reply);
    return out;
}

static inline int desk_setup(void **state)
{
    static unsigned made;
    struct desk *desk = calloc(1, sizeof *desk);
    assert_non_null(desk);
    arena_init(&desk->arena, 0);
    snprintf(desk->name, sizeof desk->name, "view-%u", ++made);
    snprintf(desk->prefix, sizeof desk->prefix, "t%u:", made);
    snprintf(desk->url, sizeof desk->url, "redis://127.0.0.1:%ld/0", server_port);
    desk->view = (struct upsink_view){.size = sizeof desk->view,
                                      .name = desk->name,
                                      .topic = "orders",
                                      .versioned = true,
                                      .url = desk->url,
                                      .target = desk->prefix,
                                      .create = true,
                                      .timeout_us = 10 * CLOCK_SECOND};
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
    arena_init(&desk->arena, 0);
    desk->view = of->view;
    return desk;
}

static inline void *allocate(struct upsink_batch *batch, size_t size)
{
    return arena_alloc(batch->memory, size);
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
    return change;
}

/* The changes have to be sorted by key. */
static inline bool try_write(struct desk *desk, const struct upsink_change *changes, size_t count,
                             struct upsink_result *results)
{
    const struct upsink_change **pointers = calloc(count, sizeof(struct upsink_change *));
    assert_non_null(pointers);
    for (size_t i = 0; i < count; i++) {
        pointers[i] = &changes[i];
        results[i] = (struct upsink_result){0};
    }
    struct upsink_batch batch = {
        .changes = pointers, .results = results, .count = count, .alloc = allocate, .memory = &desk->arena};
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
    desk->position.generation = change.generation;
    desk->position.next_offset = change.offset + (change.offset < INT64_MAX);
    need(desk, try_commit(desk), "commit");
    return result.verdict;
}

/* Writing fails now, with this class and code; then the sink is as after an abort. */
static inline void assert_write_fails(struct desk *desk, struct upsink_change change,
                                      enum upsink_error_class cls, const char *code)
{
    struct upsink_result result;
    if (try_write(desk, &change, 1, &result))
        fail_msg("the write was taken, with verdict %d", (int)result.verdict);
    assert_string_equal(desk->err.code, code);
    assert_int_equal(desk->err.cls, cls);
    type->abort(desk->sink);
}

static inline const char *row(const struct desk *desk, const char *key)
{
    return ask("GET %s%s", desk->prefix, key);
}

#define DESK_TEST(f) cmocka_unit_test_setup_teardown(f, desk_setup, desk_teardown)

#endif
