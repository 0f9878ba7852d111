#include "pg_url.h"

#include "nearest.h"
#include "url.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

static bool fail_memory(struct upsink_error *err)
{
    return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory while reading the sink URL");
}

static bool check_known(void *context, const char *name, struct upsink_error *err)
{
    const PQconninfoOption *known = context;
    struct nearest nearest;
    nearest_init(&nearest, name);
    nearest_offer(&nearest, "table");
    if (strcmp(name, "ssl") == 0)
        return true; /* JDBC's, which libpq understands in URIs */
    for (; known->keyword; known++) {
        if (strcmp(known->keyword, name) == 0)
            return true;
        nearest_offer(&nearest, known->keyword);
    }
    return upsink_fail(
        err, UPSINK_ERR_CONFIG, "bad_url",
        "the sink URL has the unknown parameter '%s'; it takes `table` and libpq's connection parameters%s",
        name, nearest_hint(&nearest));
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
    if (!url_take_parameter(url, "table", check_known, known, &stripped, &settings->table, err))
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
