/* The inside of the PostgreSQL sink: one connection, one table of one view.
 *
 * Beside the table there are, in its schema,
 *
 *   _upsink_views: which view fills which table from which topic, and what the table was when it did;
 *   _upsink_state: how far each partition has come;
 *   _upsink_deleted_<table>: what the table remembers of deleted entities.
 *
 * Everything belongs to the thread that holds the sink. */
#ifndef UPSINK_PG_SINK_H
#define UPSINK_PG_SINK_H

#include "pg_identifier.h"
#include "pg_params.h"
#include "pg_sql.h"
#include "pg_url.h"
#include "sinks/host.h"

#include <libpq-fe.h>

enum pg_transaction {
    PG_NO_TRANSACTION,
    PG_IN_TRANSACTION,
    PG_FAILED_TRANSACTION /* only abort ends it */
};

/* What the target was when it was prepared; another one now means that it was replaced. */
struct pg_identity {
    int64_t oid, filenode;
};

struct upsink_sink {
    const struct upsink_view *view;
    const struct upsink_host *host; /* may be NULL */
    struct pg_settings settings;
    struct pg_table_name name; /* the schema may be resolved by prepare */
    bool schema_given;
    char description[512];

    PGconn *conn;  /* NULL: not connected */
    bool broken;   /* the connection can't be used any more */
    bool prepared; /* the target was seen once: when it is missing now, somebody took it away */
    enum pg_transaction transaction;
    int64_t last_answer; /* monotonic microseconds */

    struct pg_tables tables;
    struct pg_identity identity;

    struct pg_params params;
    uint32_t *order;    /* scratch of write: places of changes in the batch */
    uint32_t *inserted; /* likewise: changes that made a new row */
    size_t order_capacity;
    struct pg_params touched; /* keys (and floors) of the transaction that were inserted or deleted */
    size_t touched_count;
    int64_t alone_until; /* monotonic: after a deadlock, writes wait for their turn so long */
    PGresult *row;       /* what read_row's slices point into */
};

/* --- pg_connect.c, pg_query.c: the wire ------------------------------------------------------ */

/* A sound connection with our session settings; reconnects where there is none. */
UPSINK_NODISCARD bool pg_connect(struct upsink_sink *sink, struct upsink_error *err);
void pg_disconnect(struct upsink_sink *sink);

/* Runs one statement; NULL and err where it failed. `doing` completes "can't …". */
UPSINK_NODISCARD PGresult *pg_query(struct upsink_sink *sink, const char *doing, const char *sql,
                                    const struct pg_params *params, struct upsink_error *err);
/* Runs statements that give no rows; several may stand in one text, without parameters. */
UPSINK_NODISCARD bool pg_run(struct upsink_sink *sink, const char *doing, const char *sql,
                             struct upsink_error *err);
/* The same for a statement prepared by pg_prepare_statements. */
UPSINK_NODISCARD PGresult *pg_query_prepared(struct upsink_sink *sink, const char *doing,
                                             enum pg_statement which, const struct pg_params *params,
                                             struct upsink_error *err);
UPSINK_NODISCARD bool pg_prepare_statements(struct upsink_sink *sink, struct upsink_error *err);

/* Begins a transaction where none is open. Read-only and the like are left as the server has them. */
#define PG_BEGIN "BEGIN ISOLATION LEVEL READ COMMITTED"
UPSINK_NODISCARD bool pg_begin(struct upsink_sink *sink, struct upsink_error *err);

/* A pipeline: statements are sent without waiting, their results read in order. */
UPSINK_NODISCARD bool pg_pipeline_begin(struct upsink_sink *sink, struct upsink_error *err);
UPSINK_NODISCARD bool pg_pipeline_send(struct upsink_sink *sink, const char *sql, struct upsink_error *err);
UPSINK_NODISCARD bool pg_pipeline_send_prepared(struct upsink_sink *sink, enum pg_statement which,
                                                const struct pg_params *params, struct upsink_error *err);
/* The next statement's result, whatever its status; NULL where the connection is lost. */
UPSINK_NODISCARD PGresult *pg_pipeline_next(struct upsink_sink *sink, const char *doing,
                                            struct upsink_error *err);
/* Ends the pipeline's run of statements: the server answers all of them. */
UPSINK_NODISCARD bool pg_pipeline_sync(struct upsink_sink *sink, struct upsink_error *err);
/* After that: reads and drops what is still to come, and leaves pipeline mode. */
UPSINK_NODISCARD bool pg_pipeline_drain(struct upsink_sink *sink, struct upsink_error *err);

/* Fills err from a failed result; the class is that of its SQLSTATE. */
bool pg_fail_result(struct upsink_sink *sink, const PGresult *result, const char *doing,
                    struct upsink_error *err);
bool pg_fail_memory(struct upsink_error *err);
/* An error that is no single record's fault, whatever the server says. Returns false. */
bool pg_blame_nobody(struct upsink_error *err);
bool pg_succeeded(const PGresult *result);

/* --- pg_prepare.c, pg_shape.c: the target ---------------------------------------------------- */

bool pg_prepare(struct upsink_sink *sink, const struct upsink_printer *plan, struct upsink_error *err);

/* What stands in the database under the target's name. */
struct pg_shape {
    bool exists;
    char kind; /* of pg_class.relkind */
    bool unlogged;
    bool empty;
    struct pg_identity identity;
    unsigned fence_columns; /* bit i: pg_fence_columns[i] is there */
    bool has_deleted_at;
};

/* Reads the shape; UPSINK_ERR_FATAL "target_mismatch" where it can't hold the view. */
UPSINK_NODISCARD bool pg_read_shape(struct upsink_sink *sink, struct pg_shape *shape,
                                    struct upsink_error *err);

/* --- pg_state.c: positions ------------------------------------------------------------------- */

bool pg_claim(struct upsink_sink *sink, struct upsink_position *position, struct upsink_error *err);
bool pg_commit(struct upsink_sink *sink, const struct upsink_position *positions, size_t count,
               struct upsink_error *err);
void pg_abort(struct upsink_sink *sink);

/* --- pg_write.c: changes --------------------------------------------------------------------- */

bool pg_write(struct upsink_sink *sink, struct upsink_batch *batch, struct upsink_error *err);

/* Changes that one statement can write together: in the order of their keys. */
struct pg_group {
    struct upsink_batch *batch;
    enum pg_statement statement;
    int64_t floor;
    const uint32_t *order; /* places in the batch */
    size_t count;
    size_t inserted; /* entries of sink->inserted */
    bool strict;     /* see pg_write_refused */
};

/* The order of keys in a batch. */
int pg_compare_keys(struct upsink_slice left, struct upsink_slice right);

/* Sends the changes from `from` on, as many as make a good statement but none from `to` on; returns
 * where it ended, or 0 where it failed. */
UPSINK_NODISCARD size_t pg_send_changes(struct upsink_sink *sink, const struct pg_group *group, size_t from,
                                        size_t to, struct upsink_error *err);
/* The answer: winners are marked applied, all others (for now) stale. */
UPSINK_NODISCARD bool pg_take_winners(struct upsink_sink *sink, struct pg_group *group, size_t from,
                                      size_t to, const PGresult *result, struct upsink_error *err);

/* --- pg_refused.c: changes that the server refuses ------------------------------------------- */

/* Writes the group; the changes that are refused become rejected, the others stand. With `strict` deferred
 * constraints are asked part by part, too. */
UPSINK_NODISCARD bool pg_write_refused(struct upsink_sink *sink, struct pg_group *group, bool strict,
                                       struct upsink_error *err);
UPSINK_NODISCARD bool pg_reject(struct upsink_batch *batch, size_t place, const char *code, const char *text,
                                const char *detail, struct upsink_error *err);

/* --- pg_fences.c: what the target remembers -------------------------------------------------- */

/* The target that the rows went to is still the one that was prepared. To be asked after writing: the
 * locks that writing took keep it so until the transaction ends. */
UPSINK_NODISCARD bool pg_send_identity(struct upsink_sink *sink, struct upsink_error *err);
UPSINK_NODISCARD bool pg_take_identity(struct upsink_sink *sink, struct upsink_error *err);
UPSINK_NODISCARD bool pg_check_identity(struct upsink_sink *sink, struct upsink_error *err);

/* Settles new rows with delete fences of the same entities: the older one goes. */
UPSINK_NODISCARD bool pg_settle_inserted(struct upsink_sink *sink, struct upsink_batch *batch,
                                         size_t inserted, struct upsink_error *err);
/* Says of every change that lost to which rule; also of those that were refused, if they would have lost
 * anyway. */
UPSINK_NODISCARD bool pg_judge_losers(struct upsink_sink *sink, struct upsink_batch *batch,
                                      struct upsink_error *err);

/* Two writers can bring a new row and a delete of one entity at the same instant, each in a transaction that
 * does not see the other's. So what was inserted or deleted is remembered, and looked at once more after the
 * commit: of two, the one that commits last sees both. */
UPSINK_NODISCARD bool pg_remember_touched(struct upsink_sink *sink, const struct upsink_batch *batch,
                                          size_t inserted, struct upsink_error *err);
UPSINK_NODISCARD bool pg_send_touched(struct upsink_sink *sink, struct upsink_error *err);

bool pg_read_row(struct upsink_sink *sink, struct upsink_slice key, struct upsink_row *row,
                 struct upsink_error *err);

#endif
