/* Writes dead letters to their topic, and says truthfully what is written.
 *
 * One writer serves a view. Any number of threads may send and await at the same time; each uses tickets of
 * its own. A record counts as written only when its delivery report says that all in-sync replicas have it:
 * an offset may move past a record only after that. Delivery is at least once.
 *
 *     struct dlq_ticket *ticket = dlq_ticket_create(&err);
 *     for each rejected record: dlq_writer_send(writer, message, &reason, ticket, timeout_ms, &err)
 *     dlq_writer_await(writer, ticket, timeout_ms, &err):
 *         DLQ_WRITTEN: all of them are there. DLQ_PENDING: not yet; await again.
 *         DLQ_FAILED: none is under way any more, and at least one did not arrive. Back off, call
 *             dlq_writer_open, and send those again (on a new ticket) for which dlq_ticket_written is false.
 *     dlq_ticket_release(ticket)
 *
 * Memory: at most DLQ_WRITER_BYTES of records wait for their acknowledgement, plus one that is larger. send
 * waits for room. One thread of its own, and librdkafka's.
 *
 * Errors, by class: OUTAGE for what passes by itself or by dlq_writer_open; REFUSED for what a person has to
 * change (rights, limits of the topic), and the text says what. Both are worth a retry. Codes:
 * dlq_unreachable, dlq_timeout, dlq_busy, dlq_restarted, dlq_topic_missing (OUTAGE); dlq_unauthorized,
 * dlq_too_large, dlq_refused (REFUSED); out_of_memory (FATAL). */
#ifndef UPSINK_DLQ_WRITER_H
#define UPSINK_DLQ_WRITER_H

#include "dlq/client.h"
#include "dlq/headers.h"
#include "error.h"

#include <librdkafka/rdkafka.h>

enum { DLQ_WRITER_BYTES = 8 * 1024 * 1024 };

struct dlq_writer;
struct dlq_ticket;

enum dlq_wait { DLQ_WRITTEN, DLQ_PENDING, DLQ_FAILED };

/* No I/O. kafka must outlive the writer; topic is copied. NULL with UPSINK_ERR_CONFIG. */
UPSINK_NODISCARD struct dlq_writer *dlq_writer_create(const struct dlq_kafka *kafka, const char *topic,
                                                      struct upsink_error *err);

/* Checks that the topic is there, and creates it where it is absent: as many partitions and replicas as the
 * source topic that has the most, its max.message.bytes plus 64 KiB, cleanup.policy=delete, retention.ms=-1.
 * sources may be empty (the broker's defaults apply). To be called once before the first send, and again
 * after DLQ_FAILED. Takes about timeout_ms at most (a second caller waits for the first). */
UPSINK_NODISCARD bool dlq_writer_open(struct dlq_writer *writer, const char *const *sources,
                                      size_t source_count, int timeout_ms, struct upsink_error *err);

/* Hands the record over: key, value, timestamp and headers byte for byte as they are in `original`, then
 * ours; to the partition of reason->source_partition where the topic has that, else by key. Where
 * reason->source_topic is absent, topic, partition and offset of `original` are the source. Everything is
 * copied. Waits up to timeout_ms for room. false: this record is not under way and was not counted by the
 * ticket. */
UPSINK_NODISCARD bool dlq_writer_send(struct dlq_writer *writer, const rd_kafka_message_t *original,
                                      const struct dlq_reason *reason, struct dlq_ticket *ticket,
                                      int timeout_ms, struct upsink_error *err);

/* Waits until every record of the ticket is acknowledged or failed, at most timeout_ms. An empty ticket is
 * written. With DLQ_PENDING *err (OUTAGE) holds the last trouble that the broker connection had, with
 * DLQ_FAILED the first record's failure. */
UPSINK_NODISCARD enum dlq_wait dlq_writer_await(struct dlq_writer *writer, struct dlq_ticket *ticket,
                                                int timeout_ms, struct upsink_error *err);

/* Gives what is still under way timeout_ms to arrive, and forgets the rest. NULL is fine. */
void dlq_writer_destroy(struct dlq_writer *writer, int timeout_ms);

/* Counts the records of one batch. Used by one thread at a time; may be released while records are under way
 * (then nobody learns what became of them). NULL when out of memory. */
UPSINK_NODISCARD struct dlq_ticket *dlq_ticket_create(struct upsink_error *err);
void dlq_ticket_release(struct dlq_ticket *ticket);

/* Was the nth (from 0) successful send of this ticket acknowledged? */
bool dlq_ticket_written(struct dlq_ticket *ticket, size_t nth);

#endif
