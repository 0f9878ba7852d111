/* Two views that write into one target would take its rows, and its partitions, from each other. */
#ifndef UPSINK_TARGETS_H
#define UPSINK_TARGETS_H

#include "connector/config.h"

/* UPSINK_ERR_CONFIG, code "target_shared", where two views name one target. No I/O. What can't be opened is
 * left to whoever opens it in earnest. */
UPSINK_NODISCARD bool targets_check(const struct config *config, struct upsink_error *err);

#endif
