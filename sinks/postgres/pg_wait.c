#include "pg_wait.h"

#include "clock.h"

#include <errno.h>
#include <poll.h>

#define POLL_SLICE_MS 200
#define LONG_WAIT     CLOCK_SECOND /* so long an answer may take even while the program is stopping */

static bool give_up(struct upsink_sink *sink, const char *doing, int64_t waited, struct upsink_error *err)
{
    bool stopping = waited >= LONG_WAIT && upsink_host_is_stopping(sink->host);
    if (waited < upsink_view_timeout_us(sink->view) && !stopping)
        return false;
    sink->broken = true;
    upsink_fail(err, UPSINK_ERR_OUTAGE, "sink_timeout", "can't %s: %s gave no answer for %lld ms%s", doing,
                sink->description, (long long)(waited / CLOCK_MS),
                stopping ? ", and the program is stopping" : "");
    return true;
}

unsigned pg_wait(struct upsink_sink *sink, unsigned wanted, const char *doing, struct upsink_error *err)
{
    struct pollfd poller = {.fd = PQsocket(sink->conn)};
    if (wanted & PG_WAIT_READ)
        poller.events |= POLLIN;
    if (wanted & PG_WAIT_WRITE)
        poller.events |= POLLOUT;
    for (;;) {
        int ready = poller.fd < 0 ? -1 : poll(&poller, 1, POLL_SLICE_MS);
        int64_t now = clock_monotonic_us();
        if (ready > 0) {
            sink->last_answer = now;
            unsigned what = poller.revents & POLLOUT ? PG_WAIT_WRITE : 0;
            return poller.revents & ~POLLOUT ? what | PG_WAIT_READ : what;
        }
        if (ready < 0 && (poller.fd < 0 || errno != EINTR)) {
            sink->broken = true;
            upsink_fail(err, UPSINK_ERR_OUTAGE, "sink_unreachable", "can't %s: the connection to %s was lost",
                        doing, sink->description);
            return 0;
        }
        if (give_up(sink, doing, now - sink->last_answer, err))
            return 0;
    }
}
