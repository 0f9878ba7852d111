/* The inside of the SQLite sink: one connection to one file, one table of one view in it.
 *
 * The file holds the table itself and, beside it,
 *   _upsink_views            which view fills which table, from which topic
 *   _upsink_state            the positions of the views
 *   _upsink_fences_<table>   what the table remembers of deleted entities
 * SQLite has one writer at a time, so a fence that was read inside a write transaction can't change
 * before it is written: the order is judged here, by upsink_fence_judge, and not in SQL. */
#ifndef UPSINK_SQLITE_H
#define UPSINK_SQLITE_H

#include "buf.h"
#include "sinks/sink.h"

#include <sqlite3.h>

enum sqlite_statement {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_SCHEMA_VERSION,
    SQL_ANY_FENCE,  /* is there any delete fence? */
    SQL_ROW_FENCE,  /* ?1 key */
    SQL_SIDE_FENCE, /* likewise, of deleted entities */
    SQL_INSERT,     /* ?1 key, ?2 doc, ?3... see write.c */
    SQL_UPDATE,
    SQL_SOFT_DELETE,
    SQL_DELETE,
    SQL_SIDE_PUT,
    SQL_SIDE_DELETE,
    SQL_READ_DOC,     /* ?1 key */
    SQL_EMPTIED,      /* ?1 view: it had rows when we last looked, and has none now */
    SQL_FILLED,       /* ?1 view: notes whether it has rows */
    SQL_OWNER,        /* ?1 view, ?2 table */
    SQL_ANY_POSITION, /* ?1 view */
    SQL_CLAIM,        /* ?1 view, ?2 topic, ?3 partition, ?4 generation */
    SQL_STORE, /* ?1 view, ?2 topic, ?3 partition, ?4 epoch, ?5 generation, ?6 floor, ?7 next, ?8 note */
    SQL_COUNT
};

enum sqlite_transaction {
    TRANSACTION_NONE,
    TRANSACTION_OPEN,
    TRANSACTION_FAILED /* something in it went wrong: only abort ends it */
};

struct upsink_sink {
    const struct upsink_view *view;
    const struct upsink_host *host;
    char *path;        /* of the file */
    char *table;       /* as named by the user, unquoted */
    char *fence_table; /* likewise */
    char *description;
    bool soft;
    bool full_sync;

    sqlite3 *db; /* NULL: not connected */
    sqlite3_stmt *statements[SQL_COUNT];
    bool broken; /* the connection is to be given up at the next prepare */
    bool ready;  /* prepare went well on this connection */
    enum sqlite_transaction transaction;
    bool may_have_fences;   /* in the open transaction */
    bool count_changed;     /* likewise: rows came or went */
    int64_t schema_version; /* when the table was last checked */
    char marker[32];        /* the index that dies with the table; "" where none is kept */
    int64_t busy_since;     /* monotonic microseconds */
    struct buf seen;        /* what read_row gave out */
};

/* What SQLite's result code means. A pure function; `message` is sqlite3_errmsg's. *code is the word for
 * struct upsink_error. RECORD is for the one change only where a row was being written. */
enum upsink_error_class sqlite_classify(int result, const char *message, const char **code);

/* The symbolic name of a result code, extended or not: "SQLITE_CONSTRAINT_CHECK". */
const char *sqlite_code_name(int result);

/* Fills err from the connection's last error; `doing` completes "could not …". Returns false. */
bool sqlite_fail(struct upsink_sink *sink, const char *doing, struct upsink_error *err);
bool sqlite_fail_memory(struct upsink_error *err);

/* Connection. sqlite_connect is a no-op where there is a sound one. */
bool sqlite_connect(struct upsink_sink *sink, bool read_only, struct upsink_error *err);
void sqlite_disconnect(struct upsink_sink *sink);

/* Runs statements that give no rows. */
bool sqlite_run(struct upsink_sink *sink, const char *sql, const char *doing, struct upsink_error *err);

/* Compiles the statements of the view; the tables must be there. */
bool sqlite_compile(struct upsink_sink *sink, struct upsink_error *err);

/* Appends a name or a text as SQL quotes them. */
void sqlite_quote_name(struct buf *out, const char *name);
void sqlite_quote_text(struct buf *out, const char *text);

/* Steps a prepared statement that gives no rows, and resets it. */
bool sqlite_step(struct upsink_sink *sink, enum sqlite_statement which, const char *doing,
                 struct upsink_error *err);

/* Schema. `found` has the shape of the table as it is. */
struct sqlite_shape {
    bool exists;
    bool plain; /* a table, not a view or a virtual table */
    bool empty;
    unsigned has;      /* bit i: sqlite_columns[i] is there */
    bool soft_column;  /* deleted_at */
    bool unique_key;   /* `key` alone is unique, compared byte by byte */
    char problem[256]; /* a column that can't hold what we would store, or "" */
};

struct sqlite_column {
    const char *name, *type;
    bool text;
};
enum { COLUMN_KEY, COLUMN_DOC, COLUMN_VERSION, COLUMN_TOPIC = 9, COLUMN_COUNT = 10 };
extern const struct sqlite_column sqlite_columns[COLUMN_COUNT];

bool sqlite_read_shape(struct upsink_sink *sink, struct sqlite_shape *shape, struct upsink_error *err);
bool sqlite_check_shape(struct upsink_sink *sink, const struct sqlite_shape *shape, struct upsink_error *err);

/* *there: whether there is such a table; with an index, whether the table has that. */
bool sqlite_has(struct upsink_sink *sink, const char *table, const char *index, bool *there,
                struct upsink_error *err);

/* The table, its fences and its marker are there, as prepare left them (whether the rows are, sqlite_begin
 * asks). */
bool sqlite_is_intact(struct upsink_sink *sink, bool *intact, struct upsink_error *err);

/* Prints a CREATE TABLE for the rows (fences == false) or for the fences. */
void sqlite_print_table(struct upsink_sink *sink, bool fences, struct buf *out);

/* A query that gives one integer; NULL and no row give `fallback`. */
bool sqlite_ask(struct upsink_sink *sink, const char *sql, int64_t fallback, int64_t *value,
                struct upsink_error *err);

/* The highest generation that rows and fences carry; 0 without any. Reads the whole table. */
bool sqlite_newest_generation(struct upsink_sink *sink, int64_t *generation, struct upsink_error *err);

/* Transactions. begin is a no-op inside one, and notices a file or table that is another one by now. */
bool sqlite_begin(struct upsink_sink *sink, struct upsink_error *err);
void sqlite_rollback(struct upsink_sink *sink);

/* Times as RFC 3339 in UTC with microseconds, "2026-01-02T03:04:05.000006Z": text that people and SQLite's
 * own date functions read, sorts, and holds the microsecond exactly. Outside the years 0 to 9999, the
 * integer. -1 has no text. */
enum { TIME_SIZE = 32 };
size_t sqlite_format_time(int64_t microseconds, char text[TIME_SIZE]);
int64_t sqlite_parse_time(const char *text, size_t len);

bool sqlite_prepare(struct upsink_sink *sink, const struct upsink_printer *plan, struct upsink_error *err);
bool sqlite_claim(struct upsink_sink *sink, struct upsink_position *position, struct upsink_error *err);
bool sqlite_write(struct upsink_sink *sink, struct upsink_batch *batch, struct upsink_error *err);
bool sqlite_commit(struct upsink_sink *sink, const struct upsink_position *positions, size_t count,
                   struct upsink_error *err);
void sqlite_abort(struct upsink_sink *sink);
bool sqlite_read_row(struct upsink_sink *sink, struct upsink_slice key, struct upsink_row *row,
                     struct upsink_error *err);

#endif
