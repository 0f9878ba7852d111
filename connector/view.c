#include "connector/view.h"

#include "clock.h"
#include "condition.h"
#include "log.h"
#include "sinks/registry.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { STOP_ABOVE_RECORDS = 1000, STOP_ABOVE_LEAST = 100 };

static void log_from_sink(void *context, enum upsink_log_level level, const char *text)
{
    const struct worker *worker = context;
    log_write((enum log_level)level, text, LOG_STR("view", worker->view->settings->name),
              LOG_STR("sink", worker->view->sink_name), LOG_INT("worker", worker->number));
}

static bool sink_must_stop(void *context)
{
    const struct worker *worker = context;
    return atomic_load(&worker->view->stopping);
}

/* --- state --- */

void view_halt(struct view *view, const struct upsink_error *err)
{
    bool first = false;
    pthread_mutex_lock(&view->lock);
    if (!atomic_load(&view->halted)) {
        view->halt_error = *err;
        atomic_store(&view->halted, true);
        first = true;
    }
    pthread_mutex_unlock(&view->lock);
    if (first)
        log_write(LOG_LEVEL_ERROR, err->text, LOG_STR("view", view->settings->name),
                  LOG_STR("code", err->code), LOG_STR("detail", err->detail[0] ? err->detail : NULL));
}

static bool is_sink_error(const struct upsink_error *err)
{
    return strncmp(err->code, "kafka", 5) != 0 && strncmp(err->code, "dlq", 3) != 0 &&
           strcmp(err->code, "unknown_topic") != 0;
}

void view_report(struct view *view, struct worker *worker, const struct upsink_error *err)
{
    char *trouble = worker ? worker->trouble : view->trouble;
    const struct log_field number = worker ? LOG_INT("worker", worker->number) : LOG_STR("worker", NULL);
    pthread_mutex_lock(&view->lock);
    bool was_in_trouble = trouble[0];
    trouble[0] = '\0';
    if (err)
        snprintf(trouble, sizeof view->trouble, "%s (%s)", err->text[0] ? err->text : "unknown trouble",
                 err->code);
    pthread_mutex_unlock(&view->lock);
    if (err) {
        static struct log_limit limit;
        int64_t held_back = 0;
        char text[sizeof err->text + 32];
        snprintf(text, sizeof text, "%s; it is tried again", err->text);
        if (worker && is_sink_error(err))
            metrics_set(&view->metrics->sink_up, 0);
        if (!was_in_trouble || log_limit_pass(&limit, 5 * CLOCK_SECOND, &held_back))
            log_write(LOG_LEVEL_WARN, text, LOG_STR("view", view->settings->name), LOG_STR("code", err->code),
                      LOG_STR("detail", err->detail[0] ? err->detail : NULL), number,
                      LOG_INT("held_back", held_back));
        return;
    }
    if (worker)
        metrics_set(&view->metrics->sink_up, 1);
    if (was_in_trouble && !atomic_load(&view->stopping))
        log_write(LOG_LEVEL_INFO, "going on: what was in the way is gone",
                  LOG_STR("view", view->settings->name), number);
}

bool view_is_ready(struct view *view, struct buf *reasons)
{
    char trouble[256];
    bool ready = true;
    source_trouble(view->source, trouble, sizeof trouble);
    pthread_mutex_lock(&view->lock);
    if (atomic_load(&view->halted)) {
        ready = false;
        buf_printf(reasons, "%s: stopped: %s (%s)\n", view->settings->name, view->halt_error.text,
                   view->halt_error.code);
    }
    if (ready && atomic_load(&view->looking)) {
        ready = false;
        buf_printf(reasons, "%s: it starts, and looks at its target\n", view->settings->name);
    }
    for (int i = 0; ready && i < view->worker_count; i++)
        if (view->workers[i].trouble[0]) {
            ready = false;
            buf_printf(reasons, "%s: %s\n", view->settings->name, view->workers[i].trouble);
        }
    for (size_t i = 0; ready && i < view->lane_count; i++)
        if (view->lanes[i]->trouble[0]) {
            ready = false;
            buf_printf(reasons, "%s: topic %s partition %d can't be read: %s (partition_unreadable)\n",
                       view->settings->name, view->lanes[i]->topic, (int)view->lanes[i]->partition,
                       view->lanes[i]->trouble);
        } else if (view->lanes[i]->leaderless) {
            ready = false;
            buf_printf(reasons,
                       "%s: topic %s partition %d can't be read: it has no leader, its brokers are away "
                       "(partition_unreadable)\n",
                       view->settings->name, view->lanes[i]->topic, (int)view->lanes[i]->partition);
        }
    if (ready && view->trouble[0]) {
        ready = false;
        buf_printf(reasons, "%s: %s\n", view->settings->name, view->trouble);
    }
    if (ready && trouble[0]) {
        ready = false;
        buf_printf(reasons, "%s: Kafka: %s (kafka_unreachable)\n", view->settings->name, trouble);
    }
    pthread_mutex_unlock(&view->lock);
    return ready;
}

static void push_outcome(struct view *view, bool failed)
{
    uint64_t bit = UINT64_C(1) << (view->recent_next % 64), *word = &view->recent[view->recent_next / 64];
    if (view->recent_count == STOP_ABOVE_RECORDS)
        view->recent_failed -= (*word & bit) != 0;
    else
        view->recent_count++;
    *word = failed ? *word | bit : *word & ~bit;
    view->recent_failed += failed;
    view->recent_next = (view->recent_next + 1) % STOP_ABOVE_RECORDS;
}

void view_count_outcomes(struct view *view, size_t good, size_t failed)
{
    double stop_above = view->settings->dlq_stop_above;
    bool stop = false;
    size_t total = good + failed;
    pthread_mutex_lock(&view->lock);
    view->dead_letters += failed;
    /* The failures of a batch count as spread evenly over it. */
    size_t skip = total > STOP_ABOVE_RECORDS ? total - STOP_ABOVE_RECORDS : 0;
    for (size_t i = skip; stop_above >= 0 && i < total; i++)
        push_outcome(view, (i + 1) * failed / total > i * failed / total);
    stop = stop_above >= 0 && view->recent_count >= STOP_ABOVE_LEAST &&
           (double)view->recent_failed > stop_above * (double)view->recent_count;
    uint32_t count = view->recent_count, bad = view->recent_failed;
    pthread_mutex_unlock(&view->lock);
    if (!stop)
        return;
    struct upsink_error err;
    upsink_fail(&err, UPSINK_ERR_FATAL, "stop_above",
                "%u of the last %u records of view %s failed, more than dlq.stop_above allows (%.0f%%). Look "
                "at them with "
                "`upsink dlq stats %s`, mend the cause, then start upsink again",
                bad, count, view->settings->name, stop_above * 100, view->settings->name);
    view_halt(view, &err);
}

/* --- life --- */

void view_place_error(const struct view_config *settings, struct upsink_error *err)
{
    struct upsink_error inner = *err;
    if (settings->settings_place && strcmp(inner.code, "bad_setting") == 0)
        upsink_fail(err, inner.cls, inner.code, "%.120s: %s", settings->settings_place, inner.text);
}

void view_describe_target(const struct view_config *settings, const struct mapping *mapping,
                          struct upsink_view *target)
{
    *target = (struct upsink_view){
        .size = sizeof *target,
        .name = settings->name,
        .topic = settings->topic_text,
        .several_topics = settings->topic_count > 1 || settings->topics[0][0] == '^',
        .versioned = mapping_has_version(mapping),
        .change_id_is_hash = settings->mapping.change_id_hash,
        .url = settings->url,
        .target = settings->target,
        .default_target = settings->default_target,
        .delete_mode =
            settings->mapping.delete_policy == DELETE_SOFT ? UPSINK_DELETE_SOFT : UPSINK_DELETE_HARD,
        .create = settings->create,
        .timeout_us = settings->timeout_us,
        .settings = settings->settings,
        .setting_count = settings->setting_count,
    };
}

static int count_workers(const struct upsink_sink_type *type)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int count = cores < 2 ? 2 : cores > VIEW_WORKERS_MAX ? VIEW_WORKERS_MAX : (int)cores;
    return type->max_writers && (uint32_t)count > type->max_writers ? (int)type->max_writers : count;
}

static bool open_workers(struct view *view, struct upsink_error *err)
{
    for (int i = 0; i < view->worker_count; i++) {
        struct worker *worker = &view->workers[i];
        worker->view = view;
        worker->number = i;
        worker->host = (struct upsink_host){sizeof worker->host, worker, log_from_sink, sink_must_stop};
        backoff_init(&worker->backoff, view->settings->retry_initial_us, view->settings->retry_max_us, NULL,
                     NULL);
        batch_init(&worker->batch, view->target.versioned, view->target.delete_mode == UPSINK_DELETE_SOFT,
                   view->target.change_id_is_hash);
        if (!view->type->open(&worker->sink, &view->target, &worker->host, err))
            return false;
    }
    snprintf(view->sink_name, sizeof view->sink_name, "%s", view->type->describe(view->workers[0].sink));
    return true;
}

static bool open_queues(struct view *view, struct upsink_error *err)
{
    for (int i = 0; i < view->worker_count; i++) {
        view->workers[i].queue = source_queue_create(view->source);
        if (!view->workers[i].queue)
            return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "no memory for view %s",
                               view->settings->name);
    }
    return true;
}

static bool open_dead_letters(struct view *view, struct upsink_error *err)
{
    if (view->settings->on_error != ON_ERROR_DLQ)
        return true;
    view->kafka_properties = calloc(view->config->kafka_count + 1, sizeof *view->kafka_properties);
    if (!view->kafka_properties)
        return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "no memory for view %s",
                           view->settings->name);
    for (size_t i = 0; i < view->config->kafka_count; i++)
        view->kafka_properties[i] =
            (struct dlq_property){view->config->kafka[i].name, view->config->kafka[i].value};
    view->kafka =
        (struct dlq_kafka){.properties = view->kafka_properties, .count = view->config->kafka_count};
    view->dlq = dlq_writer_create(&view->kafka, view->settings->dlq_topic, err);
    return view->dlq != NULL;
}

/* What the mapping or the sink says of the user's words, with the view that they stand in. */
static void name_view(const struct view_config *settings, struct upsink_error *err)
{
    struct upsink_error inner = *err;
    if (inner.cls == UPSINK_ERR_CONFIG)
        upsink_fail(err, inner.cls, inner.code, "view %.80s: %s", settings->name, inner.text);
    view_place_error(settings, err);
}

static bool open_target(struct view *view, struct upsink_error *err)
{
    view->mapping = mapping_create(&view->settings->mapping, err);
    view->type = view->mapping ? registry_find(view->settings->url, err) : NULL;
    if (!view->type)
        return false;
    view_describe_target(view->settings, view->mapping, &view->target);
    view->worker_count = count_workers(view->type);
    return open_workers(view, err);
}

struct view *view_create(const struct config *config, const struct view_config *settings, bool until_end,
                         struct metrics *metrics, struct upsink_error *err)
{
    struct view *view = calloc(1, sizeof *view);
    if (!view) {
        upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "no memory for view %s", settings->name);
        return NULL;
    }
    view->config = config;
    view->settings = settings;
    view->until_end = until_end;
    pthread_mutex_init(&view->lock, NULL);
    pthread_mutex_init(&view->dlq_lock, NULL);
    pthread_mutex_init(&view->prepare_lock, NULL);
    condition_init(&view->changed);
    view_share_window_budget(view);
    struct source_handler handler = {view, view_route_partition, view_take_partition, view_give_partitions};
    view->metrics = metrics_view_create(metrics, settings->name);
    if (!view->metrics) {
        upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "no memory for view %s", settings->name);
        goto cleanup;
    }
    if (!open_target(view, err)) {
        name_view(settings, err);
        goto cleanup;
    }
    view->source = source_create(config, settings, &handler, err);
    if (!view->source || !open_queues(view, err) || !open_dead_letters(view, err))
        goto cleanup;
    return view;
cleanup:
    view_destroy(view);
    return NULL;
}

bool view_start(struct view *view, struct upsink_error *err)
{
    atomic_store(&view->looking, true);
    view->started = pthread_create(&view->thread, NULL, view_main, view) == 0;
    return view->started || upsink_fail(err, UPSINK_ERR_FATAL, "no_threads", "view %s can't start its thread",
                                        view->settings->name);
}

void view_stop(struct view *view)
{
    atomic_store(&view->stop_at_us, clock_monotonic_us());
    atomic_store(&view->stopping, true);
    pthread_mutex_lock(&view->lock);
    pthread_cond_broadcast(&view->changed);
    for (int i = 0; i < view->worker_count; i++)
        if (view->workers[i].queue)
            rd_kafka_queue_yield(view->workers[i].queue);
    pthread_mutex_unlock(&view->lock);
}

bool view_has_waited_enough(const struct view *view)
{
    return atomic_load(&view->stopping) &&
           clock_monotonic_us() - atomic_load(&view->stop_at_us) > VIEW_STOP_LIMIT;
}

void view_join(struct view *view)
{
    while (view->started && atomic_load(&view->looking) && !view_has_waited_enough(view))
        nanosleep(&(struct timespec){0, 10 * 1000 * 1000}, NULL);
    if (view->started && atomic_load(&view->looking))
        view_abandon(view);
    else if (view->started)
        pthread_join(view->thread, NULL);
    view->started = false;
}

void view_destroy(struct view *view)
{
    if (!view)
        return;
    for (int i = 0; i < view->worker_count; i++) {
        struct worker *worker = &view->workers[i];
        if (worker->sink)
            view->type->close(worker->sink);
        if (worker->queue)
            rd_kafka_queue_destroy(worker->queue);
        batch_destroy(&worker->batch);
        free(worker->lanes);
        free(worker->inbox);
    }
    dlq_writer_destroy(view->dlq, 1000);
    source_destroy(view->source);
    source_ends_free(view->ends, view->end_count);
    mapping_destroy(view->mapping);
    free(view->kafka_properties);
    free(view->lanes);
    pthread_cond_destroy(&view->changed);
    pthread_mutex_destroy(&view->lock);
    pthread_mutex_destroy(&view->dlq_lock);
    pthread_mutex_destroy(&view->prepare_lock);
    free(view);
}
