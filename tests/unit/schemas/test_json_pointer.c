#include "schemas/json_pointer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void slots_count_up_and_the_same_pointer_keeps_its_slot(void **state)
{
    static const struct {
        const char *pointer;
        unsigned slot;
    } cases[] = {{"", 0}, {"/data", 1}, {"/data/orderId", 2}, {"/", 3},    {"/data", 1},
                 {"", 0}, {"/a~1b", 4}, {"/a~0b", 5},         {"/a/b", 6}, {"/a~1b", 4}};
    struct json_paths *paths = json_paths_create();
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned slot = 99;
        assert_true(json_paths_add(paths, cases[i].pointer, &slot, NULL));
        assert_int_equal(slot, cases[i].slot);
    }
    assert_int_equal(json_paths_slots(paths), 7);
    json_paths_destroy(paths);
}

static void a_wrong_pointer_is_refused_with_a_reason(void **state)
{
    static const char *const wrong[] = {"data", "#/data", "/a~", "/a~2", "/a~/b", "/\xff", " /a"};
    struct json_paths *paths = json_paths_create();
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct upsink_error err = {0};
        unsigned slot;
        json_place place;
        assert_false(json_paths_add(paths, wrong[i], &slot, &err));
        assert_int_equal(err.cls, UPSINK_ERR_CONFIG);
        assert_string_equal(err.code, "invalid_pointer");
        upsink_error_clear(&err);
        assert_false(json_paths_sub(paths, wrong[i], &place, &err));
        assert_string_equal(err.code, "invalid_pointer");
    }
    assert_int_equal(json_paths_slots(paths), 0);
    json_paths_destroy(paths);
}

static void a_pointer_may_have_32_names_but_not_33(void **state)
{
    struct json_paths *paths = json_paths_create();
    struct upsink_error err = {0};
    char pointer[2 * 33 + 1];
    unsigned slot;
    (void)state;
    for (size_t i = 0; i < 33; i++)
        memcpy(pointer + 2 * i, "/x", 3);
    assert_false(json_paths_add(paths, pointer, &slot, &err));
    assert_string_equal(err.code, "invalid_pointer");
    pointer[64] = '\0';
    assert_true(json_paths_add(paths, pointer, &slot, NULL));
    json_paths_destroy(paths);
}

static void there_are_64_slots_and_not_one_more(void **state)
{
    struct json_paths *paths = json_paths_create();
    struct upsink_error err = {0};
    unsigned slot;
    (void)state;
    for (unsigned i = 0; i < 64; i++) {
        char pointer[16];
        snprintf(pointer, sizeof pointer, "/f%u", i);
        assert_true(json_paths_add(paths, pointer, &slot, &err));
        assert_int_equal(slot, i);
    }
    assert_false(json_paths_add(paths, "/one", &slot, &err));
    assert_string_equal(err.code, "too_many_pointers");
    assert_int_equal(err.cls, UPSINK_ERR_CONFIG);
    assert_true(json_paths_add(paths, "/f63", &slot, &err));
    assert_int_equal(slot, 63);
    json_paths_destroy(paths);
}

static void an_endless_supply_of_places_is_refused(void **state)
{
    struct json_paths *paths = json_paths_create();
    struct upsink_error err = {0};
    json_place place;
    bool added = true;
    (void)state;
    for (unsigned i = 0; i < 5000 && added; i++) {
        char pointer[16];
        snprintf(pointer, sizeof pointer, "/f%u", i);
        added = json_paths_sub(paths, pointer, &place, &err);
    }
    assert_false(added);
    assert_string_equal(err.code, "too_many_pointers");
    json_paths_destroy(paths);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_count_up_and_the_same_pointer_keeps_its_slot),
        cmocka_unit_test(a_wrong_pointer_is_refused_with_a_reason),
        cmocka_unit_test(a_pointer_may_have_32_names_but_not_33),
        cmocka_unit_test(there_are_64_slots_and_not_one_more),
        cmocka_unit_test(an_endless_supply_of_places_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
