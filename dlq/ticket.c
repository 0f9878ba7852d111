#include "ticket.h"

#include "condition.h"
#include "dlq/writer.h"

#include <stdlib.h>

struct dlq_ticket {
    pthread_mutex_t lock;
    pthread_cond_t settled; /* nothing is under way any more */
    size_t references;
    size_t sent, open, failed;
    bool *written; /* one for each record sent */
    size_t capacity;
    struct upsink_error first_failure;
};

struct dlq_ticket *dlq_ticket_create(struct upsink_error *err)
{
    struct dlq_ticket *ticket = calloc(1, sizeof *ticket);
    if (!ticket) {
        upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory for dead letters");
        return NULL;
    }
    ticket->references = 1;
    pthread_mutex_init(&ticket->lock, NULL);
    condition_init(&ticket->settled);
    return ticket;
}

/* Takes the lock held, and gives it up. */
static void drop_reference(struct dlq_ticket *ticket)
{
    bool last = --ticket->references == 0;
    pthread_mutex_unlock(&ticket->lock);
    if (last) {
        pthread_cond_destroy(&ticket->settled);
        pthread_mutex_destroy(&ticket->lock);
        free(ticket->written);
        free(ticket);
    }
}

void dlq_ticket_release(struct dlq_ticket *ticket)
{
    if (!ticket)
        return;
    pthread_mutex_lock(&ticket->lock);
    drop_reference(ticket);
}

bool dlq_ticket_enter(struct dlq_ticket *ticket, size_t *index, struct upsink_error *err)
{
    bool ok = true;
    pthread_mutex_lock(&ticket->lock);
    if (ticket->sent == ticket->capacity) {
        size_t capacity = ticket->capacity ? ticket->capacity * 2 : 64;
        bool *written = realloc(ticket->written, capacity * sizeof *written);
        ok = written != NULL;
        if (ok) {
            ticket->written = written;
            ticket->capacity = capacity;
        } else
            upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory for dead letters");
    }
    if (ok) {
        *index = ticket->sent++;
        ticket->written[*index] = false;
        ticket->open++;
        ticket->references++;
    }
    pthread_mutex_unlock(&ticket->lock);
    return ok;
}

void dlq_ticket_retract(struct dlq_ticket *ticket)
{
    pthread_mutex_lock(&ticket->lock);
    ticket->sent--;
    if (--ticket->open == 0)
        pthread_cond_broadcast(&ticket->settled);
    drop_reference(ticket);
}

void dlq_ticket_settle(struct dlq_ticket *ticket, size_t index, const struct upsink_error *failure)
{
    pthread_mutex_lock(&ticket->lock);
    if (!failure)
        ticket->written[index] = true;
    else if (ticket->failed++ == 0)
        ticket->first_failure = *failure;
    if (--ticket->open == 0)
        pthread_cond_broadcast(&ticket->settled);
    drop_reference(ticket);
}

enum dlq_ticket_state dlq_ticket_wait(struct dlq_ticket *ticket, int64_t deadline_us, size_t *open,
                                      struct upsink_error *err)
{
    enum dlq_ticket_state state = TICKET_OPEN;
    pthread_mutex_lock(&ticket->lock);
    while (ticket->open > 0 && condition_wait(&ticket->settled, &ticket->lock, deadline_us))
        ;
    *open = ticket->open;
    if (ticket->open == 0)
        state = ticket->failed ? TICKET_FAILED : TICKET_WRITTEN;
    if (state == TICKET_FAILED && err)
        *err = ticket->first_failure;
    pthread_mutex_unlock(&ticket->lock);
    return state;
}

bool dlq_ticket_written(struct dlq_ticket *ticket, size_t nth)
{
    pthread_mutex_lock(&ticket->lock);
    bool written = nth < ticket->sent && ticket->written[nth];
    pthread_mutex_unlock(&ticket->lock);
    return written;
}
