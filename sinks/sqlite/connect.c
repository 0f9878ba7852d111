#include "sinks/sqlite/sqlite.h"

#include "clock.h"
#include "sinks/host.h"

#include <stdlib.h>
#include <time.h>

/* A page cache that holds what a batch touches, so that nothing is written before its commit; and a log that
 * is folded back into the file after 32 MB, since the same pages come again and again. */
#define PAGE_CACHE_KIB   32768
#define CHECKPOINT_PAGES 8192
#define LOG_BYTES_KEPT   67108864

/* Called while another connection holds the write lock. */
static int wait_for_lock(void *context, int calls)
{
    struct upsink_sink *sink = context;
    int64_t now = clock_monotonic_us();
    if (calls == 0)
        sink->busy_since = now;
    if (now - sink->busy_since >= upsink_view_timeout_us(sink->view))
        return 0;
    if (upsink_host_is_stopping(sink->host))
        return 0;
    long wait_ms = calls < 10 ? 1 : 10;
    nanosleep(&(struct timespec){.tv_nsec = wait_ms * 1000000}, NULL);
    return 1;
}

void sqlite_quote_name(struct buf *out, const char *name)
{
    buf_append_byte(out, '"');
    for (; *name; name++) {
        if (*name == '"')
            buf_append_byte(out, '"');
        buf_append_byte(out, *name);
    }
    buf_append_byte(out, '"');
}

void sqlite_quote_text(struct buf *out, const char *text)
{
    buf_append_byte(out, '\'');
    for (; *text; text++) {
        if (*text == '\'')
            buf_append_byte(out, '\'');
        buf_append_byte(out, *text);
    }
    buf_append_byte(out, '\'');
}

bool sqlite_run(struct upsink_sink *sink, const char *sql, const char *doing, struct upsink_error *err)
{
    return sqlite3_exec(sink->db, sql, NULL, NULL, NULL) == SQLITE_OK || sqlite_fail(sink, doing, err);
}

bool sqlite_ask(struct upsink_sink *sink, const char *sql, int64_t fallback, int64_t *value,
                struct upsink_error *err)
{
    sqlite3_stmt *statement = NULL;
    *value = fallback;
    if (sqlite3_prepare_v2(sink->db, sql, -1, &statement, NULL) != SQLITE_OK)
        return sqlite_fail(sink, "read", err);
    int result = sqlite3_step(statement);
    if (result == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL)
        *value = sqlite3_column_int64(statement, 0);
    bool done = result == SQLITE_ROW || result == SQLITE_DONE || sqlite_fail(sink, "read", err);
    sqlite3_finalize(statement);
    return done;
}

/* Readers and the writer do not block one another only with a write-ahead log. */
static bool set_journal(struct upsink_sink *sink, struct upsink_error *err)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(sink->db, "PRAGMA journal_mode = WAL", -1, &statement, NULL) != SQLITE_OK)
        return sqlite_fail(sink, "open", err);
    int result = sqlite3_step(statement);
    const char *mode = result == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : "";
    bool done = false;
    if (result != SQLITE_ROW)
        sqlite_fail(sink, "open", err);
    else if (!mode || strcmp(mode, "wal") != 0)
        upsink_fail(
            err, UPSINK_ERR_FATAL, "no_write_ahead_log",
            "%s can't use a write-ahead log there (journal_mode stays %s); put the file on a local disk",
            sink->description, mode ? mode : "unknown");
    else
        done = true;
    sqlite3_finalize(statement);
    return done;
}

static bool configure(struct upsink_sink *sink, struct upsink_error *err)
{
    char sql[256];
    if (sqlite3_db_readonly(sink->db, "main") == 1)
        return upsink_fail(
            err, UPSINK_ERR_OUTAGE, "sink_read_only",
            "could not open %s for writing: the file is read-only; make it and its directory writable",
            sink->description);
    if (!set_journal(sink, err))
        return false;
    /* NORMAL syncs when the log is folded back, not at each commit: a crash of the program loses nothing; a
     * power cut may take the last commits back, rows and positions together, and they are then read from the
     * topic again. FULL syncs at each commit. */
    snprintf(sql, sizeof sql,
             "PRAGMA synchronous = %s; PRAGMA cache_size = -%d; PRAGMA wal_autocheckpoint = %d; "
             "PRAGMA journal_size_limit = %d; PRAGMA secure_delete = OFF",
             sink->full_sync ? "FULL" : "NORMAL", PAGE_CACHE_KIB, CHECKPOINT_PAGES, LOG_BYTES_KEPT);
    return sqlite_run(sink, sql, "open", err);
}

bool sqlite_connect(struct upsink_sink *sink, bool read_only, struct upsink_error *err)
{
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    flags |= read_only ? SQLITE_OPEN_READONLY
                       : SQLITE_OPEN_READWRITE | (sink->view->create ? SQLITE_OPEN_CREATE : 0);
    int moved = 0;
    if (sink->db && !sink->broken)
        sqlite3_file_control(sink->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    if (sink->db && !sink->broken && !moved)
        return true;
    sqlite_disconnect(sink);
    if (sqlite3_open_v2(sink->path, &sink->db, flags, NULL) != SQLITE_OK) {
        sqlite_fail(sink, "open", err);
        sqlite_disconnect(sink);
        return false;
    }
    sqlite3_busy_handler(sink->db, wait_for_lock, sink);
    if (read_only || configure(sink, err))
        return true;
    sqlite_disconnect(sink);
    return false;
}

void sqlite_disconnect(struct upsink_sink *sink)
{
    for (size_t i = 0; i < SQL_COUNT; i++) {
        sqlite3_finalize(sink->statements[i]);
        sink->statements[i] = NULL;
    }
    sqlite3_close(sink->db); /* rolls back; may be NULL */
    sink->db = NULL;
    sink->broken = sink->ready = false;
    if (sink->transaction == TRANSACTION_OPEN)
        sink->transaction = TRANSACTION_FAILED;
}

bool sqlite_step(struct upsink_sink *sink, enum sqlite_statement which, const char *doing,
                 struct upsink_error *err)
{
    sqlite3_stmt *statement = sink->statements[which];
    int result = sqlite3_step(statement);
    bool done = result == SQLITE_DONE || result == SQLITE_ROW || sqlite_fail(sink, doing, err);
    sqlite3_reset(statement);
    return done;
}
