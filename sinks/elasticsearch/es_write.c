#include "es_write.h"

#include "es_register.h"

#include <stdlib.h>

bool es_reject(struct es_work *work, size_t number, const struct upsink_error *why, struct upsink_error *err)
{
    struct upsink_error *copy = work->batch->alloc(work->batch, sizeof *copy);
    if (!copy)
        return es_fail_memory(err);
    *copy = *why;
    work->batch->results[number] = (struct upsink_result){UPSINK_REJECTED, copy};
    return true;
}

static bool make_room(struct upsink_sink *sink, size_t count, struct upsink_error *err)
{
    size_t capacity = count + count / 2;
    if (count <= sink->item_capacity)
        return true;
    if (count > UINT32_MAX / 2)
        return es_fail_memory(err);
    void *items = reallocarray(sink->items, capacity, sizeof *sink->items);
    if (items)
        sink->items = items;
    void *numbers = reallocarray(sink->numbers, capacity, sizeof *sink->numbers);
    if (numbers)
        sink->numbers = numbers;
    if (!items || !numbers)
        return es_fail_memory(err);
    sink->item_capacity = capacity;
    return true;
}

/* Before anything is sent: one such id would refuse its whole request. */
static bool check_key(struct es_work *work, size_t number, struct upsink_error *err)
{
    struct upsink_error why;
    size_t len = work->items[number].change->key.len;
    if (len && len <= ES_ID_MAX)
        return true;
    upsink_fail(&why, UPSINK_ERR_RECORD, len ? "key_too_large" : "invalid_key",
                "the key has %zu bytes, and an _id has 1 to %d", len, (int)ES_ID_MAX);
    work->items[number].progress = ES_DONE;
    return es_reject(work, number, &why, err);
}

static bool begin_work(struct es_work *work, struct upsink_sink *sink, struct upsink_batch *batch,
                       struct upsink_error *err)
{
    if (!make_room(sink, batch->count, err))
        return false;
    *work = (struct es_work){.sink = sink,
                             .batch = batch,
                             .items = sink->items,
                             .count = batch->count,
                             .style = {.with_topic = sink->view->several_topics,
                                       .soft = sink->view->delete_mode == UPSINK_DELETE_SOFT}};
    arena_clear(&sink->arena);
    for (size_t i = 0; i < batch->count; i++) {
        work->items[i] = (struct es_item){.change = batch->changes[i], .progress = ES_NEW};
        batch->results[i] = (struct upsink_result){UPSINK_PENDING, NULL};
        if (!check_key(work, i, err))
            return false;
    }
    return true;
}

/* Before rows go, the register has to know that the last one may be among them: an index that is empty was
 * emptied by somebody else otherwise. */
static bool expect_deletes(struct es_work *work, int64_t rows, struct upsink_error *err)
{
    enum { OTHERS = 32 }; /* writers may delete at the same time */
    struct upsink_sink *sink = work->sink;
    int64_t deletes = 0;
    for (size_t i = 0; i < work->count; i++)
        deletes += work->items[i].change->op == UPSINK_DELETE;
    if (!deletes || !sink->filled || work->style.soft)
        return true;
    if (rows <= (deletes + sink->unseen_deletes) * OTHERS && !es_count_rows(sink, true, &rows, err))
        return false;
    return rows > (deletes + sink->unseen_deletes) * OTHERS || es_note_filled(sink, false, err);
}

/* `cleared`: by expect_deletes, in vain perhaps. */
static bool note_rows(struct es_work *work, bool cleared, struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    bool any = false;
    int64_t rows = 0;
    if (sink->filled)
        return true;
    for (size_t i = 0; !any && i < work->count; i++)
        any = work->batch->results[i].verdict == UPSINK_APPLIED && work->items[i].change->op == UPSINK_UPSERT;
    if (!any && cleared && !es_count_rows(sink, true, &rows, err))
        return false;
    return (!any && !rows) || es_note_filled(sink, true, err);
}

bool es_write(struct upsink_sink *sink, struct upsink_batch *batch, struct upsink_error *err)
{
    struct es_work work;
    int64_t rows = 0;
    if (!es_check_ready(sink, err))
        return false;
    if (!batch->count)
        return true;
    if (!begin_work(&work, sink, batch, err) || !es_check_target(sink, &rows, err))
        return false;
    bool was_filled = sink->filled;
    if (expect_deletes(&work, rows, err) && es_settle(&work, err) &&
        note_rows(&work, was_filled && !sink->filled, err))
        return true;
    es_cache_clear(&sink->cache);
    return false;
}
