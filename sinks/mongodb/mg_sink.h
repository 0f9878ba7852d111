/* What the parts of the MongoDB sink share. One thread at a time owns a sink and all that it points to. */
#ifndef UPSINK_MG_SINK_H
#define UPSINK_MG_SINK_H

#include "arena.h"
#include "mg_bson.h"
#include "mg_code.h"
#include "mg_json.h"
#include "mg_url.h"
#include "sinks/host.h"

#include <mongoc/mongoc.h>

#define MG_VIEWS "_upsink_views"
#define MG_STATE "_upsink_state"

enum {
    MG_NAME_MAX = 256,          /* of "database.collection", in bytes */
    MG_DOCUMENT_MAX = 16 << 20, /* the server's limit */
    MG_COMMAND_BYTES = 1 << 20, /* statements of a command: more of them make another command */
    MG_FIND_BYTES = 1 << 20     /* keys of one question */
};

/* What the server holds of one entity: in its row, and in the side collection of delete fences. */
struct mg_known {
    bool exists;
    bool has_fence; /* false: a row that upsink never wrote */
    struct upsink_fence fence;
};

struct mg_item; /* mg_write.h */

struct upsink_sink {
    const struct upsink_view *view;
    const struct upsink_host *host;
    struct mg_url url;
    const char *database;
    char collection[MG_NAME_MAX], fences[MG_NAME_MAX + 32];
    char description[640];
    char write_concern[64]; /* "majority", a number, or a tag of the user's */
    struct mg_dates dates;

    mongoc_client_t *client; /* NULL: not connected */
    bool broken;             /* the connection is not to be used again */
    bool guards;             /* the server checks a collection's UUID itself */
    bool relaxed;            /* a replica set: see mg_confirm */
    int64_t term;            /* of the primary that the sink was prepared on */
    bool unconfirmed;        /* something was written or judged since the last mg_confirm */
    bool ready;              /* prepared, and the target was not found lost since */
    uint8_t uuid[16];        /* of the collection */
    bool filled;             /* there are rows, as the register says */

    struct mg_converter converter;
    struct buf statement, command, out;
    struct mg_item *items;
    size_t item_capacity;
    uint32_t *numbers;  /* of the items behind the statements of a command */
    struct arena arena; /* fences that were read */
};

/* --- mg_command.c: to the server and back --------------------------------------------------------- */

UPSINK_NODISCARD bool mg_connect(struct upsink_sink *sink, struct upsink_error *err);
void mg_disconnect(struct upsink_sink *sink);
/* OUTAGE where there is no connection, or where the sink is not prepared. */
UPSINK_NODISCARD bool mg_check_ready(struct upsink_sink *sink, struct upsink_error *err);

/* Runs a command on the view's database. `reply` is always initialized. Errors of the command as a whole,
 * write concern errors among them, are classified; those of single statements are left in the reply. */
UPSINK_NODISCARD bool mg_run(struct upsink_sink *sink, const char *what, const struct buf *command,
                             bson_t *reply, struct upsink_error *err);

/* Of a code in a reply; `detail` is appended to it. RECORD becomes UNKNOWN: no record is at fault for a
 * command. */
bool mg_fail_code(const struct upsink_sink *sink, const char *what, int32_t code, struct upsink_error *err);
bool mg_fail_memory(struct upsink_error *err);
bool mg_fail_lost(struct upsink_sink *sink, struct upsink_error *err);
bool mg_fail_reply(const struct upsink_sink *sink, const char *what, struct upsink_error *err);

/* Parts of commands. What a batch writes is weak where mg_confirm follows. */
enum mg_strength { MG_WEAK, MG_STRONG };
void mg_put_write_concern(const struct upsink_sink *sink, struct buf *command, enum mg_strength strength);
void mg_put_read_concern(const struct upsink_sink *sink, struct buf *command);
void mg_put_uuid(struct buf *command, const char *name, const uint8_t uuid[16]);

/* Parts of replies: a number, or the fallback; a document or array, or false. */
int64_t mg_reply_number(const bson_t *reply, const char *path, int64_t fallback);
bool mg_reply_text(const bson_t *reply, const char *path, char *out, size_t size);
bool mg_reply_child(const bson_t *reply, const char *path, bson_iter_t *child);
bool mg_reply_uuid(const bson_iter_t *value, uint8_t uuid[16]);
/* Of the first of the errors of statements; 0: there is none. */
int32_t mg_reply_write_error(const bson_t *reply);

/* --- mg_fence.c: what is remembered of an entity ----------------------------------------------------- */

/* Appends the element `_upsink`; `inside` NULL, or elements that stand in it too. */
void mg_fence_put(const struct upsink_sink *sink, struct buf *out, const struct upsink_fence *fence,
                  const struct buf *inside);
/* Reads it from a document. The slices are copied to the arena. False when out of memory. */
UPSINK_NODISCARD bool mg_fence_read(const struct upsink_sink *sink, const bson_t *document,
                                    struct arena *arena, struct mg_known *known);

/* A filter without its braces: the document as it was read. Partition, offset and generation tell every state
 * of an entity from every other. */
void mg_filter_as_read(const struct upsink_sink *sink, struct buf *out, struct upsink_slice key,
                       const struct mg_known *known);

/* --- mg_prepare.c, mg_register.c, mg_state.c ---------------------------------------------------------- */

bool mg_prepare(struct upsink_sink *sink, const struct upsink_printer *plan, struct upsink_error *err);
bool mg_claim(struct upsink_sink *sink, struct upsink_position *position, struct upsink_error *err);
bool mg_commit(struct upsink_sink *sink, const struct upsink_position *positions, size_t count,
               struct upsink_error *err);

/* Whether somebody emptied the collection; TARGET_LOST then. */
UPSINK_NODISCARD bool mg_check_emptied(struct upsink_sink *sink, struct upsink_error *err);
/* Tells the register that there are rows, or that there may soon be none. */
UPSINK_NODISCARD bool mg_note_filled(struct upsink_sink *sink, bool filled, struct upsink_error *err);
/* Waits until everything that was written before, and everything that was read and judged by, is safe as the
 * write concern says. In a replica set one write with the whole concern does that for all before it, as long
 * as they went to the same primary, of one term: OUTAGE where that changed. `first`: the sink is being
 * prepared, the term is taken down. */
UPSINK_NODISCARD bool mg_confirm(struct upsink_sink *sink, bool first, struct upsink_error *err);
/* Whether any document is there. */
UPSINK_NODISCARD bool mg_has_rows(struct upsink_sink *sink, const char *collection, bool *any,
                                  struct upsink_error *err);
/* As the collection's metadata has it, quick and at times a little wrong. */
UPSINK_NODISCARD bool mg_count_rows(struct upsink_sink *sink, const char *collection, int64_t *count,
                                    struct upsink_error *err);
/* The UUID of the collection, as the server has it now; TARGET_LOST where it is not ours. */
UPSINK_NODISCARD bool mg_check_uuid(struct upsink_sink *sink, struct upsink_error *err);
/* The highest generation that rows and fences tell of; of a very large collection, a sample's. */
UPSINK_NODISCARD bool mg_newest_generation(struct upsink_sink *sink, int64_t *generation,
                                           struct upsink_error *err);

/* --- mg_write.c, mg_read.c ------------------------------------------------------------------------------ */

bool mg_write(struct upsink_sink *sink, struct upsink_batch *batch, struct upsink_error *err);
bool mg_read_row(struct upsink_sink *sink, struct upsink_slice key, struct upsink_row *row,
                 struct upsink_error *err);

#endif
