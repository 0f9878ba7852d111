/* A sink in memory: the reference for the contract suite, and a sink with troubles to order for the tests of
 * the connector. It applies upsink_fence_judge itself.
 *
 *     fake:NAME?table=T          a store of the process, found again by its name as long as the process lives
 *       &refuse=GLOB             changes whose key or entity matches are refused, each for itself
 * ("refused_by_test") &outage=N &unknown=N     the first N writes fail so, of this store, counted over all
 * sinks &fenced=N &lost=N        the first N commits fail with FENCED; the first N writes lose the target
 *       &late=N                  the first N commits fail with OUTAGE *after* they took effect (the answer
 * was lost) &slow=MICROSECONDS       each write takes so long &dump=PATH               at each close, the
 * rows and positions of the store as JSON fakeplain:NAME             the same without transactions: what is
 * written stands at once
 *
 * Counts are those of the first sink that opens the store with them; set_fault changes them at any time. */
#ifndef UPSINK_FAKE_SINK_H
#define UPSINK_FAKE_SINK_H

#include "sinks/sink.h"

enum fake_fault { FAKE_OUTAGE, FAKE_UNKNOWN, FAKE_FENCED, FAKE_LOST, FAKE_LATE, FAKE_FAULTS };

struct fake_count {
    size_t writes, commits, aborts, prepares, changes;
};

/* Exported as `fake_sink_api`; found with dlsym on the plugin's own handle (dlopen with RTLD_NOLOAD). Any
 * thread may call these. A store that was never opened is empty. */
struct fake_sink_api {
    /* The next `times` calls fail. */
    void (*set_fault)(const char *store, enum fake_fault fault, size_t times);
    /* NULL: none are refused any more. */
    void (*refuse)(const char *store, const char *glob);
    /* What somebody does by hand: the table is gone, positions stay; or everything is. */
    void (*drop_table)(const char *store, const char *table);
    void (*drop_store)(const char *store);
    /* Live rows, or with fences all that is known; in no order. The row lives for the length of the visit. */
    void (*visit_rows)(const char *store, const char *table, bool fences,
                       void (*visit)(void *context, struct upsink_slice key, const struct upsink_row *row),
                       void *context);
    struct fake_count (*count)(const char *store);
};

#endif
