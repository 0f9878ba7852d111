/* Documents by their ids (_mget): always what was written last, refreshed or not. */
#ifndef UPSINK_ES_GET_H
#define UPSINK_ES_GET_H

#include "es_sink.h"

struct es_found {
    bool exists;
    int64_t seq_no, primary_term;
    struct upsink_slice source, error; /* raw; until the next request */
};

/* The question: es_get_begin, es_get_add for each id, es_get_ask. Ids have to be UTF-8. */
void es_get_begin(struct buf *body);
UPSINK_NODISCARD bool es_get_add(struct buf *body, struct upsink_slice id, bool first);
/* Asks what stands on sink->body; es_get_next then reads one answer for each id, in their order. `options` of
 * the request: with a filter_path or a filtered _source the server writes the sources anew, and numbers go
 * through a double; without, they are the bytes that were written. */
UPSINK_NODISCARD bool es_get_ask(struct upsink_sink *sink, const char *what, const char *index,
                                 const char *options, struct es_json *docs, struct upsink_error *err);
/* Errors of single documents are errors of the index or of its shards. */
UPSINK_NODISCARD bool es_get_next(struct upsink_sink *sink, const char *what, struct es_json *docs,
                                  struct es_found *found, struct upsink_error *err);

#endif
