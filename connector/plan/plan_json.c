#include "plan_report.h"

#include "log.h"

#include <jansson.h>

static json_t *text_or_null(struct upsink_slice text)
{
    char shown[512];
    json_t *value = text.data ? json_stringn(text.data, text.len) : json_null();
    if (value)
        return value;
    log_escape(text, shown, sizeof shown); /* no UTF-8 */
    return json_string(shown);
}

static json_t *number_or_null(int64_t number)
{
    return number < 0 ? json_null() : json_integer(number);
}

static json_t *begin(const struct plan *plan, const char *kind)
{
    return json_pack("{s:s, s:s}", "kind", kind, "view", plan->settings->name);
}

static void end(json_t *line, FILE *out)
{
    json_dumpf(line, out, JSON_COMPACT | JSON_PRESERVE_ORDER);
    fputc('\n', out);
    json_decref(line);
}

static void print_view(const struct plan *plan, FILE *out)
{
    json_t *line = begin(plan, "view"), *topics = json_array();
    bool wanted = plan->settings->on_error == ON_ERROR_DLQ;
    for (size_t i = 0; i < plan->topic_count; i++)
        json_array_append_new(topics, json_pack("{s:s, s:b, s:i}", "topic", plan->topics[i].name, "exists",
                                                plan->topics[i].partitions > 0, "partitions",
                                                (int)plan->topics[i].partitions));
    json_object_set_new(line, "topics", topics);
    json_object_set_new(line, "group", json_string(plan->settings->group));
    json_object_set_new(line, "group_exists",
                        plan->group_known ? json_boolean(plan->group_exists) : json_null());
    json_object_set_new(line, "group_members",
                        plan->group_known ? json_integer(plan->group_members) : json_null());
    json_object_set_new(line, "sink", text_or_null(upsink_slice_of(plan->sink_name)));
    json_object_set_new(line, "dlq_topic", wanted ? json_string(plan->settings->dlq_topic) : json_null());
    json_object_set_new(line, "dlq_exists",
                        wanted && plan->dlq_known ? json_boolean(plan->dlq.partitions > 0) : json_null());
    end(line, out);
}

static void print_partition(const struct plan *plan, const struct plan_partition *partition, FILE *out)
{
    json_t *line = begin(plan, "partition");
    bool known = partition->high >= 0;
    json_object_set_new(line, "topic", json_string(partition->topic));
    json_object_set_new(line, "partition", json_integer(partition->partition));
    json_object_set_new(line, "low", number_or_null(partition->low));
    json_object_set_new(line, "high", number_or_null(partition->high));
    json_object_set_new(line, "committed", number_or_null(partition->committed));
    json_object_set_new(line, "lag",
                        known && partition->has_commit ? json_integer(partition->high - partition->committed)
                                                       : json_null());
    json_object_set_new(line, "start",
                        partition->decided ? json_integer(partition->start.offset) : json_null());
    json_object_set_new(line, "remark", text_or_null(upsink_slice_of(partition->remark)));
    end(line, out);
}

static const char *name_outcome(const struct plan_record *record)
{
    if (record->outcome == DECODE_REJECTED)
        return "rejected";
    if (record->outcome == DECODE_FILTERED)
        return "filtered";
    return record->change.op == UPSINK_DELETE ? "delete" : "upsert";
}

static void print_record(const struct plan *plan, const struct plan_record *record, FILE *out)
{
    json_t *line = begin(plan, "record");
    const struct upsink_change *change = &record->change;
    bool known = record->outcome != DECODE_FILTERED;
    bool whole = record->outcome == DECODE_CHANGE && change->op == UPSINK_UPSERT;
    bool versioned = known && (change->flags & UPSINK_HAS_VERSION);
    json_object_set_new(line, "topic", json_string(record->topic));
    json_object_set_new(line, "partition", json_integer(change->partition));
    json_object_set_new(line, "offset", json_integer(change->offset));
    json_object_set_new(line, "op", json_string(name_outcome(record)));
    json_object_set_new(line, "key", text_or_null(known ? change->key : UPSINK_SLICE_ABSENT));
    json_object_set_new(line, "event_id", text_or_null(known ? change->event_id : UPSINK_SLICE_ABSENT));
    json_object_set_new(line, "change_id", text_or_null(known ? change->change_id : UPSINK_SLICE_ABSENT));
    json_object_set_new(line, "version", versioned ? json_integer(change->version) : json_null());
    json_object_set_new(line, "entity_bytes",
                        whole ? json_integer((json_int_t)change->entity.len) : json_null());
    json_object_set_new(line, "value_bytes",
                        record->tombstone ? json_null() : json_integer((json_int_t)record->value_bytes));
    if (record->error) {
        json_object_set_new(line, "code", text_or_null(upsink_slice_of(record->error->code)));
        json_object_set_new(line, "message", text_or_null(upsink_slice_of(record->error->text)));
        json_object_set_new(line, "detail", text_or_null(upsink_slice_of(record->error->detail)));
    }
    end(line, out);
}

static void print_rest(const struct plan *plan, FILE *out)
{
    struct buf sentence;
    for (size_t i = 0; i < plan->problem_count; i++) {
        json_t *line = begin(plan, "problem");
        json_object_set_new(line, "code", text_or_null(upsink_slice_of(plan->problems[i].code)));
        json_object_set_new(line, "message", text_or_null(upsink_slice_of(plan->problems[i].text)));
        json_object_set_new(line, "detail", text_or_null(upsink_slice_of(plan->problems[i].detail)));
        end(line, out);
    }
    buf_init(&sentence);
    plan_sum_up(plan, &sentence);
    json_t *line = begin(plan, "run");
    json_object_set_new(line, "ok", json_boolean(plan->problem_count == 0));
    json_object_set_new(line, "message", text_or_null(buf_view(&sentence)));
    json_object_set_new(line, "rejected", json_integer((json_int_t)plan_count_rejected(plan)));
    end(line, out);
    buf_destroy(&sentence);
}

void plan_print_json(const struct plan *plan, FILE *out)
{
    print_view(plan, out);
    for (size_t i = 0; i < plan->partition_count; i++)
        print_partition(plan, &plan->partitions[i], out);
    for (size_t i = 0; i < plan->statement_count; i++) {
        json_t *line = begin(plan, "statement");
        json_object_set_new(line, "text", text_or_null(upsink_slice_of(plan->statements[i])));
        end(line, out);
    }
    for (size_t i = 0; i < plan->record_count; i++)
        print_record(plan, &plan->records[i], out);
    print_rest(plan, out);
}
