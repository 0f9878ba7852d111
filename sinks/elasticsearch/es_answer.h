/* The answer to a _bulk: one item for each action, in their order. Pure.
 *
 * {"took": 3, "errors": false, "items": [{"index": {"_id": "a", "_seq_no": 1, "_primary_term": 1, "status":
 * 200}}]}
 *
 * `errors` is not believed: each item's own status tells. Whatever is not exactly as long, in this order and
 * of these ids is no answer: then nothing is known of any action. */
#ifndef UPSINK_ES_ANSWER_H
#define UPSINK_ES_ANSWER_H

#include "es_json.h"

struct es_outcome {
    long status;
    int64_t seq_no, primary_term;
    struct upsink_slice verb, id; /* raw: "index", "create" or "delete" */
    struct upsink_slice error;    /* raw; absent where it was done */
};

/* The array of items; `bad` where the body is something else, or cut off. */
struct es_json es_answer_items(struct upsink_slice body);
/* The next item. False where there is none, or it is none. */
UPSINK_NODISCARD bool es_answer_next(struct es_json *items, struct es_outcome *outcome);
/* Whether all items were read. */
UPSINK_NODISCARD bool es_answer_is_over(struct es_json *items);

/* Whether it is the answer to that action: to a delete, or to one that writes. */
UPSINK_NODISCARD bool es_outcome_is_of(const struct es_outcome *outcome, bool deletes,
                                       struct upsink_slice id);
/* Whether the action was done. */
bool es_outcome_is_done(const struct es_outcome *outcome);

#endif
