#include "pg_sink.h"

#include <stdlib.h>
#include <string.h>

enum { OID_VARCHAR = 1043, OID_JSONB = 3802 };

/* The remedy is what follows ALTER TABLE. */
static bool refuse(struct upsink_sink *sink, struct upsink_error *err, const char *what, const char *remedy)
{
    return upsink_fail(err, UPSINK_ERR_FATAL, "target_mismatch",
                       "%.120s can't hold view %.60s: %s. To mend it: ALTER TABLE %s %s", sink->description,
                       sink->view->name, what, sink->tables.rows, remedy);
}

static bool refuse_column(struct upsink_sink *sink, struct upsink_error *err, const char *column,
                          const char *expected, const char *found, const char *remedy)
{
    char what[200];
    if (found)
        snprintf(what, sizeof what, "column %s is %.60s where %s is expected", column, found, expected);
    else
        snprintf(what, sizeof what, "it has no column %s (%s)", column, expected);
    return refuse(sink, err, what, remedy);
}

struct found_column {
    int64_t type;
    const char *type_name; /* points into the result */
    int64_t number;
};

static bool find_column(const PGresult *columns, const char *name, struct found_column *found)
{
    for (int row = 0; row < PQntuples(columns); row++) {
        if (strcmp(PQgetvalue(columns, row, 0), name) != 0)
            continue;
        found->type = pg_read_int8(PQgetvalue(columns, row, 1));
        found->type_name = PQgetvalue(columns, row, 2);
        found->number = pg_read_int8(PQgetvalue(columns, row, 3));
        return true;
    }
    *found = (struct found_column){0};
    return false;
}

static bool check_content(struct upsink_sink *sink, const PGresult *columns, struct upsink_error *err)
{
    struct found_column column;
    find_column(columns, "key", &column);
    if (!column.type_name)
        return refuse_column(sink, err, "key", "text", NULL, "ADD COLUMN key text PRIMARY KEY");
    if (column.type != PG_TEXT && column.type != OID_VARCHAR)
        return refuse_column(sink, err, "key", "text", column.type_name, "ALTER COLUMN key TYPE text");
    find_column(columns, "doc", &column);
    if (!column.type_name)
        return refuse_column(sink, err, "doc", "jsonb", NULL, "ADD COLUMN doc jsonb NOT NULL");
    if (column.type != OID_JSONB)
        return refuse_column(sink, err, "doc", "jsonb", column.type_name,
                             "ALTER COLUMN doc TYPE jsonb USING doc::text::jsonb");
    return true;
}

static bool check_bookkeeping(struct upsink_sink *sink, const PGresult *columns, struct pg_shape *shape,
                              struct upsink_error *err)
{
    struct found_column column;
    char remedy[80];
    for (int i = 0; i < pg_fence_column_count(&sink->tables); i++) {
        const struct pg_column *expected = &pg_fence_columns[i];
        if (!find_column(columns, expected->name, &column))
            continue;
        shape->fence_columns |= 1u << i;
        snprintf(remedy, sizeof remedy, "ALTER COLUMN %s TYPE %s", expected->name, expected->type);
        if (column.type != (int64_t)expected->element)
            return refuse_column(sink, err, expected->name, expected->type, column.type_name, remedy);
    }
    shape->has_deleted_at = find_column(columns, "deleted_at", &column);
    if (shape->has_deleted_at && sink->tables.soft && column.type != PG_TIMESTAMPTZ)
        return refuse_column(sink, err, "deleted_at", "timestamptz", column.type_name,
                             "ALTER COLUMN deleted_at TYPE timestamptz");
    return true;
}

/* A column of the user's own that must have a value, and nothing that would give it one. */
static bool check_extra(struct upsink_sink *sink, const PGresult *columns, struct upsink_error *err)
{
    char remedy[200];
    for (int row = 0; row < PQntuples(columns); row++) {
        const char *name = PQgetvalue(columns, row, 0);
        if (!*PQgetvalue(columns, row, 4) || strcmp(name, "key") == 0 || strcmp(name, "doc") == 0)
            continue;
        snprintf(remedy, sizeof remedy, "ALTER COLUMN %.70s DROP NOT NULL (or give it a default)", name);
        return refuse_column(sink, err, name, "a default, or NULL to be allowed",
                             "NOT NULL without a default", remedy);
    }
    return true;
}

static const char columns_sql[] =
    "SELECT a.attname::text, a.atttypid::bigint, format_type(a.atttypid, a.atttypmod), a.attnum::bigint,"
    " a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AND NOT EXISTS (SELECT FROM "
    "pg_catalog.pg_trigger g"
    " WHERE g.tgrelid = a.attrelid AND NOT g.tgisinternal AND g.tgtype & 7 = 7)" /* BEFORE INSERT ... FOR EACH
                                                                                    ROW */
    " FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1::bigint::oid AND a.attnum > 0 AND NOT "
    "a.attisdropped"
    " ORDER BY a.attnum";

static const char unique_sql[] =
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = "
    "i.indrelid"
    " AND a.attnum = i.indkey[0] WHERE i.indrelid = $1::bigint::oid AND a.attname = 'key' AND i.indnkeyatts "
    "= 1"
    " AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL)";

static bool is_true(const PGresult *result, int column)
{
    return PQntuples(result) == 1 && PQgetlength(result, 0, column) == 1 && *PQgetvalue(result, 0, column);
}

static PGresult *ask_about(struct upsink_sink *sink, const char *sql, int64_t oid, struct upsink_error *err)
{
    pg_params_clear(&sink->params);
    pg_params_add_int8(&sink->params, oid);
    return pg_query(sink, "look at the table", sql, &sink->params, err);
}

static bool check_columns(struct upsink_sink *sink, struct pg_shape *shape, struct upsink_error *err)
{
    PGresult *columns = ask_about(sink, columns_sql, shape->identity.oid, err), *unique = NULL;
    bool done = columns && check_content(sink, columns, err) &&
                check_bookkeeping(sink, columns, shape, err) && check_extra(sink, columns, err);
    if (done)
        unique = ask_about(sink, unique_sql, shape->identity.oid, err);
    done = unique != NULL;
    if (done && !is_true(unique, 0))
        done = refuse(sink, err,
                      "column key is not unique by itself (a partial or deferrable index does not count)",
                      "ADD PRIMARY KEY (key)");
    PQclear(columns);
    PQclear(unique);
    return done;
}

static bool check_empty(struct upsink_sink *sink, struct pg_shape *shape, struct upsink_error *err)
{
    char sql[400];
    snprintf(sql, sizeof sql, "SELECT NOT EXISTS (SELECT FROM %s)", sink->tables.rows);
    PGresult *result = pg_query(sink, "look into the table", sql, NULL, err);
    shape->empty = result && is_true(result, 0);
    PQclear(result);
    return result != NULL;
}

static bool check_kind(struct upsink_sink *sink, const struct pg_shape *shape, struct upsink_error *err)
{
    if (shape->kind == 'r' || shape->kind == 'p')
        return true;
    return upsink_fail(err, UPSINK_ERR_FATAL, "target_mismatch",
                       "%s can't hold view %s: it is not a table; name another one", sink->description,
                       sink->view->name);
}

static bool find_table(struct upsink_sink *sink, struct pg_shape *shape, struct upsink_error *err)
{
    static const char sql[] =
        "SELECT c.oid::bigint, coalesce(pg_relation_filenode(c.oid), 0)::bigint, c.relkind::text, "
        "c.relpersistence::text"
        " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = $1::text AND c.relname = $2::text";
    pg_params_clear(&sink->params);
    pg_params_add_text(&sink->params, upsink_slice_of(sink->name.schema));
    pg_params_add_text(&sink->params, upsink_slice_of(sink->name.table));
    PGresult *result = pg_query(sink, "look for the table", sql, &sink->params, err);
    if (!result)
        return false;
    shape->exists = PQntuples(result) == 1;
    if (shape->exists) {
        shape->identity.oid = pg_read_int8(PQgetvalue(result, 0, 0));
        shape->identity.filenode = pg_read_int8(PQgetvalue(result, 0, 1));
        shape->kind = *PQgetvalue(result, 0, 2);
        shape->unlogged = *PQgetvalue(result, 0, 3) == 'u';
    }
    PQclear(result);
    return true;
}

bool pg_read_shape(struct upsink_sink *sink, struct pg_shape *shape, struct upsink_error *err)
{
    *shape = (struct pg_shape){0};
    if (!find_table(sink, shape, err))
        return false;
    if (!shape->exists)
        return true;
    int64_t oid = shape->identity.oid;
    struct upsink_error look;
    bool fits =
        check_kind(sink, shape, err) && check_columns(sink, shape, err) && check_empty(sink, shape, err);
    if (!fits && strcmp(err->code, "target_mismatch") != 0)
        return false;
    /* Of a table that was dropped meanwhile half was seen. One that fits was read from, and stays as it is
     * until the transaction ends. */
    upsink_error_clear(&look);
    if (!find_table(sink, shape, &look)) {
        *err = look;
        return false;
    }
    if (!shape->exists || shape->identity.oid != oid)
        return upsink_fail(err, UPSINK_ERR_TARGET_LOST, "target_lost",
                           "%s was dropped while it was looked at", sink->description);
    return fits;
}
