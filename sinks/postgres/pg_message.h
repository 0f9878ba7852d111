/* What libpq says when it can't connect. Pure. */
#ifndef UPSINK_PG_MESSAGE_H
#define UPSINK_PG_MESSAGE_H

#include <stddef.h>

/* libpq keeps the SQLSTATE of a failed attempt to itself, but for a verbose message, where it stands behind
 * the severity: "... FATAL:  28P01: password authentication failed ...". Empty where there is none. */
void pg_find_sqlstate(const char *message, char sqlstate[6]);

/* The message on one line, without source locations and without the SQLSTATE. */
void pg_tidy_message(const char *message, char *text, size_t size);

#endif
