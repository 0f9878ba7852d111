/* Reading documents by their id: always what was written last, refreshed or not. */
#include "es_get.h"
#include "es_write.h"

#include "sinks/fence_pair.h"

#define FENCES_ONLY                                                                                          \
    "_source_includes=_upsink&_source_excludes=_upsink.value"                                                \
    "&filter_path=docs._index,docs._id,docs.found,docs._seq_no,docs._primary_term,docs._source,docs.error,"  \
    "error"

enum { REQUEST_BYTES = 1 << 20, REQUEST_IDS = 10000 };

const struct es_known *es_newer(const struct es_known *row, const struct es_known *side, int64_t floor)
{
    bool has_row = row->exists && row->has_fence, has_side = side->exists && side->has_fence;
    if (!has_row || !has_side)
        return has_side ? side : has_row ? row : NULL;
    return upsink_fence_outlives(&row->fence, &side->fence, floor) ? row : side;
}

static bool fill_known(const struct upsink_sink *sink, const struct es_found *found, struct arena *arena,
                       struct es_known *known)
{
    *known = (struct es_known){
        .exists = found->exists, .seq_no = found->seq_no, .primary_term = found->primary_term};
    return !found->exists ||
           es_fence_read(found->source.data ? es_json_find(found->source, "_upsink") : UPSINK_SLICE_ABSENT,
                         upsink_slice_of(sink->view->topic), arena, known);
}

/* The items of [begin, end) that are wanted were asked for. */
static bool take_fences(struct es_work *work, enum es_which which, bool (*wanted)(const struct es_item *item),
                        size_t begin, size_t end, struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    struct es_docs docs = {.what = "read fences of", .index = es_index_of(sink, which)};
    struct es_found found;
    if (!es_get_ask(sink, es_alias_of(sink, which), FENCES_ONLY, &docs, err))
        return false;
    for (size_t i = begin; i < end; i++) {
        struct es_item *item = &work->items[i];
        if (!wanted(item))
            continue;
        if (!es_get_next(sink, &docs, item->change->key, &found, err))
            return false;
        if (!fill_known(sink, &found, &sink->arena, which == ES_ROWS ? &item->row : &item->side))
            return es_fail_memory(err);
    }
    return es_get_end(sink, &docs, err);
}

bool es_read_fences(struct es_work *work, enum es_which which, bool (*wanted)(const struct es_item *item),
                    struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    size_t count = 0, begin = 0;
    for (size_t i = 0; i < work->count; i++) {
        if (!wanted(&work->items[i]))
            continue;
        if (!count)
            es_get_begin(&sink->body);
        if (!es_get_add(&sink->body, work->items[i].change->key, count == 0))
            return upsink_fail(err, UPSINK_ERR_FATAL, "broken_invariant", "a key is not UTF-8");
        if (++count < REQUEST_IDS && sink->body.len < REQUEST_BYTES)
            continue;
        if (!take_fences(work, which, wanted, begin, i + 1, err))
            return false;
        begin = i + 1;
        count = 0;
    }
    return !count || take_fences(work, which, wanted, begin, work->count, err);
}

bool es_read_document(struct upsink_sink *sink, enum es_which which, struct upsink_slice key,
                      struct es_known *known, struct upsink_slice *source, struct upsink_error *err)
{
    struct es_docs docs = {.what = "read from", .index = es_index_of(sink, which)};
    struct es_found found;
    es_get_begin(&sink->body);
    if (!es_get_add(&sink->body, key, true) || !es_get_ask(sink, es_alias_of(sink, which), "", &docs, err) ||
        !es_get_next(sink, &docs, key, &found, err) || !es_get_end(sink, &docs, err))
        return false;
    *source = found.source;
    return fill_known(sink, &found, &sink->arena, known) || es_fail_memory(err);
}

/* --- rows for people --------------------------------------------------------------------------------- */

bool es_read_row(struct upsink_sink *sink, struct upsink_slice key, struct upsink_row *row,
                 struct upsink_error *err)
{
    struct es_document_style style = {.soft = sink->view->delete_mode == UPSINK_DELETE_SOFT};
    struct es_known known = {.exists = false}, side = {.exists = false};
    struct upsink_slice source;
    *row = (struct upsink_row){.found = false};
    if (!es_check_ready(sink, err))
        return false;
    if (!key.len || key.len > ES_ID_MAX)
        return true;
    arena_clear(&sink->arena);
    if (!es_read_document(sink, ES_SIDES, key, &side, &source, err) ||
        !es_read_document(sink, ES_ROWS, key, &known, &source, err))
        return false;
    const struct es_known *newer = es_newer(&known, &side, 0);
    row->found = known.exists || side.exists;
    row->fence = newer ? newer->fence
                       : (struct upsink_fence){.topic = upsink_slice_of(sink->view->topic), .timestamp = -1};
    if (!known.exists || !source.data || newer == &side)
        return true;
    buf_clear(&sink->text);
    es_document_entity(&sink->text, &style, source, key);
    row->entity = buf_view(&sink->text);
    return !sink->text.failed || es_fail_memory(err);
}
