#include "metrics_series.h"

#include <stdlib.h>

const struct metrics_bound metrics_time_bounds[METRICS_BUCKETS - 1] = {
    {1000, "0.001"},  {5000, "0.005"},  {10000, "0.01"},  {25000, "0.025"},   {50000, "0.05"},
    {100000, "0.1"},  {150000, "0.15"}, {250000, "0.25"}, {500000, "0.5"},    {1000000, "1"},
    {2500000, "2.5"}, {10000000, "10"}, {30000000, "30"}, {300000000, "300"}, {3600000000, "3600"}};

const struct metrics_bound metrics_count_bounds[METRICS_BUCKETS - 1] = {
    {1, "1"},       {2, "2"},       {5, "5"},         {10, "10"},       {25, "25"},
    {50, "50"},     {100, "100"},   {250, "250"},     {500, "500"},     {1000, "1000"},
    {2500, "2500"}, {5000, "5000"}, {10000, "10000"}, {25000, "25000"}, {50000, "50000"}};

struct metrics *metrics_create(void)
{
    struct metrics *metrics = calloc(1, sizeof *metrics);
    if (metrics)
        pthread_mutex_init(&metrics->lock, NULL);
    return metrics;
}

static void destroy_view(struct view_series *view)
{
    while (view->partitions) {
        struct partition_series *series = view->partitions;
        view->partitions = series->next;
        free(series->topic);
        free(series);
    }
    free(view->name);
    free(view);
}

void metrics_destroy(struct metrics *metrics)
{
    if (!metrics)
        return;
    while (metrics->views) {
        struct view_series *view = metrics->views;
        metrics->views = view->next;
        destroy_view(view);
    }
    pthread_mutex_destroy(&metrics->lock);
    free(metrics);
}

struct metrics_view *metrics_view_create(struct metrics *metrics, const char *name)
{
    pthread_mutex_lock(&metrics->lock);
    struct view_series *view = metrics->views;
    while (view && strcmp(view->name, name) != 0)
        view = view->next;
    if (!view && (view = calloc(1, sizeof *view))) {
        view->name = strdup(name);
        view->registry = metrics;
        view->next = metrics->views;
        if (view->name)
            metrics->views = view;
        else {
            free(view);
            view = NULL;
        }
    }
    pthread_mutex_unlock(&metrics->lock);
    return view ? &view->open : NULL;
}

struct metrics_partition *metrics_partition(struct metrics_view *open, const char *topic, int32_t partition)
{
    struct view_series *view = (struct view_series *)open;
    pthread_mutex_lock(&view->registry->lock);
    struct partition_series *series = view->partitions;
    while (series && (series->partition != partition || strcmp(series->topic, topic) != 0))
        series = series->next;
    if (!series && (series = calloc(1, sizeof *series))) {
        series->topic = strdup(topic);
        series->partition = partition;
        series->next = view->partitions;
        metrics_set(&series->open.lag, -1);
        if (series->topic)
            view->partitions = series;
        else {
            free(series);
            series = NULL;
        }
    }
    pthread_mutex_unlock(&view->registry->lock);
    return series ? &series->open : NULL;
}

static struct metrics_counter *find_code(struct view_series *view, const char *code)
{
    size_t count = atomic_load_explicit(&view->code_count, memory_order_acquire);
    for (size_t i = 0; i < count; i++)
        if (strncmp(view->codes[i].code, code, sizeof view->codes[i].code - 1) == 0)
            return &view->codes[i].count;
    return NULL;
}

static struct metrics_counter *add_code(struct view_series *view, const char *code)
{
    pthread_mutex_lock(&view->registry->lock);
    struct metrics_counter *counter = find_code(view, code);
    size_t count = atomic_load_explicit(&view->code_count, memory_order_relaxed);
    if (!counter && count < METRICS_CODES) {
        struct code_series *series = &view->codes[count];
        snprintf(series->code, sizeof series->code, "%s", code);
        counter = &series->count;
        atomic_store_explicit(&view->code_count, count + 1, memory_order_release);
    }
    pthread_mutex_unlock(&view->registry->lock);
    return counter ? counter : &view->other_codes;
}

void metrics_dead_letter(struct metrics_view *open, const char *code, uint64_t count)
{
    struct view_series *view = (struct view_series *)open;
    struct metrics_counter *counter = find_code(view, code);
    metrics_add(counter ? counter : add_code(view, code), count);
}

uint64_t metrics_consumed(const struct metrics_view *open)
{
    const struct view_series *view = (const struct view_series *)open;
    uint64_t total = 0;
    pthread_mutex_lock(&view->registry->lock);
    for (const struct partition_series *series = view->partitions; series; series = series->next)
        total += metrics_value(&series->open.consumed);
    pthread_mutex_unlock(&view->registry->lock);
    return total;
}

uint64_t metrics_dead_letters(const struct metrics_view *open)
{
    const struct view_series *view = (const struct view_series *)open;
    size_t count = atomic_load_explicit(&view->code_count, memory_order_acquire);
    uint64_t total = metrics_value(&view->other_codes);
    for (size_t i = 0; i < count; i++)
        total += metrics_value(&view->codes[i].count);
    return total;
}

static size_t bucket_of(const struct metrics_bound *bounds, uint64_t value)
{
    size_t bucket = 0;
    while (bucket < METRICS_BUCKETS - 1 && value > bounds[bucket].value)
        bucket++;
    return bucket;
}

void metrics_tally_time(struct metrics_tally *tally, int64_t microseconds)
{
    uint64_t value = microseconds > 0 ? (uint64_t)microseconds : 0;
    tally->buckets[bucket_of(metrics_time_bounds, value)]++;
    tally->sum += value;
}

static void observe(struct metrics_histogram *histogram, const struct metrics_bound *bounds, uint64_t value)
{
    atomic_fetch_add_explicit(&histogram->buckets[bucket_of(bounds, value)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum, value, memory_order_relaxed);
}

void metrics_observe_time(struct metrics_histogram *histogram, int64_t microseconds)
{
    observe(histogram, metrics_time_bounds, microseconds > 0 ? (uint64_t)microseconds : 0);
}

void metrics_observe_count(struct metrics_histogram *histogram, uint64_t records)
{
    observe(histogram, metrics_count_bounds, records);
}

void metrics_merge(struct metrics_histogram *histogram, const struct metrics_tally *tally)
{
    for (size_t i = 0; i < METRICS_BUCKETS; i++)
        if (tally->buckets[i])
            atomic_fetch_add_explicit(&histogram->buckets[i], tally->buckets[i], memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum, tally->sum, memory_order_relaxed);
}
