#include "time.h"

#include "schemas/rfc3339.h"

#include <string.h>

enum { DATE_SIZE = 10, MINUTE_SIZE = 16, FULL_SIZE = 128 }; /* 2026-01-02, 2026-01-02T03:04 */

static bool has_zone(struct upsink_slice text)
{
    for (size_t i = DATE_SIZE; i < text.len; i++)
        if (memchr("Zz+-", text.data[i], 4))
            return true;
    return text.len == DATE_SIZE; /* what is put behind a date has one */
}

/* What people leave out is filled in; what stands there is judged by rfc3339_parse alone. */
bool dlq_time_parse(struct upsink_slice text, int64_t *microseconds)
{
    char full[FULL_SIZE];
    const char *missing = "";
    size_t kept = text.len < MINUTE_SIZE ? text.len : MINUTE_SIZE;
    if (!text.data || text.len < DATE_SIZE || text.len > FULL_SIZE - 16)
        return false;
    if (text.len == DATE_SIZE)
        missing = "T00:00:00Z";
    else if (text.len == MINUTE_SIZE || (text.len > MINUTE_SIZE && text.data[MINUTE_SIZE] != ':'))
        missing = ":00";
    size_t filled = strlen(missing), len = text.len + filled;
    memcpy(full, text.data, kept);
    memcpy(full + kept, missing, filled);
    memcpy(full + kept + filled, text.data + kept, text.len - kept);
    if (!has_zone(text))
        full[len++] = 'Z';
    return rfc3339_parse((struct upsink_slice){full, len}, microseconds);
}
