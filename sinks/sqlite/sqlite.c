/* The sink sqlite: a table in a file. */
#include "sinks/sqlite/sqlite.h"

#include "nearest.h"
#include "url.h"
#include "utf8.h"

#include <stdlib.h>
#include <strings.h>

static bool fail_url(struct upsink_error *err, const char *text)
{
    return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_url", "%s", text);
}

static bool read_path(struct upsink_sink *sink, const struct url *url, struct upsink_error *err)
{
    const char *path = url->path;
    if (url->has_authority && url->host[0])
        return fail_url(
            err, "a sqlite: URL has no host: write sqlite:relative/path.db, sqlite:/absolute/path.db or "
                 "sqlite:///absolute/path.db");
    if (strcmp(path, ":memory:") == 0)
        return fail_url(
            err, "sqlite::memory: would be gone with the process, and no reader could open it; name a file");
    if (!*path || path[strlen(path) - 1] == '/')
        return fail_url(err, "a sqlite: URL needs the path of a file, as in sqlite:orders.db?table=orders");
    /* `./` keeps SQLite from reading anything else than a path into it (":x", "file:x?mode=ro"). */
    if (asprintf(&sink->path, "%s%s", *path == '/' ? "" : "./", path) < 0) {
        sink->path = NULL;
        return sqlite_fail_memory(err);
    }
    return true;
}

static bool check_options(const struct url *url, struct upsink_error *err)
{
    for (size_t i = 0; i < url->parameter_count; i++) {
        struct nearest nearest;
        if (strcmp(url->parameters[i].name, "table") == 0)
            continue;
        nearest_init(&nearest, url->parameters[i].name);
        nearest_offer(&nearest, "table");
        return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_url", "a sqlite: URL has no option %.64s%s",
                           url->parameters[i].name, nearest_hint(&nearest));
    }
    return true;
}

/* A dot in a name that the user gave separates a schema from a table; SQLite's own is called main. */
static bool read_table(struct upsink_sink *sink, const struct url *url, struct upsink_error *err)
{
    const char *in_url = url_get(url, "table"), *target = sink->view->target;
    if (in_url && target)
        return upsink_fail(err, UPSINK_ERR_CONFIG, "target_twice",
                           "the table is named twice, by the URL (%s) and by `table` (%s); keep one", in_url,
                           target);
    const char *given = in_url ? in_url : target, *table = given ? given : sink->view->default_target;
    const char *dot = given ? strchr(given, '.') : NULL;
    if (dot && strncasecmp(given, "main.", 5) == 0)
        table = dot + 1;
    else if (dot)
        return upsink_fail(
            err, UPSINK_ERR_CONFIG, "bad_target",
            "the table %s: SQLite has no schemas, so a table's name can't have a dot; try %.*s_%s", given,
            (int)(dot - given), given, dot + 1);
    if (!table || !*table || !utf8_is_valid(table, strlen(table)))
        return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_target", "the table's name is empty or not UTF-8");
    if (strncasecmp(table, "sqlite_", 7) == 0 || strncasecmp(table, "_upsink_", 8) == 0)
        return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_target",
                           "the table %s: names that begin with sqlite_ or _upsink_ are reserved", table);
    sink->table = strdup(table);
    if (asprintf(&sink->fence_table, "_upsink_fences_%s", table) < 0)
        sink->fence_table = NULL;
    if (asprintf(&sink->description, "sqlite:%s table %s", url->path, table) < 0)
        sink->description = NULL;
    return (sink->table && sink->fence_table && sink->description) || sqlite_fail_memory(err);
}

static bool read_settings(struct upsink_sink *sink, struct upsink_error *err)
{
    for (size_t i = 0; i < sink->view->setting_count; i++) {
        const struct upsink_setting *setting = &sink->view->settings[i];
        struct nearest nearest;
        if (strcmp(setting->name, "synchronous") == 0) {
            sink->full_sync = strcmp(setting->value, "full") == 0;
            if (!sink->full_sync && strcmp(setting->value, "normal") != 0)
                return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_setting",
                                   "sqlite.synchronous is normal or full, not %s", setting->value);
            continue;
        }
        nearest_init(&nearest, setting->name);
        nearest_offer(&nearest, "synchronous");
        return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_setting", "sqlite has no setting %s%s", setting->name,
                           nearest_hint(&nearest));
    }
    return true;
}

static void close_sink(struct upsink_sink *sink)
{
    if (!sink)
        return;
    sqlite_disconnect(sink);
    buf_destroy(&sink->seen);
    free(sink->path);
    free(sink->table);
    free(sink->fence_table);
    free(sink->description);
    free(sink);
}

static bool open_sink(struct upsink_sink **sink, const struct upsink_view *view,
                      const struct upsink_host *host, struct upsink_error *err)
{
    struct url url;
    struct upsink_sink *made;
    *sink = NULL;
    if (!url_parse(&url, view->url, err))
        return false;
    made = calloc(1, sizeof *made);
    if (made) {
        made->view = view;
        made->host = host;
        made->soft = view->delete_mode == UPSINK_DELETE_SOFT;
    }
    bool done = made ? read_path(made, &url, err) && check_options(&url, err) &&
                           read_table(made, &url, err) && read_settings(made, err)
                     : sqlite_fail_memory(err);
    url_clear(&url);
    if (done)
        *sink = made;
    else
        close_sink(made);
    return done;
}

static const char *describe_sink(const struct upsink_sink *sink)
{
    return sink->description;
}

static const char *const schemes[] = {"sqlite", NULL};

static const struct upsink_option url_options[] = {
    {"table", "text", NULL, "the table, where the view's `table` does not name it"},
    {NULL, NULL, NULL, NULL},
};

static const struct upsink_option settings[] = {
    {"synchronous", "normal|full", "normal",
     "full waits for the disk at each commit; with normal a power cut (not a crash of the program) may take "
     "back the last "
     "commits, rows and positions together, which are then read from the topic again"},
    {NULL, NULL, NULL, NULL},
};

UPSINK_EXPORT const struct upsink_sink_type upsink_sink = {
    .abi = UPSINK_SINK_ABI,
    .size = sizeof(struct upsink_sink_type),
    .name = "sqlite",
    .schemes = schemes,
    .summary = "a table in an SQLite file: sqlite:PATH?table=NAME",
    .url_options = url_options,
    .settings = settings,
    .capabilities = UPSINK_KEEPS_POSITIONS | UPSINK_TRANSACTIONAL | UPSINK_FENCED,
    .max_writers = 1,
    .open = open_sink,
    .describe = describe_sink,
    .prepare = sqlite_prepare,
    .claim = sqlite_claim,
    .write = sqlite_write,
    .commit = sqlite_commit,
    .abort = sqlite_abort,
    .read_row = sqlite_read_row,
    .close = close_sink,
};
