#include "pg_prepare.h"

#include <stdlib.h>
#include <string.h>

enum { BOOKKEEPING = 1 }; /* version of the side tables */

static bool refuse_taken(struct upsink_sink *sink, const char *view, const char *topic,
                         struct upsink_error *err)
{
    return upsink_fail(
        err, UPSINK_ERR_FATAL, "target_taken",
        "%s already holds view %.80s of topic %.80s, so view %.80s of topic %.80s must not write into it; "
        "give "
        "this view a table of its own, or drop the table and its row in _upsink_views to hand it over",
        sink->description, view, topic, sink->view->name, sink->view->topic);
}

bool pg_read_registration(struct pg_preparation *work, struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    char sql[400];
    if (!work->has_views)
        return true;
    snprintf(sql, sizeof sql,
             "SELECT view, topic, bookkeeping, target_oid, target_filenode FROM %s WHERE target = $1::text%s",
             sink->tables.views, work->plan ? "" : " FOR UPDATE");
    pg_params_clear(&sink->params);
    pg_params_add_text(&sink->params, upsink_slice_of(sink->name.table));
    PGresult *result = pg_query(sink, "read whose the table is", sql, &sink->params, err);
    if (!result)
        return false;
    bool done = true;
    if (PQntuples(result) == 1) {
        const char *view = PQgetvalue(result, 0, 0), *topic = PQgetvalue(result, 0, 1);
        work->registered = true;
        work->identity.oid = pg_read_int8(PQgetvalue(result, 0, 3));
        work->identity.filenode = pg_read_int8(PQgetvalue(result, 0, 4));
        if (strcmp(view, sink->view->name) != 0 || strcmp(topic, sink->view->topic) != 0)
            done = refuse_taken(sink, view, topic, err);
        else if (pg_read_int4(PQgetvalue(result, 0, 2)) > BOOKKEEPING)
            done = upsink_fail(err, UPSINK_ERR_FATAL, "target_newer",
                               "%s was prepared by a newer version of upsink; use that version",
                               sink->description);
    }
    PQclear(result);
    return done;
}

/* VACUUM FULL and a restored dump change the identity too, but the rows are there. The server itself empties
 * unlogged tables, after a crash. */
static bool is_same(const struct pg_preparation *work)
{
    return work->registered && work->identity.oid == work->shape.identity.oid &&
           work->identity.filenode == work->shape.identity.filenode;
}

static bool is_lost(const struct pg_preparation *work)
{
    const struct pg_shape *shape = &work->shape;
    if (!shape->exists || !work->registered || work->identity.oid == 0)
        return true;
    return shape->empty && (!is_same(work) || shape->unlogged);
}

/* The highest generation in a table that comes to us with rows of an earlier life; of a very large one, of a
 * sample. A replay has to be newer than all of it. */
static bool read_generation(struct pg_preparation *work, struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    char sql[1000];
    if (!work->shape.exists || work->shape.empty)
        return true;
    snprintf(sql, sizeof sql,
             "SELECT coalesce(greatest((SELECT max(_upsink_generation) FROM %s TABLESAMPLE SYSTEM ("
             "least(100, 5e10 / greatest(1, pg_table_size($1::bigint::oid)))::real)), (SELECT "
             "max(_upsink_generation) FROM %s)), 0)",
             sink->tables.rows, sink->tables.fences);
    pg_params_clear(&sink->params);
    pg_params_add_int8(&sink->params, work->shape.identity.oid);
    PGresult *result = pg_query(sink, "read the newest generation", sql, &sink->params, err);
    if (!result)
        return false;
    work->generation = pg_read_int8(PQgetvalue(result, 0, 0));
    PQclear(result);
    return true;
}

static void report_loss(struct upsink_sink *sink, const char *partitions)
{
    char text[700];
    if (strcmp(partitions, "0") == 0)
        return;
    snprintf(text, sizeof text,
             "%s is not what the positions of view %s were written for: it was dropped, emptied or is "
             "another table; the "
             "positions of %s partitions are void, and it is filled from the beginning",
             sink->description, sink->view->name, partitions);
    upsink_host_log(sink->host, UPSINK_LOG_WARN, text);
}

static bool reset_positions(struct pg_preparation *work, struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    char sql[400];
    snprintf(
        sql, sizeof sql,
        "UPDATE %s SET next_offset = -1, epoch = epoch + 1, generation = greatest(generation, $2::bigint)"
        " WHERE view = $1::text",
        sink->tables.state);
    pg_params_clear(&sink->params);
    pg_params_add_text(&sink->params, upsink_slice_of(sink->view->name));
    pg_params_add_int8(&sink->params, work->generation);
    PGresult *result = pg_query(sink, "reset the positions", sql, &sink->params, err);
    if (!result)
        return false;
    report_loss(sink, PQcmdTuples(result));
    PQclear(result);
    return true;
}

bool pg_settle_positions(struct pg_preparation *work, struct upsink_error *err)
{
    char sql[400];
    if (work->plan && (is_lost(work) || !work->has_state))
        work->plan->refill(work->plan->context);
    if (work->plan || !is_lost(work))
        return true;
    if (!read_generation(work, err) || !reset_positions(work, err))
        return false;
    if (work->shape.exists && !work->shape.empty)
        return true;
    snprintf(sql, sizeof sql, "DELETE FROM %s", work->sink->tables.fences);
    return pg_run(work->sink, "empty the delete fences", sql, err);
}

/* The positions are this target's from now on, and no other's. */
static bool take_from_others(struct upsink_sink *sink, struct upsink_error *err)
{
    char sql[300];
    snprintf(sql, sizeof sql,
             "UPDATE %s SET target_oid = 0, target_filenode = 0 WHERE view = $1::text AND target <> $2::text "
             "AND target_oid <> 0",
             sink->tables.views);
    pg_params_clear(&sink->params);
    pg_params_add_text(&sink->params, upsink_slice_of(sink->view->name));
    pg_params_add_text(&sink->params, upsink_slice_of(sink->name.table));
    PGresult *result = pg_query(sink, "register the view", sql, &sink->params, err);
    PQclear(result);
    return result != NULL;
}

bool pg_register(struct pg_preparation *work, struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    char sql[700];
    if (is_same(work))
        return true;
    if (!take_from_others(sink, err))
        return false;
    snprintf(sql, sizeof sql,
             "INSERT INTO %s AS v (target, view, topic, bookkeeping, target_oid, target_filenode, generation)"
             " VALUES ($1::text, $2::text, $3::text, $4::integer, $5::bigint, $6::bigint, $7::bigint)"
             " ON CONFLICT (target) DO UPDATE SET target_oid = excluded.target_oid,"
             " target_filenode = excluded.target_filenode, generation = greatest(v.generation, "
             "excluded.generation),"
             " prepared_at = now()",
             sink->tables.views);
    pg_params_clear(&sink->params);
    pg_params_add_text(&sink->params, upsink_slice_of(sink->name.table));
    pg_params_add_text(&sink->params, upsink_slice_of(sink->view->name));
    pg_params_add_text(&sink->params, upsink_slice_of(sink->view->topic));
    pg_params_add_int4(&sink->params, BOOKKEEPING);
    pg_params_add_int8(&sink->params, sink->identity.oid);
    pg_params_add_int8(&sink->params, sink->identity.filenode);
    pg_params_add_int8(&sink->params, work->generation);
    PGresult *result = pg_query(sink, "register the view", sql, &sink->params, err);
    PQclear(result);
    return result != NULL;
}
