#include "mg_write.h"

#include "clock.h"

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

/* --- the quick way ------------------------------------------------------------------------------------- */

static bool is_quick(const struct mg_item *item)
{
    return item->progress == MG_QUICK;
}

static bool is_inserted(const struct mg_item *item)
{
    return item->progress == MG_DONE && item->inserted;
}

/* Whatever went wrong with a record: its fences tell whether it would have won at all. */
static bool take_outcome(struct mg_request *request, uint32_t number, const struct mg_outcome *outcome,
                         struct upsink_error *err)
{
    struct mg_work *work = request->context;
    struct mg_item *item = &work->items[number];
    if (!outcome->code) {
        work->batch->results[number] = (struct upsink_result){UPSINK_APPLIED, NULL};
        item->progress = MG_DONE;
        item->inserted = outcome->inserted;
        return true;
    }
    item->progress = MG_JUDGE;
    if (outcome->code != MG_UPDATE_CONFLICT && mg_code_meaning(outcome->code).cls != UPSINK_ERR_RECORD)
        return mg_fail_code(work->sink, request->what, outcome->code, err);
    work->raced += outcome->code == MG_DUPLICATE_KEY;
    return true;
}

static bool write_quickly(struct mg_work *work, struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    struct upsink_error why;
    struct mg_request request = {.sink = sink,
                                 .verb = "update",
                                 .collection = sink->collection,
                                 .what = "write to",
                                 .take = take_outcome,
                                 .context = work,
                                 .deadline_us = work->read_at_us + MG_FRESH_US};
    for (size_t i = 0; i < work->count; i++) {
        struct mg_item *item = &work->items[i];
        if (!is_quick(item))
            continue;
        if (item->side.exists || !mg_build_row(work, item, true, NULL, &why))
            item->progress = MG_JUDGE;
        else if (!mg_request_add(&request, (uint32_t)i, &sink->statement, err))
            return false;
    }
    return mg_request_finish(&request, err);
}

/* A delete may have come between looking for its fence and inserting the row. */
static bool verify_inserted(struct mg_work *work, struct upsink_error *err)
{
    if (!mg_find_fences(work, MG_SIDES, is_inserted, err))
        return false;
    for (size_t i = 0; i < work->count; i++)
        if (is_inserted(&work->items[i]) && work->items[i].side.exists)
            work->items[i].progress = MG_VERIFY;
    return true;
}

static bool try_quickly(struct mg_work *work, struct upsink_error *err)
{
    size_t tried = 0;
    for (size_t i = 0; i < work->count; i++) {
        struct mg_item *item = &work->items[i];
        if (item->change->op != UPSINK_UPSERT || work->sink->read_first)
            continue;
        item->progress = MG_QUICK;
        tried++;
    }
    if (!tried)
        return true;
    work->read_at_us = clock_monotonic_us();
    work->raced = 0;
    if (!mg_find_fences(work, MG_SIDES, is_quick, err) || !write_quickly(work, err) ||
        !verify_inserted(work, err))
        return false;
    /* Of a replay, every row is of an earlier generation. */
    work->sink->read_first = tried >= 16 && work->raced > tried / 4;
    return true;
}

/* Of the rows that were read, how many would the quick way have known? */
static void look_at_fences(struct mg_work *work)
{
    size_t known = 0;
    for (size_t i = 0; i < work->count; i++) {
        const struct mg_item *item = &work->items[i];
        const struct upsink_fence *fence = &item->row.fence;
        known += !item->row.exists || (fence->partition == item->change->partition &&
                                       fence->generation == item->change->generation);
    }
    if (known > work->count - work->count / 4)
        work->sink->read_first = false;
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

static bool note_upserts(struct mg_work *work, struct upsink_error *err)
{
    bool any = false;
    if (work->sink->filled)
        return true;
    for (size_t i = 0; !any && i < work->count; i++)
        any = work->batch->results[i].verdict == UPSINK_APPLIED && work->items[i].change->op == UPSINK_UPSERT;
    return !any || mg_note_filled(work->sink, true, err);
}

bool mg_write(struct upsink_sink *sink, struct upsink_batch *batch, struct upsink_error *err)
{
    struct mg_work work;
    if (!mg_check_ready(sink, err))
        return false;
    if (!batch->count)
        return true;
    if (!begin_work(&work, sink, batch, err) || !mg_check_emptied(sink, err) ||
        (!sink->guards && !mg_check_uuid(sink, err)) || !expect_deletes(&work, err))
        return false;
    bool read_first = sink->read_first;
    sink->unconfirmed = true;
    if (!try_quickly(&work, err) || !mg_settle(&work, err))
        return false;
    if (read_first)
        look_at_fences(&work);
    return note_upserts(&work, err);
}
