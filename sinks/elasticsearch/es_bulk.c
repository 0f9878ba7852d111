#include "es_write.h"

#include "clock.h"
#include "schemas/json_text.h"

#include <stdlib.h>

enum { GOOD_BULKS = 32 /* after so many in a row the next may be twice as large */ };

#define FILTER                                                                                               \
    "require_alias=true&filter_path=error,items.*._id,items.*.status,items.*._seq_no,items.*._primary_term," \
    "items.*."                                                                                               \
    "error"

static void put_number(struct buf *out, const char *name, int64_t value)
{
    buf_printf(out, ",\"%s\":%lld", name, (long long)value);
}

void es_put_action(struct buf *out, const char *verb, struct upsink_slice id, const struct es_known *known)
{
    bool create = !known->exists && strcmp(verb, "index") == 0;
    buf_append_text(out, "{\"");
    buf_append_text(out, create ? "create" : verb);
    buf_append_text(out, "\":{\"_id\":");
    if (!json_text_append(out, id))
        buf_append_text(out, "null");
    if (known->exists) {
        put_number(out, "if_seq_no", known->seq_no);
        put_number(out, "if_primary_term", known->primary_term);
    }
    buf_append_text(out, "}}\n");
}

/* --- answers ---------------------------------------------------------------------------------------------
 */

/* As many answers as actions, in their order: Elasticsearch 7 may leave out some without a word. */
static bool take_answers(struct es_bulk *bulk, struct upsink_slice body, struct upsink_error *err)
{
    struct upsink_sink *sink = bulk->sink;
    struct es_json items = es_answer_items(body);
    struct es_outcome outcome;
    for (size_t i = 0; i < bulk->count; i++) {
        struct upsink_slice key = bulk->work->items[sink->numbers[i]].change->key;
        if (!es_answer_next(&items, &outcome) || !es_outcome_is_of(&outcome, bulk->deletes, key))
            return es_fail_shape(sink, bulk->what, err);
        if (!bulk->take(bulk, sink->numbers[i], &outcome, err))
            return false;
    }
    return es_answer_is_over(&items) || es_fail_shape(sink, bulk->what, err);
}

/* --- size ------------------------------------------------------------------------------------------------
 */

static void ask_for_less(struct upsink_sink *sink)
{
    sink->good_bulks = 0;
    sink->bulk_bytes /= 2;
    if (sink->bulk_bytes < ES_BULK_BYTES_LEAST)
        sink->bulk_bytes = ES_BULK_BYTES_LEAST;
}

static void ask_for_more(struct upsink_sink *sink)
{
    if (sink->bulk_bytes >= ES_BULK_BYTES || ++sink->good_bulks < GOOD_BULKS)
        return;
    sink->good_bulks = 0;
    sink->bulk_bytes *= 2;
}

/* Nothing of the request was done. A single action that is too large is its record's fault; otherwise the
 * actions come again, in smaller requests. */
static bool take_refused(struct es_bulk *bulk, const struct es_reply *reply, struct upsink_error *err)
{
    struct upsink_slice error = es_json_find(reply->body, "error");
    ask_for_less(bulk->sink);
    if (reply->status == 413 && bulk->count == 1) {
        struct es_outcome outcome = {.status = 413, .error = error.data ? error : UPSINK_SLICE_LIT("{}")};
        return bulk->take(bulk, bulk->sink->numbers[0], &outcome, err);
    }
    if (reply->status == 413 || reply->status == 429) {
        bulk->pushed_back = true;
        return true;
    }
    return es_fail_reply(bulk->sink, bulk->what, reply, err);
}

static bool take_late(struct es_bulk *bulk, struct upsink_error *err)
{
    static const struct es_outcome late = {.status = 409, .seq_no = -1};
    for (size_t i = 0; i < bulk->count; i++)
        if (!bulk->take(bulk, bulk->sink->numbers[i], &late, err))
            return false;
    return true;
}

static bool exchange(struct es_bulk *bulk, struct upsink_error *err)
{
    struct upsink_sink *sink = bulk->sink;
    char path[ES_INDEX_MAX + 200];
    struct es_reply reply;
    snprintf(path, sizeof path, "/%s/_bulk?" FILTER, es_alias_of(sink, bulk->which));
    if (!es_exchange(sink, bulk->what, "POST", path, buf_view(&sink->body), &reply, err))
        return false;
    if (reply.status != 200)
        return take_refused(bulk, &reply, err);
    ask_for_more(sink);
    return take_answers(bulk, reply.body, err);
}

static bool send_bulk(struct es_bulk *bulk, struct upsink_error *err)
{
    struct upsink_sink *sink = bulk->sink;
    if (sink->body.failed)
        return es_fail_memory(err);
    bool late = bulk->deadline_us && clock_monotonic_us() >= bulk->deadline_us;
    bool done = late ? take_late(bulk, err) : exchange(bulk, err);
    bulk->count = 0;
    buf_clear(&sink->body);
    return done;
}

/* --- actions -----------------------------------------------------------------------------------------------
 */

bool es_bulk_begin(struct es_bulk *bulk, struct upsink_error *err)
{
    (void)err;
    if (!bulk->count)
        buf_clear(&bulk->sink->body);
    return true;
}

void es_bulk_drop(struct es_bulk *bulk, size_t begun)
{
    bulk->sink->body.len = begun;
}

bool es_bulk_end(struct es_bulk *bulk, size_t begun, uint32_t number, struct upsink_error *err)
{
    struct upsink_sink *sink = bulk->sink;
    size_t len = sink->body.len - begun;
    if (bulk->count && sink->body.len > sink->bulk_bytes) {
        /* The action goes into the next request: its bytes wait while the others are sent. */
        struct buf *wait = &sink->text;
        buf_clear(wait);
        buf_append(wait, sink->body.data + begun, len);
        sink->body.len = begun;
        if (wait->failed)
            return es_fail_memory(err);
        if (!send_bulk(bulk, err))
            return false;
        buf_append(&sink->body, wait->data, wait->len);
    }
    sink->numbers[bulk->count++] = number;
    return true;
}

bool es_bulk_finish(struct es_bulk *bulk, struct upsink_error *err)
{
    return !bulk->count || send_bulk(bulk, err);
}
