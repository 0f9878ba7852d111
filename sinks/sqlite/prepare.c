#include "sinks/sqlite/sqlite.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { LAYOUT = 1 }; /* of the side tables; a file with a higher one belongs to a later upsink */

/* What the file knows of this view and of this table. */
struct registration {
    bool known;    /* this view fills this table */
    bool moved;    /* this view filled another table until now */
    bool was_soft; /* it kept deleted rows */
    bool filled;   /* there were rows */
    char marker[32];
};

/* One run of prepare. */
struct preparation {
    struct upsink_sink *sink;
    const struct upsink_printer *plan; /* NULL: do it */
    struct registration before;
    struct sqlite_shape shape;
    bool views, state, fences, intact; /* there already */
    bool emptied;                      /* by somebody else than us */
    bool anew;                         /* the table has to be made */
    struct buf sql;
};

static const char views_table[] = "CREATE TABLE _upsink_views (\n"
                                  "    view TEXT PRIMARY KEY NOT NULL,\n"
                                  "    target TEXT NOT NULL UNIQUE COLLATE NOCASE,\n"
                                  "    topic TEXT NOT NULL,\n"
                                  "    marker TEXT NOT NULL,\n"
                                  "    soft INTEGER NOT NULL,\n"
                                  "    filled INTEGER NOT NULL,\n"
                                  "    layout INTEGER NOT NULL\n"
                                  ") WITHOUT ROWID";

static const char state_table[] = "CREATE TABLE _upsink_state (\n"
                                  "    view TEXT NOT NULL,\n"
                                  "    topic TEXT NOT NULL,\n"
                                  "    partition INTEGER NOT NULL,\n"
                                  "    epoch INTEGER NOT NULL,\n"
                                  "    generation INTEGER NOT NULL,\n"
                                  "    floor INTEGER NOT NULL,\n"
                                  "    next_offset INTEGER NOT NULL,\n"
                                  "    note TEXT NOT NULL,\n"
                                  "    PRIMARY KEY (view, topic, partition)\n"
                                  ") WITHOUT ROWID";

/* Runs, or prints, the one statement in p->sql. */
static bool run(struct preparation *p, struct upsink_error *err)
{
    if (p->sql.failed)
        return sqlite_fail_memory(err);
    if (!p->plan)
        return sqlite_run(p->sink, p->sql.data, "prepare", err);
    buf_append_byte(&p->sql, ';');
    if (p->sql.failed)
        return sqlite_fail_memory(err);
    p->plan->print(p->plan->context, p->sql.data);
    return true;
}

static bool run_text(struct preparation *p, const char *sql, struct upsink_error *err)
{
    buf_clear(&p->sql);
    buf_append_text(&p->sql, sql);
    return run(p, err);
}

/* BEFORE "name" AFTER */
static bool run_named(struct preparation *p, const char *before, const char *name, const char *after,
                      struct upsink_error *err)
{
    buf_clear(&p->sql);
    buf_append_text(&p->sql, before);
    sqlite_quote_name(&p->sql, name);
    buf_append_text(&p->sql, after);
    return run(p, err);
}

static bool run_create(struct preparation *p, bool fences, struct upsink_error *err)
{
    buf_clear(&p->sql);
    sqlite_print_table(p->sink, fences, &p->sql);
    return run(p, err);
}

static bool fail_taken(struct preparation *p, sqlite3_stmt *row, struct upsink_error *err)
{
    return upsink_fail(
        err, UPSINK_ERR_FATAL, "target_taken",
        "%s belongs to the view %s of topic %s; name another table for this view, or drop the table, "
        "its row in _upsink_views and its rows in _upsink_state if that view is no more",
        p->sink->description, (const char *)sqlite3_column_text(row, 0),
        (const char *)sqlite3_column_text(row, 1));
}

static bool judge_registration(struct preparation *p, sqlite3_stmt *row, struct upsink_error *err)
{
    bool same_view = sqlite3_column_int(row, 2), same_target = sqlite3_column_int(row, 3);
    bool same_topic = sqlite3_column_int(row, 4);
    const char *marker = (const char *)sqlite3_column_text(row, 5);
    if (sqlite3_column_int64(row, 8) > LAYOUT)
        return upsink_fail(err, UPSINK_ERR_FATAL, "target_newer",
                           "%s was written by a later upsink than this one; use that, or another file",
                           p->sink->description);
    if (same_target && (!same_view || !same_topic))
        return fail_taken(p, row, err);
    if (!same_target) {
        p->before.moved = true;
        return true;
    }
    p->before.known = true;
    p->before.was_soft = sqlite3_column_int(row, 6);
    p->before.filled = sqlite3_column_int(row, 7);
    snprintf(p->before.marker, sizeof p->before.marker, "%s", marker ? marker : "");
    return true;
}

static bool read_registration(struct preparation *p, struct upsink_error *err)
{
    sqlite3_stmt *row = NULL;
    const struct upsink_view *view = p->sink->view;
    int result = sqlite3_prepare_v2(
        p->sink->db,
        "SELECT view, topic, view = ?1, target = ?2, topic = ?3, marker, soft, filled, layout "
        "FROM main._upsink_views WHERE view = ?1 OR target = ?2",
        -1, &row, NULL);
    bool done = result == SQLITE_OK &&
                sqlite3_bind_text(row, 1, view->name, -1, SQLITE_STATIC) == SQLITE_OK &&
                sqlite3_bind_text(row, 2, p->sink->table, -1, SQLITE_STATIC) == SQLITE_OK &&
                sqlite3_bind_text(row, 3, view->topic, -1, SQLITE_STATIC) == SQLITE_OK;
    if (!done)
        sqlite_fail(p->sink, "prepare", err);
    while (done && (result = sqlite3_step(row)) == SQLITE_ROW)
        done = judge_registration(p, row, err);
    if (done && result != SQLITE_DONE)
        done = sqlite_fail(p->sink, "read who owns", err);
    sqlite3_finalize(row);
    return done;
}

static bool look(struct preparation *p, struct upsink_error *err)
{
    struct upsink_sink *sink = p->sink;
    if (!sqlite_has(sink, "_upsink_views", NULL, &p->views, err) ||
        !sqlite_has(sink, "_upsink_state", NULL, &p->state, err) ||
        !sqlite_has(sink, sink->fence_table, NULL, &p->fences, err))
        return false;
    if (p->views && !read_registration(p, err))
        return false;
    if (!sqlite_read_shape(sink, &p->shape, err) || !sqlite_check_shape(sink, &p->shape, err))
        return false;
    snprintf(sink->marker, sizeof sink->marker, "%s", p->before.marker);
    if (p->before.known && !sqlite_is_intact(sink, &p->intact, err))
        return false;
    p->emptied = p->intact && p->before.filled && p->shape.empty;
    return true;
}

static bool refuse_missing(struct preparation *p, struct upsink_error *err)
{
    const char *missing = !p->shape.exists ? p->sink->table
                          : !p->fences     ? p->sink->fence_table
                          : !p->views      ? "_upsink_views"
                          : !p->state      ? "_upsink_state"
                                           : NULL;
    if (!missing || p->sink->view->create)
        return true;
    return upsink_fail(err, UPSINK_ERR_FATAL, "target_missing",
                       "%s: there is no table %s, and `create: never` forbids to make it; `upsink plan` "
                       "prints the statements",
                       p->sink->description, missing);
}

static bool add_columns(struct preparation *p, struct upsink_error *err)
{
    char column[96];
    for (size_t i = COLUMN_VERSION; i < COLUMN_COUNT; i++) {
        if (p->shape.has & 1u << i || (i == COLUMN_TOPIC && !p->sink->view->several_topics))
            continue;
        snprintf(column, sizeof column, " ADD COLUMN %s %s", sqlite_columns[i].name, sqlite_columns[i].type);
        if (!run_named(p, "ALTER TABLE ", p->sink->table, column, err))
            return false;
    }
    if (p->sink->soft && !p->shape.soft_column)
        return run_named(p, "ALTER TABLE ", p->sink->table, " ADD COLUMN deleted_at TEXT", err);
    return true;
}

/* An index without entries: it lives and dies with the table, so that a table that was dropped and made
 * again, by whomever, is told from the one that the positions were written for. */
static bool make_marker(struct preparation *p, struct upsink_error *err)
{
    struct upsink_sink *sink = p->sink;
    uint64_t random = 0;
    if (!sink->view->create) {
        if (!p->intact)
            sink->marker[0] = '\0';
        return true;
    }
    if (p->intact && sink->marker[0])
        return true;
    sqlite3_randomness(sizeof random, &random);
    snprintf(sink->marker, sizeof sink->marker, "_upsink_%016llx", (unsigned long long)random);
    buf_clear(&p->sql);
    buf_append_text(&p->sql, "CREATE INDEX ");
    sqlite_quote_name(&p->sql, sink->marker);
    buf_append_text(&p->sql, " ON ");
    sqlite_quote_name(&p->sql, sink->table);
    buf_append_text(&p->sql, " (key) WHERE 0");
    return run(p, err);
}

/* `delete: hard` after `delete: soft`: what was kept leaves the table, its fences stay. */
static bool drop_kept_rows(struct preparation *p, struct upsink_error *err)
{
    static const char columns[] =
        "key, _upsink_version, _upsink_event_id, _upsink_change_id, _upsink_partition, "
        "_upsink_offset, _upsink_generation, _upsink_updated_at";
    const char *topic = p->sink->view->several_topics ? ", _upsink_topic" : "";
    buf_clear(&p->sql);
    buf_append_text(&p->sql, "INSERT OR REPLACE INTO ");
    sqlite_quote_name(&p->sql, p->sink->fence_table);
    buf_printf(&p->sql, " (%s%s) SELECT %s%s FROM ", columns, topic, columns, topic);
    sqlite_quote_name(&p->sql, p->sink->table);
    buf_append_text(&p->sql, " WHERE deleted_at IS NOT NULL");
    return run(p, err) && run_named(p, "DELETE FROM ", p->sink->table, " WHERE deleted_at IS NOT NULL", err);
}

static bool make_tables(struct preparation *p, struct upsink_error *err)
{
    if (!p->views && !run_text(p, views_table, err))
        return false;
    if (!p->state && !run_text(p, state_table, err))
        return false;
    p->anew = !p->shape.exists;
    if (p->anew ? !run_create(p, false, err) : !add_columns(p, err))
        return false;
    /* Fences of a table that is gone say nothing of this one. */
    bool stale = p->fences && (p->anew || p->emptied || (p->before.known && !p->intact));
    if (stale && !run_named(p, "DELETE FROM ", p->sink->fence_table, "", err))
        return false;
    if (!p->fences && !run_create(p, true, err))
        return false;
    if (p->before.known && p->intact && p->before.was_soft && !p->sink->soft && !drop_kept_rows(p, err))
        return false;
    return make_marker(p, err);
}

static bool register_view(struct preparation *p, struct upsink_error *err)
{
    const struct upsink_view *view = p->sink->view;
    buf_clear(&p->sql);
    buf_append_text(
        &p->sql,
        "INSERT OR REPLACE INTO _upsink_views (view, target, topic, marker, soft, filled, layout) VALUES (");
    sqlite_quote_text(&p->sql, view->name);
    buf_append_text(&p->sql, ", ");
    sqlite_quote_text(&p->sql, p->sink->table);
    buf_append_text(&p->sql, ", ");
    sqlite_quote_text(&p->sql, view->topic);
    buf_append_text(&p->sql, ", ");
    sqlite_quote_text(&p->sql, p->sink->marker);
    buf_printf(&p->sql, ", %d, EXISTS (SELECT 1 FROM ", p->sink->soft);
    sqlite_quote_name(&p->sql, p->sink->table);
    buf_printf(&p->sql, "), %d)", LAYOUT);
    return run(p, err);
}

/* The positions were written for a table that is not there any more: everything has to be read again, under a
 * generation that is above what the table may hold already. */
static bool reset_positions(struct preparation *p, struct upsink_error *err)
{
    int64_t positions = 0, generation = 0;
    buf_clear(&p->sql);
    buf_append_text(&p->sql, "SELECT count(*) FROM main._upsink_state WHERE view = ");
    sqlite_quote_text(&p->sql, p->sink->view->name);
    if (p->sql.failed)
        return sqlite_fail_memory(err);
    if (p->state && !sqlite_ask(p->sink, p->sql.data, 0, &positions, err))
        return false;
    if (!positions)
        return true;
    if (!p->plan && !p->anew && !sqlite_newest_generation(p->sink, &generation, err))
        return false;
    buf_clear(&p->sql);
    buf_printf(
        &p->sql,
        "UPDATE _upsink_state SET next_offset = -1, epoch = epoch + 1, generation = max(generation, %lld) "
        "WHERE view = ",
        (long long)generation);
    sqlite_quote_text(&p->sql, p->sink->view->name);
    return run(p, err);
}

static bool settle(struct preparation *p, struct upsink_error *err)
{
    struct upsink_sink *sink = p->sink;
    if (!look(p, err) || (!p->plan && !refuse_missing(p, err)))
        return false;
    char marker[sizeof sink->marker];
    snprintf(marker, sizeof marker, "%s", sink->marker);
    if (!make_tables(p, err))
        return false;
    bool same = p->before.known && p->intact && !p->emptied && !p->before.moved && p->state;
    if (!same && p->plan)
        p->plan->refill(p->plan->context);
    if (p->plan && !refuse_missing(p, err))
        return false;
    if (!same && !reset_positions(p, err))
        return false;
    if (same && p->before.was_soft == sink->soft && strcmp(marker, sink->marker) == 0)
        return true;
    return register_view(p, err);
}

/* A missing column is met here only in our own side tables: preparing again would not help. */
static bool prepare(struct preparation *p, struct upsink_error *err)
{
    if (settle(p, err) && (p->plan || sqlite_compile(p->sink, err)))
        return true;
    if (err && err->cls == UPSINK_ERR_TARGET_LOST && sqlite3_errcode(p->sink->db) == SQLITE_ERROR) {
        struct upsink_error why = *err;
        upsink_fail(err, UPSINK_ERR_FATAL, "target_mismatch",
                    "%s: the tables _upsink_views, _upsink_state or %s of this file are not as upsink makes "
                    "them (%.200s); use another file, or drop them and the view's table",
                    p->sink->description, p->sink->fence_table, why.text);
        upsink_error_detail(err, "%s", why.detail);
    }
    return false;
}

static bool check_version(struct upsink_sink *sink, struct upsink_error *err)
{
    return sqlite_ask(sink, "PRAGMA main.schema_version", 0, &sink->schema_version, err);
}

/* Whether a file could be made at the path: a plan has to say so, since it makes none. */
static bool check_directory(struct upsink_sink *sink, struct upsink_error *err)
{
    char *slash = strrchr(sink->path, '/'); /* there always is one: read_path puts it there */
    char *directory = strndup(sink->path, slash == sink->path ? 1 : (size_t)(slash - sink->path));
    if (!directory)
        return sqlite_fail_memory(err);
    bool usable = access(directory, W_OK | X_OK) == 0;
    int reason = errno;
    free(directory);
    return usable || upsink_fail(err, UPSINK_ERR_OUTAGE, "sink_unreachable",
                                 "could not open %s: no file can be made there: %s", sink->description,
                                 strerror(reason));
}

/* A plan reads what there is; of a file that is not there yet, an empty one. */
static bool show_plan(struct upsink_sink *sink, struct preparation *p, struct upsink_error *err)
{
    char *path = sink->path, marker[sizeof sink->marker];
    bool connected = sink->db != NULL, there = connected || access(path, F_OK) == 0, done;
    memcpy(marker, sink->marker, sizeof marker);
    if (!there && sink->view->create && !check_directory(sink, err))
        return false;
    if (!there)
        sink->path = ":memory:";
    done = connected || sqlite_connect(sink, true, err);
    done = done && prepare(p, err);
    sink->path = path;
    memcpy(sink->marker, marker, sizeof marker);
    if (!connected)
        sqlite_disconnect(sink);
    return done;
}

static bool carry_out(struct upsink_sink *sink, struct preparation *p, struct upsink_error *err)
{
    if (!sqlite_connect(sink, false, err))
        return false;
    bool own = sink->transaction != TRANSACTION_OPEN;
    if (own && !sqlite_run(sink, "BEGIN IMMEDIATE", "prepare", err))
        return false;
    sink->ready =
        prepare(p, err) && check_version(sink, err) && (!own || sqlite_run(sink, "COMMIT", "prepare", err));
    if (!sink->ready)
        sqlite_rollback(sink);
    return sink->ready;
}

bool sqlite_prepare(struct upsink_sink *sink, const struct upsink_printer *plan, struct upsink_error *err)
{
    struct preparation p = {.sink = sink, .plan = plan};
    buf_init(&p.sql);
    bool done = plan ? show_plan(sink, &p, err) : carry_out(sink, &p, err);
    buf_destroy(&p.sql);
    return done;
}
