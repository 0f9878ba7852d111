#include "connector/service.h"

#include "clock.h"
#include "connector/http.h"
#include "connector/metrics.h"
#include "connector/targets.h"
#include "connector/view.h"
#include "log.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct service {
    const struct service_options *options;
    struct metrics *metrics;
    struct http *http;
    struct view **views;
    size_t count;
};

static bool is_ready(void *context, struct buf *reasons)
{
    struct service *service = context;
    bool ready = true;
    for (size_t i = 0; i < service->count; i++)
        ready = view_is_ready(service->views[i], reasons) && ready;
    return ready;
}

/* One line; a configuration's error needs no code, its text says it all. */
static void print_error(const char *before, const struct upsink_error *err)
{
    char text[2 * sizeof err->text], detail[2 * sizeof err->detail];
    log_escape(upsink_slice_of(err->text), text, sizeof text);
    log_escape(upsink_slice_of(err->detail), detail, sizeof detail);
    if (err->cls == UPSINK_ERR_CONFIG)
        fprintf(stderr, "upsink: %s%s\n", before, text);
    else
        fprintf(stderr, "upsink: %s%s (%s%s%s)\n", before, text, err->code, detail[0] ? ", " : "", detail);
}

static int fail(const struct upsink_error *err)
{
    print_error("", err);
    return err->cls == UPSINK_ERR_CONFIG ? 2 : 1;
}

static bool create_views(struct service *service, struct upsink_error *err)
{
    const struct config *config = service->options->config;
    service->views = calloc(config->view_count + 1, sizeof *service->views);
    if (!service->views)
        return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "no memory for %zu views",
                           config->view_count);
    for (; service->count < config->view_count; service->count++) {
        service->views[service->count] = view_create(config, &config->views[service->count],
                                                     service->options->until_end, service->metrics, err);
        if (!service->views[service->count])
            return false;
    }
    return true;
}

static bool open_http(struct service *service, struct upsink_error *err)
{
    const struct config *config = service->options->config;
    if (!config->http_listen || !config->http_listen[0])
        return true;
    struct http_options options = {.listen = config->http_listen,
                                   .listen_given = config->http_listen_given,
                                   .token_given = config->http_token != NULL,
                                   .metrics = service->metrics,
                                   .ready = is_ready,
                                   .context = service};
    service->http = http_create(&options, err);
    if (!service->http)
        return false;
    log_write(LOG_LEVEL_INFO, "serving /metrics, /healthz and /readyz",
              LOG_STR("listen", http_address(service->http)));
    return true;
}

static void reload(struct service *service)
{
    struct upsink_error err;
    upsink_error_clear(&err);
    struct config *config =
        service->options->reload ? service->options->reload(service->options->context, &err) : NULL;
    if (!config) {
        log_write(LOG_LEVEL_ERROR, "the configuration was not read again", LOG_STR("reason", err.text));
        return;
    }
    log_configure((enum log_level)config->log_level, config->log_json);
    log_write(
        LOG_LEVEL_INFO,
        "the configuration was read again: log level and format are in force, the rest after a restart");
    config_destroy(config);
}

static bool all_are_done(const struct service *service)
{
    for (size_t i = 0; i < service->count; i++)
        if (!atomic_load(&service->views[i]->finished) && !atomic_load(&service->views[i]->halted))
            return false;
    return true;
}

static bool has_come_far(const struct view *view)
{
    return atomic_load(&view->ever_prepared) && source_is_in_touch(view->source);
}

static bool any_works(const struct service *service)
{
    for (size_t i = 0; i < service->count; i++)
        if (!atomic_load(&service->views[i]->halted) && has_come_far(service->views[i]))
            return true;
    return false;
}

/* A view that a person has to look at leaves the process up where it could go on for the others' sake; a
 * refusal at the first look, and the end of a run that was to end, do not. One that waited in reserve makes
 * its target long after the start perhaps, while others work. */
static bool must_end(const struct service *service)
{
    for (size_t i = 0; i < service->count; i++) {
        const struct view *view = service->views[i];
        if (atomic_load(&view->halted) && !has_come_far(view) &&
            !(atomic_load(&view->looked) && any_works(service)))
            return true;
    }
    return service->options->until_end && all_are_done(service);
}

/* Whether a signal ended it. */
static bool wait_for_end(struct service *service, const sigset_t *signals)
{
    const struct timespec pause = {0, 20 * 1000 * 1000};
    while (!must_end(service)) {
        int signal_number = sigtimedwait(signals, NULL, &pause);
        if (signal_number == SIGHUP)
            reload(service);
        else if (signal_number > 0) {
            log_write(LOG_LEVEL_INFO, "stopping: finishing what is in flight; a second signal stops at once",
                      LOG_STR("signal", strsignal(signal_number)));
            return true;
        }
    }
    return false;
}

static volatile sig_atomic_t signalled;

static void exit_at_second(int signal_number)
{
    if (signalled)
        _exit(128 + signal_number);
    signalled = 1;
}

/* From now on the second SIGTERM or SIGINT ends the process where it stands; one may come when the run ends
 * of itself. There is nothing to read again for. */
static void arm_second_signal(const sigset_t *signals, bool was_first)
{
    struct sigaction action = {.sa_handler = exit_at_second};
    signalled = was_first;
    signal(SIGHUP, SIG_IGN);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    pthread_sigmask(SIG_UNBLOCK, signals, NULL);
}

static void stop_views(struct service *service)
{
    for (size_t i = 0; i < service->count; i++)
        view_stop(service->views[i]);
    for (size_t i = 0; i < service->count; i++)
        view_join(service->views[i]);
}

static bool any_abandoned(const struct service *service)
{
    for (size_t i = 0; i < service->count; i++)
        if (atomic_load(&service->views[i]->abandoned))
            return true;
    return false;
}

static void tell_dead_letters(const struct view *view)
{
    unsigned long long count = view->dead_letters;
    const char *records = count == 1 ? "record" : "records", *name = view->settings->name;
    if (view->settings->on_error == ON_ERROR_DLQ)
        fprintf(stderr,
                "upsink: view %s: %llu %s went to the dead-letter topic %s; `upsink dlq list %s`, with this "
                "run's -c or --brokers, --topic and --sink, shows them\n",
                name, count, records, view->settings->dlq_topic, name);
    else
        fprintf(stderr, "upsink: view %s: %llu %s skipped, as on_error says\n", name, count,
                count == 1 ? "record was" : "records were");
}

/* As in the metrics: what was consumed is the sum of all the others. */
static void log_books(const struct view *view)
{
    const struct metrics_view *metrics = view->metrics;
    const struct metrics_counter *dropped = metrics->dropped;
    log_write(LOG_LEVEL_INFO, atomic_load(&view->finished) ? "done: the end was reached" : "stopped",
              LOG_STR("view", view->settings->name), LOG_INT("consumed", metrics_consumed(metrics)),
              LOG_INT("upserts", metrics_value(&metrics->applied[METRICS_UPSERT])),
              LOG_INT("deletes", metrics_value(&metrics->applied[METRICS_DELETE])),
              LOG_INT("superseded", metrics_value(&dropped[METRICS_SUPERSEDED])),
              LOG_INT("duplicate_events", metrics_value(&dropped[METRICS_DUPLICATE_EVENT])),
              LOG_INT("duplicate_changes", metrics_value(&dropped[METRICS_DUPLICATE_CHANGE])),
              LOG_INT("stale", metrics_value(&dropped[METRICS_STALE])),
              LOG_INT("filtered", metrics_value(&dropped[METRICS_FILTERED])),
              LOG_INT("dead_letters", metrics_dead_letters(metrics)));
}

/* What stops a view that has come to work failed while running, whatever is to be mended. */
static int status_of(const struct view *view)
{
    return view->halt_error.cls == UPSINK_ERR_CONFIG && !has_come_far(view) ? 2 : 1;
}

/* What the run came to, in one line a view. */
static int sum_up(const struct service *service)
{
    int status = 0;
    for (size_t i = 0; i < service->count; i++) {
        struct view *view = service->views[i];
        log_books(view);
        if (atomic_load(&view->halted)) {
            char before[300];
            snprintf(before, sizeof before, "view %s stopped: ", view->settings->name);
            print_error(before, &view->halt_error);
            status = status_of(view) > status ? status_of(view) : status;
        }
        if (view->dead_letters)
            tell_dead_letters(view);
    }
    return status;
}

int service_run(const struct service_options *options)
{
    struct service service = {.options = options};
    struct upsink_error err;
    upsink_error_clear(&err);
    int status = 1;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of the sink, not the end */
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    log_configure((enum log_level)options->config->log_level, options->config->log_json);

    service.metrics = metrics_create();
    bool ok = service.metrics || upsink_fail(&err, UPSINK_ERR_FATAL, "out_of_memory", "no memory to start");
    ok = ok && targets_check(options->config, &err) && create_views(&service, &err) &&
         open_http(&service, &err);
    for (size_t i = 0; ok && i < service.count; i++)
        ok = view_start(service.views[i], &err);
    if (ok) {
        arm_second_signal(&signals, wait_for_end(&service, &signals));
        stop_views(&service);
        status = sum_up(&service);
    } else {
        arm_second_signal(&signals, false);
        stop_views(&service);
        status = fail(&err);
    }
    if (any_abandoned(&service))
        _exit(status); /* a thread still uses all of this */
    http_destroy(service.http);
    for (size_t i = 0; i < service.count; i++)
        view_destroy(service.views[i]);
    free(service.views);
    metrics_destroy(service.metrics);
    return status;
}
