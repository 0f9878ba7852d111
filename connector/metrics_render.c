#include "metrics_series.h"

#include "utf8.h"

#include <inttypes.h>
#include <time.h>
#include <unistd.h>

static const char *const op_names[METRICS_OPS] = {"upsert", "delete"};
static const char *const reason_names[METRICS_REASONS] = {"superseded", "duplicate_event", "duplicate_change",
                                                          "stale", "filtered"};
/* The classes that are retried; the others have no series. */
static const char *const class_names[METRICS_CLASSES] = {[UPSINK_ERR_REFUSED] = "refused",
                                                         [UPSINK_ERR_OUTAGE] = "outage",
                                                         [UPSINK_ERR_FENCED] = "fenced",
                                                         [UPSINK_ERR_TARGET_LOST] = "target_lost",
                                                         [UPSINK_ERR_UNKNOWN] = "unknown"};

enum family_kind {
    PARTITION_COUNTER,
    PARTITION_GAUGE, /* negative: no series */
    VIEW_COUNTERS,   /* one for each label value */
    VIEW_CODES,
    VIEW_GAUGE,
    VIEW_TIMES,
    VIEW_COUNTS
};

/* Every metric of a view, once. */
static const struct family {
    const char *name, *help;
    enum family_kind kind;
    size_t offset; /* in struct metrics_view or metrics_partition */
    const char *label;
    const char *const *label_values;
    size_t label_count;
} families[] = {
    {"upsink_records_consumed_total", "Records read from the topic.", PARTITION_COUNTER,
     offsetof(struct metrics_partition, consumed), NULL, NULL, 0},
    {"upsink_changes_applied_total", "Changes that the sink holds.", VIEW_COUNTERS,
     offsetof(struct metrics_view, applied), "op", op_names, METRICS_OPS},
    {"upsink_changes_dropped_total", "Records that needed no write, by reason.", VIEW_COUNTERS,
     offsetof(struct metrics_view, dropped), "reason", reason_names, METRICS_REASONS},
    {"upsink_dead_letters_total", "Records written off, by error code.", VIEW_CODES, 0, "code", NULL, 0},
    {"upsink_consumer_lag", "Records between the position done and the end of the partition.",
     PARTITION_GAUGE, offsetof(struct metrics_partition, lag), NULL, NULL, 0},
    {"upsink_end_to_end_seconds", "From a record's timestamp to the moment it was applied.", VIEW_TIMES,
     offsetof(struct metrics_view, end_to_end), NULL, NULL, 0},
    {"upsink_sink_write_seconds", "One write of a batch, with its commit.", VIEW_TIMES,
     offsetof(struct metrics_view, sink_write), NULL, NULL, 0},
    {"upsink_batch_records", "Records in a batch, before folding.", VIEW_COUNTS,
     offsetof(struct metrics_view, batch_records), NULL, NULL, 0},
    {"upsink_sink_retries_total", "Writes that had to be repeated, by class of error.", VIEW_COUNTERS,
     offsetof(struct metrics_view, sink_retries), "class", class_names, METRICS_CLASSES},
    {"upsink_sink_up", "1 while the sink takes writes, 0 in an outage.", VIEW_GAUGE,
     offsetof(struct metrics_view, sink_up), NULL, NULL, 0},
    {"upsink_queue_bytes", "Bytes of records that wait in this process.", VIEW_GAUGE,
     offsetof(struct metrics_view, queue_bytes), NULL, NULL, 0},
    {"upsink_generation", "How many times the view was filled from the beginning.", VIEW_GAUGE,
     offsetof(struct metrics_view, generation), NULL, NULL, 0},
};

/* Label values are UTF-8 with \, " and newline escaped (Prometheus text format 0.0.4, "Comments, help text,
 * and type information"). */
static void append_label(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "%s=\"", name);
    for (size_t at = 0, len = strlen(value); at < len;) {
        uint32_t code;
        size_t size = utf8_decode(value + at, len - at, &code);
        if (size == 0)
            buf_append_byte(out, '?');
        else if (code == '\n')
            buf_append_text(out, "\\n");
        else {
            if (code == '\\' || code == '"')
                buf_append_byte(out, '\\');
            buf_append(out, value + at, size);
        }
        at += size ? size : 1;
    }
    buf_append_byte(out, '"');
}

/* "NAME_SUFFIX{view="V"", the brace left open. */
static void begin_series(struct buf *out, const struct family *family, const char *suffix,
                         const struct view_series *view)
{
    buf_printf(out, "%s%s{", family->name, suffix);
    append_label(out, "view", view->name);
}

static void append_counter(struct buf *out, const struct family *family, const struct view_series *view,
                           const char *label_value, const struct metrics_counter *counter)
{
    begin_series(out, family, "", view);
    buf_append_byte(out, ',');
    append_label(out, family->label, label_value);
    buf_printf(out, "} %" PRIu64 "\n", metrics_value(counter));
}

static void append_partitions(struct buf *out, const struct family *family, const struct view_series *view)
{
    for (const struct partition_series *series = view->partitions; series; series = series->next) {
        const char *member = (const char *)&series->open + family->offset;
        int64_t lag = 0;
        if (family->kind == PARTITION_GAUGE) {
            lag = atomic_load_explicit(&((const struct metrics_gauge *)member)->value, memory_order_relaxed);
            if (lag < 0)
                continue;
        }
        begin_series(out, family, "", view);
        buf_append_byte(out, ',');
        append_label(out, "topic", series->topic);
        buf_printf(out, ",partition=\"%" PRId32 "\"} ", series->partition);
        if (family->kind == PARTITION_GAUGE)
            buf_printf(out, "%" PRId64 "\n", lag);
        else
            buf_printf(out, "%" PRIu64 "\n", metrics_value((const struct metrics_counter *)member));
    }
}

static void append_histogram(struct buf *out, const struct family *family, const struct view_series *view,
                             const struct metrics_histogram *histogram)
{
    bool times = family->kind == VIEW_TIMES;
    const struct metrics_bound *bounds = times ? metrics_time_bounds : metrics_count_bounds;
    uint64_t below = 0;
    for (size_t i = 0; i < METRICS_BUCKETS; i++) {
        below += atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
        begin_series(out, family, "_bucket", view);
        buf_printf(out, ",le=\"%s\"} %" PRIu64 "\n", i < METRICS_BUCKETS - 1 ? bounds[i].text : "+Inf",
                   below);
    }
    uint64_t sum = atomic_load_explicit(&histogram->sum, memory_order_relaxed);
    begin_series(out, family, "_sum", view);
    if (times)
        buf_printf(out, "} %" PRIu64 ".%06" PRIu64 "\n", sum / 1000000, sum % 1000000);
    else
        buf_printf(out, "} %" PRIu64 "\n", sum);
    begin_series(out, family, "_count", view);
    buf_printf(out, "} %" PRIu64 "\n", below);
}

static void append_codes(struct buf *out, const struct family *family, const struct view_series *view)
{
    size_t count = atomic_load_explicit(&view->code_count, memory_order_acquire);
    for (size_t i = 0; i < count; i++)
        append_counter(out, family, view, view->codes[i].code, &view->codes[i].count);
    if (metrics_value(&view->other_codes))
        append_counter(out, family, view, "other", &view->other_codes);
}

static void append_view(struct buf *out, const struct family *family, const struct view_series *view)
{
    const char *member = (const char *)&view->open + family->offset;
    switch (family->kind) {
    case PARTITION_COUNTER:
    case PARTITION_GAUGE:
        append_partitions(out, family, view);
        break;
    case VIEW_COUNTERS:
        for (size_t i = 0; i < family->label_count; i++)
            if (family->label_values[i])
                append_counter(out, family, view, family->label_values[i],
                               (const struct metrics_counter *)member + i);
        break;
    case VIEW_CODES:
        append_codes(out, family, view);
        break;
    case VIEW_GAUGE:
        begin_series(out, family, "", view);
        buf_printf(
            out, "} %" PRId64 "\n",
            atomic_load_explicit(&((const struct metrics_gauge *)member)->value, memory_order_relaxed));
        break;
    case VIEW_TIMES:
    case VIEW_COUNTS:
        append_histogram(out, family, view, (const struct metrics_histogram *)member);
        break;
    }
}

static const char *type_of(enum family_kind kind)
{
    switch (kind) {
    case PARTITION_COUNTER:
    case VIEW_COUNTERS:
    case VIEW_CODES:
        return "counter";
    case PARTITION_GAUGE:
    case VIEW_GAUGE:
        return "gauge";
    case VIEW_TIMES:
    case VIEW_COUNTS:
        break;
    }
    return "histogram";
}

static void append_header(struct buf *out, const char *name, const char *help, const char *type)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static uint64_t resident_bytes(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return 0;
    if (fscanf(file, "%*u %llu", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void append_process(struct buf *out)
{
    struct timespec cpu = {0};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    append_header(out, "process_resident_memory_bytes", "Resident memory of this process.", "gauge");
    buf_printf(out, "process_resident_memory_bytes %" PRIu64 "\n", resident_bytes());
    append_header(out, "process_cpu_seconds_total", "User and system time of this process.", "counter");
    buf_printf(out, "process_cpu_seconds_total %lld.%06ld\n", (long long)cpu.tv_sec, cpu.tv_nsec / 1000);
    append_header(out, "upsink_build_info", "1, with the version as label.", "gauge");
    buf_append_text(out, "upsink_build_info{");
    append_label(out, "version", UPSINK_VERSION);
    buf_append_text(out, "} 1\n");
}

void metrics_render(struct metrics *metrics, struct buf *out)
{
    append_process(out);
    pthread_mutex_lock(&metrics->lock);
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        append_header(out, families[i].name, families[i].help, type_of(families[i].kind));
        for (const struct view_series *view = metrics->views; view; view = view->next)
            append_view(out, &families[i], view);
    }
    pthread_mutex_unlock(&metrics->lock);
}
