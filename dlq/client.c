#include "client.h"

#include "log.h"

#include <stdlib.h>
#include <strings.h>

void dlq_trouble_init(struct dlq_trouble *trouble)
{
    *trouble = (struct dlq_trouble){.code = RD_KAFKA_RESP_ERR_NO_ERROR};
    pthread_mutex_init(&trouble->lock, NULL);
}

void dlq_trouble_destroy(struct dlq_trouble *trouble)
{
    pthread_mutex_destroy(&trouble->lock);
}

void dlq_trouble_note(struct dlq_trouble *trouble, rd_kafka_resp_err_t code, const char *text)
{
    pthread_mutex_lock(&trouble->lock);
    /* "All brokers are down" follows the report that says why. */
    if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || trouble->code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        trouble->code = code;
        snprintf(trouble->text, sizeof trouble->text, "%s", text ? text : rd_kafka_err2str(code));
    }
    pthread_mutex_unlock(&trouble->lock);
}

void dlq_trouble_clear(struct dlq_trouble *trouble)
{
    pthread_mutex_lock(&trouble->lock);
    trouble->code = RD_KAFKA_RESP_ERR_NO_ERROR;
    trouble->text[0] = '\0';
    pthread_mutex_unlock(&trouble->lock);
}

static bool is_refusal(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__AUTHENTICATION || code == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED;
}

bool dlq_trouble_fail(struct dlq_trouble *trouble, const char *what, struct upsink_error *err)
{
    pthread_mutex_lock(&trouble->lock);
    if (is_refusal(trouble->code))
        upsink_fail(
            err, UPSINK_ERR_REFUSED, "dlq_unauthorized",
            "%s: the Kafka brokers refuse the credentials (%s); check the security settings under `kafka`",
            what, trouble->text);
    else if (trouble->code != RD_KAFKA_RESP_ERR_NO_ERROR)
        upsink_fail(err, UPSINK_ERR_OUTAGE, "dlq_unreachable",
                    "%s: %s; if it lasts, check bootstrap.servers and security.protocol under `kafka`", what,
                    trouble->text);
    else
        upsink_fail(err, UPSINK_ERR_OUTAGE, "dlq_unreachable",
                    "%s: no answer from Kafka in time; if it lasts, check bootstrap.servers and "
                    "security.protocol under `kafka`",
                    what);
    if (trouble->code != RD_KAFKA_RESP_ERR_NO_ERROR)
        upsink_error_detail(err, "%s", rd_kafka_err2name(trouble->code));
    pthread_mutex_unlock(&trouble->lock);
    return false;
}

/* Does librdkafka's list of properties (a table, one property a line: name, then whose it is: C, P or both)
 * give the property to the other type of client alone? */
static bool belongs_elsewhere(const char *table, const char *name, rd_kafka_type_t type)
{
    size_t name_len = strlen(name);
    char other = type == RD_KAFKA_PRODUCER ? 'C' : 'P';
    bool elsewhere = false;
    for (const char *line = table; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, name_len) != 0)
            continue;
        const char *scope = line + name_len + strspn(line + name_len, " ");
        if (*scope != '|')
            continue;
        scope += 1 + strspn(scope + 1, " ");
        /* Some stand in the table twice, as global and as topic property. */
        if (*scope != other)
            return false;
        elsewhere = true;
    }
    return elsewhere;
}

static char *list_properties(void)
{
    char *table = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&table, &size);
    if (!stream)
        return NULL;
    rd_kafka_conf_properties_show(stream);
    if (fclose(stream) != 0) {
        free(table);
        return NULL;
    }
    return table;
}

/* A client that is not given a group is in none, whatever the user's properties say; none writes
 * transactions. */
static bool is_unwanted(const char *name, const struct dlq_property *fixed, size_t fixed_count)
{
    bool has_group = false;
    for (size_t i = 0; i < fixed_count; i++)
        has_group |= strcmp(fixed[i].name, "group.id") == 0;
    if (strcmp(name, "group.id") == 0 || strcmp(name, "group.instance.id") == 0)
        return !has_group;
    return strcmp(name, "transactional.id") == 0;
}

static bool is_secret(const char *name)
{
    static const char *const words[] = {"password", "secret", "pem", "token", "oauthbearer.config", "jaas"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasestr(name, words[i]))
            return true;
    return false;
}

static bool set_property(rd_kafka_conf_t *conf, const struct dlq_property *property, struct upsink_error *err)
{
    char reason[256] = "";
    switch (rd_kafka_conf_set(conf, property->name, property->value, reason, sizeof reason)) {
    case RD_KAFKA_CONF_OK:
        return true;
    case RD_KAFKA_CONF_UNKNOWN:
        return upsink_fail(err, UPSINK_ERR_CONFIG, "kafka_property_unknown",
                           "kafka.%s: librdkafka has no property of that name", property->name);
    default:
        /* librdkafka's reason quotes the value. */
        return upsink_fail(err, UPSINK_ERR_CONFIG, "kafka_property_invalid",
                           "kafka.%s: librdkafka does not accept this value%s%s", property->name,
                           is_secret(property->name) ? "" : ": ", is_secret(property->name) ? "" : reason);
    }
}

static enum log_level level_of(int syslog_level)
{
    if (syslog_level <= 3)
        return LOG_LEVEL_ERROR;
    return syslog_level == 4 ? LOG_LEVEL_WARN : syslog_level <= 6 ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG;
}

static void write_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    /* FAIL and ERROR come as errors too, and are told as such. AUTOCREATE is about brokers too old to be told
     * not to create a topic that is asked for. */
    static const char *const known[] = {"FAIL", "ERROR", "AUTOCREATE"};
    static struct log_limit limit;
    int64_t held_back = 0;
    enum log_level wanted = level_of(level);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(facility, known[i]) == 0)
            wanted = LOG_LEVEL_DEBUG;
    if (wanted == LOG_LEVEL_DEBUG || log_limit_pass(&limit, 1000000, &held_back))
        log_write(wanted, "librdkafka", LOG_STR("client", rd_kafka_name(rk)), LOG_STR("facility", facility),
                  LOG_STR("reason", text), LOG_INT("held_back", held_back));
}

rd_kafka_conf_t *dlq_client_conf(const struct dlq_kafka *kafka, rd_kafka_type_t type,
                                 const struct dlq_property *defaults, size_t default_count,
                                 const struct dlq_property *fixed, size_t fixed_count,
                                 struct upsink_error *err)
{
    bool ok = false;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char *table = list_properties();
    if (!table) {
        upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory while setting up a Kafka client");
        goto cleanup;
    }
    rd_kafka_conf_set_log_cb(conf, write_log);
    if (!set_property(conf, &(struct dlq_property){"log.queue", "true"}, err))
        goto cleanup;
    for (size_t i = 0; i < default_count; i++)
        if (!set_property(conf, &defaults[i], err))
            goto cleanup;
    for (size_t i = 0; i < kafka->count; i++)
        if (!is_unwanted(kafka->properties[i].name, fixed, fixed_count) &&
            !belongs_elsewhere(table, kafka->properties[i].name, type) &&
            !set_property(conf, &kafka->properties[i], err))
            goto cleanup;
    for (size_t i = 0; i < fixed_count; i++)
        if (!set_property(conf, &fixed[i], err))
            goto cleanup;
    ok = true;
cleanup:
    free(table);
    if (!ok) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    return conf;
}

rd_kafka_t *dlq_client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, struct upsink_error *err)
{
    char reason[256] = "";
    rd_kafka_t *rk = rd_kafka_new(type, conf, reason, sizeof reason);
    if (!rk) {
        rd_kafka_conf_destroy(conf);
        upsink_fail(err, UPSINK_ERR_CONFIG, "kafka_client", "the Kafka client can't be made: %s", reason);
        return NULL;
    }
    /* Without a queue to be served from, the log would be kept for ever. */
    rd_kafka_set_log_queue(rk, NULL);
    return rk;
}
