#include "demo.h"

#include "clock.h"
#include "connector/commands/table.h"
#include "connector/commands/terminal.h"
#include "connector/demo/order_json.h"
#include "log.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { ORDERS_MOST = 10000, PAUSE_MS = 20, PATIENCE_S = 60, OVERRIDES = 64 };

/* --- preparing --- */

static bool make_directory(struct demo *demo, struct upsink_error *err)
{
    const char *parent = getenv("TMPDIR");
    if (!parent || !*parent || strlen(parent) > 120)
        parent = "/tmp";
    snprintf(demo->directory, sizeof demo->directory, "%s/upsink-demo-XXXXXX", parent);
    if (mkdtemp(demo->directory))
        return true;
    upsink_fail(err, UPSINK_ERR_FATAL, "no_directory",
                "no directory can be made in %s for the demo's file; set TMPDIR, or give --sink URL", parent);
    demo->directory[0] = '\0';
    return false;
}

/* Names that neither clash with another demo's nor with anything real. */
static bool choose_names(struct demo *demo, struct upsink_error *err)
{
    demo->random = order_mix((uint64_t)clock_wall_us(), (uint64_t)getpid());
    unsigned tag = (unsigned)(demo->random & 0xffffff);
    snprintf(demo->topic, sizeof demo->topic, "demo-orders-%06x", tag);
    if (demo->options.sink) {
        snprintf(demo->table, sizeof demo->table, "demo_orders_%06x", tag);
        return true;
    }
    snprintf(demo->table, sizeof demo->table, "orders");
    if (!make_directory(demo, err))
        return false;
    snprintf(demo->sink, sizeof demo->sink, "sqlite:%s/demo.db", demo->directory);
    return true;
}

/* A table may be chosen where the sink has tables, and its URL does not name one. */
static bool may_name_table(const char *sink)
{
    return (strncmp(sink, "sqlite:", 7) == 0 || strncmp(sink, "postgres", 8) == 0) && !strstr(sink, "table=");
}

static bool load_config(struct demo *demo, struct upsink_error *err)
{
    const struct demo_options *options = &demo->options;
    const char *sink = options->sink ? options->sink : demo->sink;
    char version[80], table[80];
    struct config_override overrides[OVERRIDES] = {{"log.level", "error", "upsink demo"},
                                                   {version, "/data/lastUpdated", "upsink demo"}};
    size_t count = 2;
    snprintf(version, sizeof version, "views.%s.version", demo->topic);
    snprintf(table, sizeof table, "views.%s.table", demo->topic);
    demo->table_named = may_name_table(sink);
    if (demo->table_named)
        overrides[count++] = (struct config_override){table, demo->table, "upsink demo"};
    for (size_t i = 0; i < options->override_count && count < OVERRIDES; i++)
        overrides[count++] = options->overrides[i];
    struct config_request request = {
        .brokers = options->brokers ? options->brokers : mock_broker_address(demo->broker),
        .topic = demo->topic,
        .sink = sink,
        .name = demo->topic,
        .overrides = overrides,
        .override_count = count,
        .environment =
            options->brokers ? environ : NULL, /* security settings are not for the broker in here */
    };
    demo->config = config_load(&request, err);
    if (!demo->config)
        return false;
    demo->settings = &demo->config->views[0];
    return true;
}

static bool start_broker(struct demo *demo, struct upsink_error *err)
{
    char dead_letters[60];
    if (demo->options.brokers)
        return true;
    snprintf(dead_letters, sizeof dead_letters, "%s.dlq", demo->topic);
    demo->broker = mock_broker_start(err);
    return demo->broker && mock_broker_create_topic(demo->broker, demo->topic, DEMO_PARTITIONS, err) &&
           mock_broker_create_topic(demo->broker, dead_letters, DEMO_PARTITIONS, err);
}

static bool borrow_properties(struct demo *demo, struct upsink_error *err)
{
    demo->properties = calloc(demo->config->kafka_count + 1, sizeof *demo->properties);
    if (!demo->properties)
        return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory");
    for (size_t i = 0; i < demo->config->kafka_count; i++)
        demo->properties[i] =
            (struct dlq_property){demo->config->kafka[i].name, demo->config->kafka[i].value};
    demo->kafka = (struct dlq_kafka){demo->properties, demo->config->kafka_count};
    return true;
}

bool demo_prepare(struct demo *demo, const struct demo_options *options, struct upsink_error *err)
{
    *demo = (struct demo){.options = *options};
    uint64_t orders = options->events / 4;
    demo->orders = orders < 1 ? 1 : orders > ORDERS_MOST ? ORDERS_MOST : (uint32_t)orders;
    if (!choose_names(demo, err) || !start_broker(demo, err) || !load_config(demo, err) ||
        !borrow_properties(demo, err))
        return false;
    log_configure((enum log_level)demo->config->log_level, demo->config->log_json);
    struct feed_options feed = {.kafka = &demo->kafka,
                                .topic = demo->topic,
                                .events = options->events,
                                .orders = demo->orders,
                                .seed = demo->random};
    if (!check_open(&demo->check, demo->settings, err))
        return false;
    snprintf(demo->sink_name, sizeof demo->sink_name, "%s", demo->check.type->describe(demo->check.sink));
    demo->feed = feed_create(&feed, err);
    /* What can't be reached is found out before anything is made. */
    return demo->feed && (demo->broker || feed_reach(demo->feed, err)) && check_prepare(&demo->check, err) &&
           (demo->broker || feed_create_topic(demo->feed, DEMO_PARTITIONS, err));
}

/* --- running --- */

uint64_t demo_dealt_with(const struct demo_outcome *outcome)
{
    uint64_t sum = outcome->upserts + outcome->deletes + outcome->dead;
    for (size_t i = 0; i < METRICS_REASONS; i++)
        sum += outcome->dropped[i];
    return sum;
}

static void read_outcome(struct demo *demo)
{
    struct metrics_view *metrics = demo->view->metrics;
    struct demo_outcome *outcome = &demo->outcome;
    outcome->consumed = 0;
    for (int32_t p = 0; p < DEMO_PARTITIONS; p++) {
        struct metrics_partition *partition = metrics_partition(metrics, demo->topic, p);
        outcome->consumed += partition ? metrics_value(&partition->consumed) : 0;
    }
    outcome->upserts = metrics_value(&metrics->applied[METRICS_UPSERT]);
    outcome->deletes = metrics_value(&metrics->applied[METRICS_DELETE]);
    for (size_t i = 0; i < METRICS_REASONS; i++)
        outcome->dropped[i] = metrics_value(&metrics->dropped[i]);
    outcome->dead = metrics_dead_letters(metrics);
}

static bool start_view(struct demo *demo, struct upsink_error *err)
{
    demo->metrics = metrics_create();
    if (!demo->metrics)
        return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory");
    demo->view = view_create(demo->config, demo->settings, false, demo->metrics, err);
    return demo->view && view_start(demo->view, err);
}

/* The speed between the first look that found something done and the last one; of a run that is over sooner,
 * from the time that the partitions came. */
struct pace {
    int64_t assigned_us, first_us, now_us;
    uint64_t first_done, done;
};

static void keep_pace(struct demo *demo, struct pace *pace, uint64_t done)
{
    pace->now_us = clock_monotonic_us();
    pthread_mutex_lock(&demo->view->lock);
    bool assigned = demo->view->lane_count > 0;
    pthread_mutex_unlock(&demo->view->lock);
    if (!assigned)
        pace->assigned_us = pace->now_us;
    if (pace->first_done == 0) {
        pace->first_us = pace->now_us;
        pace->first_done = done;
    }
    pace->done = done;
    bool long_enough = pace->done > 2 * pace->first_done;
    double records = (double)(long_enough ? pace->done - pace->first_done : pace->done);
    double seconds = (double)(pace->now_us - (long_enough ? pace->first_us : pace->assigned_us)) / 1e6;
    demo->rate = seconds > 0 ? records / seconds : 0;
}

static void say_progress(const struct demo *demo, struct progress *progress, uint64_t done)
{
    char text[160], first[COUNT_SIZE], all[COUNT_SIZE], rate[COUNT_SIZE];
    uint64_t events = demo->options.events, published = feed_published(demo->feed);
    format_count((int64_t)events, all);
    if (done)
        snprintf(text, sizeof text, "in the view: %s of %s, %s/s", format_count((int64_t)done, first), all,
                 format_count((int64_t)demo->rate, rate));
    else if (published < events)
        snprintf(text, sizeof text, "publishing: %s of %s", format_count((int64_t)published, first), all);
    else
        snprintf(text, sizeof text, "all are published; the view joins its consumer group, about 3 s");
    progress_show(progress, done ? done : published, events, text);
}

static bool fail_stalled(struct demo *demo, struct upsink_error *err)
{
    struct buf reasons;
    buf_init(&reasons);
    bool ready = view_is_ready(demo->view, &reasons);
    upsink_fail(err, UPSINK_ERR_OUTAGE, "stalled", "the view made no progress for %d seconds%s%.*s",
                PATIENCE_S, ready ? "" : ": ", ready || !reasons.len ? 0 : (int)reasons.len - 1,
                reasons.data ? reasons.data : "");
    buf_destroy(&reasons);
    return false;
}

/* Until every event is dealt with. */
static bool follow(struct demo *demo, struct progress *progress, struct upsink_error *err)
{
    const struct timespec pause = {0, PAUSE_MS * 1000000};
    struct pace pace = {0};
    int64_t moved = clock_monotonic_us();
    uint64_t done = 0;
    while (done < demo->options.events) {
        nanosleep(&pause, NULL);
        read_outcome(demo);
        uint64_t before = done;
        done = demo_dealt_with(&demo->outcome);
        keep_pace(demo, &pace, done);
        if (done > before)
            moved = pace.now_us;
        feed_follow(demo->feed, done);
        say_progress(demo, progress, done);
        if (atomic_load(&demo->view->halted)) {
            *err = demo->view->halt_error;
            return false;
        }
        if (feed_is_over(demo->feed) && !feed_join(demo->feed, err))
            return false;
        if (pace.now_us - moved > PATIENCE_S * CLOCK_SECOND)
            return fail_stalled(demo, err);
    }
    return feed_join(demo->feed, err);
}

static void stop_view(struct demo *demo)
{
    if (!demo->view)
        return;
    view_stop(demo->view);
    view_join(demo->view);
    read_outcome(demo);
    if (atomic_load(&demo->view->abandoned))
        _exit(1); /* a thread still uses all of this */
    view_destroy(demo->view);
    demo->view = NULL;
}

bool demo_run(struct demo *demo, struct upsink_error *err)
{
    struct progress progress;
    progress_init(&progress);
    bool ok = start_view(demo, err) && feed_start(demo->feed, err) && follow(demo, &progress, err);
    progress_end(&progress);
    stop_view(demo);
    return ok;
}

bool demo_check(struct demo *demo, struct upsink_error *err)
{
    return check_rows(&demo->check, demo->feed, demo->orders, err);
}

void demo_clear(struct demo *demo)
{
    stop_view(demo);
    feed_destroy(demo->feed);
    check_close(&demo->check);
    metrics_destroy(demo->metrics);
    free(demo->properties);
    config_destroy(demo->config);
    mock_broker_stop(demo->broker);
}
