#include "connector/delivery.h"

enum delivery_action delivery_decide(enum upsink_error_class cls, uint32_t unknown_in_a_row)
{
    switch (cls) {
    case UPSINK_ERR_OUTAGE:
    case UPSINK_ERR_REFUSED: /* rights come back, too */
        return DELIVERY_RETRY;
    case UPSINK_ERR_FENCED:
    case UPSINK_ERR_TARGET_LOST:
        return DELIVERY_RESTART;
    case UPSINK_ERR_UNKNOWN:
    case UPSINK_ERR_RECORD: /* a sink blames no record for a whole batch: not classified */
    case UPSINK_ERR_NONE:
        return unknown_in_a_row < DELIVERY_UNKNOWN_MAX ? DELIVERY_RETRY : DELIVERY_HALT;
    case UPSINK_ERR_CONFIG:
    case UPSINK_ERR_FATAL:
        break;
    }
    return DELIVERY_HALT;
}
