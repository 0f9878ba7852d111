#include "plan.h"

#include "clock.h"
#include "connector/source.h"
#include "kafka_ends.h"
#include "log.h"
#include "nearest.h"

#include <regex.h>
#include <stdlib.h>

enum { ANSWER_MS = 10000, DOWN_MS = 4000, SLICE_MS = 500 };

static void note_trouble(rd_kafka_t *client, int code, const char *reason, void *opaque)
{
    (void)client;
    struct plan_kafka *kafka = opaque;
    char text[256];
    snprintf(text, sizeof text, "%s", reason ? reason : rd_kafka_err2str((rd_kafka_resp_err_t)code));
    char *aside = strstr(text, " (after "); /* how long librdkafka was in which of its states */
    if (aside)
        *aside = '\0';
    dlq_trouble_note(&kafka->trouble, (rd_kafka_resp_err_t)code, text);
}

/* What matters of librdkafka's lines is told by the errors. */
static void hide_log(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    (void)level;
    log_write(LOG_LEVEL_DEBUG, "librdkafka", LOG_STR("client", rd_kafka_name(client)),
              LOG_STR("facility", facility), LOG_STR("reason", text));
}

/* A consumer without a group: with one, looking for its coordinator would make a new cluster create its topic
 * of offsets. It fetches little, since little is read. */
bool plan_kafka_open(struct plan_kafka *kafka, const struct config *config, struct upsink_error *err)
{
    static const struct dlq_property defaults[] = {{"client.id", "upsink-plan"},
                                                   {"fetch.wait.max.ms", "20"},
                                                   {"fetch.error.backoff.ms", "50"},
                                                   {"fetch.message.max.bytes", "262144"},
                                                   {"queued.max.messages.kbytes", "8192"}};
    static const struct dlq_property fixed[] = {{"allow.auto.create.topics", "false"},
                                                {"enable.partition.eof", "true"},
                                                {"isolation.level", "read_committed"}};
    *kafka = (struct plan_kafka){0};
    dlq_trouble_init(&kafka->trouble);
    if (!source_check_properties(config, &kafka->from_latest, err))
        return false;
    kafka->properties = calloc(config->kafka_count + 1, sizeof *kafka->properties);
    if (!kafka->properties)
        return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory");
    for (size_t i = 0; i < config->kafka_count; i++)
        kafka->properties[i] = (struct dlq_property){config->kafka[i].name, config->kafka[i].value};
    struct dlq_kafka properties = {kafka->properties, config->kafka_count};
    rd_kafka_conf_t *conf =
        dlq_client_conf(&properties, RD_KAFKA_CONSUMER, defaults, sizeof defaults / sizeof *defaults, fixed,
                        sizeof fixed / sizeof *fixed, err);
    if (!conf)
        return false;
    rd_kafka_conf_set_opaque(conf, kafka);
    rd_kafka_conf_set_error_cb(conf, note_trouble);
    rd_kafka_conf_set_log_cb(conf, hide_log);
    kafka->client = dlq_client_new(RD_KAFKA_CONSUMER, conf, err);
    return kafka->client != NULL;
}

void plan_kafka_close(struct plan_kafka *kafka)
{
    if (kafka->client)
        rd_kafka_destroy(kafka->client);
    free(kafka->properties);
    dlq_trouble_destroy(&kafka->trouble);
}

static const char *advise(rd_kafka_resp_err_t code)
{
    if (code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        return "; grant this user Describe and Read on it";
    if (code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED)
        return "; grant this user Describe and Read on the group";
    return "";
}

static bool fail_kafka(struct plan *plan, struct plan_kafka *kafka, const char *what,
                       rd_kafka_resp_err_t code)
{
    struct upsink_error err;
    bool silent = code == RD_KAFKA_RESP_ERR__TIMED_OUT || code == RD_KAFKA_RESP_ERR__TRANSPORT ||
                  code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || code == RD_KAFKA_RESP_ERR__AUTHENTICATION;
    if (silent) {
        dlq_trouble_fail(&kafka->trouble, what, &err);
        snprintf(err.code, sizeof err.code, "%s",
                 err.cls == UPSINK_ERR_REFUSED ? "kafka_refused" : "kafka_unreachable");
    } else {
        upsink_fail(&err, UPSINK_ERR_REFUSED, "kafka_refused", "%s: %s%s", what, rd_kafka_err2str(code),
                    advise(code));
        upsink_error_detail(&err, "%s", rd_kafka_err2name(code));
    }
    return plan_add_problem(plan, &err);
}

static rd_kafka_resp_err_t trouble_of(struct plan_kafka *kafka)
{
    rd_kafka_poll(kafka->client, 0);
    pthread_mutex_lock(&kafka->trouble.lock);
    rd_kafka_resp_err_t code = kafka->trouble.code;
    pthread_mutex_unlock(&kafka->trouble.lock);
    return code;
}

/* Asks until an answer comes; gives up sooner where it is clear that none will. */
static bool reach(struct plan *plan, struct plan_kafka *kafka)
{
    int64_t begin = clock_monotonic_us(), waited_ms = 0;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    while (!kafka->reached && !kafka->failed) {
        const rd_kafka_metadata_t *metadata = NULL;
        kafka->reached =
            rd_kafka_metadata(kafka->client, 0, NULL, &metadata, SLICE_MS) == RD_KAFKA_RESP_ERR_NO_ERROR;
        if (kafka->reached) {
            rd_kafka_metadata_destroy(metadata);
            break;
        }
        code = trouble_of(kafka);
        waited_ms = (clock_monotonic_us() - begin) / CLOCK_MS;
        kafka->failed = code == RD_KAFKA_RESP_ERR__AUTHENTICATION ||
                        waited_ms >= (code == RD_KAFKA_RESP_ERR_NO_ERROR ? ANSWER_MS : DOWN_MS);
    }
    if (kafka->failed)
        return fail_kafka(plan, kafka, "Kafka can't be reached", RD_KAFKA_RESP_ERR__TIMED_OUT);
    char *cluster = kafka->cluster[0] ? NULL : rd_kafka_clusterid(kafka->client, ANSWER_MS);
    if (cluster && !strpbrk(cluster, " \t\r\n"))
        snprintf(kafka->cluster, sizeof kafka->cluster, "%s", cluster);
    if (cluster)
        rd_kafka_mem_free(kafka->client, cluster);
    return true;
}

/* --- topics --- */

static bool out_of_memory(struct plan *plan)
{
    struct upsink_error err;
    upsink_fail(&err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory");
    return plan_add_problem(plan, &err);
}

static void take_topic(struct plan *plan, const rd_kafka_metadata_topic_t *found)
{
    struct upsink_slice name = arena_copy(&plan->arena, upsink_slice_of(found->topic));
    struct plan_topic *topic = &plan->topics[plan->topic_count];
    if (!name.data)
        return;
    *topic = (struct plan_topic){.name = name.data, .partitions = found->partition_cnt};
    for (int i = 0; i < found->partition_cnt; i++)
        if (found->partitions[i].replica_cnt > topic->replicas)
            topic->replicas = found->partitions[i].replica_cnt;
    plan->topic_count++;
}

/* A name that is near to one that exists was most likely mistyped. */
static void refuse_unknown(struct plan *plan, struct plan_kafka *kafka, const char *name)
{
    const rd_kafka_metadata_t *metadata = NULL;
    struct upsink_error err;
    struct nearest nearest;
    nearest_init(&nearest, name);
    if (rd_kafka_metadata(kafka->client, 1, NULL, &metadata, ANSWER_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        for (int i = 0; i < metadata->topic_cnt; i++)
            nearest_offer(&nearest, metadata->topics[i].topic);
        rd_kafka_metadata_destroy(metadata);
    }
    upsink_fail(&err, UPSINK_ERR_OUTAGE, "unknown_topic", "topic %s does not exist%s", name,
                nearest_hint(&nearest));
    plan_add_problem(plan, &err);
}

static void look_up_named(struct plan *plan, struct plan_kafka *kafka, const char *name)
{
    const rd_kafka_metadata_t *metadata = NULL;
    char what[400];
    rd_kafka_topic_t *topic = rd_kafka_topic_new(kafka->client, name, NULL);
    rd_kafka_resp_err_t code =
        topic ? rd_kafka_metadata(kafka->client, 0, topic, &metadata, ANSWER_MS) : rd_kafka_last_error();
    snprintf(what, sizeof what, "topic %s can't be looked up", name);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topic_cnt == 1)
        code = metadata->topics[0].err;
    if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC) {
        plan->topics[plan->topic_count++] = (struct plan_topic){.name = name};
        refuse_unknown(plan, kafka, name);
    } else if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fail_kafka(plan, kafka, what, code);
    } else {
        take_topic(plan, &metadata->topics[0]);
    }
    if (metadata)
        rd_kafka_metadata_destroy(metadata);
    if (topic)
        rd_kafka_topic_destroy(topic);
}

static void look_up_matching(struct plan *plan, struct plan_kafka *kafka, const char *expression)
{
    const rd_kafka_metadata_t *metadata = NULL;
    regex_t regex;
    struct upsink_error err;
    rd_kafka_resp_err_t code = rd_kafka_metadata(kafka->client, 1, NULL, &metadata, ANSWER_MS);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fail_kafka(plan, kafka, "Kafka's topics can't be listed", code);
        return;
    }
    plan->topics = arena_alloc_array(&plan->arena, (size_t)metadata->topic_cnt + 1, sizeof *plan->topics);
    if (plan->topics && regcomp(&regex, expression, REG_EXTENDED | REG_NOSUB) == 0) {
        for (int i = 0; i < metadata->topic_cnt; i++)
            if (metadata->topics[i].err == RD_KAFKA_RESP_ERR_NO_ERROR &&
                regexec(&regex, metadata->topics[i].topic, 0, NULL, 0) == 0)
                take_topic(plan, &metadata->topics[i]);
        regfree(&regex);
    }
    rd_kafka_metadata_destroy(metadata);
    if (plan->topic_count)
        return;
    upsink_fail(&err, UPSINK_ERR_OUTAGE, "unknown_topic", "no topic matches %s", expression);
    plan_add_problem(plan, &err);
}

static void look_up_topics(struct plan *plan, struct plan_kafka *kafka)
{
    const struct view_config *settings = plan->settings;
    if (settings->topics[0][0] == '^') {
        look_up_matching(plan, kafka, settings->topics[0]);
        return;
    }
    plan->topics = arena_alloc_array(&plan->arena, settings->topic_count, sizeof *plan->topics);
    for (size_t i = 0; plan->topics && i < settings->topic_count; i++)
        look_up_named(plan, kafka, settings->topics[i]);
}

/* --- partitions --- */

static bool list_partitions(struct plan *plan)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->topic_count; i++)
        count += (size_t)plan->topics[i].partitions;
    plan->partitions = arena_alloc_array(&plan->arena, count + 1, sizeof *plan->partitions);
    if (!plan->partitions)
        return out_of_memory(plan);
    for (size_t i = 0; i < plan->topic_count; i++)
        for (int32_t p = 0; p < plan->topics[i].partitions; p++)
            plan->partitions[plan->partition_count++] = (struct plan_partition){
                .topic = plan->topics[i].name, .partition = p, .low = -1, .high = -1, .committed = -1};
    return true;
}

static bool look_up_range(struct plan *plan, struct plan_kafka *kafka, struct plan_partition *partition)
{
    char what[400];
    int64_t low, high;
    rd_kafka_resp_err_t code =
        kafka_ends(kafka->client, partition->topic, partition->partition, &low, &high, ANSWER_MS);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        partition->low = low;
        partition->high = high;
        return true;
    }
    trouble_of(kafka);
    snprintf(what, sizeof what, "the ends of topic %s partition %d can't be looked up", partition->topic,
             partition->partition);
    return fail_kafka(plan, kafka, what, code);
}

/* The first failure stands for the others. */
static void look_up_ranges(struct plan *plan, struct plan_kafka *kafka)
{
    bool going = list_partitions(plan);
    for (size_t i = 0; going && i < plan->partition_count; i++)
        going = look_up_range(plan, kafka, &plan->partitions[i]);
}

/* --- the group --- */

/* Listing asks every broker for the groups that it has, and makes none. */
static bool look_for_group(struct plan *plan, struct plan_kafka *kafka)
{
    const struct rd_kafka_group_list *list = NULL;
    rd_kafka_resp_err_t code = rd_kafka_list_groups(kafka->client, plan->settings->group, &list, ANSWER_MS);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR &&
        !(code == RD_KAFKA_RESP_ERR__PARTIAL && list && list->group_cnt)) {
        if (list)
            rd_kafka_group_list_destroy(list);
        trouble_of(kafka);
        return fail_kafka(plan, kafka, "the consumer groups can't be listed", code);
    }
    for (int i = 0; i < list->group_cnt; i++) {
        const struct rd_kafka_group_info *group = &list->groups[i];
        if (strcmp(group->group, plan->settings->group) != 0 || strcmp(group->state, "Dead") == 0)
            continue;
        plan->group_exists = true;
        plan->group_members = group->member_cnt;
        snprintf(plan->group_state, sizeof plan->group_state, "%s", group->state);
    }
    rd_kafka_group_list_destroy(list);
    return true;
}

static void take_commits(struct plan *plan, const rd_kafka_topic_partition_list_t *list)
{
    for (size_t i = 0; i < plan->partition_count; i++) {
        struct plan_partition *partition = &plan->partitions[i];
        const rd_kafka_topic_partition_t *commit = rd_kafka_topic_partition_list_find(
            (rd_kafka_topic_partition_list_t *)(uintptr_t)list, partition->topic, partition->partition);
        if (!commit || commit->offset < 0)
            continue;
        partition->has_commit = true;
        partition->committed = commit->offset;
        partition->commit_is_ours =
            resume_note_parse(commit->metadata, commit->metadata_size, &partition->note);
    }
}

static bool look_up_commits(struct plan *plan, struct plan_kafka *kafka)
{
    char ignored[128];
    size_t count = 0;
    rd_kafka_ListConsumerGroupOffsets_t *asked =
        rd_kafka_ListConsumerGroupOffsets_new(plan->settings->group, NULL);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(kafka->client, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(kafka->client);
    rd_kafka_AdminOptions_set_request_timeout(options, ANSWER_MS, ignored, sizeof ignored);
    rd_kafka_ListConsumerGroupOffsets(kafka->client, &asked, 1, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, ANSWER_MS + SLICE_MS);
    rd_kafka_resp_err_t code = event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    const rd_kafka_ListConsumerGroupOffsets_result_t *result =
        event ? rd_kafka_event_ListConsumerGroupOffsets_result(event) : NULL;
    const rd_kafka_group_result_t **groups =
        result ? rd_kafka_ListConsumerGroupOffsets_result_groups(result, &count) : NULL;
    const rd_kafka_error_t *error = count ? rd_kafka_group_result_error(groups[0]) : NULL;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && error)
        code = rd_kafka_error_code(error);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && count)
        take_commits(plan, rd_kafka_group_result_partitions(groups[0]));
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ListConsumerGroupOffsets_destroy(asked);
    trouble_of(kafka);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ||
           fail_kafka(plan, kafka, "the group's committed offsets can't be looked up", code);
}

/* --- dead letters --- */

static void look_up_dead_letters(struct plan *plan, struct plan_kafka *kafka)
{
    struct upsink_error err;
    if (plan->settings->on_error != ON_ERROR_DLQ)
        return;
    plan->dlq_known = dlq_topic_describe(kafka->client, &kafka->trouble, plan->settings->dlq_topic, ANSWER_MS,
                                         &plan->dlq, &err);
    if (!plan->dlq_known)
        plan_add_problem(plan, &err);
}

void plan_look_at_kafka(struct plan *plan, struct plan_kafka *kafka)
{
    if (!reach(plan, kafka))
        return;
    look_up_topics(plan, kafka);
    look_up_ranges(plan, kafka);
    plan->group_known = look_for_group(plan, kafka) && (!plan->group_exists || look_up_commits(plan, kafka));
    look_up_dead_letters(plan, kafka);
}
