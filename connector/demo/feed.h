/* Publishes order events to a topic, and knows what a view of them must hold.
 *
 * One thread of its own publishes; the others may ask how far it is. The expected rows may be asked for once
 * it is done. */
#ifndef UPSINK_DEMO_FEED_H
#define UPSINK_DEMO_FEED_H

#include "connector/demo/order_events.h"
#include "dlq/client.h"
#include "error.h"

struct feed_options {
    const struct dlq_kafka *kafka; /* outlives the feed */
    const char *topic;             /* likewise */
    uint64_t events;
    uint32_t orders;
    uint64_t seed;
};

struct feed;

/* NULL with an error; nothing is published yet. */
UPSINK_NODISCARD struct feed *feed_create(const struct feed_options *options, struct upsink_error *err);
void feed_destroy(struct feed *feed);

/* Whether the brokers answer; asked for a few seconds. */
UPSINK_NODISCARD bool feed_reach(struct feed *feed, struct upsink_error *err);

/* Makes the topic on a real cluster. */
UPSINK_NODISCARD bool feed_create_topic(struct feed *feed, int32_t partitions, struct upsink_error *err);

UPSINK_NODISCARD bool feed_start(struct feed *feed, struct upsink_error *err);

/* Handed to the client so far. */
uint64_t feed_published(const struct feed *feed);

/* How many records the view has dealt with: the feed stays a bounded number ahead of it. */
void feed_follow(struct feed *feed, uint64_t handled);

/* Everything was published and acknowledged, or it never will be: then false with an error. */
bool feed_is_over(const struct feed *feed);
UPSINK_NODISCARD bool feed_join(struct feed *feed, struct upsink_error *err);

/* How many of each kind. */
uint64_t feed_count(const struct feed *feed, enum order_event_kind kind);
uint64_t feed_changes(const struct feed *feed, uint32_t order); /* records of one order */

/* What must be in the view: false where the order has no row. *value is the whole event, as it was published.
 */
bool feed_expects(const struct feed *feed, uint32_t order, struct order_state *state,
                  struct upsink_slice *value);

#endif
