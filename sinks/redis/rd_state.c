/* How far each partition is: texts in the view's hash, changed by compare-and-set alone. */
#include "rd_sink.h"

#include <inttypes.h>
#include <stdlib.h>

enum { FIELD_SIZE = 300, TEXT_SIZE = sizeof((struct upsink_position *)0)->note + 100 };

/* partition:topic */
static void name_field(char field[FIELD_SIZE], const struct upsink_position *position)
{
    snprintf(field, FIELD_SIZE, "%d:%.*s", (int)position->partition, (int)position->topic.len,
             position->topic.data);
}

/* "epoch generation floor next_offset note" */
static bool parse_position(struct upsink_position *position, struct upsink_slice text)
{
    int end = 0;
    position->note[0] = '\0';
    /* A reply's text ends with NUL. */
    if (!text.data ||
        sscanf(text.data, "%" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 "%n", &position->epoch,
               &position->generation, &position->floor, &position->next_offset, &end) != 4 ||
        text.data[end] != ' ')
        return false;
    snprintf(position->note, sizeof position->note, "%s", text.data + end + 1);
    return true;
}

/* --- what the store is known to hold ----------------------------------------------------------------- */

static struct rd_known *find_known(struct upsink_sink *sink, const char *field)
{
    for (size_t i = 0; i < sink->known_count; i++)
        if (strcmp(sink->known[i].field, field) == 0)
            return &sink->known[i];
    return NULL;
}

static bool remember(struct upsink_sink *sink, const char *field, const struct upsink_position *position,
                     struct upsink_error *err)
{
    struct rd_known *known = find_known(sink, field);
    if (!known && sink->known_count == sink->known_capacity) {
        size_t capacity = sink->known_capacity * 2 + 16;
        struct rd_known *grown = reallocarray(sink->known, capacity, sizeof *grown);
        if (!grown)
            return rd_fail_memory(err);
        sink->known = grown;
        sink->known_capacity = capacity;
    }
    char *copy = known ? known->field : strdup(field);
    if (!copy)
        return rd_fail_memory(err);
    known = known ? known : &sink->known[sink->known_count++];
    *known = (struct rd_known){copy, position->epoch, position->next_offset, position->next_offset};
    return true;
}

void rd_forget_known(struct upsink_sink *sink)
{
    for (size_t i = 0; i < sink->known_count; i++)
        free(sink->known[i].field);
    sink->known_count = 0;
}

/* A higher epoch is another owner's, which the next commit finds out. */
static bool is_as_known(const struct rd_known *known, struct upsink_slice text)
{
    struct upsink_position stored;
    return parse_position(&stored, text) &&
           (stored.epoch > known->epoch ||
            (stored.epoch == known->epoch &&
             (stored.next_offset == known->next_offset || stored.next_offset == known->sent_offset)));
}

bool rd_check_known(struct upsink_sink *sink, struct upsink_error *err)
{
    if (!sink->known_count)
        return true;
    rd_begin(sink, 2 + sink->known_count);
    rd_arg_text(sink, "HMGET");
    rd_arg_text(sink, sink->view_key.data);
    for (size_t i = 0; i < sink->known_count; i++)
        rd_arg_text(sink, sink->known[i].field);
    redisReply *reply = rd_answer(sink, "read the positions", err);
    bool same = true;
    for (size_t i = 0; reply && i < sink->known_count; i++)
        same = same && is_as_known(&sink->known[i], rd_text(rd_element(reply, i)));
    bool done = reply != NULL;
    rd_reply_free(&reply);
    if (!done || same)
        return done;
    rd_forget_known(sink);
    return upsink_fail(
        err, UPSINK_ERR_TARGET_LOST, "target_lost",
        "%s lost its last writes: it holds older positions than were stored; what came since is "
        "read again",
        sink->description);
}

/* --- claim ------------------------------------------------------------------------------------------- */

bool rd_claim(struct upsink_sink *sink, struct upsink_position *position, struct upsink_error *err)
{
    char field[FIELD_SIZE];
    if (!rd_check_ready(sink, err))
        return false;
    name_field(field, position);
    rd_command(sink, "EVAL", rd_script_claim, "2", sink->target_key.data, sink->view_key.data, sink->id,
               field, NULL);
    redisReply *reply = rd_answer(sink, "claim a partition", err);
    bool done =
        reply && (parse_position(position, rd_text(reply)) || rd_fail_form(sink, "claim a partition", err));
    rd_reply_free(&reply);
    return done && remember(sink, field, position, err);
}

/* --- commit ------------------------------------------------------------------------------------------ */

static void put_expected(struct upsink_sink *sink, const struct rd_known *known,
                         const struct upsink_position *position)
{
    if (known && known->epoch == position->epoch) {
        rd_arg_int64(sink, known->next_offset);
        rd_arg_int64(sink, known->sent_offset);
    } else {
        rd_arg_text(sink, "");
        rd_arg_text(sink, "");
    }
}

static void put_position(struct upsink_sink *sink, const struct upsink_position *position)
{
    char field[FIELD_SIZE], text[TEXT_SIZE];
    name_field(field, position);
    struct rd_known *known = find_known(sink, field);
    snprintf(text, sizeof text, "%lld %lld %lld %lld %.*s", (long long)position->epoch,
             (long long)position->generation, (long long)position->floor, (long long)position->next_offset,
             (int)strnlen(position->note, sizeof position->note), position->note);
    rd_arg_text(sink, field);
    rd_arg_int64(sink, position->epoch);
    put_expected(sink, known, position);
    rd_arg_text(sink, text);
    if (known && known->epoch == position->epoch)
        known->sent_offset = position->next_offset;
}

static bool take_commit(struct upsink_sink *sink, const redisReply *reply,
                        const struct upsink_position *positions, size_t count, struct upsink_error *err)
{
    char field[FIELD_SIZE];
    if (reply->type != REDIS_REPLY_INTEGER)
        return rd_fail_form(sink, "store the positions", err);
    if (reply->integer)
        return upsink_fail(err, UPSINK_ERR_FENCED, "fenced",
                           "another instance has taken over %lld of %zu partitions in %s", reply->integer,
                           count, sink->description);
    for (size_t i = 0; i < count; i++) {
        name_field(field, &positions[i]);
        if (!remember(sink, field, &positions[i], err))
            return false;
    }
    return true;
}

bool rd_commit(struct upsink_sink *sink, const struct upsink_position *positions, size_t count,
               struct upsink_error *err)
{
    if (!rd_check_ready(sink, err))
        return false;
    if (!count)
        return true;
    rd_begin(sink, 6 + 5 * count);
    rd_arg_text(sink, "EVAL");
    rd_arg_text(sink, rd_script_commit);
    rd_arg_text(sink, "2");
    rd_arg_text(sink, sink->target_key.data);
    rd_arg_text(sink, sink->view_key.data);
    rd_arg_text(sink, sink->id);
    for (size_t i = 0; i < count; i++)
        put_position(sink, &positions[i]);
    redisReply *reply = rd_answer(sink, "store the positions", err);
    bool done = reply && take_commit(sink, reply, positions, count, err);
    rd_reply_free(&reply);
    return done;
}
