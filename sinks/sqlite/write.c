#include "sinks/sqlite/sqlite.h"

#include "clock.h"

/* What a statement is about to be given, or a look-up found, for one entity. */
struct entity {
    bool has_row, has_side; /* in the table, among the delete fences */
    bool has_fence;
    struct upsink_fence fence; /* slices live in the statement that found it, until that is reset */
};

enum {
    FIRST = 1
}; /* result columns of a fence query: 0 deleted, then the bookkeeping columns in their order */

static struct upsink_slice read_text(sqlite3_stmt *row, int column)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    if (!text)
        return UPSINK_SLICE_ABSENT;
    return (struct upsink_slice){text, (size_t)sqlite3_column_bytes(row, column)};
}

/* False where the row has no fence: somebody else wrote it. */
static bool read_fence(const struct upsink_sink *sink, sqlite3_stmt *row, struct upsink_slice topic,
                       struct upsink_fence *fence)
{
    struct upsink_slice time = read_text(row, FIRST + 6);
    if (sqlite3_column_type(row, FIRST + 5) == SQLITE_NULL)
        return false;
    fence->deleted = sqlite3_column_int(row, 0);
    fence->has_version = sqlite3_column_type(row, FIRST) != SQLITE_NULL;
    fence->version = sqlite3_column_int64(row, FIRST);
    fence->event_id = read_text(row, FIRST + 1);
    fence->change_id = read_text(row, FIRST + 2);
    fence->partition = sqlite3_column_int(row, FIRST + 3);
    fence->offset = sqlite3_column_int64(row, FIRST + 4);
    fence->generation = sqlite3_column_int64(row, FIRST + 5);
    fence->timestamp = time.data ? sqlite_parse_time(time.data, time.len) : -1;
    fence->topic = sink->view->several_topics ? read_text(row, FIRST + 7) : topic;
    return true;
}

static bool bind_text(sqlite3_stmt *statement, int parameter, struct upsink_slice text)
{
    return sqlite3_bind_text64(statement, parameter, text.data, text.len, SQLITE_STATIC, SQLITE_UTF8) ==
           SQLITE_OK;
}

static bool find_one(struct upsink_sink *sink, enum sqlite_statement which, struct upsink_slice key,
                     bool *there, struct upsink_error *err)
{
    sqlite3_stmt *statement = sink->statements[which];
    *there = false;
    /* A key that SQLite can't even take will be refused when it is written. */
    if (!bind_text(statement, 1, key))
        return sqlite3_errcode(sink->db) == SQLITE_TOOBIG || sqlite_fail(sink, "read", err);
    int result = sqlite3_step(statement);
    *there = result == SQLITE_ROW;
    return result == SQLITE_ROW || result == SQLITE_DONE || sqlite_fail(sink, "read", err);
}

static bool find_entity(struct upsink_sink *sink, struct upsink_slice key, struct upsink_slice topic,
                        struct entity *entity, struct upsink_error *err)
{
    *entity = (struct entity){.has_fence = false};
    if (!find_one(sink, SQL_ROW_FENCE, key, &entity->has_row, err))
        return false;
    if (entity->has_row)
        entity->has_fence = read_fence(sink, sink->statements[SQL_ROW_FENCE], topic, &entity->fence);
    if (entity->has_row || !sink->may_have_fences)
        return true;
    if (!find_one(sink, SQL_SIDE_FENCE, key, &entity->has_side, err))
        return false;
    if (entity->has_side)
        entity->has_fence = read_fence(sink, sink->statements[SQL_SIDE_FENCE], topic, &entity->fence);
    return true;
}

static void forget_entity(struct upsink_sink *sink)
{
    sqlite3_reset(sink->statements[SQL_ROW_FENCE]);
    sqlite3_reset(sink->statements[SQL_SIDE_FENCE]);
}

static bool bind_change(struct upsink_sink *sink, sqlite3_stmt *statement, const struct upsink_change *change,
                        bool has_version, int64_t version, char time[TIME_SIZE])
{
    bool bound = bind_text(statement, COLUMN_KEY + 1, change->key);
    bound = bound && (has_version ? sqlite3_bind_int64(statement, COLUMN_VERSION + 1, version)
                                  : sqlite3_bind_null(statement, COLUMN_VERSION + 1)) == SQLITE_OK;
    bound = bound && bind_text(statement, 4, change->event_id) && bind_text(statement, 5, change->change_id);
    bound = bound && sqlite3_bind_int64(statement, 6, change->partition) == SQLITE_OK &&
            sqlite3_bind_int64(statement, 7, change->offset) == SQLITE_OK &&
            sqlite3_bind_int64(statement, 8, change->generation) == SQLITE_OK;
    struct upsink_slice when = UPSINK_SLICE_ABSENT;
    if (change->timestamp != -1)
        when = (struct upsink_slice){time, sqlite_format_time(change->timestamp, time)};
    return bound && bind_text(statement, 9, when) &&
           (!sink->view->several_topics || bind_text(statement, COLUMN_TOPIC + 1, change->topic));
}

static bool reject(struct upsink_sink *sink, int result, const char *message, struct upsink_batch *batch,
                   size_t i, struct upsink_error *err)
{
    const char *code;
    struct upsink_error *why = batch->alloc(batch, sizeof *why);
    if (!why)
        return sqlite_fail_memory(err);
    sqlite_classify(result, NULL, &code);
    upsink_fail(why, UPSINK_ERR_RECORD, code, "%s refuses this change: %s", sink->description, message);
    upsink_error_detail(why, "%s (%d)", sqlite_code_name(result), result);
    batch->results[i] = (struct upsink_result){UPSINK_REJECTED, why};
    return true;
}

/* What a failed statement means for the batch: SQLite has taken back what that statement did, and no more. */
static bool judge_failure(struct upsink_sink *sink, struct upsink_batch *batch, size_t i,
                          struct upsink_error *err)
{
    int result = sqlite3_extended_errcode(sink->db);
    const char *code;
    if (sqlite3_get_autocommit(sink->db))
        return upsink_fail(
            err, UPSINK_ERR_UNKNOWN, "transaction_lost",
            "%s took back the whole transaction: %s; a trigger that says RAISE(ROLLBACK) does that, "
            "RAISE(ABORT) would cost its own row only",
            sink->description, sqlite3_errmsg(sink->db));
    if (sqlite_classify(result, sqlite3_errmsg(sink->db), &code) != UPSINK_ERR_RECORD)
        return sqlite_fail(sink, "write to", err);
    return reject(sink, result, sqlite3_errmsg(sink->db), batch, i, err);
}

/* Runs one statement for one change; *taken tells whether the store took it. */
static bool put(struct upsink_sink *sink, enum sqlite_statement which, bool bound, struct upsink_batch *batch,
                size_t i, bool *taken, struct upsink_error *err)
{
    sqlite3_stmt *statement = sink->statements[which];
    bool done = true;
    *taken = bound && sqlite3_step(statement) == SQLITE_DONE;
    if (!*taken) {
        done = judge_failure(sink, batch, i, err);
    } else if (sqlite3_changes(sink->db) == 0) {
        *taken = false;
        done = reject(sink, SQLITE_CONSTRAINT_TRIGGER, "a trigger ignored it", batch, i, err);
    }
    sqlite3_reset(statement);
    return done;
}

static bool drop_side(struct upsink_sink *sink, struct upsink_slice key, struct upsink_error *err)
{
    if (!bind_text(sink->statements[SQL_SIDE_DELETE], 1, key))
        return sqlite_fail(sink, "write to", err);
    return sqlite_step(sink, SQL_SIDE_DELETE, "write to", err);
}

/* The statement that the store may refuse comes first; the other one touches our own table only. */
static bool put_upsert(struct upsink_sink *sink, struct upsink_batch *batch, size_t i,
                       const struct entity *entity, bool has_version, int64_t version,
                       struct upsink_error *err)
{
    const struct upsink_change *change = batch->changes[i];
    enum sqlite_statement which = entity->has_row ? SQL_UPDATE : SQL_INSERT;
    sqlite3_stmt *statement = sink->statements[which];
    char time[TIME_SIZE];
    bool taken, bound = bind_text(statement, COLUMN_DOC + 1, change->entity) &&
                        bind_change(sink, statement, change, has_version, version, time);
    if (!put(sink, which, bound, batch, i, &taken, err))
        return false;
    sink->count_changed |= which == SQL_INSERT;
    return !taken || !entity->has_side || drop_side(sink, change->key, err);
}

static bool put_soft_delete(struct upsink_sink *sink, struct upsink_batch *batch, size_t i, bool has_version,
                            int64_t version, struct upsink_error *err)
{
    const struct upsink_change *change = batch->changes[i];
    sqlite3_stmt *statement = sink->statements[SQL_SOFT_DELETE];
    char time[TIME_SIZE], deleted_at[TIME_SIZE];
    size_t len =
        sqlite_format_time(change->timestamp == -1 ? clock_wall_us() : change->timestamp, deleted_at);
    bool taken, bound = bind_text(statement, 2, (struct upsink_slice){deleted_at, len}) &&
                        bind_change(sink, statement, change, has_version, version, time);
    return put(sink, SQL_SOFT_DELETE, bound, batch, i, &taken, err);
}

static bool put_delete(struct upsink_sink *sink, struct upsink_batch *batch, size_t i,
                       const struct entity *entity, bool has_version, int64_t version,
                       struct upsink_error *err)
{
    const struct upsink_change *change = batch->changes[i];
    sqlite3_stmt *side = sink->statements[SQL_SIDE_PUT];
    char time[TIME_SIZE];
    bool taken = true;
    if (entity->has_row && sink->soft)
        return put_soft_delete(sink, batch, i, has_version, version, err);
    if (entity->has_row) {
        bool bound = bind_text(sink->statements[SQL_DELETE], 1, change->key);
        if (!put(sink, SQL_DELETE, bound, batch, i, &taken, err))
            return false;
        if (!taken)
            return true;
        sink->count_changed = true;
    }
    sink->may_have_fences = true;
    return put(sink, SQL_SIDE_PUT, bind_change(sink, side, change, has_version, version, time), batch, i,
               &taken, err);
}

static bool apply(struct upsink_sink *sink, struct upsink_batch *batch, size_t i, struct upsink_error *err)
{
    const struct upsink_change *change = batch->changes[i];
    struct entity entity;
    if (!find_entity(sink, change->key, change->topic, &entity, err)) {
        forget_entity(sink);
        return false;
    }
    const struct upsink_fence *fence = entity.has_fence ? &entity.fence : NULL;
    int64_t version;
    enum upsink_verdict verdict = upsink_fence_judge(fence, change);
    bool has_version = upsink_fence_version(fence, change, &version);
    forget_entity(sink);
    batch->results[i] = (struct upsink_result){verdict, NULL};
    if (verdict != UPSINK_APPLIED)
        return true;
    if (change->op == UPSINK_UPSERT)
        return put_upsert(sink, batch, i, &entity, has_version, version, err);
    return put_delete(sink, batch, i, &entity, has_version, version, err);
}

bool sqlite_write(struct upsink_sink *sink, struct upsink_batch *batch, struct upsink_error *err)
{
    if (!sqlite_begin(sink, err))
        return false;
    for (size_t i = 0; i < batch->count; i++)
        if (!apply(sink, batch, i, err)) {
            sqlite_rollback(sink);
            return false;
        }
    return true;
}

static struct upsink_slice keep_slice(struct buf *seen, struct upsink_slice text)
{
    size_t begin = seen->len;
    if (!text.data)
        return UPSINK_SLICE_ABSENT;
    buf_append_slice(seen, text);
    buf_append_byte(seen, '\0');
    return (struct upsink_slice){seen->data + begin, text.len};
}

/* Copies what the statements found, so that none of them stays open: it would hold an old state of the file.
 */
static bool keep_row(struct upsink_sink *sink, const struct entity *entity, struct upsink_slice doc,
                     struct upsink_row *row, struct upsink_error *err)
{
    const struct upsink_fence *fence = &entity->fence;
    buf_clear(&sink->seen);
    if (!buf_reserve(&sink->seen,
                     doc.len + fence->topic.len + fence->event_id.len + fence->change_id.len + 4))
        return sqlite_fail_memory(err);
    *row = (struct upsink_row){.found = true, .entity = keep_slice(&sink->seen, doc), .fence = *fence};
    row->fence.topic = keep_slice(&sink->seen, fence->topic);
    row->fence.event_id = keep_slice(&sink->seen, fence->event_id);
    row->fence.change_id = keep_slice(&sink->seen, fence->change_id);
    return true;
}

static bool read_row(struct upsink_sink *sink, struct upsink_slice key, struct upsink_row *row,
                     struct upsink_error *err)
{
    struct entity entity;
    struct upsink_slice doc = UPSINK_SLICE_ABSENT;
    bool there = false;
    if (!find_entity(sink, key, upsink_slice_of(sink->view->topic), &entity, err))
        return false;
    if (entity.has_row && !find_one(sink, SQL_READ_DOC, key, &there, err))
        return false;
    if (there)
        doc = read_text(sink->statements[SQL_READ_DOC], 0);
    return !(entity.has_row || entity.has_side) || keep_row(sink, &entity, doc, row, err);
}

bool sqlite_read_row(struct upsink_sink *sink, struct upsink_slice key, struct upsink_row *row,
                     struct upsink_error *err)
{
    *row = (struct upsink_row){.found = false};
    if (!sink->db || !sink->ready)
        return upsink_fail(err, UPSINK_ERR_OUTAGE, "sink_unreachable", "%s is not open", sink->description);
    /* One snapshot for the look-ups: an entity may go from the fences to the table between them. */
    bool own = sqlite3_get_autocommit(sink->db), known = sink->may_have_fences;
    if (own && !sqlite_run(sink, "BEGIN", "read", err))
        return false;
    sink->may_have_fences = true;
    bool done = read_row(sink, key, row, err);
    sink->may_have_fences = known;
    forget_entity(sink);
    sqlite3_reset(sink->statements[SQL_READ_DOC]);
    if (own)
        sqlite3_exec(sink->db, "COMMIT", NULL, NULL, NULL);
    return done;
}
