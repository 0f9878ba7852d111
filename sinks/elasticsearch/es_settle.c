/* Fences are read, upsink_fence_judge decides, and what is written is written only over what was read: each
 * action names the sequence number that it replaces, or says that there is nothing.
 *
 * A row and a delete fence of one entity are two documents in two indices. Each writer writes its own first
 * (an upsert the row, a delete the fence), takes away the other as it read it, and looks again where one may
 * have come in between: of two writers, the one that looks last sees both, and the older one goes. After a
 * crash in between both are there; the batch comes again, and does the same. */
#include "es_write.h"

#include "clock.h"
#include "sinks/fence_pair.h"

enum { ROUNDS_MAX = 60, QUIET_ROUNDS = 4, PUSHED_BACK_MAX = 6, PAUSE_MS = 10, PUSHED_BACK_MS = 50 };

static size_t number_of(const struct es_work *work, const struct es_item *item)
{
    return (size_t)(item - work->items);
}

static void plan_cleanup(struct es_item *item, const struct es_known *newer)
{
    item->cleanup = ES_KEEP;
    if (item->row.exists && item->side.exists)
        item->cleanup = newer == &item->side ? ES_REMOVE_ROW : ES_REMOVE_SIDE;
    item->progress = item->cleanup == ES_KEEP ? ES_DONE : ES_VERIFY;
}

/* What is known was just read, or is remembered: what has to be done? */
static void decide(struct es_work *work, struct es_item *item)
{
    const struct es_known *newer = es_newer(&item->row, &item->side, item->change->floor);
    struct upsink_result *result = &work->batch->results[number_of(work, item)];
    enum upsink_verdict verdict = upsink_fence_judge(newer ? &newer->fence : NULL, item->change);
    bool verified = item->progress == ES_VERIFY;
    if (item->attempted && newer && upsink_fence_is_of(&newer->fence, item->change)) {
        result->verdict = UPSINK_APPLIED;
        plan_cleanup(item, newer);
        return;
    }
    item->cleanup = ES_KEEP;
    if (verdict == UPSINK_APPLIED) {
        item->progress = ES_JUDGE; /* also where it was written, and went lost in a race */
        return;
    }
    if (!verified)
        result->verdict = verdict;
    plan_cleanup(item, newer);
}

/* --- writing ---------------------------------------------------------------------------------------------
 */

static bool changes_row(const struct es_work *work, const struct es_item *item)
{
    return item->change->op == UPSINK_UPSERT || (work->style.soft && item->row.exists);
}

/* Written: then what it takes the place of goes, and what is known is what was written. */
static void take_written(struct es_work *work, struct es_item *item, const struct es_outcome *outcome)
{
    bool row = changes_row(work, item);
    const struct es_known *newer = es_newer(&item->row, &item->side, item->change->floor);
    struct es_known *mine = row ? &item->row : &item->side, *other = row ? &item->side : &item->row;
    bool created = !mine->exists;
    struct upsink_fence fence = upsink_fence_after(newer ? &newer->fence : NULL, item->change);
    *mine = (struct es_known){.exists = true,
                              .has_fence = true,
                              .seq_no = outcome->seq_no,
                              .primary_term = outcome->primary_term,
                              .fence = fence};
    work->batch->results[number_of(work, item)] = (struct upsink_result){UPSINK_APPLIED, NULL};
    item->cleanup = !other->exists ? ES_KEEP : row ? ES_REMOVE_SIDE : ES_REMOVE_ROW;
    if (item->change->op == UPSINK_DELETE)
        item->progress = ES_VERIFY;
    else
        item->progress = created ? ES_CREATED : ES_DONE;
}

static bool reject_by_code(struct es_work *work, size_t number, const struct es_outcome *outcome,
                           const struct es_meaning *meaning, struct upsink_error *err)
{
    struct upsink_error why, reply;
    es_fail_code(work->sink, "write to", outcome->status, outcome->error, &reply);
    upsink_fail(&why, UPSINK_ERR_RECORD, meaning->code, "%s refuses the document: %s",
                work->sink->description, meaning->hint);
    upsink_error_detail(&why, "%s", reply.detail);
    return es_reject(work, number, &why, err);
}

static bool take_outcome(struct es_bulk *bulk, uint32_t number, const struct es_outcome *outcome,
                         struct upsink_error *err)
{
    struct es_work *work = bulk->work;
    struct es_item *item = &work->items[number];
    char type[64], reason[64];
    item->cleanup = ES_KEEP;
    item->attempted = true;
    if (es_outcome_is_done(outcome) && outcome->seq_no >= 0) {
        take_written(work, item, outcome);
        return true;
    }
    item->read = false;
    item->progress = ES_JUDGE;
    if (outcome->status == 409)
        return true;
    es_json_copy(es_json_find(outcome->error, "type"), type, sizeof type);
    es_json_copy(es_json_find(outcome->error, "reason"), reason, sizeof reason);
    struct es_meaning meaning =
        es_code_meaning_of(outcome->status, upsink_slice_of(type), upsink_slice_of(reason));
    if (outcome->status == 429 && strcmp(type, "cluster_block_exception") != 0) {
        work->pushed_back = true;
        return true;
    }
    if (meaning.cls == UPSINK_ERR_TARGET_LOST)
        return es_fail_lost(work->sink, err);
    if (meaning.cls != UPSINK_ERR_RECORD)
        return es_fail_code(work->sink, bulk->what, outcome->status, outcome->error, err);
    item->progress = ES_DONE;
    return reject_by_code(work, number, outcome, &meaning, err);
}

/* The last state of a row that is softly deleted has to be read: the whole document is written anew. */
static bool read_last_state(struct es_work *work, struct es_item *item, struct buf *document,
                            const struct upsink_fence *fence, struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    struct upsink_slice source;
    int64_t time = item->change->timestamp;
    struct es_known now;
    struct buf body = sink->body; /* the bulk's, which reading must not touch */
    buf_init(&sink->body);
    bool done = es_read_document(sink, ES_ROWS, item->change->key, &now, &source, err);
    buf_destroy(&sink->body);
    sink->body = body;
    if (!done)
        return false;
    /* A row that is not the one that was judged fails the comparison, and is judged again. */
    buf_clear(document);
    es_document_put_deleted(document, &work->style, source.data ? source : UPSINK_SLICE_LIT("{}"), fence,
                            time > 0 && time < 253402300800 * CLOCK_SECOND ? time : clock_wall_us());
    return !document->failed || es_fail_memory(err);
}

static bool put_row(struct es_work *work, struct es_item *item, const struct upsink_fence *fence,
                    struct buf *last_state, struct upsink_error *err)
{
    struct buf *body = &work->sink->body;
    if (item->change->op == UPSINK_DELETE) {
        if (!read_last_state(work, item, last_state, fence, err))
            return false;
        es_put_action(body, "index", item->change->key, &item->row);
        buf_append(body, last_state->data, last_state->len);
        return true;
    }
    es_put_action(body, "index", item->change->key, &item->row);
    return es_document_put(body, &work->style, item->change, fence, err);
}

static bool check_size(const struct es_work *work, size_t bytes, struct upsink_error *err)
{
    return (int64_t)bytes <= work->sink->request_max ||
           upsink_fail(err, UPSINK_ERR_RECORD, "value_too_large",
                       "the document has %zu bytes, and the server takes requests of at most %lld "
                       "(http.max_content_length)",
                       bytes, (long long)work->sink->request_max);
}

/* Adds the action; an entity that is no document is refused. */
static bool add_put(struct es_work *work, struct es_bulk *bulk, struct es_item *item, struct buf *last_state,
                    struct upsink_error *err)
{
    struct upsink_error why;
    struct buf *body = &work->sink->body;
    const struct es_known *newer = es_newer(&item->row, &item->side, item->change->floor);
    struct upsink_fence fence = upsink_fence_after(newer ? &newer->fence : NULL, item->change);
    if (!es_bulk_begin(bulk, err))
        return false;
    size_t begun = body->len;
    bool done = true;
    if (bulk->which == ES_ROWS) {
        done = put_row(work, item, &fence, last_state, &why);
    } else {
        es_put_action(body, "index", item->change->key, &item->side);
        es_document_put_fence(body, &work->style, &fence);
    }
    buf_append_byte(body, '\n');
    if (done && check_size(work, body->len - begun, &why))
        return es_bulk_end(bulk, begun, (uint32_t)number_of(work, item), err);
    es_bulk_drop(bulk, begun);
    if (why.cls != UPSINK_ERR_RECORD) {
        *err = why;
        return false;
    }
    item->progress = ES_DONE;
    return es_reject(work, number_of(work, item), &why, err);
}

enum put { PUT_CREATE, PUT_REPLACE, PUT_SIDE };

static enum put put_of(const struct es_work *work, const struct es_item *item)
{
    if (!changes_row(work, item))
        return PUT_SIDE;
    return item->row.exists ? PUT_REPLACE : PUT_CREATE;
}

/* A row that is made is compared with nothing: by fences that are no longer fresh it is not. */
static bool write_judged(struct es_work *work, enum put put, struct upsink_error *err)
{
    struct buf last_state;
    struct es_bulk bulk = {.sink = work->sink,
                           .which = put == PUT_SIDE ? ES_SIDES : ES_ROWS,
                           .what = "write to",
                           .take = take_outcome,
                           .work = work,
                           .deadline_us = put == PUT_CREATE ? work->deadline_us : 0};
    bool done = true;
    buf_init(&last_state);
    for (size_t i = 0; done && i < work->count; i++) {
        struct es_item *item = &work->items[i];
        if (item->progress == ES_JUDGE && item->read && put_of(work, item) == put)
            done = add_put(work, &bulk, item, &last_state, err);
    }
    done = done && es_bulk_finish(&bulk, err);
    buf_destroy(&last_state);
    work->pushed_back = work->pushed_back || bulk.pushed_back;
    return done;
}

/* --- what is older goes ----------------------------------------------------------------------------------
 */

/* Somebody else changed it, or took it away: then both have to be looked at again. */
static bool take_removed(struct es_bulk *bulk, uint32_t number, const struct es_outcome *outcome,
                         struct upsink_error *err)
{
    struct es_work *work = bulk->work;
    struct es_item *item = &work->items[number];
    if (es_outcome_is_done(outcome) || outcome->status == 409 ||
        (outcome->status == 404 && !outcome->error.data)) {
        *(bulk->which == ES_ROWS ? &item->row : &item->side) = (struct es_known){.exists = false};
        if (outcome->status == 409)
            item->progress = ES_VERIFY;
        return true;
    }
    item->progress = ES_VERIFY;
    if (outcome->status == 429) {
        work->pushed_back = true;
        return true;
    }
    return es_fail_code(bulk->sink, bulk->what, outcome->status, outcome->error, err);
}

static bool remove_older(struct es_work *work, enum es_which which, struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    struct es_bulk bulk = {.sink = sink,
                           .which = which,
                           .what = "delete from",
                           .take = take_removed,
                           .work = work,
                           .deletes = true};
    for (size_t i = 0; i < work->count; i++) {
        struct es_item *item = &work->items[i];
        if (item->cleanup != (which == ES_ROWS ? ES_REMOVE_ROW : ES_REMOVE_SIDE))
            continue;
        if (!es_bulk_begin(&bulk, err))
            return false;
        size_t begun = sink->body.len;
        es_put_action(&sink->body, "delete", item->change->key, which == ES_ROWS ? &item->row : &item->side);
        item->cleanup = ES_KEEP;
        sink->unseen_deletes += which == ES_ROWS;
        if (!es_bulk_end(&bulk, begun, (uint32_t)i, err))
            return false;
    }
    if (!es_bulk_finish(&bulk, err))
        return false;
    work->pushed_back = work->pushed_back || bulk.pushed_back;
    return true;
}

/* --- rounds ----------------------------------------------------------------------------------------------
 */

static bool is_unread(const struct es_item *item)
{
    return item->progress != ES_DONE && !item->read;
}

static bool is_created(const struct es_item *item)
{
    return item->progress == ES_CREATED;
}

/* A delete may have come between looking for its fence and creating the row. */
static bool look_after_creates(struct es_work *work, struct upsink_error *err)
{
    if (!es_read_fences(work, ES_SIDES, is_created, err))
        return false;
    for (size_t i = 0; i < work->count; i++)
        if (is_created(&work->items[i]))
            work->items[i].progress = work->items[i].side.exists ? ES_VERIFY : ES_DONE;
    return true;
}

/* What the batch before left behind is taken for read; but that there is no row, which nothing could be
 * compared with when one is made. */
static void recall(struct es_work *work)
{
    struct upsink_sink *sink = work->sink;
    for (size_t i = 0; i < work->count; i++) {
        struct es_item *item = &work->items[i];
        if (item->progress == ES_NEW)
            item->read =
                es_cache_find(&sink->cache, item->change->key, &sink->arena, &item->row, &item->side) &&
                (item->row.exists || item->change->op == UPSINK_DELETE);
    }
}

static void remember(struct es_work *work)
{
    struct upsink_sink *sink = work->sink;
    for (size_t i = 0; i < work->count; i++) {
        struct es_item *item = &work->items[i];
        if (item->read)
            es_cache_put(&sink->cache, item->change->key, &item->row, &item->side,
                         upsink_slice_of(sink->view->topic));
        else
            es_cache_forget(&sink->cache, item->change->key);
    }
}

static bool run_round(struct es_work *work, int round, size_t *open, struct upsink_error *err)
{
    *open = 0;
    for (size_t i = 0; i < work->count; i++) {
        struct es_item *item = &work->items[i];
        *open += item->progress != ES_DONE;
        /* Only what is remembered may be trusted unread; what was left open has to be looked at again. */
        item->read = item->read && (item->progress == ES_DONE || item->progress == ES_NEW);
    }
    if (!*open)
        return true;
    int64_t begin = clock_monotonic_us();
    work->pushed_back = false;
    if (!es_read_fences(work, ES_ROWS, is_unread, err) || !es_read_fences(work, ES_SIDES, is_unread, err))
        return false;
    work->deadline_us = begin + upsink_fence_fresh_us(round, clock_monotonic_us() - begin);
    for (size_t i = 0; i < work->count; i++) {
        if (work->items[i].progress == ES_DONE)
            continue;
        work->items[i].read = true;
        decide(work, &work->items[i]);
    }
    return write_judged(work, PUT_CREATE, err) && write_judged(work, PUT_REPLACE, err) &&
           write_judged(work, PUT_SIDE, err) && remove_older(work, ES_ROWS, err) &&
           remove_older(work, ES_SIDES, err) && look_after_creates(work, err);
}

static bool pause_for(struct es_work *work, int ms, struct upsink_error *err)
{
    if (es_is_stopping(work->sink))
        return upsink_fail(err, UPSINK_ERR_OUTAGE, "interrupted",
                           "a write to %s was interrupted: the program stops", work->sink->description);
    es_sleep(ms);
    return true;
}

bool es_settle(struct es_work *work, struct upsink_error *err)
{
    size_t open = 1;
    int pushed_back = 0;
    recall(work);
    for (int round = 0; round < ROUNDS_MAX; round++) {
        if (!run_round(work, round, &open, err))
            return false;
        if (!open) {
            remember(work);
            return true;
        }
        if (work->pushed_back) {
            if (pushed_back++ == PUSHED_BACK_MAX)
                return upsink_fail(
                    err, UPSINK_ERR_OUTAGE, "sink_busy",
                    "%s has more to do than it can: it refused some writes again and again (429)",
                    work->sink->description);
            if (!pause_for(work, PUSHED_BACK_MS << pushed_back, err))
                return false;
        } else if (round >= QUIET_ROUNDS && !pause_for(work, PAUSE_MS, err)) {
            return false;
        }
    }
    return upsink_fail(
        err, UPSINK_ERR_OUTAGE, "sink_busy",
        "%zu entities of %s were changed by somebody else again and again while they were written", open,
        work->sink->description);
}
