/* The folding batch against a small fenced store: whatever the batches' sizes, the outcome is that of
 * applying every record by itself. */
#include "connector/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { KEYS = 4, RECORDS = 60 };

struct input {
    char key[8], event_id[16], change_id[16], entity[32];
    struct upsink_change change;
    bool bad;
    unsigned partition;
};

struct row {
    bool known;
    struct upsink_change change; /* the last one that was applied */
    struct upsink_fence fence;
    struct upsink_slice state; /* the last upsert's entity that was applied */
};

struct store {
    struct row rows[KEYS];
    unsigned writes;
};

struct model_case {
    struct input inputs[RECORDS];
    bool versioned, soft, two_partitions, refusals;
    uint32_t window;
};

static unsigned long long state_of_random;
static unsigned pick(unsigned bound)
{
    state_of_random = state_of_random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(state_of_random >> 33) % bound;
}

static void generate(struct model_case *c, unsigned long long seed)
{
    state_of_random = seed * 2654435761u + 1;
    *c = (struct model_case){
        .versioned = pick(2), .soft = pick(4) == 0, .two_partitions = pick(4) == 0, .refusals = pick(2)};
    c->window = pick(3) == 0 ? 0 : 1 + pick(40);
    if (c->refusals) { /* a change that would be refused may stand between a repeat and what it repeats */
        c->window = 13 + pick(40);
        c->two_partitions = false;
    }
    int64_t offsets[2] = {0, 0};
    for (unsigned i = 0; i < RECORDS; i++) {
        struct input *input = &c->inputs[i];
        if (i > 12 && pick(5) == 0) { /* a repeated event, or the same change told by a new one */
            *input = c->inputs[i - 1 - pick(c->window > 12 ? 12 : 3)];
            if (pick(2))
                snprintf(input->event_id, sizeof input->event_id, "n%u", i);
        } else {
            snprintf(input->key, sizeof input->key, "k%u", pick(KEYS));
            snprintf(input->event_id, sizeof input->event_id, "e%u", i);
            snprintf(input->change_id, sizeof input->change_id, "c%u", i);
            snprintf(input->entity, sizeof input->entity, "{\"n\":%u}", i);
            input->bad = c->refusals && pick(7) == 0;
            unsigned kind = pick(10);
            bool tombstone = kind == 0 && !(c->versioned && c->refusals);
            input->change = (struct upsink_change){.op = kind < 2 ? UPSINK_DELETE : UPSINK_UPSERT};
            if (kind < 2)
                input->bad = false;
            if (tombstone)
                input->change.flags = UPSINK_BY_POSITION;
            else if (c->versioned)
                input->change.flags = UPSINK_HAS_VERSION;
            else if (kind < 2)
                input->change.flags = UPSINK_BY_POSITION;
            input->change.version = input->change.flags & UPSINK_HAS_VERSION ? (int64_t)(i / 4 + pick(8)) : 0;
        }
        struct upsink_change *change = &input->change;
        input->partition = c->two_partitions ? pick(2) : 0;
        change->key = upsink_slice_of(input->key);
        change->event_id =
            change->flags & UPSINK_BY_POSITION ? UPSINK_SLICE_ABSENT : upsink_slice_of(input->event_id);
        change->change_id =
            change->flags & UPSINK_BY_POSITION ? UPSINK_SLICE_ABSENT : upsink_slice_of(input->change_id);
        change->entity = change->op == UPSINK_UPSERT ? upsink_slice_of(input->entity) : UPSINK_SLICE_ABSENT;
        change->topic = UPSINK_SLICE_LIT("t");
        change->partition = (int32_t)input->partition;
        change->offset = offsets[input->partition]++;
        change->timestamp = (int64_t)i;
        change->generation = change->floor = 1;
    }
}

static void write_wave(struct store *store, const struct model_case *c, struct upsink_batch *wave)
{
    for (size_t i = 0; i < wave->count; i++) {
        const struct upsink_change *change = wave->changes[i];
        struct row *row = &store->rows[change->key.data[1] - '0'];
        if (i > 0)
            assert_true(strcmp(wave->changes[i - 1]->key.data, change->key.data) < 0);
        bool bad = false;
        for (unsigned n = 0; n < RECORDS; n++)
            if (c->inputs[n].change.offset == change->offset &&
                (int32_t)c->inputs[n].partition == change->partition)
                bad = c->inputs[n].bad;
        wave->results[i].verdict = upsink_fence_judge(row->known ? &row->fence : NULL, change);
        if (wave->results[i].verdict != UPSINK_APPLIED)
            continue;
        if (bad) {
            wave->results[i].verdict = UPSINK_REJECTED;
            wave->results[i].error = wave->alloc(wave, sizeof *wave->results[i].error);
            upsink_fail(wave->results[i].error, UPSINK_ERR_RECORD, "bad", "bad");
            continue;
        }
        store->writes++;
        int64_t version;
        bool has_version = upsink_fence_version(row->known ? &row->fence : NULL, change, &version);
        row->change = *change;
        if (change->op == UPSINK_UPSERT)
            row->state = change->entity;
        else if (!c->soft)
            row->state = UPSINK_SLICE_ABSENT;
        row->fence = (struct upsink_fence){.topic = change->topic,
                                           .event_id = change->event_id,
                                           .change_id = change->change_id,
                                           .version = version,
                                           .offset = change->offset,
                                           .timestamp = change->timestamp,
                                           .generation = change->generation,
                                           .partition = change->partition,
                                           .has_version = has_version,
                                           .deleted = change->op == UPSINK_DELETE};
        row->known = true;
    }
}

static unsigned pick_trouble(unsigned bound)
{
    static uint64_t state;
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(state >> 33) % bound;
}

enum trouble { NO_TROUBLE, TAKEN_BACK, LOST };

/* Each row as it was at some time since the batch began. */
static void lose_some(struct store *store, const struct store *past, unsigned count)
{
    for (unsigned k = 0; k < KEYS; k++) {
        unsigned when = pick_trouble(count + 1);
        if (when < count)
            store->rows[k] = past[when].rows[k];
    }
}

/* Applies the case in batches of at most `size` records; sometimes the store takes a batch back, or loses
 * some of it, and it is repeated. */
static void run_case(const struct model_case *c, unsigned size, enum trouble trouble, struct store *store,
                     uint8_t fates[RECORDS])
{
    struct dedup windows[2];
    struct batch batch;
    dedup_init(&windows[0], c->window);
    dedup_init(&windows[1], c->window);
    batch_init(&batch, c->versioned, c->soft, false);
    *store = (struct store){0};
    for (unsigned i = 0; i < RECORDS;) {
        unsigned first = i, count = size == 1 ? 1 : 1 + pick(size);
        for (; i < RECORDS && i < first + count; i++)
            assert_true(batch_add(&batch, DECODE_CHANGE, &c->inputs[i].change, NULL,
                                  c->window ? &windows[c->inputs[i].partition] : NULL, 0, NULL, 10));
        static struct store past[10 * RECORDS];
        struct upsink_batch wave;
        bool failed;
        unsigned waves = 0, give_up = trouble == TAKEN_BACK ? pick(4) : 99;
        for (bool again = true; again;) {
            again = trouble == LOST && pick_trouble(2);
            while (batch_next_wave(&batch, &wave, &failed)) {
                past[waves] = *store;
                write_wave(store, c, &wave);
                batch_settle(&batch, &wave);
                assert_true(++waves < 10 * RECORDS);
                if (waves == give_up && trouble == TAKEN_BACK) {
                    *store = past[0];
                    batch_reopen(&batch);
                } else if (trouble == LOST && pick_trouble(4) == 0) {
                    lose_some(store, past, waves);
                    batch_repeat(&batch);
                }
            }
            if (again && waves) {
                lose_some(store, past, waves);
                batch_repeat(&batch);
            }
        }
        assert_false(failed);
        batch_finish(&batch);
        for (unsigned n = first; n < i; n++)
            fates[n] = batch.links[n - first].fate;
        batch_clear(&batch);
    }
    batch_destroy(&batch);
    dedup_destroy(&windows[0]);
    dedup_destroy(&windows[1]);
}

static bool may_become(const struct model_case *c, uint8_t alone, uint8_t folded)
{
    if (alone == folded || folded == FATE_SUPERSEDED)
        return true;
    /* Behind a change that would have been refused, had it been tried: only the name of the drop differs. */
    if (c->refusals && folded == FATE_STALE)
        return true;
    /* What repeats a superseded change is a duplicate, whatever that change would have come to by itself. */
    return (alone == FATE_REJECTED || alone == FATE_STALE || alone == FATE_DUPLICATE_EVENT ||
            alone == FATE_DUPLICATE_CHANGE) &&
           (folded == FATE_DUPLICATE_EVENT || folded == FATE_DUPLICATE_CHANGE);
}

static void compare(const struct model_case *c, unsigned long long seed, const struct store *alone,
                    const struct store *folded, const uint8_t *alone_fates, const uint8_t *folded_fates)
{
    for (unsigned k = 0; k < KEYS; k++) {
        const struct row *a = &alone->rows[k], *b = &folded->rows[k];
        bool same = a->known == b->known && upsink_slice_equal(a->state, b->state) &&
                    (!a->known ||
                     (a->fence.deleted == b->fence.deleted && a->fence.has_version == b->fence.has_version &&
                      (!a->fence.has_version || a->fence.version == b->fence.version) &&
                      a->fence.offset == b->fence.offset));
        if (!same)
            fail_msg("seed %llu key k%u: versioned=%d soft=%d two=%d refusals=%d window=%u alone offset %lld "
                     "folded offset %lld",
                     seed, k, c->versioned, c->soft, c->two_partitions, c->refusals, c->window,
                     (long long)a->fence.offset, (long long)b->fence.offset);
    }
    for (unsigned i = 0; i < RECORDS; i++) {
        assert_int_not_equal(folded_fates[i], FATE_PENDING);
        if (!may_become(c, alone_fates[i], folded_fates[i]))
            fail_msg("seed %llu record %u: fate %d alone, %d folded (versioned=%d soft=%d two=%d refusals=%d "
                     "window=%u)",
                     seed, i, alone_fates[i], folded_fates[i], c->versioned, c->soft, c->two_partitions,
                     c->refusals, c->window);
    }
}

static void folding_changes_nothing_but_the_number_of_writes(void **test_state)
{
    (void)test_state;
    static struct model_case c;
    unsigned alone_writes = 0, folded_writes = 0;
    for (unsigned long long seed = 1; seed <= 20000; seed++) {
        struct store alone, folded;
        uint8_t alone_fates[RECORDS], folded_fates[RECORDS];
        generate(&c, seed);
        run_case(&c, 1, NO_TROUBLE, &alone, alone_fates);
        run_case(&c, 2 + (unsigned)(seed % 60),
                 seed % 3 == 0   ? TAKEN_BACK
                 : seed % 3 == 1 ? LOST
                                 : NO_TROUBLE,
                 &folded, folded_fates);
        compare(&c, seed, &alone, &folded, alone_fates, folded_fates);
        alone_writes += alone.writes;
        folded_writes += folded.writes;
    }
    assert_true(folded_writes < alone_writes * 3 / 4);
}

static struct upsink_change upsert(const char *key, int64_t offset, int64_t version)
{
    return (struct upsink_change){.op = UPSINK_UPSERT,
                                  .flags = version ? UPSINK_HAS_VERSION : 0,
                                  .key = upsink_slice_of(key),
                                  .entity = UPSINK_SLICE_LIT("{}"),
                                  .topic = UPSINK_SLICE_LIT("t"),
                                  .version = version,
                                  .offset = offset,
                                  .timestamp = offset,
                                  .generation = 1,
                                  .floor = 1};
}

static struct upsink_change tombstone(const char *key, int64_t offset)
{
    return (struct upsink_change){.op = UPSINK_DELETE,
                                  .flags = UPSINK_BY_POSITION,
                                  .key = upsink_slice_of(key),
                                  .topic = UPSINK_SLICE_LIT("t"),
                                  .offset = offset,
                                  .timestamp = offset,
                                  .generation = 1,
                                  .floor = 1};
}

static void add(struct batch *batch, struct upsink_change change)
{
    assert_true(batch_add(batch, DECODE_CHANGE, &change, NULL, NULL, 0, NULL, 1));
}

static struct upsink_change event(const char *id, int64_t offset, int64_t version)
{
    struct upsink_change change = upsert("k", offset, version);
    change.event_id = upsink_slice_of(id);
    return change;
}

/* One record, one batch. */
static void give(struct batch *batch, struct dedup *window, struct upsink_fence *fence,
                 struct upsink_change change)
{
    struct upsink_batch wave;
    bool failed;
    assert_true(batch_add(batch, DECODE_CHANGE, &change, NULL, window, 0, NULL, 1));
    if (batch_next_wave(batch, &wave, &failed)) {
        wave.results[0].verdict = upsink_fence_judge(fence->generation ? fence : NULL, &change);
        if (wave.results[0].verdict == UPSINK_APPLIED)
            *fence = (struct upsink_fence){.topic = change.topic,
                                           .event_id = change.event_id,
                                           .version = change.version,
                                           .offset = change.offset,
                                           .timestamp = change.timestamp,
                                           .generation = change.generation,
                                           .has_version = change.flags & UPSINK_HAS_VERSION};
        batch_settle(batch, &wave);
        assert_false(batch_next_wave(batch, &wave, &failed));
    }
    batch_finish(batch);
    batch_clear(batch);
}

/* In a store without transactions: rows were written, the service died, and positions were not. */
static void what_comes_again_after_a_crash_stays_known_for_its_repetitions(void **test_state)
{
    (void)test_state;
    for (int64_t version = 0; version <= 5; version += 5) {
        struct batch batch;
        struct dedup window;
        struct upsink_fence fence = {0};
        batch_init(&batch, version != 0, false, false);
        for (int life = 0; life < 2; life++) {
            dedup_init(&window, 100);
            give(&batch, &window, &fence, event("first", 1, version));
            give(&batch, &window, &fence, event("second", 2, version));
            assert_int_equal(fence.offset, 2);
            if (life == 0)
                dedup_destroy(&window);
        }
        give(&batch, &window, &fence, event("first", 3, version));
        assert_int_equal(fence.offset, 2);
        dedup_destroy(&window);
        batch_destroy(&batch);
    }
}

/* However much of the window that is. */
static void all_that_comes_again_after_a_crash_stays_known(void **test_state)
{
    (void)test_state;
    enum { EVENTS = 60, WINDOW = 2 * EVENTS };
    struct batch batch;
    struct dedup window;
    struct upsink_fence fence = {0};
    char ids[EVENTS][16];
    batch_init(&batch, false, false, false);
    for (int life = 0; life < 2; life++) {
        dedup_init(&window, WINDOW);
        for (int i = 0; i < EVENTS; i++) {
            snprintf(ids[i], sizeof ids[i], "e%d", i);
            give(&batch, &window, &fence, event(ids[i], i, 0));
        }
        if (life == 0)
            dedup_destroy(&window);
    }
    for (int i = 0; i < EVENTS; i++)
        give(&batch, &window, &fence, event(ids[i], EVENTS + i, 0));
    assert_int_equal(fence.offset, EVENTS - 1);
    dedup_destroy(&window);
    batch_destroy(&batch);
}

/* Stale is not applied: told again as of now, the change counts. */
static void a_stale_change_that_comes_again_with_a_later_version_is_judged_anew(void **test_state)
{
    (void)test_state;
    struct batch batch;
    struct dedup window;
    struct upsink_fence fence = {0};
    batch_init(&batch, true, false, false);
    dedup_init(&window, 100);
    give(&batch, &window, &fence, event("newer", 1, 7));
    give(&batch, &window, &fence, event("late", 2, 5));
    give(&batch, &window, &fence, event("late", 3, 5));
    give(&batch, &window, &fence, event("late", 4, 6));
    assert_int_equal(fence.offset, 1);
    give(&batch, &window, &fence, event("late", 5, 9));
    assert_int_equal(fence.offset, 5);
    give(&batch, &window, &fence, event("late", 6, 10));
    assert_int_equal(fence.offset, 5);
    batch_destroy(&batch);
    dedup_destroy(&window);
}

static void so_it_is_within_one_batch(void **test_state)
{
    (void)test_state;
    struct batch batch;
    struct dedup window;
    struct upsink_batch wave;
    bool failed;
    unsigned waves = 0;
    batch_init(&batch, true, false, false);
    dedup_init(&window, 100);
    struct upsink_change changes[] = {event("newer", 1, 7), event("late", 2, 5), event("late", 3, 5),
                                      event("late", 4, 9), event("late", 5, 9)};
    static const enum fate fates[] = {FATE_APPLIED, FATE_STALE, FATE_STALE, FATE_APPLIED,
                                      FATE_DUPLICATE_EVENT};
    for (size_t i = 0; i < 5; i++)
        assert_true(batch_add(&batch, DECODE_CHANGE, &changes[i], NULL, &window, 0, NULL, 1));
    for (; batch_next_wave(&batch, &wave, &failed); waves++) {
        assert_int_equal(wave.changes[0]->offset, waves ? 4 : 1);
        wave.results[0].verdict = UPSINK_APPLIED;
        batch_settle(&batch, &wave);
    }
    assert_int_equal(waves, 2);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(batch.links[i].fate, fates[i]);
    batch_destroy(&batch);
    dedup_destroy(&window);
}

static void an_upsert_behind_a_tombstone_waits_for_it_where_versions_order(void **test_state)
{
    (void)test_state;
    struct batch batch;
    struct upsink_batch wave;
    bool failed;
    batch_init(&batch, true, false, false);
    add(&batch, upsert("k", 1, 7));
    add(&batch, tombstone("k", 2));
    add(&batch, upsert("k", 3, 8));
    assert_true(batch_next_wave(&batch, &wave, &failed));
    assert_int_equal(wave.count, 1);
    assert_int_equal(wave.changes[0]->op, UPSINK_DELETE);
    assert_int_equal(wave.changes[0]->version, 7);
    wave.results[0].verdict = UPSINK_APPLIED;
    batch_settle(&batch, &wave);
    assert_true(batch_next_wave(&batch, &wave, &failed));
    assert_int_equal(wave.changes[0]->version, 8);
    wave.results[0].verdict = UPSINK_APPLIED;
    batch_settle(&batch, &wave);
    assert_false(batch_next_wave(&batch, &wave, &failed));
    assert_int_equal(batch.links[0].fate, FATE_SUPERSEDED);
    batch_destroy(&batch);
}

static void without_versions_a_tombstone_and_an_upsert_fold_both_ways(void **test_state)
{
    (void)test_state;
    struct batch batch;
    struct upsink_batch wave;
    bool failed;
    batch_init(&batch, false, false, false);
    add(&batch, tombstone("a", 1));
    add(&batch, upsert("a", 2, 0));
    add(&batch, upsert("b", 3, 0));
    add(&batch, tombstone("b", 4));
    assert_true(batch_next_wave(&batch, &wave, &failed));
    assert_int_equal(wave.count, 2);
    assert_int_equal(wave.changes[0]->op, UPSINK_UPSERT);
    assert_int_equal(wave.changes[1]->op, UPSINK_DELETE);
    batch_destroy(&batch);
}

static void the_good_change_before_a_refused_one_stands(void **test_state)
{
    (void)test_state;
    struct batch batch;
    struct upsink_batch wave;
    bool failed;
    batch_init(&batch, false, false, false);
    add(&batch, upsert("k", 1, 0));
    add(&batch, upsert("k", 2, 0));
    assert_true(batch_next_wave(&batch, &wave, &failed));
    assert_int_equal(wave.changes[0]->offset, 2);
    wave.results[0].verdict = UPSINK_REJECTED;
    batch_settle(&batch, &wave);
    assert_true(batch_next_wave(&batch, &wave, &failed));
    assert_int_equal(wave.changes[0]->offset, 1);
    wave.results[0].verdict = UPSINK_APPLIED;
    batch_settle(&batch, &wave);
    assert_int_equal(batch.links[0].fate, FATE_APPLIED);
    assert_int_equal(batch.links[1].fate, FATE_REJECTED);
    assert_string_equal(batch.records[1].error->code, "refused");
    batch_destroy(&batch);
}

static void a_state_that_comes_back_is_no_duplicate(void **test_state)
{
    (void)test_state;
    struct batch batch;
    struct dedup window;
    struct upsink_batch wave;
    bool failed;
    const char *hashes[] = {"A", "B", "A", "A"};
    dedup_init(&window, 100);
    batch_init(&batch, false, false, true);
    for (int i = 0; i < 4; i++) {
        struct upsink_change change = upsert("k", i, 0);
        change.change_id = upsink_slice_of(hashes[i]);
        assert_true(batch_add(&batch, DECODE_CHANGE, &change, NULL, &window, 0, NULL, 1));
    }
    assert_true(batch_next_wave(&batch, &wave, &failed));
    assert_int_equal(wave.changes[0]->offset, 2);
    wave.results[0].verdict = UPSINK_APPLIED;
    batch_settle(&batch, &wave);
    assert_int_equal(batch.links[3].fate, FATE_DUPLICATE_CHANGE);
    batch_destroy(&batch);
    dedup_destroy(&window);
}

static void many_entities_come_sorted_by_the_bytes_of_their_keys(void **test_state)
{
    (void)test_state;
    struct batch batch;
    struct upsink_batch wave;
    bool failed;
    static char keys[5000][24];
    batch_init(&batch, false, false, false);
    state_of_random = 7;
    for (int i = 0; i < 5000; i++) {
        snprintf(keys[i], sizeof keys[i], "%s%u", pick(2) ? "order-" : "\xc3\xa9-prefix-", pick(1000000));
        add(&batch, upsert(keys[i], i, 0));
    }
    add(&batch, upsert("", 5000, 0));
    assert_true(batch_next_wave(&batch, &wave, &failed));
    for (size_t i = 1; i < wave.count; i++) {
        struct upsink_slice a = wave.changes[i - 1]->key, b = wave.changes[i]->key;
        int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
        assert_true(order < 0 || (order == 0 && a.len < b.len));
    }
    batch_destroy(&batch);
}

static void a_batch_of_bad_records_has_no_wave(void **test_state)
{
    (void)test_state;
    struct batch batch;
    struct upsink_batch wave;
    struct upsink_error error;
    bool failed;
    upsink_fail(&error, UPSINK_ERR_RECORD, "invalid_json", "not acceptable as JSON");
    batch_init(&batch, false, false, false);
    assert_true(
        batch_add(&batch, DECODE_REJECTED, &(struct upsink_change){.offset = 0}, &error, NULL, 0, NULL, 1));
    assert_false(batch_next_wave(&batch, &wave, &failed));
    assert_false(failed);
    batch_destroy(&batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_again_after_a_crash_stays_known_for_its_repetitions),
        cmocka_unit_test(all_that_comes_again_after_a_crash_stays_known),
        cmocka_unit_test(a_stale_change_that_comes_again_with_a_later_version_is_judged_anew),
        cmocka_unit_test(so_it_is_within_one_batch),
        cmocka_unit_test(an_upsert_behind_a_tombstone_waits_for_it_where_versions_order),
        cmocka_unit_test(without_versions_a_tombstone_and_an_upsert_fold_both_ways),
        cmocka_unit_test(the_good_change_before_a_refused_one_stands),
        cmocka_unit_test(a_state_that_comes_back_is_no_duplicate),
        cmocka_unit_test(many_entities_come_sorted_by_the_bytes_of_their_keys),
        cmocka_unit_test(a_batch_of_bad_records_has_no_wave),
        cmocka_unit_test(folding_changes_nothing_but_the_number_of_writes),
    };
    return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
