#include "demo.h"

#include "connector/commands/table.h"
#include "connector/commands/terminal.h"
#include "dlq/reader.h"
#include "url.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

enum { ROWS_SHOWN = 8, CODES = 16, MESSAGE_SHOWN = 76, ANSWER_MS = 10000 };

static void print_heading(const char *text)
{
    struct style style = terminal_style(stdout);
    printf("\n%s%s%s\n", style.bold, text, style.off);
}

void demo_show_start(const struct demo *demo)
{
    char events[COUNT_SIZE], orders[COUNT_SIZE];
    struct style style = terminal_style(stdout);
    printf("%supsink demo: a topic of order events, and a table that equals it%s\n\n", style.bold, style.off);
    if (demo->broker)
        printf("  Broker   in this process, at %s\n", mock_broker_address(demo->broker));
    else
        printf("  Broker   %s\n", demo->options.brokers);
    printf("  Topic    %s, %d partitions\n", demo->topic, DEMO_PARTITIONS);
    printf("  Table    %s\n\n", demo->sink_name);
    printf("%s events of %s orders are published: new states, and what real topics have too --\n"
           "events sent twice, late ones, deletes, and some that nobody can read.\n\n",
           format_count((int64_t)demo->options.events, events), format_count(demo->orders, orders));
    fflush(stdout);
}

/* --- what became of them --- */

static void add_outcome(struct table *table, uint64_t count, const char *what, const char *meaning)
{
    if (!count)
        return;
    table_add_count(table, (int64_t)count);
    table_add(table, what);
    table_add(table, meaning);
}

void demo_show_outcome(const struct demo *demo)
{
    const struct demo_outcome *outcome = &demo->outcome;
    char heading[160], count[COUNT_SIZE], rate[COUNT_SIZE];
    struct table table;
    snprintf(heading, sizeof heading,
             "What became of the %s events (%s a second):", format_count((int64_t)outcome->consumed, count),
             format_count((int64_t)demo->rate, rate));
    print_heading(heading);
    table_init(&table, "><<");
    add_outcome(&table, outcome->upserts, "upserts applied", "the latest state of its order");
    add_outcome(&table, outcome->deletes, "deletes applied",
                "the row is gone, and stays gone if an old state comes late");
    add_outcome(&table, outcome->dropped[METRICS_SUPERSEDED], "superseded",
                "a newer state of the order was in the same batch");
    add_outcome(&table, outcome->dropped[METRICS_DUPLICATE_EVENT], "duplicates",
                "an event that was applied before");
    add_outcome(&table, outcome->dropped[METRICS_DUPLICATE_CHANGE], "same changes",
                "another event of a change that was applied before");
    add_outcome(&table, outcome->dropped[METRICS_STALE], "stale", "older than what the table holds");
    add_outcome(&table, outcome->dropped[METRICS_FILTERED], "filtered", "of a type that the view leaves out");
    add_outcome(&table, outcome->dead, "dead letters", "kept in a topic of their own, with the reason");
    add_outcome(&table, demo_dealt_with(outcome), "in all",
                demo_dealt_with(outcome) == demo->options.events ? "as many as were published"
                                                                 : "NOT as many as were published");
    table_print(&table, stdout, 2);
    table_clear(&table);
}

/* --- the table --- */

struct ranked {
    uint32_t order;
    uint64_t changes;
};

static int compare_ranks(const void *a, const void *b)
{
    const struct ranked *left = a, *right = b;
    if (left->changes != right->changes)
        return left->changes > right->changes ? -1 : 1;
    return left->order < right->order ? -1 : 1;
}

static const char *text_of(const json_t *entity, const char *name)
{
    const char *text = json_string_value(json_object_get(entity, name));
    return text ? text : "";
}

static void add_row(const struct demo *demo, const struct ranked *ranked, const char *key,
                    const struct upsink_row *row, struct table *table)
{
    char total[64], place[64];
    json_t *entity = json_loadb(row->entity.data, row->entity.len, 0, NULL);
    const json_t *amount = json_object_get(entity, "totalAmount"),
                 *customer = json_object_get(entity, "customer");
    snprintf(total, sizeof total, "%.2f %s", json_number_value(amount), text_of(entity, "currency"));
    snprintf(place, sizeof place, "%" PRId32 ":%" PRId64, row->fence.partition, row->fence.offset);
    table_add(table, key);
    table_add(table, text_of(entity, "status"));
    table_add(table, total);
    table_add(table, text_of(customer, "name"));
    table_add(table, text_of(entity, "lastUpdated"));
    table_add(table, place);
    table_add_count(table, (int64_t)feed_changes(demo->feed, ranked->order));
    json_decref(entity);
}

static bool add_rows(struct demo *demo, const struct ranked *ranks, struct table *table,
                     struct upsink_error *err)
{
    size_t shown = 0;
    for (uint32_t i = 0; i < demo->orders && shown < ROWS_SHOWN; i++) {
        struct order_state state;
        struct upsink_slice value;
        struct upsink_row row;
        feed_expects(demo->feed, ranks[i].order, &state, &value);
        if (!check_read(&demo->check, state.key, &row, err))
            return false;
        if (!row.entity.data)
            continue;
        add_row(demo, &ranks[i], state.key, &row, table);
        shown++;
    }
    return true;
}

bool demo_show_rows(struct demo *demo, struct upsink_error *err)
{
    static const char *const titles[] = {"KEY",          "STATUS", "TOTAL",  "CUSTOMER",
                                         "LAST UPDATED", "FROM",   "RECORDS"};
    struct table table;
    struct ranked *ranks = calloc(demo->orders, sizeof *ranks);
    if (!ranks)
        return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory");
    for (uint32_t i = 0; i < demo->orders; i++)
        ranks[i] = (struct ranked){i, feed_changes(demo->feed, i)};
    qsort(ranks, demo->orders, sizeof *ranks, compare_ranks);
    table_init(&table, "<<><<<>");
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        table_add(&table, titles[i]);
    bool ok = add_rows(demo, ranks, &table, err);
    if (ok) {
        print_heading("The table, from its most often changed rows on:");
        table_print(&table, stdout, 2);
    }
    table_clear(&table);
    free(ranks);
    return ok;
}

/* --- dead letters --- */

struct code {
    char name[48], message[200], place[64];
    int64_t count;
};

static struct code *find_code(struct code codes[CODES], size_t *count, struct upsink_slice name)
{
    for (size_t i = 0; i < *count; i++)
        if (upsink_slice_is(name, codes[i].name))
            return &codes[i];
    if (*count == CODES)
        return NULL;
    snprintf(codes[*count].name, sizeof codes[*count].name, "%.*s", (int)name.len,
             name.data ? name.data : "");
    return &codes[(*count)++];
}

static void take_letter(struct code codes[CODES], size_t *count, const struct dead_letter *letter)
{
    struct code *code = find_code(codes, count, letter->facts.code);
    if (!code || code->count++)
        return;
    const struct upsink_slice message = letter->facts.message;
    snprintf(code->message, sizeof code->message, "%.*s", (int)message.len, message.data ? message.data : "");
    snprintf(code->place, sizeof code->place, "%" PRId32 ":%" PRId64, letter->facts.source_partition,
             letter->facts.source_offset);
}

static bool read_letters(const struct demo *demo, struct code codes[CODES], size_t *count,
                         struct upsink_error *err)
{
    struct dead_letter letter;
    enum dlq_read read = DLQ_READ_FAILED;
    struct dlq_reader *reader = dlq_reader_open(&demo->kafka, demo->settings->dlq_topic, ANSWER_MS, err);
    if (!reader)
        return false;
    while ((read = dlq_reader_next(reader, &letter, err)) == DLQ_READ_RECORD)
        take_letter(codes, count, &letter);
    dlq_reader_close(reader);
    return read == DLQ_READ_END;
}

bool demo_show_dead_letters(const struct demo *demo, struct upsink_error *err)
{
    struct code codes[CODES] = {0};
    char heading[160];
    size_t count = 0;
    struct table table;
    if (!demo->outcome.dead)
        return true;
    if (!read_letters(demo, codes, &count, err))
        return false;
    snprintf(heading, sizeof heading, "The dead letters, read back from %s:", demo->settings->dlq_topic);
    print_heading(heading);
    table_init(&table, "><<<");
    table_add(&table, "COUNT");
    table_add(&table, "CODE");
    table_add(&table, "FIRST AT");
    table_add(&table, "REASON");
    for (size_t i = 0; i < count; i++) {
        table_add_count(&table, codes[i].count);
        table_add(&table, codes[i].name);
        table_add(&table, codes[i].place);
        table_add_slice(&table, upsink_slice_of(codes[i].message), MESSAGE_SHOWN);
    }
    table_print(&table, stdout, 2);
    table_clear(&table);
    return true;
}

/* --- the verdict --- */

bool demo_is_good(const struct demo *demo)
{
    return demo->check.wrong == 0 && demo->outcome.consumed == demo->options.events &&
           demo_dealt_with(&demo->outcome) == demo->options.events &&
           demo->outcome.dead == feed_count(demo->feed, ORDER_EVENT_POISON);
}

void demo_show_verdict(const struct demo *demo)
{
    const struct check *check = &demo->check;
    struct style style = terminal_style(stdout);
    char orders[COUNT_SIZE + 32], rows[COUNT_SIZE], absent[COUNT_SIZE];
    bool good = demo_is_good(demo);
    printf("\n%s%s%s%s", style.bold, good ? style.good : style.bad,
           good ? "The view equals the topic" : "The view does NOT equal the topic", style.off);
    if (check->wrong)
        printf(": %s of %s orders are wrong. The first is %s.\n", format_count((int64_t)check->wrong, rows),
               format_count((int64_t)check->orders, orders), check->first_wrong);
    else if (!good)
        printf(": the books don't balance.\n");
    else
        printf(": %s checked field by field,\n%s with the latest state, %s rightly without a row.\n",
               format_counted((int64_t)check->orders, "order", orders),
               format_count((int64_t)check->rows, rows), format_count((int64_t)check->absent, absent));
}

/* --- what next --- */

static void show_look_around(const struct demo *demo)
{
    struct buf sink;
    buf_init(&sink);
    url_redact(&sink, demo->options.sink ? demo->options.sink : demo->sink);
    const char *url = sink.failed ? "" : sink.data;
    if (demo->directory[0])
        printf(
            "  sqlite3 %s/demo.db \"SELECT key, doc->>'status', doc->>'totalAmount' FROM orders LIMIT 5\"\n"
            "  rm -r %s\n",
            demo->directory, demo->directory);
    if (!demo->broker) {
        printf("  upsink dlq list --brokers %s --topic %s --sink '%s' --name %s\n", demo->options.brokers,
               demo->topic, url, demo->topic);
        printf("  kafka-topics.sh --bootstrap-server %s --delete --topic '%s.*'\n", demo->options.brokers,
               demo->topic);
    }
    if (!demo->directory[0] && demo->table_named)
        printf("  DROP TABLE %s\n", demo->table);
    else if (!demo->directory[0])
        printf("  the rows are in %s\n", demo->sink_name);
    buf_destroy(&sink);
}

void demo_show_next(const struct demo *demo)
{
    print_heading(!demo->broker        ? "The topics and the table stay. Look around, then remove them:"
                  : demo->directory[0] ? "The file stays. Look around, then remove it:"
                                       : "The table stays. Look around, then remove it:");
    show_look_around(demo);
    print_heading("With a topic of your own:");
    puts("  upsink plan --brokers localhost:9092 --topic orders --sink sqlite:orders.db\n"
         "      looks at everything, and changes nothing\n"
         "  upsink run --brokers localhost:9092 --topic orders --sink sqlite:orders.db\n"
         "      keeps the table up to date\n"
         "  upsink sinks\n"
         "      lists the databases that it can be kept in");
}
