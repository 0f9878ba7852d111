/* The generator's order events, flaws included, through a mapping: its own account of each is the oracle. */
#include "mapping_help.h"

#include "connector/demo/order_events.h"

enum { RECORDS = 20000 };

static const char *const change_id[] = {"/data/orderId", "/data/lastUpdated"};
static const char *const types[] = {"OrderCreateUpdate"};

static struct mapping_spec order_spec(enum envelope envelope, bool by_field)
{
    return (struct mapping_spec){.envelope = envelope,
                                 .key_field = by_field ? "/data/orderId" : NULL,
                                 .change_id = change_id,
                                 .change_id_count = 2,
                                 .version = "/data/lastUpdated",
                                 .include_types = types,
                                 .include_type_count = 1};
}

static void check_event(const struct mapping *mapping, const struct order_event *event, bool by_field,
                        size_t *poison)
{
    struct record record = {.key = event->key, .value = event->value, .topic = UPSINK_SLICE_LIT("orders")};
    struct upsink_change change = {0};
    struct upsink_error err = {0};
    struct arena arena;
    enum decode_outcome outcome;
    arena_init(&arena, 0);
    outcome = mapping_decode(mapping, &record, &arena, &change, &err);
    if (event->kind == ORDER_EVENT_POISON) {
        /* A key that is only missing from the message is no harm where the value has it. */
        assert_int_equal(outcome, by_field && !event->key.data ? DECODE_CHANGE : DECODE_REJECTED);
        ++*poison;
    } else {
        assert_int_equal(outcome, DECODE_CHANGE);
        assert_true(upsink_slice_equal(change.key, event->key));
        assert_int_equal(change.op, event->kind == ORDER_EVENT_TOMBSTONE ? UPSINK_DELETE : UPSINK_UPSERT);
        assert_true(upsink_slice_equal(change.event_id, event->event_id));
        assert_int_equal(change.version, event->last_updated_ms * 1000);
        assert_int_equal(change.flags, event->value.data ? UPSINK_HAS_VERSION : UPSINK_BY_POSITION);
        if (event->value.data)
            assert_ptr_equal(change.entity.data + change.entity.len + 1,
                             event->value.data + event->value.len);
    }
    arena_destroy(&arena);
}

static void check_topic(enum envelope envelope, bool by_field)
{
    const struct order_events_options options = {.seed = 7,
                                                 .orders = 500,
                                                 .zipf = 1,
                                                 .duplicates = 0.05,
                                                 .late = 0.05,
                                                 .ties = 0.05,
                                                 .tombstones = 0.05,
                                                 .poison = 0.05};
    const struct mapping_spec spec = order_spec(envelope, by_field);
    struct order_events *events = order_events_create(&options);
    struct mapping *mapping = make_mapping(&spec);
    size_t poison = 0;
    assert_non_null(events);
    for (int64_t i = 0; i < RECORDS; i++) {
        struct order_event event;
        assert_true(order_events_next(events, 1700000000000 + i * 13, &event));
        check_event(mapping, &event, by_field, &poison);
    }
    assert_in_range(poison, RECORDS / 30, RECORDS / 10);
    mapping_destroy(mapping);
    order_events_destroy(events);
}

static void orders_are_what_their_producer_meant(void **state)
{
    (void)state;
    check_topic(ENVELOPE_CLOUDEVENTS, false);
}

static void orders_are_the_same_where_the_envelope_is_not_named(void **state)
{
    (void)state;
    check_topic(ENVELOPE_AUTO, false);
}

static void orders_have_the_same_keys_by_a_field(void **state)
{
    (void)state;
    check_topic(ENVELOPE_AUTO, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_are_what_their_producer_meant),
        cmocka_unit_test(orders_are_the_same_where_the_envelope_is_not_named),
        cmocka_unit_test(orders_have_the_same_keys_by_a_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
