#include "sinks/sqlite/sqlite.h"

/* Statements, transactions, and the positions of the view. */

enum column_form { FORM_NAME, FORM_PARAMETER, FORM_SET };

static void add_fence_columns(struct upsink_sink *sink, struct buf *sql, enum column_form form)
{
    for (int i = COLUMN_VERSION; i < COLUMN_COUNT; i++) {
        if (i == COLUMN_TOPIC && !sink->view->several_topics)
            continue;
        buf_append_text(sql, ", ");
        if (form != FORM_PARAMETER)
            buf_append_text(sql, sqlite_columns[i].name);
        if (form == FORM_SET)
            buf_append_text(sql, " = ");
        if (form != FORM_NAME)
            buf_printf(sql, "?%d", i + 1);
    }
}

/* $t stands for the table, $f for its fences, $d for the condition of a soft delete; $c for the bookkeeping
 * columns, $v for their parameters, $s for both as in SET: ?3 version, ?4 event id, ?5 change id, ?6
 * partition, ?7 offset, ?8 generation, ?9 time, ?10 topic. */
static void expand(struct upsink_sink *sink, const char *template, struct buf *sql)
{
    for (; *template; template ++) {
        if (*template != '$') {
            buf_append_byte(sql, *template);
            continue;
        }
        switch (*++template) {
        case 't':
        case 'f':
            buf_append_text(sql, "main.");
            sqlite_quote_name(sql, *template == 't' ? sink->table : sink->fence_table);
            break;
        case 'd':
            buf_append_text(sql, sink->soft ? "deleted_at IS NOT NULL" : "0");
            break;
        case 'c':
            add_fence_columns(sink, sql, FORM_NAME);
            break;
        case 'v':
            add_fence_columns(sink, sql, FORM_PARAMETER);
            break;
        default:
            add_fence_columns(sink, sql, FORM_SET);
        }
    }
}

bool sqlite_compile(struct upsink_sink *sink, struct upsink_error *err)
{
    static const char *const templates[SQL_COUNT] = {
        [SQL_BEGIN] = "BEGIN IMMEDIATE",
        [SQL_COMMIT] = "COMMIT",
        [SQL_ROLLBACK] = "ROLLBACK",
        [SQL_SCHEMA_VERSION] = "PRAGMA main.schema_version",
        [SQL_ANY_FENCE] = "SELECT 1 FROM $f LIMIT 1",
        [SQL_ROW_FENCE] = "SELECT $d$c FROM $t WHERE key = ?1",
        [SQL_SIDE_FENCE] = "SELECT 1$c FROM $f WHERE key = ?1",
        [SQL_INSERT] = "INSERT INTO $t (key, doc$c) VALUES (?1, ?2$v)",
        [SQL_UPDATE] = "UPDATE $t SET doc = ?2$s WHERE key = ?1",
        [SQL_SOFT_DELETE] = "UPDATE $t SET deleted_at = ?2$s WHERE key = ?1",
        [SQL_DELETE] = "DELETE FROM $t WHERE key = ?1",
        [SQL_SIDE_PUT] = "INSERT OR REPLACE INTO $f (key$c) VALUES (?1$v)",
        [SQL_SIDE_DELETE] = "DELETE FROM $f WHERE key = ?1",
        [SQL_READ_DOC] = "SELECT doc FROM $t WHERE key = ?1",
        [SQL_EMPTIED] =
            "SELECT filled AND NOT EXISTS (SELECT 1 FROM $t) FROM main._upsink_views WHERE view = ?1",
        [SQL_FILLED] = "UPDATE main._upsink_views SET filled = EXISTS (SELECT 1 FROM $t) "
                       "WHERE view = ?1 AND filled <> EXISTS (SELECT 1 FROM $t)",
        [SQL_OWNER] = "SELECT target = ?2 FROM main._upsink_views WHERE view = ?1",
        [SQL_ANY_POSITION] = "SELECT 1 FROM main._upsink_state WHERE view = ?1 LIMIT 1",
        [SQL_CLAIM] = "INSERT INTO main._upsink_state (view, topic, partition, epoch, generation, floor, "
                      "next_offset, note) "
                      "VALUES (?1, ?2, ?3, 1, ?4, 0, -1, '') "
                      "ON CONFLICT (view, topic, partition) DO UPDATE SET epoch = epoch + 1 "
                      "RETURNING epoch, generation, floor, next_offset, note",
        [SQL_STORE] =
            "UPDATE main._upsink_state SET generation = ?5, floor = ?6, next_offset = ?7, note = ?8 "
            "WHERE view = ?1 AND topic = ?2 AND partition = ?3 AND epoch = ?4",
    };
    struct buf sql;
    bool done = true;
    buf_init(&sql);
    for (size_t i = 0; done && i < SQL_COUNT; i++) {
        if ((i == SQL_SOFT_DELETE && !sink->soft) || sink->statements[i])
            continue;
        buf_clear(&sql);
        expand(sink, templates[i], &sql);
        if (i == SQL_UPDATE && sink->soft) {
            buf_clear(&sql);
            expand(sink, "UPDATE $t SET doc = ?2, deleted_at = NULL$s WHERE key = ?1", &sql);
        }
        done = sql.failed ? sqlite_fail_memory(err)
                          : sqlite3_prepare_v3(sink->db, sql.data, -1, SQLITE_PREPARE_PERSISTENT,
                                               &sink->statements[i], NULL) == SQLITE_OK ||
                                sqlite_fail(sink, "prepare", err);
    }
    buf_destroy(&sql);
    return done;
}

static bool fail_lost(struct upsink_sink *sink, struct upsink_error *err)
{
    sink->ready = false;
    return upsink_fail(
        err, UPSINK_ERR_TARGET_LOST, "target_lost",
        "%s is not what it was: the file, the table or its fences were removed, emptied or replaced",
        sink->description);
}

/* The first row's first column, an integer; `fallback` where there is none. */
static bool ask(struct upsink_sink *sink, enum sqlite_statement which, int64_t fallback, int64_t *value,
                struct upsink_error *err)
{
    sqlite3_stmt *statement = sink->statements[which];
    int result = sqlite3_step(statement);
    *value = result == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : fallback;
    bool done = result == SQLITE_ROW || result == SQLITE_DONE || sqlite_fail(sink, "read", err);
    sqlite3_reset(statement);
    return done;
}

static bool bind_view(struct upsink_sink *sink, enum sqlite_statement which)
{
    return sqlite3_bind_text(sink->statements[which], 1, sink->view->name, -1, SQLITE_STATIC) == SQLITE_OK;
}

/* Inside the transaction, so that nobody can replace the table after the check. */
static bool check_target(struct upsink_sink *sink, struct upsink_error *err)
{
    int64_t version, any, emptied;
    bool intact = false;
    if (!ask(sink, SQL_SCHEMA_VERSION, 0, &version, err))
        return false;
    if (version != sink->schema_version) {
        if (!sqlite_is_intact(sink, &intact, err))
            return false;
        if (!intact)
            return fail_lost(sink, err);
        sink->schema_version = version;
    }
    if (!bind_view(sink, SQL_EMPTIED))
        return sqlite_fail(sink, "read", err);
    if (!ask(sink, SQL_EMPTIED, 0, &emptied, err))
        return false;
    if (emptied)
        return fail_lost(sink, err);
    if (!ask(sink, SQL_ANY_FENCE, 0, &any, err))
        return false;
    sink->may_have_fences = any;
    sink->count_changed = false;
    return true;
}

bool sqlite_begin(struct upsink_sink *sink, struct upsink_error *err)
{
    int moved = 0;
    if (sink->transaction == TRANSACTION_OPEN)
        return true;
    if (sink->transaction == TRANSACTION_FAILED)
        return upsink_fail(err, UPSINK_ERR_FATAL, "broken_invariant",
                           "%s: a failed transaction was not aborted", sink->description);
    if (!sink->db || !sink->ready)
        return upsink_fail(err, UPSINK_ERR_OUTAGE, "sink_unreachable", "%s is not open", sink->description);
    sqlite3_file_control(sink->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    if (moved)
        return fail_lost(sink, err);
    if (!sqlite_step(sink, SQL_BEGIN, "write to", err))
        return false;
    sink->transaction = TRANSACTION_OPEN;
    if (check_target(sink, err))
        return true;
    sqlite_rollback(sink);
    return false;
}

/* Leaves a transaction failed, so that a commit can't pass for one that holds the rows. */
void sqlite_rollback(struct upsink_sink *sink)
{
    for (size_t i = 0; i < SQL_COUNT; i++)
        sqlite3_reset(sink->statements[i]);
    if (sink->db && !sqlite3_get_autocommit(sink->db))
        sqlite3_exec(sink->db, "ROLLBACK", NULL, NULL, NULL);
    if (sink->transaction == TRANSACTION_OPEN)
        sink->transaction = TRANSACTION_FAILED;
}

void sqlite_abort(struct upsink_sink *sink)
{
    sqlite_rollback(sink);
    sink->transaction = TRANSACTION_NONE;
}

static bool bind_position(struct upsink_sink *sink, enum sqlite_statement which,
                          const struct upsink_position *position)
{
    sqlite3_stmt *statement = sink->statements[which];
    return bind_view(sink, which) &&
           sqlite3_bind_text64(statement, 2, position->topic.data, position->topic.len, SQLITE_STATIC,
                               SQLITE_UTF8) == SQLITE_OK &&
           sqlite3_bind_int64(statement, 3, position->partition) == SQLITE_OK;
}

/* An instance with another configuration may have moved the view to another table meanwhile. */
static bool check_owner(struct upsink_sink *sink, struct upsink_error *err)
{
    int64_t ours = -1;
    if (!bind_view(sink, SQL_OWNER) ||
        sqlite3_bind_text(sink->statements[SQL_OWNER], 2, sink->table, -1, SQLITE_STATIC) != SQLITE_OK)
        return sqlite_fail(sink, "read who owns", err);
    if (!ask(sink, SQL_OWNER, -1, &ours, err))
        return false;
    if (ours < 0)
        return fail_lost(sink, err);
    return ours ||
           upsink_fail(
               err, UPSINK_ERR_FATAL, "target_taken",
               "the view %s fills another table of this file than %s by now: another instance runs with "
               "another configuration; stop one of them",
               sink->view->name, sink->description);
}

static void copy_position(struct upsink_position *position, sqlite3_stmt *row)
{
    const char *note = (const char *)sqlite3_column_text(row, 4);
    position->epoch = sqlite3_column_int64(row, 0);
    position->generation = sqlite3_column_int64(row, 1);
    position->floor = sqlite3_column_int64(row, 2);
    position->next_offset = sqlite3_column_int64(row, 3);
    snprintf(position->note, sizeof position->note, "%s", note ? note : "");
}

static bool claim(struct upsink_sink *sink, struct upsink_position *position, struct upsink_error *err)
{
    int64_t any = 0, generation = 0;
    sqlite3_stmt *statement = sink->statements[SQL_CLAIM];
    if (!check_owner(sink, err))
        return false;
    if (!bind_view(sink, SQL_ANY_POSITION))
        return sqlite_fail(sink, "claim a partition of", err);
    /* Where the positions are gone but rows are left, new ones must be able to win against them. */
    if (!ask(sink, SQL_ANY_POSITION, 0, &any, err) ||
        (!any && !sqlite_newest_generation(sink, &generation, err)))
        return false;
    if (!bind_position(sink, SQL_CLAIM, position) ||
        sqlite3_bind_int64(statement, 4, generation) != SQLITE_OK)
        return sqlite_fail(sink, "claim a partition of", err);
    if (sqlite3_step(statement) != SQLITE_ROW) {
        sqlite_fail(sink, "claim a partition of", err);
        sqlite3_reset(statement);
        return false;
    }
    copy_position(position, statement);
    return sqlite_step(sink, SQL_CLAIM, "claim a partition of", err) &&
           sqlite_step(sink, SQL_COMMIT, "claim a partition of", err);
}

bool sqlite_claim(struct upsink_sink *sink, struct upsink_position *position, struct upsink_error *err)
{
    if (sink->transaction != TRANSACTION_NONE)
        return upsink_fail(err, UPSINK_ERR_FATAL, "broken_invariant",
                           "%s: a partition was claimed within a transaction", sink->description);
    if (!sqlite_begin(sink, err)) {
        sink->transaction = TRANSACTION_NONE;
        return false;
    }
    bool done = claim(sink, position, err);
    if (!done)
        sqlite_rollback(sink);
    sink->transaction = TRANSACTION_NONE;
    return done;
}

static bool store(struct upsink_sink *sink, const struct upsink_position *position, struct upsink_error *err)
{
    sqlite3_stmt *statement = sink->statements[SQL_STORE];
    bool bound = bind_position(sink, SQL_STORE, position) &&
                 sqlite3_bind_int64(statement, 4, position->epoch) == SQLITE_OK &&
                 sqlite3_bind_int64(statement, 5, position->generation) == SQLITE_OK &&
                 sqlite3_bind_int64(statement, 6, position->floor) == SQLITE_OK &&
                 sqlite3_bind_int64(statement, 7, position->next_offset) == SQLITE_OK &&
                 sqlite3_bind_text(statement, 8, position->note,
                                   (int)strnlen(position->note, sizeof position->note - 1),
                                   SQLITE_STATIC) == SQLITE_OK;
    if (!bound)
        return sqlite_fail(sink, "store a position in", err);
    if (!sqlite_step(sink, SQL_STORE, "store a position in", err))
        return false;
    if (sqlite3_changes(sink->db) == 1)
        return true;
    return upsink_fail(err, UPSINK_ERR_FENCED, "fenced",
                       "partition %d of %.*s in %s has another owner by now", (int)position->partition,
                       (int)(position->topic.len < 256 ? position->topic.len : 256), position->topic.data,
                       sink->description);
}

/* So that a table that somebody empties is told from one whose entities are all deleted. */
static bool note_filled(struct upsink_sink *sink, struct upsink_error *err)
{
    if (!sink->count_changed)
        return true;
    return bind_view(sink, SQL_FILLED) ? sqlite_step(sink, SQL_FILLED, "commit to", err)
                                       : sqlite_fail(sink, "commit to", err);
}

bool sqlite_commit(struct upsink_sink *sink, const struct upsink_position *positions, size_t count,
                   struct upsink_error *err)
{
    bool done = true;
    if (!count && sink->transaction == TRANSACTION_NONE)
        return true;
    if (!sqlite_begin(sink, err))
        return false;
    for (size_t i = 0; done && i < count; i++)
        done = store(sink, &positions[i], err);
    if (done && note_filled(sink, err) && sqlite_step(sink, SQL_COMMIT, "commit to", err)) {
        sink->transaction = TRANSACTION_NONE;
        return true;
    }
    sqlite_rollback(sink);
    return false;
}
