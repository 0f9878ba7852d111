#include "tests/contract/fake_sink/store.h"

#include <stdint.h>
#include <stdlib.h>

pthread_mutex_t store_lock = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t store_free = PTHREAD_COND_INITIALIZER;
static struct store *stores;

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

static char *copy_slice(struct upsink_slice text)
{
    char *copy = must(malloc(text.len + 1));
    if (text.len)
        memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    return copy;
}

struct store *store_find(const char *name)
{
    for (struct store *each = stores; each; each = each->next)
        if (strcmp(each->name, name) == 0)
            return each;
    struct store *store = must(calloc(1, sizeof *store));
    store->name = must(strdup(name));
    store->next = stores;
    stores = store;
    return store;
}

struct table *store_table(struct store *store, const char *name)
{
    for (struct table *each = store->tables; each; each = each->next)
        if (strcmp(each->name, name) == 0)
            return each;
    struct table *table = must(calloc(1, sizeof *table));
    table->name = must(strdup(name));
    table->lost = true;
    table->next = store->tables;
    store->tables = table;
    return table;
}

struct table *store_table_of_view(struct store *store, const char *view)
{
    for (struct table *each = store->tables; each; each = each->next)
        if (each->view && strcmp(each->view, view) == 0)
            return each;
    return NULL;
}

struct mark *store_mark(struct store *store, const char *view, struct upsink_slice topic, int32_t partition)
{
    for (struct mark *each = store->marks; each; each = each->next)
        if (strcmp(each->view, view) == 0 && upsink_slice_is(topic, each->topic) &&
            each->position.partition == partition)
            return each;
    return NULL;
}

struct mark *store_add_mark(struct store *store, const char *view, struct upsink_slice topic,
                            int32_t partition)
{
    struct mark *mark = must(calloc(1, sizeof *mark));
    mark->view = must(strdup(view));
    mark->topic = copy_slice(topic);
    mark->position = (struct upsink_position){
        .topic = upsink_slice_of(mark->topic), .partition = partition, .next_offset = -1};
    mark->next = store->marks;
    store->marks = mark;
    return mark;
}

/* FNV-1a. */
static size_t find_bucket(const struct rows *rows, struct upsink_slice key)
{
    uint64_t hash = 14695981039346656037ULL;
    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ (unsigned char)key.data[i]) * 1099511628211ULL;
    return (size_t)((hash ^ hash >> 32) % rows->bucket_count);
}

struct entry *entry_find(const struct rows *rows, struct upsink_slice key)
{
    struct entry *entry = rows->count ? rows->buckets[find_bucket(rows, key)] : NULL;
    while (entry && !upsink_slice_equal(entry->key, key))
        entry = entry->next;
    return entry;
}

static void grow(struct rows *rows)
{
    struct rows grown = {.bucket_count = rows->bucket_count * 4 + 64, .count = rows->count};
    grown.buckets = must(calloc(grown.bucket_count, sizeof *grown.buckets));
    for (size_t i = 0; i < rows->bucket_count; i++)
        while (rows->buckets[i]) {
            struct entry *entry = rows->buckets[i], **head = &grown.buckets[find_bucket(&grown, entry->key)];
            rows->buckets[i] = entry->next;
            entry->next = *head;
            *head = entry;
        }
    free(rows->buckets);
    *rows = grown;
}

static void link_entry(struct rows *rows, struct entry *entry)
{
    if (rows->count >= rows->bucket_count)
        grow(rows);
    struct entry **link = &rows->buckets[find_bucket(rows, entry->key)];
    while (*link && !upsink_slice_equal((*link)->key, entry->key))
        link = &(*link)->next;
    struct entry *old = *link;
    entry->next = old ? old->next : NULL;
    *link = entry;
    rows->count += !old;
    if (old)
        free(old->memory);
    free(old);
}

static void move_slice(char **memory, struct upsink_slice *slice, struct upsink_slice from)
{
    *slice = (struct upsink_slice){from.data ? *memory : NULL, from.len};
    if (from.len)
        memcpy(*memory, from.data, from.len);
    *memory += from.len;
}

void entry_put(struct rows *rows, struct upsink_slice key, const struct upsink_row *row)
{
    struct entry *entry = must(calloc(1, sizeof *entry));
    const struct upsink_fence *fence = &row->fence;
    char *memory = must(malloc(key.len + row->entity.len + fence->topic.len + fence->event_id.len +
                               fence->change_id.len + 1));
    entry->memory = memory;
    entry->row = *row;
    move_slice(&memory, &entry->key, key);
    move_slice(&memory, &entry->row.entity, row->entity);
    move_slice(&memory, &entry->row.fence.topic, fence->topic);
    move_slice(&memory, &entry->row.fence.event_id, fence->event_id);
    move_slice(&memory, &entry->row.fence.change_id, fence->change_id);
    link_entry(rows, entry);
}

static void drop_rows(struct rows *rows)
{
    for (size_t i = 0; i < rows->bucket_count; i++)
        while (rows->buckets[i]) {
            struct entry *entry = rows->buckets[i];
            rows->buckets[i] = entry->next;
            free(entry->memory);
            free(entry);
        }
    free(rows->buckets);
    *rows = (struct rows){.count = 0};
}

void table_settle(struct table *table, bool keep)
{
    struct rows *pending = &table->pending;
    for (size_t i = 0; keep && i < pending->bucket_count; i++)
        while (pending->buckets[i]) {
            struct entry *entry = pending->buckets[i];
            pending->buckets[i] = entry->next;
            link_entry(&table->rows, entry);
        }
    drop_rows(pending);
}

void table_empty(struct table *table)
{
    drop_rows(&table->rows);
    drop_rows(&table->pending);
}

void store_empty(struct store *store)
{
    while (store->tables) {
        struct table *table = store->tables;
        store->tables = table->next;
        table_empty(table);
        free(table->name);
        free(table->view);
        free(table->topic);
        free(table);
    }
    while (store->marks) {
        struct mark *mark = store->marks;
        store->marks = mark->next;
        free(mark->view);
        free(mark->topic);
        free(mark);
    }
}

bool store_takes_fault(struct store *store, enum fake_fault fault)
{
    if (!store->faults[fault])
        return false;
    store->faults[fault]--;
    return true;
}

/* So that leak checkers see only what a sink loses. */
__attribute__((destructor)) static void forget_stores(void)
{
    while (stores) {
        struct store *store = stores;
        stores = store->next;
        store_empty(store);
        free(store->name);
        free(store->refuse);
        free(store);
    }
}
