/* The HTTP listener: /healthz, /readyz, /metrics.
 *
 * One thread of its own serves all connections (a bounded number, with time limits); nothing in the service
 * ever waits for it. GET and HEAD only. */
#ifndef UPSINK_HTTP_H
#define UPSINK_HTTP_H

#include "buf.h"
#include "connector/metrics.h"
#include "error.h"

struct http;

struct http_options {
    /* "host:port", "[::1]:9464", ":9464" (every address); port 0: any free one. */
    const char *listen;
    /* The user asked for this address: a port that is taken is an error. Otherwise a free one is used. */
    bool listen_given;
    /* A token is configured. Without one, listening beyond loopback is refused. */
    bool token_given;
    struct metrics *metrics;
    /* true: every view makes progress. Otherwise appends "VIEW: why\n" for each that can't. Called from the
     * HTTP thread; must not wait for anything slow. */
    bool (*ready)(void *context, struct buf *reasons);
    void *context;
};

/* Starts listening; returns at once. NULL with UPSINK_ERR_CONFIG (listen makes no sense, or is refused) or
 * UPSINK_ERR_FATAL ("http_address_taken", "http_failed"). options are copied, what they point at is borrowed
 * but for `listen`. */
UPSINK_NODISCARD struct http *http_create(const struct http_options *options, struct upsink_error *err);

/* Where it listens, with the real port: "127.0.0.1:9464". */
const char *http_address(const struct http *http);

/* Stops; requests under way are cut off. NULL is fine. */
void http_destroy(struct http *http);

#endif
