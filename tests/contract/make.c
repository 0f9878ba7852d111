#include "tests/contract/suite.h"

int64_t time_at(int64_t offset)
{
    return 1700000000000000 + offset % 1000000000 * 1001;
}

struct upsink_change make_upsert(struct fixture *fixture, const char *key, int64_t offset)
{
    char text[256];
    snprintf(text, sizeof text, "{\"offset\": %lld}", (long long)offset);
    return (struct upsink_change){
        .op = UPSINK_UPSERT,
        .key = upsink_slice_of(key),
        .entity = arena_copy(&fixture->scratch, upsink_slice_of(text)),
        .topic = upsink_slice_of(topic_names[0]),
        .offset = offset,
        .timestamp = time_at(offset),
        .generation = 1,
    };
}

struct upsink_change make_tombstone(const char *key, int64_t offset)
{
    return (struct upsink_change){
        .op = UPSINK_DELETE,
        .flags = UPSINK_BY_POSITION,
        .key = upsink_slice_of(key),
        .topic = upsink_slice_of(topic_names[0]),
        .offset = offset,
        .timestamp = time_at(offset),
        .generation = 1,
    };
}

const char *verdict_name(enum upsink_verdict verdict)
{
    static const char *const names[] = {"pending",         "applied",          "stale",
                                        "duplicate event", "duplicate change", "rejected"};
    return (size_t)verdict < sizeof names / sizeof *names ? names[verdict] : "nonsense";
}

void assert_row_is(struct fixture *fixture, struct upsink_slice key, const struct upsink_change *change)
{
    struct upsink_row row = fixture_see(fixture, key);
    if (!row.found)
        fail_msg("the row of offset %lld is not there", (long long)change->offset);
    if (!row.entity.data || !json_same(row.entity, change->entity))
        fail_msg("the entity is %.*s where %.*s was written",
                 row.entity.len < 200 ? (int)row.entity.len : 200, row.entity.data,
                 change->entity.len < 200 ? (int)change->entity.len : 200, change->entity.data);
    assert_false(row.fence.deleted);
    assert_int_equal(row.fence.offset, change->offset);
    assert_int_equal(row.fence.partition, change->partition);
    assert_int_equal(row.fence.generation, change->generation);
    assert_int_equal(row.fence.timestamp, change->timestamp);
    assert_true(upsink_slice_equal(row.fence.topic, change->topic));
    assert_true(upsink_slice_equal(row.fence.event_id, change->event_id));
    assert_true(upsink_slice_equal(row.fence.change_id, change->change_id));
}

void assert_deleted(struct fixture *fixture, const char *key)
{
    struct upsink_row row = fixture_see_text(fixture, key);
    assert_true(row.found);
    assert_true(row.fence.deleted);
    if (fixture->view.delete_mode == UPSINK_DELETE_HARD)
        assert_null(row.entity.data);
}

void assert_absent(struct fixture *fixture, const char *key)
{
    assert_false(fixture_see_text(fixture, key).found);
}
