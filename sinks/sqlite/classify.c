#include "sinks/sqlite/sqlite.h"

/* Result codes: https://www.sqlite.org/rescode.html. The low byte is the primary code. */
static const struct {
    int result; /* extended codes stand before their primary one */
    const char *name;
    enum upsink_error_class cls;
    const char *code;
} known[] = {
    {SQLITE_CONSTRAINT_CHECK, "SQLITE_CONSTRAINT_CHECK", UPSINK_ERR_RECORD, "constraint_violation"},
    {SQLITE_CONSTRAINT_NOTNULL, "SQLITE_CONSTRAINT_NOTNULL", UPSINK_ERR_RECORD, "constraint_violation"},
    {SQLITE_CONSTRAINT_UNIQUE, "SQLITE_CONSTRAINT_UNIQUE", UPSINK_ERR_RECORD, "constraint_violation"},
    {SQLITE_CONSTRAINT_PRIMARYKEY, "SQLITE_CONSTRAINT_PRIMARYKEY", UPSINK_ERR_RECORD, "constraint_violation"},
    {SQLITE_CONSTRAINT_FOREIGNKEY, "SQLITE_CONSTRAINT_FOREIGNKEY", UPSINK_ERR_RECORD, "constraint_violation"},
    {SQLITE_CONSTRAINT_TRIGGER, "SQLITE_CONSTRAINT_TRIGGER", UPSINK_ERR_RECORD, "constraint_violation"},
    {SQLITE_CONSTRAINT_DATATYPE, "SQLITE_CONSTRAINT_DATATYPE", UPSINK_ERR_RECORD, "constraint_violation"},
    {SQLITE_CONSTRAINT_ROWID, "SQLITE_CONSTRAINT_ROWID", UPSINK_ERR_RECORD, "constraint_violation"},
    {SQLITE_CONSTRAINT, "SQLITE_CONSTRAINT", UPSINK_ERR_RECORD, "constraint_violation"},
    {SQLITE_MISMATCH, "SQLITE_MISMATCH", UPSINK_ERR_RECORD, "constraint_violation"},
    {SQLITE_TOOBIG, "SQLITE_TOOBIG", UPSINK_ERR_RECORD, "value_too_large"},

    {SQLITE_READONLY_DBMOVED, "SQLITE_READONLY_DBMOVED", UPSINK_ERR_TARGET_LOST, "target_lost"},
    {SQLITE_READONLY, "SQLITE_READONLY", UPSINK_ERR_OUTAGE, "sink_read_only"},
    {SQLITE_FULL, "SQLITE_FULL", UPSINK_ERR_OUTAGE, "sink_full"},
    {SQLITE_IOERR_NOMEM, "SQLITE_IOERR_NOMEM", UPSINK_ERR_FATAL, "out_of_memory"},
    {SQLITE_IOERR_CORRUPTFS, "SQLITE_IOERR_CORRUPTFS", UPSINK_ERR_FATAL, "file_corrupt"},
    {SQLITE_IOERR, "SQLITE_IOERR", UPSINK_ERR_OUTAGE, "sink_io_error"},
    {SQLITE_CANTOPEN, "SQLITE_CANTOPEN", UPSINK_ERR_OUTAGE, "sink_unreachable"},
    {SQLITE_BUSY, "SQLITE_BUSY", UPSINK_ERR_OUTAGE, "sink_busy"},
    {SQLITE_LOCKED, "SQLITE_LOCKED", UPSINK_ERR_OUTAGE, "sink_busy"},
    {SQLITE_PROTOCOL, "SQLITE_PROTOCOL", UPSINK_ERR_OUTAGE, "sink_busy"},
    {SQLITE_INTERRUPT, "SQLITE_INTERRUPT", UPSINK_ERR_OUTAGE, "interrupted"},
    {SQLITE_PERM, "SQLITE_PERM", UPSINK_ERR_REFUSED, "permission_denied"},
    {SQLITE_AUTH, "SQLITE_AUTH", UPSINK_ERR_REFUSED, "permission_denied"},

    {SQLITE_NOMEM, "SQLITE_NOMEM", UPSINK_ERR_FATAL, "out_of_memory"},
    {SQLITE_NOTADB, "SQLITE_NOTADB", UPSINK_ERR_FATAL, "not_a_database"},
    {SQLITE_CORRUPT, "SQLITE_CORRUPT", UPSINK_ERR_FATAL, "file_corrupt"},
    {SQLITE_MISUSE, "SQLITE_MISUSE", UPSINK_ERR_FATAL, "broken_invariant"},
    {SQLITE_RANGE, "SQLITE_RANGE", UPSINK_ERR_FATAL, "broken_invariant"},

    {SQLITE_ABORT_ROLLBACK, "SQLITE_ABORT_ROLLBACK", UPSINK_ERR_UNKNOWN, "sink_error"},
    {SQLITE_ABORT, "SQLITE_ABORT", UPSINK_ERR_UNKNOWN, "sink_error"},
    {SQLITE_SCHEMA, "SQLITE_SCHEMA", UPSINK_ERR_UNKNOWN, "sink_error"},
    {SQLITE_NOLFS, "SQLITE_NOLFS", UPSINK_ERR_UNKNOWN, "sink_error"},
    {SQLITE_INTERNAL, "SQLITE_INTERNAL", UPSINK_ERR_UNKNOWN, "sink_error"},
    {SQLITE_ERROR, "SQLITE_ERROR", UPSINK_ERR_UNKNOWN, "sink_error"},
};
#define KNOWN (sizeof known / sizeof *known)

static size_t find(int result)
{
    for (size_t i = 0; i < KNOWN; i++)
        if (known[i].result == result)
            return i;
    for (size_t i = 0; i < KNOWN; i++)
        if (known[i].result == (result & 0xff))
            return i;
    return KNOWN;
}

enum upsink_error_class sqlite_classify(int result, const char *message, const char **code)
{
    /* All of these share SQLITE_ERROR; sqlite3_errmsg is the only one that tells them apart. */
    static const char *const lost[] = {"no such table", "no such column", "has no column named"};
    size_t i = find(result);
    if ((result & 0xff) == SQLITE_ERROR && message)
        for (size_t j = 0; j < sizeof lost / sizeof *lost; j++)
            if (strstr(message, lost[j])) {
                *code = "target_lost";
                return UPSINK_ERR_TARGET_LOST;
            }
    *code = i < KNOWN ? known[i].code : "sink_error";
    return i < KNOWN ? known[i].cls : UPSINK_ERR_UNKNOWN;
}

const char *sqlite_code_name(int result)
{
    size_t i = find(result);
    return i < KNOWN ? known[i].name : "SQLite";
}

bool sqlite_fail_memory(struct upsink_error *err)
{
    return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory");
}

/* After these the connection may be of no more use, or may lie on a file that is another one by now. */
static bool breaks_connection(int result)
{
    int primary = result & 0xff;
    return primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN || primary == SQLITE_READONLY ||
           primary == SQLITE_NOTADB || primary == SQLITE_CORRUPT || primary == SQLITE_PROTOCOL;
}

bool sqlite_fail(struct upsink_sink *sink, const char *doing, struct upsink_error *err)
{
    int result = sink->db ? sqlite3_extended_errcode(sink->db) : SQLITE_NOMEM;
    const char *message = sink->db ? sqlite3_errmsg(sink->db) : "out of memory", *code;
    enum upsink_error_class cls = sqlite_classify(result, message, &code);
    int primary = result & 0xff, system = 0;
    if (sink->db && (primary == SQLITE_CANTOPEN || primary == SQLITE_IOERR || primary == SQLITE_FULL))
        system = sqlite3_system_errno(sink->db);
    if (breaks_connection(result))
        sink->broken = true;
    /* No single change is to blame for what happens outside its own statement. */
    if (cls == UPSINK_ERR_RECORD)
        cls = UPSINK_ERR_UNKNOWN;
    upsink_fail(err, cls, code, "could not %s %s: %s%s%s", doing, sink->description, message,
                system ? ": " : "", system ? strerror(system) : "");
    upsink_error_detail(err, "%s (%d)", sqlite_code_name(result), result);
    return false;
}
