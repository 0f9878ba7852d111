/* The document of an entity: its own fields at the top level, and _upsink. */
#ifndef UPSINK_ES_DOCUMENT_H
#define UPSINK_ES_DOCUMENT_H

#include "es_fence.h"

/* How views differ. */
struct es_document_style {
    bool with_topic; /* fences name their topic */
    bool soft;       /* deleted_at is ours */
};

/* Appends the document, on one line. RECORD: the entity can't be stored; FATAL: out of memory. What was
 * appended is void then. */
UPSINK_NODISCARD bool es_document_put(struct buf *out, const struct es_document_style *style,
                                      const struct upsink_change *change, const struct upsink_fence *fence,
                                      struct upsink_error *err);

/* Appends the document of a deleted entity whose last state stays; `source` is the document as it was. */
void es_document_put_deleted(struct buf *out, const struct es_document_style *style,
                             struct upsink_slice source, const struct upsink_fence *fence,
                             int64_t deleted_at_us);

/* Appends the delete fence's. */
void es_document_put_fence(struct buf *out, const struct es_document_style *style,
                           const struct upsink_fence *fence);

/* Appends the entity, from its document. */
void es_document_entity(struct buf *out, const struct es_document_style *style, struct upsink_slice source,
                        struct upsink_slice key);

#endif
