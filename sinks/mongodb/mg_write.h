/* A batch on its way into the collection. */
#ifndef UPSINK_MG_WRITE_H
#define UPSINK_MG_WRITE_H

#include "mg_request.h"

enum mg_progress {
    MG_QUICK,  /* to be written under a filter that says it wins */
    MG_JUDGE,  /* its fences have to be read first */
    MG_VERIFY, /* written; but a row and a delete fence may both be there now: the older one has to go */
    MG_DONE
};

enum mg_cleanup { MG_KEEP, MG_REMOVE_ROW, MG_REMOVE_SIDE };

struct mg_item {
    const struct upsink_change *change;
    struct mg_known row, side;
    enum mg_progress progress;
    enum mg_cleanup cleanup;
    bool inserted;
};

struct mg_work {
    struct upsink_sink *sink;
    struct upsink_batch *batch;
    struct mg_item *items;
    size_t count;
    size_t raced;       /* since somebody looked last */
    int64_t read_at_us; /* when fences were read last */
};

/* Reads row fences, or delete fences, of the items in that state into `row` or `side`; of those without one
 * `exists` is false. */
enum mg_which { MG_ROWS, MG_SIDES };
UPSINK_NODISCARD bool mg_find_fences(struct mg_work *work, enum mg_which which,
                                     bool (*wanted)(const struct mg_item *item), struct upsink_error *err);

/* Builds statements of `update` in sink->statement: the document that the change makes, or the delete fence.
 */
UPSINK_NODISCARD bool mg_build_row(struct mg_work *work, const struct mg_item *item, bool quick,
                                   const struct upsink_fence *before, struct upsink_error *err);
UPSINK_NODISCARD bool mg_build_side(struct mg_work *work, const struct mg_item *item,
                                    const struct upsink_fence *before, struct upsink_error *err);

/* Gives the item the verdict REJECTED; false when out of memory. */
UPSINK_NODISCARD bool mg_reject(struct mg_work *work, uint32_t number, const struct upsink_error *why,
                                struct upsink_error *err);
UPSINK_NODISCARD bool mg_reject_by_code(struct mg_work *work, uint32_t number,
                                        const struct mg_outcome *outcome, struct upsink_error *err);

/* Brings every item that is not done to its end, by reading fences and comparing them with
 * upsink_fence_judge. */
UPSINK_NODISCARD bool mg_settle(struct mg_work *work, struct upsink_error *err);

/* Of the two, the one that tells what holds; NULL: neither has a fence. */
const struct mg_known *mg_newer(const struct mg_known *row, const struct mg_known *side, int64_t floor);

enum {
    MG_FRESH_US = 10000000
}; /* fences that were read longer ago are read again before anything is inserted */

#endif
