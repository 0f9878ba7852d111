#include "connector/demo/order_events.h"

#include <jansson.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct order_events_options MIXED = {.seed = 7,
                                                  .orders = 300,
                                                  .zipf = 1,
                                                  .duplicates = 0.05,
                                                  .late = 0.05,
                                                  .ties = 0.02,
                                                  .tombstones = 0.05,
                                                  .poison = 0.02};
enum { EVENTS = 20000 };
static const int64_t START = 1767225600000; /* 2026-01-01 */

static uint64_t digest(uint64_t hash, struct upsink_slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        hash = (hash ^ (unsigned char)bytes.data[i]) * 1099511628211u;
    return hash;
}

static uint64_t digest_of_run(uint64_t seed)
{
    struct order_events_options options = MIXED;
    struct order_event event;
    uint64_t hash = 0;
    options.seed = seed;
    struct order_events *generator = order_events_create(&options);
    assert_non_null(generator);
    for (int i = 0; i < EVENTS; i++) {
        assert_true(order_events_next(generator, START + i, &event));
        hash = digest(digest(hash, event.key), event.value);
    }
    order_events_destroy(generator);
    return hash;
}

static void equal_seeds_give_equal_bytes(void **state)
{
    (void)state;
    assert_true(digest_of_run(1) == digest_of_run(1));
    assert_false(digest_of_run(1) == digest_of_run(2));
}

static void an_event_is_a_cloudevent_around_an_order(void **state)
{
    (void)state;
    struct order_events *generator =
        order_events_create(&(struct order_events_options){.seed = 1, .orders = 1});
    struct order_event event;
    assert_true(order_events_next(generator, START + 1, &event));
    json_t *json = json_loadb(event.value.data, event.value.len, JSON_REJECT_DUPLICATES, NULL);
    const char *id, *version, *type, *key, *order, *updated;
    json_t *history, *items, *customer, *shipping, *total;
    assert_non_null(json);
    assert_int_equal(json_unpack(json, "{s:s,s:s,s:s,s:s,s:{s:s,s:s,s:o,s:o,s:o,s:o,s:o}}", "specversion",
                                 &version, "id", &id, "type", &type, "subject", &key, "data", "orderId",
                                 &order, "lastUpdated", &updated, "statusHistory", &history, "items", &items,
                                 "customer", &customer, "shipping", &shipping, "totalAmount", &total),
                     0);
    assert_string_equal(version, "1.0");
    assert_string_equal(type, "OrderCreateUpdate");
    assert_string_equal(updated, "2026-01-01T00:00:00.001Z");
    assert_string_equal(key, order);
    assert_true(upsink_slice_is(event.key, order));
    assert_true(upsink_slice_is(event.event_id, id));
    assert_true(json_array_size(items) >= 1 && json_array_size(items) <= 4);
    json_decref(json);
    order_events_destroy(generator);
}

static void events_have_about_900_bytes(void **state)
{
    (void)state;
    struct order_events_options options = {.seed = 3, .orders = 100000, .zipf = 1};
    struct order_events *generator = order_events_create(&options);
    struct order_event event;
    size_t bytes = 0;
    for (int i = 0; i < EVENTS; i++) {
        assert_true(order_events_next(generator, START + i, &event));
        bytes += event.value.len;
    }
    assert_in_range(bytes / EVENTS, 860, 940);
    order_events_destroy(generator);
}

static void the_shares_are_kept(void **state)
{
    (void)state;
    struct order_events *generator = order_events_create(&MIXED);
    struct order_event event;
    unsigned counts[ORDER_EVENT_KINDS] = {0};
    for (int i = 0; i < EVENTS; i++) {
        assert_true(order_events_next(generator, START + i, &event));
        counts[event.kind]++;
    }
    assert_in_range(counts[ORDER_EVENT_DUPLICATE], 900, 1100);
    assert_in_range(counts[ORDER_EVENT_LATE], 900, 1100);
    assert_in_range(counts[ORDER_EVENT_TIE], 340, 460);
    assert_in_range(counts[ORDER_EVENT_TOMBSTONE], 900, 1100);
    assert_in_range(counts[ORDER_EVENT_POISON], 340, 460);
    order_events_destroy(generator);
}

static void frequent_orders_follow_zipfs_law(void **state)
{
    (void)state;
    struct order_events_options options = {.seed = 5, .orders = 1000, .zipf = 1};
    struct order_events *generator = order_events_create(&options);
    struct order_event event;
    unsigned first = 0, tenth = 0;
    for (int i = 0; i < 100000; i++) {
        assert_true(order_events_next(generator, START + i, &event));
        first += event.order == 0;
        tenth += event.order == 9;
    }
    assert_in_range(first, 12700, 14000); /* 100000 / (ln 1000 + 0.577) = 13359 */
    assert_in_range(tenth, 1230, 1450);
    order_events_destroy(generator);
}

struct record {
    uint64_t value_hash;
    char id[40];
};

/* What a reader of the topic alone would make of it, order by order, from the JSON. */
struct folded {
    char highest[32], id[40];
    bool live, versioned;
};

static bool was_seen(struct record *records, size_t count, const char *id, uint64_t hash)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(records[i].id, id) == 0) {
            assert_true(records[i].value_hash == hash); /* byte for byte */
            return true;
        }
    }
    return false;
}

static void fold_record(struct folded *fold, const struct order_event *event, struct record *records,
                        size_t *count)
{
    const char *id, *updated;
    json_t *json;
    if (event->kind == ORDER_EVENT_POISON)
        return;
    if (!event->value.data) {
        fold->live = false;
        return;
    }
    json = json_loadb(event->value.data, event->value.len, 0, NULL);
    assert_int_equal(json_unpack(json, "{s:s,s:{s:s}}", "id", &id, "data", "lastUpdated", &updated), 0);
    if (!was_seen(records, *count, id, digest(0, event->value))) {
        struct record *record = &records[(*count)++];
        snprintf(record->id, sizeof record->id, "%s", id);
        record->value_hash = digest(0, event->value);
        int order = fold->versioned ? strcmp(updated, fold->highest) : 1;
        if (order > 0 || (order == 0 && fold->live)) {
            snprintf(fold->highest, sizeof fold->highest, "%s", updated);
            snprintf(fold->id, sizeof fold->id, "%s", id);
            fold->live = fold->versioned = true;
        }
    }
    json_decref(json);
}

static void the_expected_state_is_the_fold_of_the_events(void **state)
{
    (void)state;
    enum { COUNT = 4000 };
    static struct folded folds[300];
    static struct record records[COUNT];
    size_t count = 0, live = 0, deleted = 0;
    struct order_events *generator = order_events_create(&MIXED);
    struct order_event event;
    struct order_state expected;
    for (int i = 0; i < COUNT; i++) {
        assert_true(order_events_next(generator, START + i, &event));
        fold_record(&folds[event.order], &event, records, &count);
        order_events_state(generator, event.order, &expected);
        assert_int_equal(expected.live, folds[event.order].live);
        assert_string_equal(expected.event_id, expected.live ? folds[event.order].id : "");
        assert_string_equal(expected.last_updated, expected.live ? folds[event.order].highest : "");
    }
    for (uint32_t i = 0; i < 300; i++) {
        order_events_state(generator, i, &expected);
        live += expected.live;
        deleted += expected.seen && !expected.live;
    }
    assert_true(live > 100 && deleted > 5);
    order_events_destroy(generator);
}

static void impossible_options_are_refused(void **state)
{
    (void)state;
    assert_null(order_events_create(&(struct order_events_options){.orders = 0}));
    assert_null(order_events_create(&(struct order_events_options){.orders = 1, .late = 0.6, .poison = 0.6}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_seeds_give_equal_bytes),
        cmocka_unit_test(an_event_is_a_cloudevent_around_an_order),
        cmocka_unit_test(events_have_about_900_bytes),
        cmocka_unit_test(the_shares_are_kept),
        cmocka_unit_test(frequent_orders_follow_zipfs_law),
        cmocka_unit_test(the_expected_state_is_the_fold_of_the_events),
        cmocka_unit_test(impossible_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
