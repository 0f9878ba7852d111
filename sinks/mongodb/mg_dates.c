#include "mg_dates.h"

#include <stdlib.h>

/* "~1" is a slash, "~0" a tilde (RFC 6901 section 3). */
static bool unescape_token(char *token)
{
    char *to = token;
    for (const char *from = token; *from; from++) {
        if (*from == '~' && from[1] != '0' && from[1] != '1')
            return false;
        if (*from == '~')
            *to++ = *++from == '1' ? '/' : '~';
        else
            *to++ = *from;
    }
    *to = '\0';
    return true;
}

static bool split_pointer(struct mg_dates *dates, char *pointer)
{
    size_t i = dates->count, length = 0;
    if (*pointer != '/')
        return false;
    for (char *at = pointer; at; length++) {
        if (length == MG_DATE_TOKENS)
            return false;
        *at++ = '\0';
        dates->tokens[i][length] = at;
        at = strchr(at, '/');
    }
    dates->lengths[i] = length;
    for (size_t t = 0; t < length; t++)
        if (!unescape_token((char *)(uintptr_t)dates->tokens[i][t]))
            return false;
    return true;
}

/* The view's other pointers begin at the record, where the entity is a member of its envelope. */
static bool add_without_envelope(struct mg_dates *dates)
{
    static const char *const members[] = {"data", "payload", "after"};
    size_t last = dates->count - 1, length = dates->lengths[last];
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (length < 2 || strcmp(dates->tokens[last][0], members[i]) != 0)
            continue;
        if (dates->count == MG_DATES_MAX)
            return false;
        memcpy(dates->tokens[last + 1], dates->tokens[last] + 1, (length - 1) * sizeof *dates->tokens[0]);
        dates->lengths[last + 1] = length - 1;
        dates->count++;
    }
    return true;
}

bool mg_dates_parse(struct mg_dates *dates, const char *text, struct upsink_error *err)
{
    char *rest = NULL;
    *dates = (struct mg_dates){.memory = strdup(text)};
    if (!dates->memory)
        return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory");
    for (char *at = strtok_r(dates->memory, ", \t\r\n", &rest); at; at = strtok_r(NULL, ", \t\r\n", &rest)) {
        bool good = dates->count < MG_DATES_MAX && split_pointer(dates, at);
        dates->count += good;
        if (!good || !add_without_envelope(dates)) {
            mg_dates_clear(dates);
            return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_setting",
                               "mongodb.dates wants JSON Pointers, at most %d, separated by commas, as in "
                               "/lastUpdated,/shipping/sentAt",
                               MG_DATES_MAX / 2);
        }
    }
    return true;
}

void mg_dates_clear(struct mg_dates *dates)
{
    free(dates->memory);
    *dates = (struct mg_dates){.memory = NULL};
}

uint32_t mg_dates_all(const struct mg_dates *dates)
{
    size_t count = dates ? dates->count : 0;
    return count == 32 ? UINT32_MAX : (UINT32_C(1) << count) - 1;
}

uint32_t mg_dates_follow(const struct mg_dates *dates, uint32_t set, unsigned depth, const char *name,
                         size_t len, bool *ends)
{
    uint32_t left = 0;
    *ends = false;
    for (size_t i = 0; set && i < dates->count; i++) {
        if (!(set >> i & 1) || depth >= dates->lengths[i])
            continue;
        const char *token = dates->tokens[i][depth];
        if (strlen(token) != len || memcmp(token, name, len) != 0)
            continue;
        left |= UINT32_C(1) << i;
        *ends = *ends || dates->lengths[i] == depth + 1;
    }
    return left;
}
