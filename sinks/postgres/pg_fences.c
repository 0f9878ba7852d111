#include "pg_sink.h"

#include <stdlib.h>
#include <string.h>

/* --- identity -------------------------------------------------------------------------------- */

static void put_names(struct upsink_sink *sink)
{
    pg_params_clear(&sink->params);
    pg_params_add_text(&sink->params, upsink_slice_of(sink->name.schema));
    pg_params_add_text(&sink->params, upsink_slice_of(sink->name.table));
}

static bool compare_identity(struct upsink_sink *sink, const PGresult *result, struct upsink_error *err)
{
    if (PQntuples(result) == 1 && pg_read_int8(PQgetvalue(result, 0, 0)) == sink->identity.oid &&
        pg_read_int8(PQgetvalue(result, 0, 1)) == sink->identity.filenode)
        return true;
    return upsink_fail(
        err, UPSINK_ERR_TARGET_LOST, "target_lost",
        "%s was replaced, emptied or rewritten while it was written to; it has to be prepared again",
        sink->description);
}

bool pg_send_identity(struct upsink_sink *sink, struct upsink_error *err)
{
    put_names(sink);
    return pg_pipeline_send_prepared(sink, PG_SQL_IDENTITY, &sink->params, err);
}

bool pg_take_identity(struct upsink_sink *sink, struct upsink_error *err)
{
    PGresult *result = pg_pipeline_next(sink, "write", err);
    bool done = result && (pg_succeeded(result) || pg_fail_result(sink, result, "write", err)) &&
                compare_identity(sink, result, err);
    PQclear(result);
    return done;
}

bool pg_check_identity(struct upsink_sink *sink, struct upsink_error *err)
{
    put_names(sink);
    PGresult *result = pg_query_prepared(sink, "write", PG_SQL_IDENTITY, &sink->params, err);
    bool done = result && compare_identity(sink, result, err);
    PQclear(result);
    return done;
}

/* --- fences ---------------------------------------------------------------------------------- */

static struct upsink_slice text_at(const PGresult *result, int row, int column)
{
    if (PQgetisnull(result, row, column))
        return UPSINK_SLICE_ABSENT;
    return (struct upsink_slice){PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column)};
}

static int64_t int8_at(const PGresult *result, int row, int column, int64_t fallback)
{
    return PQgetisnull(result, row, column) ? fallback : pg_read_int8(PQgetvalue(result, row, column));
}

/* Returns false for a row without a fence: somebody else put it into the table. */
static bool read_fence(const struct upsink_sink *sink, const PGresult *result, int row,
                       struct upsink_fence *fence)
{
    const int at = PG_RESULT_FENCE;
    *fence = (struct upsink_fence){.timestamp = -1, .deleted = *PQgetvalue(result, row, PG_RESULT_DELETED)};
    if (PQgetisnull(result, row, at + PG_FENCE_GENERATION))
        return false;
    fence->has_version = !PQgetisnull(result, row, at + PG_FENCE_VERSION);
    fence->version = int8_at(result, row, at + PG_FENCE_VERSION, 0);
    fence->offset = int8_at(result, row, at + PG_FENCE_OFFSET, -1);
    fence->generation = int8_at(result, row, at + PG_FENCE_GENERATION, 0);
    if (!PQgetisnull(result, row, at + PG_FENCE_TIME))
        fence->timestamp = pg_timestamp_from_wire(pg_read_int8(PQgetvalue(result, row, at + PG_FENCE_TIME)));
    if (!PQgetisnull(result, row, at + PG_FENCE_PARTITION))
        fence->partition = pg_read_int4(PQgetvalue(result, row, at + PG_FENCE_PARTITION));
    fence->event_id = text_at(result, row, at + PG_FENCE_EVENT_ID);
    fence->change_id = text_at(result, row, at + PG_FENCE_CHANGE_ID);
    fence->topic = sink->tables.several_topics ? text_at(result, row, at + PG_FENCE_TOPIC)
                                               : upsink_slice_of(sink->view->topic);
    return true;
}

static size_t find_change(const struct upsink_batch *batch, struct upsink_slice key)
{
    size_t low = 0, high = batch->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (pg_compare_keys(batch->changes[middle]->key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < batch->count && upsink_slice_equal(batch->changes[low]->key, key) ? low : batch->count;
}

/* The fence was read under the lock that the losing statement took, so that the rule finds what the server
 * found. Where it finds no reason, a trigger of the user's kept the row away, which is as it should be; and a
 * refused change stays refused. */
static void judge(struct upsink_sink *sink, struct upsink_batch *batch, const PGresult *result)
{
    for (int pass = 0; pass < 2; pass++) { /* a row overrules a delete fence */
        for (int row = 0; row < PQntuples(result); row++) {
            struct upsink_fence fence;
            bool in_row = *PQgetvalue(result, row, PG_RESULT_IN_ROW);
            size_t place = find_change(batch, text_at(result, row, PG_RESULT_KEY));
            if (in_row != (pass == 1) || place == batch->count)
                continue;
            bool known = read_fence(sink, result, row, &fence);
            enum upsink_verdict verdict = upsink_fence_judge(known ? &fence : NULL, batch->changes[place]);
            if (verdict != UPSINK_APPLIED || !batch->results[place].error)
                batch->results[place] = (struct upsink_result){verdict, NULL};
        }
    }
}

static bool is_loser(const struct upsink_batch *batch, size_t place)
{
    return batch->results[place].verdict == UPSINK_STALE || batch->results[place].verdict == UPSINK_REJECTED;
}

/* Keys of the changes that lost, from *next on; so many as make a good statement. */
static size_t put_losers(struct upsink_sink *sink, const struct upsink_batch *batch, size_t *next)
{
    enum { MOST_KEYS = 2000, MOST_BYTES = 256 * 1024 };
    struct pg_params *params = &sink->params;
    size_t count = 0;
    pg_params_clear(params);
    pg_params_begin_array(params, PG_TEXT);
    for (; *next < batch->count && count < MOST_KEYS && params->bytes < MOST_BYTES; ++*next) {
        if (!is_loser(batch, *next))
            continue;
        pg_params_put_text(params, 0, batch->changes[*next]->key);
        count++;
    }
    pg_params_end_arrays(params, count);
    return count;
}

bool pg_judge_losers(struct upsink_sink *sink, struct upsink_batch *batch, struct upsink_error *err)
{
    for (size_t next = 0; next < batch->count;) {
        size_t begin = next;
        if (put_losers(sink, batch, &next) == 0)
            continue;
        PGresult *result = pg_query_prepared(sink, "read the fences", PG_SQL_FENCES, &sink->params, err);
        if (!result)
            return false;
        for (size_t i = begin; i < next; i++)
            if (batch->results[i].verdict == UPSINK_STALE)
                batch->results[i].verdict = UPSINK_APPLIED;
        judge(sink, batch, result);
        PQclear(result);
    }
    return true;
}

/* --- new rows and delete fences -------------------------------------------------------------- */

static void put_key(struct pg_params *params, const struct upsink_change *change)
{
    pg_params_put_text(params, 0, change->key);
    pg_params_put_int8(params, 1, change->floor);
}

static void begin_keys(struct pg_params *params)
{
    pg_params_clear(params);
    pg_params_begin_array(params, PG_TEXT);
    pg_params_begin_array(params, PG_INT8);
}

bool pg_settle_inserted(struct upsink_sink *sink, struct upsink_batch *batch, size_t inserted,
                        struct upsink_error *err)
{
    if (inserted == 0)
        return true;
    begin_keys(&sink->params);
    for (size_t i = 0; i < inserted; i++)
        put_key(&sink->params, batch->changes[sink->inserted[i]]);
    pg_params_end_arrays(&sink->params, inserted);
    PGresult *result = pg_query_prepared(sink, "settle delete fences", PG_SQL_SETTLE, &sink->params, err);
    for (int row = 0; row < PQntuples(result); row++) {
        size_t place = find_change(batch, text_at(result, row, 0));
        if (place < batch->count)
            batch->results[place].verdict = UPSINK_STALE;
    }
    PQclear(result);
    return result != NULL;
}

bool pg_remember_touched(struct upsink_sink *sink, const struct upsink_batch *batch, size_t inserted,
                         struct upsink_error *err)
{
    if (sink->touched_count == 0)
        begin_keys(&sink->touched);
    for (size_t i = 0; i < inserted; i++)
        put_key(&sink->touched, batch->changes[sink->inserted[i]]);
    sink->touched_count += inserted;
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->changes[i]->op != UPSINK_DELETE || batch->results[i].verdict != UPSINK_APPLIED)
            continue;
        put_key(&sink->touched, batch->changes[i]);
        sink->touched_count++;
    }
    return !pg_params_failed(&sink->touched) || pg_fail_memory(err);
}

bool pg_send_touched(struct upsink_sink *sink, struct upsink_error *err)
{
    if (sink->touched_count == 0)
        return true;
    pg_params_end_arrays(&sink->touched, sink->touched_count);
    sink->touched_count = 0;
    return pg_pipeline_send_prepared(sink, PG_SQL_SETTLE, &sink->touched, err);
}

/* --- one row --------------------------------------------------------------------------------- */

bool pg_read_row(struct upsink_sink *sink, struct upsink_slice key, struct upsink_row *row,
                 struct upsink_error *err)
{
    *row = (struct upsink_row){0};
    PQclear(sink->row);
    pg_params_clear(&sink->params);
    pg_params_add_text(&sink->params, key);
    sink->row = pg_query_prepared(sink, "read a row", PG_SQL_READ, &sink->params, err);
    if (!sink->row)
        return pg_blame_nobody(err);
    int chosen = -1;
    for (int i = 0; i < PQntuples(sink->row); i++)
        if (chosen < 0 || *PQgetvalue(sink->row, i, PG_RESULT_IN_ROW))
            chosen = i;
    if (chosen < 0)
        return true;
    row->found = true;
    read_fence(sink, sink->row, chosen, &row->fence);
    row->entity = text_at(sink->row, chosen, PG_RESULT_FENCE + pg_fence_column_count(&sink->tables));
    return true;
}
