/* How far each partition has come: one document a partition in _upsink_state, changed only by
 * compare-and-set. */
#include "mg_register.h"

static void put_state_id(const struct upsink_sink *sink, struct buf *out,
                         const struct upsink_position *position)
{
    size_t at = mg_open_named(out, MG_DOCUMENT, "_id");
    mg_put_text(out, "view", upsink_slice_of(sink->view->name));
    mg_put_text(out, "topic", position->topic);
    mg_put_int32(out, "partition", position->partition);
    mg_close(out, at);
}

/* --- claim --------------------------------------------------------------------------------------- */

static void build_claim(struct upsink_sink *sink, const struct upsink_position *position, int64_t generation)
{
    struct buf *command = &sink->command;
    buf_clear(command);
    size_t whole = mg_open(command), query, update, part;
    mg_put_text(command, "findAndModify", UPSINK_SLICE_LIT(MG_STATE));
    query = mg_open_named(command, MG_DOCUMENT, "query");
    put_state_id(sink, command, position);
    mg_close(command, query);
    update = mg_open_named(command, MG_DOCUMENT, "update");
    part = mg_open_named(command, MG_DOCUMENT, "$inc");
    mg_put_int64(command, "epoch", 1);
    mg_close(command, part);
    part = mg_open_named(command, MG_DOCUMENT, "$setOnInsert");
    mg_put_int64(command, "generation", generation);
    mg_put_int64(command, "floor", 0);
    mg_put_int64(command, "next_offset", -1);
    mg_put_text(command, "note", UPSINK_SLICE_LIT(""));
    mg_close(command, part);
    mg_close(command, update);
    mg_put_bool(command, "upsert", true);
    mg_put_bool(command, "new", true);
    mg_put_write_concern(sink, command, MG_STRONG);
    mg_close(command, whole);
}

static bool take_claim(struct upsink_sink *sink, const bson_t *reply, struct upsink_position *position,
                       struct upsink_error *err)
{
    position->epoch = mg_reply_number(reply, "value.epoch", -1);
    position->generation = mg_reply_number(reply, "value.generation", 0);
    position->floor = mg_reply_number(reply, "value.floor", 0);
    position->next_offset = mg_reply_number(reply, "value.next_offset", -1);
    position->note[0] = '\0';
    mg_reply_text(reply, "value.note", position->note, sizeof position->note);
    return position->epoch > 0 || mg_fail_reply(sink, "claim a partition of", err);
}

/* Whether the view has any position: without one, rows of an earlier life may be there. */
static bool has_positions(struct upsink_sink *sink, bool *any, struct upsink_error *err)
{
    struct buf *command = &sink->command;
    bson_t reply;
    buf_clear(command);
    size_t whole = mg_open(command), part;
    mg_put_text(command, "find", UPSINK_SLICE_LIT(MG_STATE));
    part = mg_open_named(command, MG_DOCUMENT, "filter");
    mg_put_text(command, "_id.view", upsink_slice_of(sink->view->name));
    mg_close(command, part);
    mg_put_int32(command, "limit", 1);
    mg_put_bool(command, "singleBatch", true);
    mg_close(command, whole);
    bool done = mg_run(sink, "read the positions in", command, &reply, err);
    bson_iter_t rows;
    *any = done && mg_reply_child(&reply, "cursor.firstBatch", &rows) && bson_iter_next(&rows);
    bson_destroy(&reply);
    return done;
}

/* Where a position is made it begins at this generation. All of them were lost where there is none: the
 * register says so to the other partitions, before there is one again. */
static bool find_least_generation(struct upsink_sink *sink, int64_t *generation, struct upsink_error *err)
{
    struct mg_registration registration;
    bool any = false;
    int64_t newest = 0;
    if (!has_positions(sink, &any, err) || (!any && !mg_newest_generation(sink, &newest, err)) ||
        (newest && !mg_note_generation(sink, newest, err)) || !mg_register_read(sink, &registration, err))
        return false;
    *generation = registration.generation > newest ? registration.generation : newest;
    return true;
}

bool mg_claim(struct upsink_sink *sink, struct upsink_position *position, struct upsink_error *err)
{
    bson_t reply;
    bool done = false;
    int64_t generation = 0;
    if (!mg_check_ready(sink, err) || !mg_check_uuid(sink, err) ||
        !find_least_generation(sink, &generation, err))
        return false;
    /* Of two claims that insert at one time, one finds the other's document when it tries again. */
    for (int tries = 0; !done && tries < 3; tries++) {
        build_claim(sink, position, generation);
        done = mg_run(sink, "claim a partition of", &sink->command, &reply, err);
        bool again = !done && mg_reply_number(&reply, "code", 0) == MG_DUPLICATE_KEY;
        done = done && take_claim(sink, &reply, position, err);
        bson_destroy(&reply);
        if (!done && !again)
            return false;
    }
    return done;
}

/* --- commit -------------------------------------------------------------------------------------- */

static void put_store(const struct upsink_sink *sink, struct buf *out, const struct upsink_position *position)
{
    size_t part = mg_open_named(out, MG_DOCUMENT, "q"), set;
    put_state_id(sink, out, position);
    mg_put_int64(out, "epoch", position->epoch);
    mg_close(out, part);
    part = mg_open_named(out, MG_DOCUMENT, "u");
    set = mg_open_named(out, MG_DOCUMENT, "$set");
    mg_put_int64(out, "generation", position->generation);
    mg_put_int64(out, "floor", position->floor);
    mg_put_int64(out, "next_offset", position->next_offset);
    mg_put_text(out, "note",
                (struct upsink_slice){position->note, strnlen(position->note, sizeof position->note)});
    mg_close(out, set);
    set = mg_open_named(out, MG_DOCUMENT, "$currentDate");
    mg_put_bool(out, "updated_at", true);
    mg_close(out, set);
    mg_close(out, part);
}

static void build_commit(struct upsink_sink *sink, const struct upsink_position *positions, size_t count)
{
    struct buf *command = &sink->command;
    buf_clear(command);
    size_t whole = mg_open(command), updates, one;
    mg_put_text(command, "update", UPSINK_SLICE_LIT(MG_STATE));
    mg_put_bool(command, "ordered", false);
    mg_put_write_concern(sink, command, MG_STRONG);
    updates = mg_open_named(command, MG_ARRAY, "updates");
    for (size_t i = 0; i < count; i++) {
        mg_put_index(command, MG_DOCUMENT, (uint32_t)i);
        one = mg_open(command);
        put_store(sink, command, &positions[i]);
        mg_close(command, one);
    }
    mg_close(command, updates);
    mg_close(command, whole);
}

static bool store_positions(struct upsink_sink *sink, const struct upsink_position *positions, size_t count,
                            struct upsink_error *err)
{
    bson_t reply;
    build_commit(sink, positions, count);
    bool done = mg_run(sink, "store the positions in", &sink->command, &reply, err);
    int32_t code = done ? mg_reply_write_error(&reply) : 0;
    int64_t stored = mg_reply_number(&reply, "n", -1);
    bson_destroy(&reply);
    if (done && code)
        return mg_fail_code(sink, "store the positions in", code, err);
    if (done && stored != (int64_t)count)
        return upsink_fail(err, UPSINK_ERR_FENCED, "fenced",
                           "another instance has taken over %lld of %zu partitions in %s",
                           (long long)count - (long long)stored, count, sink->description);
    return done;
}

bool mg_commit(struct upsink_sink *sink, const struct upsink_position *positions, size_t count,
               struct upsink_error *err)
{
    enum { AT_ONCE = 1000 };
    if (!mg_check_ready(sink, err) || (!sink->guards && !mg_check_uuid(sink, err)) ||
        !mg_confirm(sink, false, err))
        return false;
    for (size_t i = 0; i < count; i += AT_ONCE)
        if (!store_positions(sink, positions + i, count - i < AT_ONCE ? count - i : AT_ONCE, err))
            return false;
    return true;
}
