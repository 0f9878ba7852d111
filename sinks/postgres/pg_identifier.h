/* Names of tables: read from configuration, written into SQL. Pure.
 *
 * Names keep their case and are always quoted in SQL, so that any name works (PostgreSQL manual,
 * 4.1.1 "Identifiers and Key Words"; 63 bytes is NAMEDATALEN - 1 of an ordinary server). */
#ifndef UPSINK_PG_IDENTIFIER_H
#define UPSINK_PG_IDENTIFIER_H

#include "buf.h"
#include "error.h"

#define PG_NAME_MAX 63

struct pg_table_name {
    char schema[PG_NAME_MAX + 1]; /* "" where none was given */
    char table[PG_NAME_MAX + 1];
};

/* Reads `table` or `schema.table`; a part in double quotes may hold dots, and "" for a quote.
 * UPSINK_ERR_CONFIG, "bad_target" where it is neither. */
UPSINK_NODISCARD bool pg_table_name_parse(struct pg_table_name *name, const char *text,
                                          struct upsink_error *err);

/* The whole text is the table's name, dots and quotes included. */
UPSINK_NODISCARD bool pg_table_name_single(struct pg_table_name *name, const char *text,
                                           struct upsink_error *err);

/* Appends the identifier in double quotes. */
void pg_append_identifier(struct buf *buf, const char *name);

/* prefix + table where that fits, otherwise prefix + a beginning of table + "_" + a hash of all of it. */
void pg_derive_name(char derived[PG_NAME_MAX + 1], const char *prefix, const char *table);

#endif
