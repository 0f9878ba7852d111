/* The sink URL: libpq's connection URI (PostgreSQL manual, 34.1.1.2 "Connection URIs") with one
 * parameter of ours, `table`, taken out. Pure but for libpq reading its own defaults. */
#ifndef UPSINK_PG_URL_H
#define UPSINK_PG_URL_H

#include "buf.h"
#include "error.h"

struct _PQconninfoOption; /* libpq-fe.h */

struct pg_settings {
    struct _PQconninfoOption *options; /* everything that libpq knows; val is NULL or "" where not given */
    char *table;                       /* as given with ?table=, decoded; NULL where not given */
    char address[256];                 /* host:port/database, without credentials */
    size_t hosts;
};

/* On failure nothing is to be cleared. Messages never quote the URL: it holds the password. */
UPSINK_NODISCARD bool pg_settings_parse(struct pg_settings *settings, const char *url,
                                        struct upsink_error *err);
void pg_settings_clear(struct pg_settings *settings);

/* NULL where neither URL nor environment gives it. */
const char *pg_settings_find(const struct pg_settings *settings, const char *keyword);

#endif
