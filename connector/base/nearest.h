/* "Did you mean …?": the known name that is closest to what somebody typed. Pure. */
#ifndef UPSINK_NEAREST_H
#define UPSINK_NEAREST_H

#include <stddef.h>

/* NULL where nothing is near enough to be meant. Cases and `-`/`_` do not count as differences. */
const char *nearest_name(const char *typed, const char *const *names, size_t count);

#endif
