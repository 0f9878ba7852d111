#include "dlq/resolved.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void the_last_word_on_a_position_counts(void **state)
{
    (void)state;
    struct dlq_resolved resolved;
    dlq_resolved_init(&resolved);
    assert_false(dlq_resolved_has(&resolved, 0, 0));
    assert_true(dlq_resolved_add(&resolved, UPSINK_SLICE_LIT("1:5"), false));
    assert_true(dlq_resolved_add(&resolved, UPSINK_SLICE_LIT("0:5"), false));
    assert_true(dlq_resolved_has(&resolved, 1, 5));
    assert_true(dlq_resolved_add(&resolved, UPSINK_SLICE_LIT("1:5"), true));
    assert_false(dlq_resolved_has(&resolved, 1, 5));
    assert_true(dlq_resolved_has(&resolved, 0, 5));
    assert_false(dlq_resolved_has(&resolved, 0, 4));
    assert_false(dlq_resolved_has(&resolved, 0, 6));
    assert_false(dlq_resolved_has(&resolved, 2, 5));
    assert_true(dlq_resolved_add(&resolved, UPSINK_SLICE_LIT("1:5"), false));
    assert_true(dlq_resolved_has(&resolved, 1, 5));
    dlq_resolved_clear(&resolved);
    assert_false(dlq_resolved_has(&resolved, 1, 5));
}

static void many_positions_are_found(void **state)
{
    (void)state;
    struct dlq_resolved resolved;
    dlq_resolved_init(&resolved);
    for (int i = 0; i < 30000; i++) {
        char key[32];
        int len = snprintf(key, sizeof key, "%d:%d", i % 7, i * 7919 % 30011);
        assert_true(dlq_resolved_add(&resolved, (struct upsink_slice){key, (size_t)len}, i % 3 == 0));
    }
    for (int i = 0; i < 30000; i++)
        assert_int_equal(dlq_resolved_has(&resolved, i % 7, i * 7919 % 30011), i % 3 != 0);
    dlq_resolved_clear(&resolved);
}

static void a_position_is_two_numbers(void **state)
{
    (void)state;
    struct dlq_position position;
    assert_true(dlq_position_parse(UPSINK_SLICE_LIT("2147483647:9223372036854775807"), &position));
    assert_int_equal(position.partition, INT32_MAX);
    assert_int_equal(position.offset, INT64_MAX);
    static const char *const bad[] = {"",
                                      ":",
                                      "1",
                                      "1:",
                                      ":1",
                                      "1:2:3",
                                      "1:2 ",
                                      " 1:2",
                                      "-1:2",
                                      "1:-2",
                                      "+1:2",
                                      "2147483648:0",
                                      "0:9223372036854775808",
                                      "a:b",
                                      "0x1:1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(dlq_position_parse(upsink_slice_of(bad[i]), &position));
    assert_false(dlq_position_parse(UPSINK_SLICE_ABSENT, &position));
}

static void keys_that_are_no_positions_are_passed_over(void **state)
{
    (void)state;
    struct dlq_resolved resolved;
    dlq_resolved_init(&resolved);
    assert_true(dlq_resolved_add(&resolved, UPSINK_SLICE_LIT("hello"), false));
    assert_true(dlq_resolved_add(&resolved, UPSINK_SLICE_ABSENT, false));
    assert_int_equal(resolved.count, 0);
    dlq_resolved_clear(&resolved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_word_on_a_position_counts),
        cmocka_unit_test(many_positions_are_found),
        cmocka_unit_test(a_position_is_two_numbers),
        cmocka_unit_test(keys_that_are_no_positions_are_passed_over),
    };
    return cmocka_run_group_tests_name("dlq/resolved", tests, NULL, NULL);
}
