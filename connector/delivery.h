/* The delivery policy: what follows from a failure. Pure, and the only place that decides it. */
#ifndef UPSINK_DELIVERY_H
#define UPSINK_DELIVERY_H

#include "error.h"

#include <stdint.h>

enum delivery_action {
    DELIVERY_RETRY,   /* after a back-off, for as long as it takes */
    DELIVERY_RESTART, /* forget the batch, start its partitions again from what the sink knows */
    DELIVERY_HALT     /* a person has to look: the view stops, nothing is lost */
};

/* Failures of an unknown kind in a row that are retried before the view halts. */
#define DELIVERY_UNKNOWN_MAX 12

enum delivery_action delivery_decide(enum upsink_error_class cls, uint32_t unknown_in_a_row);

#endif
