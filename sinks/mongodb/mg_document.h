/* The document of an entity: _id, its own fields, _upsink. */
#ifndef UPSINK_MG_DOCUMENT_H
#define UPSINK_MG_DOCUMENT_H

#include "mg_sink.h"

/* Appends the document. RECORD: the entity can't be stored; FATAL: out of memory. The output is void then. */
UPSINK_NODISCARD bool mg_document_put(struct upsink_sink *sink, struct buf *out,
                                      const struct upsink_change *change, const struct upsink_fence *fence,
                                      struct upsink_error *err);

/* The entity as JSON text from its document. */
UPSINK_NODISCARD bool mg_document_entity(const struct upsink_sink *sink, const bson_t *document,
                                         struct buf *out);

#endif
