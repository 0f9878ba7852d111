#include "pg_sink.h"

#include <stdlib.h>
#include <string.h>

/* --- claim ----------------------------------------------------------------------------------- */

static bool take_claim(struct upsink_sink *sink, struct upsink_position *position, const PGresult *result,
                       struct upsink_error *err)
{
    if (PQntuples(result) != 1)
        return upsink_fail(err, UPSINK_ERR_TARGET_LOST, "target_lost",
                           "%s is not registered any more; it has to be prepared again", sink->description);
    position->epoch = pg_read_int8(PQgetvalue(result, 0, 0));
    position->generation = pg_read_int8(PQgetvalue(result, 0, 1));
    position->floor = pg_read_int8(PQgetvalue(result, 0, 2));
    position->next_offset = pg_read_int8(PQgetvalue(result, 0, 3));
    snprintf(position->note, sizeof position->note, "%s", PQgetvalue(result, 0, 4));
    return true;
}

bool pg_claim(struct upsink_sink *sink, struct upsink_position *position, struct upsink_error *err)
{
    char sql[900];
    snprintf(sql, sizeof sql,
             "INSERT INTO %s AS st (view, topic, partition, epoch, generation, floor, next_offset, note)"
             " SELECT v.view, $2::text, $3::integer, 1, v.generation, 0, -1, '' FROM %s v WHERE v.target = "
             "$1::text AND v.view = $4::text"
             " ON CONFLICT (view, topic, partition) DO UPDATE SET epoch = st.epoch + 1"
             " RETURNING epoch, generation, floor, next_offset, note",
             sink->tables.state, sink->tables.views);
    pg_params_clear(&sink->params);
    pg_params_add_text(&sink->params, upsink_slice_of(sink->name.table));
    pg_params_add_text(&sink->params, position->topic);
    pg_params_add_int4(&sink->params, position->partition);
    pg_params_add_text(&sink->params, upsink_slice_of(sink->view->name));
    PGresult *result = pg_query(sink, "claim a partition", sql, &sink->params, err);
    bool done = result ? take_claim(sink, position, result, err) : pg_blame_nobody(err);
    PQclear(result);
    return done;
}

/* --- commit ---------------------------------------------------------------------------------- */

static PGresult *store_positions(struct upsink_sink *sink, const struct upsink_position *positions,
                                 size_t count, struct upsink_error *err)
{
    struct pg_params *params = &sink->params;
    pg_params_clear(params);
    pg_params_add_text(params, upsink_slice_of(sink->view->name));
    pg_params_begin_array(params, PG_TEXT);
    pg_params_begin_array(params, PG_INT4);
    for (int i = 0; i < 4; i++)
        pg_params_begin_array(params, PG_INT8);
    pg_params_begin_array(params, PG_TEXT);
    for (size_t i = 0; i < count; i++) {
        const struct upsink_position *position = &positions[i];
        pg_params_put_text(params, 1, position->topic);
        pg_params_put_int4(params, 2, position->partition);
        pg_params_put_int8(params, 3, position->epoch);
        pg_params_put_int8(params, 4, position->generation);
        pg_params_put_int8(params, 5, position->floor);
        pg_params_put_int8(params, 6, position->next_offset);
        pg_params_put_text(
            params, 7, (struct upsink_slice){position->note, strnlen(position->note, sizeof position->note)});
    }
    pg_params_end_arrays(params, count);
    return pg_query_prepared(sink, "store the positions", PG_SQL_STORE, params, err);
}

static bool take_commit(struct upsink_sink *sink, struct upsink_error *err)
{
    PGresult *result = pg_pipeline_next(sink, "commit", err);
    bool done = result && (pg_succeeded(result) || pg_fail_result(sink, result, "commit", err));
    if (done && strcmp(PQcmdStatus(result), "COMMIT") != 0)
        done = upsink_fail(err, UPSINK_ERR_UNKNOWN, "sink_error",
                           "%s rolled the transaction back instead of committing it", sink->description);
    if (result && !sink->broken)
        sink->transaction = PG_NO_TRANSACTION; /* either way the server has ended it */
    PQclear(result);
    return done;
}

/* COMMIT, and behind it what pg_settle_inserted could not see. That may fail: the commit stands. */
static bool finish_transaction(struct upsink_sink *sink, struct upsink_error *err)
{
    struct upsink_error ignored;
    if (!pg_pipeline_begin(sink, err) || !pg_pipeline_send(sink, "COMMIT", err) ||
        !pg_send_touched(sink, err) || !pg_pipeline_sync(sink, err))
        return false;
    bool done = take_commit(sink, err);
    if (!sink->broken && !pg_pipeline_drain(sink, &ignored))
        sink->broken = true;
    return done;
}

bool pg_commit(struct upsink_sink *sink, const struct upsink_position *positions, size_t count,
               struct upsink_error *err)
{
    if (!pg_begin(sink, err))
        return false;
    PGresult *result = store_positions(sink, positions, count, err);
    if (!result)
        return pg_blame_nobody(err);
    size_t stored = (size_t)strtoull(PQcmdTuples(result), NULL, 10);
    PQclear(result);
    if (stored != count) {
        pg_abort(sink);
        return upsink_fail(err, UPSINK_ERR_FENCED, "fenced",
                           "another instance has taken over %zu of %zu partitions in %s", count - stored,
                           count, sink->description);
    }
    return finish_transaction(sink, err) || pg_blame_nobody(err);
}

void pg_abort(struct upsink_sink *sink)
{
    struct upsink_error ignored;
    sink->touched_count = 0;
    if (sink->transaction == PG_NO_TRANSACTION || !sink->conn)
        return;
    /* A connection in the middle of something is not worth waiting for: the server rolls back when it goes.
     */
    if (sink->broken || PQpipelineStatus(sink->conn) != PQ_PIPELINE_OFF ||
        !pg_run(sink, "roll back", "ROLLBACK", &ignored))
        pg_disconnect(sink);
    sink->transaction = PG_NO_TRANSACTION;
}
