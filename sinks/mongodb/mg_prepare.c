/* The collections: whether they are there, what they are, whose they are. */
#include "mg_register.h"

enum { ROWS, FENCES, VIEWS, STATE, COLLECTIONS };

struct preparation {
    struct upsink_sink *sink;
    const struct upsink_printer *plan;
    const char *names[COLLECTIONS];
    bool there[COLLECTIONS];
    uint8_t uuid[16];
    struct mg_registration before;
};

/* --- what is there ----------------------------------------------------------------------------------- */

static bool refuse_shape(struct upsink_sink *sink, const char *what, struct upsink_error *err)
{
    return upsink_fail(err, UPSINK_ERR_FATAL, "target_mismatch",
                       "%s is %s, which can't hold a view; name another collection", sink->description, what);
}

/* The document of listCollections. */
static bool check_shape(struct preparation *work, const bson_t *info, struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    char type[32] = "collection", locale[32] = "simple";
    bson_iter_t iter, found;
    mg_reply_text(info, "type", type, sizeof type);
    mg_reply_text(info, "options.collation.locale", locale, sizeof locale);
    if (strcmp(type, "view") == 0)
        return refuse_shape(sink, "a view of MongoDB's", err);
    if (strcmp(type, "collection") != 0)
        return refuse_shape(sink, "a time series", err);
    if (bson_iter_init(&iter, info) && bson_iter_find_descendant(&iter, "options.capped", &found) &&
        bson_iter_as_bool(&found))
        return refuse_shape(sink, "a capped collection", err);
    if (strcmp(locale, "simple") != 0)
        return refuse_shape(sink, "a collection with a collation, where different keys may count as one",
                            err);
    return (bson_iter_init(&iter, info) && bson_iter_find_descendant(&iter, "info.uuid", &found) &&
            mg_reply_uuid(&found, work->uuid)) ||
           mg_fail_reply(sink, "look at", err);
}

static void build_list(struct upsink_sink *sink, const char *const *names, size_t count)
{
    struct buf *command = &sink->command;
    buf_clear(command);
    size_t whole = mg_open(command), filter, name, in;
    mg_put_int32(command, "listCollections", 1);
    filter = mg_open_named(command, MG_DOCUMENT, "filter");
    name = mg_open_named(command, MG_DOCUMENT, "name");
    in = mg_open_named(command, MG_ARRAY, "$in");
    for (size_t i = 0; i < count; i++) {
        mg_put_index(command, MG_TEXT, (uint32_t)i);
        mg_put_text_raw(command, upsink_slice_of(names[i]));
    }
    mg_close(command, in);
    mg_close(command, name);
    mg_close(command, filter);
    mg_close(command, whole);
}

static bool take_collections(struct preparation *work, const bson_t *reply, struct upsink_error *err)
{
    bson_iter_t list;
    if (!mg_reply_child(reply, "cursor.firstBatch", &list))
        return mg_fail_reply(work->sink, "look at", err);
    while (bson_iter_next(&list)) {
        const uint8_t *data = NULL;
        uint32_t len = 0;
        bson_t info;
        char name[MG_NAME_MAX + 32];
        if (!BSON_ITER_HOLDS_DOCUMENT(&list))
            continue;
        bson_iter_document(&list, &len, &data);
        if (!bson_init_static(&info, data, len) || !mg_reply_text(&info, "name", name, sizeof name))
            continue;
        for (size_t i = 0; i < COLLECTIONS; i++)
            work->there[i] = work->there[i] || strcmp(work->names[i], name) == 0;
        if (strcmp(name, work->names[ROWS]) == 0 && !check_shape(work, &info, err))
            return false;
    }
    return true;
}

static bool look(struct preparation *work, struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    bson_t reply;
    memset(work->there, 0, sizeof work->there);
    build_list(sink, work->names, COLLECTIONS);
    bool done = mg_run(sink, "look at", &sink->command, &reply, err) && take_collections(work, &reply, err);
    bson_destroy(&reply);
    return done;
}

bool mg_check_uuid(struct upsink_sink *sink, struct upsink_error *err)
{
    const char *const names[1] = {sink->collection};
    bson_t reply;
    bson_iter_t iter, found;
    uint8_t uuid[16];
    build_list(sink, names, 1);
    bool done = mg_run(sink, "look at", &sink->command, &reply, err);
    bool same = done && bson_iter_init(&iter, &reply) &&
                bson_iter_find_descendant(&iter, "cursor.firstBatch.0.info.uuid", &found) &&
                mg_reply_uuid(&found, uuid) && memcmp(uuid, sink->uuid, sizeof uuid) == 0;
    bson_destroy(&reply);
    return done && (same || mg_fail_lost(sink, err));
}

/* --- what is missing ----------------------------------------------------------------------------------- */

static bool create_collection(struct upsink_sink *sink, const char *name, struct upsink_error *err)
{
    enum { EXISTS = 48 };
    bson_t reply;
    buf_clear(&sink->command);
    size_t whole = mg_open(&sink->command);
    mg_put_text(&sink->command, "create", upsink_slice_of(name));
    mg_put_write_concern(sink, &sink->command, MG_STRONG);
    mg_close(&sink->command, whole);
    bool done = mg_run(sink, "create the collections of", &sink->command, &reply, err) ||
                mg_reply_number(&reply, "code", 0) == EXISTS;
    bson_destroy(&reply);
    return done;
}

static void print_create(const struct preparation *work, const char *name)
{
    char text[MG_NAME_MAX + 100];
    snprintf(text, sizeof text, "db.getSiblingDB(\"%s\").createCollection(\"%s\")", work->sink->database,
             name);
    work->plan->print(work->plan->context, text);
}

static bool make_missing(struct preparation *work, bool *made, struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    const char *missing = NULL;
    *made = false;
    for (size_t i = 0; i < COLLECTIONS; i++) {
        if (work->there[i])
            continue;
        missing = work->names[i];
        if (work->plan)
            print_create(work, missing);
        else if (!sink->view->create)
            break;
        else if (!create_collection(sink, missing, err))
            return false;
        *made = true;
    }
    return !missing || sink->view->create ||
           upsink_fail(err, UPSINK_ERR_FATAL, "target_missing",
                       "%s needs the collection %s, which is not there, and `create: never` forbids to make "
                       "it; `upsink plan` prints what does",
                       sink->description, missing);
}

/* --- whether it is what it was ---------------------------------------------------------------------------
 */

static bool settle_lost(struct preparation *work, bool any, struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    int64_t generation = 0;
    if (!mg_newest_generation(sink, &generation, err) || !mg_reset_positions(sink, generation, err))
        return false;
    /* A replay is to find nothing of an earlier life where there is nothing left of it. */
    if (!any && !mg_empty_fences(sink, err))
        return false;
    return mg_register_write(sink, any, err);
}

static bool is_lost(const struct preparation *work, bool any)
{
    const struct mg_registration *before = &work->before;
    bool same = before->known && before->has_uuid && memcmp(before->uuid, work->uuid, sizeof work->uuid) == 0;
    return !same || (before->filled && !any);
}

static bool tell_refill(const struct preparation *work, struct upsink_error *err)
{
    bool any = false, there = work->there[ROWS] && work->there[STATE];
    if (there && !mg_has_rows(work->sink, work->sink->collection, &any, err))
        return false;
    if (!there || is_lost(work, any))
        work->plan->refill(work->plan->context);
    return true;
}

static bool settle_identity(struct preparation *work, struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    const struct mg_registration *before = &work->before;
    bool any = false;
    memcpy(sink->uuid, work->uuid, sizeof sink->uuid);
    if (!mg_has_rows(sink, sink->collection, &any, err))
        return false;
    if (is_lost(work, any)) {
        if (!settle_lost(work, any, err))
            return false;
    } else {
        sink->filled = before->filled;
    }
    sink->ready = mg_confirm(sink, true, err);
    return sink->ready;
}

bool mg_prepare(struct upsink_sink *sink, const struct upsink_printer *plan, struct upsink_error *err)
{
    struct preparation work = {
        .sink = sink, .plan = plan, .names = {sink->collection, sink->fences, MG_VIEWS, MG_STATE}};
    bool made = false;
    /* What was written before is still to be committed perhaps: under the primary that it was written to. */
    if (!mg_connect(sink, err) || !mg_confirm(sink, false, err))
        return false;
    sink->relaxed = false;
    if (!look(&work, err))
        return false;
    if (work.there[VIEWS] && !mg_register_read(sink, &work.before, err))
        return false;
    if (!make_missing(&work, &made, err))
        return false;
    if (plan)
        return tell_refill(&work, err);
    return (!made || look(&work, err)) && settle_identity(&work, err);
}
