/* The sink's own functions; see fake_sink.h. Compiled twice: with FAKE_PLAIN it has no transactions. */
#include "tests/contract/fake_sink/store.h"

#include "buf.h"
#include "url.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <time.h>

#ifdef FAKE_PLAIN
#define NAME             "fakeplain"
#define IS_TRANSACTIONAL false
#define CAPABILITIES     (UPSINK_KEEPS_POSITIONS | UPSINK_FENCED)
#else
#define NAME             "fake"
#define IS_TRANSACTIONAL true
#define CAPABILITIES     (UPSINK_KEEPS_POSITIONS | UPSINK_FENCED | UPSINK_TRANSACTIONAL)
#endif

struct upsink_sink {
    const struct upsink_view *view;
    char *store_name, *table_name, *dump, *description;
    struct buf seen; /* what read_row gave */
    long slow_us;
    bool failed;
};

/* Under the lock; the store and the table may be dropped between two calls. */
static struct store *store_of(struct upsink_sink *sink)
{
    return store_find(sink->store_name);
}

static struct table *table_of(struct upsink_sink *sink)
{
    return store_table(store_of(sink), sink->table_name);
}

static bool fail_with(struct upsink_error *err, enum upsink_error_class cls, const char *code)
{
    return upsink_fail(err, cls, code, "the fake sink was told to fail: %s", code);
}

static const char *const names[] = {"outage", "unknown", "fenced", "lost", "late", /* enum fake_fault */
                                    "refuse", "table",   "dump",   "slow"};

static bool is_known(const char *name)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static bool check_names(const struct url *url, const struct upsink_view *view, struct upsink_error *err)
{
    for (size_t i = 0; i < url->parameter_count; i++)
        if (!is_known(url->parameters[i].name))
            return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_url", NAME ": has no parameter %s",
                               url->parameters[i].name);
    return view->setting_count == 0 || upsink_fail(err, UPSINK_ERR_CONFIG, "bad_setting",
                                                   NAME ": has no setting %s", view->settings[0].name);
}

static void read_faults(const struct url *url, struct store *store)
{
    for (size_t i = 0; i < FAKE_FAULTS; i++) {
        const char *times = url_get(url, names[i]);
        if (times && !store->count.prepares)
            store->faults[i] = strtoul(times, NULL, 10);
    }
    if (url_get(url, "refuse")) {
        free(store->refuse);
        store->refuse = strdup(url_get(url, "refuse"));
    }
}

static bool open_sink(struct upsink_sink **sink, const struct upsink_view *view,
                      const struct upsink_host *host, struct upsink_error *err)
{
    struct url url;
    (void)host;
    *sink = NULL;
    if (!url_parse(&url, view->url, err))
        return false;
    if (!check_names(&url, view, err)) {
        url_clear(&url);
        return false;
    }
    const char *table = url_get(&url, "table") ? url_get(&url, "table") : view->target;
    struct upsink_sink *made = calloc(1, sizeof *made);
    if (!made)
        abort();
    made->view = view;
    made->store_name = strdup(url.path);
    made->table_name = strdup(table ? table : view->default_target);
    made->dump = url_get(&url, "dump") ? strdup(url_get(&url, "dump")) : NULL;
    made->slow_us = url_get(&url, "slow") ? strtol(url_get(&url, "slow"), NULL, 10) : 0;
    if (asprintf(&made->description, NAME ":%s table %s", made->store_name, made->table_name) < 0)
        abort();
    pthread_mutex_lock(&store_lock);
    read_faults(&url, store_of(made));
    pthread_mutex_unlock(&store_lock);
    url_clear(&url);
    *sink = made;
    return true;
}

static const char *describe_sink(const struct upsink_sink *sink)
{
    return sink->description;
}

static void reset_marks(struct store *store, const char *view)
{
    for (struct mark *mark = store->marks; mark; mark = mark->next)
        if (strcmp(mark->view, view) == 0) {
            mark->position.next_offset = -1;
            mark->position.epoch++;
        }
}

static bool prepare_locked(struct upsink_sink *sink, bool really, struct upsink_error *err)
{
    struct store *store = store_of(sink);
    struct table *table = store_table(store, sink->table_name);
    struct table *other = store_table_of_view(store, sink->view->name);
    if (table->view &&
        (strcmp(table->view, sink->view->name) != 0 || strcmp(table->topic, sink->view->topic) != 0))
        return upsink_fail(err, UPSINK_ERR_FATAL, "target_taken", "%s belongs to the view %s of topic %s",
                           sink->description, table->view, table->topic);
    if (!really)
        return true;
    if (table->lost && !sink->view->create)
        return upsink_fail(err, UPSINK_ERR_FATAL, "target_missing", "there is no %s", sink->description);
    store->count.prepares++;
    if (table->lost || !table->view)
        reset_marks(store, sink->view->name);
    if (other && other != table) {
        free(other->view);
        free(other->topic);
        other->view = other->topic = NULL;
    }
    if (!table->view) {
        table->view = strdup(sink->view->name);
        table->topic = strdup(sink->view->topic);
    }
    table->lost = false;
    return true;
}

static bool prepare(struct upsink_sink *sink, const struct upsink_printer *plan, struct upsink_error *err)
{
    pthread_mutex_lock(&store_lock);
    bool lost = table_of(sink)->lost, done = prepare_locked(sink, !plan, err);
    pthread_mutex_unlock(&store_lock);
    if (done && plan && lost)
        plan->print(plan->context, "make the fake table");
    return done;
}

static int64_t newest_generation(const struct table *table)
{
    int64_t newest = 0;
    for (size_t i = 0; i < table->rows.bucket_count; i++)
        for (const struct entry *entry = table->rows.buckets[i]; entry; entry = entry->next)
            if (entry->row.fence.generation > newest)
                newest = entry->row.fence.generation;
    return newest;
}

static bool claim(struct upsink_sink *sink, struct upsink_position *position, struct upsink_error *err)
{
    pthread_mutex_lock(&store_lock);
    struct store *store = store_of(sink);
    struct table *table = table_of(sink);
    bool lost = table->lost, any = false;
    for (struct mark *each = store->marks; each; each = each->next)
        any = any || strcmp(each->view, sink->view->name) == 0;
    struct mark *mark = store_mark(store, sink->view->name, position->topic, position->partition);
    if (!lost && !mark) {
        mark = store_add_mark(store, sink->view->name, position->topic, position->partition);
        mark->position.generation = any ? 0 : newest_generation(table);
    }
    if (!lost) {
        struct upsink_slice topic = position->topic;
        mark->position.epoch++;
        *position = mark->position;
        position->topic = topic;
    }
    pthread_mutex_unlock(&store_lock);
    return !lost || fail_with(err, UPSINK_ERR_TARGET_LOST, "target_lost");
}

/* Waits for the end of another sink's transaction. */
static bool begin(struct upsink_sink *sink, struct upsink_error *err)
{
    struct timespec until;
    int result = 0;
    if (!IS_TRANSACTIONAL || store_of(sink)->writer == sink)
        return true;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)(sink->view->timeout_us / 1000000);
    until.tv_nsec += (long)(sink->view->timeout_us % 1000000) * 1000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    while (store_of(sink)->writer && result != ETIMEDOUT)
        result = pthread_cond_timedwait(&store_free, &store_lock, &until);
    if (store_of(sink)->writer)
        return upsink_fail(err, UPSINK_ERR_OUTAGE, "sink_busy", "another transaction holds %s",
                           sink->description);
    store_of(sink)->writer = sink;
    return true;
}

static void end(struct upsink_sink *sink, bool keep)
{
    struct store *store = store_of(sink);
    if (store->writer != sink)
        return;
    for (struct table *table = store->tables; table; table = table->next)
        table_settle(table, keep && !table->lost);
    store->writer = NULL;
    pthread_cond_broadcast(&store_free);
}

static void refuse(struct upsink_batch *batch, size_t i)
{
    struct upsink_error *why = batch->alloc(batch, sizeof *why);
    if (!why)
        abort();
    upsink_fail(why, UPSINK_ERR_RECORD, "refused_by_test", "the fake sink was told to refuse this key");
    batch->results[i] = (struct upsink_result){UPSINK_REJECTED, why};
}

static void put(struct upsink_sink *sink, const struct upsink_change *change, const struct upsink_row *before)
{
    struct table *table = table_of(sink);
    struct upsink_row row = {.found = true};
    bool soft = sink->view->delete_mode == UPSINK_DELETE_SOFT;
    row.fence = (struct upsink_fence){
        .topic = change->topic,
        .event_id = change->event_id,
        .change_id = change->change_id,
        .offset = change->offset,
        .timestamp = change->timestamp,
        .generation = change->generation,
        .partition = change->partition,
        .deleted = change->op == UPSINK_DELETE,
    };
    row.fence.has_version = upsink_fence_version(before ? &before->fence : NULL, change, &row.fence.version);
    if (change->op == UPSINK_UPSERT)
        row.entity = change->entity;
    else if (soft && before)
        row.entity = before->entity;
    entry_put(IS_TRANSACTIONAL ? &table->pending : &table->rows, change->key, &row);
}

static bool matches(const char *glob, struct upsink_slice bytes)
{
    char *text = bytes.data ? strndup(bytes.data, bytes.len) : NULL;
    bool matched = text && fnmatch(glob, text, 0) == 0;
    free(text);
    return matched;
}

static bool write_locked(struct upsink_sink *sink, struct upsink_batch *batch, struct upsink_error *err)
{
    struct store *store = store_of(sink);
    struct table *table = table_of(sink);
    store->count.writes++;
    if (store_takes_fault(store, FAKE_OUTAGE))
        return fail_with(err, UPSINK_ERR_OUTAGE, "outage_by_test");
    if (store_takes_fault(store, FAKE_UNKNOWN))
        return fail_with(err, UPSINK_ERR_UNKNOWN, "unknown_by_test");
    if (store_takes_fault(store, FAKE_LOST)) {
        table_empty(table);
        table->lost = true;
    }
    if (table->lost)
        return fail_with(err, UPSINK_ERR_TARGET_LOST, "target_lost");
    if (!begin(sink, err))
        return false;
    for (size_t i = 0; i < batch->count; i++) {
        const struct upsink_change *change = batch->changes[i];
        const struct entry *entry = entry_find(&table->pending, change->key);
        entry = entry ? entry : entry_find(&table->rows, change->key);
        batch->results[i] =
            (struct upsink_result){upsink_fence_judge(entry ? &entry->row.fence : NULL, change), NULL};
        if (batch->results[i].verdict != UPSINK_APPLIED)
            continue;
        if (store->refuse && (matches(store->refuse, change->key) || matches(store->refuse, change->entity)))
            refuse(batch, i);
        else
            put(sink, change, entry ? &entry->row : NULL);
    }
    store->count.changes += batch->count;
    return true;
}

static bool write_batch(struct upsink_sink *sink, struct upsink_batch *batch, struct upsink_error *err)
{
    if (sink->slow_us > 0)
        nanosleep(&(struct timespec){sink->slow_us / 1000000, sink->slow_us % 1000000 * 1000}, NULL);
    if (sink->failed)
        return fail_with(err, UPSINK_ERR_FATAL, "abort_missing");
    pthread_mutex_lock(&store_lock);
    bool done = write_locked(sink, batch, err);
    if (!done) {
        end(sink, false);
        sink->failed = true;
    }
    pthread_mutex_unlock(&store_lock);
    return done;
}

/* Positions become visible with the rows, or not at all: first all are looked at, then all are stored. */
static bool store_positions(struct upsink_sink *sink, const struct upsink_position *positions, size_t count,
                            struct upsink_error *err)
{
    struct store *store = store_of(sink);
    for (size_t i = 0; i < count; i++) {
        struct mark *mark = store_mark(store, sink->view->name, positions[i].topic, positions[i].partition);
        if (!mark || mark->position.epoch != positions[i].epoch)
            return upsink_fail(err, UPSINK_ERR_FENCED, "fenced", "partition %d has another owner by now",
                               (int)positions[i].partition);
    }
    for (size_t i = 0; i < count; i++) {
        struct mark *mark = store_mark(store, sink->view->name, positions[i].topic, positions[i].partition);
        mark->position = positions[i];
        mark->position.topic = upsink_slice_of(mark->topic);
    }
    return true;
}

static bool commit_locked(struct upsink_sink *sink, const struct upsink_position *positions, size_t count,
                          struct upsink_error *err)
{
    struct store *store = store_of(sink);
    store->count.commits++;
    if (store_takes_fault(store, FAKE_FENCED))
        return fail_with(err, UPSINK_ERR_FENCED, "fenced");
    if (table_of(sink)->lost)
        return fail_with(err, UPSINK_ERR_TARGET_LOST, "target_lost");
    if (!begin(sink, err) || !store_positions(sink, positions, count, err))
        return false;
    end(sink, true);
    return !store_takes_fault(store, FAKE_LATE) || fail_with(err, UPSINK_ERR_OUTAGE, "answer_lost_by_test");
}

static bool commit(struct upsink_sink *sink, const struct upsink_position *positions, size_t count,
                   struct upsink_error *err)
{
    if (sink->failed)
        return fail_with(err, UPSINK_ERR_FATAL, "abort_missing");
    pthread_mutex_lock(&store_lock);
    bool done = commit_locked(sink, positions, count, err);
    if (!done) {
        end(sink, false);
        sink->failed = true;
    }
    pthread_mutex_unlock(&store_lock);
    return done;
}

static void abort_sink(struct upsink_sink *sink)
{
    pthread_mutex_lock(&store_lock);
    store_of(sink)->count.aborts++;
    end(sink, false);
    sink->failed = false;
    pthread_mutex_unlock(&store_lock);
}

static struct upsink_slice keep_slice(struct buf *seen, struct upsink_slice text)
{
    size_t begin = seen->len;
    buf_append_slice(seen, text);
    return text.data ? (struct upsink_slice){seen->data + begin, text.len} : UPSINK_SLICE_ABSENT;
}

static bool read_row(struct upsink_sink *sink, struct upsink_slice key, struct upsink_row *row,
                     struct upsink_error *err)
{
    (void)err;
    *row = (struct upsink_row){.found = false};
    pthread_mutex_lock(&store_lock);
    struct table *table = table_of(sink);
    bool own = store_of(sink)->writer == sink;
    const struct entry *entry = own ? entry_find(&table->pending, key) : NULL;
    entry = entry ? entry : entry_find(&table->rows, key);
    if (entry) {
        const struct upsink_fence *fence = &entry->row.fence;
        *row = entry->row;
        buf_clear(&sink->seen);
        buf_reserve(&sink->seen,
                    entry->row.entity.len + fence->topic.len + fence->event_id.len + fence->change_id.len);
        row->entity = keep_slice(&sink->seen, entry->row.entity);
        row->fence.topic = keep_slice(&sink->seen, fence->topic);
        row->fence.event_id = keep_slice(&sink->seen, fence->event_id);
        row->fence.change_id = keep_slice(&sink->seen, fence->change_id);
    }
    pthread_mutex_unlock(&store_lock);
    return true;
}

static void close_sink(struct upsink_sink *sink)
{
    if (!sink)
        return;
    pthread_mutex_lock(&store_lock);
    end(sink, false);
    if (sink->dump)
        store_dump(store_of(sink), sink->dump);
    pthread_mutex_unlock(&store_lock);
    buf_destroy(&sink->seen);
    free(sink->store_name);
    free(sink->table_name);
    free(sink->dump);
    free(sink->description);
    free(sink);
}

static const char *const schemes[] = {NAME, NULL};
static const struct upsink_option url_options[] = {
    {"table", "text", NULL, "the table"},
    {"refuse", "text", NULL, "keys or entities that match this glob are refused"},
    {"outage", "integer", "0", "so many writes fail with an outage"},
    {"unknown", "integer", "0", "so many writes fail with an unknown error"},
    {"fenced", "integer", "0", "so many commits are fenced"},
    {"lost", "integer", "0", "so many writes lose the target"},
    {"late", "integer", "0", "so many commits take effect, but the answer is lost"},
    {"slow", "integer", "0", "microseconds that a write takes"},
    {"dump", "text", NULL, "where the store is written to at close"},
    {NULL, NULL, NULL, NULL},
};
static const struct upsink_option settings[] = {{NULL, NULL, NULL, NULL}};

UPSINK_EXPORT const struct upsink_sink_type upsink_sink = {
    .abi = UPSINK_SINK_ABI,
    .size = sizeof(struct upsink_sink_type),
    .name = NAME,
    .schemes = schemes,
    .summary = "memory, for tests",
    .url_options = url_options,
    .settings = settings,
    .capabilities = CAPABILITIES,
    .open = open_sink,
    .describe = describe_sink,
    .prepare = prepare,
    .claim = claim,
    .write = write_batch,
    .commit = commit,
    .abort = abort_sink,
    .read_row = read_row,
    .close = close_sink,
};
