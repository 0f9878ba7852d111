/* Many statements, as many commands as their size asks for, an outcome for each of them. */
#ifndef UPSINK_MG_REQUEST_H
#define UPSINK_MG_REQUEST_H

#include "mg_sink.h"

struct mg_outcome {
    int32_t code;     /* the server's; 0: done */
    bool inserted;    /* an update inserted a document */
    bool uncertain;   /* of this and its neighbours at least one found its condition broken: read again */
    bool id_is_taken; /* the document with that _id is another one than the filter wants */
    char detail[160]; /* which index or field of a refused document */
};

struct mg_request;

/* `number` is the item's. False ends the request with that error. */
typedef bool mg_take_outcome(struct mg_request *request, uint32_t number, const struct mg_outcome *outcome,
                             struct upsink_error *err);

struct mg_request {
    struct upsink_sink *sink;
    const char *verb; /* "insert", "update" or "delete" */
    const char *collection;
    const char *what; /* for messages: "write to" */
    mg_take_outcome *take;
    void *context;
    int64_t deadline_us; /* on the monotonic clock; statements that were not sent by then are
                            MG_UPDATE_CONFLICT */
    /* inside */
    uint32_t count;
    size_t whole, list;
};

UPSINK_NODISCARD bool mg_request_add(struct mg_request *request, uint32_t number, const struct buf *statement,
                                     struct upsink_error *err);
UPSINK_NODISCARD bool mg_request_finish(struct mg_request *request, struct upsink_error *err);

#endif
