#include "pg_message.h"

#include <stdbool.h>
#include <string.h>

static bool is_sqlstate(const char *text)
{
    for (int i = 0; i < 5; i++)
        if (!(text[i] >= '0' && text[i] <= '9') && !(text[i] >= 'A' && text[i] <= 'Z'))
            return false;
    return text[5] == ':' && text[6] == ' ';
}

static const char *locate_sqlstate(const char *message)
{
    for (const char *at = message; (at = strstr(at, ":  ")); at++)
        if (is_sqlstate(at + 3))
            return at + 3;
    return NULL;
}

void pg_find_sqlstate(const char *message, char sqlstate[6])
{
    const char *at = locate_sqlstate(message);
    memcpy(sqlstate, at ? at : "", at ? 5 : 1);
    sqlstate[5] = '\0';
}

void pg_tidy_message(const char *message, char *text, size_t size)
{
    const char *state = locate_sqlstate(message);
    const char *end = strstr(message, "\nLOCATION:");
    size_t len = 0;
    for (const char *at = message; *at && at != end && len + 1 < size; at++) {
        if (at == state)
            at += 7;
        if (*at == '\n' || *at == '\t')
            text[len++] = ' ';
        else
            text[len++] = *at;
    }
    while (len > 0 && text[len - 1] == ' ')
        len--;
    text[len] = '\0';
}
