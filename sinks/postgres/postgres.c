/* PostgreSQL: a table of documents; rows, delete fences and positions in one transaction. */
#include "pg_prepare.h"

#include <stdlib.h>
#include <string.h>

static bool choose_name(struct upsink_sink *sink, struct upsink_error *err)
{
    const struct upsink_view *view = sink->view;
    const char *from_url = sink->settings.table;
    if (from_url && view->target)
        return upsink_fail(
            err, UPSINK_ERR_CONFIG, "target_twice",
            "view %s names its table twice, in the sink URL and with `table`; leave one of them out",
            view->name);
    if (from_url || view->target)
        return pg_table_name_parse(&sink->name, from_url ? from_url : view->target, err);
    if (!view->default_target)
        return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_target",
                           "view %s names no table; give one with `table`", view->name);
    return pg_table_name_single(&sink->name, view->default_target, err);
}

static void close_sink(struct upsink_sink *sink)
{
    if (!sink)
        return;
    pg_disconnect(sink);
    pg_settings_clear(&sink->settings);
    pg_tables_clear(&sink->tables);
    pg_params_destroy(&sink->params);
    pg_params_destroy(&sink->touched);
    free(sink->order);
    free(sink->inserted);
    free(sink);
}

static bool open_sink(struct upsink_sink **opened, const struct upsink_view *view,
                      const struct upsink_host *host, struct upsink_error *err)
{
    struct upsink_sink *sink = calloc(1, sizeof *sink);
    *opened = NULL;
    if (!sink)
        return pg_fail_memory(err);
    sink->view = view;
    sink->host = host;
    pg_params_init(&sink->params);
    pg_params_init(&sink->touched);
    if (view->setting_count > 0) {
        upsink_fail(err, UPSINK_ERR_CONFIG, "bad_setting",
                    "the sink postgres has no setting '%.60s'; it has none at all", view->settings[0].name);
        goto fail;
    }
    if (!pg_settings_parse(&sink->settings, view->url, err) || !choose_name(sink, err))
        goto fail;
    sink->schema_given = sink->name.schema[0];
    snprintf(sink->description, sizeof sink->description, "postgres://%s table %s%s%s",
             sink->settings.address, sink->name.schema, sink->schema_given ? "." : "", sink->name.table);
    *opened = sink;
    return true;
fail:
    close_sink(sink);
    return false;
}

static const char *describe(const struct upsink_sink *sink)
{
    return sink->description;
}

static const char *const schemes[] = {"postgres", "postgresql", NULL};

static const struct upsink_option url_options[] = {
    {"table", "text", "the topic's name",
     "the table, as table or schema.table; a part that holds a dot in double quotes"},
    {"sslmode", "text", "prefer", "and every other connection parameter of libpq"},
    {NULL, NULL, NULL, NULL},
};
static const struct upsink_option settings[] = {{NULL, NULL, NULL, NULL}};

UPSINK_EXPORT const struct upsink_sink_type upsink_sink = {
    .abi = UPSINK_SINK_ABI,
    .size = sizeof(struct upsink_sink_type),
    .name = "postgres",
    .schemes = schemes,
    .summary = "a PostgreSQL table: key, jsonb document; exactly once",
    .url_options = url_options,
    .settings = settings,
    .capabilities = UPSINK_KEEPS_POSITIONS | UPSINK_TRANSACTIONAL | UPSINK_FENCED,
    .open = open_sink,
    .describe = describe,
    .prepare = pg_prepare,
    .claim = pg_claim,
    .write = pg_write,
    .commit = pg_commit,
    .abort = pg_abort,
    .read_row = pg_read_row,
    .close = close_sink,
};
