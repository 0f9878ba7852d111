/* librdkafka clients for the dead letters, from the user's `kafka` properties.
 *
 * Properties of the other kind (a consumer's for a producer and the reverse) are left out instead of warned about;
 * librdkafka itself is asked which is which. */
#ifndef UPSINK_DLQ_CLIENT_H
#define UPSINK_DLQ_CLIENT_H

#include "error.h"

#include <librdkafka/rdkafka.h>

struct dlq_property {
    const char *name, *value; /* a value may be a secret: it is never shown */
};

/* Borrowed for as long as the writer or reader made from it lives. */
struct dlq_kafka {
    const struct dlq_property *properties;
    size_t count;
    /* Called from librdkafka's threads with one line, level as in syslog(3); NULL: silent. */
    void (*log)(void *context, int level, const char *text);
    void *log_context;
};

/* Sets `fixed` after, and `defaults` before the user's properties. NULL with UPSINK_ERR_CONFIG that names the
 * property. The caller destroys the result or hands it to rd_kafka_new. */
UPSINK_NODISCARD rd_kafka_conf_t *dlq_client_conf(const struct dlq_kafka *kafka, rd_kafka_type_t type,
                                                  const struct dlq_property *defaults, size_t default_count,
                                                  const struct dlq_property *fixed, size_t fixed_count,
                                                  struct upsink_error *err);

/* Makes the client; conf is taken, also on failure. NULL with UPSINK_ERR_CONFIG. */
UPSINK_NODISCARD rd_kafka_t *dlq_client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, struct upsink_error *err);

#endif
