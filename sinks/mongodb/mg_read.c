/* Reading fences and rows. */
#include "mg_document.h"
#include "mg_write.h"

/* What the answers of one question are for. */
struct answers {
    struct mg_work *work;
    enum mg_which which;
};

static int compare_keys(struct upsink_slice a, struct upsink_slice b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter ? memcmp(a.data, b.data, shorter) : 0;
    return order ? order : a.len < b.len ? -1 : a.len > b.len;
}

static struct mg_item *find_item(struct mg_work *work, struct upsink_slice key)
{
    size_t low = 0, high = work->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_keys(work->items[middle].change->key, key);
        if (order == 0)
            return &work->items[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static bool take_document(struct answers *answers, const bson_t *document)
{
    struct upsink_sink *sink = answers->work->sink;
    bson_iter_t id;
    uint32_t len = 0;
    if (!bson_iter_init_find(&id, document, "_id") || !BSON_ITER_HOLDS_UTF8(&id))
        return true;
    const char *key = bson_iter_utf8(&id, &len);
    struct mg_item *item = find_item(answers->work, (struct upsink_slice){key, len});
    if (!item)
        return true;
    return mg_fence_read(sink, document, &sink->arena, answers->which == MG_ROWS ? &item->row : &item->side);
}

/* The documents of a reply, and the cursor that has more of them (0: none). */
static bool take_documents(struct answers *answers, const bson_t *reply, const char *path, int64_t *cursor,
                           struct upsink_error *err)
{
    bson_iter_t documents;
    *cursor = mg_reply_number(reply, "cursor.id", 0);
    if (!mg_reply_child(reply, path, &documents))
        return mg_fail_reply(answers->work->sink, "read fences from", err);
    while (bson_iter_next(&documents)) {
        const uint8_t *data = NULL;
        uint32_t len = 0;
        bson_t document;
        if (!BSON_ITER_HOLDS_DOCUMENT(&documents))
            continue;
        bson_iter_document(&documents, &len, &data);
        if (!bson_init_static(&document, data, len) || !take_document(answers, &document))
            return mg_fail_memory(err);
    }
    return true;
}

static bool read_more(struct answers *answers, const char *collection, int64_t *cursor,
                      struct upsink_error *err)
{
    struct upsink_sink *sink = answers->work->sink;
    bson_t reply;
    buf_clear(&sink->command);
    size_t whole = mg_open(&sink->command);
    mg_put_int64(&sink->command, "getMore", *cursor);
    mg_put_text(&sink->command, "collection", upsink_slice_of(collection));
    mg_close(&sink->command, whole);
    bool done = mg_run(sink, "read fences from", &sink->command, &reply, err) &&
                take_documents(answers, &reply, "cursor.nextBatch", cursor, err);
    bson_destroy(&reply);
    return done;
}

/* The question that sink->command begins: its list of keys is complete. */
static bool ask(struct answers *answers, const char *collection, const size_t open[4],
                struct upsink_error *err)
{
    struct upsink_sink *sink = answers->work->sink;
    struct buf *command = &sink->command;
    bson_t reply;
    int64_t cursor = 0;
    for (int i = 3; i >= 1; i--)
        mg_close(command, open[i]);
    size_t part = mg_open_named(command, MG_DOCUMENT, "projection");
    mg_put_int32(command, "_upsink", 1);
    mg_close(command, part);
    mg_put_int32(command, "batchSize", 1000000);
    mg_put_read_concern(sink, command);
    mg_close(command, open[0]);
    bool done = mg_run(sink, "read fences from", command, &reply, err) &&
                take_documents(answers, &reply, "cursor.firstBatch", &cursor, err);
    bson_destroy(&reply);
    while (done && cursor)
        done = read_more(answers, collection, &cursor, err);
    return done;
}

static void begin(struct buf *command, const char *collection, size_t open[4])
{
    buf_clear(command);
    open[0] = mg_open(command);
    mg_put_text(command, "find", upsink_slice_of(collection));
    open[1] = mg_open_named(command, MG_DOCUMENT, "filter");
    open[2] = mg_open_named(command, MG_DOCUMENT, "_id");
    open[3] = mg_open_named(command, MG_ARRAY, "$in");
}

bool mg_find_fences(struct mg_work *work, enum mg_which which, bool (*wanted)(const struct mg_item *item),
                    struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    struct answers answers = {work, which};
    const char *collection = which == MG_ROWS ? sink->collection : sink->fences;
    size_t open[4];
    uint32_t count = 0;
    for (size_t i = 0; i < work->count; i++) {
        struct mg_item *item = &work->items[i];
        if (!wanted(item))
            continue;
        *(which == MG_ROWS ? &item->row : &item->side) = (struct mg_known){.exists = false};
        if (!count)
            begin(&sink->command, collection, open);
        mg_put_index(&sink->command, MG_TEXT, count++);
        mg_put_text_raw(&sink->command, item->change->key);
        if (sink->command.len < MG_FIND_BYTES)
            continue;
        count = 0;
        if (!ask(&answers, collection, open, err))
            return false;
    }
    return !count || ask(&answers, collection, open, err);
}

/* --- rows for people --------------------------------------------------------------------------------- */

/* The document of a key: in `reply`, which is to be destroyed in any case. */
static bool find_document(struct upsink_sink *sink, const char *collection, struct upsink_slice key,
                          bson_t *reply, bson_t *document, bool *found, struct upsink_error *err)
{
    struct buf *command = &sink->command;
    bson_iter_t documents;
    const uint8_t *data = NULL;
    uint32_t len = 0;
    buf_clear(command);
    size_t whole = mg_open(command), part;
    mg_put_text(command, "find", upsink_slice_of(collection));
    part = mg_open_named(command, MG_DOCUMENT, "filter");
    mg_put_text(command, "_id", key);
    mg_close(command, part);
    mg_put_int32(command, "limit", 1);
    mg_put_bool(command, "singleBatch", true);
    mg_close(command, whole);
    *found = false;
    if (!mg_run(sink, "read from", command, reply, err))
        return false;
    if (!mg_reply_child(reply, "cursor.firstBatch", &documents))
        return mg_fail_reply(sink, "read from", err);
    if (!bson_iter_next(&documents) || !BSON_ITER_HOLDS_DOCUMENT(&documents))
        return true;
    bson_iter_document(&documents, &len, &data);
    *found = bson_init_static(document, data, len);
    return true;
}

static bool fill_row(struct upsink_sink *sink, const struct mg_known *row, const struct mg_known *side,
                     const bson_t *document, struct upsink_row *out, struct upsink_error *err)
{
    const struct mg_known *newer = mg_newer(row, side, 0);
    out->found = row->exists || side->exists;
    if (newer)
        out->fence = newer->fence;
    else
        out->fence = (struct upsink_fence){.topic = upsink_slice_of(sink->view->topic), .timestamp = -1};
    if (!row->exists || newer == side)
        return true;
    buf_clear(&sink->out);
    if (!mg_document_entity(sink, document, &sink->out))
        return mg_fail_memory(err);
    out->entity = buf_view(&sink->out);
    return true;
}

bool mg_read_row(struct upsink_sink *sink, struct upsink_slice key, struct upsink_row *row,
                 struct upsink_error *err)
{
    struct mg_known known = {.exists = false}, side = {.exists = false};
    bson_t row_reply, side_reply, document, fence;
    bool found = false, deleted = false;
    *row = (struct upsink_row){.found = false};
    if (!mg_check_ready(sink, err))
        return false;
    arena_clear(&sink->arena);
    bool done = find_document(sink, sink->collection, key, &row_reply, &document, &found, err);
    if (done && found && !mg_fence_read(sink, &document, &sink->arena, &known))
        done = mg_fail_memory(err);
    if (done) {
        done = find_document(sink, sink->fences, key, &side_reply, &fence, &deleted, err);
        if (done && deleted && !mg_fence_read(sink, &fence, &sink->arena, &side))
            done = mg_fail_memory(err);
        bson_destroy(&side_reply);
    }
    done = done && fill_row(sink, &known, &side, found ? &document : NULL, row, err);
    bson_destroy(&row_reply);
    return done;
}
