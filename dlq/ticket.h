/* What is under way for one batch of dead letters; the writer's half of struct dlq_ticket.
 *
 * Locking: a ticket has a lock of its own, never held together with the writer's. A reference is held by the
 * batch and by each of its records that is under way, so a delivery report may come after the batch is gone.
 */
#ifndef UPSINK_DLQ_TICKET_H
#define UPSINK_DLQ_TICKET_H

#include "error.h"

#include <stddef.h>
#include <stdint.h>

struct dlq_ticket;

/* Notes one more record under way; *index is its number. false when out of memory. */
UPSINK_NODISCARD bool dlq_ticket_enter(struct dlq_ticket *ticket, size_t *index, struct upsink_error *err);

/* Takes the last dlq_ticket_enter back: the record did not leave. */
void dlq_ticket_retract(struct dlq_ticket *ticket);

/* The record's delivery report: failure NULL means acknowledged. Drops the record's reference. */
void dlq_ticket_settle(struct dlq_ticket *ticket, size_t index, const struct upsink_error *failure);

enum dlq_ticket_state { TICKET_OPEN, TICKET_WRITTEN, TICKET_FAILED };

/* Waits until nothing is under way, or the monotonic deadline. With TICKET_FAILED *err is the first failure;
 * *open is the number still under way. */
enum dlq_ticket_state dlq_ticket_wait(struct dlq_ticket *ticket, int64_t deadline_us, size_t *open,
                                      struct upsink_error *err);

#endif
