/* How a partition starts: claim it in the sink, look at Kafka, decide, write down, seek. */
#include "connector/view.h"

#include "clock.h"
#include "log.h"

#include <inttypes.h>

/* At the first contact a refusal is the user's mistake; later it is an outage like others. */
static bool fail_to_prepare(const struct view *view, struct upsink_error *err)
{
    if (err->cls == UPSINK_ERR_REFUSED && !atomic_load(&view->ever_prepared))
        err->cls = UPSINK_ERR_FATAL;
    return false;
}

static void print_nothing(void *context, const char *text)
{
    (void)context;
    (void)text;
}

static void refill_nothing(void *context)
{
    (void)context;
}

bool worker_look(struct worker *worker, struct upsink_error *err)
{
    static const struct upsink_printer printer = {NULL, print_nothing, refill_nothing};
    return worker->view->type->prepare(worker->sink, &printer, err) || fail_to_prepare(worker->view, err);
}

bool worker_prepare(struct worker *worker, struct upsink_error *err)
{
    struct view *view = worker->view;
    if (worker->prepared)
        return true;
    /* One makes the target, so that the others find it whole. */
    bool first = !atomic_load(&view->ever_prepared);
    if (first)
        pthread_mutex_lock(&view->prepare_lock);
    worker->prepared = view->type->prepare(worker->sink, NULL, err) || fail_to_prepare(view, err);
    if (first)
        pthread_mutex_unlock(&view->prepare_lock);
    if (!worker->prepared)
        return false;
    atomic_store(&view->ever_prepared, true);
    return true;
}

static bool keeps_positions(const struct view *view)
{
    return view->type->capabilities & UPSINK_KEEPS_POSITIONS;
}

static bool claim(struct worker *worker, struct lane *lane, struct upsink_position *position,
                  struct upsink_error *err)
{
    *position = (struct upsink_position){
        .topic = upsink_slice_of(lane->topic), .partition = lane->partition, .next_offset = -1};
    return !keeps_positions(worker->view) || worker->view->type->claim(worker->sink, position, err);
}

static void fill_facts(const struct view *view, const struct lane *lane,
                       const struct upsink_position *position, struct resume_facts *facts)
{
    *facts = (struct resume_facts){.sink_keeps = keeps_positions(view),
                                   .next_offset = position->next_offset,
                                   .generation = position->generation,
                                   .floor = position->floor,
                                   .commit_offset = -1,
                                   .mark_differs = lane->mark_differs};
    resume_note_parse(position->note, strnlen(position->note, sizeof position->note), &facts->note);
}

/* The new generation is on record before its first change is written. */
static bool write_down(struct worker *worker, const struct resume_note *note, const struct resume_plan *plan,
                       struct upsink_position *position, struct upsink_error *err)
{
    if (!keeps_positions(worker->view) ||
        (plan->offset == position->next_offset && plan->generation == position->generation &&
         plan->floor == position->floor))
        return true;
    position->next_offset = plan->offset;
    position->generation = plan->generation;
    position->floor = plan->floor;
    resume_note_format(note, position->note);
    return worker->view->type->commit(worker->sink, position, 1, err);
}

static void log_start(const struct view *view, const struct lane *lane, const struct resume_facts *facts,
                      const struct resume_plan *plan)
{
    char text[1024];
    resume_explain(facts, plan, view->settings->name, lane->topic, lane->partition, text, sizeof text);
    enum log_level level =
        plan->reason == RESUME_FIRST || plan->reason == RESUME_CONTINUE ? LOG_LEVEL_INFO : LOG_LEVEL_WARN;
    log_write(level, text, LOG_STR("view", view->settings->name), LOG_STR("topic", lane->topic),
              LOG_INT("partition", lane->partition), LOG_INT("offset", plan->offset),
              LOG_INT("generation", plan->generation), LOG_INT("low", facts->low),
              LOG_INT("high", facts->high));
}

/* Keys may have moved to the new partitions while the old ones still hold records of theirs. */
static void warn_of_growth(const struct view *view, const struct lane *lane, int32_t before, int32_t now)
{
    if (before <= 0 || now <= before || lane->partition != 0)
        return;
    char text[256];
    snprintf(text, sizeof text,
             "the topic grew from %" PRId32 " to %" PRId32 " partitions: keys that moved are ordered by %s",
             before, now,
             mapping_has_version(view->mapping)
                 ? "their version"
                 : "record timestamps only; map a version if they can't be trusted");
    log_write(LOG_LEVEL_WARN, text, LOG_STR("view", view->settings->name), LOG_STR("topic", lane->topic));
}

static bool halt_for_gap(struct view *view, struct lane *lane, const struct resume_facts *facts,
                         const struct resume_plan *plan, struct upsink_error *err)
{
    char text[1024];
    resume_explain(facts, plan, view->settings->name, lane->topic, lane->partition, text, sizeof text);
    return upsink_fail(err, UPSINK_ERR_FATAL, "log_truncated", "%s", text);
}

/* Where to read from so that the window is warm and the mark is seen. */
static int64_t first_to_read(const struct view *view, const struct lane *lane, const struct resume_plan *plan,
                             int64_t low)
{
    int64_t from = plan->offset;
    if (plan->reason == RESUME_CONTINUE && mapping_has_ids(view->mapping))
        from -= (int64_t)lane->dedup.window.limit;
    if (lane->marked.offset >= 0 && lane->marked.offset < from)
        from = lane->marked.offset;
    return from < low ? low : from;
}

bool worker_start_lane(struct worker *worker, struct lane *lane, struct upsink_error *err)
{
    struct view *view = worker->view;
    struct upsink_position position;
    struct resume_facts facts;
    if (!worker_prepare(worker, err) || !claim(worker, lane, &position, err))
        return false;
    fill_facts(view, lane, &position, &facts);
    if (!source_facts(view->source, lane->topic, lane->partition, &facts, err))
        return false;
    struct resume_plan plan = resume_decide(&facts);
    if (plan.reason == RESUME_GAP)
        return halt_for_gap(view, lane, &facts, &plan, err);
    const struct resume_note *known = facts.sink_keeps ? &facts.note : &facts.commit_note;
    int32_t partitions = source_partition_count(view->source, lane->topic);
    warn_of_growth(view, lane, known->partitions, partitions);
    static const struct resume_mark none = {.offset = -1};
    struct resume_note note = {
        .generation = plan.generation, .floor = plan.floor, .partitions = partitions, .mark = none};
    if (plan.reason == RESUME_CONTINUE) {
        note.mark = known->mark;
        note.refused = known->refused;
        resume_note_cut(&note, plan.offset);
    }
    snprintf(note.cluster, sizeof note.cluster, "%s", facts.cluster);
    if (!write_down(worker, &note, &plan, &position, err))
        return false;
    log_start(view, lane, &facts, &plan);
    lane->note = note;
    lane->marked = plan.check_mark ? known->mark : none;
    lane->mark_differs = false;
    lane->epoch = position.epoch;
    lane->start = plan.offset;
    atomic_store(&lane->done, plan.offset);
    lane->new_generation = facts.has_commit && (!facts.commit_is_ours || facts.commit_offset != plan.offset ||
                                                facts.commit_note.generation != plan.generation);
    lane->group_offset = facts.has_commit && !lane->new_generation ? facts.commit_offset : -1;
    lane->expected = first_to_read(view, lane, &plan, facts.low);
    lane->state = LANE_DECIDED;
    metrics_set(&view->metrics->generation, plan.generation);
    return true;
}

bool worker_open_lane(struct worker *worker, struct lane *lane, struct upsink_error *err)
{
    if (!source_open(worker->view->source, lane, worker->queue, err))
        return false;
    lane->state = lane->expected < lane->start ? LANE_WARMING : LANE_ACTIVE;
    lane->heard_us = worker_clock(worker);
    source_nudge(worker->view->source, lane->topic, lane->partition); /* its fetcher may be asleep */
    return true;
}
