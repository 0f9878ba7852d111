/* What the benchmark's programs share: options, librdkafka settings, resource use.
 * Everything is static inline, so that each program stays one file. */
#ifndef UPSINK_TESTS_BENCH_H
#define UPSINK_TESTS_BENCH_H

#include <librdkafka/rdkafka.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { BENCH_MAX_PARTITIONS = 256, BENCH_TIMEOUT_MS = 60000 };

__attribute__((noreturn, format(printf, 1, 2))) static inline void bench_die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

static inline double bench_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static inline double bench_seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* One line of results of this whole process since its start. */
static inline void bench_report(const char *name, uint64_t events, double seconds)
{
    struct rusage usage;
    double cpu;
    getrusage(RUSAGE_SELF, &usage);
    cpu = bench_seconds(usage.ru_utime) + bench_seconds(usage.ru_stime);
    printf("%s: %llu events in %.2f s, %.0f events/s, %.2f CPU-s (%.2f per million), peak RSS %.0f MB\n",
           name, (unsigned long long)events, seconds, (double)events / seconds, cpu,
           cpu * 1e6 / (double)events, (double)usage.ru_maxrss / 1024);
}

/* --- command line: --name value ------------------------------------------------------------- */

struct bench_args {
    int argc;
    char **argv;
    int used;
};

/* The value of --name, or what is given for its absence (NULL: it must be there). */
static inline const char *bench_text(struct bench_args *args, const char *name, const char *absent)
{
    for (int i = 1; i + 1 < args->argc; i += 2) {
        if (strncmp(args->argv[i], "--", 2) == 0 && strcmp(args->argv[i] + 2, name) == 0) {
            args->used += 2;
            return args->argv[i + 1];
        }
    }
    if (!absent)
        bench_die("%s: --%s is missing", args->argv[0], name);
    return absent;
}

static inline double bench_number(struct bench_args *args, const char *name, double absent)
{
    char fallback[32], *end;
    const char *text;
    double value;
    snprintf(fallback, sizeof fallback, "%.17g", absent);
    text = bench_text(args, name, fallback);
    value = strtod(text, &end);
    if (*end || end == text || !(value >= 0 && value <= 1e15))
        bench_die("%s: --%s: not a number: %s", args->argv[0], name, text);
    return value;
}

static inline void bench_set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char reason[256];
    if (rd_kafka_conf_set(conf, name, value, reason, sizeof reason) != RD_KAFKA_CONF_OK)
        bench_die("%s", reason);
}

/* Every `-X name=value` goes to librdkafka. */
static inline void bench_set_extra(struct bench_args *args, rd_kafka_conf_t *conf)
{
    for (int i = 1; i + 1 < args->argc; i += 2) {
        char *pair = args->argv[i + 1], *equals = strchr(pair, '=');
        if (strcmp(args->argv[i], "-X") != 0)
            continue;
        if (!equals)
            bench_die("%s: -X takes name=value, not %s", args->argv[0], pair);
        *equals = '\0';
        bench_set(conf, pair, equals + 1);
        *equals = '=';
        args->used += 2;
    }
}

/* Once all options are read: nothing may be left. */
static inline void bench_end_args(const struct bench_args *args)
{
    if (args->used != args->argc - 1)
        bench_die("%s: unknown, repeated or incomplete option; %d of %d words understood", args->argv[0],
                  args->used, args->argc - 1);
}

/* --- partitions ----------------------------------------------------------------------------- */

struct bench_topic {
    const char *name;
    int partitions;
    int64_t begin[BENCH_MAX_PARTITIONS], end[BENCH_MAX_PARTITIONS]; /* offsets when asked */
};

static inline void bench_find_partitions(rd_kafka_t *kafka, struct bench_topic *topic)
{
    const rd_kafka_metadata_t *metadata;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(kafka, topic->name, NULL);
    rd_kafka_resp_err_t error = rd_kafka_metadata(kafka, 0, handle, &metadata, BENCH_TIMEOUT_MS);
    if (!error)
        error = metadata->topics[0].err;
    if (error)
        bench_die("topic %s: %s", topic->name, rd_kafka_err2str(error));
    topic->partitions = metadata->topics[0].partition_cnt;
    if (topic->partitions > BENCH_MAX_PARTITIONS)
        bench_die("topic %s has more than %d partitions", topic->name, BENCH_MAX_PARTITIONS);
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(handle);
    for (int i = 0; i < topic->partitions; i++) {
        error = rd_kafka_query_watermark_offsets(kafka, topic->name, i, &topic->begin[i], &topic->end[i],
                                                 BENCH_TIMEOUT_MS);
        if (error)
            bench_die("offsets of %s[%d]: %s", topic->name, i, rd_kafka_err2str(error));
    }
}

#endif
