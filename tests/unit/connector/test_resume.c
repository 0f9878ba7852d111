/* Where a partition goes on: every case of the decision, by name. */
#include "connector/resume.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct resume_facts at(int64_t next, int64_t generation)
{
    return (struct resume_facts){
        .sink_keeps = true,
        .next_offset = next,
        .generation = generation,
        .floor = generation ? 1 : 0,
        .note = {.generation = generation, .floor = 1, .mark = {.offset = next - 1}, .cluster = "C"},
        .commit_offset = -1,
        .low = 0,
        .high = 100,
        .cluster = "C"};
}

static void commit(struct resume_facts *facts, int64_t offset, bool ours)
{
    facts->has_commit = true;
    facts->commit_offset = offset;
    facts->commit_is_ours = ours;
    facts->commit_note = ours ? facts->note : (struct resume_note){.mark.offset = -1};
}

static void expect(struct resume_facts facts, enum resume_reason reason, int64_t offset, int64_t generation)
{
    struct resume_plan plan = resume_decide(&facts);
    assert_int_equal(plan.reason, reason);
    assert_int_equal(plan.offset, offset);
    assert_int_equal(plan.generation, generation);
}

static void a_new_view_starts_at_the_beginning_in_generation_one(void **state)
{
    (void)state;
    struct resume_facts facts = at(-1, 0);
    facts.low = 7;
    expect(facts, RESUME_FIRST, 7, 1);
    facts.from_latest = true;
    expect(facts, RESUME_FIRST, 100, 1);
}

static void the_sink_is_right_where_our_commit_lags_or_leads(void **state)
{
    (void)state;
    struct resume_facts facts = at(50, 2);
    expect(facts, RESUME_CONTINUE, 50, 2);
    commit(&facts, 40, true);
    expect(facts, RESUME_CONTINUE, 50, 2);
    commit(&facts, 60, true); /* the database was restored from a backup */
    expect(facts, RESUME_CONTINUE, 50, 2);
}

static void a_reset_by_hand_begins_a_new_generation(void **state)
{
    (void)state;
    struct resume_facts facts = at(50, 2);
    commit(&facts, 10, false);
    expect(facts, RESUME_RESET_BACK, 10, 3);
    facts.low = 20;
    expect(facts, RESUME_RESET_BACK, 20, 3);
    assert_int_equal(resume_decide(&facts).floor, 1);
}

static void a_step_forward_by_hand_skips(void **state)
{
    (void)state;
    struct resume_facts facts = at(50, 2);
    commit(&facts, 90, false);
    expect(facts, RESUME_SKIPPED, 90, 2);
    commit(&facts, 50, false);
    expect(facts, RESUME_CONTINUE, 50, 2);
}

static void a_lost_target_is_filled_again(void **state)
{
    (void)state;
    struct resume_facts facts = at(-1, 3);
    commit(&facts, 50, true);
    expect(facts, RESUME_REFILL, 0, 4);
    facts.from_latest = true;
    expect(facts, RESUME_REFILL, 0, 4);
    facts = at(-1, 0); /* the target went together with its state; the group remembers */
    commit(&facts, 50, true);
    facts.commit_note.generation = 5;
    expect(facts, RESUME_REFILL, 0, 6);
}

static void a_reset_counts_where_the_target_is_gone_too(void **state)
{
    (void)state;
    struct resume_facts facts = at(-1, 0);
    commit(&facts, 30, false);
    expect(facts, RESUME_RESET_BACK, 30, 1);
}

static void another_topic_of_the_same_name_is_noticed(void **state)
{
    (void)state;
    struct resume_facts facts = at(50, 2);
    facts.high = 20; /* shorter */
    expect(facts, RESUME_RECREATED, 0, 3);
    facts = at(50, 2);
    assert_true(resume_decide(&facts).check_mark); /* longer: the record at the mark will tell */
    facts.mark_differs = true;
    expect(facts, RESUME_RECREATED, 0, 3);
    assert_int_equal(resume_decide(&facts).floor, 3);
    facts = at(50, 2);
    facts.cluster = "D";
    expect(facts, RESUME_RECREATED, 0, 3);
    facts.cluster = ""; /* not known: no reason to doubt */
    expect(facts, RESUME_CONTINUE, 50, 2);
}

static void records_that_were_deleted_unread_stop_the_view(void **state)
{
    (void)state;
    struct resume_facts facts = at(50, 2);
    facts.low = 60;
    expect(facts, RESUME_GAP, 50, 2);
    struct resume_plan plan = resume_decide(&facts);
    char text[1024];
    resume_explain(&facts, &plan, "orders-postgres", "orders", 3, text, sizeof text);
    assert_non_null(strstr(text, "records 50 to 59"));
    assert_non_null(strstr(text, "--to-earliest"));
    commit(&facts, 60, false); /* what the message proposes */
    expect(facts, RESUME_SKIPPED, 60, 2);
}

static void a_sink_without_positions_goes_on_from_the_group(void **state)
{
    (void)state;
    struct resume_facts facts = at(-1, 0);
    facts.sink_keeps = false;
    expect(facts, RESUME_FIRST, 0, 1);
    facts.note.generation = 1;
    commit(&facts, 50, true);
    expect(facts, RESUME_CONTINUE, 50, 1);
    commit(&facts, 30, false);
    expect(facts, RESUME_CONTINUE, 30, 1);
}

static void notes_survive_a_round_trip_and_foreign_ones_are_refused(void **state)
{
    (void)state;
    struct resume_note note = {.generation = 3,
                               .floor = 2,
                               .partitions = 12,
                               .cluster = "abc-DEF_1",
                               .mark = {.offset = 41, .timestamp_ms = -1, .hash = 0xfedcba9876543210u}};
    struct resume_note back;
    char text[RESUME_NOTE_SIZE];
    resume_note_format(&note, text);
    assert_true(resume_note_parse(text, strlen(text), &back));
    char again[RESUME_NOTE_SIZE];
    resume_note_format(&back, again);
    assert_string_equal(text, again);
    assert_int_equal(back.mark.hash, note.mark.hash);
    assert_int_equal(back.partitions, 12);
    note.cluster[0] = '\0';
    resume_note_format(&note, text);
    assert_true(resume_note_parse(text, strlen(text), &back));
    assert_false(resume_note_parse("", 0, &back));
    assert_false(resume_note_parse(NULL, 0, &back));
    assert_false(resume_note_parse("somebody else's", 15, &back));
    assert_int_equal(back.mark.offset, -1);
}

static void refused_records_survive_with_the_note(void **state)
{
    (void)state;
    struct resume_note note = {.generation = 1, .mark.offset = INT64_MAX, .cluster = ""}, back;
    static const int64_t refused[] = {0, 1, 31, 63, 64, 1 << 20, INT64_MAX - 1, INT64_MAX};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        resume_note_refused(&note, refused[i]);
    resume_note_refused(&note, 64); /* known already */
    char text[RESUME_NOTE_SIZE];
    resume_note_format(&note, text);
    assert_true(resume_note_parse(text, strlen(text), &back));
    assert_int_equal(back.refused.count, note.refused.count);
    assert_string_equal(back.cluster, "");
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_true(resume_was_refused(&back, refused[i]));
    assert_false(resume_was_refused(&back, 2));
    assert_false(resume_was_refused(&back, INT64_MAX - 2));
    resume_note_cut(&back, 64);
    assert_false(resume_was_refused(&back, 64));
    assert_true(resume_was_refused(&back, 63));
}

/* Where there are too many to know them all, nothing before the known ones counts as applied. */
static void of_too_many_refused_records_the_latest_are_known(void **state)
{
    (void)state;
    static const int64_t distances[] = {1, 3, 1000000, INT64_C(1) << 40};
    for (size_t d = 0; d < sizeof distances / sizeof *distances; d++) {
        struct resume_note note = {.generation = 1, .cluster = "c"}, back;
        int64_t last = 0;
        for (int i = 0; i < 3 * RESUME_REFUSED_MAX; i++)
            resume_note_refused(&note, last += distances[d]);
        note.mark.offset = last + 5;
        char text[RESUME_NOTE_SIZE];
        resume_note_format(&note, text);
        assert_true(strlen(text) < RESUME_NOTE_SIZE - 1);
        assert_true(resume_note_parse(text, strlen(text), &back));
        assert_string_equal(back.cluster, "c");
        assert_true(back.refused.count >= 150);
        for (int64_t offset = distances[d]; offset <= last; offset += distances[d])
            assert_true(resume_was_refused(&back, offset));
        assert_false(resume_was_refused(&back, last + 1));
        assert_true(distances[d] == 1 || !resume_was_refused(&back, last - 1));
        assert_true(resume_was_refused(&back, 0));
    }
}

static void a_broken_list_of_refused_records_says_of_nothing_that_it_was_applied(void **state)
{
    (void)state;
    static const char *const lists[] = {" s=0 r=zz", " s=0 r=O", " s=0 r=9999",
                                        " s=x r=0",  " s=0",     " s=0 r=ooooooooooooooooo0"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        char text[RESUME_NOTE_SIZE];
        struct resume_note back;
        snprintf(text, sizeof text, "upsink/1 g=1 f=1 n=1 o=20 t=5 h=00000000000000aa c=x%s", lists[i]);
        assert_true(resume_note_parse(text, strlen(text), &back));
        assert_true(resume_was_refused(&back, 20));
        assert_false(resume_was_refused(&back, 21));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_view_starts_at_the_beginning_in_generation_one),
        cmocka_unit_test(the_sink_is_right_where_our_commit_lags_or_leads),
        cmocka_unit_test(a_reset_by_hand_begins_a_new_generation),
        cmocka_unit_test(a_step_forward_by_hand_skips),
        cmocka_unit_test(a_lost_target_is_filled_again),
        cmocka_unit_test(a_reset_counts_where_the_target_is_gone_too),
        cmocka_unit_test(another_topic_of_the_same_name_is_noticed),
        cmocka_unit_test(records_that_were_deleted_unread_stop_the_view),
        cmocka_unit_test(a_sink_without_positions_goes_on_from_the_group),
        cmocka_unit_test(notes_survive_a_round_trip_and_foreign_ones_are_refused),
        cmocka_unit_test(refused_records_survive_with_the_note),
        cmocka_unit_test(of_too_many_refused_records_the_latest_are_known),
        cmocka_unit_test(a_broken_list_of_refused_records_says_of_nothing_that_it_was_applied),
    };
    return cmocka_run_group_tests_name("resume", tests, NULL, NULL);
}
