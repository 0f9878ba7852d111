/* upsink dlq list, upsink dlq stats */
#include "commands.h"
#include "dlq_letter.h"
#include "table.h"

#include <inttypes.h>
#include <stdlib.h>

/* So many rows are aligned together where the number of all of them is not known beforehand. */
enum { ROWS_AT_ONCE = 500 };

/* What is to be printed: the newest ones where there is a limit, otherwise some at a time. */
struct page {
    bool json;
    bool limited;
    size_t room, begin, count; /* a ring */
    json_t **letters;
    bool headed;
    size_t shown;
};

static struct upsink_slice text_of(const json_t *object, const char *name)
{
    const json_t *text = json_object_get(object, name);
    return json_is_string(text) ? (struct upsink_slice){json_string_value(text), json_string_length(text)}
                                : UPSINK_SLICE_ABSENT;
}

static int64_t number_of(const json_t *object, const char *name)
{
    const json_t *number = json_object_get(object, name);
    return json_is_integer(number) ? json_integer_value(number) : -1;
}

static void add_row(struct table *table, const json_t *letter)
{
    char text[64];
    snprintf(text, sizeof text, "%" PRId64 ":%" PRId64, number_of(letter, "partition"),
             number_of(letter, "offset"));
    table_add(table, text);
    table_add_slice(table, text_of(letter, "failed_at"), 0);
    struct buf source;
    buf_init(&source);
    buf_append_slice(&source, text_of(letter, "source_topic"));
    if (number_of(letter, "source_offset") >= 0)
        buf_printf(&source, " %" PRId64 ":%" PRId64, number_of(letter, "source_partition"),
                   number_of(letter, "source_offset"));
    table_add_slice(table, buf_view(&source), 60);
    buf_destroy(&source);
    table_add_slice(table, text_of(letter, "key"), 40);
    table_add_slice(table, text_of(letter, "code"), 0);
    table_add_count(table, number_of(letter, "attempts"));
    table_add(table, json_is_true(json_object_get(letter, "resolved")) ? "yes" : "no");
    table_add_slice(table, text_of(letter, "message"), 160);
}

static void print_rows(struct page *page)
{
    static const char *const headings[] = {"POSITION", "FAILED AT", "SOURCE",   "KEY",
                                           "CODE",     "ATTEMPTS",  "RESOLVED", "MESSAGE"};
    struct table table;
    table_init(&table, "<<<<<><<");
    for (size_t i = 0; !page->headed && i < sizeof headings / sizeof *headings; i++)
        table_add(&table, headings[i]);
    page->headed = true;
    for (size_t i = 0; i < page->count; i++)
        add_row(&table, page->letters[(page->begin + i) % page->room]);
    table_print(&table, stdout, 0);
    table_clear(&table);
}

static void flush_page(struct page *page)
{
    if (page->count && !page->json)
        print_rows(page);
    for (size_t i = 0; i < page->count; i++) {
        json_t *letter = page->letters[(page->begin + i) % page->room];
        if (page->json) {
            json_dumpf(letter, stdout, JSON_COMPACT);
            putchar('\n');
        }
        json_decref(letter);
    }
    page->shown += page->count;
    page->count = page->begin = 0;
}

static void add_to_page(struct page *page, json_t *letter)
{
    if (page->count == page->room && page->limited) {
        json_decref(page->letters[page->begin]);
        page->begin = (page->begin + 1) % page->room;
        page->count--;
    } else if (page->count == page->room)
        flush_page(page);
    page->letters[(page->begin + page->count++) % page->room] = letter;
}

static bool open_page(struct page *page, const struct cli_args *args, struct upsink_error *err)
{
    int64_t limit = 0;
    if (!cli_read_integer(args, "limit", 1, 1000000, &limit, err))
        return false;
    *page = (struct page){
        .json = cli_wants_json(args), .limited = limit > 0, .room = limit > 0 ? (size_t)limit : ROWS_AT_ONCE};
    page->letters = calloc(page->room, sizeof(json_t *));
    return page->letters || upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory");
}

static bool list_letters(struct dlq_view *view, const struct dlq_filter *filter, struct page *page,
                         struct upsink_error *err)
{
    struct dead_letter letter;
    enum dlq_read read;
    struct dlq_reader *reader =
        dlq_reader_open(&view->kafka, view->settings->dlq_topic, DLQ_PATIENCE_MS, err);
    if (!reader)
        return false;
    while ((read = dlq_reader_next(reader, &letter, err)) == DLQ_READ_RECORD)
        if (dlq_letter_is_of(&letter, view->settings) && dlq_filter_passes(filter, view, &letter))
            add_to_page(page, dlq_letter_json(view, &letter));
    flush_page(page);
    dlq_reader_close(reader);
    return read == DLQ_READ_END;
}

/* Other views may have theirs in the same topic. */
static void say_none(const struct dlq_view *view, const char *which)
{
    fprintf(stderr, "no dead letters of view %s%s in %s\n", view->settings->name, which,
            view->settings->dlq_topic);
}

static bool is_choosy(const struct dlq_filter *filter)
{
    return filter->code || filter->key || filter->grep || filter->since != INT64_MIN ||
           filter->until != INT64_MAX;
}

int command_dlq_list(const struct cli_args *args)
{
    int status = 0;
    struct upsink_error err;
    struct dlq_view view;
    struct dlq_filter filter;
    struct page page = {0};
    if (!dlq_view_open(&view, args, &err) || !dlq_filter_read(&filter, args, &err) ||
        !open_page(&page, args, &err) || !list_letters(&view, &filter, &page, &err))
        status = cli_fail(&err);
    else if (page.shown == 0 && !page.json)
        say_none(&view, is_choosy(&filter) ? " that pass the filter" : "");
    free(page.letters);
    dlq_view_close(&view);
    return status;
}

/* Counts by code and detail: code -> detail -> {count, first, last}. */
static json_t *child_of(json_t *object, const char *name)
{
    json_t *child = json_object_get(object, name);
    if (!child) {
        child = json_object();
        json_object_set_new_nocheck(object, name, child);
    }
    return child;
}

static void count_letter(json_t *codes, const struct dead_letter *letter)
{
    json_t *code = dlq_text_json(letter->facts.code), *detail = dlq_text_json(letter->facts.detail);
    json_t *entry = child_of(child_of(codes, json_is_string(code) ? json_string_value(code) : ""),
                             json_is_string(detail) ? json_string_value(detail) : "");
    int64_t at = letter->facts.failed_at, first = number_of(entry, "first"), last = number_of(entry, "last");
    int64_t count = number_of(entry, "count");
    json_object_set_new(entry, "count", json_integer(count < 0 ? 1 : count + 1));
    if (at >= 0 && (first < 0 || at < first))
        json_object_set_new(entry, "first", json_integer(at));
    if (at > last)
        json_object_set_new(entry, "last", json_integer(at));
    json_decref(code);
    json_decref(detail);
}

static bool count_letters(struct dlq_view *view, json_t *codes, struct upsink_error *err)
{
    struct dead_letter letter;
    enum dlq_read read;
    struct dlq_reader *reader =
        dlq_reader_open(&view->kafka, view->settings->dlq_topic, DLQ_PATIENCE_MS, err);
    if (!reader)
        return false;
    while ((read = dlq_reader_next(reader, &letter, err)) == DLQ_READ_RECORD)
        if (!letter.resolved && dlq_letter_is_of(&letter, view->settings))
            count_letter(codes, &letter);
    dlq_reader_close(reader);
    return read == DLQ_READ_END;
}

static int compare_texts(const json_t *left, const json_t *right, const char *name)
{
    const char *a = text_of(left, name).data, *b = text_of(right, name).data;
    return strcmp(a ? a : "", b ? b : "");
}

static int compare_lines(const void *a, const void *b)
{
    json_t *const *left = a, *const *right = b;
    int64_t more = number_of(*right, "count"), less = number_of(*left, "count");
    if (more != less)
        return more > less ? 1 : -1;
    int order = compare_texts(*left, *right, "code");
    return order ? order : compare_texts(*left, *right, "detail");
}

static json_t *text_or_null(const char *text)
{
    return *text ? json_string_nocheck(text) : json_null();
}

static json_t *line_json(const struct dlq_view *view, const char *code, const char *detail,
                         const json_t *entry)
{
    json_t *line = json_object();
    json_object_set_new(line, "view", json_string(view->settings->name));
    json_object_set_new(line, "code", text_or_null(code));
    json_object_set_new(line, "detail", text_or_null(detail));
    json_object_set_new(line, "count", json_integer(number_of(entry, "count")));
    json_object_set_new(line, "first", dlq_time_json(number_of(entry, "first")));
    json_object_set_new(line, "last", dlq_time_json(number_of(entry, "last")));
    return line;
}

/* The most frequent first. */
static json_t **sort_lines(const struct dlq_view *view, json_t *codes, size_t *count)
{
    const char *code, *detail;
    json_t *details, *entry;
    size_t lines_wanted = 0;
    *count = 0;
    json_object_foreach(codes, code, details)
    {
        lines_wanted += json_object_size(details);
    }
    json_t **lines = calloc(lines_wanted + 1, sizeof(json_t *));
    if (!lines)
        return NULL;
    json_object_foreach(codes, code, details)
    {
        json_object_foreach(details, detail, entry)
        {
            lines[(*count)++] = line_json(view, code, detail, entry);
        }
    }
    qsort(lines, *count, sizeof(json_t *), compare_lines);
    return lines;
}

static void print_stats(json_t *const *lines, size_t count, bool json)
{
    static const char *const headings[] = {"COUNT", "CODE", "DETAIL", "FIRST", "LAST"};
    struct table table;
    table_init(&table, "><<<<");
    for (size_t i = 0; i < sizeof headings / sizeof *headings; i++)
        table_add(&table, headings[i]);
    for (size_t i = 0; i < count; i++) {
        if (json) {
            json_dumpf(lines[i], stdout, JSON_COMPACT);
            putchar('\n');
            continue;
        }
        table_add_count(&table, number_of(lines[i], "count"));
        table_add_slice(&table, text_of(lines[i], "code"), 0);
        table_add_slice(&table, text_of(lines[i], "detail"), 60);
        table_add_slice(&table, text_of(lines[i], "first"), 0);
        table_add_slice(&table, text_of(lines[i], "last"), 0);
    }
    if (!json)
        table_print(&table, stdout, 0);
    table_clear(&table);
}

int command_dlq_stats(const struct cli_args *args)
{
    int status = 0;
    struct upsink_error err;
    struct dlq_view view;
    json_t *codes = json_object(), **lines = NULL;
    size_t count = 0;
    if (!dlq_view_open(&view, args, &err) || !count_letters(&view, codes, &err)) {
        status = cli_fail(&err);
        goto cleanup;
    }
    lines = sort_lines(&view, codes, &count);
    if (!lines) {
        upsink_fail(&err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory");
        status = cli_fail(&err);
        goto cleanup;
    }
    if (count > 0 || cli_wants_json(args))
        print_stats(lines, count, cli_wants_json(args));
    else
        say_none(&view, "");
cleanup:
    for (size_t i = 0; lines && i < count; i++)
        json_decref(lines[i]);
    free(lines);
    json_decref(codes);
    dlq_view_close(&view);
    return status;
}
