/* The sink's URL: MongoDB's connection string (specifications/source/connection-string), and `collection`
 * beside its options. No I/O. */
#ifndef UPSINK_MG_URL_H
#define UPSINK_MG_URL_H

#include "error.h"

#include <mongoc/mongoc.h>

struct mg_url {
    mongoc_uri_t *uri; /* without `collection` */
    char *collection;  /* NULL: not in the URL */
    char address[256]; /* hosts, for messages; without credentials */
};

/* CONFIG "bad_url"; then *url is empty. */
UPSINK_NODISCARD bool mg_url_parse(struct mg_url *url, const char *text, struct upsink_error *err);
void mg_url_clear(struct mg_url *url);

#endif
