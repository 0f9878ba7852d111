/* Whose target it is, what shape it has, and what happens when it is gone. */
#include "tests/contract/store.h"

static bool try_open(struct fixture *fixture)
{
    fixture_close(fixture);
    return suite.type->open(&fixture->sink, &fixture->view, NULL, &fixture->err) &&
           suite.type->prepare(fixture->sink, NULL, &fixture->err);
}

static void assert_refused(struct fixture *fixture, const char *code)
{
    assert_false(try_open(fixture));
    assert_int_equal(fixture->err.cls, UPSINK_ERR_FATAL);
    assert_string_equal(fixture->err.code, code);
}

static void count_statement(void *context, const char *text)
{
    size_t len = strlen(text);
    assert_true(len > 0 && text[len - 1] != '\n');
    ++*(size_t *)context;
}

static void a_target_belongs_to_one_view(void **state)
{
    struct fixture *owner = *state, *other = fixture_twin(owner);
    void *other_state = other;
    fixture_open(owner);
    snprintf(other->name, sizeof other->name, "another-%.50s", owner->table);
    assert_refused(other, "target_taken");
    assert_non_null(strstr(other->err.text, owner->name));
    /* Also when nobody is there to object. */
    fixture_close(owner);
    assert_refused(other, "target_taken");
    fixture_open(owner);
    fixture_teardown(&other_state);
}

static void a_target_belongs_to_one_topic(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    fixture->view.topic = "returns";
    assert_refused(fixture, "target_taken");
    fixture->view.topic = topic_names[0];
    assert_true(try_open(fixture));
}

static void a_table_of_another_shape_is_refused(void **state)
{
    struct fixture *fixture = *state;
    if (!store_make_other_table(fixture))
        skip_harm("misshape");
    assert_refused(fixture, "target_mismatch");
}

static void nothing_is_created_where_that_is_forbidden(void **state)
{
    struct fixture *fixture = *state;
    size_t missing = 0;
    struct upsink_printer printer = {&missing, count_statement};
    fixture->view.create = false;
    if (try_open(fixture))
        fail_msg("a target that was not there was made");
    fixture->view.create = true;
    fixture_close(fixture);
    assert_true(suite.type->open(&fixture->sink, &fixture->view, NULL, &fixture->err));
    assert_true(suite.type->prepare(fixture->sink, &printer, &fixture->err));
    assert_true(missing > 0);
    /* What is there already needs nothing made. */
    assert_true(suite.type->prepare(fixture->sink, NULL, &fixture->err));
    fixture->view.create = false;
    assert_true(try_open(fixture));
    assert_int_equal(fixture_apply(fixture, make_upsert(fixture, "a", 1)), UPSINK_APPLIED);
}

static void a_plan_prints_what_is_missing_and_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    size_t before = 0, again = 0, after = 0;
    struct upsink_printer printer = {&before, count_statement};
    assert_true(suite.type->open(&fixture->sink, &fixture->view, NULL, &fixture->err));
    assert_true(suite.type->prepare(fixture->sink, &printer, &fixture->err));
    printer.context = &again;
    assert_true(suite.type->prepare(fixture->sink, &printer, &fixture->err));
    assert_true(before > 0);
    assert_int_equal(before, again);
    assert_true(suite.type->prepare(fixture->sink, NULL, &fixture->err));
    assert_int_equal(fixture_apply(fixture, make_upsert(fixture, "a", 1)), UPSINK_APPLIED);
    printer.context = &after;
    assert_true(suite.type->prepare(fixture->sink, &printer, &fixture->err));
    assert_int_equal(after, 0);
    fixture_close(fixture);
    assert_true(suite.type->open(&fixture->sink, &fixture->view, NULL, &fixture->err));
    assert_true(suite.type->prepare(fixture->sink, &printer, &fixture->err));
    assert_int_equal(after, 0);
}

/* The state in which every test of a lost target begins: offsets up to 10 are done. */
static struct upsink_position fill(struct fixture *fixture)
{
    fixture_open(fixture);
    struct upsink_position *position = fixture_claim(fixture, 0, 0);
    position->generation = 3;
    position->floor = 2;
    position->next_offset = 10;
    for (int64_t offset = 0; offset < 10; offset++) {
        char key[16];
        snprintf(key, sizeof key, "key-%d", (int)offset);
        struct upsink_change change =
            make_upsert(fixture, arena_copy(&fixture->scratch, upsink_slice_of(key)).data, offset);
        change.generation = 3;
        fixture_apply(fixture, change);
    }
    struct upsink_change gone = make_tombstone("key-9", 10);
    gone.generation = 3;
    fixture_apply(fixture, gone);
    return *position;
}

/* The positions know that everything has to be read again, and old owners are out. */
static void assert_reset(struct fixture *fixture, const struct upsink_position *before)
{
    struct upsink_position old = *before;
    assert_false(suite.type->commit(fixture->sink, &old, 1, &fixture->err));
    assert_int_equal(fixture->err.cls, UPSINK_ERR_FENCED);
    fixture_abort(fixture);
    struct upsink_position *position = fixture_claim(fixture, 0, 0);
    assert_int_equal(position->next_offset, -1);
    assert_int_equal(position->generation, before->generation);
    assert_true(position->epoch > before->epoch);
}

/* What the connector does then: a new generation, from the beginning. Everything must be taken. */
static void fill_again(struct fixture *fixture)
{
    struct upsink_position *position = fixture_position(fixture, upsink_slice_of(topic_names[0]), 0);
    position->generation++;
    position->floor = position->generation;
    struct upsink_change changes[2] = {make_upsert(fixture, "key-0", 0), make_upsert(fixture, "key-9", 9)};
    for (int i = 0; i < 2; i++) {
        changes[i].generation = position->generation;
        changes[i].floor = position->floor;
        assert_int_equal(fixture_apply(fixture, changes[i]), UPSINK_APPLIED);
        assert_row_is(fixture, changes[i].key, &changes[i]);
    }
}

static void harm_while_closed(struct fixture *fixture, bool (*harm)(struct fixture *fixture),
                              const char *verb)
{
    struct upsink_position before = fill(fixture);
    fixture_close(fixture);
    if (!harm(fixture))
        skip_harm(verb);
    fixture_open(fixture);
    assert_absent(fixture, "key-0");
    assert_reset(fixture, &before);
    fill_again(fixture);
}

/* Whether the write or the commit notices it: nothing may be taken for done. */
static void harm_while_open(struct fixture *fixture, bool (*harm)(struct fixture *fixture), const char *verb)
{
    struct upsink_position before = fill(fixture);
    if (!harm(fixture))
        skip_harm(verb);
    struct upsink_change change = make_upsert(fixture, "key-1", 11);
    const struct upsink_change *changes[1] = {&change};
    struct upsink_result result;
    assert_false(fixture_try_write(fixture, changes, 1, &result) && fixture_try_commit(fixture));
    assert_int_equal(fixture->err.cls, UPSINK_ERR_TARGET_LOST);
    fixture_abort(fixture);
    assert_true(suite.type->prepare(fixture->sink, NULL, &fixture->err));
    assert_reset(fixture, &before);
    fill_again(fixture);
}

static void a_table_that_was_dropped_while_closed_is_filled_again(void **state)
{
    harm_while_closed(*state, store_drop_table, "drop");
}

static void a_table_that_is_dropped_while_open_is_noticed(void **state)
{
    harm_while_open(*state, store_drop_table, "drop");
}

static void a_table_that_was_replaced_while_closed_is_filled_again(void **state)
{
    harm_while_closed(*state, store_replace_table, "replace");
}

static void a_table_that_is_replaced_while_open_is_noticed(void **state)
{
    harm_while_open(*state, store_replace_table, "replace");
}

static void a_table_that_was_emptied_while_closed_is_filled_again(void **state)
{
    harm_while_closed(*state, store_empty_table, "empty");
}

static void a_table_that_is_emptied_while_open_is_noticed(void **state)
{
    harm_while_open(*state, store_empty_table, "empty");
}

/* Every entity was deleted in the topic: nobody did any harm. */
static void a_table_that_became_empty_by_deletes_is_not_filled_again(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    struct upsink_position *position = fixture_claim(fixture, 0, 0);
    position->next_offset = 2;
    fixture_apply(fixture, make_upsert(fixture, "a", 0));
    fixture_apply(fixture, make_tombstone("a", 1));
    fixture_reopen(fixture);
    assert_int_equal(fixture_claim(fixture, 0, 0)->next_offset, 2);
    assert_deleted(fixture, "a");
    assert_int_equal(fixture_apply(fixture, make_upsert(fixture, "b", 2)), UPSINK_APPLIED);
}

static void preparing_an_intact_target_resets_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct upsink_position before = fill(fixture);
    fixture_reopen(fixture);
    struct upsink_position *position = fixture_claim(fixture, 0, 0);
    assert_int_equal(position->next_offset, before.next_offset);
    assert_int_equal(position->generation, before.generation);
    assert_deleted(fixture, "key-9");
}

static void a_view_that_moves_to_another_table_fills_it_from_the_beginning(void **state)
{
    struct fixture *fixture = *state;
    struct upsink_position before = fill(fixture);
    char first[sizeof fixture->table];
    memcpy(first, fixture->table, sizeof first);
    fixture_close(fixture);
    snprintf(fixture->table, sizeof fixture->table, "moved_%.50s", first);
    fixture_open(fixture);
    assert_absent(fixture, "key-0");
    assert_reset(fixture, &before);
    fill_again(fixture);
}

static const struct CMUnitTest tests[] = {
    CONTRACT_TEST(a_target_belongs_to_one_view),
    CONTRACT_TEST(a_target_belongs_to_one_topic),
    CONTRACT_TEST(a_table_of_another_shape_is_refused),
    CONTRACT_TEST(nothing_is_created_where_that_is_forbidden),
    CONTRACT_TEST(a_plan_prints_what_is_missing_and_changes_nothing),
    CONTRACT_TEST(a_table_that_was_dropped_while_closed_is_filled_again),
    CONTRACT_TEST(a_table_that_is_dropped_while_open_is_noticed),
    CONTRACT_TEST(a_table_that_was_replaced_while_closed_is_filled_again),
    CONTRACT_TEST(a_table_that_is_replaced_while_open_is_noticed),
    CONTRACT_TEST(a_table_that_was_emptied_while_closed_is_filled_again),
    CONTRACT_TEST(a_table_that_is_emptied_while_open_is_noticed),
    CONTRACT_TEST(a_table_that_became_empty_by_deletes_is_not_filled_again),
    CONTRACT_TEST(preparing_an_intact_target_resets_nothing),
    CONTRACT_TEST(a_view_that_moves_to_another_table_fills_it_from_the_beginning),
};

const struct group target_group = {"target", tests, sizeof tests / sizeof *tests};
