/* Aligned columns for people, and numbers that can be read.
 *
 *     struct table table;
 *     table_init(&table, "<>>");                    three columns: left, right, right
 *     table_add(&table, "topic"); table_count(&table, 5012); table_add(&table, "-");
 *     table_print(&table, stdout, 4);               four spaces before each line
 *     table_clear(&table);
 *
 * Cells are added row by row, the heading first if there is one. Control characters in them are escaped. */
#ifndef UPSINK_TABLE_H
#define UPSINK_TABLE_H

#include "buf.h"

struct table {
    const char *columns; /* one '<' (left) or '>' (right) each */
    struct buf cells;    /* NUL-terminated texts */
    size_t count;
};

void table_init(struct table *table, const char *columns);
void table_clear(struct table *table);

/* A cell is cut after `most` characters (0: 1,000) with "…" at its end. Absent or empty is "-". */
void table_add_slice(struct table *table, struct upsink_slice text, size_t most);
void table_add(struct table *table, const char *text);
void table_add_count(struct table *table, int64_t number); /* below zero: "-" */

/* Columns stand two spaces apart, the last one as it is. */
void table_print(const struct table *table, FILE *out, int indent);

#define COUNT_SIZE 32

/* 1234567 as "1,234,567"; returns text. */
const char *format_count(int64_t number, char text[COUNT_SIZE]);

/* "1 record", "2 records": the word with its s. */
const char *format_counted(int64_t number, const char *word, char text[COUNT_SIZE + 32]);

#endif
