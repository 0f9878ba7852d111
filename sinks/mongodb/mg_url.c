#include "mg_url.h"

#include "url.h"

#include <stdlib.h>

/* Options that libmongoc takes, and does not count among those of a type. */
static bool is_special(const char *name)
{
    static const char *const special[] = {MONGOC_URI_W,
                                          MONGOC_URI_AUTHSOURCE,
                                          MONGOC_URI_AUTHMECHANISM,
                                          MONGOC_URI_AUTHMECHANISMPROPERTIES,
                                          MONGOC_URI_COMPRESSORS,
                                          MONGOC_URI_GSSAPISERVICENAME,
                                          MONGOC_URI_READCONCERNLEVEL,
                                          MONGOC_URI_READPREFERENCETAGS};
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (strcasecmp(name, special[i]) == 0)
            return true;
    return false;
}

static bool is_known(const char *name)
{
    return mongoc_uri_option_is_int32(name) || mongoc_uri_option_is_int64(name) ||
           mongoc_uri_option_is_bool(name) || mongoc_uri_option_is_utf8(name) || is_special(name);
}

static bool check_known(void *context, const char *name, struct upsink_error *err)
{
    (void)context;
    return !*name || is_known(name) ||
           upsink_fail(err, UPSINK_ERR_CONFIG, "bad_url",
                       "the sink's URL has a parameter '%s' that MongoDB's connection strings don't have; "
                       "beside those it takes only collection=NAME",
                       name);
}

static void name_address(struct mg_url *url, const char *text)
{
    size_t used = 0;
    if (strncmp(text, "mongodb+srv://", 14) == 0) {
        const char *host = text + 14, *end = host + strcspn(host, "/?"),
                   *at = memchr(host, '@', (size_t)(end - host));
        host = at ? at + 1 : host;
        snprintf(url->address, sizeof url->address, "%.*s", (int)(end - host < 200 ? end - host : 200), host);
        return;
    }
    for (const mongoc_host_list_t *host = mongoc_uri_get_hosts(url->uri); host; host = host->next) {
        int len = snprintf(url->address + used, sizeof url->address - used, "%s%s", used ? "," : "",
                           host->host_and_port);
        if (len < 0 || (size_t)len >= sizeof url->address - used)
            break;
        used += (size_t)len;
    }
}

bool mg_url_parse(struct mg_url *url, const char *text, struct upsink_error *err)
{
    bson_error_t error;
    struct buf rest;
    *url = (struct mg_url){.uri = NULL};
    buf_init(&rest);
    bool done = url_take_parameter(text, "collection", check_known, NULL, &rest, &url->collection, err);
    if (done) {
        url->uri = mongoc_uri_new_with_error(rest.data, &error);
        /* libmongoc's own message may repeat the URL. */
        done = url->uri || upsink_fail(err, UPSINK_ERR_CONFIG, "bad_url",
                                       "the sink's URL is not a MongoDB connection string, as in "
                                       "mongodb://user:password@host:27017/database?collection=orders; "
                                       "special characters in "
                                       "user and password are written as %%XX");
    }
    if (done && !mongoc_uri_get_database(url->uri))
        done = upsink_fail(err, UPSINK_ERR_CONFIG, "bad_url",
                           "the sink's URL names no database; put it behind the host, as in "
                           "mongodb://host:27017/database");
    if (done)
        name_address(url, rest.data);
    else
        mg_url_clear(url);
    buf_destroy(&rest);
    return done;
}

void mg_url_clear(struct mg_url *url)
{
    if (url->uri)
        mongoc_uri_destroy(url->uri);
    free(url->collection);
    *url = (struct mg_url){.uri = NULL};
}
