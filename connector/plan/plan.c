#include "plan.h"

bool plan_init(struct plan *plan, const struct config *config, const struct view_config *settings,
               struct upsink_error *err)
{
    *plan = (struct plan){.config = config, .settings = settings};
    arena_init(&plan->arena, 0);
    plan->mapping = mapping_create(&settings->mapping, err);
    return plan->mapping != NULL;
}

void plan_clear(struct plan *plan)
{
    mapping_destroy(plan->mapping);
    arena_destroy(&plan->arena);
}

bool plan_add_problem(struct plan *plan, const struct upsink_error *err)
{
    if (plan->problem_count < PLAN_PROBLEMS)
        plan->problems[plan->problem_count++] = *err;
    return false;
}

/* The sink's own positions can't be read without claiming them, which would be a change: the group's
 * committed offset stands in for them. The service commits it right behind the sink's, so it differs after a
 * crash at most. */
static void fill_facts(const struct plan *plan, const struct plan_kafka *kafka,
                       const struct plan_partition *partition, struct resume_facts *facts)
{
    bool sink_knows = plan->sink_keeps && !plan->refills && partition->commit_is_ours;
    *facts = (struct resume_facts){
        .sink_keeps = plan->sink_keeps,
        .next_offset = sink_knows ? partition->committed : -1,
        .generation = sink_knows ? partition->note.generation : 0,
        .floor = sink_knows ? partition->note.floor : 0,
        .note = {.mark = {.offset = -1}},
        .has_commit = partition->has_commit,
        .commit_offset = partition->committed,
        .commit_is_ours = partition->commit_is_ours,
        .commit_note = partition->note,
        .low = partition->low,
        .high = partition->high,
        .cluster = kafka->cluster,
        .from_latest = kafka->from_latest,
    };
    if (sink_knows)
        facts->note = partition->note;
}

/* Anything but a first start and going on is worth a word; a gap is what the view halts for. */
static void explain(struct plan *plan, struct plan_partition *partition, const struct resume_facts *facts)
{
    char text[1024];
    struct upsink_error err;
    enum resume_reason reason = partition->start.reason;
    if (reason == RESUME_FIRST || reason == RESUME_CONTINUE)
        return;
    resume_explain(facts, &partition->start, plan->settings->name, partition->topic, partition->partition,
                   text, sizeof text);
    partition->remark = arena_copy(&plan->arena, upsink_slice_of(text)).data;
    if (reason != RESUME_GAP)
        return;
    upsink_fail(&err, UPSINK_ERR_FATAL, "log_truncated", "%s", text);
    plan_add_problem(plan, &err);
}

void plan_decide(struct plan *plan, const struct plan_kafka *kafka)
{
    for (size_t i = 0; plan->group_known && plan->sink_known && i < plan->partition_count; i++) {
        struct plan_partition *partition = &plan->partitions[i];
        struct resume_facts facts;
        if (partition->high < 0)
            continue;
        fill_facts(plan, kafka, partition, &facts);
        partition->start = resume_decide(&facts);
        partition->decided = true;
        explain(plan, partition, &facts);
    }
}
