#include "sinks/sqlite/sqlite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static void every_result_code_has_its_class(void **state)
{
    static const struct {
        int result;
        const char *message;
        enum upsink_error_class cls;
        const char *code, *name;
    } cases[] = {
        {SQLITE_CONSTRAINT_CHECK, "", UPSINK_ERR_RECORD, "constraint_violation", "SQLITE_CONSTRAINT_CHECK"},
        {SQLITE_CONSTRAINT_NOTNULL, "", UPSINK_ERR_RECORD, "constraint_violation",
         "SQLITE_CONSTRAINT_NOTNULL"},
        {SQLITE_CONSTRAINT_UNIQUE, "", UPSINK_ERR_RECORD, "constraint_violation", "SQLITE_CONSTRAINT_UNIQUE"},
        {SQLITE_CONSTRAINT_FOREIGNKEY, "", UPSINK_ERR_RECORD, "constraint_violation",
         "SQLITE_CONSTRAINT_FOREIGNKEY"},
        {SQLITE_CONSTRAINT_TRIGGER, "no such table, says a trigger", UPSINK_ERR_RECORD,
         "constraint_violation", "SQLITE_CONSTRAINT_TRIGGER"},
        {SQLITE_CONSTRAINT_DATATYPE, "", UPSINK_ERR_RECORD, "constraint_violation",
         "SQLITE_CONSTRAINT_DATATYPE"},
        {SQLITE_CONSTRAINT_PINNED, "", UPSINK_ERR_RECORD, "constraint_violation", "SQLITE_CONSTRAINT"},
        {SQLITE_MISMATCH, "", UPSINK_ERR_RECORD, "constraint_violation", "SQLITE_MISMATCH"},
        {SQLITE_TOOBIG, "", UPSINK_ERR_RECORD, "value_too_large", "SQLITE_TOOBIG"},
        {SQLITE_FULL, "", UPSINK_ERR_OUTAGE, "sink_full", "SQLITE_FULL"},
        {SQLITE_READONLY, "", UPSINK_ERR_OUTAGE, "sink_read_only", "SQLITE_READONLY"},
        {SQLITE_READONLY_DIRECTORY, "", UPSINK_ERR_OUTAGE, "sink_read_only", "SQLITE_READONLY"},
        {SQLITE_READONLY_DBMOVED, "", UPSINK_ERR_TARGET_LOST, "target_lost", "SQLITE_READONLY_DBMOVED"},
        {SQLITE_IOERR, "", UPSINK_ERR_OUTAGE, "sink_io_error", "SQLITE_IOERR"},
        {SQLITE_IOERR_FSYNC, "", UPSINK_ERR_OUTAGE, "sink_io_error", "SQLITE_IOERR"},
        {SQLITE_IOERR_NOMEM, "", UPSINK_ERR_FATAL, "out_of_memory", "SQLITE_IOERR_NOMEM"},
        {SQLITE_CANTOPEN, "", UPSINK_ERR_OUTAGE, "sink_unreachable", "SQLITE_CANTOPEN"},
        {SQLITE_CANTOPEN_ISDIR, "", UPSINK_ERR_OUTAGE, "sink_unreachable", "SQLITE_CANTOPEN"},
        {SQLITE_BUSY, "", UPSINK_ERR_OUTAGE, "sink_busy", "SQLITE_BUSY"},
        {SQLITE_BUSY_SNAPSHOT, "", UPSINK_ERR_OUTAGE, "sink_busy", "SQLITE_BUSY"},
        {SQLITE_LOCKED, "", UPSINK_ERR_OUTAGE, "sink_busy", "SQLITE_LOCKED"},
        {SQLITE_PROTOCOL, "", UPSINK_ERR_OUTAGE, "sink_busy", "SQLITE_PROTOCOL"},
        {SQLITE_INTERRUPT, "", UPSINK_ERR_OUTAGE, "interrupted", "SQLITE_INTERRUPT"},
        {SQLITE_PERM, "", UPSINK_ERR_REFUSED, "permission_denied", "SQLITE_PERM"},
        {SQLITE_AUTH, "", UPSINK_ERR_REFUSED, "permission_denied", "SQLITE_AUTH"},
        {SQLITE_NOTADB, "", UPSINK_ERR_FATAL, "not_a_database", "SQLITE_NOTADB"},
        {SQLITE_CORRUPT, "", UPSINK_ERR_FATAL, "file_corrupt", "SQLITE_CORRUPT"},
        {SQLITE_CORRUPT_INDEX, "", UPSINK_ERR_FATAL, "file_corrupt", "SQLITE_CORRUPT"},
        {SQLITE_NOMEM, "", UPSINK_ERR_FATAL, "out_of_memory", "SQLITE_NOMEM"},
        {SQLITE_MISUSE, "", UPSINK_ERR_FATAL, "broken_invariant", "SQLITE_MISUSE"},
        {SQLITE_ERROR, "no such table: orders", UPSINK_ERR_TARGET_LOST, "target_lost", "SQLITE_ERROR"},
        {SQLITE_ERROR, "no such column: doc", UPSINK_ERR_TARGET_LOST, "target_lost", "SQLITE_ERROR"},
        {SQLITE_ERROR, "table orders has no column named doc", UPSINK_ERR_TARGET_LOST, "target_lost",
         "SQLITE_ERROR"},
        {SQLITE_ERROR, "near \"x\": syntax error", UPSINK_ERR_UNKNOWN, "sink_error", "SQLITE_ERROR"},
        {SQLITE_ERROR, NULL, UPSINK_ERR_UNKNOWN, "sink_error", "SQLITE_ERROR"},
        {SQLITE_SCHEMA, "", UPSINK_ERR_UNKNOWN, "sink_error", "SQLITE_SCHEMA"},
        {255, "", UPSINK_ERR_UNKNOWN, "sink_error", "SQLite"},
        {-1, "", UPSINK_ERR_UNKNOWN, "sink_error", "SQLite"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *code = NULL;
        assert_int_equal(sqlite_classify(cases[i].result, cases[i].message, &code), cases[i].cls);
        assert_string_equal(code, cases[i].code);
        assert_string_equal(sqlite_code_name(cases[i].result), cases[i].name);
    }
}

/* Dead letters are for single changes: what hits all of them must never be of class RECORD. */
static void no_outage_is_a_bad_record(void **state)
{
    (void)state;
    for (int result = 0; result < 0x4000; result++) {
        const char *code;
        int primary = result & 0xff;
        if (sqlite_classify(result, "", &code) == UPSINK_ERR_RECORD)
            assert_true(primary == SQLITE_CONSTRAINT || primary == SQLITE_MISMATCH ||
                        primary == SQLITE_TOOBIG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_result_code_has_its_class),
        cmocka_unit_test(no_outage_is_a_bad_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
