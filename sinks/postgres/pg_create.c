#include "pg_prepare.h"

/* Compared byte by byte: faster than by a language's rules, in the order in which batches come, and safe from
 * changes of the system's locales. */
#define KEY_COLUMN "\n  key text COLLATE \"C\" PRIMARY KEY"

static void append_fence_columns(struct buf *sql, const struct pg_tables *tables)
{
    for (int i = 0; i < pg_fence_column_count(tables); i++)
        buf_printf(sql, ",\n  %s %s", pg_fence_columns[i].name, pg_fence_columns[i].type);
}

static bool create_schema(struct pg_preparation *work, struct buf *sql, struct upsink_error *err)
{
    if (work->has_schema)
        return true;
    buf_clear(sql);
    buf_append_text(sql, "CREATE SCHEMA ");
    pg_append_identifier(sql, work->sink->name.schema);
    return pg_apply(work, sql, err);
}

static bool create_rows(struct pg_preparation *work, struct buf *sql, struct upsink_error *err)
{
    const struct pg_tables *tables = &work->sink->tables;
    buf_clear(sql);
    /* Documents over 2 kB are compressed, and with the usual method that costs more than all the rest. */
    buf_printf(sql, "CREATE TABLE %s (" KEY_COLUMN ",\n  doc jsonb %sNOT NULL", tables->rows,
               work->can_lz4 ? "COMPRESSION lz4 " : "");
    append_fence_columns(sql, tables);
    buf_append_text(sql, tables->soft ? ",\n  deleted_at timestamptz" : "");
    /* Room for an update beside the row: it needs no new entry in the index then. */
    buf_append_text(sql, "\n) WITH (fillfactor = 90)");
    return pg_apply(work, sql, err);
}

static bool add_columns(struct pg_preparation *work, struct buf *sql, struct upsink_error *err)
{
    const struct pg_tables *tables = &work->sink->tables;
    const char *separator = " ";
    buf_clear(sql);
    buf_printf(sql, "ALTER TABLE %s", tables->rows);
    for (int i = 0; i < pg_fence_column_count(tables); i++) {
        if (work->shape.fence_columns >> i & 1)
            continue;
        buf_printf(sql, "%sADD COLUMN IF NOT EXISTS %s %s", separator, pg_fence_columns[i].name,
                   pg_fence_columns[i].type);
        separator = ", ";
    }
    if (tables->soft && !work->shape.has_deleted_at) {
        buf_printf(sql, "%sADD COLUMN IF NOT EXISTS deleted_at timestamptz", separator);
        separator = ", ";
    }
    return *separator == ' ' || pg_apply(work, sql, err);
}

static bool create_fences(struct pg_preparation *work, struct buf *sql, struct upsink_error *err)
{
    if (work->has_fences)
        return true;
    buf_clear(sql);
    buf_printf(sql, "CREATE TABLE IF NOT EXISTS %s (" KEY_COLUMN, work->sink->tables.fences);
    append_fence_columns(sql, &work->sink->tables);
    buf_append_text(sql, "\n)");
    return pg_apply(work, sql, err);
}

static bool create_views(struct pg_preparation *work, struct buf *sql, struct upsink_error *err)
{
    if (work->has_views)
        return true;
    buf_clear(sql);
    buf_printf(
        sql,
        "CREATE TABLE IF NOT EXISTS %s (\n  target text PRIMARY KEY,\n  view text NOT NULL,\n  topic text "
        "NOT NULL,\n"
        "  bookkeeping integer NOT NULL,\n  target_oid bigint NOT NULL,\n  target_filenode bigint NOT NULL,\n"
        "  generation bigint NOT NULL DEFAULT 0,\n  prepared_at timestamptz NOT NULL DEFAULT now()\n)",
        work->sink->tables.views);
    return pg_apply(work, sql, err);
}

static bool create_state(struct pg_preparation *work, struct buf *sql, struct upsink_error *err)
{
    if (work->has_state)
        return true;
    buf_clear(sql);
    buf_printf(sql,
               "CREATE TABLE IF NOT EXISTS %s (\n  view text NOT NULL,\n  topic text NOT NULL,\n  partition "
               "integer NOT NULL,\n"
               "  epoch bigint NOT NULL,\n  generation bigint NOT NULL,\n  floor bigint NOT NULL,\n"
               "  next_offset bigint NOT NULL,\n  note text NOT NULL,\n  updated_at timestamptz NOT NULL "
               "DEFAULT now(),\n"
               "  PRIMARY KEY (view, topic, partition)\n) WITH (fillfactor = 50)",
               work->sink->tables.state);
    return pg_apply(work, sql, err);
}

bool pg_create_missing(struct pg_preparation *work, struct upsink_error *err)
{
    struct buf sql;
    buf_init(&sql);
    bool done = create_schema(work, &sql, err) &&
                (work->shape.exists ? add_columns(work, &sql, err) : create_rows(work, &sql, err)) &&
                create_fences(work, &sql, err) && create_views(work, &sql, err) &&
                create_state(work, &sql, err);
    buf_destroy(&sql);
    return done;
}
