#include "backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static uint64_t draw(void *context)
{
    return *(uint64_t *)context;
}

static void the_ceiling_doubles_until_the_maximum(void **state)
{
    (void)state;
    static const int64_t expected[] = {100, 200, 400, 800, 1000, 1000, 1000};
    struct backoff backoff;
    uint64_t bits = 0;
    backoff_init(&backoff, 100, 1000, draw, &bits);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        bits = (uint64_t)expected[i]; /* the largest delay that the ceiling allows */
        assert_int_equal(backoff_next(&backoff), expected[i]);
    }
    backoff_reset(&backoff);
    bits = 101; /* one past the ceiling: wraps to the shortest */
    assert_int_equal(backoff_next(&backoff), 0);
}

static void odd_bounds_still_give_delays_within_them(void **state)
{
    (void)state;
    static const int64_t bounds[][2] = {{0, 0}, {-5, -1}, {500, 100}, {1, INT64_MAX}, {INT64_MAX, INT64_MAX}};
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        struct backoff backoff;
        backoff_init(&backoff, bounds[i][0], bounds[i][1], NULL, NULL);
        for (int n = 0; n < 200; n++) {
            int64_t delay = backoff_next(&backoff);
            assert_true(delay >= 0);
            assert_true(delay <= (bounds[i][1] < 1 ? 1 : bounds[i][1]));
        }
    }
}

static void the_systems_randomness_spreads_the_delays(void **state)
{
    (void)state;
    struct backoff backoff;
    int64_t low = 0;
    backoff_init(&backoff, 1000000, 1000000, NULL, NULL);
    for (int n = 0; n < 1000; n++)
        low += backoff_next(&backoff) < 500000;
    assert_in_range(low, 400, 600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ceiling_doubles_until_the_maximum),
        cmocka_unit_test(odd_bounds_still_give_delays_within_them),
        cmocka_unit_test(the_systems_randomness_spreads_the_delays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
