/* What a SQLSTATE means for us. Pure; every class of the PostgreSQL manual's Appendix A has a place. */
#ifndef UPSINK_PG_SQLSTATE_H
#define UPSINK_PG_SQLSTATE_H

#include "error.h"

/* UPSINK_ERR_UNKNOWN for what is not listed; UPSINK_ERR_OUTAGE for NULL or "" (the connection broke
 * before the server could say anything). */
enum upsink_error_class pg_classify_sqlstate(const char *sqlstate);

/* The stable code that goes with it: for a record that was refused, and for everything else. */
const char *pg_record_code(const char *sqlstate);
const char *pg_failure_code(const char *sqlstate);

/* Whether the server's own message may be shown: those of data errors hold pieces of the data. */
bool pg_message_is_safe(const char *sqlstate);

#endif
