#include "pg_sql.h"

/* What stands for "no timestamp": -1, as in struct upsink_change. */
#define NO_TIME "timestamptz '1969-12-31 23:59:59.999999+00'"

const struct pg_column pg_fence_columns[PG_FENCE_COLUMNS] = {
    {"_upsink_version", "bigint", PG_INT8},
    {"_upsink_offset", "bigint", PG_INT8},
    {"_upsink_updated_at", "timestamptz", PG_TIMESTAMPTZ},
    {"_upsink_generation", "bigint", PG_INT8},
    {"_upsink_partition", "integer", PG_INT4},
    {"_upsink_event_id", "text", PG_TEXT},
    {"_upsink_change_id", "text", PG_TEXT},
    {"_upsink_topic", "text", PG_TEXT},
};

const char *pg_statement_name(enum pg_statement which)
{
    static const char *const names[PG_SQL_COUNT] = {"upsink_upsert",   "upsink_delete", "upsink_tombstone",
                                                    "upsink_settle",   "upsink_fences", "upsink_read",
                                                    "upsink_identity", "upsink_store"};
    return names[which];
}

/* How a change meets a fence. */
struct meeting {
    const char *fence, *change; /* aliases */
    const char *floor;          /* a parameter */
    const char *deleted;        /* an expression: the fence is that of a deleted entity */
    bool by_position;
    bool topic;
};

/* Appends the text with @ for the fence and # for the change. */
static void append_terms(struct buf *sql, const struct meeting *meeting, const char *text)
{
    for (; *text; text++) {
        if (*text == '@')
            buf_append_text(sql, meeting->fence);
        else if (*text == '#')
            buf_append_text(sql, meeting->change);
        else
            buf_append_byte(sql, *text);
    }
}

static void append_same(struct buf *sql, const struct meeting *meeting)
{
    append_terms(sql, meeting, "@._upsink_partition = #._upsink_partition");
    if (meeting->topic)
        append_terms(sql, meeting, " AND @._upsink_topic = #._upsink_topic");
}

static void append_versions(struct buf *sql, const struct meeting *meeting)
{
    append_terms(sql, meeting,
                 " WHEN #._upsink_version > @._upsink_version THEN true"
                 " WHEN #._upsink_version < @._upsink_version THEN false");
    if (strcmp(meeting->deleted, "false") != 0) {
        append_terms(sql, meeting, " WHEN #._upsink_version = @._upsink_version AND ");
        buf_printf(sql, "%s THEN false", meeting->deleted);
    }
}

/* upsink_fence_judge, as a condition. */
static void append_wins(struct buf *sql, const struct meeting *meeting)
{
    append_terms(sql, meeting, "(@._upsink_generation IS NULL OR @._upsink_generation < ");
    buf_printf(sql, "%s OR CASE WHEN ", meeting->floor);
    append_same(sql, meeting);
    append_terms(sql, meeting,
                 " AND @._upsink_generation <> #._upsink_generation"
                 " THEN @._upsink_generation < #._upsink_generation"
                 " WHEN @._upsink_event_id = #._upsink_event_id THEN false"
                 " WHEN @._upsink_change_id = #._upsink_change_id THEN false");
    if (strcmp(meeting->deleted, "false") != 0) {
        buf_printf(sql, " WHEN %s AND ", meeting->deleted);
        append_same(sql, meeting);
        append_terms(sql, meeting, " AND #._upsink_offset < @._upsink_offset THEN false");
    }
    if (!meeting->by_position)
        append_versions(sql, meeting);
    buf_append_text(sql, " WHEN ");
    append_same(sql, meeting);
    append_terms(sql, meeting,
                 " THEN #._upsink_offset > @._upsink_offset"
                 " WHEN #._upsink_updated_at IS DISTINCT FROM @._upsink_updated_at"
                 " THEN coalesce(#._upsink_updated_at, " NO_TIME ") > coalesce(@._upsink_updated_at, " NO_TIME
                 ")");
    if (meeting->topic)
        append_terms(sql, meeting,
                     " WHEN @._upsink_partition = #._upsink_partition"
                     " THEN #._upsink_topic COLLATE \"C\" > @._upsink_topic");
    append_terms(sql, meeting, " ELSE #._upsink_partition > @._upsink_partition END)");
}

/* upsink_fence_version, as an expression. */
static void append_kept_version(struct buf *sql, const struct meeting *meeting)
{
    if (!meeting->by_position) {
        append_terms(sql, meeting, "#._upsink_version");
        return;
    }
    append_terms(sql, meeting, "CASE WHEN @._upsink_generation >= ");
    buf_printf(sql, "%s AND NOT (", meeting->floor);
    append_same(sql, meeting);
    append_terms(sql, meeting,
                 " AND @._upsink_generation < #._upsink_generation)"
                 " THEN greatest(#._upsink_version, @._upsink_version) ELSE #._upsink_version END");
}

/* ", alias.column" for every fence column; without the version where that is computed. */
static void append_columns(struct buf *sql, const struct pg_tables *tables, const char *alias, int from)
{
    for (int i = from; i < pg_fence_column_count(tables); i++)
        buf_printf(sql, ", %s%s%s", alias, *alias ? "." : "", pg_fence_columns[i].name);
}

/* One array of each statement comes through this, so that the planner does not see how long it is: otherwise
 * it would find a plan for a short one cheaper than the general plan, and plan anew every time. */
#define UNSEEN "(SELECT $%d::%s[])"

/* The arrays as rows: parameter 1 is the key, 2 the doc where there is one, then the fence. */
static void append_changes(struct buf *sql, const struct pg_tables *tables, bool doc)
{
    int parameter = 2;
    buf_append_text(sql, "SELECT unnest($1::text[]) AS key");
    if (doc)
        buf_printf(sql, ", unnest($%d::text[]) AS doc", parameter++);
    for (int i = 0; i < pg_fence_column_count(tables); i++)
        buf_printf(sql, i == PG_FENCE_PARTITION ? ", unnest(" UNSEEN ") AS %s" : ", unnest($%d::%s[]) AS %s",
                   parameter++, pg_fence_columns[i].type, pg_fence_columns[i].name);
}

/* Delete fences are left aside here: only an entity without a row can have one, and most have a row. What was
 * inserted is settled afterwards. */
static void append_upsert(struct buf *sql, const struct pg_tables *tables)
{
    char floor[16];
    snprintf(floor, sizeof floor, "$%d", 3 + pg_fence_column_count(tables));
    struct meeting row = {"t",   "excluded",
                          floor, tables->soft ? "t.deleted_at IS NOT NULL" : "false",
                          false, tables->several_topics};
    buf_printf(sql, "INSERT INTO %s AS t (key, doc", tables->rows);
    append_columns(sql, tables, "", 0);
    buf_append_text(sql, ") SELECT s.key, s.doc::jsonb");
    append_columns(sql, tables, "s", 0);
    buf_append_text(sql, " FROM (");
    append_changes(sql, tables, true);
    buf_append_text(sql, ") s ON CONFLICT (key) DO UPDATE SET doc = excluded.doc");
    for (int i = 0; i < pg_fence_column_count(tables); i++)
        buf_printf(sql, ", %s = excluded.%s", pg_fence_columns[i].name, pg_fence_columns[i].name);
    if (tables->soft)
        buf_append_text(sql, ", deleted_at = NULL");
    buf_append_text(sql, " WHERE ");
    append_wins(sql, &row);
    /* xmax is 0 in a new row, and the locker of the old one in an updated row. */
    buf_printf(sql, " RETURNING t.key::text, %s", tables->partitioned ? "true" : "t.xmax = 0");
}

/* A row that is new, and a delete fence of the same entity: one of them has to go. The keys are compared as
 * they came, without a collation of their own: so the index of either table serves. */
static void append_settle(struct buf *sql, const struct pg_tables *tables)
{
    struct meeting meeting = {"f", "t", "f.floor", "true", false, tables->several_topics};
    buf_append_text(sql, "WITH fenced AS MATERIALIZED (SELECT s.key, s.floor");
    append_columns(sql, tables, "f", 0);
    buf_printf(sql,
               " FROM (SELECT unnest($1::text[]) AS key, unnest((SELECT $2::bigint[])) AS floor) s JOIN %s f "
               "ON f.key = s.key),"
               " lost AS (DELETE FROM %s t USING fenced f WHERE t.key = f.key AND NOT ",
               tables->fences, tables->rows);
    append_wins(sql, &meeting);
    buf_printf(sql,
               " RETURNING t.key::text), freed AS (DELETE FROM %s x USING fenced f, %s t"
               " WHERE x.key = f.key AND t.key = f.key AND ",
               tables->fences, tables->rows);
    append_wins(sql, &meeting);
    buf_append_text(sql, ") SELECT key FROM lost");
}

/* The fence of an entity that has no row. */
static void append_fence_upsert(struct buf *sql, const struct pg_tables *tables,
                                const struct meeting *meeting)
{
    buf_append_text(sql, " ON CONFLICT (key) DO UPDATE SET _upsink_version = ");
    append_kept_version(sql, meeting);
    for (int i = PG_FENCE_OFFSET; i < pg_fence_column_count(tables); i++)
        buf_printf(sql, ", %s = excluded.%s", pg_fence_columns[i].name, pg_fence_columns[i].name);
    buf_append_text(sql, " WHERE ");
    append_wins(sql, meeting);
    buf_append_text(sql, " RETURNING f.key");
}

static void append_unknown(struct buf *sql, const struct pg_tables *tables)
{
    buf_append_text(sql, "SELECT s.key");
    append_columns(sql, tables, "s", 0);
    buf_printf(sql, " FROM s WHERE NOT EXISTS (SELECT FROM %s t WHERE t.key = s.key)", tables->rows);
}

static void append_hard_delete(struct buf *sql, const struct pg_tables *tables, const struct meeting *row)
{
    buf_printf(sql, "gone AS (DELETE FROM %s t USING s WHERE t.key = s.key AND ", tables->rows);
    append_wins(sql, row);
    buf_append_text(sql, " RETURNING s.key, ");
    append_kept_version(sql, row);
    buf_append_text(sql, " AS _upsink_version");
    append_columns(sql, tables, "s", PG_FENCE_OFFSET);
    buf_printf(sql, ") INSERT INTO %s AS f (key", tables->fences);
    append_columns(sql, tables, "", 0);
    buf_append_text(sql, ") SELECT gone.key");
    append_columns(sql, tables, "gone", 0);
    buf_append_text(sql, " FROM gone UNION ALL ");
    append_unknown(sql, tables);
}

static void append_soft_delete(struct buf *sql, const struct pg_tables *tables, const struct meeting *row)
{
    buf_printf(
        sql,
        "gone AS (UPDATE %s t SET deleted_at = coalesce(s._upsink_updated_at, now()), _upsink_version = ",
        tables->rows);
    append_kept_version(sql, row);
    for (int i = PG_FENCE_OFFSET; i < pg_fence_column_count(tables); i++)
        buf_printf(sql, ", %s = s.%s", pg_fence_columns[i].name, pg_fence_columns[i].name);
    buf_append_text(sql, " FROM s WHERE t.key = s.key AND ");
    append_wins(sql, row);
    buf_printf(sql, " RETURNING t.key::text), unknown AS (INSERT INTO %s AS f (key", tables->fences);
    append_columns(sql, tables, "", 0);
    buf_append_text(sql, ") ");
    append_unknown(sql, tables);
}

static void append_delete(struct buf *sql, const struct pg_tables *tables, bool by_position)
{
    char floor[16];
    snprintf(floor, sizeof floor, "$%d", 2 + pg_fence_column_count(tables));
    const char *deleted = tables->soft ? "t.deleted_at IS NOT NULL" : "false";
    struct meeting row = {"t", "s", floor, deleted, by_position, tables->several_topics};
    struct meeting fence = {"f", "excluded", floor, "true", by_position, tables->several_topics};
    buf_append_text(sql, "WITH s AS MATERIALIZED (");
    append_changes(sql, tables, false);
    buf_append_text(sql, "), ");
    if (tables->soft)
        append_soft_delete(sql, tables, &row);
    else
        append_hard_delete(sql, tables, &row);
    append_fence_upsert(sql, tables, &fence);
    if (tables->soft)
        buf_append_text(sql, ") SELECT key FROM gone UNION ALL SELECT key FROM unknown");
}

static void append_fences(struct buf *sql, const struct pg_tables *tables, bool one)
{
    const char *condition = one ? "= $1::text" : "= ANY ((SELECT $1::text[])::text[])";
    buf_printf(sql, "SELECT t.key::text, true, %s", tables->soft ? "t.deleted_at IS NOT NULL" : "false");
    append_columns(sql, tables, "t", 0);
    buf_printf(sql, "%s FROM %s t WHERE t.key %s UNION ALL SELECT f.key, false, true",
               one ? ", t.doc::text" : "", tables->rows, condition);
    append_columns(sql, tables, "f", 0);
    buf_printf(sql, "%s FROM %s f WHERE f.key %s", one ? ", NULL" : "", tables->fences, condition);
}

static void append_store(struct buf *sql, const struct pg_tables *tables)
{
    buf_printf(
        sql,
        "UPDATE %s st SET generation = s.generation, floor = s.floor, next_offset = s.next_offset, note = "
        "s.note,"
        " updated_at = now() FROM (SELECT unnest($2::text[]) AS topic, unnest((SELECT $3::integer[])) AS "
        "partition,"
        " unnest($4::bigint[]) AS epoch, unnest($5::bigint[]) AS generation, unnest($6::bigint[]) AS floor,"
        " unnest($7::bigint[]) AS next_offset, unnest($8::text[]) AS note) s"
        " WHERE st.view = $1::text AND st.topic = s.topic AND st.partition = s.partition AND st.epoch = "
        "s.epoch",
        tables->state);
}

void pg_sql_append(struct buf *sql, enum pg_statement which, const struct pg_tables *tables)
{
    switch (which) {
    case PG_SQL_UPSERT:
        append_upsert(sql, tables);
        break;
    case PG_SQL_DELETE:
    case PG_SQL_TOMBSTONE:
        append_delete(sql, tables, which == PG_SQL_TOMBSTONE);
        break;
    case PG_SQL_SETTLE:
        append_settle(sql, tables);
        break;
    case PG_SQL_FENCES:
        append_fences(sql, tables, false);
        break;
    case PG_SQL_READ:
        append_fences(sql, tables, true);
        break;
    case PG_SQL_IDENTITY:
        buf_append_text(sql, "SELECT c.oid::bigint, coalesce(pg_relation_filenode(c.oid), 0)::bigint FROM "
                             "pg_catalog.pg_class c"
                             " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
                             " WHERE n.nspname = $1::text AND c.relname = $2::text");
        break;
    case PG_SQL_STORE:
        append_store(sql, tables);
        break;
    case PG_SQL_COUNT:
        break;
    }
}
