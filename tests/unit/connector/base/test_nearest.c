#include "nearest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static const char *hint_among(struct nearest *nearest, const char *wanted, const char *words)
{
    struct upsink_slice word;
    nearest_init(nearest, wanted);
    while (words_next(&words, &word))
        nearest_offer_slice(nearest, word);
    return nearest_hint(nearest);
}

static void the_nearest_name_is_proposed(void **state)
{
    (void)state;
    static const struct {
        const char *wanted, *words, *hint;
    } cases[] = {
        {"max_record", "max_bytes|max_records|linger", "; did you mean \"max_records\"?"},
        {"lingre", "max_bytes|linger", "; did you mean \"linger\"?"},
        {"MAX-BYTES", "max_bytes|linger", "; did you mean \"max_bytes\"?"},
        {"boostrap.servers", "bootstrap.servers", "; did you mean \"bootstrap.servers\"?"},
        {"boot", "bootstrap.servers", "; did you mean \"bootstrap.servers\"?"},
        {"xyz", "max_bytes|linger", ""},
        {"", "max_bytes", ""},
        {"ab", "xy|q", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct nearest nearest;
        assert_string_equal(hint_among(&nearest, cases[i].wanted, cases[i].words), cases[i].hint);
    }
}

static void names_of_any_length_are_safe(void **state)
{
    (void)state;
    char longest[NEAREST_NAME_SIZE], beyond[NEAREST_NAME_SIZE + 1];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    memset(beyond, 'x', sizeof beyond - 1);
    beyond[sizeof beyond - 1] = '\0';
    struct nearest nearest;
    nearest_init(&nearest, longest);
    nearest_offer(&nearest, beyond);
    assert_string_equal(nearest_hint(&nearest), "");
    nearest_offer(&nearest, longest);
    assert_int_equal(nearest.distance, 0);
    assert_int_equal(strlen(nearest_hint(&nearest)), strlen(longest) + strlen("; did you mean \"\"?"));
    nearest_init(&nearest, beyond);
    nearest_offer(&nearest, longest);
    assert_string_equal(nearest_hint(&nearest), "");
}

static void words_are_found_by_their_whole_name(void **state)
{
    (void)state;
    unsigned index = 9;
    assert_true(words_contain("dlq|stop|skip", "skip", &index));
    assert_int_equal(index, 2);
    assert_false(words_contain("dlq|stop|skip", "sto", &index));
    assert_false(words_contain("dlq|stop|skip", "dlq|stop", NULL));
    assert_false(words_contain(NULL, "dlq", NULL));
    assert_true(words_contain("one", "one", NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nearest_name_is_proposed),
        cmocka_unit_test(names_of_any_length_are_safe),
        cmocka_unit_test(words_are_found_by_their_whole_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
