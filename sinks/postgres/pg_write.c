#include "pg_sink.h"

#include "clock.h"

#include <stdlib.h>
#include <string.h>

/* A statement holds so much, or one change where that is larger. Small enough that neither side keeps much
 * in memory, large enough that the price of a statement does not matter (README.md). */
#define STATEMENT_BYTES ((size_t)256 * 1024)
#define STATEMENT_ROWS  ((size_t)2000)

/* After a deadlock, for so long, a writer has the table to itself. */
#define ALONE_TIME (60 * CLOCK_SECOND)

/* --- what belongs together ------------------------------------------------------------------- */

static enum pg_statement statement_of(const struct upsink_change *change)
{
    if (change->op == UPSINK_UPSERT)
        return PG_SQL_UPSERT;
    return change->flags & UPSINK_BY_POSITION ? PG_SQL_TOMBSTONE : PG_SQL_DELETE;
}

/* Gathers the changes that are written like the first which nobody wrote yet; false where there is none. The
 * floor is a parameter of the whole statement, and nearly always the same. */
static bool next_group(struct upsink_sink *sink, struct upsink_batch *batch, struct pg_group *group)
{
    size_t i = 0;
    while (i < batch->count && batch->results[i].verdict != UPSINK_PENDING)
        i++;
    if (i == batch->count)
        return false;
    *group = (struct pg_group){.batch = batch,
                               .statement = statement_of(batch->changes[i]),
                               .floor = batch->changes[i]->floor,
                               .order = sink->order,
                               .inserted = group->inserted};
    for (; i < batch->count; i++)
        if (batch->results[i].verdict == UPSINK_PENDING && batch->changes[i]->floor == group->floor &&
            statement_of(batch->changes[i]) == group->statement)
            sink->order[group->count++] = (uint32_t)i;
    return true;
}

/* --- sending --------------------------------------------------------------------------------- */

static void begin_arrays(struct upsink_sink *sink, const struct pg_group *group)
{
    struct pg_params *params = &sink->params;
    pg_params_clear(params);
    pg_params_begin_array(params, PG_TEXT);
    if (group->statement == PG_SQL_UPSERT)
        pg_params_begin_array(params, PG_TEXT);
    for (int i = 0; i < pg_fence_column_count(&sink->tables); i++)
        pg_params_begin_array(params, pg_fence_columns[i].element);
}

static void put_optional(struct pg_params *params, int index, bool present, int64_t value)
{
    if (present)
        pg_params_put_int8(params, index, value);
    else
        pg_params_put_null(params, index);
}

static void put_change(struct upsink_sink *sink, const struct upsink_change *change)
{
    struct pg_params *params = &sink->params;
    int at = 0;
    pg_params_put_text(params, at++, change->key);
    if (change->op == UPSINK_UPSERT)
        pg_params_put_text(params, at++, change->entity);
    put_optional(params, at + PG_FENCE_VERSION, change->flags & UPSINK_HAS_VERSION, change->version);
    pg_params_put_int8(params, at + PG_FENCE_OFFSET, change->offset);
    put_optional(params, at + PG_FENCE_TIME, change->timestamp != -1,
                 pg_timestamp_to_wire(change->timestamp));
    pg_params_put_int8(params, at + PG_FENCE_GENERATION, change->generation);
    pg_params_put_int4(params, at + PG_FENCE_PARTITION, change->partition);
    pg_params_put_text(params, at + PG_FENCE_EVENT_ID, change->event_id);
    pg_params_put_text(params, at + PG_FENCE_CHANGE_ID, change->change_id);
    if (sink->tables.several_topics)
        pg_params_put_text(params, at + PG_FENCE_TOPIC, change->topic);
}

size_t pg_send_changes(struct upsink_sink *sink, const struct pg_group *group, size_t from, size_t to,
                       struct upsink_error *err)
{
    struct pg_params *params = &sink->params;
    size_t at = from;
    begin_arrays(sink, group);
    while (at < to && at - from < STATEMENT_ROWS) {
        const struct upsink_change *change = group->batch->changes[group->order[at]];
        if (at > from && params->bytes + change->entity.len > STATEMENT_BYTES)
            break;
        put_change(sink, change);
        at++;
    }
    pg_params_end_arrays(params, at - from);
    pg_params_add_int8(params, group->floor);
    return pg_pipeline_send_prepared(sink, group->statement, params, err) ? at : 0;
}

/* --- receiving ------------------------------------------------------------------------------- */

int pg_compare_keys(struct upsink_slice left, struct upsink_slice right)
{
    size_t shorter = left.len < right.len ? left.len : right.len;
    int order = shorter ? memcmp(left.data, right.data, shorter) : 0;
    return order ? order : left.len < right.len ? -1 : left.len > right.len;
}

/* Where the key is among [from, to) of the group; to where it isn't. */
static size_t find_key(const struct pg_group *group, size_t from, size_t to, struct upsink_slice key)
{
    size_t low = from, high = to;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = pg_compare_keys(group->batch->changes[group->order[middle]]->key, key);
        if (order == 0)
            return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return to;
}

bool pg_take_winners(struct upsink_sink *sink, struct pg_group *group, size_t from, size_t to,
                     const PGresult *result, struct upsink_error *err)
{
    size_t next = from;
    bool all_won = (size_t)PQntuples(result) == to - from;
    for (size_t i = from; i < to; i++)
        group->batch->results[group->order[i]].verdict =
            all_won ? UPSINK_APPLIED : UPSINK_STALE; /* or why else it lost: pg_judge_losers */
    for (int row = 0; row < PQntuples(result); row++) {
        bool inserted = group->statement == PG_SQL_UPSERT && *PQgetvalue(result, row, 1);
        if (all_won && !inserted) {
            next += next < to;
            continue;
        }
        struct upsink_slice key = {PQgetvalue(result, row, 0), (size_t)PQgetlength(result, row, 0)};
        /* They come in the order in which they were sent, or nearly. */
        if (next == to || !upsink_slice_equal(group->batch->changes[group->order[next]]->key, key))
            next = find_key(group, from, to, key);
        if (next == to)
            return upsink_fail(
                err, UPSINK_ERR_UNKNOWN, "sink_error",
                "%s answered with a key that was not written; does a trigger change the column key?",
                sink->description);
        uint32_t place = group->order[next++];
        group->batch->results[place].verdict = UPSINK_APPLIED;
        if (inserted)
            sink->inserted[group->inserted++] = place;
    }
    return true;
}

/* --- the fast path: nothing is refused ------------------------------------------------------- */

/* So many statements may be sent and not answered yet: the server must not wait for us to be scheduled. */
enum { MOST_FLIGHTS = 4 };

struct flight {
    size_t from, to;
};

/* The answers still to come of one call of write: first those to what opened it, then those of changes. */
struct stream {
    int openings;
    struct flight flights[MOST_FLIGHTS];
    unsigned landed, sent; /* counts; flights[n % MOST_FLIGHTS] */
    bool refused;          /* the server refuses some change */
};

static bool check_result(struct upsink_sink *sink, struct stream *stream, const PGresult *result,
                         struct upsink_error *err)
{
    if (!result)
        return false;
    if (pg_succeeded(result))
        return true;
    pg_fail_result(sink, result, "write", err);
    stream->refused = err->cls == UPSINK_ERR_RECORD;
    return false;
}

/* Reads the answer to a statement of which only the success matters. */
static bool land_plain(struct upsink_sink *sink, struct stream *stream, struct upsink_error *err)
{
    PGresult *result = pg_pipeline_next(sink, "write", err);
    bool done = check_result(sink, stream, result, err);
    PQclear(result);
    return done;
}

static bool land_openings(struct upsink_sink *sink, struct stream *stream, struct upsink_error *err)
{
    for (; stream->openings > 0; stream->openings--)
        if (!land_plain(sink, stream, err))
            return false;
    return true;
}

/* Reads the answer to the statement that was sent first. */
static bool land_changes(struct upsink_sink *sink, struct stream *stream, struct pg_group *group,
                         struct upsink_error *err)
{
    if (!land_openings(sink, stream, err))
        return false;
    struct flight flight = stream->flights[stream->landed++ % MOST_FLIGHTS];
    PGresult *result = pg_pipeline_next(sink, "write", err);
    bool done = check_result(sink, stream, result, err) &&
                pg_take_winners(sink, group, flight.from, flight.to, result, err);
    PQclear(result);
    return done;
}

/* While the server works on one statement, the next ones are built and sent. */
static bool stream_group(struct upsink_sink *sink, struct stream *stream, struct pg_group *group,
                         struct upsink_error *err)
{
    for (size_t at = 0, end; at < group->count; at = end) {
        end = pg_send_changes(sink, group, at, group->count, err);
        if (end == 0)
            return false;
        stream->flights[stream->sent++ % MOST_FLIGHTS] = (struct flight){at, end};
        if (stream->sent - stream->landed == MOST_FLIGHTS && !land_changes(sink, stream, group, err))
            return false;
    }
    while (stream->landed < stream->sent)
        if (!land_changes(sink, stream, group, err))
            return false;
    return true;
}

/* Keeps other writers of the table out until the transaction ends; nothing in quiet times. */
static void print_lock(const struct upsink_sink *sink, char *sql, size_t size)
{
    if (sink->alone_until > clock_monotonic_us())
        snprintf(sql, size, "LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE", sink->tables.rows);
    else
        *sql = '\0';
}

/* A transaction of its own can be taken back as a whole; in one that holds earlier writes there is a
 * savepoint. */
static bool send_openings(struct upsink_sink *sink, struct stream *stream, bool nested,
                          struct upsink_error *err)
{
    char lock[400];
    if (!pg_pipeline_send(sink, nested ? "SAVEPOINT upsink_write" : PG_BEGIN, err))
        return false;
    stream->openings = 1;
    sink->transaction = PG_IN_TRANSACTION;
    if (nested) {
        stream->openings++;
        return pg_pipeline_send(sink, "SET CONSTRAINTS ALL DEFERRED", err);
    }
    print_lock(sink, lock, sizeof lock);
    if (!*lock)
        return true;
    stream->openings++;
    return pg_pipeline_send(sink, lock, err);
}

static bool stream_all(struct upsink_sink *sink, struct stream *stream, struct upsink_batch *batch,
                       bool nested, size_t *inserted, struct upsink_error *err)
{
    struct pg_group group = {0};
    if (!send_openings(sink, stream, nested, err))
        return false;
    while (next_group(sink, batch, &group))
        if (!stream_group(sink, stream, &group, err))
            return false;
    *inserted = group.inserted;
    /* Deferred constraints speak now: at commit nobody could tell whose fault it is. */
    return pg_pipeline_send(sink, "SET CONSTRAINTS ALL IMMEDIATE", err) &&
           (!nested || pg_pipeline_send(sink, "RELEASE SAVEPOINT upsink_write", err)) &&
           pg_send_identity(sink, err) && land_openings(sink, stream, err) && land_plain(sink, stream, err) &&
           (!nested || land_plain(sink, stream, err)) && pg_take_identity(sink, err);
}

/* --- write ----------------------------------------------------------------------------------- */

static bool reserve_scratch(struct upsink_sink *sink, size_t count, struct upsink_error *err)
{
    if (count <= sink->order_capacity)
        return true;
    if (count > UINT32_MAX)
        return upsink_fail(err, UPSINK_ERR_FATAL, "batch_too_large", "a batch of %zu changes is too large",
                           count);
    free(sink->order);
    free(sink->inserted);
    sink->order = calloc(count, sizeof *sink->order);
    sink->inserted = calloc(count, sizeof *sink->inserted);
    sink->order_capacity = sink->order && sink->inserted ? count : 0;
    return sink->order_capacity > 0 || pg_fail_memory(err);
}

/* Sets every verdict back to pending; what no server needs to be asked about is rejected. */
static bool begin_verdicts(struct upsink_batch *batch, struct upsink_error *err)
{
    for (size_t i = 0; i < batch->count; i++) {
        batch->results[i] = (struct upsink_result){0};
        if (batch->changes[i]->op == UPSINK_UPSERT && batch->changes[i]->flags & UPSINK_HAS_NUL &&
            !pg_reject(batch, i, "nul_in_text",
                       "PostgreSQL's jsonb can't hold the character NUL (\\u0000), which the entity has", "",
                       err))
            return false;
    }
    return true;
}

static bool undo_write(struct upsink_sink *sink, bool nested, struct upsink_error *err)
{
    char lock[400];
    if (!pg_run(sink, "take a write back",
                nested ? "ROLLBACK TO SAVEPOINT upsink_write" : "ROLLBACK; " PG_BEGIN, err))
        return false;
    sink->transaction = PG_IN_TRANSACTION;
    print_lock(sink, lock, sizeof lock);
    return nested || !*lock || pg_run(sink, "lock the table", lock, err);
}

/* Deferred constraints are first asked at the end, as the user wants it: a record may need one that comes
 * after it. Only where they refuse, each part has to answer for itself. */
static bool write_slowly(struct upsink_sink *sink, struct upsink_batch *batch, bool nested, bool strict,
                         size_t *inserted, struct upsink_error *err)
{
    struct pg_group group = {0};
    if (!undo_write(sink, nested, err) || !begin_verdicts(batch, err))
        return false;
    while (next_group(sink, batch, &group))
        if (!pg_write_refused(sink, &group, strict, err))
            return false;
    *inserted = group.inserted;
    if (pg_run(sink, "check deferred constraints", "SET CONSTRAINTS ALL IMMEDIATE", err))
        return pg_check_identity(sink, err);
    return !strict && !sink->broken && err->cls == UPSINK_ERR_RECORD &&
           write_slowly(sink, batch, nested, true, inserted, err);
}

static bool write_once(struct upsink_sink *sink, struct upsink_batch *batch, bool nested,
                       struct upsink_error *err)
{
    struct stream stream = {0};
    struct upsink_error ignored;
    size_t inserted = 0;
    if (!begin_verdicts(batch, err) || !pg_pipeline_begin(sink, err))
        return false;
    bool done = stream_all(sink, &stream, batch, nested, &inserted, err);
    struct upsink_error *end_err = done ? err : &ignored;
    if (!sink->broken && !(pg_pipeline_sync(sink, end_err) && pg_pipeline_drain(sink, end_err)))
        done = false;
    if (!done && stream.refused && !sink->broken)
        done = write_slowly(sink, batch, nested, false, &inserted, err);
    return done && pg_settle_inserted(sink, batch, inserted, err) && pg_judge_losers(sink, batch, err) &&
           pg_remember_touched(sink, batch, inserted, err);
}

static bool is_deadlock(const struct upsink_error *err)
{
    return strcmp(err->detail, "SQLSTATE 40P01") == 0;
}

/* Each statement takes its locks in the order of the keys, but upserts and deletes are statements of their
 * own. Two writers meet on the same keys only while keys move between partitions; then each waits for its
 * turn. */
bool pg_write(struct upsink_sink *sink, struct upsink_batch *batch, struct upsink_error *err)
{
    struct upsink_error ignored;
    bool nested = sink->transaction == PG_IN_TRANSACTION;
    if (sink->transaction == PG_FAILED_TRANSACTION)
        return pg_begin(sink, err); /* says so */
    if (batch->count == 0)
        return true;
    if (!reserve_scratch(sink, batch->count, err))
        return false;
    bool done = write_once(sink, batch, nested, err);
    if (done)
        return true;
    if (nested || sink->broken || !is_deadlock(err))
        return pg_blame_nobody(err);
    sink->alone_until = clock_monotonic_us() + ALONE_TIME;
    if (!pg_run(sink, "roll back", "ROLLBACK", &ignored))
        return false;
    sink->transaction = PG_NO_TRANSACTION;
    return write_once(sink, batch, false, err) || pg_blame_nobody(err);
}
