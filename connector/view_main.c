/* The view's own thread: polls the consumer, watches over lag and the end. */
#include "connector/view.h"

#include "clock.h"
#include "log.h"

#include <time.h>

enum { POLL_MS = 50 };

#define LEADERS_INTERVAL (5 * CLOCK_SECOND)

static bool look_up_ends(struct view *view, struct upsink_error *err)
{
    source_ends_free(view->ends, view->end_count);
    view->ends = NULL;
    view->end_count = 0;
    if (!source_partitions(view->source, &view->ends, &view->end_count, err))
        return false;
    for (size_t i = 0; i < view->end_count; i++) {
        view->ends[i].end = source_high(view->source, view->ends[i].topic, view->ends[i].partition);
        if (view->ends[i].end < 0)
            return upsink_fail(err, UPSINK_ERR_OUTAGE, "kafka_unreachable",
                               "the end of topic %s partition %d can't be looked up", view->ends[i].topic,
                               view->ends[i].partition);
    }
    return true;
}

/* Has every partition reached the end that it had at start, here or at another instance? Committed offsets
 * alone don't tell: the target may be lost or the topic another one, which only the start of a partition
 * finds out. */
static bool has_reached_ends(struct view *view)
{
    if (!source_is_balanced(view->source))
        return false;
    for (size_t e = 0; e < view->end_count; e++) {
        const struct source_end *end = &view->ends[e];
        int64_t done = -1;
        pthread_mutex_lock(&view->lock);
        size_t i = view_find_lane(view, end->topic, end->partition);
        if (i != SIZE_MAX && view->lanes[i]->state == LANE_ACTIVE)
            done = atomic_load(&view->lanes[i]->done);
        pthread_mutex_unlock(&view->lock);
        if (i == SIZE_MAX && end->end > 0)
            done = source_committed(view->source, end->topic, end->partition);
        if (done < end->end && (i != SIZE_MAX || end->end > 0))
            return false;
    }
    return true;
}

static void update_lag(struct view *view)
{
    pthread_mutex_lock(&view->lock);
    for (size_t i = 0; i < view->lane_count; i++) {
        struct lane *lane = view->lanes[i];
        int64_t high = source_cached_high(view->source, lane->topic, lane->partition),
                done = atomic_load(&lane->done);
        if (high >= 0 && done >= 0)
            metrics_set(&lane->metrics->lag, high > done ? high - done : 0);
    }
    pthread_mutex_unlock(&view->lock);
}

/* librdkafka says nothing while it waits for a partition's leader. */
static void note_leader(void *context, const char *topic, int32_t partition, bool has_leader)
{
    struct view *view = context;
    pthread_mutex_lock(&view->lock);
    size_t i = view_find_lane(view, topic, partition);
    bool changed = i != SIZE_MAX && view->lanes[i]->leaderless == has_leader;
    if (changed)
        view->lanes[i]->leaderless = !has_leader;
    pthread_mutex_unlock(&view->lock);
    if (changed)
        log_write(has_leader ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
                  has_leader ? "the partition has a leader again"
                             : "the partition has no leader, its brokers are away; it is waited for",
                  LOG_STR("view", view->settings->name), LOG_STR("topic", topic),
                  LOG_INT("partition", partition));
}

static size_t count_lanes(struct view *view)
{
    pthread_mutex_lock(&view->lock);
    size_t count = view->lane_count;
    pthread_mutex_unlock(&view->lock);
    return count;
}

/* Says so while the topic is missing; with --until-end there is nothing to wait for. */
static void look_for_topic(struct view *view, bool *ends_known)
{
    struct upsink_error err;
    upsink_error_clear(&err);
    if (look_up_ends(view, &err)) {
        *ends_known = true;
        view_report(view, NULL, NULL);
        return;
    }
    if (view->until_end && strcmp(err.code, "unknown_topic") == 0 && view->topic_missed++ > 0) {
        err.cls = UPSINK_ERR_FATAL;
        view_halt(view, &err);
    } else if (err.cls == UPSINK_ERR_CONFIG) {
        view_halt(view, &err);
    } else {
        view_report(view, NULL, &err);
    }
}

/* Sinks leave long waits when the program stops; the library of one may know no way to. */
static bool has_ended(const struct view *view, const struct worker *worker)
{
    while (!atomic_load(&worker->ended) && !view_has_waited_enough(view))
        nanosleep(&(struct timespec){0, 10 * 1000 * 1000}, NULL);
    return atomic_load(&worker->ended);
}

void view_abandon(struct view *view)
{
    if (!atomic_exchange(&view->abandoned, true))
        log_write(LOG_LEVEL_WARN,
                  "a call to the sink or to Kafka does not come back: the program ends without it, and what "
                  "was under way comes again",
                  LOG_STR("view", view->settings->name), LOG_STR("sink", view->sink_name));
}

static void join_workers(struct view *view)
{
    for (int i = 0; i < view->worker_count; i++) {
        struct worker *worker = &view->workers[i];
        if (!worker->started)
            continue;
        if (has_ended(view, worker))
            pthread_join(worker->thread, NULL);
        else
            view_abandon(view);
    }
}

static bool start_workers(struct view *view, struct upsink_error *err)
{
    for (int i = 0; i < view->worker_count; i++) {
        struct worker *worker = &view->workers[i];
        worker->started = pthread_create(&worker->thread, NULL, worker_main, worker) == 0;
        if (!worker->started)
            return upsink_fail(err, UPSINK_ERR_FATAL, "no_threads", "view %s can't start its threads",
                               view->settings->name);
    }
    return true;
}

/* The target is made and claimed when there is a partition to fill it from: a misspelt topic leaves nothing
 * behind. A target that can't be used keeps the view out of the group. */
static bool begin(struct view *view)
{
    struct upsink_error err;
    upsink_error_clear(&err);
    bool good = worker_look(&view->workers[0], &err);
    atomic_store(&view->looking, false);
    atomic_store(&view->looked, good);
    if (!good && (err.cls == UPSINK_ERR_OUTAGE || err.cls == UPSINK_ERR_UNKNOWN)) {
        view_report(view, &view->workers[0], &err);
        good = true;
    }
    if (good && atomic_load(&view->stopping))
        return false;
    view->subscribed = good && source_subscribe(view->source, &err);
    good = view->subscribed && start_workers(view, &err);
    if (!good)
        view_halt(view, &err);
    return good;
}

static void wait_for_stop(const struct view *view)
{
    while (!atomic_load(&view->stopping))
        nanosleep(&(struct timespec){0, POLL_MS * 1000 * 1000}, NULL);
}

void *view_main(void *context)
{
    struct view *view = context;
    struct upsink_error err;
    bool begun = begin(view), ends_known = false;
    int64_t look_at = 0, lag_at = 0, end_at = 0, leaders_at = 0;
    if (!begun)
        wait_for_stop(view);
    while (!atomic_load(&view->stopping)) {
        upsink_error_clear(&err);
        if (!source_poll(view->source, POLL_MS, &err))
            view_halt(view, &err);
        int64_t now = clock_monotonic_us();
        if (!ends_known && now >= look_at &&
            (view->until_end || view->trouble[0] || count_lanes(view) == 0)) {
            look_for_topic(view, &ends_known);
            look_at = clock_monotonic_us() + 2 * CLOCK_SECOND;
        }
        if (now >= lag_at) {
            update_lag(view);
            lag_at = now + CLOCK_SECOND;
        }
        if (now >= leaders_at && count_lanes(view) > 0) {
            source_visit_leaders(view->source, note_leader, view);
            leaders_at = clock_monotonic_us() + LEADERS_INTERVAL;
        }
        if (view->until_end && ends_known && now >= end_at) {
            bool reached = has_reached_ends(view);
            end_at = clock_monotonic_us() + (count_lanes(view) ? CLOCK_SECOND / 20 : CLOCK_SECOND);
            if (reached)
                atomic_store(&view->finished, true);
        }
    }
    join_workers(view);
    if (view->subscribed && !source_close(view->source))
        view_abandon(view);
    return NULL;
}
