/* What the group gives and takes: partitions. */
#include "connector/source_inside.h"

#include "log.h"

#include <stdlib.h>

rd_kafka_topic_partition_list_t *source_list_of(const char *topic, int32_t partition, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = offset;
    return list;
}

/* Where the records of a partition go; a NULL queue takes them back to the consumer's own. */
static void forward_partition(struct source *source, const rd_kafka_topic_partition_t *partition,
                              rd_kafka_queue_t *to)
{
    rd_kafka_queue_t *from =
        rd_kafka_queue_get_partition(source->consumer, partition->topic, partition->partition);
    if (from) {
        rd_kafka_queue_forward(from, to);
        rd_kafka_queue_destroy(from);
    }
}

static void take_error(struct source *source, rd_kafka_error_t *error, const char *what)
{
    if (!error)
        return;
    log_write(LOG_LEVEL_ERROR, what, LOG_STR("view", source->view->name),
              LOG_STR("reason", rd_kafka_error_string(error)));
    rd_kafka_error_destroy(error);
}

/* The caller holds owned_lock. */
static struct owned *find_owned(struct source *source, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < source->owned_count; i++)
        if (source->owned[i].partition == partition && strcmp(source->owned[i].topic, topic) == 0)
            return &source->owned[i];
    return NULL;
}

static bool add_owned(struct source *source, const char *topic, int32_t partition)
{
    if (find_owned(source, topic, partition))
        return true;
    if (source->owned_count == source->owned_room) {
        size_t room = source->owned_room ? source->owned_room * 2 : 16;
        struct owned *owned = realloc(source->owned, room * sizeof *owned);
        if (!owned)
            return false;
        source->owned = owned;
        source->owned_room = room;
    }
    char *name = strdup(topic);
    if (!name)
        return false;
    source->owned[source->owned_count++] = (struct owned){name, partition, false};
    return true;
}

static void remove_owned(struct source *source, struct owned *owned)
{
    free(owned->topic);
    *owned = source->owned[--source->owned_count];
}

void source_forget_owned(struct source *source)
{
    while (source->owned_count)
        remove_owned(source, &source->owned[0]);
    free(source->owned);
}

/* The group is told at once that we took them; each is opened by its worker, at the right offset. One that
 * there is no memory for is never routed, which `assigned` notices. One that comes while the group is left is
 * not wanted. */
static void take_partitions(struct source *source, rd_kafka_topic_partition_list_t *list)
{
    int count = atomic_load(&source->closing) ? 0 : list->cnt;
    for (int i = 0; i < count; i++) {
        const rd_kafka_topic_partition_t *partition = &list->elems[i];
        pthread_mutex_lock(&source->owned_lock);
        bool added = add_owned(source, partition->topic, partition->partition);
        pthread_mutex_unlock(&source->owned_lock);
        if (added)
            forward_partition(
                source, partition,
                source->handler.route(source->handler.context, partition->topic, partition->partition));
    }
    rd_kafka_topic_partition_list_t *none = rd_kafka_topic_partition_list_new(0);
    take_error(source, rd_kafka_incremental_assign(source->consumer, none), "partitions could not be taken");
    rd_kafka_topic_partition_list_destroy(none);
    for (int i = 0; i < count; i++)
        source->handler.assigned(source->handler.context, list->elems[i].topic, list->elems[i].partition);
}

static void drain_partitions(struct source *source, const rd_kafka_topic_partition_list_t *list)
{
    struct source_partition *partitions = calloc((size_t)list->cnt + 1, sizeof *partitions);
    if (!partitions)
        return;
    for (int i = 0; i < list->cnt; i++)
        partitions[i] = (struct source_partition){list->elems[i].topic, list->elems[i].partition};
    source->handler.revoked(source->handler.context, partitions, (size_t)list->cnt,
                            rd_kafka_assignment_lost(source->consumer));
    free(partitions);
}

static void give_partitions(struct source *source, rd_kafka_topic_partition_list_t *list)
{
    pthread_mutex_lock(&source->owned_lock);
    source->giving_back = true;
    pthread_mutex_unlock(&source->owned_lock);
    drain_partitions(source, list);
    rd_kafka_topic_partition_list_t *open = rd_kafka_topic_partition_list_new(list->cnt);
    pthread_mutex_lock(&source->owned_lock);
    for (int i = 0; i < list->cnt; i++) {
        struct owned *owned = find_owned(source, list->elems[i].topic, list->elems[i].partition);
        if (owned && owned->open)
            rd_kafka_topic_partition_list_add(open, owned->topic, owned->partition);
        if (owned)
            remove_owned(source, owned);
    }
    take_error(source, rd_kafka_incremental_unassign(source->consumer, open),
               "partitions could not be given back");
    source->giving_back = false;
    pthread_mutex_unlock(&source->owned_lock);
    rd_kafka_topic_partition_list_destroy(open);
    for (int i = 0; i < list->cnt; i++)
        forward_partition(source, &list->elems[i], NULL);
}

void source_on_rebalance(rd_kafka_t *consumer, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct source *source = opaque;
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        source_clear_trouble(source);
        atomic_store(&source->in_touch, true);
        take_partitions(source, list);
        source->balanced = true;
    } else if (code == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
        give_partitions(source, list);
    } else {
        log_write(LOG_LEVEL_ERROR, "the group could not be balanced", LOG_STR("view", source->view->name),
                  LOG_STR("reason", rd_kafka_err2str(code)));
        rd_kafka_assign(consumer, NULL);
    }
}

static rd_kafka_resp_err_t take_code(rd_kafka_error_t *error)
{
    rd_kafka_resp_err_t code = error ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;
    if (error)
        rd_kafka_error_destroy(error);
    return code;
}

bool source_open(struct source *source, const struct lane *lane, rd_kafka_queue_t *queue,
                 struct upsink_error *err)
{
    rd_kafka_topic_partition_list_t *list = source_list_of(lane->topic, lane->partition, lane->expected);
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST;
    pthread_mutex_lock(&source->owned_lock);
    /* Lanes are revoked while this says so. */
    bool is_ours = !source->giving_back && !atomic_load(&lane->revoked);
    struct owned *owned = is_ours ? find_owned(source, lane->topic, lane->partition) : NULL;
    if (owned) {
        code = owned->open ? take_code(rd_kafka_incremental_unassign(source->consumer, list))
                           : RD_KAFKA_RESP_ERR_NO_ERROR;
        owned->open = false;
        list->elems[0].offset = lane->expected;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            code = take_code(rd_kafka_incremental_assign(source->consumer, list));
        owned->open = code == RD_KAFKA_RESP_ERR_NO_ERROR;
        /* Stopping took the forwarding away, and is over now: librdkafka carries these requests out in their
         * order. */
        forward_partition(source, &list->elems[0], queue);
    }
    pthread_mutex_unlock(&source->owned_lock);
    rd_kafka_topic_partition_list_destroy(list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ||
           source_fail_kafka(source, "a partition can't be opened", code, err);
}
