/* How fast are events scanned? 4,096 different order events, so that no branch predictor can learn
 * one by heart; each line is the best of several rounds. */
#include "schemas/json_canonical.h"
#include "schemas/json_scan.h"

#include "buf.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <time.h>

#define EVENTS 4096
#define ROUNDS 60

enum flavour { PLAIN, BEYOND_ASCII, ESCAPED };

static uint64_t state = 42;

static unsigned pick(unsigned below)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(state >> 33) % below;
}

static const char *pick_name(enum flavour flavour)
{
    static const char *const names[3][4] = {
        {"Ada Lovelace", "Bo Li", "Maximilian Featherstonehaugh", "Grace Hopper"},
        {"Zo\xC3\xAB M\xC3\xBCller", "\xE6\x9D\x8E\xE5\xB0\x8F\xE9\xBE\x99\xE5\x85\x88\xE7\x94\x9F",
         "\xD0\x90\xD0\xBD\xD0\xBD\xD0\xB0 \xD0\x9A\xD0\xB0\xD1\x80\xD0\xB5\xD0\xBD\xD0\xB8\xD0\xBD\xD0\xB0",
         "Jos\xC3\xA9 \xF0\x9F\x8E\x81"},
        {"Zo\\u00eb M\\u00fcller", "\\u674e\\u5c0f\\u9f99\\u5148\\u751f", "O\\\"Neill \\/ Sons",
         "Jos\\u00e9 \\ud83c\\udf81"},
    };
    return names[flavour][pick(4)];
}

static void append_items(struct buf *out, enum flavour flavour)
{
    unsigned items = 1 + pick(3);
    buf_append_text(out, "\"items\":[");
    for (unsigned i = 0; i < items; i++)
        buf_printf(out, "%s{\"productId\":\"P-%05u\",\"name\":\"%s\",\"quantity\":%u,\"unitPrice\":%u.%02u}",
                   i ? "," : "", pick(99999), pick_name(flavour), 1 + pick(9), pick(300), pick(100));
    buf_append_text(out, "],");
}

static void append_event(struct buf *out, enum flavour flavour)
{
    unsigned order = pick(100000), statuses = 1 + pick(3);
    buf_printf(out, "{\"specversion\":\"1.0\",\"id\":\"%08x-%04x-4%03x-a%03x-%012x\",", pick(1U << 30),
               pick(65536), pick(4096), pick(4096), pick(1U << 30));
    buf_printf(out,
               "\"source\":\"/shop/orders\",\"type\":\"OrderCreateUpdate\",\"time\":"
               "\"2024-0%u-1%uT0%u:2%u:3%u.%06uZ\",\"datacontenttype\":\"application/json\",",
               1 + pick(9), pick(9), pick(9), pick(9), pick(9), pick(1000000));
    buf_printf(out,
               "\"subject\":\"order-%u\",\"data\":{\"orderId\":\"order-%u\",\"lastUpdated\":%u,"
               "\"status\":\"%s\",\"customer\":{\"id\":\"c-%u\",\"name\":\"%s\",\"email\":"
               "\"user%u@example.com\",\"vip\":%s},",
               order, order, 1700000000 + pick(1000000), pick(2) ? "PAID" : "SHIPPED", pick(50000),
               pick_name(flavour), pick(50000), pick(2) ? "true" : "false");
    append_items(out, flavour);
    buf_append_text(out, "\"statusHistory\":[");
    for (unsigned i = 0; i < statuses; i++)
        buf_printf(out, "%s{\"status\":\"CREATED\",\"at\":\"2024-05-0%uT10:0%u:00Z\"}", i ? "," : "",
                   1 + pick(9), pick(10));
    buf_printf(out,
               "],\"shipping\":{\"street\":\"%s %u\",\"city\":\"Hamburg\",\"zip\":\"%05u\",\"country\":"
               "\"DE\",\"notes\":null},\"currency\":\"EUR\",\"totalAmount\":%u.%02u}}",
               pick_name(flavour), pick(200), pick(99999), pick(2000), pick(100));
}

static struct json_paths *make_paths(void)
{
    static const char *const pointers[] = {"/specversion", "/id",           "/type",
                                           "/source",      "/time",         "/datacontenttype",
                                           "/data",        "/data/orderId", "/data/lastUpdated"};
    struct json_paths *paths = json_paths_create();
    for (size_t i = 0; paths && i < sizeof pointers / sizeof *pointers; i++) {
        unsigned slot;
        if (!json_paths_add(paths, pointers[i], &slot, NULL))
            abort();
    }
    return paths;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

enum work { SCAN, VALIDATE, HASH, JANSSON };

struct bench {
    struct json_paths *paths;
    struct json_canonical *canonical;
    struct upsink_slice events[EVENTS];
};

static void do_work(struct bench *bench, enum work work, struct upsink_slice text)
{
    struct json_value values[JSON_SLOTS_MAX];
    struct json_scan_result result;
    unsigned char hash[JSON_HASH_BYTES];
    bool done = false;
    if (work == SCAN) {
        done = json_scan(bench->paths, JSON_WHOLE, text, NULL, values, &result, NULL) &&
               values[8].type == JSON_TYPE_NUMBER;
    } else if (work == VALIDATE) {
        done = json_scan(NULL, JSON_WHOLE, text, NULL, NULL, &result, NULL);
    } else if (work == HASH) {
        done = json_state_hash(bench->canonical, text, NULL, hash, NULL);
    } else {
        json_t *tree = json_loadb(text.data, text.len, 0, NULL);
        done = tree != NULL;
        json_decref(tree);
    }
    if (!done)
        abort();
}

static void measure(struct bench *bench, const char *label, enum work work, size_t different)
{
    double best = 1e9;
    size_t bytes = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now(), seconds;
        bytes = 0;
        for (size_t i = 0; i < EVENTS; i++) {
            do_work(bench, work, bench->events[i % different]);
            bytes += bench->events[i % different].len;
        }
        seconds = now() - start;
        best = seconds < best ? seconds : best;
    }
    printf("%-44s %5zu bytes/event  %7.0f ns/event  %5.2f GB/s\n", label, bytes / EVENTS, best * 1e9 / EVENTS,
           (double)bytes / best / 1e9);
}

static void fill(struct bench *bench, struct buf *out, enum flavour flavour, bool pretty)
{
    size_t ends[EVENTS];
    buf_clear(out);
    state = 42;
    for (size_t i = 0; i < EVENTS; i++) {
        size_t start = out->len;
        append_event(out, flavour);
        if (pretty) {
            json_t *tree = json_loadb(out->data + start, out->len - start, 0, NULL);
            char *text = json_dumps(tree, JSON_INDENT(2));
            out->len = start;
            buf_append_text(out, text);
            free(text);
            json_decref(tree);
        }
        ends[i] = out->len;
    }
    for (size_t i = 0, start = 0; i < EVENTS; start = ends[i++])
        bench->events[i] = (struct upsink_slice){out->data + start, ends[i] - start};
}

int main(void)
{
    static struct bench bench;
    struct buf out;
    buf_init(&out);
    bench.paths = make_paths();
    bench.canonical = json_canonical_create();
    if (!bench.paths || !bench.canonical)
        return 1;
    fill(&bench, &out, PLAIN, false);
    measure(&bench, "compact, 9 pointers", SCAN, EVENTS);
    measure(&bench, "compact, 9 pointers, one event repeated", SCAN, 1);
    measure(&bench, "compact, validation only", VALIDATE, EVENTS);
    measure(&bench, "compact, state hash", HASH, EVENTS);
    measure(&bench, "compact, jansson tree", JANSSON, EVENTS);
    fill(&bench, &out, PLAIN, true);
    measure(&bench, "pretty, 9 pointers", SCAN, EVENTS);
    fill(&bench, &out, BEYOND_ASCII, false);
    measure(&bench, "compact, names beyond ASCII, 9 pointers", SCAN, EVENTS);
    fill(&bench, &out, ESCAPED, false);
    measure(&bench, "compact, names escaped, 9 pointers", SCAN, EVENTS);
    buf_destroy(&out);
    json_paths_destroy(bench.paths);
    json_canonical_destroy(bench.canonical);
    return 0;
}
