/* How far each partition has come. */
#include "es_answer.h"
#include "es_get.h"
#include "es_register.h"

#include "clock.h"
#include "schemas/json_text.h"

#include <stdlib.h>
#include <xxhash.h>

enum { TRIES = 20, AT_ONCE = 500 };

struct stored {
    struct es_state state;
    struct upsink_position position; /* but for its topic */
    bool valid;                      /* of this incarnation */
};

static void name_position(const struct upsink_sink *sink, const struct upsink_position *position,
                          char id[ES_STATE_ID_SIZE])
{
    int len = snprintf(id, ES_STATE_ID_SIZE, "position:%s:%.*s:%d", sink->view->name,
                       (int)position->topic.len, position->topic.data, (int)position->partition);
    if (len >= ES_STATE_ID_SIZE)
        snprintf(id, ES_STATE_ID_SIZE, "position:%016llx:%.*s:%d",
                 (unsigned long long)XXH3_64bits(sink->view->name, strlen(sink->view->name)),
                 (int)position->topic.len, position->topic.data, (int)position->partition);
}

static void read_position(const struct upsink_sink *sink, struct upsink_slice source, struct stored *stored)
{
    char incarnation[sizeof sink->incarnation];
    struct upsink_position *position = &stored->position;
    *position = (struct upsink_position){.next_offset = -1};
    if (!stored->state.exists)
        return;
    es_json_copy(es_json_find(source, "incarnation"), incarnation, sizeof incarnation);
    stored->valid = strcmp(incarnation, sink->incarnation) == 0;
    position->epoch = es_json_int(es_json_find(source, "epoch"), 0);
    position->generation = es_json_int(es_json_find(source, "generation"), 0);
    position->floor = es_json_int(es_json_find(source, "floor"), 0);
    if (stored->valid)
        position->next_offset = es_json_int(es_json_find(source, "next_offset"), -1);
    es_json_copy(es_json_find(source, "note"), position->note, sizeof position->note);
}

static bool put_position(const struct upsink_sink *sink, struct buf *out,
                         const struct upsink_position *position)
{
    char time[CLOCK_TEXT_SIZE];
    clock_format(clock_wall_us(), time);
    buf_append_text(out, "{\"view\":");
    bool good = json_text_append(out, upsink_slice_of(sink->view->name));
    buf_append_text(out, ",\"topic\":");
    good = good && json_text_append(out, position->topic);
    buf_printf(out,
               ",\"partition\":%d,\"epoch\":%lld,\"generation\":%lld,\"floor\":%lld,\"next_offset\":%lld,"
               "\"incarnation\":\"%s\",\"updated_at\":\"%s\",\"note\":",
               (int)position->partition, (long long)position->epoch, (long long)position->generation,
               (long long)position->floor, (long long)position->next_offset, sink->incarnation, time);
    good = good && json_text_append(out, (struct upsink_slice){
                                             position->note, strnlen(position->note, sizeof position->note)});
    buf_append_byte(out, '}');
    return good;
}

static bool fail_busy(const struct upsink_sink *sink, struct upsink_error *err)
{
    return upsink_fail(err, UPSINK_ERR_OUTAGE, "sink_busy",
                       "the positions of %s were changed by somebody else again and again",
                       sink->description);
}

static bool fail_name(struct upsink_error *err)
{
    return upsink_fail(err, UPSINK_ERR_FATAL, "broken_invariant", "a name or a note is not UTF-8");
}

/* --- claim ------------------------------------------------------------------------------------------------
 */

static bool try_claim(struct upsink_sink *sink, const struct es_registration *registration,
                      struct upsink_position *position, bool *done, struct upsink_error *err)
{
    char id[ES_STATE_ID_SIZE];
    struct stored stored = {.valid = false};
    struct upsink_slice source, topic = position->topic;
    int32_t partition = position->partition;
    name_position(sink, position, id);
    if (!es_state_read(sink, id, &stored.state, &source, err))
        return false;
    read_position(sink, source, &stored);
    *position = stored.position;
    position->topic = topic;
    position->partition = partition;
    position->epoch++;
    if (!stored.valid && position->generation < registration->generation)
        position->generation = registration->generation;
    buf_clear(&sink->text);
    return (put_position(sink, &sink->text, position) || fail_name(err)) &&
           es_state_write(sink, id, &stored.state, &sink->text, done, err);
}

bool es_claim(struct upsink_sink *sink, struct upsink_position *position, struct upsink_error *err)
{
    struct es_registration registration;
    bool done = false;
    if (!es_check_ready(sink, err))
        return false;
    arena_clear(&sink->arena);
    es_cache_clear(&sink->cache);
    if (!es_register_read(sink, &registration, err))
        return false;
    if (strcmp(registration.incarnation, sink->incarnation) != 0)
        return es_fail_lost(sink, err);
    for (int tries = 0; !done && tries < TRIES; tries++)
        if (!try_claim(sink, &registration, position, &done, err))
            return false;
    return done || fail_busy(sink, err);
}

/* --- commit ------------------------------------------------------------------------------------------------
 */

static bool fail_fenced(const struct upsink_sink *sink, const struct upsink_position *position,
                        struct upsink_error *err)
{
    return upsink_fail(
        err, UPSINK_ERR_FENCED, "fenced", "another instance has taken over partition %d of %.100s in %s",
        (int)position->partition, position->topic.data ? position->topic.data : "", sink->description);
}

/* Reads what is there; FENCED where somebody else is the owner of one. */
static bool check_owners(struct upsink_sink *sink, const struct upsink_position *positions, size_t count,
                         struct es_state *states, struct upsink_error *err)
{
    char id[ES_STATE_ID_SIZE];
    struct es_docs docs = {.what = "read the positions in"};
    struct es_found found;
    es_get_begin(&sink->body);
    for (size_t i = 0; i < count; i++) {
        name_position(sink, &positions[i], id);
        if (!es_get_add(&sink->body, upsink_slice_of(id), i == 0))
            return fail_name(err);
    }
    if (!es_get_ask(sink, ES_STATE, "", &docs, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        struct stored stored = {.valid = false};
        name_position(sink, &positions[i], id);
        if (!es_get_next(sink, &docs, upsink_slice_of(id), &found, err))
            return false;
        stored.state = states[i] = (struct es_state){found.exists, found.seq_no, found.primary_term};
        read_position(sink, found.source, &stored);
        if (!stored.valid || stored.position.epoch != positions[i].epoch)
            return fail_fenced(sink, &positions[i], err);
    }
    return es_get_end(sink, &docs, err);
}

static bool build_commit(struct upsink_sink *sink, const struct upsink_position *positions, size_t count,
                         const struct es_state *states, struct upsink_error *err)
{
    char id[ES_STATE_ID_SIZE];
    struct buf *body = &sink->body;
    buf_clear(body);
    for (size_t i = 0; i < count; i++) {
        name_position(sink, &positions[i], id);
        buf_append_text(body, "{\"index\":{\"_id\":");
        bool good = json_text_append(body, upsink_slice_of(id));
        buf_printf(body, ",\"if_seq_no\":%lld,\"if_primary_term\":%lld}}\n", (long long)states[i].seq_no,
                   (long long)states[i].primary_term);
        if (!good || !put_position(sink, body, &positions[i]))
            return fail_name(err);
        buf_append_byte(body, '\n');
    }
    return !body->failed || es_fail_memory(err);
}

/* *done false: one of them changed meanwhile, by a claim, or by a commit of ours that we took for failed. */
static bool try_commit(struct upsink_sink *sink, const struct upsink_position *positions, size_t count,
                       struct es_state *states, bool *done, struct upsink_error *err)
{
    const char *what = "store the positions in";
    char id[ES_STATE_ID_SIZE];
    struct es_reply reply;
    if (!check_owners(sink, positions, count, states, err) ||
        !build_commit(sink, positions, count, states, err) ||
        !es_ask(sink, what, "POST",
                "/" ES_STATE "/_bulk?filter_path=error,items.*._id,items.*.status,items.*.error",
                buf_view(&sink->body), &reply, err))
        return false;
    struct es_json items = es_answer_items(reply.body);
    struct es_outcome outcome;
    *done = true;
    for (size_t i = 0; i < count; i++) {
        name_position(sink, &positions[i], id);
        if (!es_answer_next(&items, &outcome) || !es_outcome_is_of(&outcome, false, upsink_slice_of(id)))
            return es_fail_shape(sink, what, err);
        if (outcome.status == 409)
            *done = false;
        else if (!es_outcome_is_done(&outcome))
            return es_fail_code(sink, what, outcome.status, outcome.error, err);
    }
    return es_answer_is_over(&items) || es_fail_shape(sink, what, err);
}

static bool store_positions(struct upsink_sink *sink, const struct upsink_position *positions, size_t count,
                            struct upsink_error *err)
{
    struct es_state *states = calloc(count, sizeof *states);
    bool done = false, good = states || es_fail_memory(err);
    for (int tries = 0; good && !done && tries < TRIES; tries++)
        good = try_commit(sink, positions, count, states, &done, err);
    free(states);
    return good && (done || fail_busy(sink, err));
}

bool es_commit(struct upsink_sink *sink, const struct upsink_position *positions, size_t count,
               struct upsink_error *err)
{
    if (!es_check_ready(sink, err))
        return false;
    for (size_t i = 0; i < count; i += AT_ONCE)
        if (!store_positions(sink, positions + i, count - i < AT_ONCE ? count - i : AT_ONCE, err))
            return false;
    return true;
}
