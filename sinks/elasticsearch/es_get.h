/* Documents by their ids (_mget): always what was written last, refreshed or not. */
#ifndef UPSINK_ES_GET_H
#define UPSINK_ES_GET_H

#include "es_answer.h"
#include "es_sink.h"

/* An answer, one document after the other. */
struct es_docs {
    const char *what;    /* was asked for: "read fences of" */
    const char *index;   /* that they have to be of, behind the alias that was asked; NULL: any */
    struct es_json json; /* until the next request */
};

/* The question: es_get_begin, es_get_add for each id, es_get_ask. Ids have to be UTF-8. */
void es_get_begin(struct buf *body);
UPSINK_NODISCARD bool es_get_add(struct buf *body, struct upsink_slice id, bool first);
/* Asks `where`, an index or alias, for what stands on sink->body; es_get_next then reads one answer for each
 * id, in their order. `options` of the request: with a filter_path or a filtered _source the server writes
 * the sources anew, and numbers go through a double; without, they are the bytes that were written. */
UPSINK_NODISCARD bool es_get_ask(struct upsink_sink *sink, const char *where, const char *options,
                                 struct es_docs *docs, struct upsink_error *err);
/* The next document, which has to be that of `id`: where it is another one the answers are mixed up, and
 * nothing of them holds. Errors of single documents are errors of the index or of its shards. */
UPSINK_NODISCARD bool es_get_next(struct upsink_sink *sink, struct es_docs *docs, struct upsink_slice id,
                                  struct es_found *found, struct upsink_error *err);
/* Behind the last one. */
UPSINK_NODISCARD bool es_get_end(struct upsink_sink *sink, struct es_docs *docs, struct upsink_error *err);

#endif
