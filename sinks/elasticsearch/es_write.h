/* A batch on its way into the index. */
#ifndef UPSINK_ES_WRITE_H
#define UPSINK_ES_WRITE_H

#include "es_answer.h"
#include "es_document.h"
#include "es_sink.h"

enum es_progress {
    ES_NEW,     /* what is remembered of it may do; otherwise its fences have to be read */
    ES_JUDGE,   /* its fences have to be read, and judged by */
    ES_CREATED, /* a delete fence may have come in between: it has to be looked for */
    ES_VERIFY,  /* written; but a row and a delete fence may both be there: the older one has to go */
    ES_DONE
};

enum es_cleanup { ES_KEEP, ES_REMOVE_ROW, ES_REMOVE_SIDE };

struct es_item {
    const struct upsink_change *change;
    struct es_known row, side;
    enum es_progress progress;
    enum es_cleanup cleanup;
    bool read;      /* row and side are what the server has, or had */
    bool attempted; /* a request was sent for it: the server may have done it whatever it said */
};

struct es_work {
    struct upsink_sink *sink;
    struct upsink_batch *batch;
    struct es_item *items;
    size_t count;
    struct es_document_style style;
    int64_t deadline_us; /* by the fences that were read last no row is made later; monotonic */
    bool pushed_back;    /* the server had too much to do for some of them */
};

enum es_which { ES_ROWS, ES_SIDES };

static inline const char *es_alias_of(const struct upsink_sink *sink, enum es_which which)
{
    return which == ES_ROWS ? sink->rows : sink->fences;
}

/* What it is an alias of. */
static inline const char *es_index_of(const struct upsink_sink *sink, enum es_which which)
{
    return which == ES_ROWS ? sink->index : sink->fence_index;
}

/* --- es_read.c --------------------------------------------------------------------------------------- */

/* Reads row fences, or delete fences, of the items wanted into `row` or `side`. */
UPSINK_NODISCARD bool es_read_fences(struct es_work *work, enum es_which which,
                                     bool (*wanted)(const struct es_item *item), struct upsink_error *err);
/* Reads one document whole. `source` lives until the next request; absent where there is none. */
UPSINK_NODISCARD bool es_read_document(struct upsink_sink *sink, enum es_which which, struct upsink_slice key,
                                       struct es_known *known, struct upsink_slice *source,
                                       struct upsink_error *err);
/* Of the two, the one that tells what holds; NULL: neither has a fence. */
const struct es_known *es_newer(const struct es_known *row, const struct es_known *side, int64_t floor);

/* --- es_bulk.c: many actions, in as few requests as their size allows -------------------------------- */

struct es_bulk {
    struct upsink_sink *sink;
    enum es_which which;
    const char *what; /* "write to" */
    bool (*take)(struct es_bulk *bulk, uint32_t number, const struct es_outcome *outcome,
                 struct upsink_error *err);
    struct es_work *work; /* whose items the numbers are */
    bool deletes;         /* its actions are deletes; otherwise none is */
    int64_t deadline_us;  /* monotonic: what was not sent by then is a conflict (409); 0 none */
    size_t count;
    bool
        pushed_back; /* a request was refused for its size, or the server's load: its actions were not done */
};

/* An action: es_bulk_begin, the action's lines on sink->body, es_bulk_end. A document that turned out not to
 * be one is taken back with es_bulk_drop. */
UPSINK_NODISCARD bool es_bulk_begin(struct es_bulk *bulk, struct upsink_error *err);
UPSINK_NODISCARD bool es_bulk_end(struct es_bulk *bulk, size_t begun, uint32_t number,
                                  struct upsink_error *err);
void es_bulk_drop(struct es_bulk *bulk, size_t begun);
/* Sends what is left. */
UPSINK_NODISCARD bool es_bulk_finish(struct es_bulk *bulk, struct upsink_error *err);

/* Appends the action's first line. known->exists: only over what is known; otherwise only where there is
 * nothing. */
void es_put_action(struct buf *out, const char *verb, struct upsink_slice id, const struct es_known *known);

/* --- es_write.c, es_settle.c --------------------------------------------------------------------------- */

UPSINK_NODISCARD bool es_reject(struct es_work *work, size_t number, const struct upsink_error *why,
                                struct upsink_error *err);
/* Brings every item to its end. */
UPSINK_NODISCARD bool es_settle(struct es_work *work, struct upsink_error *err);

#endif
