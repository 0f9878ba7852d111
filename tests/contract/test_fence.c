/* Who wins against what the store remembers: every rule, by example, asked of the real store. */
#include "tests/contract/suite.h"

/* Keep the tables below readable: what a step does not say is zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#define V(n)        .has_version = true, .version = (n)
#define LOWEST      INT64_MIN
#define HIGHEST     INT64_MAX
#define APPLIED     UPSINK_APPLIED
#define STALE       UPSINK_STALE
#define SAME_EVENT  UPSINK_DUPLICATE_EVENT
#define SAME_CHANGE UPSINK_DUPLICATE_CHANGE

enum step_kind { UPSERT, DELETE, TOMBSTONE };

struct step {
    enum step_kind kind;
    int64_t offset;
    enum upsink_verdict expected;
    bool has_version;
    int64_t version;
    int32_t partition;
    int topic;
    int64_t time; /* 0: follows from the offset */
    int64_t generation, floor; /* generation 0 stands for 1 */
    const char *event, *change;
};

enum { MOST_STEPS = 5 };

struct scenario {
    const char *says;
    bool several_topics;
    struct step steps[MOST_STEPS]; /* up to the first without a verdict */
    bool keeps_version;            /* what the fence holds at the end */
    int64_t version;
};

static struct upsink_change make_change(struct fixture *fixture, const struct step *step, const char *key)
{
    struct upsink_change change = make_upsert(fixture, key, step->offset);
    if (step->kind != UPSERT) {
        change.op = UPSINK_DELETE;
        change.entity = UPSINK_SLICE_ABSENT;
    }
    change.flags = (step->kind == TOMBSTONE ? UPSINK_BY_POSITION : 0u) | (step->has_version ? UPSINK_HAS_VERSION : 0u);
    change.version = step->version;
    change.partition = step->partition;
    change.topic = upsink_slice_of(topic_names[step->topic]);
    change.generation = step->generation ? step->generation : 1;
    change.floor = step->floor;
    if (step->time)
        change.timestamp = step->time;
    change.event_id = upsink_slice_of(step->event);
    change.change_id = upsink_slice_of(step->change);
    return change;
}

static void check_end(struct fixture *fixture, const struct scenario *scenario, const struct upsink_change *last)
{
    struct upsink_row row = fixture_see(fixture, last->key);
    if (last->op == UPSINK_UPSERT)
        assert_row_is(fixture, last->key, last);
    else if (!row.found || !row.fence.deleted || row.fence.offset != last->offset || row.fence.partition != last->partition ||
             row.fence.timestamp != last->timestamp || !upsink_slice_equal(row.fence.topic, last->topic))
        fail_msg("%s: the delete's fence is not there", scenario->says);
    if (row.fence.has_version != scenario->keeps_version ||
        (scenario->keeps_version && row.fence.version != scenario->version))
        fail_msg("%s: the fence holds version %lld (%d), not %lld (%d)", scenario->says, (long long)row.fence.version,
                 row.fence.has_version, (long long)scenario->version, scenario->keeps_version);
}

/* `together`: all steps in one transaction. Otherwise each in one of its own. */
static void play(struct fixture *fixture, const struct scenario *scenario, const char *key, bool together)
{
    struct upsink_change last = {0};
    struct upsink_result result;
    for (size_t i = 0; i < MOST_STEPS && scenario->steps[i].expected; i++) {
        struct upsink_change change = make_change(fixture, &scenario->steps[i], key);
        fixture_write(fixture, &change, 1, &result);
        if (result.verdict != scenario->steps[i].expected)
            fail_msg("%s: step %zu is %s, not %s", scenario->says, i + 1, verdict_name(result.verdict),
                     verdict_name(scenario->steps[i].expected));
        if (result.verdict == UPSINK_APPLIED)
            last = change;
        if (!together)
            fixture_commit(fixture);
    }
    fixture_commit(fixture);
    check_end(fixture, scenario, &last);
}

static void play_all(struct fixture *fixture, const struct scenario *scenarios, size_t count, bool several_topics)
{
    static const char all[] = "orders,orders-2,returns";
    static unsigned played;
    fixture->view.several_topics = several_topics;
    fixture->view.topic = several_topics ? all : topic_names[0];
    for (int round = 0; round < 2; round++) {
        fixture_reopen(fixture);
        for (int topic = 0; topic < (several_topics ? TOPICS : 1); topic++)
            for (int32_t partition = 0; partition < 4; partition++)
                fixture_claim(fixture, topic, partition);
        for (size_t i = 0; i < count; i++) {
            char key[32];
            if (scenarios[i].several_topics && !several_topics)
                continue;
            snprintf(key, sizeof key, "key-%u", played++);
            play(fixture, &scenarios[i], arena_copy(&fixture->scratch, upsink_slice_of(key)).data, round == 0);
        }
    }
}

static const struct scenario positions[] = {
    {"the first change wins", false, {{UPSERT, 5, APPLIED}}, false, 0},
    {"a later offset wins", false, {{UPSERT, 5, APPLIED}, {UPSERT, 6, APPLIED}}, false, 0},
    {"the same offset again is stale", false, {{UPSERT, 5, APPLIED}, {UPSERT, 5, STALE}}, false, 0},
    {"an earlier offset is stale", false, {{UPSERT, 5, APPLIED}, {UPSERT, 4, STALE}}, false, 0},
    {"offset 0 counts", false, {{UPSERT, 0, APPLIED}, {UPSERT, 0, STALE}, {UPSERT, 1, APPLIED}}, false, 0},
    {"offsets need 64 bits", false, {{UPSERT, HIGHEST - 1, APPLIED}, {UPSERT, 4294967296, STALE}, {UPSERT, HIGHEST, APPLIED, .time = 5}}, false, 0},
    {"a tombstone deletes", false, {{UPSERT, 5, APPLIED}, {TOMBSTONE, 6, APPLIED}}, false, 0},
    {"a stale upsert does not undo a delete", false, {{UPSERT, 5, APPLIED}, {TOMBSTONE, 6, APPLIED}, {UPSERT, 5, STALE}, {UPSERT, 6, STALE}}, false, 0},
    {"a later upsert comes after a delete", false, {{UPSERT, 5, APPLIED}, {TOMBSTONE, 6, APPLIED}, {UPSERT, 7, APPLIED}}, false, 0},
    {"deleted again after coming back", false, {{UPSERT, 5, APPLIED}, {TOMBSTONE, 6, APPLIED}, {UPSERT, 7, APPLIED}, {TOMBSTONE, 8, APPLIED}, {UPSERT, 7, STALE}}, false, 0},
    {"a tombstone of an unknown entity leaves a fence", false, {{TOMBSTONE, 5, APPLIED}, {UPSERT, 4, STALE}}, false, 0},
    {"a tombstone after a tombstone moves the fence", false, {{TOMBSTONE, 5, APPLIED}, {TOMBSTONE, 9, APPLIED}, {UPSERT, 7, STALE}, {TOMBSTONE, 6, STALE}}, false, 0},
    {"a delete that is ordered by position", false, {{UPSERT, 5, APPLIED}, {DELETE, 4, STALE}, {DELETE, 6, APPLIED}, {DELETE, 6, STALE}}, false, 0},
    {"another partition: the later timestamp wins", false, {{UPSERT, 5, APPLIED, .time = 100}, {UPSERT, 1, STALE, .partition = 1, .time = 99}, {UPSERT, 2, APPLIED, .partition = 1, .time = 101}}, false, 0},
    {"another partition: a microsecond decides", false, {{UPSERT, 5, APPLIED, .time = 1700000000000001}, {UPSERT, 9, STALE, .partition = 1, .time = 1700000000000000}, {UPSERT, 1, APPLIED, .partition = 1, .time = 1700000000000002}}, false, 0},
    {"another partition at the same time: the higher number", false, {{UPSERT, 5, APPLIED, .partition = 2, .time = 100}, {UPSERT, 9, STALE, .partition = 1, .time = 100}, {UPSERT, 1, APPLIED, .partition = 3, .time = 100}}, false, 0},
    {"another partition: an unknown time is older", false, {{UPSERT, 5, APPLIED, .time = 7}, {UPSERT, 9, STALE, .partition = 1, .time = -1}}, false, 0},
    {"another partition: a known time is newer", false, {{UPSERT, 5, APPLIED, .partition = 1, .time = -1}, {UPSERT, 9, APPLIED, .time = 7}}, false, 0},
    {"another partition: a tombstone by time", false, {{UPSERT, 5, APPLIED, .time = 100}, {TOMBSTONE, 9, STALE, .partition = 1, .time = 99}, {TOMBSTONE, 1, APPLIED, .partition = 1, .time = 101}, {UPSERT, 6, STALE, .time = 100}}, false, 0},
    {"times before 1970", false, {{UPSERT, 5, APPLIED, .time = -62135596800000000}, {UPSERT, 1, APPLIED, .partition = 1, .time = -62135596799999999}, {UPSERT, 2, STALE, .partition = 2, .time = -62135596800000000}}, false, 0},
    {"times far away", false, {{UPSERT, 5, APPLIED, .time = 253402300799999999}, {UPSERT, 1, STALE, .partition = 1, .time = 253402300799999998}}, false, 0},
    {"another topic, the same partition: by time", true, {{UPSERT, 5, APPLIED, .time = 100}, {UPSERT, 9, STALE, .topic = 1, .time = 99}, {UPSERT, 1, APPLIED, .topic = 1, .time = 101}, {UPSERT, 6, STALE, .time = 100}}, false, 0},
    {"another topic, the same partition and time: by name", true, {{UPSERT, 5, APPLIED, .topic = 1, .time = 100}, {UPSERT, 9, STALE, .topic = 0, .time = 100}, {UPSERT, 1, APPLIED, .topic = 2, .time = 100}}, false, 0},
    {"another topic of a newer generation: by time", true, {{UPSERT, 5, APPLIED, .time = 100}, {UPSERT, 9, STALE, .topic = 1, .generation = 2, .time = 99}}, false, 0},
};

static const struct scenario versions[] = {
    {"a higher version wins, whatever its offset", false, {{UPSERT, 5, APPLIED, V(10)}, {UPSERT, 4, APPLIED, V(11)}}, true, 11},
    {"a lower version is stale, whatever its offset", false, {{UPSERT, 5, APPLIED, V(10)}, {UPSERT, 6, STALE, V(9)}}, true, 10},
    {"of equal versions the later offset wins", false, {{UPSERT, 5, APPLIED, V(10)}, {UPSERT, 5, STALE, V(10)}, {UPSERT, 4, STALE, V(10)}, {UPSERT, 6, APPLIED, V(10)}}, true, 10},
    {"of equal versions in two partitions the later one wins", false, {{UPSERT, 5, APPLIED, V(10), .time = 100}, {UPSERT, 9, STALE, V(10), .partition = 1, .time = 99}, {UPSERT, 1, APPLIED, V(10), .partition = 1, .time = 101}}, true, 10},
    {"a version beats time and partition", false, {{UPSERT, 5, APPLIED, V(10), .time = 100}, {UPSERT, 1, APPLIED, V(11), .partition = 1, .time = 1}, {UPSERT, 9, STALE, V(10), .time = 200}}, true, 11},
    {"versions may be negative", false, {{UPSERT, 5, APPLIED, V(-10)}, {UPSERT, 6, STALE, V(-11)}, {UPSERT, 7, APPLIED, V(-9)}, {UPSERT, 8, APPLIED, V(0)}}, true, 0},
    {"versions use all of 64 bits", false, {{UPSERT, 5, APPLIED, V(LOWEST)}, {UPSERT, 4, APPLIED, V(LOWEST + 1)}, {UPSERT, 3, APPLIED, V(HIGHEST - 1)}, {UPSERT, 2, APPLIED, V(HIGHEST)}, {UPSERT, 9, STALE, V(HIGHEST - 1)}}, true, HIGHEST},
    {"a tombstone deletes whatever the version, and keeps it", false, {{UPSERT, 5, APPLIED, V(10)}, {TOMBSTONE, 6, APPLIED}, {UPSERT, 7, STALE, V(9)}, {UPSERT, 8, STALE, V(10)}}, true, 10},
    {"after a tombstone the version must be higher", false, {{UPSERT, 5, APPLIED, V(10)}, {TOMBSTONE, 6, APPLIED}, {UPSERT, 7, STALE, V(10)}, {UPSERT, 8, APPLIED, V(11)}}, true, 11},
    {"two tombstones keep the version", false, {{UPSERT, 5, APPLIED, V(10)}, {TOMBSTONE, 6, APPLIED}, {TOMBSTONE, 7, APPLIED}, {UPSERT, 8, STALE, V(10)}}, true, 10},
    {"a tombstone is stale by position, not by version", false, {{UPSERT, 5, APPLIED, V(10)}, {TOMBSTONE, 4, STALE}}, true, 10},
    {"a tombstone with a folded version keeps the higher one", false, {{UPSERT, 5, APPLIED, V(10)}, {TOMBSTONE, 6, APPLIED, V(20)}, {UPSERT, 7, STALE, V(20)}, {UPSERT, 8, APPLIED, V(21)}}, true, 21},
    {"a tombstone with a lower folded version keeps the fence's", false, {{UPSERT, 5, APPLIED, V(10)}, {TOMBSTONE, 6, APPLIED, V(3)}, {UPSERT, 7, STALE, V(10)}}, true, 10},
    {"a first tombstone with a folded version", false, {{TOMBSTONE, 6, APPLIED, V(3)}, {UPSERT, 7, STALE, V(3)}}, true, 3},
    {"a folded version is not the tombstone's own", false, {{UPSERT, 5, APPLIED, V(10)}, {TOMBSTONE, 4, STALE, V(99)}}, true, 10},
    {"a negative version is kept by a tombstone", false, {{UPSERT, 5, APPLIED, V(-5)}, {TOMBSTONE, 6, APPLIED, V(-7)}, {UPSERT, 7, STALE, V(-5)}}, true, -5},
    {"a delete with a version obeys it", false, {{UPSERT, 5, APPLIED, V(10)}, {DELETE, 6, STALE, V(9)}, {DELETE, 7, APPLIED, V(11)}, {UPSERT, 8, STALE, V(11)}, {UPSERT, 9, STALE, V(10)}}, true, 11},
    {"a delete with the row's version goes by position", false, {{UPSERT, 5, APPLIED, V(10)}, {DELETE, 4, STALE, V(10)}, {DELETE, 6, APPLIED, V(10)}, {DELETE, 7, STALE, V(10)}}, true, 10},
    {"a higher version comes after a versioned delete", false, {{DELETE, 5, APPLIED, V(10)}, {UPSERT, 4, APPLIED, V(11)}}, true, 11},
    {"without a version: by position, and the version is forgotten", false, {{UPSERT, 5, APPLIED, V(10)}, {UPSERT, 4, STALE}, {UPSERT, 6, APPLIED}}, false, 0},
};

static const struct scenario generations[] = {
    {"a newer generation of the partition wins over all", false, {{UPSERT, 5, APPLIED, V(10)}, {UPSERT, 1, APPLIED, V(1), .generation = 2}}, true, 1},
    {"an older generation of the partition is stale", false, {{UPSERT, 5, APPLIED, V(10), .generation = 2}, {UPSERT, 6, STALE, V(11), .generation = 1}}, true, 10},
    {"a generation comes before ids", false, {{UPSERT, 5, APPLIED, .event = "e", .change = "c"}, {UPSERT, 5, APPLIED, .event = "e", .change = "c", .generation = 2}, {UPSERT, 5, STALE, .event = "e", .generation = 1}}, false, 0},
    {"a newer generation revives a deleted entity", false, {{UPSERT, 5, APPLIED, V(10)}, {TOMBSTONE, 6, APPLIED}, {UPSERT, 5, APPLIED, V(10), .generation = 2}}, true, 10},
    {"a tombstone of a newer generation forgets the version", false, {{UPSERT, 5, APPLIED, V(10)}, {TOMBSTONE, 2, APPLIED, .generation = 2}}, false, 0},
    {"a tombstone of a newer generation keeps its own", false, {{UPSERT, 5, APPLIED, V(10)}, {TOMBSTONE, 2, APPLIED, V(4), .generation = 2}, {UPSERT, 3, STALE, V(4), .generation = 2}}, true, 4},
    {"generations of two partitions are not compared", false, {{UPSERT, 5, APPLIED, .time = 100}, {UPSERT, 9, STALE, .partition = 1, .generation = 7, .time = 99}, {UPSERT, 9, APPLIED, .partition = 1, .generation = 1, .time = 101}}, false, 0},
    {"a fence below the floor is void, of any partition", false, {{UPSERT, 5, APPLIED, V(10), .time = 100}, {UPSERT, 9, APPLIED, V(1), .partition = 1, .generation = 2, .floor = 2, .time = 99}}, true, 1},
    {"a fence at the floor stands", false, {{UPSERT, 5, APPLIED, .generation = 2, .time = 100}, {UPSERT, 9, STALE, .partition = 1, .generation = 2, .floor = 2, .time = 99}}, false, 0},
    {"below the floor even a newer generation's number is void", false, {{UPSERT, 5, APPLIED, .generation = 3}, {UPSERT, 4, APPLIED, .generation = 2, .floor = 4}}, false, 0},
    {"a void fence is no duplicate", false, {{UPSERT, 5, APPLIED, .event = "e", .change = "c"}, {UPSERT, 1, APPLIED, .event = "e", .change = "c", .generation = 2, .floor = 2}}, false, 0},
    {"a void delete fence holds nothing back", false, {{TOMBSTONE, 5, APPLIED, V(10)}, {UPSERT, 1, APPLIED, V(1), .partition = 1, .generation = 2, .floor = 2, .time = 3}}, true, 1},
    {"a tombstone over a void fence forgets its version", false, {{UPSERT, 5, APPLIED, V(10)}, {TOMBSTONE, 1, APPLIED, .partition = 1, .generation = 2, .floor = 2, .time = 3}}, false, 0},
    {"a tombstone over another partition's fence keeps its version", false, {{UPSERT, 5, APPLIED, V(10), .time = 100}, {TOMBSTONE, 1, APPLIED, .partition = 1, .generation = 2, .time = 101}}, true, 10},
};

static const struct scenario ids[] = {
    {"the last event again is a duplicate", false, {{UPSERT, 5, APPLIED, .event = "e"}, {UPSERT, 6, SAME_EVENT, .event = "e"}, {UPSERT, 7, APPLIED, .event = "f"}}, false, 0},
    {"the last change again is a duplicate", false, {{UPSERT, 5, APPLIED, .change = "c"}, {UPSERT, 6, SAME_CHANGE, .change = "c"}, {UPSERT, 7, APPLIED, .change = "d"}}, false, 0},
    {"a change under a new event is a duplicate", false, {{UPSERT, 5, APPLIED, .event = "e", .change = "c"}, {UPSERT, 6, SAME_CHANGE, .event = "f", .change = "c"}}, false, 0},
    {"the event id is judged first", false, {{UPSERT, 5, APPLIED, .event = "e", .change = "c"}, {UPSERT, 6, SAME_EVENT, .event = "e", .change = "c"}, {UPSERT, 7, SAME_EVENT, .event = "e", .change = "d"}}, false, 0},
    {"only the last change counts", false, {{UPSERT, 5, APPLIED, .event = "e", .change = "c"}, {UPSERT, 6, APPLIED, .event = "f", .change = "d"}, {UPSERT, 7, APPLIED, .event = "e", .change = "c"}}, false, 0},
    {"an event id is no change id", false, {{UPSERT, 5, APPLIED, .event = "x", .change = "y"}, {UPSERT, 6, APPLIED, .event = "y", .change = "x"}}, false, 0},
    {"what is stale leaves no ids", false, {{UPSERT, 5, APPLIED, .event = "e"}, {UPSERT, 4, STALE, .event = "f"}, {UPSERT, 6, APPLIED, .event = "f"}}, false, 0},
    {"a duplicate is told before a stale one", false, {{UPSERT, 5, APPLIED, V(10), .event = "e", .change = "c"}, {UPSERT, 4, SAME_EVENT, V(9), .event = "e"}, {UPSERT, 3, SAME_CHANGE, V(9), .change = "c"}}, true, 10},
    {"a duplicate with a higher version is one all the same", false, {{UPSERT, 5, APPLIED, V(10), .event = "e"}, {UPSERT, 6, SAME_EVENT, V(11), .event = "e"}}, true, 10},
    {"a change without ids clears them", false, {{UPSERT, 5, APPLIED, .event = "e", .change = "c"}, {UPSERT, 6, APPLIED}, {UPSERT, 7, APPLIED, .event = "e", .change = "c"}}, false, 0},
    {"a tombstone without ids clears them", false, {{UPSERT, 5, APPLIED, .event = "e", .change = "c"}, {TOMBSTONE, 6, APPLIED}, {UPSERT, 7, APPLIED, .event = "e", .change = "c"}}, false, 0},
    {"a delete has ids too", false, {{UPSERT, 5, APPLIED, .event = "e"}, {DELETE, 6, SAME_EVENT, .event = "e"}, {DELETE, 7, APPLIED, .event = "f", .change = "c"}, {DELETE, 8, SAME_EVENT, .event = "f"}, {UPSERT, 9, SAME_CHANGE, .change = "c"}}, false, 0},
    {"a tombstone with a known event id is a duplicate", false, {{UPSERT, 5, APPLIED, .event = "e"}, {TOMBSTONE, 6, SAME_EVENT, .event = "e"}}, false, 0},
    {"ids are known across partitions", false, {{UPSERT, 5, APPLIED, .event = "e", .change = "c", .time = 100}, {UPSERT, 1, SAME_EVENT, .event = "e", .partition = 1, .time = 200}, {UPSERT, 2, SAME_CHANGE, .change = "c", .partition = 1, .time = 200}}, false, 0},
    {"ids are compared byte by byte", false, {{UPSERT, 5, APPLIED, .event = "e", .change = "c"}, {UPSERT, 6, APPLIED, .event = "E", .change = "c "}, {UPSERT, 7, APPLIED, .event = "E ", .change = "c"}}, false, 0},
    {"an empty id is an id", false, {{UPSERT, 5, APPLIED, .event = "", .change = "c"}, {UPSERT, 6, SAME_EVENT, .event = ""}, {UPSERT, 7, APPLIED}, {UPSERT, 8, APPLIED, .event = ""}}, false, 0},
    {"numbers stay texts in ids", false, {{UPSERT, 5, APPLIED, .event = "1", .change = "007"}, {UPSERT, 6, APPLIED, .event = "1.0", .change = "7"}}, false, 0},
};

static void the_position_orders_changes(void **state)
{
    play_all(*state, positions, sizeof positions / sizeof *positions, false);
}

static void the_position_orders_changes_of_several_topics(void **state)
{
    play_all(*state, positions, sizeof positions / sizeof *positions, true);
}

static void the_version_orders_changes(void **state)
{
    play_all(*state, versions, sizeof versions / sizeof *versions, false);
}

static void a_generation_makes_old_fences_void(void **state)
{
    play_all(*state, generations, sizeof generations / sizeof *generations, false);
}

static void the_last_event_and_change_are_known_again(void **state)
{
    play_all(*state, ids, sizeof ids / sizeof *ids, false);
}

/* Deletes that keep the row must obey the same order. */
static void soft_deletes_obey_the_same_order(void **state)
{
    struct fixture *fixture = *state;
    fixture->view.delete_mode = UPSINK_DELETE_SOFT;
    play_all(fixture, positions, sizeof positions / sizeof *positions, false);
    play_all(fixture, versions, sizeof versions / sizeof *versions, false);
    play_all(fixture, generations, sizeof generations / sizeof *generations, false);
    play_all(fixture, ids, sizeof ids / sizeof *ids, false);
}

static const struct CMUnitTest tests[] = {
    CONTRACT_TEST(the_position_orders_changes),
    CONTRACT_TEST(the_position_orders_changes_of_several_topics),
    CONTRACT_TEST(the_version_orders_changes),
    CONTRACT_TEST(a_generation_makes_old_fences_void),
    CONTRACT_TEST(the_last_event_and_change_are_known_again),
    CONTRACT_TEST(soft_deletes_obey_the_same_order),
};

const struct group fence_group = {"fence", tests, sizeof tests / sizeof *tests};
