#include "pg_url.h"

#include "nearest.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

static bool fail_memory(struct upsink_error *err)
{
    return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory while reading the sink URL");
}

/* Where libpq sees the query begin: a password may hold a question mark. */
static const char *find_query(const char *url)
{
    const char *begin = strstr(url, "://");
    begin = begin ? begin + 3 : url;
    const char *at = begin + strcspn(begin, "@/");
    if (*at == '@')
        begin = at + 1;
    return strchr(begin, '?');
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 32);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes %XX; NULL where that isn't valid, or would hold a NUL, or memory is short. */
static char *decode_percent(const char *text, size_t len)
{
    char *decoded = malloc(len + 1);
    size_t kept = 0;
    if (!decoded)
        return NULL;
    for (size_t i = 0; i < len; i++) {
        int c = (unsigned char)text[i];
        if (c == '%') {
            int high = len - i > 2 ? hex_digit(text[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
            c = low >= 0 ? high * 16 + low : 0;
            i += 2;
        }
        if (c == 0) {
            free(decoded);
            return NULL;
        }
        decoded[kept++] = (char)c;
    }
    decoded[kept] = '\0';
    return decoded;
}

static bool take_table(struct pg_settings *settings, const char *value, size_t len, struct upsink_error *err)
{
    if (settings->table)
        return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_url", "the sink URL names `table` twice");
    settings->table = decode_percent(value, len);
    return settings->table || upsink_fail(err, UPSINK_ERR_CONFIG, "bad_url",
                                          "`table` in the sink URL is not properly percent-encoded");
}

static bool check_known(const char *name, size_t len, const PQconninfoOption *known, struct upsink_error *err)
{
    struct nearest nearest;
    char text[64];
    snprintf(text, sizeof text, "%.*s", len < sizeof text ? (int)len : (int)sizeof text - 1, name);
    nearest_init(&nearest, text);
    nearest_offer(&nearest, "table");
    if (strcmp(text, "ssl") == 0)
        return true; /* JDBC's, which libpq understands in URIs */
    for (; known->keyword; known++) {
        if (strcmp(known->keyword, text) == 0)
            return true;
        nearest_offer(&nearest, known->keyword);
    }
    return upsink_fail(
        err, UPSINK_ERR_CONFIG, "bad_url",
        "the sink URL has the unknown parameter '%s'; it takes `table` and libpq's connection parameters%s",
        text, nearest_hint(&nearest));
}

/* Copies the URL without our parameter; libpq refuses what it doesn't know. */
static bool strip_table(struct pg_settings *settings, struct buf *stripped, const char *url,
                        PQconninfoOption *known, struct upsink_error *err)
{
    const char *query = find_query(url);
    buf_append(stripped, url, query ? (size_t)(query - url) : strlen(url));
    char separator = '?';
    for (const char *at = query; at && *at;) {
        at++;
        size_t len = strcspn(at, "&"), name = strcspn(at, "=&");
        const char *value = at + name + (at[name] == '=');
        if (name == 5 && memcmp(at, "table", 5) == 0) {
            if (!take_table(settings, value, (size_t)(at + len - value), err))
                return false;
        } else if (len > 0) {
            if (!check_known(at, name, known, err))
                return false;
            buf_append_byte(stripped, separator);
            buf_append(stripped, at, len);
            separator = '&';
        }
        at += len;
    }
    return !stripped->failed || fail_memory(err);
}

static const char *find_option(const PQconninfoOption *options, const char *keyword)
{
    for (; options->keyword; options++)
        if (strcmp(options->keyword, keyword) == 0)
            return options->val && *options->val ? options->val : NULL;
    return NULL;
}

const char *pg_settings_find(const struct pg_settings *settings, const char *keyword)
{
    return find_option(settings->options, keyword);
}

static const char *find_default(const PQconninfoOption *known, const char *keyword, const char *fallback)
{
    const char *value = find_option(known, keyword);
    return value ? value : fallback;
}

/* host:port,host:port/database */
static void print_address(struct pg_settings *settings, const PQconninfoOption *known)
{
    const char *host = pg_settings_find(settings, "host");
    const char *port = pg_settings_find(settings, "port");
    const char *database = pg_settings_find(settings, "dbname");
    size_t len = 0, size = sizeof settings->address;
    if (!host)
        host = pg_settings_find(settings, "hostaddr");
    if (!host)
        host = find_default(known, "host", "localhost");
    if (!port)
        port = find_default(known, "port", "5432");
    if (!database)
        database = find_default(known, "dbname", "");
    for (settings->hosts = 0; *host && len < size; settings->hosts++) {
        size_t host_len = strcspn(host, ","), port_len = strcspn(port, ",");
        len += (size_t)snprintf(settings->address + len, size - len, "%s%.*s:%.*s",
                                settings->hosts ? "," : "", (int)host_len, host, (int)port_len, port);
        host += host_len + (host[host_len] == ',');
        port += port[port_len] == ',' ? port_len + 1 : 0; /* one port may stand for all hosts */
    }
    if (len < size)
        snprintf(settings->address + len, size - len, "/%s", database);
}

bool pg_settings_parse(struct pg_settings *settings, const char *url, struct upsink_error *err)
{
    struct buf stripped;
    char *ignored = NULL; /* libpq's reason may quote the URL */
    PQconninfoOption *known = PQconndefaults();
    bool done = false;
    *settings = (struct pg_settings){0};
    buf_init(&stripped);
    if (!known) {
        fail_memory(err);
        goto cleanup;
    }
    if (!strip_table(settings, &stripped, url, known, err))
        goto cleanup;
    settings->options = PQconninfoParse(stripped.data ? stripped.data : "", &ignored);
    if (!settings->options) {
        upsink_fail(
            err, UPSINK_ERR_CONFIG, "bad_url",
            "the sink URL is not a PostgreSQL connection URI (postgres://user:password@host:5432/database"
            "?table=name); special characters in user and password are written as %%XX");
        goto cleanup;
    }
    print_address(settings, known);
    done = true;
cleanup:
    if (!done)
        pg_settings_clear(settings);
    PQconninfoFree(known);
    PQfreemem(ignored);
    buf_destroy(&stripped);
    return done;
}

void pg_settings_clear(struct pg_settings *settings)
{
    PQconninfoFree(settings->options);
    free(settings->table);
    *settings = (struct pg_settings){0};
}
