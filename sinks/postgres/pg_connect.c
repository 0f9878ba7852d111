#include "pg_sink.h"

#include "clock.h"
#include "pg_message.h"
#include "pg_sqlstate.h"
#include "pg_wait.h"

#include <stdlib.h>
#include <string.h>

static bool fail_connect(struct upsink_sink *sink, PGconn *conn, struct upsink_error *err)
{
    char sqlstate[6], text[400];
    const char *message = PQerrorMessage(conn), *password = PQpass(conn);
    pg_find_sqlstate(message, sqlstate);
    pg_tidy_message(message, text, sizeof text);
    if (password && *password && strstr(text, password))
        snprintf(text, sizeof text, "the server refuses the connection");
    enum upsink_error_class cls = pg_classify_sqlstate(sqlstate);
    if (PQconnectionNeedsPassword(conn))
        cls = UPSINK_ERR_REFUSED;
    const char *code =
        cls == UPSINK_ERR_REFUSED && !*sqlstate ? "credentials_refused" : pg_failure_code(sqlstate);
    const char *advice =
        PQconnectionNeedsPassword(conn) ? "; give one in the URL, in PGPASSWORD or in ~/.pgpass" : "";
    upsink_fail(err, cls, code, "can't connect to %s: %s%s", sink->description, text, advice);
    if (*sqlstate)
        upsink_error_detail(err, "SQLSTATE %s", sqlstate);
    return false;
}

/* --- connecting ------------------------------------------------------------------------------ */

enum { MOST_PARAMETERS = 100 };

struct parameters {
    const char *keywords[MOST_PARAMETERS + 1], *values[MOST_PARAMETERS + 1];
    size_t count;
};

static void add_parameter(struct parameters *parameters, const char *keyword, const char *value)
{
    if (parameters->count == MOST_PARAMETERS)
        return;
    parameters->keywords[parameters->count] = keyword;
    parameters->values[parameters->count++] = value;
}

/* Adds a parameter that the user did not set. */
static void add_default(const struct upsink_sink *sink, struct parameters *parameters, const char *keyword,
                        const char *value)
{
    if (!pg_settings_find(&sink->settings, keyword))
        add_parameter(parameters, keyword, value);
}

static PGconn *start(struct upsink_sink *sink)
{
    struct parameters parameters = {0};
    char timeout_ms[24], idle[24], interval[24];
    int64_t seconds = upsink_view_timeout_us(sink->view) / CLOCK_SECOND;
    snprintf(timeout_ms, sizeof timeout_ms, "%lld",
             (long long)(upsink_view_timeout_us(sink->view) / CLOCK_MS + 1));
    snprintf(idle, sizeof idle, "%lld", (long long)(seconds / 2 + 1));
    snprintf(interval, sizeof interval, "%lld", (long long)(seconds / 6 + 1));
    add_parameter(&parameters, "client_encoding", "UTF8"); /* what we write, whatever the user says */
    add_default(sink, &parameters, "fallback_application_name", "upsink");
    add_default(sink, &parameters, "tcp_user_timeout", timeout_ms);
    add_default(sink, &parameters, "keepalives_idle", idle);
    add_default(sink, &parameters, "keepalives_interval", interval);
    add_default(sink, &parameters, "keepalives_count", "3");
    for (const PQconninfoOption *option = sink->settings.options; option->keyword; option++)
        if (option->val && *option->val && strcmp(option->keyword, "client_encoding") != 0)
            add_parameter(&parameters, option->keyword, option->val);
    return PQconnectStartParams(parameters.keywords, parameters.values, 0);
}

static void ignore_notice(void *context, const PGresult *result)
{
    (void)context;
    (void)result; /* a trigger's notice may hold data */
}

/* Follows the attempt to its end. With several hosts each has its time. */
static bool finish_start(struct upsink_sink *sink, struct upsink_error *err)
{
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    int64_t begin = clock_monotonic_us(), limit = upsink_view_timeout_us(sink->view) *
                                                  (int64_t)(sink->settings.hosts ? sink->settings.hosts : 1);
    const char *wanted = pg_settings_find(&sink->settings, "connect_timeout");
    long seconds = wanted ? strtol(wanted, NULL, 10) : 0;
    if (seconds > 0 && seconds < 86400 && seconds * CLOCK_SECOND < limit)
        limit = seconds * CLOCK_SECOND;
    sink->last_answer = begin;
    while (status != PGRES_POLLING_OK && status != PGRES_POLLING_FAILED) {
        if (!pg_wait(sink, status == PGRES_POLLING_READING ? PG_WAIT_READ : PG_WAIT_WRITE, "connect", err))
            return false;
        if (clock_monotonic_us() - begin > limit)
            return upsink_fail(err, UPSINK_ERR_OUTAGE, "sink_timeout", "can't connect to %s within %lld ms",
                               sink->description, (long long)(limit / CLOCK_MS));
        status = PQconnectPoll(sink->conn);
    }
    return status == PGRES_POLLING_OK || fail_connect(sink, sink->conn, err);
}

/* What our statements rely on. Functions and operators of other schemas must not stand in for PostgreSQL's
 * own; hash and merge joins and sequential scans are switched off because a plan made for a small table would
 * be kept too long; and a transaction that nobody ends (a process that was stopped or cut off) must not hold
 * its locks for ever. */
static bool set_up_session(struct upsink_sink *sink, struct upsink_error *err)
{
    char sql[1024];
    long long ms = (long long)(upsink_view_timeout_us(sink->view) / CLOCK_MS + 1);
    snprintf(sql, sizeof sql,
             "SET client_min_messages = error; SET standard_conforming_strings = on; SET jit = off;"
             " SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;"
             " SET statement_timeout = %lld; SET idle_in_transaction_session_timeout = %lld;"
             " SELECT pg_catalog.set_config('search_path', pg_catalog.concat('pg_catalog, ',"
             " pg_catalog.current_setting('search_path')), false)"
             " WHERE (pg_catalog.current_schemas(true))[1]::pg_catalog.text OPERATOR(pg_catalog.<>) "
             "'pg_catalog'::pg_catalog.text",
             ms, ms);
    return pg_run(sink, "set up a session", sql, err);
}

void pg_disconnect(struct upsink_sink *sink)
{
    PQclear(sink->row);
    sink->row = NULL;
    PQfinish(sink->conn);
    sink->conn = NULL;
    sink->broken = false;
    sink->transaction = PG_NO_TRANSACTION;
}

bool pg_connect(struct upsink_sink *sink, struct upsink_error *err)
{
    if (sink->conn && !sink->broken && sink->transaction == PG_NO_TRANSACTION &&
        pg_run(sink, "ask", "SELECT 1", err))
        return true;
    pg_disconnect(sink);
    sink->conn = start(sink);
    if (!sink->conn)
        return pg_fail_memory(err);
    PQsetNoticeReceiver(sink->conn, ignore_notice, NULL);
    PQsetErrorVerbosity(sink->conn, PQERRORS_VERBOSE);
    bool done = PQstatus(sink->conn) == CONNECTION_BAD ? fail_connect(sink, sink->conn, err)
                                                       : finish_start(sink, err);
    if (done && PQsetnonblocking(sink->conn, 1) != 0)
        done = fail_connect(sink, sink->conn, err);
    if (done)
        done = set_up_session(sink, err);
    if (!done)
        pg_disconnect(sink);
    return done;
}
