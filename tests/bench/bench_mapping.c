/* What does it cost to make a change of a record, beside the scan of its JSON? 4,096 different order events;
 * each line is the best of several rounds. */
#include "connector/demo/order_events.h"
#include "schemas/json_scan.h"
#include "schemas/mapping.h"

#include "buf.h"

#include <stdlib.h>
#include <time.h>

#define EVENTS 4096
#define ROUNDS 100

struct bench {
    struct record records[EVENTS];
    struct mapping *mapping;
    struct json_paths *paths;
    struct arena arena;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct upsink_slice no_header(const void *context, const char *name)
{
    (void)context;
    (void)name;
    return UPSINK_SLICE_ABSENT;
}

static bool scan(struct bench *bench, const struct record *record)
{
    struct json_value values[JSON_SLOTS_MAX];
    struct json_scan_result result;
    return json_scan(bench->paths, JSON_WHOLE, record->value, NULL, values, &result, NULL);
}

static bool decode(struct bench *bench, const struct record *record)
{
    struct upsink_change change;
    struct upsink_error err;
    return mapping_decode(bench->mapping, record, &bench->arena, &change, &err) == DECODE_CHANGE;
}

static void measure(struct bench *bench, const char *label,
                    bool (*work)(struct bench *, const struct record *))
{
    double best = 1e9;
    size_t used = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now(), seconds;
        arena_clear(&bench->arena);
        for (size_t i = 0; i < EVENTS; i++) {
            if (!work(bench, &bench->records[i]))
                abort();
        }
        seconds = now() - start;
        used = bench->arena.used;
        best = seconds < best ? seconds : best;
    }
    printf("%-52s %6.0f ns/event  %4zu arena bytes/event\n", label, best * 1e9 / EVENTS, used / EVENTS);
}

static void measure_mapping(struct bench *bench, const char *label, const struct mapping_spec *spec)
{
    struct upsink_error err;
    bench->mapping = mapping_create(spec, &err);
    if (!bench->mapping)
        abort();
    measure(bench, label, decode);
    mapping_destroy(bench->mapping);
}

static void generate(struct bench *bench, struct buf *memory)
{
    const struct order_events_options options = {.seed = 1, .orders = 1000};
    struct order_events *events = order_events_create(&options);
    size_t ends[EVENTS][2];
    for (size_t i = 0; events && i < EVENTS; i++) {
        struct order_event event;
        if (!order_events_next(events, 1700000000000 + (int64_t)i, &event))
            abort();
        buf_append_slice(memory, event.key);
        ends[i][0] = memory->len;
        buf_append_slice(memory, event.value);
        ends[i][1] = memory->len;
    }
    for (size_t i = 0, start = 0; i < EVENTS; start = ends[i++][1])
        bench->records[i] = (struct record){.key = {memory->data + start, ends[i][0] - start},
                                            .value = {memory->data + ends[i][0], ends[i][1] - ends[i][0]},
                                            .topic = UPSINK_SLICE_LIT("orders"),
                                            .header = no_header};
    printf("%zu bytes/event\n", memory->len / EVENTS);
    order_events_destroy(events);
}

int main(void)
{
    static const char *const pointers[] = {"",      "/specversion", "/id",           "/source",
                                           "/type", "/data",        "/data/orderId", "/data/lastUpdated"};
    static const char *const change_id[] = {"/data/orderId", "/data/lastUpdated"};
    static const char *const types[] = {"OrderCreateUpdate"};
    struct mapping_spec spec = {.envelope = ENVELOPE_CLOUDEVENTS};
    static struct bench bench;
    struct buf memory;
    buf_init(&memory);
    arena_init(&bench.arena, 0);
    generate(&bench, &memory);
    bench.paths = json_paths_create();
    for (unsigned i = 0, slot; i < sizeof pointers / sizeof *pointers; i++) {
        if (!json_paths_add(bench.paths, pointers[i], &slot, NULL))
            abort();
    }
    measure(&bench, "the scan alone, 8 pointers", scan);
    measure_mapping(&bench, "cloudevents, event id only", &spec);
    spec.change_id = change_id;
    spec.change_id_count = 1;
    measure_mapping(&bench, "with one change id", &spec);
    spec.change_id_count = 2;
    measure_mapping(&bench, "with two change ids", &spec);
    spec.version = "/data/lastUpdated";
    measure_mapping(&bench, "with two change ids, version", &spec);
    spec.include_types = types;
    spec.include_type_count = 1;
    measure_mapping(&bench, "with two change ids, version, type", &spec);
    spec.envelope = ENVELOPE_AUTO;
    measure_mapping(&bench, "the same, auto", &spec);
    spec.key_field = "/data/orderId";
    measure_mapping(&bench, "the same, key from the value", &spec);
    spec.change_id_count = 0;
    spec.change_id_hash = true;
    measure_mapping(&bench, "the same, hash for change id", &spec);
    arena_destroy(&bench.arena);
    json_paths_destroy(bench.paths);
    buf_destroy(&memory);
    return 0;
}
