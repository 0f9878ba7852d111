/* The sink's URL: elasticsearch[+https]://[user:password@]host[:port][,host[:port]...][/index]; the same with
 * opensearch. Pure. */
#ifndef UPSINK_ES_URL_H
#define UPSINK_ES_URL_H

#include "buf.h"
#include "url.h"

enum { ES_HOSTS_MAX = 16, ES_HOST_SIZE = 262 };

struct es_url {
    bool tls;
    char hosts[ES_HOSTS_MAX][ES_HOST_SIZE]; /* host:port */
    size_t host_count;
    char shown[256];  /* the scheme and the hosts, without credentials */
    const char *user; /* NULL: none */
    const char *password;
    const char *index; /* NULL: the URL names none */
    struct url url;    /* what the texts borrow from */
};

/* On failure (CONFIG "bad_url") *url is empty. */
UPSINK_NODISCARD bool es_url_parse(struct es_url *url, const char *text, struct upsink_error *err);
void es_url_clear(struct es_url *url);

/* Whether an index, or an alias, can have that name; CONFIG "bad_target" otherwise, which says `what` has it.
 */
UPSINK_NODISCARD bool es_name_check(const char *name, const char *what, size_t longest,
                                    struct upsink_error *err);
/* The name that is closest to `wanted` and can be one, for a topic that gives its name. */
void es_name_from(const char *wanted, char *name, size_t size);

#endif
