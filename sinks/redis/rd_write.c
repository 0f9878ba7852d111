/* Changes into Redis: slices of some keys each, one script call a slice, all of them on their way at once. */
#include "rd_code.h"
#include "rd_sink.h"

#include "clock.h"

#include <stdlib.h>

enum {
    SLICE_KEYS = 64, /* so long does the server do nothing else: less than a millisecond */
    SLICE_BYTES = 128 << 10,
    SEND_BYTES = 256 << 10,
    HEAD_ARGUMENTS = 8,
    ROUNDS = 3 /* how often the script is loaded again in one call */
};

/* Changes of one script call: places order[begin..begin + count). */
struct rd_slice {
    uint32_t begin, count;
    bool done;
};

struct rd_writing {
    struct upsink_sink *sink;
    struct upsink_batch *batch;
    size_t order_count, slice_count;
    bool may_check; /* the next slice looks whether rows are still there */
};

/* --- one change as arguments ---------------------------------------------------------------------------- */

static bool reject(struct rd_writing *writing, uint32_t place, const struct upsink_error *why,
                   struct upsink_error *err)
{
    struct upsink_error *copy = writing->batch->alloc(writing->batch, sizeof *copy);
    if (!copy)
        return rd_fail_memory(err);
    *copy = *why;
    writing->batch->results[place] = (struct upsink_result){UPSINK_REJECTED, copy};
    return true;
}

static bool fits(const struct upsink_sink *sink, const struct upsink_change *change, struct upsink_error *why)
{
    size_t most = (size_t)sink->most_bytes;
    size_t key = strlen(sink->settings.prefix) + change->key.len;
    size_t fence = rd_fence_size(change, sink->view->several_topics);
    if (change->entity.len <= most && key + sink->gone_key.len <= most && fence <= most &&
        change->topic.len <= RD_TOPIC_MOST)
        return true;
    return upsink_fail(
        why, UPSINK_ERR_RECORD, "value_too_large",
        "the entity or its key is larger than the server allows (proto-max-bulk-len, %lld bytes)",
        (long long)sink->most_bytes);
}

static void put_row_key(struct upsink_sink *sink, const struct upsink_change *change)
{
    size_t prefix = strlen(sink->settings.prefix);
    char *room = rd_put_room(&sink->out, prefix + change->key.len);
    if (!room)
        return;
    memcpy(room, sink->settings.prefix, prefix);
    if (change->key.len)
        memcpy(room + prefix, change->key.data, change->key.len);
}

static void put_fence(struct upsink_sink *sink, struct buf *out, const struct upsink_change *change,
                      struct upsink_slice rest)
{
    size_t size = rd_fence_size(change, sink->view->several_topics);
    char *room = rd_put_room(out, size + rest.len);
    if (!room)
        return;
    rd_fence_pack(room, change, sink->view->several_topics);
    if (rest.len)
        memcpy(room + size, rest.data, rest.len);
}

static void put_deleted_at(struct buf *out, const struct upsink_change *change)
{
    char text[CLOCK_TEXT_SIZE];
    clock_format(change->timestamp >= 0 ? change->timestamp : clock_wall_us(), text);
    rd_put(out, upsink_slice_of(text));
}

/* The change's arguments behind the keys; false where it can't be stored. Counts the arguments. */
static bool put_change(struct upsink_sink *sink, struct buf *out, const struct upsink_change *change,
                       size_t *arguments, struct upsink_error *why)
{
    struct rd_hash *hash = &sink->hash;
    bool is_hash = change->op == UPSINK_UPSERT && sink->settings.type == RD_HASH;
    if (is_hash && !rd_hash_read(hash, change->entity, why))
        return false;
    *arguments += 2 + (is_hash ? 2 * hash->count : 0);
    if (change->op == UPSINK_DELETE) {
        put_fence(sink, out, change, UPSINK_SLICE_ABSENT);
        if (sink->view->delete_mode == UPSINK_DELETE_SOFT)
            put_deleted_at(out, change);
        else
            rd_put(out, UPSINK_SLICE_LIT(""));
        return true;
    }
    if (!is_hash) {
        put_fence(sink, out, change, UPSINK_SLICE_ABSENT);
        rd_put(out, change->entity);
        return true;
    }
    char count[24];
    snprintf(count, sizeof count, "%zu", 2 * hash->count);
    put_fence(sink, out, change, buf_view(&hash->doubtful));
    rd_put(out, upsink_slice_of(count));
    for (size_t i = 0; i < hash->count; i++) {
        rd_put(out, rd_hash_name(hash, i));
        rd_put(out, rd_hash_value(hash, i));
    }
    return true;
}

/* --- slices --------------------------------------------------------------------------------------------- */

static void put_head(struct rd_writing *writing, const struct rd_slice *slice, size_t arguments,
                     int64_t floor)
{
    struct upsink_sink *sink = writing->sink;
    const struct rd_settings *settings = &sink->settings;
    int64_t kept = settings->fence_ttl_ms, live = kept > settings->ttl_ms || !kept ? kept : settings->ttl_ms;
    char packed[8], flags[4];
    size_t flag = 0;
    rd_pack_int64(packed, floor);
    if (sink->view->several_topics)
        flags[flag++] = 't';
    if (sink->view->delete_mode == UPSINK_DELETE_SOFT)
        flags[flag++] = 's';
    if (writing->may_check)
        flags[flag++] = 'c';
    flags[flag] = '\0';
    writing->may_check = false;
    rd_begin(sink, 5 + slice->count + HEAD_ARGUMENTS + arguments);
    rd_arg_text(sink, "EVALSHA");
    rd_arg_text(sink, sink->sha);
    rd_arg_int64(sink, 2 + (int64_t)slice->count);
    rd_arg(sink, buf_view(&sink->target_key));
    rd_arg(sink, buf_view(&sink->fences_key));
    for (uint32_t i = 0; i < slice->count; i++)
        put_row_key(sink, writing->batch->changes[sink->order[slice->begin + i]]);
    rd_arg_text(sink, sink->id);
    rd_arg(sink, (struct upsink_slice){packed, sizeof packed});
    rd_arg(sink, buf_view(&sink->gone_key));
    rd_arg_int64(sink, settings->ttl_ms);
    rd_arg_int64(sink, live);
    rd_arg_int64(sink, kept);
    rd_arg_text(sink, settings->type == RD_HASH ? "hash" : "string");
    rd_arg_text(sink, flags);
}

/* The slice's command: what follows its keys was put together in `scratch`. */
static bool send_slice(struct rd_writing *writing, const struct rd_slice *slice, size_t arguments,
                       struct upsink_error *err)
{
    struct upsink_sink *sink = writing->sink;
    put_head(writing, slice, arguments, writing->batch->changes[sink->order[slice->begin]]->floor);
    buf_append(&sink->out, sink->scratch.data, sink->scratch.len);
    if (sink->scratch.failed || sink->out.failed) {
        sink->broken = true;
        return rd_fail_memory(err);
    }
    return sink->out.len < SEND_BYTES || rd_send(sink, "write changes", err);
}

/* Takes changes from order[*from] on into one slice and sends it; what can't be stored is rejected and left
 * out, and the rest moves up. */
static bool send_next(struct rd_writing *writing, size_t *from, uint32_t *kept, struct upsink_error *err)
{
    struct upsink_sink *sink = writing->sink;
    const struct upsink_change *const *changes = writing->batch->changes;
    struct rd_slice slice = {.begin = *kept};
    int64_t floor = changes[sink->order[*from]]->floor;
    size_t arguments = 0;
    buf_clear(&sink->scratch);
    for (; *from < writing->order_count; ++*from) {
        uint32_t place = sink->order[*from];
        struct upsink_error why;
        if (slice.count == SLICE_KEYS || sink->scratch.len >= SLICE_BYTES || changes[place]->floor != floor)
            break;
        if (fits(sink, changes[place], &why) &&
            put_change(sink, &sink->scratch, changes[place], &arguments, &why)) {
            sink->order[(*kept)++] = place;
            slice.count++;
        } else if (why.cls != UPSINK_ERR_RECORD) {
            *err = why;
            return false;
        } else if (!reject(writing, place, &why, err)) {
            return false;
        }
    }
    if (!slice.count)
        return true;
    sink->slices[writing->slice_count++] = slice;
    return send_slice(writing, &slice, arguments, err);
}

static bool send_again(struct rd_writing *writing, const struct rd_slice *slice, struct upsink_error *err)
{
    struct upsink_sink *sink = writing->sink;
    size_t arguments = 0;
    buf_clear(&sink->scratch);
    for (uint32_t i = 0; i < slice->count; i++)
        if (!put_change(sink, &sink->scratch, writing->batch->changes[sink->order[slice->begin + i]],
                        &arguments, err))
            return false;
    return send_slice(writing, slice, arguments, err);
}

/* --- answers -------------------------------------------------------------------------------------------- */

static bool reject_taken(struct rd_writing *writing, uint32_t place, struct upsink_error *err)
{
    struct upsink_error why;
    upsink_fail(
        &why, UPSINK_ERR_RECORD, "key_taken",
        "this entity's key in %s holds something else than a %s, which upsink did not put there; remove or "
        "rename that key, then try the record again",
        writing->sink->description, writing->sink->settings.type == RD_HASH ? "hash" : "string");
    return reject(writing, place, &why, err);
}

static bool take_verdict(struct rd_writing *writing, uint32_t place, char letter, struct upsink_error *err)
{
    static const char letters[] = "ASEC";
    static const enum upsink_verdict verdicts[] = {UPSINK_APPLIED, UPSINK_STALE, UPSINK_DUPLICATE_EVENT,
                                                   UPSINK_DUPLICATE_CHANGE};
    const char *found = letter ? strchr(letters, letter) : NULL;
    if (letter == 'T')
        return reject_taken(writing, place, err);
    if (!found)
        return rd_fail_form(writing->sink, "write changes", err);
    writing->batch->results[place] = (struct upsink_result){verdicts[found - letters], NULL};
    return true;
}

static bool is_unknown_script(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ERROR && reply->len >= 8 && memcmp(reply->str, "NOSCRIPT", 8) == 0;
}

static bool take_slice(struct rd_writing *writing, struct rd_slice *slice, const redisReply *reply,
                       struct upsink_error *err)
{
    struct upsink_slice letters = rd_text(reply);
    if (is_unknown_script(reply))
        return true; /* not done */
    if (reply->type == REDIS_REPLY_ERROR)
        return rd_fail_reply(writing->sink, reply, "write changes", err);
    if (letters.len != slice->count)
        return rd_fail_form(writing->sink, "write changes", err);
    for (uint32_t i = 0; i < slice->count; i++)
        if (!take_verdict(writing, writing->sink->order[slice->begin + i], letters.data[i], err))
            return false;
    slice->done = true;
    return true;
}

/* Every answer is read, also behind one that is an error: the first error counts. *again: how many slices met
 * a server that does not know the script. */
static bool take_answers(struct rd_writing *writing, size_t *again, struct upsink_error *err)
{
    struct upsink_sink *sink = writing->sink;
    bool good = true;
    *again = 0;
    if (!rd_send(sink, "write changes", err))
        return false;
    for (size_t i = 0; i < writing->slice_count; i++) {
        struct rd_slice *slice = &sink->slices[i];
        if (slice->done)
            continue;
        struct upsink_error later;
        redisReply *reply = rd_next(sink, "write changes", good ? err : &later);
        if (!reply)
            return false;
        good = take_slice(writing, slice, reply, good ? err : &later) && good;
        *again += !slice->done;
        rd_reply_free(&reply);
    }
    return good;
}

/* --- the whole batch ------------------------------------------------------------------------------------ */

static bool load_script(struct upsink_sink *sink, struct upsink_error *err)
{
    if (sink->sha[0])
        return true;
    rd_command(sink, "SCRIPT", "LOAD", rd_script_write, NULL);
    redisReply *reply = rd_answer(sink, "load the script", err);
    struct upsink_slice sha = rd_text(reply);
    bool done = sha.data && sha.len == sizeof sink->sha - 1;
    if (done)
        memcpy(sink->sha, sha.data, sizeof sink->sha);
    else if (reply)
        rd_fail_form(sink, "load the script", err);
    rd_reply_free(&reply);
    return done;
}

static int compare_places(const void *left, const void *right, void *context)
{
    const struct upsink_change *const *changes = context;
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    if (changes[a]->floor != changes[b]->floor)
        return changes[a]->floor < changes[b]->floor ? -1 : 1;
    return a < b ? -1 : a > b;
}

/* One script call knows one floor: the changes are put in the order of their floors, where those differ. */
static bool put_in_order(struct rd_writing *writing, struct upsink_error *err)
{
    struct upsink_sink *sink = writing->sink;
    const struct upsink_change *const *changes = writing->batch->changes;
    size_t count = writing->batch->count;
    bool differ = false;
    if (count > UINT32_MAX)
        return upsink_fail(err, UPSINK_ERR_FATAL, "batch_too_large", "a batch has too many changes");
    if (count > sink->order_capacity) {
        free(sink->order);
        free(sink->slices);
        sink->order = calloc(count, sizeof *sink->order);
        sink->slices = calloc(count, sizeof *sink->slices);
        sink->order_capacity = sink->order && sink->slices ? count : 0;
        if (!sink->order_capacity)
            return rd_fail_memory(err);
    }
    for (uint32_t i = 0; i < count; i++) {
        sink->order[i] = i;
        differ = differ || changes[i]->floor != changes[0]->floor;
    }
    if (differ)
        qsort_r(sink->order, count, sizeof *sink->order, compare_places, (void *)(uintptr_t)changes);
    writing->order_count = count;
    return true;
}

static bool repeat_unknown(struct rd_writing *writing, struct upsink_error *err)
{
    struct upsink_sink *sink = writing->sink;
    size_t again;
    for (int round = 0; round < ROUNDS; round++) {
        if (!take_answers(writing, &again, err))
            return false;
        if (!again)
            return true;
        sink->sha[0] = '\0';
        if (!load_script(sink, err))
            return false;
        for (size_t i = 0; i < writing->slice_count; i++)
            if (!sink->slices[i].done && !send_again(writing, &sink->slices[i], err))
                return false;
    }
    sink->broken = true;
    return upsink_fail(err, UPSINK_ERR_OUTAGE, "sink_unavailable",
                       "can't write changes: %s forgets its scripts as soon as they are loaded",
                       sink->description);
}

bool rd_write(struct upsink_sink *sink, struct upsink_batch *batch, struct upsink_error *err)
{
    struct rd_writing writing = {.sink = sink, .batch = batch, .may_check = sink->settings.ttl_ms == 0};
    size_t from = 0;
    uint32_t kept = 0;
    if (!rd_check_ready(sink, err))
        return false;
    if (!batch->count)
        return true;
    if (!put_in_order(&writing, err) || !load_script(sink, err))
        return false;
    while (from < writing.order_count)
        if (!send_next(&writing, &from, &kept, err)) {
            sink->broken = true; /* answers are still to come */
            return false;
        }
    return repeat_unknown(&writing, err);
}
