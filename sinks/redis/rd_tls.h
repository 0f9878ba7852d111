/* TLS beneath a connection (RFC 8446, 5246): the server's certificate is always checked, and its name. */
#ifndef UPSINK_RD_TLS_H
#define UPSINK_RD_TLS_H

#include "rd_url.h"

#include <sys/types.h>

struct rd_tls; /* NULL: a plain connection */

/* Over a connected non-blocking socket. `wait` waits for poll's events on it and returns false, with the
 * error set, when it gives up. Fails with "tls_failed" (REFUSED: the certificate is not trusted or ours not
 * accepted, or a file can't be read). */
UPSINK_NODISCARD bool rd_tls_start(struct rd_tls **tls, int fd, const struct rd_settings *settings,
                                   bool (*wait)(void *context, short events, struct upsink_error *err),
                                   void *context, struct upsink_error *err);
void rd_tls_stop(struct rd_tls **tls);

/* As recv and send on a non-blocking socket: -1 with errno EAGAIN where nothing moves. */
ssize_t rd_tls_read(struct rd_tls *tls, void *bytes, size_t size);
ssize_t rd_tls_write(struct rd_tls *tls, const void *bytes, size_t size);

#endif
