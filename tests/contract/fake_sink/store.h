/* What the fake keeps: stores by name, for the whole process, under one lock. */
#ifndef UPSINK_FAKE_STORE_H
#define UPSINK_FAKE_STORE_H

#include "tests/contract/fake_sink/fake_sink.h"

#include <pthread.h>

/* An entity: its row, if it has one, and its fence. Owns its bytes. */
struct entry {
    struct entry *next; /* of the same bucket */
    char *memory;       /* key, entity, topic and ids, one after the other */
    struct upsink_slice key;
    struct upsink_row row;
};

/* A hash table that grows. */
struct rows {
    struct entry **buckets;
    size_t bucket_count, count;
};

struct table {
    struct table *next;
    char *name;
    char *view, *topic; /* who owns it */
    bool several_topics;
    bool lost; /* dropped: the next prepare makes it again */
    struct rows rows;
    struct rows pending; /* of the open transaction */
};

struct mark {
    struct mark *next;
    char *view, *topic;
    struct upsink_position position; /* its topic points to `topic` */
};

struct store {
    struct store *next;
    char *name;
    struct table *tables;
    struct mark *marks;
    void *writer; /* the sink with the open transaction */
    size_t faults[FAKE_FAULTS];
    char *refuse;
    struct fake_count count;
};

/* The lock of everything below, and the end of a transaction. */
extern pthread_mutex_t store_lock;
extern pthread_cond_t store_free;

/* Both make what is missing; they never fail (a test that runs out of memory aborts). */
struct store *store_find(const char *name);
struct table *store_table(struct store *store, const char *name);
struct table *store_table_of_view(struct store *store, const char *view);

/* NULL where there is none. */
struct mark *store_mark(struct store *store, const char *view, struct upsink_slice topic, int32_t partition);
struct mark *store_add_mark(struct store *store, const char *view, struct upsink_slice topic,
                            int32_t partition);

struct entry *entry_find(const struct rows *rows, struct upsink_slice key);
/* Replaces what was there; copies everything. */
void entry_put(struct rows *rows, struct upsink_slice key, const struct upsink_row *row);
/* Moves what is pending to the rows, or drops it. */
void table_settle(struct table *table, bool keep);
void table_empty(struct table *table);
void store_empty(struct store *store);

/* True, and one less of them, where such a fault is ordered. */
bool store_takes_fault(struct store *store, enum fake_fault fault);

void store_dump(const struct store *store, const char *path);

extern const struct fake_sink_api fake_sink_api;

#endif
