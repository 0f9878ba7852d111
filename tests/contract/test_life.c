/* Transactions, positions, and what outlives the sink. */
#include "tests/contract/suite.h"

#include <stdlib.h>

static void the_first_claim_knows_nothing(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    struct upsink_position *position = fixture_claim(fixture, 0, 3);
    assert_true(position->epoch > 0);
    assert_int_equal(position->generation, 0);
    assert_int_equal(position->floor, 0);
    assert_int_equal(position->next_offset, -1);
    assert_string_equal(position->note, "");
    assert_int_equal(position->partition, 3);
    assert_true(upsink_slice_is(position->topic, topic_names[0]));
}

static void positions_outlive_the_sink(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    struct upsink_position *position = fixture_claim(fixture, 0, 2);
    int64_t epoch = position->epoch;
    position->generation = 7;
    position->floor = 5;
    position->next_offset = INT64_MAX - 1;
    memset(position->note, 'n', sizeof position->note - 1);
    memcpy(position->note, "o='x' \"ü\\\n%s", 13);
    position->note[sizeof position->note - 1] = '\0';
    struct upsink_position stored = *position;
    fixture_commit(fixture);
    fixture_reopen(fixture);
    position = fixture_claim(fixture, 0, 2);
    assert_true(position->epoch > epoch);
    assert_int_equal(position->generation, 7);
    assert_int_equal(position->floor, 5);
    assert_int_equal(position->next_offset, INT64_MAX - 1);
    assert_string_equal(position->note, stored.note);
    assert_int_equal(fixture_claim(fixture, 0, 1)->next_offset, -1);
}

static void positions_are_kept_by_topic_and_partition(void **state)
{
    struct fixture *fixture = *state;
    fixture->view.several_topics = true;
    fixture->view.topic = "orders,orders-2";
    fixture_open(fixture);
    for (int topic = 0; topic < 2; topic++)
        for (int32_t partition = 0; partition < 3; partition++)
            fixture_claim(fixture, topic, partition)->next_offset = 100 * topic + partition;
    fixture_commit(fixture);
    fixture_reopen(fixture);
    for (int topic = 0; topic < 2; topic++)
        for (int32_t partition = 0; partition < 3; partition++)
            assert_int_equal(fixture_claim(fixture, topic, partition)->next_offset, 100 * topic + partition);
}

static void positions_of_two_views_are_apart(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    fixture_claim(fixture, 0, 0)->next_offset = 5;
    fixture_commit(fixture);
    void *other_state;
    fixture_setup(&other_state);
    struct fixture *other = other_state;
    fixture_open(other);
    assert_int_equal(fixture_claim(other, 0, 0)->next_offset, -1);
    assert_absent(other, "a");
    fixture_teardown(&other_state);
    assert_int_equal(fixture_claim(fixture, 0, 0)->next_offset, 5);
}

static void an_empty_commit_is_good(void **state)
{
    struct fixture *fixture = *state;
    struct upsink_result result;
    fixture_open(fixture);
    assert_true(suite.type->commit(fixture->sink, NULL, 0, &fixture->err));
    assert_true(fixture_try_write(fixture, NULL, 0, &result));
    assert_true(suite.type->commit(fixture->sink, NULL, 0, &fixture->err));
    assert_true(suite.type->commit(fixture->sink, NULL, 0, &fixture->err));
    assert_int_equal(fixture_apply(fixture, make_upsert(fixture, "a", 1)), UPSINK_APPLIED);
}

static void rows_can_be_committed_without_a_position(void **state)
{
    struct fixture *fixture = *state;
    struct upsink_change change = make_upsert(fixture, "a", 1);
    struct upsink_result result;
    fixture_open(fixture);
    fixture_claim(fixture, 0, 0);
    fixture_write(fixture, &change, 1, &result);
    assert_true(suite.type->commit(fixture->sink, NULL, 0, &fixture->err));
    fixture_reopen(fixture);
    assert_row_is(fixture, change.key, &change);
    assert_int_equal(fixture_claim(fixture, 0, 0)->next_offset, -1);
}

static void several_writes_make_one_transaction(void **state)
{
    struct fixture *fixture = *state;
    struct upsink_result results[4];
    fixture_open(fixture);
    struct upsink_change changes[4] = {make_upsert(fixture, "a", 1), make_upsert(fixture, "b", 2),
                                       make_tombstone("a", 3), make_upsert(fixture, "a", 4)};
    fixture_write(fixture, changes, 4, results);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(results[i].verdict, UPSINK_APPLIED);
    fixture_position(fixture, changes[0].topic, 0)->next_offset = 5;
    fixture_commit(fixture);
    fixture_reopen(fixture);
    assert_row_is(fixture, changes[3].key, &changes[3]);
    assert_row_is(fixture, changes[1].key, &changes[1]);
    assert_int_equal(fixture_claim(fixture, 0, 0)->next_offset, 5);
}

static void an_abort_takes_everything_back(void **state)
{
    struct fixture *fixture = *state;
    struct upsink_result results[3];
    if (!suite.transactional)
        return;
    fixture_open(fixture);
    struct upsink_change before[2] = {make_upsert(fixture, "a", 1), make_upsert(fixture, "b", 2)};
    fixture_write(fixture, before, 2, results);
    fixture_commit(fixture);
    struct upsink_change changes[3] = {make_upsert(fixture, "a", 3), make_tombstone("b", 4),
                                       make_upsert(fixture, "c", 5)};
    fixture_write(fixture, changes, 3, results);
    fixture_abort(fixture);
    assert_row_is(fixture, before[0].key, &before[0]);
    assert_row_is(fixture, before[1].key, &before[1]);
    assert_absent(fixture, "c");
    fixture_write(fixture, changes, 3, results);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(results[i].verdict, UPSINK_APPLIED);
    fixture_commit(fixture);
    assert_row_is(fixture, changes[0].key, &changes[0]);
    assert_deleted(fixture, "b");
}

static void after_an_abort_the_same_batch_gives_the_same_state(void **state)
{
    struct fixture *fixture = *state;
    struct upsink_result results[3];
    fixture_open(fixture);
    struct upsink_change changes[3] = {make_upsert(fixture, "a", 3), make_tombstone("b", 4),
                                       make_upsert(fixture, "c", 5)};
    for (int i = 0; i < 3; i++) {
        fixture_write(fixture, changes, 3, results);
        fixture_abort(fixture);
    }
    fixture_write(fixture, changes, 3, results);
    fixture_commit(fixture);
    assert_row_is(fixture, changes[0].key, &changes[0]);
    assert_deleted(fixture, "b");
    assert_row_is(fixture, changes[2].key, &changes[2]);
}

static void an_abort_of_nothing_is_harmless(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    fixture_abort(fixture);
    fixture_abort(fixture);
    assert_int_equal(fixture_apply(fixture, make_upsert(fixture, "a", 1)), UPSINK_APPLIED);
    fixture_abort(fixture);
    assert_true(fixture_see_text(fixture, "a").found);
}

static void closing_without_a_commit_is_an_abort(void **state)
{
    struct fixture *fixture = *state;
    struct upsink_change change = make_upsert(fixture, "a", 1);
    struct upsink_result result;
    if (!suite.transactional)
        return;
    fixture_open(fixture);
    fixture_write(fixture, &change, 1, &result);
    fixture_reopen(fixture);
    assert_absent(fixture, "a");
}

static void others_see_rows_only_after_the_commit(void **state)
{
    struct fixture *fixture = *state, *reader = fixture_twin(fixture);
    void *reader_state = reader;
    struct upsink_result results[2];
    if (suite.transactional) {
        fixture_open(fixture);
        fixture_open(reader);
        struct upsink_change before = make_upsert(fixture, "a", 1);
        fixture_apply(fixture, before);
        assert_row_is(reader, before.key, &before);
        struct upsink_change changes[2] = {make_upsert(fixture, "a", 2), make_upsert(fixture, "b", 3)};
        fixture_write(fixture, changes, 2, results);
        assert_row_is(reader, before.key, &before);
        assert_absent(reader, "b");
        fixture_commit(fixture);
        assert_row_is(reader, changes[0].key, &changes[0]);
        assert_row_is(reader, changes[1].key, &changes[1]);
    }
    fixture_teardown(&reader_state);
}

static void deletes_hold_after_closing_and_opening(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    fixture_apply(fixture, make_upsert(fixture, "a", 1));
    fixture_apply(fixture, make_tombstone("a", 5));
    fixture_apply(fixture, make_tombstone("never seen", 6));
    fixture_reopen(fixture);
    assert_deleted(fixture, "a");
    assert_int_equal(fixture_apply(fixture, make_upsert(fixture, "a", 4)), UPSINK_STALE);
    assert_int_equal(fixture_apply(fixture, make_upsert(fixture, "never seen", 3)), UPSINK_STALE);
    assert_deleted(fixture, "a");
    struct upsink_change back = make_upsert(fixture, "a", 7);
    assert_int_equal(fixture_apply(fixture, back), UPSINK_APPLIED);
    fixture_reopen(fixture);
    assert_row_is(fixture, back.key, &back);
}

static void a_soft_delete_keeps_the_last_state(void **state)
{
    struct fixture *fixture = *state;
    fixture->view.delete_mode = UPSINK_DELETE_SOFT;
    fixture_open(fixture);
    struct upsink_change first = make_upsert(fixture, "a", 1);
    fixture_apply(fixture, first);
    fixture_apply(fixture, make_tombstone("a", 5));
    fixture_reopen(fixture);
    struct upsink_row row = fixture_see_text(fixture, "a");
    assert_true(row.found && row.fence.deleted);
    assert_true(json_same(row.entity, first.entity));
    assert_int_equal(row.fence.offset, 5);
    assert_int_equal(fixture_apply(fixture, make_upsert(fixture, "a", 4)), UPSINK_STALE);
    struct upsink_change back = make_upsert(fixture, "a", 6);
    assert_int_equal(fixture_apply(fixture, back), UPSINK_APPLIED);
    assert_row_is(fixture, back.key, &back);
    assert_int_equal(fixture_apply(fixture, make_tombstone("never seen", 7)), UPSINK_APPLIED);
    assert_deleted(fixture, "never seen");
    assert_int_equal(fixture_apply(fixture, make_upsert(fixture, "never seen", 6)), UPSINK_STALE);
    assert_int_equal(fixture_apply(fixture, make_upsert(fixture, "never seen", 8)), UPSINK_APPLIED);
}

/* A mistyped parameter that goes unnoticed is a view that is not what its author thinks. */
static void assert_open_refuses(struct fixture *fixture, const char *name)
{
    if (suite.type->open(&fixture->sink, &fixture->view, NULL, &fixture->err))
        fail_msg("open took %s, which is none of its parameters or settings", name);
    assert_null(fixture->sink);
    assert_int_equal(fixture->err.cls, UPSINK_ERR_CONFIG);
    if (!strstr(fixture->err.text, name))
        fail_msg("the error does not name %s: %s", name, fixture->err.text);
    /* It may be a mistyped password. */
    if (strstr(fixture->err.text, "hush") || strstr(fixture->err.detail, "hush"))
        fail_msg("the error tells the value: %s (%s)", fixture->err.text, fixture->err.detail);
}

static void an_unknown_parameter_of_the_url_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char url[4096];
    int len = snprintf(url, sizeof url, "%s%snonesuch=hush", suite.url, strchr(suite.url, '?') ? "&" : "?");
    assert_in_range(len, 1, sizeof url - 1);
    fixture->view.url = url;
    assert_open_refuses(fixture, "nonesuch");
}

static void an_unknown_setting_is_refused(void **state)
{
    struct fixture *fixture = *state;
    static const struct upsink_setting settings[] = {{"nonesuch", "hush"}};
    fixture->view.settings = settings;
    fixture->view.setting_count = 1;
    assert_open_refuses(fixture, "nonesuch");
}

static void the_description_names_the_target_and_no_secret(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    const char *text = suite.type->describe(fixture->sink);
    assert_non_null(strstr(text, fixture->table));
    const char *at = strchr(suite.url, '@'), *colon = strstr(suite.url, "://");
    colon = colon ? strchr(colon + 3, ':') : NULL;
    if (at && colon && colon < at) {
        char *secret = strndup(colon + 1, (size_t)(at - colon - 1));
        assert_null(strstr(text, secret));
        free(secret);
    }
}

static const struct CMUnitTest tests[] = {
    CONTRACT_TEST(the_first_claim_knows_nothing),
    CONTRACT_TEST(positions_outlive_the_sink),
    CONTRACT_TEST(positions_are_kept_by_topic_and_partition),
    CONTRACT_TEST(positions_of_two_views_are_apart),
    CONTRACT_TEST(an_empty_commit_is_good),
    CONTRACT_TEST(rows_can_be_committed_without_a_position),
    CONTRACT_TEST(several_writes_make_one_transaction),
    CONTRACT_TEST(an_abort_takes_everything_back),
    CONTRACT_TEST(after_an_abort_the_same_batch_gives_the_same_state),
    CONTRACT_TEST(an_abort_of_nothing_is_harmless),
    CONTRACT_TEST(closing_without_a_commit_is_an_abort),
    CONTRACT_TEST(others_see_rows_only_after_the_commit),
    CONTRACT_TEST(deletes_hold_after_closing_and_opening),
    CONTRACT_TEST(a_soft_delete_keeps_the_last_state),
    CONTRACT_TEST(an_unknown_parameter_of_the_url_is_refused),
    CONTRACT_TEST(an_unknown_setting_is_refused),
    CONTRACT_TEST(the_description_names_the_target_and_no_secret),
};

const struct group life_group = {"life", tests, sizeof tests / sizeof *tests};
