/* Random histories through the real store, against the model. */
#include "tests/contract/model.h"
#include "tests/contract/store.h"

#include <stdlib.h>

enum { MOST_OF_A_WAVE = 4096, SHRINK_RUNS = 400, GENERATIONS = 48, OFFSETS = 192 };

/* What of a log was delivered, by partition and generation. */
struct progress {
    bool delivered[MODEL_PARTITIONS][GENERATIONS][OFFSETS];
    int64_t reached[MODEL_PARTITIONS][GENERATIONS]; /* the next new offset is at least this */
    bool out_of_order;                              /* records were left out to make the history shorter */
};

/* One history on its way through a sink. Keys begin with a prefix of this run, so that all can share a table.
 */
struct run {
    struct fixture *fixture;
    unsigned number;
    struct model now, committed;
    const struct history_step *wave[MOST_OF_A_WAVE];
    size_t waiting;
    bool is_log;
    struct progress progress, committed_progress;
    int64_t next_offset; /* as committed last */
    char trouble[512];
};

static char *write_text(struct run *run, const char *format, int number)
{
    char text[64];
    if (!number)
        return NULL;
    snprintf(text, sizeof text, format, number);
    return (char *)(uintptr_t)arena_copy(&run->fixture->scratch, upsink_slice_of(text)).data;
}

static struct upsink_slice key_of(struct run *run, int key)
{
    static const char *const names[MODEL_KEYS] = {"", "a", "A", "a'\"\\", "\xc3\xbc", "z z"};
    char text[64];
    snprintf(text, sizeof text, "%u/%s", run->number, names[key]);
    return arena_copy(&run->fixture->scratch, upsink_slice_of(text));
}

static struct upsink_change change_of(struct run *run, const struct history_step *step)
{
    return (struct upsink_change){
        .op = step->op,
        .flags =
            (step->by_position ? UPSINK_BY_POSITION : 0u) | (step->has_version ? UPSINK_HAS_VERSION : 0u),
        .key = key_of(run, step->key),
        .entity =
            upsink_slice_of(step->op == UPSINK_UPSERT ? write_text(run, "{\"n\": %d}", step->serial) : NULL),
        .event_id = upsink_slice_of(write_text(run, "event %d", step->event)),
        .change_id = upsink_slice_of(write_text(run, "change %d", step->change)),
        .topic = upsink_slice_of(topic_names[step->topic]),
        .version = step->version,
        .offset = step->offset,
        .timestamp = step->time,
        .generation = step->generation,
        .floor = step->floor,
        .partition = step->partition,
    };
}

static bool fails(struct run *run, const char *format, ...) UPSINK_PRINTF(2, 3);
static bool fails(struct run *run, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(run->trouble, sizeof run->trouble, format, args);
    va_end(args);
    return false;
}

/* Whether this record of a log was there before: it must change nothing then. */
static bool is_repetition(struct run *run, const struct history_step *step)
{
    struct progress *progress = &run->progress;
    if (!run->is_log || step->generation >= GENERATIONS)
        return false;
    bool *delivered = &progress->delivered[step->partition][step->generation][step->offset];
    int64_t *reached = &progress->reached[step->partition][step->generation];
    if (*delivered)
        return !progress->out_of_order;
    progress->out_of_order = progress->out_of_order || step->offset < *reached;
    *delivered = true;
    *reached = step->offset + 1;
    return false;
}

static bool write_wave(struct run *run)
{
    static struct upsink_change changes[MOST_OF_A_WAVE];
    static struct upsink_result results[MOST_OF_A_WAVE];
    size_t count = run->waiting;
    run->waiting = 0;
    for (size_t i = 0; i < count; i++)
        changes[i] = change_of(run, run->wave[i]);
    if (!fixture_try_write_all(run->fixture, changes, count, results))
        return fails(run, "write failed: %s", run->fixture->err.text);
    for (size_t i = 0; i < count; i++) {
        enum upsink_verdict expected = model_apply(&run->now, run->wave[i]);
        if (results[i].verdict != expected)
            return fails(run, "key %d at %d:%lld is %s, not %s", run->wave[i]->key,
                         (int)run->wave[i]->partition, (long long)run->wave[i]->offset,
                         verdict_name(results[i].verdict), verdict_name(expected));
        if (is_repetition(run, run->wave[i]) && expected == UPSINK_APPLIED)
            return fails(run, "key %d at %d:%lld was applied a second time", run->wave[i]->key,
                         (int)run->wave[i]->partition, (long long)run->wave[i]->offset);
    }
    return true;
}

static bool same_fence(const struct upsink_fence *fence, const struct upsink_change *last,
                       const struct model_entity *known)
{
    return fence->deleted == !known->live && fence->offset == last->offset &&
           fence->partition == last->partition && fence->generation == last->generation &&
           fence->timestamp == last->timestamp && fence->has_version == known->has_version &&
           (!known->has_version || fence->version == known->version) &&
           upsink_slice_equal(fence->topic, last->topic) &&
           upsink_slice_equal(fence->event_id, last->event_id) &&
           upsink_slice_equal(fence->change_id, last->change_id);
}

static bool compare_key(struct run *run, int key)
{
    const struct model_entity *known = &run->now.entities[key];
    struct upsink_row row = fixture_see(run->fixture, key_of(run, key));
    if (row.found != known->known)
        return fails(run, "key %d is %sfound", key, row.found ? "" : "not ");
    if (!known->known)
        return true;
    struct upsink_change last = change_of(run, &known->last);
    if (!same_fence(&row.fence, &last, known))
        return fails(run,
                     "the fence of key %d is not that of %d:%lld: %sdeleted, %d:%lld, generation %lld, "
                     "version %lld (%d), time %lld",
                     key, (int)last.partition, (long long)last.offset, row.fence.deleted ? "" : "not ",
                     (int)row.fence.partition, (long long)row.fence.offset, (long long)row.fence.generation,
                     (long long)row.fence.version, row.fence.has_version, (long long)row.fence.timestamp);
    /* After a soft delete the last state may be there, of an earlier generation too; after a hard one none
     * is. */
    bool shown = known->live || (run->fixture->view.delete_mode == UPSINK_DELETE_SOFT && known->serial);
    struct upsink_slice entity =
        upsink_slice_of(shown ? write_text(run, "{\"n\": %d}", known->serial) : NULL);
    if (shown ? !row.entity.data || !json_same(row.entity, entity) : row.entity.data != NULL)
        return fails(run, "the entity of key %d is %.*s", key, row.entity.data ? (int)row.entity.len : 4,
                     row.entity.data ? row.entity.data : "none");
    return true;
}

static bool compare_all(struct run *run)
{
    for (int key = 0; key < MODEL_KEYS; key++)
        if (!compare_key(run, key))
            return false;
    return true;
}

static void claim_all(struct fixture *fixture)
{
    for (int topic = 0; topic < (fixture->view.several_topics ? TOPICS : 1); topic++)
        for (int32_t partition = 0; partition < MODEL_PARTITIONS; partition++)
            fixture_claim(fixture, topic, partition);
}

static bool reopen(struct run *run)
{
    fixture_reopen(run->fixture);
    claim_all(run->fixture);
    int64_t next = run->fixture->positions[0][1].next_offset;
    return next == run->next_offset ||
           fails(run, "the position is %lld, not %lld", (long long)next, (long long)run->next_offset);
}

static bool take_step(struct run *run, const struct history_step *step)
{
    if (step->kind == STEP_CHANGE) {
        run->wave[run->waiting++] = step;
        return run->waiting < MOST_OF_A_WAVE || write_wave(run);
    }
    if (!write_wave(run))
        return false;
    if (step->kind == STEP_WRITE)
        return true;
    if (step->kind == STEP_COMMIT) {
        run->fixture->positions[0][1].next_offset++;
        if (!fixture_try_commit(run->fixture))
            return fails(run, "commit failed: %s", run->fixture->err.text);
        run->next_offset = run->fixture->positions[0][1].next_offset;
        run->committed = run->now;
        run->committed_progress = run->progress;
        return compare_all(run);
    }
    if (step->kind == STEP_ABORT)
        fixture_abort(run->fixture);
    else if (!reopen(run))
        return false;
    if (suite.transactional) {
        run->now = run->committed;
        run->progress = run->committed_progress;
    }
    return compare_all(run);
}

/* Adds to *live how many rows are left. */
static bool run_history(struct fixture *fixture, const struct history *history, int64_t *live,
                        char trouble[512])
{
    static struct run run;
    static unsigned number;
    run = (struct run){.fixture = fixture,
                       .number = ++number,
                       .is_log = history->is_log,
                       .next_offset = fixture->positions[0][1].next_offset};
    bool good = true;
    for (size_t i = 0; good && i < history->count; i++)
        good = take_step(&run, &history->steps[i]);
    fixture_abort(fixture);
    for (int key = 0; key < MODEL_KEYS; key++)
        *live += run.committed.entities[key].known &&
                 (run.committed.entities[key].live || (history->soft && run.committed.entities[key].serial));
    if (!good)
        memcpy(trouble, run.trouble, sizeof run.trouble);
    arena_clear(&fixture->scratch);
    return good;
}

/* Leaves steps out as long as the history still fails. */
static void shrink(struct fixture *fixture, struct history *history, char trouble[512])
{
    int runs = 0;
    int64_t live = 0;
    for (size_t chunk = history->count / 2; chunk && runs < SHRINK_RUNS; chunk /= 2)
        for (size_t at = 0; at + chunk <= history->count && runs < SHRINK_RUNS;) {
            struct history shorter = *history;
            shorter.steps = calloc(history->count, sizeof *shorter.steps);
            assert_non_null(shorter.steps);
            shorter.count = history->count - chunk;
            memcpy(shorter.steps, history->steps, at * sizeof *shorter.steps);
            memcpy(shorter.steps + at, history->steps + at + chunk,
                   (shorter.count - at) * sizeof *shorter.steps);
            runs++;
            if (run_history(fixture, &shorter, &live, trouble)) {
                free(shorter.steps);
                at += chunk;
            } else {
                free(history->steps);
                *history = shorter;
            }
        }
    run_history(fixture, history, &live, trouble);
}

/* One table for each kind of view. */
static struct fixture *fixture_for(struct fixture *fixtures[4], const struct history *history)
{
    size_t i = (history->soft ? 1u : 0u) + (history->several_topics ? 2u : 0u);
    void *state;
    if (fixtures[i])
        return fixtures[i];
    fixture_setup(&state);
    fixtures[i] = state;
    fixtures[i]->view.delete_mode = history->soft ? UPSINK_DELETE_SOFT : UPSINK_DELETE_HARD;
    fixtures[i]->view.several_topics = history->several_topics;
    if (history->several_topics)
        fixtures[i]->view.topic = "orders,orders-2,returns";
    fixture_open(fixtures[i]);
    claim_all(fixtures[i]);
    return fixtures[i];
}

static void random_histories_give_what_the_rules_say(void **state)
{
    struct fixture *fixtures[4] = {NULL};
    int64_t live[4] = {0}, count;
    (void)state;
    for (uint64_t seed = suite.seed; seed < suite.seed + suite.cases; seed++) {
        struct history history;
        char trouble[512] = "";
        history_generate(&history, seed);
        struct fixture *fixture = fixture_for(fixtures, &history);
        if (!run_history(fixture, &history, &live[(history.soft ? 1 : 0) + (history.several_topics ? 2 : 0)],
                         trouble)) {
            print_message("seed %llu: %s; made shorter:\n", (unsigned long long)seed, trouble);
            shrink(fixture, &history, trouble);
            history_print(&history);
            fail_msg("seed %llu: %s", (unsigned long long)seed, trouble);
        }
        history_clear(&history);
    }
    for (size_t i = 0; i < 4; i++) {
        if (fixtures[i] && store_count_rows(fixtures[i], &count))
            assert_int_equal(count, live[i]);
        if (fixtures[i])
            fixture_teardown((void **)&fixtures[i]);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(random_histories_give_what_the_rules_say),
};

const struct group model_group = {"model", tests, sizeof tests / sizeof *tests};
