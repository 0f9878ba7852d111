#include "sinks/postgres/pg_identifier.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#define NAME_63 "a23456789012345678901234567890123456789012345678901234567890123"

static void a_dot_splits_schema_and_table(void **state)
{
    static const struct {
        const char *text, *schema, *table;
    } cases[] = {
        {"orders", "", "orders"},
        {"Orders", "", "Orders"},
        {"sales.orders", "sales", "orders"},
        {"\"sales.orders\"", "", "sales.orders"},
        {"\"a.b\".\"c.d\"", "a.b", "c.d"},
        {"a.\"c d\"", "a", "c d"},
        {"\"say \"\"hi\"\"\"", "", "say \"hi\""},
        {"na\xc3\xafve", "", "na\xc3\xafve"},
        {"with space", "", "with space"},
        {"semi;colon'", "", "semi;colon'"},
        {NAME_63, "", NAME_63},
        {NAME_63 "." NAME_63, NAME_63, NAME_63},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pg_table_name name;
        struct upsink_error err;
        if (!pg_table_name_parse(&name, cases[i].text, &err))
            fail_msg("%s: %s", cases[i].text, err.text);
        assert_string_equal(name.schema, cases[i].schema);
        assert_string_equal(name.table, cases[i].table);
    }
}

static void what_is_no_name_is_refused_with_a_reason(void **state)
{
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"", "empty part"},        {".", "empty part"},       {"a.", "empty part"},
        {".a", "empty part"},      {"\"\"", "empty part"},    {"a.b.c", "more parts"},
        {"\"a", "closing"},        {"\"a\"b", "follows"},     {"a\"b", "middle"},
        {"a.\"b", "closing"},      {NAME_63 "4", "63 bytes"}, {"x." NAME_63 "4", "63 bytes"},
        {"_upsink_state", "kept"}, {"s._upsink_x", "kept"},   {"\"a\".\"b\".", "more parts"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pg_table_name name;
        struct upsink_error err = {0};
        assert_false(pg_table_name_parse(&name, cases[i].text, &err));
        assert_int_equal(err.cls, UPSINK_ERR_CONFIG);
        assert_string_equal(err.code, "bad_target");
        if (!strstr(err.text, cases[i].reason))
            fail_msg("%s: %s", cases[i].text, err.text);
    }
}

static void a_topic_is_one_identifier_dots_and_all(void **state)
{
    struct pg_table_name name;
    struct upsink_error err;
    (void)state;
    assert_true(pg_table_name_single(&name, "shop.orders.v1", &err));
    assert_string_equal(name.schema, "");
    assert_string_equal(name.table, "shop.orders.v1");
    assert_true(pg_table_name_single(&name, NAME_63, &err));
    assert_false(pg_table_name_single(&name, NAME_63 "4", &err));
    assert_non_null(strstr(err.text, "`table`"));
    assert_false(pg_table_name_single(&name, "", &err));
    assert_false(pg_table_name_single(&name, "_upsink_views", &err));
}

static void identifiers_can_not_break_out(void **state)
{
    struct buf buf;
    (void)state;
    buf_init(&buf);
    pg_append_identifier(&buf, "a\"; DROP TABLE x; --");
    assert_string_equal(buf.data, "\"a\"\"; DROP TABLE x; --\"");
    buf_destroy(&buf);
}

static void derived_names_fit_and_differ(void **state)
{
    char short_name[PG_NAME_MAX + 1], a[PG_NAME_MAX + 1], b[PG_NAME_MAX + 1];
    (void)state;
    pg_derive_name(short_name, "_upsink_deleted_", "orders");
    assert_string_equal(short_name, "_upsink_deleted_orders");
    pg_derive_name(a, "_upsink_deleted_", NAME_63);
    pg_derive_name(b, "_upsink_deleted_", "a23456789012345678901234567890123456789012345678901234567890124");
    assert_in_range(strlen(a), 40, PG_NAME_MAX);
    assert_string_not_equal(a, b);
    /* 30 bytes are kept; the last character must not be cut in two. */
    pg_derive_name(a, "_upsink_deleted_",
                   "a2345678901234567890123456789\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3"
                   "\xa9\xc3\xa9\xc3\xa9");
    assert_non_null(strstr(a, "_a2345678901234567890123456789_"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dot_splits_schema_and_table),
        cmocka_unit_test(what_is_no_name_is_refused_with_a_reason),
        cmocka_unit_test(a_topic_is_one_identifier_dots_and_all),
        cmocka_unit_test(identifiers_can_not_break_out),
        cmocka_unit_test(derived_names_fit_and_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
