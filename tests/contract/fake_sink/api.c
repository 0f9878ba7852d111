#include "tests/contract/fake_sink/store.h"

#include <stdlib.h>

static void set_fault(const char *name, enum fake_fault fault, size_t times)
{
    pthread_mutex_lock(&store_lock);
    store_find(name)->faults[fault] = times;
    pthread_mutex_unlock(&store_lock);
}

static void refuse(const char *name, const char *glob)
{
    pthread_mutex_lock(&store_lock);
    struct store *store = store_find(name);
    free(store->refuse);
    store->refuse = glob ? strdup(glob) : NULL;
    pthread_mutex_unlock(&store_lock);
}

static void drop_table(const char *name, const char *table)
{
    pthread_mutex_lock(&store_lock);
    struct table *dropped = store_table(store_find(name), table);
    table_empty(dropped);
    dropped->lost = true;
    pthread_mutex_unlock(&store_lock);
}

static void drop_store(const char *name)
{
    pthread_mutex_lock(&store_lock);
    store_empty(store_find(name));
    pthread_mutex_unlock(&store_lock);
}

static void visit_rows(const char *name, const char *table, bool fences,
                       void (*visit)(void *context, struct upsink_slice key, const struct upsink_row *row),
                       void *context)
{
    pthread_mutex_lock(&store_lock);
    struct table *seen = store_table(store_find(name), table);
    for (size_t i = 0; i < seen->rows.bucket_count; i++)
        for (struct entry *entry = seen->rows.buckets[i]; entry; entry = entry->next)
            if (fences || !entry->row.fence.deleted)
                visit(context, entry->key, &entry->row);
    pthread_mutex_unlock(&store_lock);
}

static struct fake_count count(const char *name)
{
    pthread_mutex_lock(&store_lock);
    struct fake_count counted = store_find(name)->count;
    pthread_mutex_unlock(&store_lock);
    return counted;
}

UPSINK_EXPORT const struct fake_sink_api fake_sink_api = {
    .set_fault = set_fault,
    .refuse = refuse,
    .drop_table = drop_table,
    .drop_store = drop_store,
    .visit_rows = visit_rows,
    .count = count,
};

static void print_text(FILE *out, struct upsink_slice text)
{
    fputc('"', out);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c < 0x20 || c == '"' || c == '\\')
            fprintf(out, "\\u%04x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

static void print_row(FILE *out, const struct entry *entry)
{
    const struct upsink_fence *fence = &entry->row.fence;
    fputs("{\"key\":", out);
    print_text(out, entry->key);
    fprintf(out, ",\"deleted\":%s,\"partition\":%d,\"offset\":%lld,\"generation\":%lld,\"timestamp\":%lld",
            fence->deleted ? "true" : "false", (int)fence->partition, (long long)fence->offset,
            (long long)fence->generation, (long long)fence->timestamp);
    if (fence->has_version)
        fprintf(out, ",\"version\":%lld", (long long)fence->version);
    if (fence->event_id.data) {
        fputs(",\"event_id\":", out);
        print_text(out, fence->event_id);
    }
    if (fence->change_id.data) {
        fputs(",\"change_id\":", out);
        print_text(out, fence->change_id);
    }
    if (entry->row.entity.data) {
        fputs(",\"entity\":", out);
        fwrite(entry->row.entity.data, 1, entry->row.entity.len, out);
    }
    fputs("}", out);
}

void store_dump(const struct store *store, const char *path)
{
    FILE *out = fopen(path, "w");
    const char *separator = "";
    if (!out)
        return;
    fputs("{\"tables\":{", out);
    for (const struct table *table = store->tables; table; table = table->next) {
        fputs(separator, out);
        print_text(out, upsink_slice_of(table->name));
        fputs(":[", out);
        separator = "";
        for (size_t i = 0; i < table->rows.bucket_count; i++)
            for (const struct entry *entry = table->rows.buckets[i]; entry; entry = entry->next) {
                fputs(separator, out);
                print_row(out, entry);
                separator = ",\n";
            }
        fputs("]", out);
        separator = ",\n";
    }
    fputs("},\"positions\":[", out);
    separator = "";
    for (const struct mark *mark = store->marks; mark; mark = mark->next) {
        fprintf(out, "%s{\"view\":", separator);
        print_text(out, upsink_slice_of(mark->view));
        fputs(",\"topic\":", out);
        print_text(out, mark->position.topic);
        fprintf(out, ",\"partition\":%d,\"epoch\":%lld,\"generation\":%lld,\"next_offset\":%lld}",
                (int)mark->position.partition, (long long)mark->position.epoch,
                (long long)mark->position.generation, (long long)mark->position.next_offset);
        separator = ",\n";
    }
    fputs("]}\n", out);
    fclose(out);
}
