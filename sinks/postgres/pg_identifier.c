#include "pg_identifier.h"

#include <string.h>
#include <xxhash.h>

#define RESERVED_PREFIX "_upsink_"

static bool fail_name(struct upsink_error *err, const char *text, const char *reason)
{
    return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_target", "'%.200s' can't be a PostgreSQL table name: %s",
                       text, reason);
}

/* Reads one part from *cursor and leaves it behind the part. */
static bool read_part(const char **cursor, char part[PG_NAME_MAX + 1], const char *text,
                      struct upsink_error *err)
{
    const char *at = *cursor;
    bool quoted = *at == '"';
    size_t len = 0;
    at += quoted;
    for (;; at++) {
        if (quoted && *at == '"' && at[1] == '"')
            at++;
        else if (quoted ? *at == '"' : *at == '.')
            break;
        if (!*at)
            break;
        if (!quoted && *at == '"')
            return fail_name(err, text,
                             "a double quote stands in the middle of a name; put the whole name in double "
                             "quotes, and double the quotes inside");
        if (len == PG_NAME_MAX)
            return fail_name(err, text, "a name may have 63 bytes at most; name a shorter one with `table`");
        part[len++] = *at;
    }
    if (quoted && *at != '"')
        return fail_name(err, text, "a closing double quote is missing");
    part[len] = '\0';
    *cursor = at + quoted;
    return len > 0 || fail_name(err, text, "it has an empty part");
}

static bool check_reserved(const struct pg_table_name *name, const char *text, struct upsink_error *err)
{
    if (strncmp(name->table, RESERVED_PREFIX, strlen(RESERVED_PREFIX)) == 0)
        return fail_name(err, text,
                         "names that begin with _upsink_ are kept for the bookkeeping; choose another");
    return true;
}

bool pg_table_name_parse(struct pg_table_name *name, const char *text, struct upsink_error *err)
{
    const char *at = text;
    *name = (struct pg_table_name){0};
    if (!read_part(&at, name->table, text, err))
        return false;
    if (*at == '.') {
        at++;
        memcpy(name->schema, name->table, sizeof name->schema);
        if (!read_part(&at, name->table, text, err))
            return false;
    }
    if (*at == '.')
        return fail_name(err, text,
                         "it has more parts than schema.table; put a name that holds a dot in double quotes");
    if (*at)
        return fail_name(err, text, "something follows the closing double quote");
    return check_reserved(name, text, err);
}

bool pg_table_name_single(struct pg_table_name *name, const char *text, struct upsink_error *err)
{
    size_t len = strlen(text);
    *name = (struct pg_table_name){0};
    if (len == 0)
        return fail_name(err, text, "it is empty");
    if (len > PG_NAME_MAX)
        return fail_name(err, text, "a name may have 63 bytes at most; name a shorter one with `table`");
    memcpy(name->table, text, len + 1);
    return check_reserved(name, text, err);
}

void pg_append_identifier(struct buf *buf, const char *name)
{
    buf_append_byte(buf, '"');
    for (; *name; name++) {
        if (*name == '"')
            buf_append_byte(buf, '"');
        buf_append_byte(buf, *name);
    }
    buf_append_byte(buf, '"');
}

void pg_derive_name(char derived[PG_NAME_MAX + 1], const char *prefix, const char *table)
{
    int len = snprintf(derived, PG_NAME_MAX + 1, "%s%s", prefix, table);
    if (len >= 0 && len <= PG_NAME_MAX)
        return;
    size_t kept = PG_NAME_MAX - strlen(prefix) - 17;
    while (kept > 0 && ((unsigned char)table[kept] & 0xC0) == 0x80)
        kept--; /* not into the middle of a character */
    snprintf(derived, PG_NAME_MAX + 1, "%s%.*s_%016llx", prefix, (int)kept, table,
             (unsigned long long)XXH3_64bits(table, strlen(table)));
}
