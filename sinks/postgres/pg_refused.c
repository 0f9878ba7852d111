#include "pg_sink.h"

#include "pg_sqlstate.h"

#include <string.h>

bool pg_reject(struct upsink_batch *batch, size_t place, const char *code, const char *text,
               const char *detail, struct upsink_error *err)
{
    struct upsink_error *error = batch->alloc(batch, sizeof *error);
    if (!error)
        return pg_fail_memory(err);
    upsink_fail(error, UPSINK_ERR_RECORD, code, "%s", text);
    upsink_error_detail(error, "%s", detail);
    batch->results[place] = (struct upsink_result){UPSINK_REJECTED, error};
    return true;
}

static const char *field_of(const PGresult *result, int field)
{
    const char *text = PQresultErrorField(result, field);
    return text ? text : "";
}

/* Our own words: the server's quote the data. */
static void describe_refusal(const PGresult *result, char *text, size_t text_size, char *detail,
                             size_t detail_size)
{
    const char *sqlstate = field_of(result, PG_DIAG_SQLSTATE),
               *constraint = field_of(result, PG_DIAG_CONSTRAINT_NAME);
    const char *column = field_of(result, PG_DIAG_COLUMN_NAME), *table = field_of(result, PG_DIAG_TABLE_NAME);
    if (*constraint)
        snprintf(text, text_size, "constraint %.64s of table %.64s refuses the record", constraint, table);
    else if (*column)
        snprintf(text, text_size, "column %.64s of table %.64s refuses the record%s", column, table,
                 strcmp(sqlstate, "23502") == 0 ? ": it must not be NULL" : "");
    else if (strcmp(pg_record_code(sqlstate), "rejected_by_trigger") == 0)
        snprintf(text, text_size, "a trigger of the table refuses the record");
    else
        snprintf(text, text_size, "PostgreSQL can't hold a value of the record");
    snprintf(detail, detail_size, "SQLSTATE %s%s%.64s%s%.64s", sqlstate, *constraint ? " constraint " : "",
             constraint, *column ? " column " : "", column);
}

static bool reject_refused(struct pg_group *group, size_t at, const PGresult *result,
                           struct upsink_error *err)
{
    char text[300], detail[200];
    describe_refusal(result, text, sizeof text, detail, sizeof detail);
    return pg_reject(group->batch, group->order[at],
                     pg_record_code(PQresultErrorField(result, PG_DIAG_SQLSTATE)), text, detail, err);
}

/* The answers to SAVEPOINT, the changes, perhaps SET CONSTRAINTS, and RELEASE; *failed is the first that is
 * none. */
static bool take_answers(struct upsink_sink *sink, struct pg_group *group, size_t from, size_t to,
                         PGresult **failed, struct upsink_error *err)
{
    for (int i = 0; i < 3 + group->strict; i++) {
        PGresult *result = pg_pipeline_next(sink, "write", err);
        if (!result)
            return false;
        if (!pg_succeeded(result)) {
            *failed = result;
            return true;
        }
        bool done = i != 1 || pg_take_winners(sink, group, from, to, result, err);
        PQclear(result);
        if (!done)
            return false;
    }
    return true;
}

/* One statement within a savepoint of its own; it covers [from, *end). */
static bool attempt(struct upsink_sink *sink, struct pg_group *group, size_t from, size_t to, size_t *end,
                    PGresult **failed, struct upsink_error *err)
{
    if (!pg_pipeline_begin(sink, err) || !pg_pipeline_send(sink, "SAVEPOINT upsink_part", err))
        return false;
    *end = pg_send_changes(sink, group, from, to, err);
    if (*end == 0 || (group->strict && !pg_pipeline_send(sink, "SET CONSTRAINTS ALL IMMEDIATE", err)) ||
        !pg_pipeline_send(sink, "RELEASE SAVEPOINT upsink_part", err))
        return false;
    /* The sync comes first, so that the server's answers come without being asked for one by one. */
    return pg_pipeline_sync(sink, err) && take_answers(sink, group, from, *end, failed, err) &&
           pg_pipeline_drain(sink, err);
}

static bool write_part(struct upsink_sink *sink, struct pg_group *group, size_t from, size_t to,
                       struct upsink_error *err);

static bool split(struct upsink_sink *sink, struct pg_group *group, size_t from, size_t to,
                  const PGresult *failed, struct upsink_error *err)
{
    if (!pg_run(sink, "take a write back", "ROLLBACK TO SAVEPOINT upsink_part; RELEASE SAVEPOINT upsink_part",
                err))
        return false;
    sink->transaction = PG_IN_TRANSACTION;
    if (to - from == 1)
        return reject_refused(group, from, failed, err);
    size_t middle = from + (to - from) / 2;
    return write_part(sink, group, from, middle, err) && write_part(sink, group, middle, to, err);
}

/* Writes [from, to); what is refused is cut in halves until it is a single change. */
static bool write_part(struct upsink_sink *sink, struct pg_group *group, size_t from, size_t to,
                       struct upsink_error *err)
{
    while (from < to) {
        PGresult *failed = NULL;
        size_t end, inserted = group->inserted;
        if (!attempt(sink, group, from, to, &end, &failed, err)) {
            PQclear(failed);
            return false;
        }
        bool done = true;
        if (failed) {
            group->inserted = inserted;
            pg_fail_result(sink, failed, "write", err);
            done = err->cls == UPSINK_ERR_RECORD && split(sink, group, from, end, failed, err);
        }
        PQclear(failed);
        if (!done)
            return false;
        from = end;
    }
    return true;
}

bool pg_write_refused(struct upsink_sink *sink, struct pg_group *group, bool strict, struct upsink_error *err)
{
    group->strict = strict;
    return write_part(sink, group, 0, group->count, err);
}
