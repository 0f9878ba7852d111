/* .upsink-state: which view and topic fill which index, and what the index was when they did; and how far
 * each partition has come. One document each, changed only by compare-and-set. */
#ifndef UPSINK_ES_REGISTER_H
#define UPSINK_ES_REGISTER_H

#include "es_sink.h"

/* A document of .upsink-state. */
struct es_state {
    bool exists;
    int64_t seq_no, primary_term;
};

enum { ES_STATE_ID_SIZE = 513 };

struct es_registration {
    struct es_state state;
    char uuid[64], fence_uuid[64]; /* of the indices */
    char incarnation[40];          /* positions of another one are void */
    int64_t generation;            /* the highest that rows told of when it was registered */
    bool filled;                   /* the index has rows */
};

/* Reads a document; `source` lives until the next request. A missing index counts as a missing document. */
UPSINK_NODISCARD bool es_state_read(struct upsink_sink *sink, const char *id, struct es_state *state,
                                    struct upsink_slice *source, struct upsink_error *err);
/* Writes it over what was read. *done false: somebody else has changed it since. */
UPSINK_NODISCARD bool es_state_write(struct upsink_sink *sink, const char *id, const struct es_state *state,
                                     const struct buf *document, bool *done, struct upsink_error *err);

/* FATAL "target_taken" where the index holds another view, "target_newer" where a later upsink prepared it.
 */
UPSINK_NODISCARD bool es_register_read(struct upsink_sink *sink, struct es_registration *registration,
                                       struct upsink_error *err);
UPSINK_NODISCARD bool es_register_write(struct upsink_sink *sink, const struct es_registration *registration,
                                        bool *done, struct upsink_error *err);

/* Whether the index is there, is the one that was prepared, and was not emptied; TARGET_LOST otherwise.
 * `rows`: about how many there are. */
UPSINK_NODISCARD bool es_check_target(struct upsink_sink *sink, int64_t *rows, struct upsink_error *err);
/* `refresh`: exactly. */
UPSINK_NODISCARD bool es_count_rows(struct upsink_sink *sink, bool refresh, int64_t *rows,
                                    struct upsink_error *err);
/* Tells the register that there are rows, or that there may soon be none. */
UPSINK_NODISCARD bool es_note_filled(struct upsink_sink *sink, bool filled, struct upsink_error *err);
/* The highest generation that the 10,000 rows and fences which were written last tell of. */
UPSINK_NODISCARD bool es_newest_generation(struct upsink_sink *sink, int64_t *generation,
                                           struct upsink_error *err);

#endif
