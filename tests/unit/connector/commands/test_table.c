#include "connector/commands/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static void expect_printed(const struct table *table, int indent, const char *expected)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    table_print(table, out, indent);
    fclose(out);
    assert_string_equal(text, expected);
    free(text);
}

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, "<><");
    table_add(&table, "KEY");
    table_add(&table, "COUNT");
    table_add(&table, "NAME");
    table_add(&table, "longer");
    table_add_count(&table, 1234567);
    table_add(&table, "x");
    expect_printed(&table, 2, "  KEY         COUNT  NAME\n  longer  1,234,567  x\n");
    table_clear(&table);
}

static void letters_beyond_ascii_take_one_place(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, "<<");
    table_add(&table, "Öztürk");
    table_add(&table, "1");
    table_add(&table, "Smithy");
    table_add(&table, "2");
    expect_printed(&table, 0, "Öztürk  1\nSmithy  2\n");
    table_clear(&table);
}

static void long_cells_are_cut_between_letters(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, "<");
    table_add_slice(&table, UPSINK_SLICE_LIT("äöüäöü"), 4);
    table_add_slice(&table, UPSINK_SLICE_LIT("äöüä"), 4);
    expect_printed(&table, 0, "äöü…\näöüä\n");
    table_clear(&table);
}

static void what_is_absent_is_a_dash_and_what_could_steer_a_terminal_is_escaped(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, "<<<<");
    table_add_slice(&table, UPSINK_SLICE_ABSENT, 0);
    table_add(&table, "");
    table_add_count(&table, -1);
    table_add_slice(&table, UPSINK_SLICE_LIT("a\x1b[2J\n\xff"), 0);
    expect_printed(&table, 0, "-  -  -  a\\u001b[2J\\n\\xff\n");
    table_clear(&table);
}

static void thousands_are_set_apart(void **state)
{
    (void)state;
    char text[COUNT_SIZE + 32];
    assert_string_equal(format_count(0, text), "0");
    assert_string_equal(format_count(999, text), "999");
    assert_string_equal(format_count(1000, text), "1,000");
    assert_string_equal(format_count(-123456, text), "-123,456");
    assert_string_equal(format_count(INT64_MIN, text), "-9,223,372,036,854,775,808");
    assert_string_equal(format_counted(1, "record", text), "1 record");
    assert_string_equal(format_counted(20000, "record", text), "20,000 records");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
        cmocka_unit_test(letters_beyond_ascii_take_one_place),
        cmocka_unit_test(long_cells_are_cut_between_letters),
        cmocka_unit_test(what_is_absent_is_a_dash_and_what_could_steer_a_terminal_is_escaped),
        cmocka_unit_test(thousands_are_set_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
