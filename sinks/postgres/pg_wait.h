/* Waiting for the server, with a limit. */
#ifndef UPSINK_PG_WAIT_H
#define UPSINK_PG_WAIT_H

#include "pg_sink.h"

enum { PG_WAIT_READ = 1, PG_WAIT_WRITE = 2 };

/* Waits until the socket can be read or written, whichever is wanted, and says which. 0 with an outage where
 * nothing moved for the view's timeout, or where the program is stopping: the connection is given up then. */
unsigned pg_wait(struct upsink_sink *sink, unsigned wanted, const char *doing, struct upsink_error *err);

#endif
