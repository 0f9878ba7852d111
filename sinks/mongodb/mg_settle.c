/* Fences are read, upsink_fence_judge decides, and what is written is written only over what was read.
 *
 * A row and a delete fence of one entity are two documents. Each writer writes its own first (an upsert the
 * row, a delete the fence), takes away the other as it read it, and looks again where one may have come in
 * between: of two writers, the one that looks last sees both, and the older one goes. After a crash in
 * between both are there; the batch comes again, and does the same. */
#include "mg_write.h"

#include "clock.h"
#include "sinks/fence_pair.h"

#include <time.h>

enum { ROUNDS_MAX = 60, QUIET_ROUNDS = 4, PAUSE_MS = 10 };

const struct mg_known *mg_newer(const struct mg_known *row, const struct mg_known *side, int64_t floor)
{
    bool has_row = row->exists && row->has_fence, has_side = side->exists && side->has_fence;
    if (!has_row || !has_side)
        return has_side ? side : has_row ? row : NULL;
    return upsink_fence_outlives(&row->fence, &side->fence, floor) ? row : side;
}

static bool is_open(const struct mg_item *item)
{
    return item->progress != MG_DONE;
}

static void plan_cleanup(struct mg_item *item, const struct mg_known *newer)
{
    item->cleanup = MG_KEEP;
    if (item->row.exists && item->side.exists)
        item->cleanup = newer == &item->side ? MG_REMOVE_ROW : MG_REMOVE_SIDE;
    item->progress = item->cleanup == MG_KEEP ? MG_DONE : MG_VERIFY;
}

static size_t number_of(const struct mg_work *work, const struct mg_item *item)
{
    return (size_t)(item - work->items);
}

/* What is known was just read: what has to be done? True where the change has to be written. */
static bool decide(struct mg_work *work, struct mg_item *item)
{
    const struct mg_known *newer = mg_newer(&item->row, &item->side, item->change->floor);
    enum upsink_verdict verdict = upsink_fence_judge(newer ? &newer->fence : NULL, item->change);
    bool verified = item->progress == MG_VERIFY;
    if (verdict == UPSINK_APPLIED &&
        !(verified && newer && upsink_fence_is_of(&newer->fence, item->change))) {
        item->progress = MG_JUDGE; /* also where it was written, and went lost in a race */
        item->cleanup = MG_KEEP;
        return true;
    }
    if (!verified)
        work->batch->results[number_of(work, item)].verdict = verdict;
    plan_cleanup(item, newer);
    return false;
}

static bool changes_row(const struct mg_work *work, const struct mg_item *item)
{
    return item->change->op == UPSINK_UPSERT ||
           (work->sink->view->delete_mode == UPSINK_DELETE_SOFT && item->row.exists);
}

/* Written: then what it takes the place of goes. */
static void take_written(struct mg_work *work, struct mg_item *item, bool inserted)
{
    bool row = changes_row(work, item);
    work->changes++;
    work->batch->results[number_of(work, item)] = (struct upsink_result){UPSINK_APPLIED, NULL};
    item->cleanup = MG_KEEP;
    if (row ? item->side.exists : item->row.exists)
        item->cleanup = row ? MG_REMOVE_SIDE : MG_REMOVE_ROW;
    if (item->change->op == UPSINK_DELETE)
        item->progress = MG_VERIFY;
    else
        item->progress = inserted ? MG_INSERTED : MG_DONE;
}

/* Whether what stands in the way of the item in a unique index may have gone since: another entity of the
 * batch may have let go of the value. What is refused although nothing changed is refused for good. */
static bool may_be_free_now(const struct mg_work *work, struct mg_item *item)
{
    bool may = !item->collided || item->collided_at != work->changes;
    item->collided = true;
    item->collided_at = work->changes;
    return may;
}

static bool take_outcome(struct mg_request *request, uint32_t number, const struct mg_outcome *outcome,
                         struct upsink_error *err)
{
    struct mg_work *work = request->context;
    struct mg_item *item = &work->items[number];
    if (!outcome->code && !outcome->uncertain) {
        take_written(work, item, !item->row.exists);
        return true;
    }
    item->cleanup = MG_KEEP;
    if (outcome->uncertain) {
        work->changes++;
        work->batch->results[number] = (struct upsink_result){UPSINK_APPLIED, NULL};
        item->progress = MG_VERIFY;
        return true;
    }
    item->progress = MG_JUDGE;
    if (outcome->id_is_taken || outcome->code == MG_UPDATE_CONFLICT)
        return true;
    if (mg_code_meaning(outcome->code).cls != UPSINK_ERR_RECORD)
        return mg_fail_code(work->sink, request->what, outcome->code, err);
    if (outcome->code == MG_DUPLICATE_KEY && may_be_free_now(work, item))
        return true;
    item->progress = MG_DONE;
    return mg_reject_by_code(work, number, outcome, err);
}

enum put { PUT_INSERT, PUT_REPLACE, PUT_SIDE };

static enum put put_of(const struct mg_work *work, const struct mg_item *item)
{
    if (!changes_row(work, item))
        return PUT_SIDE;
    return item->row.exists ? PUT_REPLACE : PUT_INSERT;
}

/* Builds and adds the statement; an entity that is no document is refused. */
static bool add_put(struct mg_work *work, struct mg_request *request, struct mg_item *item, enum put put,
                    struct upsink_error *err)
{
    static bool (*const builders[])(struct mg_work *, const struct mg_item *, const struct upsink_fence *,
                                    struct upsink_error *) = {mg_build_insert, mg_build_replace,
                                                              mg_build_side};
    struct upsink_error why;
    const struct mg_known *newer = mg_newer(&item->row, &item->side, item->change->floor);
    uint32_t number = (uint32_t)number_of(work, item);
    if (builders[put](work, item, newer ? &newer->fence : NULL, &why))
        return mg_request_add(request, number, &work->sink->statement, err);
    if (why.cls != UPSINK_ERR_RECORD) {
        *err = why;
        return false;
    }
    item->progress = MG_DONE;
    return mg_reject(work, number, &why, err);
}

static bool write_judged(struct mg_work *work, enum put put, struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    struct mg_request request = {.sink = sink,
                                 .verb = put == PUT_INSERT ? "insert" : "update",
                                 .collection = put == PUT_SIDE ? sink->fences : sink->collection,
                                 .what = "write to",
                                 .take = take_outcome,
                                 .context = work,
                                 .deadline_us = put == PUT_INSERT ? work->deadline_us : 0};
    for (size_t i = 0; i < work->count; i++) {
        struct mg_item *item = &work->items[i];
        if (item->progress == MG_JUDGE && put_of(work, item) == put &&
            !add_put(work, &request, item, put, err))
            return false;
    }
    return mg_request_finish(&request, err);
}

/* --- what is older goes ---------------------------------------------------------------------------- */

static bool take_removed(struct mg_request *request, uint32_t number, const struct mg_outcome *outcome,
                         struct upsink_error *err)
{
    struct mg_work *work = request->context;
    (void)number;
    work->changes++;
    return !outcome->code || mg_fail_code(request->sink, request->what, outcome->code, err);
}

static bool remove_older(struct mg_work *work, enum mg_which which, struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    struct buf *out = &sink->statement;
    struct mg_request request = {.sink = sink,
                                 .verb = "delete",
                                 .collection = which == MG_ROWS ? sink->collection : sink->fences,
                                 .what = "delete from",
                                 .take = take_removed,
                                 .context = work};
    for (size_t i = 0; i < work->count; i++) {
        struct mg_item *item = &work->items[i];
        if (item->cleanup != (which == MG_ROWS ? MG_REMOVE_ROW : MG_REMOVE_SIDE))
            continue;
        buf_clear(out);
        size_t whole = mg_open(out), query = mg_open_named(out, MG_DOCUMENT, "q");
        mg_filter_as_read(sink, out, item->change->key, which == MG_ROWS ? &item->row : &item->side);
        mg_close(out, query);
        mg_put_int32(out, "limit", 1);
        mg_close(out, whole);
        item->cleanup = MG_KEEP;
        if (!mg_request_add(&request, (uint32_t)i, out, err))
            return false;
    }
    return mg_request_finish(&request, err);
}

/* --- rounds ------------------------------------------------------------------------------------------ */

static bool is_inserted(const struct mg_item *item)
{
    return item->progress == MG_INSERTED;
}

/* A delete may have come between looking for its fence and inserting the row. */
static bool look_after_inserts(struct mg_work *work, struct upsink_error *err)
{
    if (!mg_find_fences(work, MG_SIDES, is_inserted, err))
        return false;
    for (size_t i = 0; i < work->count; i++)
        if (is_inserted(&work->items[i]))
            work->items[i].progress = work->items[i].side.exists ? MG_VERIFY : MG_DONE;
    return true;
}

static bool run_round(struct mg_work *work, int round, size_t *open, struct upsink_error *err)
{
    *open = 0;
    for (size_t i = 0; i < work->count; i++)
        *open += is_open(&work->items[i]);
    if (!*open)
        return true;
    arena_clear(&work->sink->arena);
    int64_t begin = clock_monotonic_us();
    if (!mg_find_fences(work, MG_ROWS, is_open, err) || !mg_find_fences(work, MG_SIDES, is_open, err))
        return false;
    work->deadline_us = begin + upsink_fence_fresh_us(round, clock_monotonic_us() - begin);
    for (size_t i = 0; i < work->count; i++)
        if (is_open(&work->items[i]))
            decide(work, &work->items[i]);
    return write_judged(work, PUT_INSERT, err) && write_judged(work, PUT_REPLACE, err) &&
           write_judged(work, PUT_SIDE, err) && remove_older(work, MG_ROWS, err) &&
           remove_older(work, MG_SIDES, err) && look_after_inserts(work, err);
}

bool mg_settle(struct mg_work *work, struct upsink_error *err)
{
    size_t open = 1;
    for (int round = 0; round < ROUNDS_MAX; round++) {
        if (!run_round(work, round, &open, err))
            return false;
        if (!open)
            return true;
        if (round < QUIET_ROUNDS)
            continue;
        if (upsink_host_is_stopping(work->sink->host))
            return upsink_fail(err, UPSINK_ERR_OUTAGE, "interrupted",
                               "a write to %s was interrupted: the program stops", work->sink->description);
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000L}, NULL);
    }
    return upsink_fail(
        err, UPSINK_ERR_OUTAGE, "sink_busy",
        "%zu entities of %s were changed by somebody else again and again while they were written", open,
        work->sink->description);
}
