#include "mg_write.h"

#include <stdlib.h>

/* --- refused records ---------------------------------------------------------------------------------- */

bool mg_reject(struct mg_work *work, uint32_t number, const struct upsink_error *why,
               struct upsink_error *err)
{
    struct upsink_error *copy = work->batch->alloc(work->batch, sizeof *copy);
    if (!copy)
        return mg_fail_memory(err);
    *copy = *why;
    work->batch->results[number] = (struct upsink_result){UPSINK_REJECTED, copy};
    return true;
}

bool mg_reject_by_code(struct mg_work *work, uint32_t number, const struct mg_outcome *outcome,
                       struct upsink_error *err)
{
    struct mg_meaning meaning = mg_code_meaning(outcome->code);
    struct upsink_error why;
    upsink_fail(&why, UPSINK_ERR_RECORD, meaning.code, "%s refuses the document: %s", work->sink->description,
                meaning.hint);
    upsink_error_detail(&why, "MongoDB error %d%s%.150s", (int)outcome->code, outcome->detail[0] ? ": " : "",
                        outcome->detail);
    return mg_reject(work, number, &why, err);
}

/* --- a batch ------------------------------------------------------------------------------------------- */

static bool begin_work(struct mg_work *work, struct upsink_sink *sink, struct upsink_batch *batch,
                       struct upsink_error *err)
{
    if (batch->count > sink->item_capacity) {
        size_t capacity = batch->count + batch->count / 2;
        void *items = reallocarray(sink->items, capacity, sizeof *sink->items);
        if (items)
            sink->items = items;
        void *numbers = reallocarray(sink->numbers, capacity, sizeof *sink->numbers);
        if (numbers)
            sink->numbers = numbers;
        if (!items || !numbers || batch->count > UINT32_MAX / 2)
            return mg_fail_memory(err);
        sink->item_capacity = capacity;
    }
    *work = (struct mg_work){.sink = sink, .batch = batch, .items = sink->items, .count = batch->count};
    for (size_t i = 0; i < batch->count; i++) {
        work->items[i] = (struct mg_item){.change = batch->changes[i], .progress = MG_JUDGE};
        batch->results[i] = (struct upsink_result){UPSINK_PENDING, NULL};
    }
    arena_clear(&sink->arena);
    return true;
}

/* Before rows go, the register has to know that the last one may be among them: a collection that is
 * empty was emptied by somebody else otherwise. */
static bool expect_deletes(struct mg_work *work, struct upsink_error *err)
{
    enum { OTHERS = 32 }; /* writers may delete at the same time */
    int64_t rows = 0, deletes = 0;
    for (size_t i = 0; i < work->count; i++)
        deletes += work->items[i].change->op == UPSINK_DELETE;
    if (!deletes || !work->sink->filled || work->sink->view->delete_mode == UPSINK_DELETE_SOFT)
        return true;
    if (!mg_count_rows(work->sink, work->sink->collection, &rows, err))
        return false;
    return rows > deletes * OTHERS || mg_note_filled(work->sink, false, err);
}

/* `cleared`: by expect_deletes, in vain perhaps. */
static bool note_rows(struct mg_work *work, bool cleared, struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    bool any = false;
    if (sink->filled)
        return true;
    for (size_t i = 0; !any && i < work->count; i++)
        any = work->batch->results[i].verdict == UPSINK_APPLIED && work->items[i].change->op == UPSINK_UPSERT;
    if (!any && cleared && !mg_has_rows(sink, sink->collection, &any, err))
        return false;
    return !any || mg_note_filled(sink, true, err);
}

bool mg_write(struct upsink_sink *sink, struct upsink_batch *batch, struct upsink_error *err)
{
    struct mg_work work = {.sink = sink};
    if (!mg_check_ready(sink, err))
        return false;
    if (!batch->count)
        return true;
    if (!begin_work(&work, sink, batch, err) || !mg_check_emptied(sink, err) ||
        (!sink->guards && !mg_check_uuid(sink, err)))
        return false;
    bool was_filled = sink->filled;
    sink->unconfirmed = true;
    return expect_deletes(&work, err) && mg_settle(&work, err) && note_rows(&work, was_filled, err);
}
