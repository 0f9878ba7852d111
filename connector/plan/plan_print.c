#include "plan_report.h"

#include "clock.h"
#include "connector/commands/table.h"

#include <inttypes.h>

enum { PARTITIONS_SHOWN = 16, KEY_SHOWN = 36, ID_SHOWN = 24, LABEL = 14 };

static bool has_several_topics(const struct plan *plan)
{
    return plan->topic_count > 1;
}

static void print_topics(const struct plan *plan, FILE *out)
{
    char partitions[COUNT_SIZE + 32], records[COUNT_SIZE + 32];
    for (size_t i = 0; i < plan->topic_count; i++) {
        const struct plan_topic *topic = &plan->topics[i];
        int64_t count = 0;
        for (size_t p = 0; p < plan->partition_count; p++)
            if (plan->partitions[p].topic == topic->name && plan->partitions[p].high > 0)
                count += plan->partitions[p].high - plan->partitions[p].low;
        fprintf(out, "  %-*s", LABEL, i == 0 ? "Topic" : "");
        if (topic->partitions)
            fprintf(out, "%s: %s, %s\n", topic->name,
                    format_counted(topic->partitions, "partition", partitions),
                    format_counted(count, "record", records));
        else
            fprintf(out, "%s: does not exist\n", topic->name);
    }
    if (!plan->topic_count)
        fprintf(out, "  %-*s%s: not known\n", LABEL, "Topic", plan->settings->topic_text);
}

static void print_group(const struct plan *plan, FILE *out)
{
    fprintf(out, "  %-*s%s: ", LABEL, "Group", plan->settings->group);
    if (!plan->group_known)
        fputs("not known\n", out);
    else if (!plan->group_exists)
        fputs("new\n", out);
    else if (plan->group_members)
        fprintf(out, "%s running now; run would share the partitions with %s\n",
                plan->group_members == 1 ? "one instance" : "several instances",
                plan->group_members == 1 ? "it" : "them");
    else
        fputs("has offsets, and no instance running\n", out);
}

static void print_dead_letters(const struct plan *plan, FILE *out)
{
    int32_t partitions = 0;
    char count[COUNT_SIZE + 32];
    fprintf(out, "  %-*s", LABEL, "Dead letters");
    if (plan->settings->on_error != ON_ERROR_DLQ) {
        fputs(plan->settings->on_error == ON_ERROR_SKIP
                  ? "none: records that can't be applied are skipped\n"
                  : "none: a record that can't be applied stops the view\n",
              out);
        return;
    }
    for (size_t i = 0; i < plan->topic_count; i++)
        if (plan->topics[i].partitions > partitions)
            partitions = plan->topics[i].partitions;
    fprintf(out, "%s: ", plan->settings->dlq_topic);
    if (!plan->dlq_known)
        fputs("not known\n", out);
    else if (plan->dlq.partitions)
        fprintf(out, "exists, %s\n", format_counted(plan->dlq.partitions, "partition", count));
    else if (partitions)
        fprintf(out, "to be created with the first one, %s\n",
                format_counted(partitions, "partition", count));
    else
        fputs("to be created with the first one\n", out);
}

static void print_sink(const struct plan *plan, FILE *out)
{
    fprintf(out, "  %-*s%s", LABEL, "Sink", plan->sink_name ? plan->sink_name : "can't be opened");
    if (!plan->sink_name || !plan->sink_known)
        fputs(plan->sink_name ? ": not usable as it is\n" : "\n", out);
    else
        fprintf(out, ": %s\n", plan->statement_count ? "to be prepared" : "ready");
}

static void print_partitions(const struct plan *plan, FILE *out)
{
    bool several = has_several_topics(plan);
    struct table table;
    size_t shown = plan->partition_count > PARTITIONS_SHOWN ? PARTITIONS_SHOWN : plan->partition_count;
    if (!shown)
        return;
    table_init(&table, several ? "<>>>>>>" : ">>>>>>");
    if (several)
        table_add(&table, "TOPIC");
    table_add(&table, "PARTITION");
    table_add(&table, "FIRST");
    table_add(&table, "END");
    table_add(&table, "RECORDS");
    table_add(&table, "COMMITTED");
    table_add(&table, "LAG");
    for (size_t i = 0; i < shown; i++) {
        const struct plan_partition *partition = &plan->partitions[i];
        if (several)
            table_add(&table, partition->topic);
        table_add_count(&table, partition->partition);
        table_add_count(&table, partition->low);
        table_add_count(&table, partition->high);
        table_add_count(&table, partition->high < 0 ? -1 : partition->high - partition->low);
        table_add_count(&table, partition->committed);
        table_add_count(&table, partition->has_commit && partition->high >= 0
                                    ? partition->high - partition->committed
                                    : -1);
    }
    fputc('\n', out);
    table_print(&table, out, 2);
    table_clear(&table);
    if (shown < plan->partition_count)
        fprintf(out, "  ... and %zu more partitions\n", plan->partition_count - shown);
}

static size_t count_alike(const struct plan *plan, enum resume_reason reason)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->partition_count; i++)
        count += plan->partitions[i].remark && plan->partitions[i].start.reason == reason;
    return count;
}

/* The partitions of a topic share their fate most of the time: one remark for each reason. */
static void print_remarks(const struct plan *plan, FILE *out)
{
    unsigned seen = 0;
    for (size_t i = 0; i < plan->partition_count; i++) {
        const struct plan_partition *partition = &plan->partitions[i];
        enum resume_reason reason = partition->start.reason;
        if (!partition->remark || reason == RESUME_GAP || seen & 1u << reason)
            continue;
        seen |= 1u << reason;
        if (count_alike(plan, reason) == 1)
            fprintf(out, "\n  Partition %" PRId32 ": %s.\n", partition->partition, partition->remark);
        else
            fprintf(out, "\n  %zu of %zu partitions: %s.\n", count_alike(plan, reason), plan->partition_count,
                    partition->remark);
    }
}

static void print_indented(const char *text, FILE *out)
{
    while (*text) {
        size_t len = strcspn(text, "\n");
        fprintf(out, "    %.*s\n", (int)len, text);
        text += len + (text[len] == '\n');
    }
}

static void print_statements(const struct plan *plan, FILE *out)
{
    if (plan->statement_count)
        fputs("\n  The sink lacks:\n", out);
    for (size_t i = 0; i < plan->statement_count; i++)
        print_indented(plan->statements[i], out);
}

static void print_position(const struct plan *plan, const struct plan_record *record, char text[300])
{
    if (has_several_topics(plan))
        snprintf(text, 300, "%s:%" PRId32 ":%" PRId64, record->topic, record->change.partition,
                 record->change.offset);
    else
        snprintf(text, 300, "%" PRId32 ":%" PRId64, record->change.partition, record->change.offset);
}

static const char *name_outcome(const struct plan *plan, const struct plan_record *record)
{
    static const char *const rejected[] = {
        [ON_ERROR_DLQ] = "dead letter", [ON_ERROR_STOP] = "stop", [ON_ERROR_SKIP] = "skip"};
    if (record->outcome == DECODE_REJECTED)
        return rejected[plan->settings->on_error];
    if (record->outcome == DECODE_FILTERED)
        return "filtered";
    return record->change.op == UPSINK_DELETE ? "delete" : "upsert";
}

/* Versions that are times are shown as such: nobody reads microseconds. */
static void print_version(const struct upsink_change *change, char text[CLOCK_TEXT_SIZE])
{
    static const int64_t year_2000 = 946684800000000, year_2100 = 4102444800000000;
    if (!(change->flags & UPSINK_HAS_VERSION)) {
        text[0] = '\0';
    } else if (change->version >= year_2000 && change->version < year_2100) {
        clock_format(change->version, text);
        if (strcmp(text + 23, "000Z") == 0)
            strcpy(text + 23, "Z");
    } else {
        snprintf(text, CLOCK_TEXT_SIZE, "%" PRId64, change->version);
    }
}

static void add_record(const struct plan *plan, const struct plan_record *record, bool with_change_id,
                       struct table *table)
{
    char position[300], version[CLOCK_TEXT_SIZE];
    bool known = record->outcome != DECODE_FILTERED;
    bool whole = record->outcome == DECODE_CHANGE && record->change.op == UPSINK_UPSERT;
    print_position(plan, record, position);
    print_version(&record->change, version);
    table_add(table, position);
    table_add(table, name_outcome(plan, record));
    table_add_slice(table, known ? record->change.key : UPSINK_SLICE_ABSENT, KEY_SHOWN);
    table_add(table, known ? version : "");
    table_add_slice(table, known ? record->change.event_id : UPSINK_SLICE_ABSENT, ID_SHOWN);
    if (with_change_id)
        table_add_slice(table, known ? record->change.change_id : UPSINK_SLICE_ABSENT, ID_SHOWN);
    table_add_count(table, whole ? (int64_t)record->change.entity.len : -1);
}

static void print_records(const struct plan *plan, FILE *out)
{
    struct table table;
    bool with_change_id = plan->settings->mapping.change_id_count || plan->settings->mapping.change_id_hash;
    if (!plan->record_count)
        return;
    table_init(&table, with_change_id ? "<<<<<<>" : "<<<<<>");
    table_add(&table, "POSITION");
    table_add(&table, "OP");
    table_add(&table, "KEY");
    table_add(&table, "VERSION");
    table_add(&table, "EVENT ID");
    if (with_change_id)
        table_add(&table, "CHANGE ID");
    table_add(&table, "BYTES");
    for (size_t i = 0; i < plan->record_count; i++)
        add_record(plan, &plan->records[i], with_change_id, &table);
    fprintf(out, "\n  How the first records map:\n");
    table_print(&table, out, 2);
    table_clear(&table);
}

static void print_rejected(const struct plan *plan, FILE *out)
{
    char position[300], message[sizeof(struct upsink_error)];
    struct table table;
    if (!plan_count_rejected(plan))
        return;
    table_init(&table, "<<<");
    for (size_t i = 0; i < plan->record_count; i++) {
        const struct plan_record *record = &plan->records[i];
        if (record->outcome != DECODE_REJECTED)
            continue;
        print_position(plan, record, position);
        const char *detail = strstr(record->error->text, record->error->detail) ? "" : record->error->detail;
        snprintf(message, sizeof message, "%s%s%s%s", record->error->text, *detail ? " (" : "", detail,
                 *detail ? ")" : "");
        table_add(&table, position);
        table_add(&table, record->error->code);
        table_add(&table, message);
    }
    fputs("\n  These can't be applied:\n", out);
    table_print(&table, out, 2);
    table_clear(&table);
}

void plan_print(const struct plan *plan, FILE *out)
{
    struct buf sentence;
    buf_init(&sentence);
    fprintf(out, "View %s\n\n", plan->settings->name);
    print_topics(plan, out);
    print_group(plan, out);
    print_sink(plan, out);
    print_dead_letters(plan, out);
    print_partitions(plan, out);
    print_remarks(plan, out);
    print_statements(plan, out);
    print_records(plan, out);
    print_rejected(plan, out);
    plan_sum_up(plan, &sentence);
    fprintf(out, "\n%s\n", sentence.failed ? "out of memory" : sentence.data);
    buf_destroy(&sentence);
}
