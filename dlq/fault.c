#include "fault.h"

struct meaning {
    rd_kafka_resp_err_t answer;
    enum upsink_error_class cls;
    const char *code;
    const char *what;   /* after "the dead-letter topic NAME" */
    const char *advice; /* NULL: it passes by itself */
};

#define GRANT   "grant this user Describe and Write on it, and Create where it does not exist yet"
#define ENLARGE "raise its max.message.bytes to the source topic's plus 65536; nothing is lost meanwhile"
#define BY_HAND "create it by hand, with cleanup.policy=delete and retention.ms=-1"

static const struct meaning meanings[] = {
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, UPSINK_ERR_REFUSED, "dlq_unauthorized",
     "can't be used: Kafka denies access", GRANT},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, UPSINK_ERR_REFUSED, "dlq_unauthorized",
     "can't be used: Kafka denies access",
     GRANT "; brokers before 2.8 want IdempotentWrite on the cluster too, or kafka.enable.idempotence=false"},
    {RD_KAFKA_RESP_ERR__AUTHENTICATION, UPSINK_ERR_REFUSED, "dlq_unauthorized",
     "can't be used: Kafka refuses the credentials", "check the security settings under `kafka`"},
    {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, UPSINK_ERR_REFUSED, "dlq_unauthorized",
     "can't be used: Kafka refuses the credentials", "check the security settings under `kafka`"},
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, UPSINK_ERR_REFUSED, "dlq_too_large",
     "does not allow a record as large as this one", ENLARGE},
    {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, UPSINK_ERR_REFUSED, "dlq_too_large",
     "does not allow a record as large as this one", ENLARGE},
    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, UPSINK_ERR_OUTAGE, "dlq_topic_missing", "is not there",
     "it is created at the next attempt, where this user may create it"},
    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, UPSINK_ERR_OUTAGE, "dlq_topic_missing", "is not there",
     "it is created at the next attempt, where this user may create it"},
    {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, UPSINK_ERR_OUTAGE, "dlq_topic_missing", "has lost a partition",
     "its partitions are counted again at the next attempt"},
    {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, UPSINK_ERR_CONFIG, "dlq_topic_invalid", "can't have that name",
     "set dlq.topic to a name of up to 249 letters, digits, '.', '_' and '-'"},
    {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, UPSINK_ERR_REFUSED, "dlq_refused", "can't be created", BY_HAND},
    {RD_KAFKA_RESP_ERR_INVALID_CONFIG, UPSINK_ERR_REFUSED, "dlq_refused", "can't be created", BY_HAND},
    {RD_KAFKA_RESP_ERR_INVALID_PARTITIONS, UPSINK_ERR_REFUSED, "dlq_refused", "can't be created", BY_HAND},
    {RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR, UPSINK_ERR_REFUSED, "dlq_refused", "can't be created",
     BY_HAND},
    {RD_KAFKA_RESP_ERR_INVALID_REQUEST, UPSINK_ERR_REFUSED, "dlq_refused", "can't be created", BY_HAND},
    {RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, UPSINK_ERR_REFUSED, "dlq_refused",
     "does not take a record's timestamp",
     "raise its message.timestamp.after.max.ms and message.timestamp.before.max.ms"},
    {RD_KAFKA_RESP_ERR_INVALID_RECORD, UPSINK_ERR_REFUSED, "dlq_refused", "does not take a record",
     "set its cleanup.policy to delete: a compacted topic refuses records without a key"},
    {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, UPSINK_ERR_OUTAGE, "dlq_timeout",
     "did not acknowledge a record in time", NULL},
    {RD_KAFKA_RESP_ERR__TIMED_OUT, UPSINK_ERR_OUTAGE, "dlq_timeout", "did not answer in time", NULL},
    {RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE, UPSINK_ERR_OUTAGE, "dlq_timeout", "did not answer in time", NULL},
    {RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, UPSINK_ERR_OUTAGE, "dlq_timeout", "did not answer in time", NULL},
    {RD_KAFKA_RESP_ERR__FATAL, UPSINK_ERR_OUTAGE, "dlq_restarted", "gets a new producer", NULL},
    {RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, UPSINK_ERR_OUTAGE, "dlq_restarted",
     "gets a new producer", NULL},
    {RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID, UPSINK_ERR_OUTAGE, "dlq_restarted", "gets a new producer", NULL},
    {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, UPSINK_ERR_OUTAGE, "dlq_restarted", "gets a new producer",
     NULL},
    {RD_KAFKA_RESP_ERR__PURGE_QUEUE, UPSINK_ERR_OUTAGE, "dlq_restarted", "gets a new producer", NULL},
    {RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, UPSINK_ERR_OUTAGE, "dlq_restarted", "gets a new producer", NULL},
};

bool dlq_fault_set(rd_kafka_resp_err_t code, const char *topic, const char *reason, struct upsink_error *err)
{
    static const struct meaning unknown = {
        .cls = UPSINK_ERR_OUTAGE, .code = "dlq_unreachable", .what = "can't be used just now"};
    const struct meaning *meaning = &unknown;
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (meanings[i].answer == code)
            meaning = &meanings[i];
    upsink_fail(err, meaning->cls, meaning->code, "the dead-letter topic %s %s (%s)%s%s", topic,
                meaning->what, reason ? reason : rd_kafka_err2str(code), meaning->advice ? "; " : "",
                meaning->advice ? meaning->advice : "");
    upsink_error_detail(err, "%s", rd_kafka_err2name(code));
    return false;
}
