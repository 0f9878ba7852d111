#include "mg_url.h"

#include <ctype.h>
#include <stdlib.h>

#define COLLECTION "collection"

static bool fail_memory(struct upsink_error *err)
{
    return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory");
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool decode(const char *text, size_t len, char *out)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '%') {
            *out++ = text[i];
            continue;
        }
        int high = i + 2 < len ? hex_digit(text[i + 1]) : -1, low = i + 2 < len ? hex_digit(text[i + 2]) : -1;
        if (high < 0 || low < 0 || (high == 0 && low == 0))
            return false;
        *out++ = (char)(high * 16 + low);
        i += 2;
    }
    *out = '\0';
    return true;
}

static bool is_known(const char *name)
{
    return mongoc_uri_option_is_int32(name) || mongoc_uri_option_is_int64(name) ||
           mongoc_uri_option_is_bool(name) || mongoc_uri_option_is_utf8(name) ||
           strcasecmp(name, MONGOC_URI_READPREFERENCETAGS) == 0 ||
           strcasecmp(name, MONGOC_URI_AUTHMECHANISMPROPERTIES) == 0;
}

static bool check_parameter(const char *parameter, size_t len, struct upsink_error *err)
{
    char name[64];
    size_t name_len = 0;
    while (name_len < len && parameter[name_len] != '=')
        name_len++;
    snprintf(name, sizeof name, "%.*s", (int)(name_len < 60 ? name_len : 60), parameter);
    return name_len == 0 || is_known(name) ||
           upsink_fail(err, UPSINK_ERR_CONFIG, "bad_url",
                       "the sink's URL has a parameter '%s' that MongoDB's connection strings don't have; "
                       "beside those "
                       "it takes only collection=NAME",
                       name);
}

/* Copies the URL without its parameter `collection`, which libmongoc does not know. */
static bool take_collection(struct mg_url *url, const char *text, char *rest, struct upsink_error *err)
{
    const char *query = strchr(text, '?');
    size_t name_len = strlen(COLLECTION "=");
    if (!query) {
        strcpy(rest, text);
        return true;
    }
    rest = stpncpy(rest, text, (size_t)(query - text));
    char separator = '?';
    for (const char *at = query + 1;; at++) {
        size_t len = strcspn(at, "&");
        if (strncasecmp(at, COLLECTION "=", name_len) == 0) {
            char *name = malloc(len + 1);
            if (!name)
                return fail_memory(err);
            free(url->collection);
            url->collection = name;
            if (!decode(at + name_len, len - name_len, name))
                return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_url",
                                   "the collection in the sink's URL is not written as %%XX");
        } else if (len) {
            if (!check_parameter(at, len, err))
                return false;
            *rest++ = separator;
            separator = '&';
            rest = stpncpy(rest, at, len);
        }
        at += len;
        if (!*at)
            break;
    }
    *rest = '\0';
    return true;
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
    *url = (struct mg_url){.uri = NULL};
    char *rest = malloc(strlen(text) + 1);
    bool done = rest || fail_memory(err);
    done = done && take_collection(url, text, rest, err);
    if (done) {
        url->uri = mongoc_uri_new_with_error(rest, &error);
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
        name_address(url, rest);
    else
        mg_url_clear(url);
    free(rest);
    return done;
}

void mg_url_clear(struct mg_url *url)
{
    if (url->uri)
        mongoc_uri_destroy(url->uri);
    free(url->collection);
    *url = (struct mg_url){.uri = NULL};
}
