/* The inside of the sink files. DIR is the URL's path, FOLDER the view's target below it.
 *
 *     DIR/FOLDER/KEY.json              an entity: its JSON, the producer's bytes
 *     DIR/FOLDER/KEY.deleted           the last state of a deleted one, with `delete: soft` only
 *     DIR/FOLDER/.upsink/%target       whose folder this is, and its number
 *     DIR/FOLDER/.upsink/%filled       there were rows when we last looked
 *     DIR/FOLDER/.upsink/KEY.fence     what is remembered of an entity, deleted or not
 *     DIR/FOLDER/.upsink/KEY.0, .1     an entity on its way to KEY.json
 *     DIR/.upsink/%lock                held by whoever reads or writes below DIR
 *     DIR/.upsink/VIEW/TOPIC,0.position
 *
 * The number is made anew whenever the folder turns out not to be the one that was written before. Fences and
 * positions carry it, and say nothing under another number: so one rename voids them all at once. */
#ifndef FILES_H
#define FILES_H

#include "disk.h"

struct upsink_sink {
    const struct upsink_view *view;
    const struct upsink_host *host; /* may be NULL */
    char *directory, *folder;
    char *description;
    char folder_name[NAME_SIZE], view_name[NAME_SIZE];
    size_t max_bytes; /* of an entity; 0: any */
    bool sync;
    uint64_t number;        /* of the target, as prepare found or made it; 0 before */
    struct text fence, row; /* what read_row gave out */
};

/* The open directories of one call, with the lock; -1 where not open. */
struct place {
    int base, hidden, lock, rows, fences, positions;
};

/* Opens the directories, takes the lock, and sees to it that the target is the one that was prepared:
 * otherwise UPSINK_ERR_TARGET_LOST. Nothing is held when it fails. */
bool target_enter(struct upsink_sink *sink, struct place *place, struct upsink_error *err);
void target_leave(struct place *place);

/* Notes that there are rows: before a write that there may be, after it whether there are. */
bool target_note_rows(struct upsink_sink *sink, struct place *place, bool will_be, struct upsink_error *err);

/* See <upsink/sink.h>. */
bool target_prepare(struct upsink_sink *sink, const struct upsink_printer *plan, struct upsink_error *err);
bool target_claim(struct upsink_sink *sink, struct upsink_position *position, struct upsink_error *err);
bool target_commit(struct upsink_sink *sink, const struct upsink_position *positions, size_t count,
                   struct upsink_error *err);

#endif
