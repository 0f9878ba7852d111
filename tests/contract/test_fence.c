/* Who wins against what the store remembers: every rule, by example, asked of the real store. */
#include "tests/contract/fence.h"

static struct upsink_change make_change(struct fixture *fixture, const struct step *step, const char *key)
{
    struct upsink_change change = make_upsert(fixture, key, step->offset);
    if (step->kind != UPSERT) {
        change.op = UPSINK_DELETE;
        change.entity = UPSINK_SLICE_ABSENT;
    }
    change.flags =
        (step->kind == TOMBSTONE ? UPSINK_BY_POSITION : 0u) | (step->has_version ? UPSINK_HAS_VERSION : 0u);
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

static void check_end(struct fixture *fixture, const struct scenario *scenario,
                      const struct upsink_change *last)
{
    struct upsink_row row = fixture_see(fixture, last->key);
    if (last->op == UPSINK_UPSERT)
        assert_row_is(fixture, last->key, last);
    else if (!row.found || !row.fence.deleted || row.fence.offset != last->offset ||
             row.fence.partition != last->partition || row.fence.timestamp != last->timestamp ||
             !upsink_slice_equal(row.fence.topic, last->topic))
        fail_msg("%s: the delete's fence is not there", scenario->says);
    if (row.fence.has_version != scenario->keeps_version ||
        (scenario->keeps_version && row.fence.version != scenario->version))
        fail_msg("%s: the fence holds version %lld (%d), not %lld (%d)", scenario->says,
                 (long long)row.fence.version, row.fence.has_version, (long long)scenario->version,
                 scenario->keeps_version);
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

static void play_all(struct fixture *fixture, const struct scenario *scenarios, bool several_topics)
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
        for (size_t i = 0; scenarios[i].says; i++) {
            char key[32];
            if (scenarios[i].several_topics && !several_topics)
                continue;
            snprintf(key, sizeof key, "key-%u", played++);
            play(fixture, &scenarios[i], arena_copy(&fixture->scratch, upsink_slice_of(key)).data,
                 round == 0);
        }
    }
}

static void the_position_orders_changes(void **state)
{
    play_all(*state, position_scenarios, false);
}

static void the_position_orders_changes_of_several_topics(void **state)
{
    play_all(*state, position_scenarios, true);
}

static void the_version_orders_changes(void **state)
{
    play_all(*state, version_scenarios, false);
}

static void a_generation_makes_old_fences_void(void **state)
{
    play_all(*state, generation_scenarios, false);
}

static void the_last_event_and_change_are_known_again(void **state)
{
    play_all(*state, id_scenarios, false);
}

/* Deletes that keep the row must obey the same order. */
static void soft_deletes_obey_the_same_order(void **state)
{
    struct fixture *fixture = *state;
    fixture->view.delete_mode = UPSINK_DELETE_SOFT;
    play_all(fixture, position_scenarios, false);
    play_all(fixture, version_scenarios, false);
    play_all(fixture, generation_scenarios, false);
    play_all(fixture, id_scenarios, false);
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
