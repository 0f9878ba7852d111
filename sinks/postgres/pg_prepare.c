#include "pg_prepare.h"
#include "pg_wait.h"

#include <stdlib.h>
#include <string.h>

#define FENCE_PREFIX "_upsink_deleted_"

/* --- names ----------------------------------------------------------------------------------- */

static char *quote_qualified(const char *schema, const char *table)
{
    struct buf buf;
    buf_init(&buf);
    pg_append_identifier(&buf, schema);
    buf_append_byte(&buf, '.');
    pg_append_identifier(&buf, table);
    if (buf.failed)
        buf_destroy(&buf);
    return buf.data;
}

void pg_tables_clear(struct pg_tables *tables)
{
    free(tables->rows);
    free(tables->fences);
    free(tables->views);
    free(tables->state);
    *tables = (struct pg_tables){0};
}

static bool name_tables(struct upsink_sink *sink, struct upsink_error *err)
{
    struct pg_tables *tables = &sink->tables;
    char fences[PG_NAME_MAX + 1];
    pg_tables_clear(tables);
    pg_derive_name(fences, FENCE_PREFIX, sink->name.table);
    tables->rows = quote_qualified(sink->name.schema, sink->name.table);
    tables->fences = quote_qualified(sink->name.schema, fences);
    tables->views = quote_qualified(sink->name.schema, "_upsink_views");
    tables->state = quote_qualified(sink->name.schema, "_upsink_state");
    tables->several_topics = sink->view->several_topics;
    tables->soft = sink->view->delete_mode == UPSINK_DELETE_SOFT;
    return (tables->rows && tables->fences && tables->views && tables->state) || pg_fail_memory(err);
}

/* Where no schema was named, the table is where the session sees it, or would be created. */
static bool resolve_schema(struct upsink_sink *sink, struct upsink_error *err)
{
    static const char sql[] =
        "SELECT coalesce((SELECT n.nspname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
        " ON n.oid = c.relnamespace WHERE c.relname = $1::text AND n.nspname = ANY (current_schemas(false))"
        " AND n.nspname <> 'pg_catalog' ORDER BY array_position(current_schemas(false), n.nspname) LIMIT 1),"
        " (SELECT s FROM unnest(current_schemas(false)) s WHERE s <> 'pg_catalog' LIMIT 1)::text)";
    if (sink->schema_given)
        return true;
    pg_params_clear(&sink->params);
    pg_params_add_text(&sink->params, upsink_slice_of(sink->name.table));
    PGresult *result = pg_query(sink, "look for the table", sql, &sink->params, err);
    if (!result)
        return false;
    bool found = PQntuples(result) == 1 && !PQgetisnull(result, 0, 0);
    if (found)
        snprintf(sink->name.schema, sizeof sink->name.schema, "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
    return found ||
           upsink_fail(err, UPSINK_ERR_FATAL, "target_missing",
                       "%s: the search path of the session names no schema that exists; name the table as "
                       "schema.table",
                       sink->description);
}

/* --- statements, run or printed -------------------------------------------------------------- */

bool pg_apply(struct pg_preparation *work, struct buf *sql, struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    if (sql->failed)
        return pg_fail_memory(err);
    work->changes++;
    if (work->plan) {
        buf_append_byte(sql, ';');
        if (sql->failed)
            return pg_fail_memory(err);
        work->plan->print(work->plan->context, sql->data);
        return true;
    }
    if (!sink->view->create)
        return upsink_fail(
            err, sink->prepared ? UPSINK_ERR_OUTAGE : UPSINK_ERR_FATAL, "target_missing",
            "%s lacks what view %s needs, and `create: never` forbids to make it; `upsink plan` prints the "
            "statements, the first is: %.200s",
            sink->description, sink->view->name, sql->data);
    return pg_run(sink, "create what is missing", sql->data, err);
}

/* --- what is there --------------------------------------------------------------------------- */

static bool flag(const PGresult *result, int column)
{
    return PQgetlength(result, 0, column) == 1 && *PQgetvalue(result, 0, column);
}

static bool look_around(struct pg_preparation *work, struct upsink_error *err)
{
    static const char sql[] = "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1::text),"
                              " to_regclass($2::text) IS NOT NULL, to_regclass($3::text) IS NOT NULL,"
                              " to_regclass($4::text) IS NOT NULL, EXISTS (SELECT FROM pg_catalog.pg_settings"
                              " WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals))";
    struct upsink_sink *sink = work->sink;
    pg_params_clear(&sink->params);
    pg_params_add_text(&sink->params, upsink_slice_of(sink->name.schema));
    pg_params_add_text(&sink->params, upsink_slice_of(sink->tables.views));
    pg_params_add_text(&sink->params, upsink_slice_of(sink->tables.state));
    pg_params_add_text(&sink->params, upsink_slice_of(sink->tables.fences));
    PGresult *result = pg_query(sink, "look for the bookkeeping tables", sql, &sink->params, err);
    if (!result)
        return false;
    work->has_schema = flag(result, 0);
    work->has_views = flag(result, 1);
    work->has_state = flag(result, 2);
    work->has_fences = flag(result, 3);
    work->can_lz4 = flag(result, 4);
    PQclear(result);
    return pg_read_shape(sink, &work->shape, err);
}

/* One preparation at a time in a schema. */
static bool lock_schema(struct upsink_sink *sink, struct upsink_error *err)
{
    pg_params_clear(&sink->params);
    pg_params_add_text(&sink->params, upsink_slice_of(sink->name.schema));
    PGresult *result = pg_query(sink, "wait for others that prepare a view",
                                "SELECT 1 FROM pg_advisory_xact_lock(hashtextextended($1::text, 8276549217))",
                                &sink->params, err);
    PQclear(result);
    return result != NULL;
}

/* A session of ours that holds a transaction while its client, put to sleep or cut off between two statements
 * of a pipeline, sends nothing: the server's own timeouts apply before a statement and after the last one
 * only. Whoever prepares ends it; what it had written is written again by the partition's next owner. */
static bool end_sleepers(struct upsink_sink *sink, struct upsink_error *err)
{
    static const char sql[] =
        "SELECT pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity"
        " WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
        " AND application_name = current_setting('application_name') AND state = 'active'"
        " AND wait_event = 'ClientRead' AND xact_start < now() - $1::int8 * interval '1 microsecond'"
        " AND greatest(query_start, state_change) < now() - $1::int8 * interval '1 microsecond'";
    pg_params_clear(&sink->params);
    pg_params_add_int8(&sink->params, upsink_view_timeout_us(sink->view));
    PGresult *result = pg_query(sink, "look for sessions that sleep", sql, &sink->params, err);
    PQclear(result);
    return result != NULL;
}

/* --- the whole ------------------------------------------------------------------------------- */

static bool remember(struct upsink_sink *sink, struct upsink_error *err)
{
    struct pg_shape shape;
    if (!pg_read_shape(sink, &shape, err))
        return false;
    sink->identity = shape.identity;
    sink->tables.partitioned = shape.kind == 'p';
    return true;
}

static bool prepare_target(struct pg_preparation *work, struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    if (!pg_begin(sink, err))
        return false;
    if (!work->plan && !lock_schema(sink, err))
        return false;
    if (!look_around(work, err) || !pg_read_registration(work, err) || !pg_create_missing(work, err) ||
        !pg_settle_positions(work, err))
        return false;
    if (work->plan) {
        pg_abort(sink);
        return work->changes == 0 || sink->view->create ||
               upsink_fail(err, UPSINK_ERR_FATAL, "target_missing",
                           "%s lacks what view %s needs, and `create: never` forbids to make it; `upsink "
                           "plan` prints the statements",
                           sink->description, sink->view->name);
    }
    if (!remember(sink, err) || !pg_register(work, err) ||
        !pg_run(sink, "create what is missing", "COMMIT", err))
        return false;
    sink->transaction = PG_NO_TRANSACTION;
    return true;
}

/* Classes that make sense for a batch, but not here. */
static bool translate(struct upsink_sink *sink, struct upsink_error *err)
{
    bool denied = strcmp(err->code, "permission_denied") == 0;
    if (denied) {
        size_t len = strlen(err->text);
        err->cls = UPSINK_ERR_REFUSED;
        snprintf(err->text + len, sizeof err->text - len,
                 "; the role needs CREATE on schema %s, or its owner creates what `upsink plan` prints and "
                 "grants SELECT, INSERT, "
                 "UPDATE, DELETE on it",
                 sink->name.schema);
    } else if (err->cls == UPSINK_ERR_TARGET_LOST) {
        err->cls = UPSINK_ERR_OUTAGE; /* dropped while we looked at it: look again */
    }
    return pg_blame_nobody(err);
}

bool pg_prepare(struct upsink_sink *sink, const struct upsink_printer *plan, struct upsink_error *err)
{
    struct pg_preparation work = {.sink = sink, .plan = plan};
    pg_abort(sink);
    bool done = pg_connect(sink, err) && (plan || end_sleepers(sink, err)) && resolve_schema(sink, err) &&
                name_tables(sink, err) && prepare_target(&work, err);
    if (done && !plan)
        done = pg_prepare_statements(sink, err);
    if (done && !plan)
        sink->prepared = true;
    if (done)
        return true;
    pg_abort(sink);
    return translate(sink, err);
}
