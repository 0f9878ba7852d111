/* What is asked of Kafka. */
#include "connector/source_inside.h"

#include "kafka_ends.h"

#include <regex.h>
#include <stdlib.h>

enum { ANSWER_MS = 5000, METADATA_MS = 5000, PROBE_MS = 500 };

bool source_fail_kafka(struct source *source, const char *what, rd_kafka_resp_err_t code,
                       struct upsink_error *err)
{
    char trouble[256];
    source_trouble(source, trouble, sizeof trouble);
    upsink_fail(err, UPSINK_ERR_OUTAGE, "kafka_unreachable", "%s: %s", what,
                trouble[0] ? trouble : rd_kafka_err2str(code));
    upsink_error_detail(err, "%s", rd_kafka_err2name(code));
    return false;
}

struct partition_list {
    struct source_end *items;
    size_t count, room;
};

static bool add_partition(struct partition_list *list, const char *topic, int32_t partition)
{
    if (list->count == list->room) {
        size_t room = list->room ? list->room * 2 : 16;
        struct source_end *items = realloc(list->items, room * sizeof *items);
        if (!items)
            return false;
        list->items = items;
        list->room = room;
    }
    struct source_end *item = &list->items[list->count];
    *item = (struct source_end){strdup(topic), partition, -1};
    if (!item->topic)
        return false;
    list->count++;
    return true;
}

void source_ends_free(struct source_end *ends, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(ends[i].topic);
    free(ends);
}

static bool add_topic(struct source *source, struct partition_list *list,
                      const rd_kafka_metadata_topic_t *topic, struct upsink_error *err)
{
    if (topic->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
        topic->err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
        return upsink_fail(err, UPSINK_ERR_OUTAGE, "unknown_topic",
                           "topic %s of view %s does not exist: create it, or correct the name", topic->topic,
                           source->view->name);
    if (topic->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return source_fail_kafka(source, "the topic can't be looked up", topic->err, err);
    bool ok = true;
    for (int p = 0; ok && p < topic->partition_cnt; p++)
        ok = add_partition(list, topic->topic, topic->partitions[p].id);
    return ok || upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "no memory for the list of partitions");
}

static bool is_pattern(const struct view_config *view)
{
    return view->topic_count == 1 && view->topics[0][0] == '^';
}

static bool add_matching(struct source *source, struct partition_list *list, struct upsink_error *err)
{
    const rd_kafka_metadata_t *metadata = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(source->consumer, 1, NULL, &metadata, METADATA_MS);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return source_fail_kafka(source, "Kafka's topics can't be listed", code, err);
    regex_t pattern;
    if (regcomp(&pattern, source->view->topics[0], REG_EXTENDED | REG_NOSUB) != 0) {
        rd_kafka_metadata_destroy(metadata);
        return upsink_fail(err, UPSINK_ERR_CONFIG, "topic_invalid",
                           "views.%s.topic: %s is not a regular expression", source->view->name,
                           source->view->topics[0]);
    }
    bool ok = true;
    for (int i = 0; ok && i < metadata->topic_cnt; i++)
        if (regexec(&pattern, metadata->topics[i].topic, 0, NULL, 0) == 0)
            ok = add_topic(source, list, &metadata->topics[i], err);
    regfree(&pattern);
    rd_kafka_metadata_destroy(metadata);
    if (ok && list->count == 0)
        ok = upsink_fail(
            err, UPSINK_ERR_OUTAGE, "unknown_topic",
            "no topic matches %s, the expression of view %s: create one, or correct the expression",
            source->view->topics[0], source->view->name);
    return ok;
}

static bool add_named(struct source *source, struct partition_list *list, const char *name,
                      struct upsink_error *err)
{
    const rd_kafka_metadata_t *metadata = NULL;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(source->consumer, name, NULL);
    if (!topic)
        return source_fail_kafka(source, "the topic can't be looked up", rd_kafka_last_error(), err);
    rd_kafka_resp_err_t code = rd_kafka_metadata(source->consumer, 0, topic, &metadata, METADATA_MS);
    rd_kafka_topic_destroy(topic);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return source_fail_kafka(source, "the topic can't be looked up", code, err);
    bool ok = metadata->topic_cnt != 1 || add_topic(source, list, &metadata->topics[0], err);
    rd_kafka_metadata_destroy(metadata);
    return ok;
}

bool source_partitions(struct source *source, struct source_end **ends, size_t *count,
                       struct upsink_error *err)
{
    struct partition_list list = {0};
    bool ok = true;
    if (is_pattern(source->view))
        ok = add_matching(source, &list, err);
    else
        for (size_t i = 0; ok && i < source->view->topic_count; i++)
            ok = add_named(source, &list, source->view->topics[i], err);
    if (!ok) {
        source_ends_free(list.items, list.count);
        return false;
    }
    *ends = list.items;
    *count = list.count;
    atomic_store(&source->in_touch, true);
    return true;
}

int32_t source_partition_count(struct source *source, const char *name)
{
    const rd_kafka_metadata_t *metadata = NULL;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(source->consumer, name, NULL);
    int32_t count = 0;
    if (topic &&
        rd_kafka_metadata(source->consumer, 0, topic, &metadata, METADATA_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        count = metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
        rd_kafka_metadata_destroy(metadata);
    }
    if (topic)
        rd_kafka_topic_destroy(topic);
    return count;
}

/* It is written once, and stays as long as the source: half of it would be another cluster. "" unknown. */
static const char *find_cluster(struct source *source)
{
    pthread_mutex_lock(&source->lock);
    bool known = source->cluster[0];
    pthread_mutex_unlock(&source->lock);
    if (known)
        return source->cluster;
    char *cluster = rd_kafka_clusterid(source->consumer, ANSWER_MS);
    pthread_mutex_lock(&source->lock);
    if (cluster && !source->cluster[0] && !strpbrk(cluster, " \t\r\n"))
        snprintf(source->cluster, sizeof source->cluster, "%s", cluster);
    known = source->cluster[0];
    pthread_mutex_unlock(&source->lock);
    if (cluster)
        rd_kafka_mem_free(source->consumer, cluster);
    return known ? source->cluster : "";
}

bool source_facts(struct source *source, const char *topic, int32_t partition, struct resume_facts *facts,
                  struct upsink_error *err)
{
    rd_kafka_resp_err_t code =
        kafka_ends(source->consumer, topic, partition, &facts->low, &facts->high, ANSWER_MS);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return source_fail_kafka(source, "the ends of a partition can't be looked up", code, err);
    rd_kafka_topic_partition_list_t *list = source_list_of(topic, partition, RD_KAFKA_OFFSET_INVALID);
    code = rd_kafka_committed(source->consumer, list, ANSWER_MS);
    const rd_kafka_topic_partition_t *committed = &list->elems[0];
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = committed->err;
    facts->has_commit = code == RD_KAFKA_RESP_ERR_NO_ERROR && committed->offset >= 0;
    facts->commit_offset = facts->has_commit ? committed->offset : -1;
    facts->commit_is_ours =
        facts->has_commit &&
        resume_note_parse(committed->metadata, committed->metadata_size, &facts->commit_note);
    rd_kafka_topic_partition_list_destroy(list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return source_fail_kafka(source, "the group's committed offset can't be looked up", code, err);
    facts->cluster = find_cluster(source);
    facts->from_latest = source->from_latest;
    return true;
}

/* Troubles with a topic that an answer about the topic disproves. */
static bool is_about_topics(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
           code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
           code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE ||
           code == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION;
}

void source_visit_leaders(struct source *source,
                          void (*visit)(void *context, const char *topic, int32_t partition, bool has_leader),
                          void *context)
{
    const rd_kafka_metadata_t *metadata = NULL;
    bool all_well = true;
    if (rd_kafka_metadata(source->consumer, 0, NULL, &metadata, PROBE_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    for (int t = 0; t < metadata->topic_cnt; t++) {
        const rd_kafka_metadata_topic_t *topic = &metadata->topics[t];
        all_well = all_well && topic->err == RD_KAFKA_RESP_ERR_NO_ERROR;
        for (int p = 0; p < topic->partition_cnt; p++) {
            bool has_leader = topic->partitions[p].leader >= 0;
            all_well = all_well && has_leader;
            visit(context, topic->topic, topic->partitions[p].id, has_leader);
        }
    }
    pthread_mutex_lock(&source->lock);
    bool over = all_well && metadata->topic_cnt > 0 && is_about_topics(source->trouble_code);
    pthread_mutex_unlock(&source->lock);
    if (over)
        source_clear_trouble(source);
    rd_kafka_metadata_destroy(metadata);
}

int64_t source_high(struct source *source, const char *topic, int32_t partition)
{
    int64_t high;
    rd_kafka_resp_err_t code = kafka_end(source->consumer, topic, partition, KAFKA_HIGH, &high, ANSWER_MS);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? high : -1;
}

int64_t source_cached_high(struct source *source, const char *topic, int32_t partition)
{
    int64_t low, high;
    if (rd_kafka_get_watermark_offsets(source->consumer, topic, partition, &low, &high) !=
        RD_KAFKA_RESP_ERR_NO_ERROR)
        return -1;
    return high; /* negative where nothing was fetched yet */
}

int64_t source_cached_low(struct source *source, const char *topic, int32_t partition)
{
    int64_t low, high;
    if (rd_kafka_get_watermark_offsets(source->consumer, topic, partition, &low, &high) !=
        RD_KAFKA_RESP_ERR_NO_ERROR)
        return -1;
    return low;
}

int64_t source_committed(struct source *source, const char *topic, int32_t partition)
{
    rd_kafka_topic_partition_list_t *list = source_list_of(topic, partition, RD_KAFKA_OFFSET_INVALID);
    int64_t offset = -1;
    if (rd_kafka_committed(source->consumer, list, ANSWER_MS) == RD_KAFKA_RESP_ERR_NO_ERROR &&
        list->elems[0].offset >= 0)
        offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return offset;
}
