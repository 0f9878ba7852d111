#include "rd_code.h"

#include <ctype.h>

#define WAITS   "it is tried again"
#define CLUSTER "upsink can't write to a Redis Cluster; name a server that is not part of one"

static const struct {
    const char *begins;
    struct rd_meaning meaning;
} table[] = {
    {"NOAUTH", {UPSINK_ERR_REFUSED, "credentials_refused", "it asks for a password; put one into the URL"}},
    {"WRONGPASS",
     {UPSINK_ERR_REFUSED, "credentials_refused", "user or password is wrong, or the user is off"}},
    {"ERR invalid password", {UPSINK_ERR_REFUSED, "credentials_refused", "the password is wrong"}},
    {"ERR Client sent AUTH, but no password is set",
     {UPSINK_ERR_REFUSED, "credentials_refused", "it has no password; take the one in the URL out"}},
    {"ERR AUTH <password> called without any password",
     {UPSINK_ERR_REFUSED, "credentials_refused",
      "its default user has no password; take the one in the URL out, or name the user"}},
    {"ERR wrong number of arguments for 'auth'",
     {UPSINK_ERR_REFUSED, "credentials_refused",
      "a server before version 6 knows no users; leave the user out of the URL"}},
    {"NOPERM", {UPSINK_ERR_REFUSED, "permission_denied", "grant what the manual lists under Rights"}},
    {"ERR The user executing the script",
     {UPSINK_ERR_REFUSED, "permission_denied", "grant what the manual lists under Rights"}},
    {"DENIED", {UPSINK_ERR_REFUSED, "permission_denied", "it is in protected mode; give it a password"}},
    {"OOM",
     {UPSINK_ERR_OUTAGE, "sink_full", "maxmemory is reached; raise it or make room, " WAITS " meanwhile"}},
    {"MISCONF",
     {UPSINK_ERR_OUTAGE, "sink_read_only",
      "it can't save to its disk and refuses writes; look at its log and disk"}},
    {"READONLY",
     {UPSINK_ERR_OUTAGE, "sink_read_only", "it is a replica, or became one; name the primary, " WAITS}},
    {"NOREPLICAS", {UPSINK_ERR_OUTAGE, "sink_unavailable", "too few replicas are connected; " WAITS}},
    {"LOADING", {UPSINK_ERR_OUTAGE, "sink_unavailable", "it is reading its data set; " WAITS}},
    {"MASTERDOWN",
     {UPSINK_ERR_OUTAGE, "sink_unavailable", "it is a replica that lost its primary; name the primary"}},
    {"BUSY", {UPSINK_ERR_OUTAGE, "sink_busy", "somebody's script runs for too long; " WAITS}},
    {"TRYAGAIN", {UPSINK_ERR_OUTAGE, "sink_unavailable", WAITS}},
    {"ERR max number of clients reached",
     {UPSINK_ERR_OUTAGE, "sink_out_of_resources", "raise maxclients, or close connections"}},
    {"ERR maxclients",
     {UPSINK_ERR_OUTAGE, "sink_out_of_resources", "raise maxclients, or close connections"}},
    {"ERR Script killed by user", {UPSINK_ERR_OUTAGE, "interrupted", "somebody killed the script; " WAITS}},
    {"UPSINK lost", {UPSINK_ERR_TARGET_LOST, "target_lost", "it is prepared and filled again"}},
    {"UPSINK emptied",
     {UPSINK_ERR_TARGET_LOST, "target_lost", "its keys were taken away; it is filled again"}},
    {"MOVED", {UPSINK_ERR_FATAL, "cluster_unsupported", CLUSTER}},
    {"ASK", {UPSINK_ERR_FATAL, "cluster_unsupported", CLUSTER}},
    {"CROSSSLOT", {UPSINK_ERR_FATAL, "cluster_unsupported", CLUSTER}},
    {"CLUSTERDOWN", {UPSINK_ERR_FATAL, "cluster_unsupported", CLUSTER}},
    {"ERR DB index is out of range",
     {UPSINK_ERR_FATAL, "database_missing", "the URL names a database number that the server does not have"}},
    {"ERR invalid DB index",
     {UPSINK_ERR_FATAL, "database_missing", "the URL names a database number that the server does not have"}},
    {"WRONGTYPE",
     {UPSINK_ERR_FATAL, "target_mismatch",
      "a key below _upsink: was replaced by somebody else's; remove it, or name another prefix"}},
};

/* Behind the word: its end, a space, or the dot of some servers. */
static bool begins(struct upsink_slice text, const char *with)
{
    size_t len = strlen(with);
    return text.len >= len && memcmp(text.data, with, len) == 0 &&
           (text.len == len || !isalnum((unsigned char)text.data[len]));
}

/* "ERR Error running script (call to f_…): @user_script:7: @user_script: 7: -OOM command …" */
static struct upsink_slice inner_error(struct upsink_slice text)
{
    if (!begins(text, "ERR Error running script") && !begins(text, "ERR Error compiling script"))
        return text;
    for (size_t i = 0; i + 3 < text.len; i++)
        if (memcmp(text.data + i, ": -", 3) == 0)
            return (struct upsink_slice){text.data + i + 3, text.len - i - 3};
    for (size_t i = 0; i + 2 < text.len; i++) {
        static const char words[] = "The user executing the script";
        if (text.len - i >= sizeof words - 1 && memcmp(text.data + i, words, sizeof words - 1) == 0)
            return UPSINK_SLICE_LIT("NOPERM");
    }
    return text;
}

struct rd_meaning rd_code_meaning(struct upsink_slice text)
{
    text = inner_error(text);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (begins(text, table[i].begins))
            return table[i].meaning;
    return (struct rd_meaning){UPSINK_ERR_UNKNOWN, "sink_error", "look at the server's log"};
}

void rd_code_word(struct upsink_slice text, char *word, size_t size)
{
    size_t len = 0;
    text = inner_error(text);
    while (len < text.len && len + 1 < size && isupper((unsigned char)text.data[len]))
        len++;
    memcpy(word, text.data, len);
    word[len] = '\0';
}
