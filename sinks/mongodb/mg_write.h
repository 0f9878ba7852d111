/* A batch on its way into the collection. */
#ifndef UPSINK_MG_WRITE_H
#define UPSINK_MG_WRITE_H

#include "mg_request.h"

enum mg_progress {
    MG_JUDGE,    /* its fences have to be read, and judged by */
    MG_INSERTED, /* a delete fence may have come in between: it has to be looked for */
    MG_VERIFY,   /* written; but a row and a delete fence may both be there: the older one has to go */
    MG_DONE
};

enum mg_cleanup { MG_KEEP, MG_REMOVE_ROW, MG_REMOVE_SIDE };

struct mg_item {
    const struct upsink_change *change;
    struct mg_known row, side;
    enum mg_progress progress;
    enum mg_cleanup cleanup;
    bool collided;      /* a unique index refused it; */
    size_t collided_at; /* after so many changes of the batch */
};

struct mg_work {
    struct upsink_sink *sink;
    struct upsink_batch *batch;
    struct mg_item *items;
    size_t count;
    size_t changes;      /* rows that were written or removed so far */
    int64_t deadline_us; /* by the fences that were read last no row is made later; monotonic */
};

/* Reads row fences, or delete fences, of the items in that state into `row` or `side`; of those without one
 * `exists` is false. */
enum mg_which { MG_ROWS, MG_SIDES };
UPSINK_NODISCARD bool mg_find_fences(struct mg_work *work, enum mg_which which,
                                     bool (*wanted)(const struct mg_item *item), struct upsink_error *err);

/* Build statements in sink->statement: a new row to insert; what takes the place of a row, if that is still
 * the one that was read; the delete fence, likewise. */
UPSINK_NODISCARD bool mg_build_insert(struct mg_work *work, const struct mg_item *item,
                                      const struct upsink_fence *before, struct upsink_error *err);
UPSINK_NODISCARD bool mg_build_replace(struct mg_work *work, const struct mg_item *item,
                                       const struct upsink_fence *before, struct upsink_error *err);
UPSINK_NODISCARD bool mg_build_side(struct mg_work *work, const struct mg_item *item,
                                    const struct upsink_fence *before, struct upsink_error *err);

/* Gives the item the verdict REJECTED; false when out of memory. */
UPSINK_NODISCARD bool mg_reject(struct mg_work *work, uint32_t number, const struct upsink_error *why,
                                struct upsink_error *err);
UPSINK_NODISCARD bool mg_reject_by_code(struct mg_work *work, uint32_t number,
                                        const struct mg_outcome *outcome, struct upsink_error *err);

/* Brings every item to its end. */
UPSINK_NODISCARD bool mg_settle(struct mg_work *work, struct upsink_error *err);

/* Of the two, the one that tells what holds; NULL: neither has a fence. */
const struct mg_known *mg_newer(const struct mg_known *row, const struct mg_known *side, int64_t floor);

#endif
