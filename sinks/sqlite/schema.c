#include "sinks/sqlite/sqlite.h"

#include <strings.h>

const struct sqlite_column sqlite_columns[COLUMN_COUNT] = {
    {"key", "TEXT PRIMARY KEY NOT NULL", true}, {"doc", "TEXT NOT NULL", true},
    {"_upsink_version", "INTEGER", false},      {"_upsink_event_id", "TEXT", true},
    {"_upsink_change_id", "TEXT", true},        {"_upsink_partition", "INTEGER", false},
    {"_upsink_offset", "INTEGER", false},       {"_upsink_generation", "INTEGER", false},
    {"_upsink_updated_at", "TEXT", true},       {"_upsink_topic", "TEXT", true},
};

void sqlite_print_table(struct upsink_sink *sink, bool fences, struct buf *out)
{
    buf_append_text(out, "CREATE TABLE ");
    sqlite_quote_name(out, fences ? sink->fence_table : sink->table);
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        if ((fences && i == COLUMN_DOC) || (i == COLUMN_TOPIC && !sink->view->several_topics))
            continue;
        buf_printf(out, "%s\n    %s %s", i == COLUMN_KEY ? " (" : ",", sqlite_columns[i].name,
                   sqlite_columns[i].type);
    }
    if (sink->soft && !fences)
        buf_append_text(out, ",\n    deleted_at TEXT");
    buf_append_text(out, fences ? "\n) WITHOUT ROWID" : "\n)");
}

/* https://www.sqlite.org/datatype3.html, section 3.1: how a declared type makes values change on their way
 * in. */
enum affinity { AFFINITY_INTEGER, AFFINITY_TEXT, AFFINITY_NONE, AFFINITY_REAL, AFFINITY_NUMERIC };

static enum affinity find_affinity(const char *type)
{
    if (strcasestr(type, "INT"))
        return AFFINITY_INTEGER;
    if (strcasestr(type, "CHAR") || strcasestr(type, "CLOB") || strcasestr(type, "TEXT"))
        return AFFINITY_TEXT;
    if (!*type || strcasestr(type, "BLOB"))
        return AFFINITY_NONE;
    bool real = strcasestr(type, "REAL") || strcasestr(type, "FLOA") || strcasestr(type, "DOUB");
    return real ? AFFINITY_REAL : AFFINITY_NUMERIC;
}

static void judge_column(struct upsink_sink *sink, struct sqlite_shape *shape, sqlite3_stmt *row)
{
    const char *name = (const char *)sqlite3_column_text(row, 0),
               *type = (const char *)sqlite3_column_text(row, 1);
    bool not_null = sqlite3_column_int(row, 2), has_default = sqlite3_column_type(row, 3) != SQLITE_NULL;
    bool generated = sqlite3_column_int(row, 4);
    enum affinity affinity = find_affinity(type ? type : "");
    name = name ? name : "";
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        if (strcasecmp(name, sqlite_columns[i].name) != 0)
            continue;
        shape->has |= 1u << i;
        bool holds = sqlite_columns[i].text ? affinity == AFFINITY_TEXT || affinity == AFFINITY_NONE
                                            : affinity != AFFINITY_TEXT && affinity != AFFINITY_REAL;
        if (generated || !holds)
            snprintf(shape->problem, sizeof shape->problem, "its column %.64s is %.64s where %s is needed",
                     name, generated ? "generated" : type, sqlite_columns[i].text ? "TEXT" : "INTEGER");
        return;
    }
    if (sink->soft && strcasecmp(name, "deleted_at") == 0) {
        shape->soft_column = true;
        return;
    }
    if (not_null && !has_default && !generated)
        snprintf(shape->problem, sizeof shape->problem,
                 "its column %.64s is NOT NULL without a default, so that no row could be written", name);
}

static bool read_columns(struct upsink_sink *sink, struct sqlite_shape *shape, struct upsink_error *err)
{
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(
        sink->db, "SELECT name, type, \"notnull\", dflt_value, hidden FROM pragma_table_xinfo(?1, 'main')",
        -1, &statement, NULL);
    if (result == SQLITE_OK)
        result = sqlite3_bind_text(statement, 1, sink->table, -1, SQLITE_STATIC);
    while (result == SQLITE_OK || result == SQLITE_ROW) {
        result = sqlite3_step(statement);
        if (result == SQLITE_ROW)
            judge_column(sink, shape, statement);
    }
    bool done = result == SQLITE_DONE || sqlite_fail(sink, "read the columns of", err);
    sqlite3_finalize(statement);
    return done;
}

/* Exactly one name for one table: SQLite ignores the case of ASCII letters in names. */
static bool read_kind(struct upsink_sink *sink, struct sqlite_shape *shape, struct upsink_error *err)
{
    sqlite3_stmt *statement = NULL;
    int result =
        sqlite3_prepare_v2(sink->db,
                           "SELECT type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' FROM main.sqlite_schema "
                           "WHERE name = ?1 COLLATE NOCASE AND type IN ('table', 'view')",
                           -1, &statement, NULL);
    if (result == SQLITE_OK)
        result = sqlite3_bind_text(statement, 1, sink->table, -1, SQLITE_STATIC);
    if (result == SQLITE_OK)
        result = sqlite3_step(statement);
    shape->exists = result == SQLITE_ROW;
    shape->plain = shape->exists && sqlite3_column_int(statement, 0);
    bool done = result == SQLITE_ROW || result == SQLITE_DONE || sqlite_fail(sink, "look for", err);
    sqlite3_finalize(statement);
    return done;
}

bool sqlite_has(struct upsink_sink *sink, const char *table, const char *index, bool *there,
                struct upsink_error *err)
{
    struct buf sql;
    int64_t count = 0;
    buf_init(&sql);
    buf_printf(&sql, "SELECT count(*) FROM main.sqlite_schema WHERE type = '%s' AND tbl_name = ",
               index ? "index" : "table");
    sqlite_quote_text(&sql, table);
    buf_append_text(&sql, " COLLATE NOCASE AND name = ");
    sqlite_quote_text(&sql, index ? index : table);
    buf_append_text(&sql, " COLLATE NOCASE");
    bool done = sql.failed ? sqlite_fail_memory(err) : sqlite_ask(sink, sql.data, 0, &count, err);
    buf_destroy(&sql);
    *there = count > 0;
    return done;
}

/* `key` must be unique byte by byte: NOCASE would make one entity of two. */
static bool read_key(struct upsink_sink *sink, struct sqlite_shape *shape, struct upsink_error *err)
{
    struct buf sql;
    int64_t count = 0, empty = 1;
    buf_init(&sql);
    buf_append_text(&sql, "SELECT count(*) FROM pragma_index_list(");
    sqlite_quote_text(&sql, sink->table);
    buf_append_text(
        &sql, ", 'main') AS list WHERE list.\"unique\" AND NOT list.partial AND 1 = "
              "(SELECT count(*) FROM pragma_index_xinfo(list.name, 'main') AS each WHERE each.key) AND 1 = "
              "(SELECT count(*) FROM pragma_index_xinfo(list.name, 'main') AS each WHERE each.key AND "
              "each.name = 'key' COLLATE NOCASE AND each.coll = 'BINARY')");
    bool done = !sql.failed && sqlite_ask(sink, sql.data, 0, &count, err);
    buf_clear(&sql);
    buf_append_text(&sql, "SELECT NOT EXISTS (SELECT 1 FROM main.");
    sqlite_quote_name(&sql, sink->table);
    buf_append_text(&sql, ")");
    done = done && !sql.failed && sqlite_ask(sink, sql.data, 1, &empty, err);
    if (sql.failed)
        sqlite_fail_memory(err);
    buf_destroy(&sql);
    shape->unique_key = count > 0;
    shape->empty = empty;
    return done;
}

bool sqlite_read_shape(struct upsink_sink *sink, struct sqlite_shape *shape, struct upsink_error *err)
{
    *shape = (struct sqlite_shape){.exists = false};
    if (!read_kind(sink, shape, err))
        return false;
    if (!shape->plain)
        return true;
    return read_columns(sink, shape, err) && read_key(sink, shape, err);
}

static bool fail_shape(struct upsink_sink *sink, const char *problem, struct upsink_error *err)
{
    return upsink_fail(
        err, UPSINK_ERR_FATAL, "target_mismatch",
        "%s can't hold this view: %s; name another table, or drop this one if nothing else needs it",
        sink->description, problem);
}

bool sqlite_check_shape(struct upsink_sink *sink, const struct sqlite_shape *shape, struct upsink_error *err)
{
    char text[256];
    unsigned needed = (1u << COLUMN_COUNT) - 1;
    if (!sink->view->several_topics)
        needed &= ~(1u << COLUMN_TOPIC);
    if (!shape->exists)
        return true;
    if (!shape->plain)
        return fail_shape(sink, "it is a view or a virtual table", err);
    if (shape->problem[0])
        return fail_shape(sink, shape->problem, err);
    /* An empty table may get the bookkeeping columns; in another one the rows would be somebody else's. */
    if (shape->empty && sink->view->create)
        needed &= 1u << COLUMN_KEY | 1u << COLUMN_DOC;
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        if ((needed & ~shape->has) & 1u << i) {
            snprintf(text, sizeof text, "it has no column %s", sqlite_columns[i].name);
            return fail_shape(sink, text, err);
        }
    if (sink->soft && !shape->soft_column && !sink->view->create)
        return fail_shape(sink, "it has no column deleted_at, which `delete: soft` needs", err);
    if (!shape->unique_key)
        return fail_shape(sink, "its column key is not unique by itself (a primary key, compared as BINARY)",
                          err);
    return true;
}

bool sqlite_newest_generation(struct upsink_sink *sink, int64_t *generation, struct upsink_error *err)
{
    struct buf sql;
    buf_init(&sql);
    buf_append_text(&sql, "SELECT max(g) FROM (SELECT max(_upsink_generation) AS g FROM main.");
    sqlite_quote_name(&sql, sink->table);
    buf_append_text(&sql, " UNION ALL SELECT max(_upsink_generation) FROM main.");
    sqlite_quote_name(&sql, sink->fence_table);
    buf_append_text(&sql, ")");
    bool done = sql.failed ? sqlite_fail_memory(err) : sqlite_ask(sink, sql.data, 0, generation, err);
    buf_destroy(&sql);
    return done;
}

/* Two look-ups in the schema, which SQLite holds in memory. The marker also says that the table is the same
 * one. */
bool sqlite_is_intact(struct upsink_sink *sink, bool *intact, struct upsink_error *err)
{
    bool table = false, fences = false, marker = true;
    if (!sqlite_has(sink, sink->table, NULL, &table, err) ||
        !sqlite_has(sink, sink->fence_table, NULL, &fences, err))
        return false;
    if (sink->marker[0] && !sqlite_has(sink, sink->table, sink->marker, &marker, err))
        return false;
    *intact = table && fences && marker;
    return true;
}
