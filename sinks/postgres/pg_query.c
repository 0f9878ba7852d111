#include "pg_sink.h"

#include "clock.h"
#include "pg_sqlstate.h"
#include "pg_wait.h"

#include <string.h>

static bool lose_connection(struct upsink_sink *sink, const char *doing, struct upsink_error *err)
{
    sink->broken = true;
    return upsink_fail(err, UPSINK_ERR_OUTAGE, "sink_unreachable", "can't %s: the connection to %s was lost",
                       doing, sink->description);
}

bool pg_succeeded(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

bool pg_fail_memory(struct upsink_error *err)
{
    return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "the PostgreSQL sink is out of memory");
}

/* An error with a context comes from inside a trigger or function: it is not about our own statement. */
static bool is_nested(const PGresult *result)
{
    const char *context = PQresultErrorField(result, PG_DIAG_CONTEXT);
    return context && *context;
}

bool pg_blame_nobody(struct upsink_error *err)
{
    if (err->cls == UPSINK_ERR_RECORD)
        err->cls = UPSINK_ERR_UNKNOWN;
    return false;
}

bool pg_fail_result(struct upsink_sink *sink, const PGresult *result, const char *doing,
                    struct upsink_error *err)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    enum upsink_error_class cls = pg_classify_sqlstate(sqlstate);
    if (sink->transaction == PG_IN_TRANSACTION)
        sink->transaction = PG_FAILED_TRANSACTION;
    if (PQstatus(sink->conn) != CONNECTION_OK)
        sink->broken = true;
    if (!sqlstate)
        return lose_connection(sink, doing, err);
    if (cls == UPSINK_ERR_TARGET_LOST && is_nested(result))
        cls = UPSINK_ERR_UNKNOWN;
    upsink_fail(err, cls, cls == UPSINK_ERR_RECORD ? pg_record_code(sqlstate) : pg_failure_code(sqlstate),
                "can't %s in %s: %s", doing, sink->description,
                message && pg_message_is_safe(sqlstate) ? message : "the server refuses the data");
    upsink_error_detail(err, "SQLSTATE %s", sqlstate);
    return false;
}

/* --- waiting --------------------------------------------------------------------------------- */

/* Sends what is buffered; reads meanwhile, or the server could wait for us to read. */
static bool flush(struct upsink_sink *sink, const char *doing, struct upsink_error *err)
{
    for (;;) {
        int left = PQflush(sink->conn);
        if (left < 0)
            return lose_connection(sink, doing, err);
        if (left == 0)
            return true;
        unsigned ready = pg_wait(sink, PG_WAIT_READ | PG_WAIT_WRITE, doing, err);
        if (!ready)
            return false;
        if (ready & PG_WAIT_READ && !PQconsumeInput(sink->conn))
            return lose_connection(sink, doing, err);
    }
}

/* The next result, NULL at the end of a statement's. */
static bool next_result(struct upsink_sink *sink, PGresult **result, const char *doing,
                        struct upsink_error *err)
{
    while (PQisBusy(sink->conn)) {
        if (!pg_wait(sink, PG_WAIT_READ, doing, err))
            return false;
        if (!PQconsumeInput(sink->conn))
            return lose_connection(sink, doing, err);
    }
    *result = PQgetResult(sink->conn);
    return true;
}

static bool is_usable(struct upsink_sink *sink, const char *doing, struct upsink_error *err)
{
    if (!sink->conn || sink->broken)
        return upsink_fail(err, UPSINK_ERR_OUTAGE, "sink_unreachable",
                           "can't %s: there is no connection to %s", doing, sink->description);
    sink->last_answer = clock_monotonic_us();
    return true;
}

/* --- one statement --------------------------------------------------------------------------- */

/* Waits for the statement sent; the last result, or the first that failed. */
static PGresult *collect(struct upsink_sink *sink, const char *doing, struct upsink_error *err)
{
    PGresult *kept = NULL, *result = NULL;
    if (!flush(sink, doing, err))
        return NULL;
    while (next_result(sink, &result, doing, err)) {
        if (!result) {
            if (kept && pg_succeeded(kept))
                return kept;
            if (kept)
                pg_fail_result(sink, kept, doing, err);
            else
                lose_connection(sink, doing, err);
            break;
        }
        if (kept && !pg_succeeded(kept)) {
            PQclear(result);
            continue;
        }
        PQclear(kept);
        kept = result;
    }
    PQclear(kept);
    return NULL;
}

struct wire_params {
    const char *values[PG_PARAMS_MAX];
    int lengths[PG_PARAMS_MAX], formats[PG_PARAMS_MAX];
};

static bool lay_out(struct wire_params *wire, const struct pg_params *params)
{
    for (int i = 0; params && i < params->count; i++) {
        if (params->buf[i].failed || params->buf[i].len > INT32_MAX)
            return false;
        wire->values[i] = params->buf[i].data;
        wire->lengths[i] = (int)params->buf[i].len;
        wire->formats[i] = 1;
    }
    return true;
}

PGresult *pg_query(struct upsink_sink *sink, const char *doing, const char *sql,
                   const struct pg_params *params, struct upsink_error *err)
{
    struct wire_params wire;
    if (!is_usable(sink, doing, err))
        return NULL;
    if (!lay_out(&wire, params)) {
        pg_fail_memory(err);
        return NULL;
    }
    if (!PQsendQueryParams(sink->conn, sql, params ? params->count : 0, NULL, wire.values, wire.lengths,
                           wire.formats, 1)) {
        lose_connection(sink, doing, err);
        return NULL;
    }
    return collect(sink, doing, err);
}

bool pg_run(struct upsink_sink *sink, const char *doing, const char *sql, struct upsink_error *err)
{
    if (!is_usable(sink, doing, err))
        return false;
    if (!PQsendQuery(sink->conn, sql))
        return lose_connection(sink, doing, err);
    PGresult *result = collect(sink, doing, err);
    PQclear(result);
    return result != NULL;
}

static bool send_prepared(struct upsink_sink *sink, enum pg_statement which, const struct pg_params *params,
                          const char *doing, struct upsink_error *err)
{
    struct wire_params wire;
    if (!lay_out(&wire, params))
        return pg_fail_memory(err);
    return PQsendQueryPrepared(sink->conn, pg_statement_name(which), params->count, wire.values, wire.lengths,
                               wire.formats, 1) ||
           lose_connection(sink, doing, err);
}

PGresult *pg_query_prepared(struct upsink_sink *sink, const char *doing, enum pg_statement which,
                            const struct pg_params *params, struct upsink_error *err)
{
    if (!is_usable(sink, doing, err) || !send_prepared(sink, which, params, doing, err))
        return NULL;
    return collect(sink, doing, err);
}

bool pg_begin(struct upsink_sink *sink, struct upsink_error *err)
{
    if (sink->transaction == PG_FAILED_TRANSACTION)
        return upsink_fail(err, UPSINK_ERR_UNKNOWN, "sink_error",
                           "the transaction in %s has failed and was not aborted", sink->description);
    if (sink->transaction == PG_IN_TRANSACTION)
        return true;
    if (!pg_run(sink, "begin a transaction", PG_BEGIN, err))
        return false;
    sink->transaction = PG_IN_TRANSACTION;
    return true;
}

/* --- pipeline -------------------------------------------------------------------------------- */

bool pg_pipeline_begin(struct upsink_sink *sink, struct upsink_error *err)
{
    if (!is_usable(sink, "write", err))
        return false;
    return PQenterPipelineMode(sink->conn) || lose_connection(sink, "write", err);
}

bool pg_pipeline_send(struct upsink_sink *sink, const char *sql, struct upsink_error *err)
{
    return PQsendQueryParams(sink->conn, sql, 0, NULL, NULL, NULL, NULL, 1) ||
           lose_connection(sink, "write", err);
}

bool pg_pipeline_send_prepared(struct upsink_sink *sink, enum pg_statement which,
                               const struct pg_params *params, struct upsink_error *err)
{
    if (!send_prepared(sink, which, params, "write", err))
        return false;
    return PQsendFlushRequest(sink->conn) ? flush(sink, "write", err) : lose_connection(sink, "write", err);
}

PGresult *pg_pipeline_next(struct upsink_sink *sink, const char *doing, struct upsink_error *err)
{
    PGresult *result = NULL;
    for (int gaps = 0; gaps < 2; gaps++) { /* NULL stands between the results of two statements */
        if (!next_result(sink, &result, doing, err))
            return NULL;
        if (result)
            return result;
    }
    lose_connection(sink, doing, err);
    return NULL;
}

bool pg_pipeline_sync(struct upsink_sink *sink, struct upsink_error *err)
{
    return PQpipelineSync(sink->conn) ? flush(sink, "write", err) : lose_connection(sink, "write", err);
}

bool pg_pipeline_drain(struct upsink_sink *sink, struct upsink_error *err)
{
    for (ExecStatusType status = PGRES_COMMAND_OK; status != PGRES_PIPELINE_SYNC;) {
        PGresult *result = pg_pipeline_next(sink, "write", err);
        if (!result)
            return false;
        status = PQresultStatus(result);
        PQclear(result);
        if (PQstatus(sink->conn) != CONNECTION_OK)
            return lose_connection(sink, "write", err);
    }
    return PQexitPipelineMode(sink->conn) || lose_connection(sink, "write", err);
}

bool pg_prepare_statements(struct upsink_sink *sink, struct upsink_error *err)
{
    bool done = pg_run(sink, "prepare statements", "DEALLOCATE ALL", err);
    struct buf sql;
    buf_init(&sql);
    for (int which = 0; done && which < PG_SQL_COUNT; which++) {
        buf_clear(&sql);
        pg_sql_append(&sql, (enum pg_statement)which, &sink->tables);
        if (sql.failed)
            done = pg_fail_memory(err);
        else if (!PQsendPrepare(sink->conn, pg_statement_name((enum pg_statement)which), sql.data, 0, NULL))
            done = lose_connection(sink, "prepare statements", err);
        else {
            PGresult *result = collect(sink, "prepare statements", err);
            done = result != NULL;
            PQclear(result);
        }
    }
    buf_destroy(&sql);
    return done;
}
