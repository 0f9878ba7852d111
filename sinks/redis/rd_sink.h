/* The inside of the Redis sink: one connection, one prefix of one view.
 *
 * Beside the rows, prefix + key, there are
 *
 *   _upsink:target:<prefix>           hash: which view fills the prefix, from which topic, as what; `id`
 *   _upsink:view:<view>               hash: how far each partition is, and which id the view filled last
 *   _upsink:fences:<id>               hash: the fences of the entities that have a row, by the row's key
 *   _upsink:gone:<id>:<prefix><key>   string: the fence of an entity without a row (deleted), which may
 * expire
 *
 * The id is made anew whenever the target is, so that a script that comes late from an earlier life of the
 * target finds out, and old fences are void at once. With a ttl for rows their fences are strings too.
 *
 * Everything belongs to the thread that holds the sink. */
#ifndef UPSINK_RD_SINK_H
#define UPSINK_RD_SINK_H

#include "buf.h"
#include "rd_fence.h"
#include "rd_hash.h"
#include "rd_tls.h"
#include "rd_url.h"
#include "sinks/host.h"

#include <hiredis/hiredis.h>

enum { RD_ID_SIZE = 33, RD_SHA_SIZE = 41 };

/* What the store is known to hold of a partition that this sink claimed: a server that came back without its
 * last writes holds something else. */
struct rd_known {
    char *field; /* of the view's hash */
    int64_t epoch;
    int64_t next_offset;
    int64_t sent_offset; /* of a commit whose answer did not come; otherwise next_offset */
};

struct upsink_sink {
    const struct upsink_view *view;
    const struct upsink_host *host; /* may be NULL */
    struct rd_settings settings;
    char description[512];

    int fd;      /* -1: not connected */
    bool broken; /* the connection can't be used any more */
    struct rd_tls *tls;
    redisReader *reader;
    struct buf out;      /* commands on their way */
    size_t sent;         /* bytes of `out` */
    int64_t progress_at; /* monotonic: when bytes came or went last */
    int64_t most_bytes;  /* the server's proto-max-bulk-len */

    char id[RD_ID_SIZE];   /* of the target; "" before prepare */
    char sha[RD_SHA_SIZE]; /* of the script that writes; "" where it has to be loaded */
    struct buf target_key, view_key, fences_key, gone_key;

    struct rd_known *known;
    size_t known_count, known_capacity;

    uint32_t *order; /* scratch of write: places in the batch */
    struct rd_slice *slices;
    size_t order_capacity;
    struct rd_hash hash;
    struct buf scratch;
    redisReply *row; /* what read_row's slices point into */
    struct buf seen; /* likewise */
};

/* --- rd_connect.c ---------------------------------------------------------------------------- */

/* A sound connection, logged in; reconnects where there is none. */
UPSINK_NODISCARD bool rd_connect(struct upsink_sink *sink, struct upsink_error *err);
void rd_disconnect(struct upsink_sink *sink);

/* --- rd_wire.c ------------------------------------------------------------------------------- */

/* A command is begun, gets its arguments, and is sent by rd_send or when its answer is asked for. */
void rd_begin(struct upsink_sink *sink, size_t arguments);
void rd_arg(struct upsink_sink *sink, struct upsink_slice bytes);
void rd_arg_text(struct upsink_sink *sink, const char *text);
void rd_arg_int64(struct upsink_sink *sink, int64_t number);
/* Arguments put together elsewhere, to be appended to `out` of the sink as they are. */
void rd_put(struct buf *out, struct upsink_slice bytes);
/* One of that size, to be filled by the caller at once; NULL when out of memory. */
char *rd_put_room(struct buf *out, size_t size);
/* A whole command of texts that ends with NULL. */
void rd_command(struct upsink_sink *sink, const char *first, ...) __attribute__((sentinel));

/* Sends what was put together so far, all of it; answers that come meanwhile are kept. */
UPSINK_NODISCARD bool rd_send(struct upsink_sink *sink, const char *doing, struct upsink_error *err);
/* The next answer, whatever it is; NULL where the connection is lost. `doing` completes "can't …". Freed by
 * the caller. */
UPSINK_NODISCARD redisReply *rd_next(struct upsink_sink *sink, const char *doing, struct upsink_error *err);
/* The next answer; NULL and its meaning where it is an error. */
UPSINK_NODISCARD redisReply *rd_answer(struct upsink_sink *sink, const char *doing, struct upsink_error *err);

bool rd_fail_reply(struct upsink_sink *sink, const redisReply *reply, const char *doing,
                   struct upsink_error *err);
/* An answer of another form than the command gives. */
bool rd_fail_form(struct upsink_sink *sink, const char *doing, struct upsink_error *err);
bool rd_fail_memory(struct upsink_error *err);
struct upsink_slice rd_text(const redisReply *reply);            /* absent where it is no text */
const redisReply *rd_element(const redisReply *reply, size_t i); /* NULL where there is none */
void rd_reply_free(redisReply **reply);

/* --- rd_prepare.c, rd_state.c, rd_write.c, rd_read.c ----------------------------------------- */

bool rd_prepare(struct upsink_sink *sink, const struct upsink_printer *plan, struct upsink_error *err);
/* UPSINK_ERR_OUTAGE where prepare has to come first. */
UPSINK_NODISCARD bool rd_check_ready(struct upsink_sink *sink, struct upsink_error *err);

bool rd_claim(struct upsink_sink *sink, struct upsink_position *position, struct upsink_error *err);
bool rd_commit(struct upsink_sink *sink, const struct upsink_position *positions, size_t count,
               struct upsink_error *err);
/* The positions that this sink holds are those that it stored; otherwise UPSINK_ERR_TARGET_LOST. */
UPSINK_NODISCARD bool rd_check_known(struct upsink_sink *sink, struct upsink_error *err);
void rd_forget_known(struct upsink_sink *sink);

bool rd_write(struct upsink_sink *sink, struct upsink_batch *batch, struct upsink_error *err);
bool rd_read_row(struct upsink_sink *sink, struct upsink_slice key, struct upsink_row *row,
                 struct upsink_error *err);

/* --- rd_script.c ----------------------------------------------------------------------------- */

extern const char rd_script_write[], rd_script_prepare[], rd_script_claim[], rd_script_commit[],
    rd_script_read[];

#endif
