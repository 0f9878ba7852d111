/* What the sinks of this tree ask of the host and the view, either of which may not say. */
#ifndef UPSINK_HOST_H
#define UPSINK_HOST_H

#include "clock.h"
#include "sinks/sink.h"

static inline bool upsink_host_is_stopping(const struct upsink_host *host)
{
    return host && host->stopping && host->stopping(host->context);
}

static inline void upsink_host_log(const struct upsink_host *host, enum upsink_log_level level,
                                   const char *text)
{
    if (host && host->log)
        host->log(host->context, level, text);
}

/* Within what can be counted with: 30 seconds where nothing is said, a day at most. */
static inline int64_t upsink_view_timeout_us(const struct upsink_view *view)
{
    int64_t timeout = view->timeout_us;
    return timeout <= 0 ? 30 * CLOCK_SECOND : timeout > 86400 * CLOCK_SECOND ? 86400 * CLOCK_SECOND : timeout;
}

#endif
