#include "table.h"

#include "log.h"

#include <inttypes.h>

enum { CELL_SIZE = 1000, GAP = 2, MAX_COLUMNS = 16 };

void table_init(struct table *table, const char *columns)
{
    *table = (struct table){.columns = columns};
    buf_init(&table->cells);
}

void table_clear(struct table *table)
{
    buf_destroy(&table->cells);
}

/* Characters, not bytes: wide ones count as one. */
static size_t measure(const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        width += (*text & 0xC0) != 0x80;
    return width;
}

/* Where the character number `most` begins. */
static size_t cut_at(const char *text, size_t most)
{
    size_t at = 0;
    for (size_t seen = 0; text[at]; at++)
        if ((text[at] & 0xC0) != 0x80 && seen++ == most)
            break;
    return at;
}

void table_add_slice(struct table *table, struct upsink_slice text, size_t most)
{
    char cell[CELL_SIZE + 8];
    if (!text.len)
        text = UPSINK_SLICE_LIT("-");
    log_escape(text, cell, CELL_SIZE);
    if (most && measure(cell) > most)
        strcpy(cell + cut_at(cell, most - 1), "…");
    buf_append(&table->cells, cell, strlen(cell) + 1);
    table->count++;
}

void table_add(struct table *table, const char *text)
{
    table_add_slice(table, upsink_slice_of(text), 0);
}

void table_add_count(struct table *table, int64_t number)
{
    char text[COUNT_SIZE];
    table_add(table, number < 0 ? "-" : format_count(number, text));
}

static void print_cell(FILE *out, const char *text, bool right, size_t width, bool last)
{
    int padding = (int)(width - measure(text));
    if (right)
        fprintf(out, "%*s%s", padding, "", text);
    else
        fprintf(out, "%s%*s", text, last ? 0 : padding, "");
    fprintf(out, "%*s", last ? 0 : GAP, "");
}

void table_print(const struct table *table, FILE *out, int indent)
{
    size_t widths[MAX_COLUMNS] = {0}, columns = strlen(table->columns);
    const char *cell = table->cells.data;
    if (table->cells.failed || !columns || columns > MAX_COLUMNS)
        return;
    for (size_t i = 0; i < table->count; i++, cell += strlen(cell) + 1)
        if (measure(cell) > widths[i % columns])
            widths[i % columns] = measure(cell);
    cell = table->cells.data;
    for (size_t i = 0; i < table->count; i++, cell += strlen(cell) + 1) {
        size_t column = i % columns;
        if (column == 0)
            fprintf(out, "%*s", indent, "");
        print_cell(out, cell, table->columns[column] == '>', widths[column], column + 1 == columns);
        if (column + 1 == columns)
            fputc('\n', out);
    }
}

const char *format_count(int64_t number, char text[COUNT_SIZE])
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRId64, number);
    size_t at = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && digits[i - 1] != '-' && (len - i) % 3 == 0)
            text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = '\0';
    return text;
}

const char *format_counted(int64_t number, const char *word, char text[COUNT_SIZE + 32])
{
    char count[COUNT_SIZE];
    snprintf(text, COUNT_SIZE + 32, "%s %s%s", format_count(number, count), word, number == 1 ? "" : "s");
    return text;
}
