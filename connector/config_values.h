/* Numbers with units, as people write them. Pure; internal to the configuration. */
#ifndef UPSINK_CONFIG_VALUES_H
#define UPSINK_CONFIG_VALUES_H

#include <stdbool.h>
#include <stdint.h>

/* Decimal digits with an optional minus sign, nothing else. */
bool config_parse_integer(const char *text, int64_t *value);

/* Microseconds: 50ms, 2s, 1.5m, 30d; units us ms s m h d. 0 needs none. */
bool config_parse_duration(const char *text, int64_t *us);

/* Bytes: 1048576, 16MiB, 16MB; units B, kB MB GB, KiB MiB GiB in any case. */
bool config_parse_size(const char *text, int64_t *bytes);

/* A percentage as a share: 20% is 0.2. From 0% to 100%. */
bool config_parse_share(const char *text, double *share);

#endif
