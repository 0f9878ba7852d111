#include "es_url.h"

#include <ctype.h>
#include <stdlib.h>

enum { DEFAULT_PORT = 9200 };

static bool fail_host(struct upsink_error *err)
{
    return upsink_fail(
        err, UPSINK_ERR_CONFIG, "bad_url",
        "the sink's URL names no host, or not up to %d of them as host:port,host:port; it looks "
        "like elasticsearch://user:password@host:9200/index",
        ES_HOSTS_MAX);
}

/* One of the hosts; a port behind it counts, otherwise `port`. */
static bool add_host(struct es_url *url, const char *host, size_t len, int port, struct upsink_error *err)
{
    const char *close = memchr(host, ']', len), *colon;
    size_t host_len = len;
    colon = memchr(close ? close : host, ':', len - (size_t)((close ? close : host) - host));
    if (!close && colon && memchr(colon + 1, ':', len - (size_t)(colon + 1 - host)))
        colon = NULL; /* an IPv6 address without its brackets */
    if (colon) {
        char *end = NULL;
        long number = strtol(colon + 1, &end, 10);
        if (end != host + len || end == colon + 1 || number < 1 || number > 65535)
            return fail_host(err);
        port = (int)number;
        host_len = (size_t)(colon - host);
    }
    if (!host_len || host_len > ES_HOST_SIZE - 10 || url->host_count == ES_HOSTS_MAX)
        return fail_host(err);
    bool bare = *host != '[' && memchr(host, ':', host_len);
    snprintf(url->hosts[url->host_count++], ES_HOST_SIZE, bare ? "[%.*s]:%d" : "%.*s:%d", (int)host_len, host,
             port);
    return true;
}

/* A port at the very end was taken off: it is the last host's. */
static bool split_hosts(struct es_url *url, struct upsink_error *err)
{
    const char *host = url->url.host ? url->url.host : "";
    for (;;) {
        size_t len = strcspn(host, ",");
        bool last = host[len] == '\0';
        int port = last && url->url.port > 0 ? url->url.port : DEFAULT_PORT;
        if (!len || !add_host(url, host, len, port, err))
            return fail_host(err);
        if (last)
            return true;
        host += len + 1;
    }
}

static bool take_path(struct es_url *url, struct upsink_error *err)
{
    const char *path = url->url.path;
    path += *path == '/';
    if (strchr(path, '/'))
        return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_url",
                           "the path of the sink's URL has to be the name of an index, and nothing else");
    url->index = *path ? path : NULL;
    if (url->url.parameter_count)
        return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_url",
                           "the sink's URL has a parameter '%.60s', and an Elasticsearch sink takes none; "
                           "settings stand in the view's section elasticsearch",
                           url->url.parameters[0].name);
    return true;
}

static void name_hosts(struct es_url *url)
{
    size_t used = (size_t)snprintf(url->shown, sizeof url->shown, "%.40s://", url->url.scheme);
    for (size_t i = 0; i < url->host_count && used < sizeof url->shown; i++)
        used += (size_t)snprintf(url->shown + used, sizeof url->shown - used, "%s%s", i ? "," : "",
                                 url->hosts[i]);
}

bool es_url_parse(struct es_url *url, const char *text, struct upsink_error *err)
{
    *url = (struct es_url){.tls = false};
    if (!url_parse(&url->url, text, err))
        return false;
    const char *plus = strchr(url->url.scheme, '+');
    url->tls = plus && strcmp(plus, "+https") == 0;
    url->user = url->url.user && *url->url.user ? url->url.user : NULL;
    url->password = url->url.password;
    if (!split_hosts(url, err) || !take_path(url, err)) {
        es_url_clear(url);
        return false;
    }
    name_hosts(url);
    return true;
}

void es_url_clear(struct es_url *url)
{
    url_clear(&url->url);
    *url = (struct es_url){.tls = false};
}

/* --- names of indices ---------------------------------------------------------------------------------- */

/* The servers allow more; these need no encoding anywhere. */
static bool is_allowed(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

bool es_name_check(const char *name, const char *what, size_t longest, struct upsink_error *err)
{
    bool good = *name && !strchr("-_.", *name) && strlen(name) <= longest;
    for (const char *c = name; good && *c; c++)
        good = is_allowed(*c);
    return good ||
           upsink_fail(
               err, UPSINK_ERR_CONFIG, "bad_target",
               "%s can't be \"%.80s\": it has to be of a-z 0-9 . _ -, must not begin with a dot, _ or -, and "
               "has at most %zu bytes",
               what, name, longest);
}

void es_name_from(const char *wanted, char *name, size_t size)
{
    size_t len = 0;
    while (*wanted && strchr("-_.", *wanted))
        wanted++;
    for (; *wanted && len + 1 < size; wanted++) {
        char c = (char)tolower((unsigned char)*wanted);
        name[len++] = is_allowed(c) ? c : '_';
    }
    name[len] = '\0';
}
