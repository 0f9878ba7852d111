#include "mg_register.h"

#include "clock.h"

enum { BOOKKEEPING = 1, LARGE = 1000000, SAMPLE = 20000 };

/* --- small commands -------------------------------------------------------------------------------- */

/* Begins {"update": collection, "updates": [{"q": {; to be closed by end_update. */
struct update {
    size_t whole, list, one, part;
};

static void begin_update(struct upsink_sink *sink, struct update *update, const char *collection,
                         enum mg_strength strength)
{
    struct buf *command = &sink->command;
    buf_clear(command);
    update->whole = mg_open(command);
    mg_put_text(command, "update", upsink_slice_of(collection));
    mg_put_write_concern(sink, command, strength);
    update->list = mg_open_named(command, MG_ARRAY, "updates");
    update->one = mg_open_named(command, MG_DOCUMENT, "0");
    update->part = mg_open_named(command, MG_DOCUMENT, "q");
}

static void begin_change(struct upsink_sink *sink, struct update *update)
{
    mg_close(&sink->command, update->part);
    update->part = mg_open_named(&sink->command, MG_DOCUMENT, "u");
}

/* `code` gets the error of the statement, `changed` how many documents were found. */
static bool end_update(struct upsink_sink *sink, struct update *update, const char *what, const char *option,
                       int32_t *code, int64_t *changed, struct upsink_error *err)
{
    struct buf *command = &sink->command;
    bson_t reply;
    mg_close(command, update->part);
    mg_put_bool(command, option, true);
    mg_close(command, update->one);
    mg_close(command, update->list);
    mg_close(command, update->whole);
    bool done = mg_run(sink, what, command, &reply, err);
    *code = done ? mg_reply_write_error(&reply) : 0;
    *changed = mg_reply_number(&reply, "n", 0);
    bson_destroy(&reply);
    return done;
}

bool mg_count_rows(struct upsink_sink *sink, const char *collection, int64_t *count, struct upsink_error *err)
{
    struct buf *command = &sink->command;
    bson_t reply;
    buf_clear(command);
    size_t whole = mg_open(command);
    mg_put_text(command, "count", upsink_slice_of(collection));
    mg_close(command, whole);
    bool done = mg_run(sink, "count", command, &reply, err);
    *count = mg_reply_number(&reply, "n", 0);
    bson_destroy(&reply);
    return done;
}

bool mg_has_rows(struct upsink_sink *sink, const char *collection, bool *any, struct upsink_error *err)
{
    struct buf *command = &sink->command;
    bson_t reply;
    bson_iter_t rows;
    buf_clear(command);
    size_t whole = mg_open(command), part;
    mg_put_text(command, "find", upsink_slice_of(collection));
    part = mg_open_named(command, MG_DOCUMENT, "projection");
    mg_put_int32(command, "_id", 1);
    mg_close(command, part);
    mg_put_int32(command, "limit", 1);
    mg_put_bool(command, "singleBatch", true);
    mg_close(command, whole);
    bool done = mg_run(sink, "read from", command, &reply, err);
    *any = done && mg_reply_child(&reply, "cursor.firstBatch", &rows) && bson_iter_next(&rows);
    bson_destroy(&reply);
    return done;
}

/* --- the register ----------------------------------------------------------------------------------- */

static bool check_owner(struct upsink_sink *sink, const bson_t *document, struct upsink_error *err)
{
    char view[128] = "", topic[128] = "";
    bson_iter_t iter;
    bool same = true;
    const struct {
        const char *name, *ours;
    } owners[] = {{"view", sink->view->name}, {"topic", sink->view->topic}};
    for (size_t i = 0; i < 2; i++)
        same = same && bson_iter_init_find(&iter, document, owners[i].name) && BSON_ITER_HOLDS_UTF8(&iter) &&
               strcmp(bson_iter_utf8(&iter, NULL), owners[i].ours) == 0;
    if (same)
        return mg_reply_number(document, "bookkeeping", 0) <= BOOKKEEPING ||
               upsink_fail(err, UPSINK_ERR_FATAL, "target_newer",
                           "%s was prepared by a newer version of upsink; use that version",
                           sink->description);
    mg_reply_text(document, "view", view, sizeof view);
    mg_reply_text(document, "topic", topic, sizeof topic);
    return upsink_fail(
        err, UPSINK_ERR_FATAL, "target_taken",
        "%s already holds view %.80s of topic %.80s, so view %.80s of topic %.80s must not write into it; "
        "give "
        "this view a collection of its own, or drop that one and its document in %s to hand it over",
        sink->description, view, topic, sink->view->name, sink->view->topic, MG_VIEWS);
}

static bool take_registration(struct upsink_sink *sink, const bson_t *reply,
                              struct mg_registration *registration, struct upsink_error *err)
{
    bson_iter_t documents, iter;
    const uint8_t *data = NULL;
    uint32_t len = 0;
    bson_t document;
    *registration = (struct mg_registration){.known = false};
    if (!mg_reply_child(reply, "cursor.firstBatch", &documents) || !bson_iter_next(&documents) ||
        !BSON_ITER_HOLDS_DOCUMENT(&documents))
        return true;
    bson_iter_document(&documents, &len, &data);
    if (!bson_init_static(&document, data, len))
        return mg_fail_reply(sink, "read the register of", err);
    registration->known = true;
    registration->has_uuid =
        bson_iter_init_find(&iter, &document, "uuid") && mg_reply_uuid(&iter, registration->uuid);
    registration->filled = bson_iter_init_find(&iter, &document, "filled") && bson_iter_as_bool(&iter);
    registration->generation = mg_reply_number(&document, "generation", 0);
    return check_owner(sink, &document, err);
}

bool mg_register_read(struct upsink_sink *sink, struct mg_registration *registration,
                      struct upsink_error *err)
{
    struct buf *command = &sink->command;
    bson_t reply;
    buf_clear(command);
    size_t whole = mg_open(command), part;
    mg_put_text(command, "find", UPSINK_SLICE_LIT(MG_VIEWS));
    part = mg_open_named(command, MG_DOCUMENT, "filter");
    mg_put_text(command, "_id", upsink_slice_of(sink->collection));
    mg_close(command, part);
    mg_put_bool(command, "singleBatch", true);
    mg_put_read_concern(sink, command);
    mg_close(command, whole);
    bool done = mg_run(sink, "read the register of", command, &reply, err) &&
                take_registration(sink, &reply, registration, err);
    bson_destroy(&reply);
    return done;
}

/* What the view filled until now was another collection. */
static bool take_from_others(struct upsink_sink *sink, struct upsink_error *err)
{
    struct update update;
    int32_t code;
    int64_t changed;
    begin_update(sink, &update, MG_VIEWS, MG_STRONG);
    mg_put_text(&sink->command, "view", upsink_slice_of(sink->view->name));
    size_t part = mg_open_named(&sink->command, MG_DOCUMENT, "_id");
    mg_put_text(&sink->command, "$ne", upsink_slice_of(sink->collection));
    mg_close(&sink->command, part);
    begin_change(sink, &update);
    part = mg_open_named(&sink->command, MG_DOCUMENT, "$unset");
    mg_put_bool(&sink->command, "uuid", true);
    mg_close(&sink->command, part);
    if (!end_update(sink, &update, "register", "multi", &code, &changed, err))
        return false;
    return !code || mg_fail_code(sink, "register", code, err);
}

bool mg_register_write(struct upsink_sink *sink, bool filled, struct upsink_error *err)
{
    struct buf *command = &sink->command;
    struct mg_registration other;
    struct update update;
    int32_t code;
    int64_t changed;
    if (!take_from_others(sink, err))
        return false;
    begin_update(sink, &update, MG_VIEWS, MG_STRONG);
    mg_put_text(command, "_id", upsink_slice_of(sink->collection));
    mg_put_text(command, "view", upsink_slice_of(sink->view->name));
    mg_put_text(command, "topic", upsink_slice_of(sink->view->topic));
    begin_change(sink, &update);
    size_t part = mg_open_named(command, MG_DOCUMENT, "$set");
    mg_put_uuid(command, "uuid", sink->uuid);
    mg_put_bool(command, "filled", filled);
    mg_put_int32(command, "bookkeeping", BOOKKEEPING);
    mg_put_date(command, "prepared_at", clock_wall_us() / 1000);
    mg_close(command, part);
    if (!end_update(sink, &update, "register", "upsert", &code, &changed, err))
        return false;
    /* Somebody was quicker: to the same view, or to another one. */
    if (code == MG_DUPLICATE_KEY)
        return mg_register_read(sink, &other, err);
    sink->filled = filled;
    return !code || mg_fail_code(sink, "register", code, err);
}

bool mg_confirm(struct upsink_sink *sink, bool first, struct upsink_error *err)
{
    struct buf *command = &sink->command;
    bson_t reply;
    if (first)
        sink->relaxed = false;
    else if (!sink->relaxed || !sink->unconfirmed)
        return true;
    buf_clear(command);
    size_t whole = mg_open(command), list, one, part, set;
    mg_put_text(command, "update", UPSINK_SLICE_LIT(MG_VIEWS));
    mg_put_write_concern(sink, command, MG_STRONG);
    list = mg_open_named(command, MG_ARRAY, "updates");
    one = mg_open_named(command, MG_DOCUMENT, "0");
    part = mg_open_named(command, MG_DOCUMENT, "q");
    mg_put_text(command, "_id", upsink_slice_of(sink->collection));
    mg_close(command, part);
    part = mg_open_named(command, MG_DOCUMENT, "u");
    set = mg_open_named(command, MG_DOCUMENT, "$currentDate");
    mg_put_bool(command, "confirmed_at", true);
    mg_close(command, set);
    mg_close(command, part);
    mg_close(command, one);
    mg_close(command, list);
    mg_close(command, whole);
    bool done = mg_run(sink, "confirm what was written to", command, &reply, err);
    int32_t code = done ? mg_reply_write_error(&reply) : 0;
    if (done && first) {
        sink->term = mg_reply_number(&reply, "opTime.t", -1);
        sink->relaxed = sink->term >= 0;
    }
    bson_destroy(&reply);
    sink->unconfirmed = !done || code;
    return done && (!code || mg_fail_code(sink, "confirm what was written to", code, err));
}

bool mg_note_filled(struct upsink_sink *sink, bool filled, struct upsink_error *err)
{
    struct update update;
    int32_t code;
    int64_t changed;
    if (sink->filled == filled)
        return true;
    begin_update(sink, &update, MG_VIEWS, MG_WEAK);
    mg_put_text(&sink->command, "_id", upsink_slice_of(sink->collection));
    begin_change(sink, &update);
    size_t part = mg_open_named(&sink->command, MG_DOCUMENT, "$set");
    mg_put_bool(&sink->command, "filled", filled);
    mg_close(&sink->command, part);
    if (!end_update(sink, &update, "register", "multi", &code, &changed, err))
        return false;
    sink->filled = filled;
    return !code || mg_fail_code(sink, "register", code, err);
}

bool mg_note_generation(struct upsink_sink *sink, int64_t generation, struct upsink_error *err)
{
    struct update update;
    int32_t code;
    int64_t changed;
    begin_update(sink, &update, MG_VIEWS, MG_STRONG);
    mg_put_text(&sink->command, "_id", upsink_slice_of(sink->collection));
    begin_change(sink, &update);
    size_t part = mg_open_named(&sink->command, MG_DOCUMENT, "$max");
    mg_put_int64(&sink->command, "generation", generation);
    mg_close(&sink->command, part);
    if (!end_update(sink, &update, "register", "multi", &code, &changed, err))
        return false;
    return !code || mg_fail_code(sink, "register", code, err);
}

bool mg_check_emptied(struct upsink_sink *sink, struct upsink_error *err)
{
    struct mg_registration registration;
    bool any = false;
    if (!sink->filled)
        return true;
    if (!mg_has_rows(sink, sink->collection, &any, err))
        return false;
    if (any)
        return true;
    if (!mg_register_read(sink, &registration, err))
        return false;
    sink->filled = registration.filled;
    return !registration.filled || mg_fail_lost(sink, err);
}

/* --- what a lost target costs ------------------------------------------------------------------------- */

bool mg_reset_positions(struct upsink_sink *sink, int64_t generation, struct upsink_error *err)
{
    struct buf *command = &sink->command;
    struct update update;
    char text[900];
    int32_t code;
    int64_t changed;
    begin_update(sink, &update, MG_STATE, MG_STRONG);
    mg_put_text(command, "_id.view", upsink_slice_of(sink->view->name));
    begin_change(sink, &update);
    size_t part = mg_open_named(command, MG_DOCUMENT, "$set");
    mg_put_int64(command, "next_offset", -1);
    mg_close(command, part);
    part = mg_open_named(command, MG_DOCUMENT, "$inc");
    mg_put_int64(command, "epoch", 1);
    mg_close(command, part);
    part = mg_open_named(command, MG_DOCUMENT, "$max");
    mg_put_int64(command, "generation", generation);
    mg_close(command, part);
    if (!end_update(sink, &update, "reset the positions in", "multi", &code, &changed, err))
        return false;
    if (code)
        return mg_fail_code(sink, "reset the positions in", code, err);
    snprintf(
        text, sizeof text,
        "%s is not what the positions of view %s were written for: it was dropped, emptied or is another "
        "collection; the positions of %lld partitions are void, and it is filled from the beginning",
        sink->description, sink->view->name, (long long)changed);
    if (changed)
        upsink_host_log(sink->host, UPSINK_LOG_WARN, text);
    return true;
}

bool mg_empty_fences(struct upsink_sink *sink, struct upsink_error *err)
{
    struct buf *command = &sink->command;
    bson_t reply;
    buf_clear(command);
    size_t whole = mg_open(command), list, one, part;
    mg_put_text(command, "delete", upsink_slice_of(sink->fences));
    mg_put_write_concern(sink, command, MG_STRONG);
    list = mg_open_named(command, MG_ARRAY, "deletes");
    one = mg_open_named(command, MG_DOCUMENT, "0");
    part = mg_open_named(command, MG_DOCUMENT, "q");
    mg_close(command, part);
    mg_put_int32(command, "limit", 0);
    mg_close(command, one);
    mg_close(command, list);
    mg_close(command, whole);
    bool done = mg_run(sink, "empty the delete fences of", command, &reply, err);
    int32_t code = done ? mg_reply_write_error(&reply) : 0;
    bson_destroy(&reply);
    return done && (!code || mg_fail_code(sink, "empty the delete fences of", code, err));
}

static void build_newest(struct upsink_sink *sink, const char *collection, bool sample)
{
    struct buf *command = &sink->command;
    uint32_t stage = 0;
    buf_clear(command);
    size_t whole = mg_open(command), pipeline, one, part, inner;
    mg_put_text(command, "aggregate", upsink_slice_of(collection));
    pipeline = mg_open_named(command, MG_ARRAY, "pipeline");
    if (sample) {
        mg_put_index(command, MG_DOCUMENT, stage++);
        one = mg_open(command);
        part = mg_open_named(command, MG_DOCUMENT, "$sample");
        mg_put_int32(command, "size", SAMPLE);
        mg_close(command, part);
        mg_close(command, one);
    }
    mg_put_index(command, MG_DOCUMENT, stage);
    one = mg_open(command);
    part = mg_open_named(command, MG_DOCUMENT, "$group");
    mg_put_name(command, MG_NULL, "_id");
    inner = mg_open_named(command, MG_DOCUMENT, "newest");
    mg_put_text(command, "$max", UPSINK_SLICE_LIT("$_upsink.generation"));
    mg_close(command, inner);
    mg_close(command, part);
    mg_close(command, one);
    mg_close(command, pipeline);
    part = mg_open_named(command, MG_DOCUMENT, "cursor");
    mg_close(command, part);
    mg_close(command, whole);
}

bool mg_newest_generation(struct upsink_sink *sink, int64_t *generation, struct upsink_error *err)
{
    const char *const collections[] = {sink->collection, sink->fences};
    *generation = 0;
    for (size_t i = 0; i < 2; i++) {
        bson_t reply;
        int64_t count;
        if (!mg_count_rows(sink, collections[i], &count, err))
            return false;
        build_newest(sink, collections[i], count > LARGE);
        bool done = mg_run(sink, "read the newest generation in", &sink->command, &reply, err);
        int64_t newest = mg_reply_number(&reply, "cursor.firstBatch.0.newest", 0);
        bson_destroy(&reply);
        if (!done)
            return false;
        *generation = newest > *generation ? newest : *generation;
    }
    return true;
}
