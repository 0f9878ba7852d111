/* librdkafka clients from the user's `kafka` properties; the service's consumer is made here too.
 *
 * Properties of the other kind (a consumer's for a producer and the reverse) are left out instead of warned
 * about; librdkafka itself is asked which is which. */
#ifndef UPSINK_DLQ_CLIENT_H
#define UPSINK_DLQ_CLIENT_H

#include "error.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>

struct dlq_property {
    const char *name, *value; /* a value may be a secret: it is never shown */
};

/* Borrowed for as long as the writer or reader made from it lives. */
struct dlq_kafka {
    const struct dlq_property *properties;
    size_t count;
};

/* The last trouble that librdkafka reported on its own, such as a broker that can't be reached: what a plain
 * "timed out" does not tell. Any thread. */
struct dlq_trouble {
    pthread_mutex_t lock;
    rd_kafka_resp_err_t code; /* RD_KAFKA_RESP_ERR_NO_ERROR: none since it was cleared */
    char text[256];
};

void dlq_trouble_init(struct dlq_trouble *trouble);
void dlq_trouble_destroy(struct dlq_trouble *trouble);
void dlq_trouble_note(struct dlq_trouble *trouble, rd_kafka_resp_err_t code, const char *text);
void dlq_trouble_clear(struct dlq_trouble *trouble);

/* Sets *err to `what` (a clause) with the trouble behind it: dlq_unauthorized (REFUSED) where the brokers
 * refuse the credentials, otherwise dlq_unreachable (OUTAGE). Returns false. */
bool dlq_trouble_fail(struct dlq_trouble *trouble, const char *what, struct upsink_error *err);

/* A configuration with librdkafka's own defaults replaced by `defaults`, then the user's properties, then
 * `fixed`, and with its log lines in ours. NULL with UPSINK_ERR_CONFIG that names the property. The caller
 * destroys it or hands it to dlq_client_new. */
UPSINK_NODISCARD rd_kafka_conf_t *dlq_client_conf(const struct dlq_kafka *kafka, rd_kafka_type_t type,
                                                  const struct dlq_property *defaults, size_t default_count,
                                                  const struct dlq_property *fixed, size_t fixed_count,
                                                  struct upsink_error *err);

/* Makes the client; its log lines are written by the thread that calls rd_kafka_poll, as are all callbacks.
 * conf is taken, also on failure. NULL with UPSINK_ERR_CONFIG. */
UPSINK_NODISCARD rd_kafka_t *dlq_client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf,
                                            struct upsink_error *err);

#endif
