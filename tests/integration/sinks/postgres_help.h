/* For the tests of the PostgreSQL sink against a real server: POSTGRES_URL names one, and a superuser.
 * Every test has a schema of its own, which it finds empty and leaves behind dropped. */
#ifndef UPSINK_POSTGRES_HELP_H
#define UPSINK_POSTGRES_HELP_H

#include "arena.h"
#include "clock.h"
#include "sinks/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <libpq-fe.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

/* A view, the sink that keeps it, and somebody who looks at the database from outside. */
struct desk {
    PGconn *admin;
    char schema[64], url[600], target[200];
    struct upsink_view view;
    struct upsink_host host;
    struct upsink_sink *sink;
    struct upsink_position position; /* of partition 0 */
    struct upsink_error err;
    struct arena arena;
};

static const struct upsink_sink_type *type;

static inline const char *server_url(void)
{
    const char *url = getenv("POSTGRES_URL");
    if (!url)
        fail_msg("POSTGRES_URL is not set; tests/servers/postgres.sh starts a server and prints it");
    return url;
}

static inline void load_sink(void)
{
    char program[PATH_MAX], path[PATH_MAX + 32];
    struct upsink_error err;
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    assert_true(len > 0);
    program[len] = '\0';
    *strrchr(program, '/') = '\0';
    snprintf(path, sizeof path, "%s/../../../sinks", program);
    setenv("UPSINK_PLUGIN_PATH", path, 1);
    type = registry_find("postgres://", &err);
    if (!type)
        fail_msg("%s", err.text);
}

/* Runs SQL as the superuser; the first field of the last result, "" without rows. */
__attribute__((format(printf, 2, 3))) static inline const char *sql(struct desk *desk, const char *format,
                                                                    ...)
{
    static char field[4096];
    char text[8192];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    PGresult *result = PQexec(desk->admin, text);
    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", text, PQerrorMessage(desk->admin));
    snprintf(field, sizeof field, "%s", PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    return field;
}

static inline int desk_setup(void **state)
{
    static unsigned made;
    struct desk *desk = calloc(1, sizeof *desk);
    assert_non_null(desk);
    if (!type)
        load_sink();
    arena_init(&desk->arena, 0);
    desk->admin = PQconnectdb(server_url());
    if (PQstatus(desk->admin) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(desk->admin));
    snprintf(desk->schema, sizeof desk->schema, "test_%ld_%u", (long)getpid(), ++made);
    snprintf(desk->url, sizeof desk->url, "%s", server_url());
    snprintf(desk->target, sizeof desk->target, "%s.orders", desk->schema);
    sql(desk,
        "SET client_min_messages = error; SET lock_timeout = 10000; CREATE SCHEMA %s; SET search_path = %s",
        desk->schema, desk->schema);
    desk->view = (struct upsink_view){.size = sizeof desk->view,
                                      .name = desk->schema,
                                      .topic = "orders",
                                      .versioned = true,
                                      .url = desk->url,
                                      .target = desk->target,
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
    sql(desk, "DROP SCHEMA IF EXISTS %s CASCADE", desk->schema);
    PQfinish(desk->admin);
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

static inline bool try_open(struct desk *desk)
{
    desk_close(desk);
    return type->open(&desk->sink, &desk->view, desk->host.size ? &desk->host : NULL, &desk->err);
}

static inline bool try_prepare(struct desk *desk)
{
    return (desk->sink || try_open(desk)) && type->prepare(desk->sink, NULL, &desk->err);
}

static inline void claim(struct desk *desk)
{
    desk->position = (struct upsink_position){.topic = UPSINK_SLICE_LIT("orders")};
    need(desk, type->claim(desk->sink, &desk->position, &desk->err), "claim");
}

static inline void desk_open(struct desk *desk)
{
    need(desk, try_open(desk), "open");
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
    desk->host = of->host;
    return desk;
}

static inline void desk_free_twin(struct desk *desk)
{
    desk_close(desk);
    arena_destroy(&desk->arena);
    free(desk);
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
    desk->position.next_offset = change.offset + 1;
    need(desk, try_commit(desk), "commit");
    return result.verdict;
}

static inline void assert_says(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' does not say '%s'", text, part);
}

#define DESK_TEST(f) cmocka_unit_test_setup_teardown(f, desk_setup, desk_teardown)

#endif
