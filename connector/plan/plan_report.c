#include "plan_report.h"

#include "connector/commands/table.h"

/* What the partitions come to. */
struct totals {
    int64_t records, to_read, lag;
    size_t partitions, decided, from_beginning, going_on, from_end;
};

static struct totals add_up(const struct plan *plan)
{
    struct totals totals = {.partitions = plan->partition_count};
    for (size_t i = 0; i < plan->partition_count; i++) {
        const struct plan_partition *partition = &plan->partitions[i];
        if (partition->high < 0)
            continue;
        totals.records += partition->high - partition->low;
        if (partition->has_commit && partition->high > partition->committed)
            totals.lag += partition->high - partition->committed;
        if (!partition->decided)
            continue;
        totals.decided++;
        totals.to_read += partition->high - partition->start.offset;
        totals.going_on += partition->start.reason == RESUME_CONTINUE;
        totals.from_beginning += partition->start.offset == partition->low;
        totals.from_end += partition->start.offset == partition->high;
    }
    return totals;
}

size_t plan_count_rejected(const struct plan *plan)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->record_count; i++)
        count += plan->records[i].outcome == DECODE_REJECTED;
    return count;
}

static void say_start(const struct plan *plan, struct buf *out)
{
    struct totals totals = add_up(plan);
    char records[COUNT_SIZE + 32], partitions[COUNT_SIZE + 32];
    format_counted(totals.to_read, "record", records);
    format_counted((int64_t)totals.partitions, "partition", partitions);
    if (totals.decided == 0)
        buf_append_text(out, "wait for partitions");
    else if (totals.records == 0)
        buf_append_text(out, "wait for the first record: there is none yet");
    else if (totals.going_on == totals.decided && totals.to_read)
        buf_printf(out, "go on where it stopped, with %s to catch up on", records);
    else if (totals.going_on == totals.decided)
        buf_append_text(out, "go on where it stopped, with nothing to catch up on");
    else if (totals.from_beginning == totals.decided)
        buf_printf(out, "read %s from the beginning of %s", records, partitions);
    else if (totals.from_end == totals.decided)
        buf_printf(out, "begin at the end of %s, and read what comes", partitions);
    else
        buf_printf(out, "read %s of %s", records, partitions);
}

static void say_rejected(const struct plan *plan, struct buf *out)
{
    size_t count = plan_count_rejected(plan);
    if (!count)
        return;
    buf_printf(out, " Of the %zu records above, %zu can't be applied: ", plan->record_count, count);
    if (plan->settings->on_error == ON_ERROR_DLQ)
        buf_printf(out, "run would write %s to %s.", count == 1 ? "it" : "them", plan->settings->dlq_topic);
    else
        buf_append_text(out, plan->settings->on_error == ON_ERROR_SKIP
                                 ? "run would skip them, as on_error says."
                                 : "run would stop there, as on_error says.");
}

/* The problem that decides: one that a person has to solve before one that passes by itself. */
static const struct upsink_error *find_worst(const struct plan *plan)
{
    for (size_t i = 0; i < plan->problem_count; i++)
        if (plan->problems[i].cls != UPSINK_ERR_OUTAGE)
            return &plan->problems[i];
    return plan->problem_count ? &plan->problems[0] : NULL;
}

void plan_sum_up(const struct plan *plan, struct buf *out)
{
    const struct upsink_error *worst = find_worst(plan);
    if (worst && worst->cls != UPSINK_ERR_OUTAGE) {
        buf_printf(out, "run would fail (%s).", worst->code);
        return;
    }
    if (worst && strcmp(worst->code, "unknown_topic") == 0) {
        buf_append_text(out, "run would wait until there is such a topic.");
        return;
    }
    if (worst) {
        buf_printf(out, "run would start, and try again until this is over (%s).", worst->code);
        return;
    }
    buf_append_text(out, "run would ");
    if (plan->statement_count)
        buf_printf(out, "prepare the sink with the %zu statement%s above, then ", plan->statement_count,
                   plan->statement_count == 1 ? "" : "s");
    say_start(plan, out);
    buf_append_text(out, ".");
    say_rejected(plan, out);
}
