/* Preparing the target: what is there, what has to be created, whose it is, and whether it is still the
 * one that the positions were written for. All in one transaction. */
#ifndef UPSINK_PG_PREPARE_H
#define UPSINK_PG_PREPARE_H

#include "pg_sink.h"

struct pg_preparation {
    struct upsink_sink *sink;
    const struct upsink_printer *plan; /* not NULL: print, change nothing */
    size_t changes;                    /* statements run or printed */

    bool has_schema, has_views, has_state, has_fences;
    bool can_lz4; /* the server was built with it, and is no older than 14 */
    struct pg_shape shape;

    bool registered;             /* the target was prepared before */
    struct pg_identity identity; /* as it was then; 0 where the view went to another target since */
    int64_t generation;          /* the newest that a target from elsewhere has seen */
};

void pg_tables_clear(struct pg_tables *tables);

/* Runs or prints a statement that creates something. */
UPSINK_NODISCARD bool pg_apply(struct pg_preparation *work, struct buf *sql, struct upsink_error *err);

/* --- pg_create.c ----------------------------------------------------------------------------- */
UPSINK_NODISCARD bool pg_create_missing(struct pg_preparation *work, struct upsink_error *err);

/* --- pg_register.c --------------------------------------------------------------------------- */

/* Reads who the target belongs to; UPSINK_ERR_FATAL "target_taken" where that isn't this view. */
UPSINK_NODISCARD bool pg_read_registration(struct pg_preparation *work, struct upsink_error *err);
/* Takes the positions back where the target lost what they stand for. */
UPSINK_NODISCARD bool pg_settle_positions(struct pg_preparation *work, struct upsink_error *err);
UPSINK_NODISCARD bool pg_register(struct pg_preparation *work, struct upsink_error *err);

#endif
