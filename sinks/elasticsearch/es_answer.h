/* The answers to a _bulk and to an _mget: one item for each action, one document for each id, in their order.
 * Pure.
 *
 * {"took": 3, "errors": false, "items": [{"index": {"_id": "a", "_seq_no": 1, "_primary_term": 1, "status":
 * 200}}]}
 * {"docs": [{"_index": "orders", "_id": "a", "found": true, "_seq_no": 1, "_primary_term": 1, "_source":
 * {}}]}
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

struct es_found {
    bool exists;
    int64_t seq_no, primary_term;
    struct upsink_slice index, id, source, error; /* raw */
};

/* The same for documents; es_answer_is_over reads their end too. */
struct es_json es_answer_docs(struct upsink_slice body);
UPSINK_NODISCARD bool es_answer_doc(struct es_json *docs, struct es_found *found);
/* Whether it is the document of that id, in that index (NULL: in any; where there is an error, it may be the
 * alias that was asked). */
UPSINK_NODISCARD bool es_found_is_of(const struct es_found *found, const char *index, struct upsink_slice id);

#endif
