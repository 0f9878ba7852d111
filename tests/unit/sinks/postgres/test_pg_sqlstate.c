/* Every class of the PostgreSQL manual's Appendix A, and the codes that differ from their class. */
#include "sinks/postgres/pg_sqlstate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static void every_sqlstate_has_its_class(void **state)
{
    static const struct {
        const char *sqlstate;
        enum upsink_error_class cls;
        const char *code; /* of the failure, or of the record */
    } cases[] = {
        {NULL, UPSINK_ERR_OUTAGE, "sink_unreachable"},
        {"", UPSINK_ERR_OUTAGE, "sink_unreachable"},
        {"00000", UPSINK_ERR_UNKNOWN, "sink_error"}, /* success: not an error at all */
        {"01000", UPSINK_ERR_UNKNOWN, "sink_error"},
        {"02000", UPSINK_ERR_UNKNOWN, "sink_error"},
        {"03000", UPSINK_ERR_UNKNOWN, "sink_error"},
        {"08000", UPSINK_ERR_OUTAGE, "sink_unreachable"},
        {"08001", UPSINK_ERR_OUTAGE, "sink_unreachable"},
        {"08003", UPSINK_ERR_OUTAGE, "sink_unreachable"},
        {"08006", UPSINK_ERR_OUTAGE, "sink_unreachable"},
        {"08P01", UPSINK_ERR_OUTAGE, "sink_unreachable"},
        {"09000", UPSINK_ERR_UNKNOWN, "sink_error"},
        {"0A000", UPSINK_ERR_UNKNOWN, "sink_error"},
        {"0B000", UPSINK_ERR_UNKNOWN, "sink_error"},
        {"0F000", UPSINK_ERR_UNKNOWN, "sink_error"},
        {"0L000", UPSINK_ERR_UNKNOWN, "sink_error"},
        {"0P000", UPSINK_ERR_UNKNOWN, "sink_error"},
        {"0Z000", UPSINK_ERR_UNKNOWN, "sink_error"},
        {"20000", UPSINK_ERR_RECORD, "rejected_by_trigger"},
        {"21000", UPSINK_ERR_RECORD, "invalid_for_sink"},
        {"22000", UPSINK_ERR_RECORD, "invalid_for_sink"},
        {"22001", UPSINK_ERR_RECORD, "value_too_long"},
        {"22003", UPSINK_ERR_RECORD, "value_out_of_range"},
        {"22007", UPSINK_ERR_RECORD, "invalid_for_sink"},
        {"22008", UPSINK_ERR_RECORD, "value_out_of_range"},
        {"22012", UPSINK_ERR_RECORD, "invalid_for_sink"},
        {"22021", UPSINK_ERR_RECORD, "unsupported_text"},
        {"22P02", UPSINK_ERR_RECORD, "invalid_for_sink"},
        {"22P05", UPSINK_ERR_RECORD, "unsupported_text"},
        {"22032", UPSINK_ERR_RECORD, "invalid_for_sink"},
        {"23000", UPSINK_ERR_RECORD, "constraint_violation"},
        {"23502", UPSINK_ERR_RECORD, "constraint_violation"},
        {"23503", UPSINK_ERR_RECORD, "constraint_violation"},
        {"23505", UPSINK_ERR_RECORD, "constraint_violation"},
        {"23514", UPSINK_ERR_RECORD, "constraint_violation"},
        {"23P01", UPSINK_ERR_RECORD, "constraint_violation"},
        {"24000", UPSINK_ERR_UNKNOWN, "sink_error"},
        {"25000", UPSINK_ERR_UNKNOWN, "sink_error"},
        {"25006", UPSINK_ERR_OUTAGE, "sink_read_only"},
        {"25P02", UPSINK_ERR_UNKNOWN, "sink_error"},
        {"25P03", UPSINK_ERR_OUTAGE, "sink_timeout"},
        {"26000", UPSINK_ERR_UNKNOWN, "sink_error"},
        {"27000", UPSINK_ERR_RECORD, "rejected_by_trigger"},
        {"28000", UPSINK_ERR_REFUSED, "credentials_refused"},
        {"28P01", UPSINK_ERR_REFUSED, "credentials_refused"},
        {"2B000", UPSINK_ERR_UNKNOWN, "sink_error"},
        {"2D000", UPSINK_ERR_UNKNOWN, "sink_error"},
        {"2F000", UPSINK_ERR_UNKNOWN, "sink_error"},
        {"34000", UPSINK_ERR_UNKNOWN, "sink_error"},
        {"38000", UPSINK_ERR_UNKNOWN, "sink_error"},
        {"39000", UPSINK_ERR_UNKNOWN, "sink_error"},
        {"3B000", UPSINK_ERR_UNKNOWN, "sink_error"},
        {"3D000", UPSINK_ERR_REFUSED, "database_missing"},
        {"3F000", UPSINK_ERR_TARGET_LOST, "target_lost"},
        {"40000", UPSINK_ERR_OUTAGE, "sink_busy"},
        {"40001", UPSINK_ERR_OUTAGE, "sink_busy"},
        {"40002", UPSINK_ERR_UNKNOWN, "sink_busy"},
        {"40003", UPSINK_ERR_OUTAGE, "sink_busy"},
        {"40P01", UPSINK_ERR_OUTAGE, "sink_busy"},
        {"42000", UPSINK_ERR_UNKNOWN, "sink_error"},
        {"42501", UPSINK_ERR_OUTAGE, "permission_denied"},
        {"42601", UPSINK_ERR_UNKNOWN, "sink_error"},
        {"42703", UPSINK_ERR_UNKNOWN, "sink_error"},
        {"42883", UPSINK_ERR_UNKNOWN, "sink_error"},
        {"42P01", UPSINK_ERR_TARGET_LOST, "target_lost"},
        {"42P10", UPSINK_ERR_UNKNOWN, "sink_error"},
        {"44000", UPSINK_ERR_RECORD, "constraint_violation"},
        {"53000", UPSINK_ERR_OUTAGE, "sink_out_of_resources"},
        {"53100", UPSINK_ERR_OUTAGE, "sink_full"},
        {"53200", UPSINK_ERR_OUTAGE, "sink_out_of_memory"},
        {"53300", UPSINK_ERR_OUTAGE, "sink_out_of_resources"},
        {"54000", UPSINK_ERR_RECORD, "value_too_large"},
        {"54001", UPSINK_ERR_RECORD, "value_too_large"},
        {"55000", UPSINK_ERR_UNKNOWN, "sink_busy"},
        {"55006", UPSINK_ERR_OUTAGE, "sink_busy"},
        {"55P03", UPSINK_ERR_OUTAGE, "sink_busy"},
        {"57000", UPSINK_ERR_OUTAGE, "sink_unavailable"},
        {"57014", UPSINK_ERR_OUTAGE, "sink_timeout"},
        {"57P01", UPSINK_ERR_OUTAGE, "sink_unavailable"},
        {"57P02", UPSINK_ERR_OUTAGE, "sink_unavailable"},
        {"57P03", UPSINK_ERR_OUTAGE, "sink_unavailable"},
        {"57P04", UPSINK_ERR_OUTAGE, "sink_unavailable"},
        {"57P05", UPSINK_ERR_OUTAGE, "sink_unavailable"},
        {"58000", UPSINK_ERR_OUTAGE, "sink_io_error"},
        {"58030", UPSINK_ERR_OUTAGE, "sink_io_error"},
        {"72000", UPSINK_ERR_OUTAGE, "sink_error"},
        {"F0000", UPSINK_ERR_OUTAGE, "sink_error"},
        {"HV000", UPSINK_ERR_UNKNOWN, "sink_error"},
        {"P0000", UPSINK_ERR_RECORD, "rejected_by_trigger"},
        {"P0001", UPSINK_ERR_RECORD, "rejected_by_trigger"},
        {"P0004", UPSINK_ERR_RECORD, "rejected_by_trigger"},
        {"XX000", UPSINK_ERR_UNKNOWN, "sink_error"},
        {"XX001", UPSINK_ERR_UNKNOWN, "sink_error"},
        {"ZZZZZ", UPSINK_ERR_UNKNOWN, "sink_error"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *sqlstate = cases[i].sqlstate;
        if (pg_classify_sqlstate(sqlstate) != cases[i].cls)
            fail_msg("%s is of class %d", sqlstate, (int)pg_classify_sqlstate(sqlstate));
        assert_string_equal(cases[i].cls == UPSINK_ERR_RECORD ? pg_record_code(sqlstate)
                                                              : pg_failure_code(sqlstate),
                            cases[i].code);
    }
}

static void messages_that_may_quote_the_data_are_not_shown(void **state)
{
    (void)state;
    assert_false(pg_message_is_safe("22P02")); /* invalid input syntax for type integer: "secret" */
    assert_false(pg_message_is_safe("P0001"));
    assert_false(pg_message_is_safe("23505"));
    assert_false(pg_message_is_safe(NULL));
    assert_true(pg_message_is_safe("53100"));
    assert_true(pg_message_is_safe("42501"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sqlstate_has_its_class),
        cmocka_unit_test(messages_that_may_quote_the_data_are_not_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
