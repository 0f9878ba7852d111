#include "pg_sqlstate.h"

struct class_rule {
    const char *prefix; /* a whole SQLSTATE or its class; the first match counts */
    enum upsink_error_class cls;
};

static const struct class_rule class_rules[] = {
    {"08", UPSINK_ERR_OUTAGE},      /* connection exception */
    {"20", UPSINK_ERR_RECORD},      /* case not found: a trigger that knows no such value */
    {"21", UPSINK_ERR_RECORD},      /* cardinality violation */
    {"22", UPSINK_ERR_RECORD},      /* data exception */
    {"23", UPSINK_ERR_RECORD},      /* integrity constraint violation */
    {"25006", UPSINK_ERR_OUTAGE},   /* read-only transaction */
    {"25P03", UPSINK_ERR_OUTAGE},   /* idle in transaction for too long */
    {"27", UPSINK_ERR_RECORD},      /* triggered data change violation */
    {"28", UPSINK_ERR_REFUSED},     /* invalid authorization */
    {"3D", UPSINK_ERR_REFUSED},     /* no such database */
    {"3F", UPSINK_ERR_TARGET_LOST}, /* no such schema */
    {"40002", UPSINK_ERR_UNKNOWN},  /* integrity violation that rolled the transaction back */
    {"40", UPSINK_ERR_OUTAGE},      /* serialization failure, deadlock: try again */
    {"42501", UPSINK_ERR_OUTAGE},   /* permission denied */
    {"42P01", UPSINK_ERR_TARGET_LOST}, {"44", UPSINK_ERR_RECORD}, /* WITH CHECK OPTION violation */
    {"53", UPSINK_ERR_OUTAGE},    /* insufficient resources: disk, memory, connections */
    {"54", UPSINK_ERR_RECORD},    /* program limit exceeded: too deep, too long for the index */
    {"55006", UPSINK_ERR_OUTAGE}, /* object in use */
    {"55P03", UPSINK_ERR_OUTAGE}, /* lock not available */
    {"57", UPSINK_ERR_OUTAGE},    /* operator intervention: shutdown, cancel, starting up */
    {"58", UPSINK_ERR_OUTAGE},    /* system error: I/O */
    {"72", UPSINK_ERR_OUTAGE},    /* snapshot too old */
    {"F0", UPSINK_ERR_OUTAGE},    /* the server's configuration file */
    {"P0", UPSINK_ERR_RECORD},    /* PL/pgSQL: RAISE in a trigger */
};

struct code_rule {
    const char *prefix, *code;
};

static const struct code_rule record_codes[] = {
    {"22001", "value_too_long"},    {"22003", "value_out_of_range"}, {"22008", "value_out_of_range"},
    {"22P05", "unsupported_text"},  {"22021", "unsupported_text"},   {"23", "constraint_violation"},
    {"44", "constraint_violation"}, {"54", "value_too_large"},       {"20", "rejected_by_trigger"},
    {"27", "rejected_by_trigger"},  {"P0", "rejected_by_trigger"},   {"", "invalid_for_sink"},
};

static const struct code_rule failure_codes[] = {
    {"08", "sink_unreachable"},
    {"25006", "sink_read_only"},
    {"28", "credentials_refused"},
    {"3D", "database_missing"},
    {"3F", "target_lost"},
    {"40", "sink_busy"},
    {"42501", "permission_denied"},
    {"42P01", "target_lost"},
    {"53100", "sink_full"},
    {"53200", "sink_out_of_memory"},
    {"53", "sink_out_of_resources"},
    {"55", "sink_busy"},
    {"57014", "sink_timeout"},
    {"25P03", "sink_timeout"},
    {"57", "sink_unavailable"},
    {"58", "sink_io_error"},
    {"", "sink_error"},
};

static bool starts_with(const char *sqlstate, const char *prefix)
{
    return strncmp(sqlstate, prefix, strlen(prefix)) == 0;
}

static bool is_absent(const char *sqlstate)
{
    return !sqlstate || !*sqlstate;
}

enum upsink_error_class pg_classify_sqlstate(const char *sqlstate)
{
    if (is_absent(sqlstate))
        return UPSINK_ERR_OUTAGE;
    for (size_t i = 0; i < sizeof class_rules / sizeof class_rules[0]; i++)
        if (starts_with(sqlstate, class_rules[i].prefix))
            return class_rules[i].cls;
    return UPSINK_ERR_UNKNOWN;
}

static const char *find_code(const struct code_rule *rules, const char *sqlstate)
{
    while (!starts_with(sqlstate, rules->prefix))
        rules++;
    return rules->code;
}

const char *pg_record_code(const char *sqlstate)
{
    return find_code(record_codes, sqlstate ? sqlstate : "");
}

const char *pg_failure_code(const char *sqlstate)
{
    return is_absent(sqlstate) ? "sink_unreachable" : find_code(failure_codes, sqlstate);
}

bool pg_message_is_safe(const char *sqlstate)
{
    return !is_absent(sqlstate) && pg_classify_sqlstate(sqlstate) != UPSINK_ERR_RECORD;
}
