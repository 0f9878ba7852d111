/* Who may write: the owner of the highest epoch, and nobody who was before. */
#include "tests/contract/suite.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static void every_claim_raises_the_epoch(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    int64_t last = 0;
    for (int i = 0; i < 3; i++) {
        struct upsink_position *position = fixture_claim(fixture, 0, 0);
        assert_true(position->epoch > last);
        last = position->epoch;
        fixture_commit(fixture);
    }
}

static void a_zombie_can_not_commit(void **state)
{
    struct fixture *zombie = *state, *owner = fixture_twin(zombie);
    void *owner_state = owner;
    struct upsink_result result;
    fixture_open(zombie);
    fixture_open(owner);
    fixture_claim(zombie, 0, 0)->next_offset = 1;
    fixture_commit(zombie);
    fixture_claim(owner, 0, 0);
    struct upsink_change late = make_upsert(zombie, "late", 9);
    fixture_write(zombie, &late, 1, &result);
    zombie->positions[0][0].next_offset = 10;
    assert_false(fixture_try_commit(zombie));
    assert_int_equal(zombie->err.cls, UPSINK_ERR_FENCED);
    fixture_abort(zombie);
    if (suite.transactional)
        assert_absent(owner, "late");
    assert_int_equal(fixture_claim(owner, 0, 0)->next_offset, 1);
    /* Nor can it without rows. */
    assert_false(fixture_try_commit(zombie));
    assert_int_equal(zombie->err.cls, UPSINK_ERR_FENCED);
    fixture_abort(zombie);
    /* The owner is not hindered, and the zombie may become an owner again. */
    assert_int_not_equal(fixture_apply(owner, make_upsert(owner, "b", 11)), UPSINK_PENDING);
    fixture_claim(zombie, 0, 0);
    assert_int_equal(fixture_apply(zombie, make_upsert(zombie, "c", 12)), UPSINK_APPLIED);
    assert_false(fixture_try_commit(owner));
    fixture_abort(owner);
    fixture_teardown(&owner_state);
}

static void one_lost_partition_spoils_the_commit_of_all(void **state)
{
    struct fixture *fixture = *state, *other = fixture_twin(fixture);
    void *other_state = other;
    fixture_open(fixture);
    fixture_open(other);
    for (int32_t partition = 0; partition < 3; partition++)
        fixture_claim(fixture, 0, partition)->next_offset = 10;
    fixture_claim(other, 0, 1);
    assert_false(fixture_try_commit(fixture));
    assert_int_equal(fixture->err.cls, UPSINK_ERR_FENCED);
    fixture_abort(fixture);
    if (suite.transactional)
        for (int32_t partition = 0; partition < 3; partition++)
            assert_int_equal(fixture_claim(other, 0, partition)->next_offset, -1);
    fixture_teardown(&other_state);
}

static void an_unclaimed_partition_can_not_be_committed(void **state)
{
    struct fixture *fixture = *state;
    struct upsink_position position = {
        .topic = upsink_slice_of(topic_names[0]), .partition = 4, .epoch = 1, .next_offset = 3};
    fixture_open(fixture);
    assert_false(suite.type->commit(fixture->sink, &position, 1, &fixture->err));
    assert_int_equal(fixture->err.cls, UPSINK_ERR_FENCED);
    fixture_abort(fixture);
    assert_int_equal(fixture_claim(fixture, 0, 4)->next_offset, -1);
}

static void preparing_again_disturbs_nobody(void **state)
{
    struct fixture *fixture = *state, *other = fixture_twin(fixture);
    void *other_state = other;
    fixture_open(fixture);
    fixture_claim(fixture, 0, 0)->next_offset = 7;
    fixture_apply(fixture, make_upsert(fixture, "a", 1));
    assert_true(suite.type->prepare(fixture->sink, NULL, &fixture->err));
    fixture_open(other);
    assert_true(suite.type->prepare(other->sink, NULL, &other->err));
    fixture_commit(fixture);
    assert_true(fixture_see_text(other, "a").found);
    assert_int_equal(fixture_claim(other, 0, 0)->next_offset, 7);
    fixture_teardown(&other_state);
}

/* Two owners of different partitions write the same keys at the same time. */
enum { BATCHES = 60, KEYS_OF_BATCH = 40, KEYS = 120 };

struct writer {
    struct fixture *fixture;
    int32_t partition;
    const char *trouble;
    int outages;
    int64_t latest[KEYS]; /* the time of the last change of each key */
};

static _Atomic int64_t next_time = 1;
static char keys[KEYS][16];

static bool write_once(struct writer *writer, const struct upsink_change *const *changes)
{
    struct fixture *fixture = writer->fixture;
    struct upsink_result results[KEYS_OF_BATCH];
    struct upsink_batch batch = {.changes = changes, .results = results, .count = KEYS_OF_BATCH};
    if (suite.type->write(fixture->sink, &batch, &fixture->err) &&
        suite.type->commit(fixture->sink, &fixture->positions[0][writer->partition], 1, &fixture->err))
        return true;
    suite.type->abort(fixture->sink);
    if (fixture->err.cls != UPSINK_ERR_OUTAGE) {
        writer->trouble = fixture->err.text;
        return false;
    }
    writer->outages++;
    if (!suite.type->prepare(fixture->sink, NULL, &fixture->err))
        writer->trouble = fixture->err.text;
    return false;
}

static void *write_batches(void *context)
{
    struct writer *writer = context;
    struct upsink_change changes[KEYS_OF_BATCH];
    const struct upsink_change *pointers[KEYS_OF_BATCH];
    unsigned random = 7 + (unsigned)writer->partition;
    for (int64_t batch = 0; batch < BATCHES; batch++) {
        /* Every third key from a random one on: sorted, and overlapping with the other's. */
        unsigned first = (unsigned)rand_r(&random) % (KEYS / 3);
        for (unsigned i = 0; i < KEYS_OF_BATCH; i++) {
            changes[i] = (struct upsink_change){
                .op = rand_r(&random) % 4 ? UPSINK_UPSERT : UPSINK_DELETE,
                .key = upsink_slice_of(keys[first + i * 2]),
                .topic = upsink_slice_of(topic_names[0]),
                .partition = writer->partition,
                .offset = batch * KEYS_OF_BATCH + i,
                .timestamp = atomic_fetch_add(&next_time, 1),
                .generation = 1,
            };
            writer->latest[first + i * 2] = changes[i].timestamp;
            changes[i].entity =
                changes[i].op == UPSINK_UPSERT ? UPSINK_SLICE_LIT("{\"a\":1}") : UPSINK_SLICE_ABSENT;
            pointers[i] = &changes[i];
        }
        for (int tries = 0; tries < 50 && !writer->trouble && !write_once(writer, pointers); tries++)
            if (tries == 49)
                writer->trouble = "too many outages";
    }
    return NULL;
}

static void two_owners_may_write_the_same_keys_at_once(void **state)
{
    struct fixture *fixture = *state, *other = fixture_twin(fixture);
    void *other_state = other;
    struct writer writers[2] = {{.fixture = fixture, .partition = 0}, {.fixture = other, .partition = 1}};
    pthread_t threads[2];
    for (int i = 0; i < KEYS; i++)
        snprintf(keys[i], sizeof keys[i], "key-%03d", i);
    fixture_open(fixture);
    fixture_open(other);
    fixture_claim(fixture, 0, 0);
    fixture_claim(other, 0, 1);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_batches, &writers[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 2; i++) {
        if (writers[i].trouble)
            fail_msg("writer %d: %s", i, writers[i].trouble);
        /* Changes come sorted by key: a store that locks rows may report a deadlock now and then, not all the
         * time. */
        assert_in_range(writers[i].outages, 0, 3);
    }
    for (int i = 0; i < KEYS; i++) {
        int64_t a = writers[0].latest[i], b = writers[1].latest[i];
        assert_int_equal(fixture_see_text(fixture, keys[i]).fence.timestamp, a > b ? a : b);
    }
    fixture_teardown(&other_state);
}

static const struct CMUnitTest tests[] = {
    CONTRACT_TEST(every_claim_raises_the_epoch),
    CONTRACT_TEST(a_zombie_can_not_commit),
    CONTRACT_TEST(one_lost_partition_spoils_the_commit_of_all),
    CONTRACT_TEST(an_unclaimed_partition_can_not_be_committed),
    CONTRACT_TEST(preparing_again_disturbs_nobody),
    CONTRACT_TEST(two_owners_may_write_the_same_keys_at_once),
};

const struct group owner_group = {"owner", tests, sizeof tests / sizeof *tests};
