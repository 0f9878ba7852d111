/* The statements of the hot path, as text. Pure.
 *
 * Changes come as arrays, one for each column, and become rows by unnest (README.md has the numbers
 * that led here). The fence is judged inside the statement, under the lock of the row, by
 * upsink_fence_judge (sinks/sink.h) said in SQL. */
#ifndef UPSINK_PG_SQL_H
#define UPSINK_PG_SQL_H

#include "buf.h"
#include "pg_params.h"

/* What the fence holds, in the order in which every statement takes and gives it. The topic is there
 * only where the view reads several. */
enum pg_fence_column {
    PG_FENCE_VERSION,
    PG_FENCE_OFFSET,
    PG_FENCE_TIME,
    PG_FENCE_GENERATION,
    PG_FENCE_PARTITION,
    PG_FENCE_EVENT_ID,
    PG_FENCE_CHANGE_ID,
    PG_FENCE_TOPIC,
    PG_FENCE_COLUMNS
};

struct pg_column {
    const char *name, *type;
    enum pg_type element;
};
extern const struct pg_column pg_fence_columns[PG_FENCE_COLUMNS];

/* What the statements are about; names are quoted and schema-qualified. */
struct pg_tables {
    char *rows, *fences, *views, *state;
    bool several_topics;
    bool soft;        /* rows of deleted entities stay, with deleted_at */
    bool partitioned; /* rows have no system columns to look at */
};

enum pg_statement {
    PG_SQL_UPSERT,    /* key[], doc[], fence columns[], floor -> key, is the row new? */
    PG_SQL_DELETE,    /* key[], fence columns[], floor -> key */
    PG_SQL_TOMBSTONE, /* the same, ordered by position alone */
    PG_SQL_SETTLE,    /* key[], floor[] -> keys of rows that lost against a delete fence */
    PG_SQL_FENCES,    /* key[] -> see enum pg_fence_result */
    PG_SQL_READ,      /* key -> the same, and doc */
    PG_SQL_IDENTITY,  /* schema, table -> oid, filenode */
    PG_SQL_STORE,     /* view, topic[], partition[], epoch[], generation[], floor[], next_offset[], note[] */
    PG_SQL_COUNT
};

enum pg_fence_result { PG_RESULT_KEY, PG_RESULT_IN_ROW, PG_RESULT_DELETED, PG_RESULT_FENCE };

/* What the server knows the prepared statement by. */
const char *pg_statement_name(enum pg_statement which);
void pg_sql_append(struct buf *sql, enum pg_statement which, const struct pg_tables *tables);

static inline int pg_fence_column_count(const struct pg_tables *tables)
{
    return tables->several_topics ? PG_FENCE_COLUMNS : PG_FENCE_TOPIC;
}

#endif
