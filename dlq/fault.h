/* What Kafka's answers mean for the dead letters. Pure. */
#ifndef UPSINK_DLQ_FAULT_H
#define UPSINK_DLQ_FAULT_H

#include "error.h"

#include <librdkafka/rdkafka.h>

/* Sets *err to what the answer means for the dead-letter topic: class, code, what happened, and what to do
 * where somebody has to do something. What is not known here passes by itself: an outage. reason NULL:
 * librdkafka's words. Returns false. */
bool dlq_fault_set(rd_kafka_resp_err_t code, const char *topic, const char *reason, struct upsink_error *err);

#endif
