/* The service: all views of a configuration in one process, its HTTP listener, its signals. */
#ifndef UPSINK_SERVICE_H
#define UPSINK_SERVICE_H

#include "connector/config.h"

struct service_options {
    const struct config *config;
    bool until_end; /* stop once every partition has reached the end it had at start */
    /* Reads the configuration again (SIGHUP); NULL result with *err: the old one stays. May be NULL. */
    struct config *(*reload)(void *context, struct upsink_error *err);
    void *context;
};

/* Runs until SIGTERM or SIGINT, or until the end with until_end. SIGTERM and SIGINT must not be blocked by
 * other threads: call it from the main thread, before any other thread is started. Returns the exit status: 0
 * done, 1 failed while running, 2 configuration; errors are reported on standard error. */
int service_run(const struct service_options *options);

#endif
