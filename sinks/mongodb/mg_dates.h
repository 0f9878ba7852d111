/* Where texts become dates: JSON Pointers (RFC 6901) into the entity. One that begins with the envelope's
 * member (/data, /payload, /after) means the entity's own field as well: that is how the view's other
 * pointers begin. */
#ifndef UPSINK_MG_DATES_H
#define UPSINK_MG_DATES_H

#include "error.h"

#include <stddef.h>
#include <stdint.h>

enum { MG_DATES_MAX = 32, MG_DATE_TOKENS = 16 };

struct mg_dates {
    char *memory;
    size_t count;
    const char *tokens[MG_DATES_MAX][MG_DATE_TOKENS];
    size_t lengths[MG_DATES_MAX];
};

/* Of pointers separated by commas or white space. CONFIG "bad_setting". */
UPSINK_NODISCARD bool mg_dates_parse(struct mg_dates *dates, const char *text, struct upsink_error *err);
void mg_dates_clear(struct mg_dates *dates);

/* A set of pointers is one bit each. All of them; none where `dates` is NULL. */
uint32_t mg_dates_all(const struct mg_dates *dates);
/* Of those in the set, the ones that go on with this name at that depth; `ends` tells whether one ends here.
 */
uint32_t mg_dates_follow(const struct mg_dates *dates, uint32_t set, unsigned depth, const char *name,
                         size_t len, bool *ends);

#endif
