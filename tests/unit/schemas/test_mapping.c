#include "mapping_help.h"

static const char *const order_change[] = {"/data/orderId", "/data/lastUpdated"};

static const struct mapping_spec order_spec = {
    .envelope = ENVELOPE_CLOUDEVENTS,
    .change_id = order_change,
    .change_id_count = 2,
    .version = "/data/lastUpdated",
};

#define EVENT                                                                                                \
    "{\"specversion\":\"1.0\",\"id\":\"e-1\",\"source\":\"/shop\",\"type\":\"OrderCreateUpdate\","                \
    "\"data\":{\"orderId\":\"o-1\",\"lastUpdated\":\"2026-01-02T03:04:05.678Z\"}}"

static void a_cloudevent_becomes_an_upsert(void **state)
{
    struct outcome out;
    (void)state;
    decode_sample(&order_spec, &(struct sample){.key = "o-1", .value = EVENT}, &out);
    assert_changed(&out);
    assert_int_equal(out.change.op, UPSINK_UPSERT);
    assert_int_equal(out.change.flags, UPSINK_HAS_VERSION);
    assert_slice("key", out.change.key, "o-1");
    assert_slice("event id", out.change.event_id, "e-1");
    assert_slice("change id", out.change.change_id, "[\"o-1\",\"2026-01-02T03:04:05.678Z\"]");
    assert_slice("entity", out.change.entity, "{\"orderId\":\"o-1\",\"lastUpdated\":\"2026-01-02T03:04:05.678Z\"}");
    assert_slice("topic", out.change.topic, "orders");
    assert_int_equal(out.change.version, 1767323045678000);
    assert_int_equal(out.change.partition, 3);
    assert_int_equal(out.change.offset, 42);
    assert_int_equal(out.change.timestamp, 1700000000000000);
    assert_int_equal(out.change.generation, 7);
    assert_int_equal(out.change.floor, 5);
    outcome_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cloudevent_becomes_an_upsert),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
