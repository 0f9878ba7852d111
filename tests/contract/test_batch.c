/* Large batches, and changes that the store refuses. */
#include "tests/contract/store.h"

#include <stdlib.h>

enum { MANY = 10000 };

struct many {
    char keys[MANY][16];
    struct upsink_change changes[MANY];
    const struct upsink_change *pointers[MANY];
    struct upsink_result results[MANY];
};

/* Sorted: the numbers have leading zeros. */
static struct many *make_many(struct fixture *fixture)
{
    struct many *many = arena_alloc(&fixture->scratch, sizeof *many);
    assert_non_null(many);
    for (size_t i = 0; i < MANY; i++) {
        snprintf(many->keys[i], sizeof many->keys[i], "key-%05zu", i);
        many->changes[i] = make_upsert(fixture, many->keys[i], (int64_t)i);
        many->pointers[i] = &many->changes[i];
    }
    return many;
}

static void assert_verdict(const struct many *many, size_t i, enum upsink_verdict expected)
{
    if (many->results[i].verdict != expected)
        fail_msg("change %zu is %s, not %s: %s", i, verdict_name(many->results[i].verdict),
                 verdict_name(expected), many->results[i].error ? many->results[i].error->text : "");
}

static void every_change_of_a_large_batch_has_its_verdict(void **state)
{
    static const enum upsink_verdict expected[5] = {UPSINK_APPLIED, UPSINK_STALE, UPSINK_APPLIED,
                                                    UPSINK_DUPLICATE_EVENT, UPSINK_DUPLICATE_CHANGE};
    struct fixture *fixture = *state;
    int64_t rows;
    fixture_open(fixture);
    fixture_claim(fixture, 0, 0);
    struct many *many = make_many(fixture);
    for (size_t i = 0; i < MANY; i++) {
        many->changes[i].event_id = many->changes[i].key;
        many->changes[i].change_id = many->changes[i].key;
    }
    assert_true(fixture_try_write(fixture, many->pointers, MANY, many->results));
    fixture_commit(fixture);
    for (size_t i = 0; i < MANY; i++)
        assert_verdict(many, i, UPSINK_APPLIED);
    /* Every fifth: a newer upsert, an older one, a delete, the same event, the same change. */
    struct many *next = make_many(fixture);
    for (size_t i = 0; i < MANY; i++) {
        next->changes[i].offset = i % 5 == 1 ? (int64_t)i - 1 : MANY + (int64_t)i;
        if (i % 5 == 2)
            next->changes[i] = make_tombstone(next->keys[i], MANY + (int64_t)i);
        if (i % 5 == 3)
            next->changes[i].event_id = next->changes[i].key;
        if (i % 5 == 4)
            next->changes[i].change_id = next->changes[i].key;
    }
    assert_true(fixture_try_write(fixture, next->pointers, MANY, next->results));
    fixture_commit(fixture);
    for (size_t i = 0; i < MANY; i++)
        assert_verdict(next, i, expected[i % 5]);
    for (size_t i = 0; i < MANY; i += 7) {
        struct upsink_row row = fixture_see(fixture, next->changes[i].key);
        assert_int_equal(row.fence.deleted, i % 5 == 2);
        assert_int_equal(row.fence.offset,
                         i % 5 == 0 || i % 5 == 2 ? next->changes[i].offset : many->changes[i].offset);
    }
    if (store_count_rows(fixture, &rows))
        assert_int_equal(rows, MANY - MANY / 5);
    /* All of it once more: nothing moves. */
    assert_true(fixture_try_write(fixture, next->pointers, MANY, next->results));
    fixture_commit(fixture);
    for (size_t i = 0; i < MANY; i++)
        assert_int_not_equal(next->results[i].verdict, UPSINK_APPLIED);
}

static void a_large_batch_can_be_taken_back(void **state)
{
    struct fixture *fixture = *state;
    if (!suite.transactional)
        return;
    fixture_open(fixture);
    fixture_claim(fixture, 0, 0);
    struct many *many = make_many(fixture);
    assert_true(fixture_try_write(fixture, many->pointers, MANY, many->results));
    fixture_abort(fixture);
    for (size_t i = 0; i < MANY; i += 97)
        assert_absent(fixture, many->keys[i]);
    assert_true(fixture_try_write(fixture, many->pointers, MANY, many->results));
    fixture_commit(fixture);
    for (size_t i = 0; i < MANY; i++)
        assert_verdict(many, i, UPSINK_APPLIED);
}

/* The changes whose number is in the list are refused, all others stand. */
static void refuse_some(struct fixture *fixture, const size_t *refused, size_t count, int64_t offset)
{
    enum { SOME = 200 };
    struct many *many = make_many(fixture);
    for (size_t i = 0; i < SOME; i++)
        many->changes[i].offset = offset + (int64_t)i;
    for (size_t i = 0; i < count; i++)
        many->changes[refused[i]].entity = upsink_slice_of("{\"a\":\"refused\"}");
    assert_true(fixture_try_write(fixture, many->pointers, SOME, many->results));
    for (size_t i = 0, next = 0; i < SOME; i++) {
        bool is_refused = next < count && refused[next] == i;
        assert_verdict(many, i, is_refused ? UPSINK_REJECTED : UPSINK_APPLIED);
        if (is_refused) {
            assert_true(many->results[i].error->code[0] != '\0');
            assert_null(strstr(many->results[i].error->text, "{\"a\""));
            next++;
        }
    }
    fixture_commit(fixture);
    for (size_t i = 0, next = 0; i < SOME; i++) {
        bool is_refused = next < count && refused[next] == i;
        struct upsink_row row = fixture_see(fixture, many->changes[i].key);
        assert_int_equal(row.fence.offset, is_refused ? (int64_t)i : many->changes[i].offset);
        next += is_refused;
    }
}

static void a_refused_change_costs_itself_alone(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    if (!store_refuse(fixture))
        skip_harm("refuse");
    fixture_claim(fixture, 0, 0);
    struct many *many = make_many(fixture);
    assert_true(fixture_try_write(fixture, many->pointers, 200, many->results));
    fixture_commit(fixture);
    refuse_some(fixture, (const size_t[]){0}, 1, 1000);
}

static void refused_changes_may_stand_anywhere(void **state)
{
    static const struct {
        size_t refused[6], count;
    } cases[] = {{{199}, 1}, {{0, 199}, 2},  {{99, 100, 101}, 3}, {{0, 1, 2, 50, 198, 199}, 6},
                 {{127}, 1}, {{128, 130}, 2}};
    struct fixture *fixture = *state;
    fixture_open(fixture);
    if (!store_refuse(fixture))
        skip_harm("refuse");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture *fresh = NULL;
        void *fresh_state;
        fixture_setup(&fresh_state);
        fresh = fresh_state;
        fixture_open(fresh);
        store_refuse(fresh);
        fixture_claim(fresh, 0, 0);
        struct many *many = make_many(fresh);
        assert_true(fixture_try_write(fresh, many->pointers, 200, many->results));
        fixture_commit(fresh);
        refuse_some(fresh, cases[i].refused, cases[i].count, 1000);
        fixture_teardown(&fresh_state);
    }
}

static void a_batch_may_be_refused_whole(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    if (!store_refuse(fixture))
        skip_harm("refuse");
    fixture_claim(fixture, 0, 0);
    struct many *many = make_many(fixture);
    for (size_t i = 0; i < 300; i++)
        many->changes[i].entity = upsink_slice_of("{\"a\":\"refused\"}");
    assert_true(fixture_try_write(fixture, many->pointers, 300, many->results));
    for (size_t i = 0; i < 300; i++)
        assert_verdict(many, i, UPSINK_REJECTED);
    fixture_commit(fixture);
    for (size_t i = 0; i < 300; i++)
        assert_absent(fixture, many->keys[i]);
}

/* PRODUCT: where the latest change is refused, the latest good one before it stands. */
static void a_good_change_can_follow_a_refused_one(void **state)
{
    struct fixture *fixture = *state;
    struct upsink_result result;
    fixture_open(fixture);
    if (!store_refuse(fixture))
        skip_harm("refuse");
    struct upsink_change bad = make_upsert(fixture, "a", 2), good = make_upsert(fixture, "a", 1);
    bad.entity = upsink_slice_of("{\"a\":\"refused\"}");
    fixture_write(fixture, &bad, 1, &result);
    assert_int_equal(result.verdict, UPSINK_REJECTED);
    fixture_write(fixture, &good, 1, &result);
    assert_int_equal(result.verdict, UPSINK_APPLIED);
    fixture_commit(fixture);
    assert_row_is(fixture, good.key, &good);
}

/* A refused change moves no fence: not that of a row, and not that of a deleted entity. */
static void a_refused_change_leaves_the_fence_alone(void **state)
{
    struct fixture *fixture = *state;
    struct upsink_result result;
    fixture_open(fixture);
    if (!store_refuse(fixture))
        skip_harm("refuse");
    fixture_apply(fixture, make_tombstone("a", 5));
    struct upsink_change bad = make_upsert(fixture, "a", 9);
    bad.entity = upsink_slice_of("{\"a\":\"refused\"}");
    fixture_write(fixture, &bad, 1, &result);
    assert_int_equal(result.verdict, UPSINK_REJECTED);
    fixture_commit(fixture);
    assert_deleted(fixture, "a");
    assert_int_equal(fixture_apply(fixture, make_upsert(fixture, "a", 4)), UPSINK_STALE);
    assert_int_equal(fixture_apply(fixture, make_upsert(fixture, "a", 6)), UPSINK_APPLIED);
}

static void a_batch_of_many_megabytes_is_taken(void **state)
{
    enum { COUNT = 64, SIZE = 1 << 18 };
    struct fixture *fixture = *state;
    fixture_open(fixture);
    fixture_claim(fixture, 0, 0);
    struct many *many = make_many(fixture);
    for (size_t i = 0; i < COUNT; i++) {
        char *text = arena_alloc(&fixture->scratch, SIZE);
        assert_non_null(text);
        memset(text, 'a' + (int)(i % 26), SIZE);
        memcpy(text, "{\"a\":\"", 6);
        memcpy(text + SIZE - 2, "\"}", 2);
        many->changes[i].entity = (struct upsink_slice){text, SIZE};
    }
    assert_true(fixture_try_write(fixture, many->pointers, COUNT, many->results));
    fixture_commit(fixture);
    for (size_t i = 0; i < COUNT; i++) {
        assert_verdict(many, i, UPSINK_APPLIED);
        assert_row_is(fixture, many->changes[i].key, &many->changes[i]);
    }
}

static const struct CMUnitTest tests[] = {
    CONTRACT_TEST(every_change_of_a_large_batch_has_its_verdict),
    CONTRACT_TEST(a_large_batch_can_be_taken_back),
    CONTRACT_TEST(a_refused_change_costs_itself_alone),
    CONTRACT_TEST(refused_changes_may_stand_anywhere),
    CONTRACT_TEST(a_batch_may_be_refused_whole),
    CONTRACT_TEST(a_good_change_can_follow_a_refused_one),
    CONTRACT_TEST(a_refused_change_leaves_the_fence_alone),
    CONTRACT_TEST(a_batch_of_many_megabytes_is_taken),
};

const struct group batch_group = {"batch", tests, sizeof tests / sizeof *tests};
