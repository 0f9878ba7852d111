/* The duplicate window against a plain list of the last N records. */
#include "connector/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static void ids_are_found_until_they_fall_out(void **state)
{
    (void)state;
    struct window window;
    window_init(&window, 3);
    window_add(&window, (struct window_ids){11, 12});
    window_add(&window, (struct window_ids){21, 0});
    window_add(&window, (struct window_ids){0, 0});
    assert_true(window_has(&window, 11));
    assert_true(window_has(&window, 12));
    window_add(&window, (struct window_ids){41, 42});
    assert_false(window_has(&window, 11));
    assert_false(window_has(&window, 12));
    assert_true(window_has(&window, 21));
    window_destroy(&window);
}

static void a_window_of_zero_remembers_nothing(void **state)
{
    (void)state;
    struct window window;
    window_init(&window, 0);
    window_add(&window, (struct window_ids){1, 2});
    assert_false(window_has(&window, 1));
    window_destroy(&window);
}

static void event_and_change_ids_of_one_text_differ_and_so_do_keys(void **state)
{
    (void)state;
    struct upsink_slice key = UPSINK_SLICE_LIT("k"), other = UPSINK_SLICE_LIT("l"),
                        id = UPSINK_SLICE_LIT("x");
    assert_int_not_equal(window_hash(key, id, 0), window_hash(key, id, 1));
    assert_int_not_equal(window_hash(key, id, 0), window_hash(other, id, 0));
    assert_int_equal(window_hash(key, UPSINK_SLICE_ABSENT, 0), 0);
    assert_int_equal(window_hash(key, id, 0), window_hash(key, id, 0));
}

enum { MODEL_MAX = 5000 };
struct model {
    struct window_ids records[MODEL_MAX];
    size_t count;
};

static bool model_has(const struct model *model, size_t limit, uint64_t id)
{
    size_t from = model->count > limit ? model->count - limit : 0;
    for (size_t i = from; i < model->count; i++)
        if (model->records[i].event == id || model->records[i].change == id)
            return true;
    return false;
}

static bool model_is_new(const struct model *model, size_t limit, uint64_t id)
{
    return id && !model_has(model, limit, id);
}

static void it_agrees_with_a_list_of_the_last_records(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 40; seed++) {
        srand(seed);
        uint32_t limit = (uint32_t)(1 + rand() % 2500);
        struct window window;
        window_init(&window, limit);
        struct model *model = calloc(1, sizeof *model);
        for (size_t i = 0; i < MODEL_MAX; i++) {
            struct window_ids ids = {(uint64_t)(rand() % 3000) * 0x9e3779b97f4a7c15u,
                                     (uint64_t)(rand() % 3000) * 0x7f4a7c159e3779b9u};
            struct window_ids kept = {0, 0};
            if (limit > 1 && model_is_new(model, limit - 1, ids.event))
                kept.event = ids.event;
            if (limit > 1 && model_is_new(model, limit - 1, ids.change) && ids.change != kept.event)
                kept.change = ids.change;
            if (limit == 1)
                kept = ids;
            uint64_t number = window_add(&window, ids);
            model->records[model->count++] = kept;
            if (rand() % 10 == 0) {
                window_remove(&window, number);
                model->records[model->count - 1] = (struct window_ids){0, 0};
            }
            if (rand() % 500 == 0) {
                limit = (uint32_t)(1 + rand() % 2500);
                if (limit > window.limit) /* a wider window does not bring back what it forgot */
                    limit = window.limit;
                window_set_limit(&window, limit);
            }
            uint64_t probe = (uint64_t)(rand() % 3000) * 0x9e3779b97f4a7c15u;
            if (probe)
                assert_int_equal(window_has(&window, probe), model_has(model, limit, probe));
        }
        free(model);
        window_destroy(&window);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_found_until_they_fall_out),
        cmocka_unit_test(a_window_of_zero_remembers_nothing),
        cmocka_unit_test(event_and_change_ids_of_one_text_differ_and_so_do_keys),
        cmocka_unit_test(it_agrees_with_a_list_of_the_last_records),
    };
    return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
