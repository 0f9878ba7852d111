/* The partitions of a view: which worker has which, and how they come and go. */
#include "connector/view.h"

#include "clock.h"
#include "condition.h"
#include "log.h"

#include <stdlib.h>

/* The worker with the fewest partitions; the caller holds the lock. */
static struct worker *choose_worker(struct view *view)
{
    struct worker *best = &view->workers[0];
    for (int i = 1; i < view->worker_count; i++)
        if (view->workers[i].assigned < best->assigned)
            best = &view->workers[i];
    return best;
}

size_t view_find_lane(const struct view *view, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < view->lane_count; i++)
        if (view->lanes[i]->partition == partition && !atomic_load(&view->lanes[i]->revoked) &&
            strcmp(view->lanes[i]->topic, topic) == 0)
            return i;
    return SIZE_MAX;
}

/* The caller holds the lock. */
void view_share_window_budget(struct view *view)
{
    size_t fits = VIEW_WINDOW_BYTES / WINDOW_BYTES_PER_RECORD / (view->lane_count ? view->lane_count : 1);
    size_t wanted = view->settings->dedup_window;
    size_t limit = wanted < fits ? wanted : fits;
    atomic_store(&view->window_limit, limit < WINDOW_LIMIT_MAX ? (uint32_t)limit : WINDOW_LIMIT_MAX);
}

static bool grow_pointers(struct lane ***items, size_t *room, size_t count)
{
    if (count < *room)
        return true;
    size_t more = *room ? *room * 2 : 16;
    struct lane **grown = realloc(*items, more * sizeof *grown);
    if (!grown)
        return false;
    *items = grown;
    *room = more;
    return true;
}

/* The lane is made when its queue is chosen, and handed over when the partition is ours. */
rd_kafka_queue_t *view_route_partition(void *context, const char *topic, int32_t partition)
{
    struct view *view = context;
    struct metrics_partition *metrics = metrics_partition(view->metrics, topic, partition);
    rd_kafka_queue_t *queue = NULL;
    pthread_mutex_lock(&view->lock);
    struct worker *worker = choose_worker(view);
    struct lane *lane =
        metrics ? lane_create(topic, partition, atomic_load(&view->window_limit), metrics) : NULL;
    if (lane && grow_pointers(&view->lanes, &view->lane_room, view->lane_count)) {
        lane->worker = worker;
        view->lanes[view->lane_count++] = lane;
        worker->assigned++;
        view_share_window_budget(view);
        queue = worker->queue;
    } else {
        lane_destroy(lane);
    }
    pthread_mutex_unlock(&view->lock);
    if (!queue) {
        struct upsink_error err;
        upsink_fail(&err, UPSINK_ERR_FATAL, "out_of_memory", "no memory for one more partition");
        view_halt(view, &err);
    }
    return queue;
}

void view_take_partition(void *context, const char *topic, int32_t partition)
{
    struct view *view = context;
    bool taken = false;
    pthread_mutex_lock(&view->lock);
    size_t i = view_find_lane(view, topic, partition);
    if (i != SIZE_MAX) {
        struct worker *worker = view->lanes[i]->worker;
        taken = grow_pointers(&worker->inbox, &worker->inbox_room, worker->inbox_count);
        if (taken)
            worker->inbox[worker->inbox_count++] = view->lanes[i];
        rd_kafka_queue_yield(worker->queue);
    }
    pthread_cond_broadcast(&view->changed);
    pthread_mutex_unlock(&view->lock);
    if (!taken) {
        struct upsink_error err;
        upsink_fail(&err, UPSINK_ERR_FATAL, "out_of_memory", "no memory for partition %d of topic %s",
                    (int)partition, topic);
        view_halt(view, &err);
    }
    log_write(LOG_LEVEL_INFO, "partition assigned", LOG_STR("view", view->settings->name),
              LOG_STR("topic", topic), LOG_INT("partition", partition));
}

/* The caller holds the lock. */
static void remove_lane(struct view *view, size_t i)
{
    struct lane *lane = view->lanes[i];
    lane->worker->assigned--;
    view->lane_count--;
    view->lanes[i] = view->lanes[view->lane_count];
    view_share_window_budget(view);
    metrics_set(&lane->metrics->lag, -1);
    lane_destroy(lane);
}

/* A worker that is held up by an outage has not even seen what it was given since. The caller holds the lock.
 */
static bool take_back(struct worker *worker, const struct lane *lane)
{
    for (size_t i = 0; i < worker->inbox_count; i++)
        if (worker->inbox[i] == lane) {
            worker->inbox[i] = worker->inbox[--worker->inbox_count];
            return true;
        }
    return false;
}

static bool any_revoked(const struct view *view)
{
    for (size_t i = 0; i < view->lane_count; i++)
        if (atomic_load(&view->lanes[i]->revoked))
            return true;
    return false;
}

static void wait_changed(struct view *view)
{
    condition_wait(&view->changed, &view->lock, clock_monotonic_us() + CLOCK_SECOND);
}

void view_give_partitions(void *context, const struct source_partition *partitions, size_t count, bool lost)
{
    struct view *view = context;
    int64_t begin = clock_monotonic_us();
    pthread_mutex_lock(&view->lock);
    for (size_t p = 0; p < count; p++) {
        size_t i = view_find_lane(view, partitions[p].topic, partitions[p].partition);
        if (i == SIZE_MAX)
            continue;
        struct worker *worker = view->lanes[i]->worker;
        if (take_back(worker, view->lanes[i])) {
            remove_lane(view, i);
            continue;
        }
        atomic_store(&view->lanes[i]->revoked, true);
        metrics_set(&view->lanes[i]->metrics->lag, -1);
        rd_kafka_queue_yield(worker->queue);
    }
    pthread_cond_broadcast(&view->changed);
    while (!lost && any_revoked(view) && !view_has_waited_enough(view) &&
           clock_monotonic_us() - begin < source_drain_limit_us(view->source))
        wait_changed(view);
    bool drained = !any_revoked(view);
    pthread_mutex_unlock(&view->lock);
    log_write(drained || lost ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
              lost ? "partitions lost" : "partitions given back", LOG_STR("view", view->settings->name),
              LOG_INT("partitions", count), LOG_BOOL("drained", drained),
              LOG_INT("milliseconds", (clock_monotonic_us() - begin) / 1000));
}

void view_release_lane(struct view *view, struct lane *lane)
{
    pthread_mutex_lock(&view->lock);
    for (size_t i = 0; i < view->lane_count; i++)
        if (view->lanes[i] == lane) {
            remove_lane(view, i);
            break;
        }
    pthread_cond_broadcast(&view->changed);
    pthread_mutex_unlock(&view->lock);
}
