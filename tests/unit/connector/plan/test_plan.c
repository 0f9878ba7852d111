#include "connector/plan/plan_report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

/* A plan of two partitions with 100 and 50 records, as looking would have left it. */
struct scene {
    struct plan plan;
    struct plan_kafka kafka;
    struct view_config settings;
    struct plan_topic topic;
    struct plan_partition partitions[2];
};

static int set_up(void **state)
{
    static const char *const topics[] = {"orders"};
    struct scene *scene = calloc(1, sizeof *scene);
    scene->settings = (struct view_config){.name = "orders",
                                           .group = "upsink-orders",
                                           .topics = topics,
                                           .topic_count = 1,
                                           .topic_text = "orders",
                                           .dlq_topic = "orders.dlq",
                                           .create = true};
    scene->topic = (struct plan_topic){"orders", 2, 1};
    scene->partitions[0] =
        (struct plan_partition){.topic = "orders", .partition = 0, .low = 0, .high = 100, .committed = -1};
    scene->partitions[1] =
        (struct plan_partition){.topic = "orders", .partition = 1, .low = 10, .high = 60, .committed = -1};
    scene->plan = (struct plan){.settings = &scene->settings,
                                .topics = &scene->topic,
                                .topic_count = 1,
                                .partitions = scene->partitions,
                                .partition_count = 2,
                                .group_known = true,
                                .sink_known = true,
                                .sink_keeps = true,
                                .sink_name = "sqlite:x.db table orders"};
    arena_init(&scene->plan.arena, 0);
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    arena_destroy(&scene->plan.arena);
    free(scene);
    return 0;
}

static void commit(struct scene *scene, size_t i, int64_t offset, bool ours)
{
    struct plan_partition *partition = &scene->partitions[i];
    scene->plan.group_exists = true;
    partition->has_commit = true;
    partition->committed = offset;
    partition->commit_is_ours = ours;
    partition->note =
        (struct resume_note){.generation = 1, .floor = 1, .partitions = 2, .mark = {.offset = -1}};
}

static void expect_sentence(struct scene *scene, const char *expected)
{
    struct buf sentence;
    buf_init(&sentence);
    plan_decide(&scene->plan, &scene->kafka);
    plan_sum_up(&scene->plan, &sentence);
    assert_string_equal(sentence.data, expected);
    buf_destroy(&sentence);
}

static void add_problem(struct scene *scene, enum upsink_error_class cls, const char *code)
{
    struct upsink_error err;
    upsink_fail(&err, cls, code, "text");
    assert_false(plan_add_problem(&scene->plan, &err));
}

static void a_new_view_reads_everything(void **state)
{
    struct scene *scene = *state;
    scene->plan.refills = true;
    scene->plan.statement_count = 3;
    expect_sentence(
        scene,
        "run would prepare the sink with the 3 statements above, then read 150 records from the beginning "
        "of 2 partitions.");
}

static void a_view_that_was_run_before_goes_on(void **state)
{
    struct scene *scene = *state;
    commit(scene, 0, 90, true);
    commit(scene, 1, 60, true);
    expect_sentence(scene, "run would go on where it stopped, with 10 records to catch up on.");
    commit(scene, 0, 100, true);
    expect_sentence(scene, "run would go on where it stopped, with nothing to catch up on.");
}

static void tables_that_are_gone_are_filled_from_the_beginning(void **state)
{
    struct scene *scene = *state;
    commit(scene, 0, 90, true);
    commit(scene, 1, 60, true);
    scene->plan.refills = true;
    expect_sentence(scene, "run would read 150 records from the beginning of 2 partitions.");
    assert_non_null(strstr(scene->partitions[0].remark, "lost what it held"));
}

static void a_sink_that_keeps_no_positions_goes_on_from_the_groups_offsets(void **state)
{
    struct scene *scene = *state;
    scene->plan.sink_keeps = false;
    commit(scene, 0, 40, false);
    commit(scene, 1, 60, false);
    expect_sentence(scene, "run would go on where it stopped, with 60 records to catch up on.");
}

static void records_that_are_gone_unread_are_a_problem(void **state)
{
    struct scene *scene = *state;
    commit(scene, 0, 90, true);
    commit(scene, 1, 5, true);
    expect_sentence(scene, "run would fail (log_truncated).");
    assert_int_equal(scene->plan.problem_count, 1);
}

static void latest_begins_at_the_end(void **state)
{
    struct scene *scene = *state;
    scene->kafka.from_latest = true;
    expect_sentence(scene, "run would begin at the end of 2 partitions, and read what comes.");
}

static void an_empty_topic_is_waited_for(void **state)
{
    struct scene *scene = *state;
    scene->partitions[0].high = 0;
    scene->partitions[1].high = 10;
    expect_sentence(scene, "run would wait for the first record: there is none yet.");
}

static void what_a_person_has_to_solve_counts_before_what_passes(void **state)
{
    struct scene *scene = *state;
    add_problem(scene, UPSINK_ERR_OUTAGE, "unknown_topic");
    expect_sentence(scene, "run would wait until there is such a topic.");
    add_problem(scene, UPSINK_ERR_REFUSED, "sink_credentials_refused");
    expect_sentence(scene, "run would fail (sink_credentials_refused).");
}

static void what_can_not_be_applied_goes_where_on_error_says(void **state)
{
    struct scene *scene = *state;
    struct plan_record records[] = {
        {.outcome = DECODE_REJECTED}, {.outcome = DECODE_CHANGE}, {.outcome = DECODE_REJECTED}};
    scene->plan.records = records;
    scene->plan.record_count = 3;
    expect_sentence(
        scene,
        "run would read 150 records from the beginning of 2 partitions. Of the 3 records above, 2 can't be "
        "applied: run would write them to orders.dlq.");
    scene->settings.on_error = ON_ERROR_STOP;
    records[0].outcome = DECODE_FILTERED;
    expect_sentence(
        scene,
        "run would read 150 records from the beginning of 2 partitions. Of the 3 records above, 1 can't be "
        "applied: run would stop there, as on_error says.");
}

static void more_problems_than_there_is_room_for_are_dropped(void **state)
{
    struct scene *scene = *state;
    for (int i = 0; i < PLAN_PROBLEMS + 3; i++)
        add_problem(scene, UPSINK_ERR_OUTAGE, "code");
    assert_int_equal(scene->plan.problem_count, PLAN_PROBLEMS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_view_reads_everything),
        TEST(a_view_that_was_run_before_goes_on),
        TEST(tables_that_are_gone_are_filled_from_the_beginning),
        TEST(a_sink_that_keeps_no_positions_goes_on_from_the_groups_offsets),
        TEST(records_that_are_gone_unread_are_a_problem),
        TEST(latest_begins_at_the_end),
        TEST(an_empty_topic_is_waited_for),
        TEST(what_a_person_has_to_solve_counts_before_what_passes),
        TEST(what_can_not_be_applied_goes_where_on_error_says),
        TEST(more_problems_than_there_is_room_for_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
