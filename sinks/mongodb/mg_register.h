/* _upsink_views: which view and topic fill which collection, and what the collection was when they did. */
#ifndef UPSINK_MG_REGISTER_H
#define UPSINK_MG_REGISTER_H

#include "mg_sink.h"

struct mg_registration {
    bool known;
    bool has_uuid; /* false: the view filled another collection since */
    uint8_t uuid[16];
    bool filled;
    int64_t generation; /* the least one of a position that is made: rows of an earlier life may have it */
};

/* FATAL "target_taken" where the collection holds another view, "target_newer" where a later upsink prepared
 * it. */
UPSINK_NODISCARD bool mg_register_read(struct upsink_sink *sink, struct mg_registration *registration,
                                       struct upsink_error *err);
/* The collection as it is now is this view's, and no other one is. */
UPSINK_NODISCARD bool mg_register_write(struct upsink_sink *sink, bool filled, struct upsink_error *err);
/* Positions that are made from now on begin at this generation, or a higher one. */
UPSINK_NODISCARD bool mg_note_generation(struct upsink_sink *sink, int64_t generation,
                                         struct upsink_error *err);
/* Every position of the view loses its offset and its owner. */
UPSINK_NODISCARD bool mg_reset_positions(struct upsink_sink *sink, int64_t generation,
                                         struct upsink_error *err);
UPSINK_NODISCARD bool mg_empty_fences(struct upsink_sink *sink, struct upsink_error *err);

#endif
