/* What the parts of the Elasticsearch sink share. One thread at a time owns a sink and all that it points to.
 */
#ifndef UPSINK_ES_SINK_H
#define UPSINK_ES_SINK_H

#include "arena.h"
#include "buf.h"
#include "es_cache.h"
#include "es_code.h"
#include "es_json.h"
#include "es_url.h"
#include "sinks/host.h"

#include <curl/curl.h>
#include <jansson.h>

#define ES_STATE ".upsink-state"

enum {
    ES_INDEX_MAX = 255, /* bytes of a name */
    ES_PREFIX_MAX = 16, /* of the names that are made from an index' own */
    ES_ID_MAX = 512,
    ES_BULK_BYTES = 2 << 20,       /* of a request, where the server takes so much */
    ES_BULK_BYTES_LEAST = 64 << 10 /* to which 429 and 413 may bring it down */
};

struct es_item; /* es_write.h */

struct upsink_sink {
    const struct upsink_view *view;
    const struct upsink_host *host;
    struct es_url url;
    json_t *settings, *mappings; /* of an index that has to be made; NULL: the server's own */
    const char *alias;           /* for readers; NULL: none */
    const char *ca_file;
    char *authorization; /* a header; secret */
    char name[ES_INDEX_MAX + 1];

    /* Since prepare: */
    char index[ES_INDEX_MAX + 1];                          /* the concrete one, where the name is an alias */
    char rows[ES_INDEX_MAX + 1], fences[ES_INDEX_MAX + 1]; /* the aliases to write through */
    char fence_index[ES_INDEX_MAX + 1];
    char uuid[64];
    char incarnation[40];
    int64_t request_max;    /* bytes that the server takes in one request */
    bool ready;             /* prepared, and the target was not found lost since */
    bool filled;            /* there are rows, as the register says */
    int64_t unseen_deletes; /* since the index was refreshed by us */

    CURL *curl; /* NULL: not connected */
    struct curl_slist *headers;
    size_t host_number;
    char curl_error[CURL_ERROR_SIZE];
    struct {
        curl_off_t moved;
        int64_t at_us;
        bool stopped;
    } progress;
    int64_t
        prepare_by_us;  /* then preparing is given up, however often the server answered; 0: not preparing */
    int64_t away_at_us; /* when preparing last met an outage; 0: never */
    size_t bulk_bytes;
    unsigned good_bulks; /* since it was halved */

    struct buf body, answer, text;
    struct arena arena; /* fences that were read */
    struct es_item *items;
    size_t item_capacity;
    uint32_t *numbers; /* of the items behind the actions of a request */
    struct es_cache cache;
    char description[ES_INDEX_MAX + 300];
};

/* --- es_http.c: to the server and back --------------------------------------------------------------- */

struct es_reply {
    long status;
    struct upsink_slice body; /* until the next request */
};

/* One request on the connection, which is opened where there is none. False only where there is no answer:
 * OUTAGE, or REFUSED where the certificate is not to be trusted. */
UPSINK_NODISCARD bool es_exchange(struct upsink_sink *sink, const char *what, const char *method,
                                  const char *path, struct upsink_slice body, struct es_reply *reply,
                                  struct upsink_error *err);
/* The same, where any status but 2xx is an error. */
UPSINK_NODISCARD bool es_ask(struct upsink_sink *sink, const char *what, const char *method, const char *path,
                             struct upsink_slice body, struct es_reply *reply, struct upsink_error *err);
void es_disconnect(struct upsink_sink *sink);
/* The view's, or the default where it has none. */
int64_t es_timeout_us(const struct upsink_sink *sink);

/* The error of an answer as a whole: no record is at fault for it. */
bool es_fail_reply(const struct upsink_sink *sink, const char *what, const struct es_reply *reply,
                   struct upsink_error *err);
bool es_fail_code(const struct upsink_sink *sink, const char *what, long status, struct upsink_slice error,
                  struct upsink_error *err);
bool es_fail_shape(const struct upsink_sink *sink, const char *what, struct upsink_error *err);
bool es_fail_memory(struct upsink_error *err);
bool es_fail_lost(struct upsink_sink *sink, struct upsink_error *err);
/* OUTAGE where the sink is not prepared. */
UPSINK_NODISCARD bool es_check_ready(const struct upsink_sink *sink, struct upsink_error *err);
bool es_is_stopping(const struct upsink_sink *sink);
void es_sleep(int ms);
void es_log(const struct upsink_sink *sink, enum upsink_log_level level, const char *text);

/* --- es_prepare.c, es_register.c, es_state.c ---------------------------------------------------------- */

bool es_prepare(struct upsink_sink *sink, const struct upsink_printer *plan, struct upsink_error *err);
bool es_claim(struct upsink_sink *sink, struct upsink_position *position, struct upsink_error *err);
bool es_commit(struct upsink_sink *sink, const struct upsink_position *positions, size_t count,
               struct upsink_error *err);

/* --- es_write.c, es_read.c ---------------------------------------------------------------------------- */

bool es_write(struct upsink_sink *sink, struct upsink_batch *batch, struct upsink_error *err);
bool es_read_row(struct upsink_sink *sink, struct upsink_slice key, struct upsink_row *row,
                 struct upsink_error *err);

#endif
