/* A Kafka broker inside the process: librdkafka's mock cluster, which its authors call experimental. Nothing
 * else of ours includes rdkafka_mock.h.
 *
 * It speaks Kafka's protocol on a free port of 127.0.0.1 and keeps everything in memory: about 5 MB a
 * partition, then the oldest batches go. The first member of a group waits three seconds for others, as with
 * a broker's group.initial.rebalance.delay.ms. Topics that are asked for come into being. */
#ifndef UPSINK_DEMO_MOCK_BROKER_H
#define UPSINK_DEMO_MOCK_BROKER_H

#include "error.h"

#include <stdint.h>

struct mock_broker;

/* NULL with UPSINK_ERR_FATAL. */
UPSINK_NODISCARD struct mock_broker *mock_broker_start(struct upsink_error *err);
void mock_broker_stop(struct mock_broker *broker);

/* "127.0.0.1:PORT"; lives as long as the broker. */
const char *mock_broker_address(const struct mock_broker *broker);

UPSINK_NODISCARD bool mock_broker_create_topic(struct mock_broker *broker, const char *topic,
                                               int32_t partitions, struct upsink_error *err);

#endif
