#include "es_register.h"

#include "clock.h"
#include "es_answer.h"
#include "es_get.h"
#include "schemas/json_text.h"

enum { BOOKKEEPING = 1, TRIES = 20 };

/* --- documents -------------------------------------------------------------------------------------------
 */

bool es_state_read(struct upsink_sink *sink, const char *id, struct es_state *state,
                   struct upsink_slice *source, struct upsink_error *err)
{
    struct es_docs docs = {.what = "read the state of"};
    struct es_found found;
    struct upsink_error why = {.cls = UPSINK_ERR_NONE};
    *state = (struct es_state){.exists = false};
    *source = UPSINK_SLICE_ABSENT;
    es_get_begin(&sink->body);
    if (!es_get_add(&sink->body, upsink_slice_of(id), true) || !es_get_ask(sink, ES_STATE, "", &docs, &why) ||
        !es_get_next(sink, &docs, upsink_slice_of(id), &found, &why) || !es_get_end(sink, &docs, &why)) {
        if (why.cls == UPSINK_ERR_TARGET_LOST)
            return true;
        *err = why;
        return false;
    }
    *state = (struct es_state){found.exists, found.seq_no, found.primary_term};
    *source = found.source;
    return true;
}

bool es_state_write(struct upsink_sink *sink, const char *id, const struct es_state *state,
                    const struct buf *document, bool *done, struct upsink_error *err)
{
    struct buf *body = &sink->body;
    struct es_reply reply;
    buf_clear(body);
    buf_append_text(body, state->exists ? "{\"index\":{\"_id\":" : "{\"create\":{\"_id\":");
    if (!json_text_append(body, upsink_slice_of(id)))
        return upsink_fail(err, UPSINK_ERR_FATAL, "broken_invariant",
                           "the name of the view or topic is not UTF-8");
    if (state->exists)
        buf_printf(body, ",\"if_seq_no\":%lld,\"if_primary_term\":%lld", (long long)state->seq_no,
                   (long long)state->primary_term);
    buf_append_text(body, "}}\n");
    buf_append(body, document->data, document->len);
    buf_append_byte(body, '\n');
    if (body->failed || document->failed)
        return es_fail_memory(err);
    if (!es_ask(sink, "write the state of", "POST", "/" ES_STATE "/_bulk", buf_view(body), &reply, err))
        return false;
    struct es_json items = es_answer_items(reply.body);
    struct es_outcome outcome;
    if (!es_answer_next(&items, &outcome) || !es_outcome_is_of(&outcome, false, upsink_slice_of(id)) ||
        !es_answer_is_over(&items))
        return es_fail_shape(sink, "write the state of", err);
    *done = es_outcome_is_done(&outcome);
    return *done || outcome.status == 409 ||
           es_fail_code(sink, "write the state of", outcome.status, outcome.error, err);
}

/* --- the register ----------------------------------------------------------------------------------------
 */

static void name_registration(const struct upsink_sink *sink, char id[ES_STATE_ID_SIZE])
{
    snprintf(id, ES_STATE_ID_SIZE, "view:%s", sink->index);
}

static bool check_owner(struct upsink_sink *sink, struct upsink_slice source, struct upsink_error *err)
{
    char view[128], topic[128];
    const struct {
        const char *name, *ours;
    } owners[] = {{"view", sink->view->name}, {"topic", sink->view->topic}};
    bool same = true;
    for (size_t i = 0; i < 2; i++) {
        struct upsink_slice text;
        if (!es_json_text(es_json_find(source, owners[i].name), &sink->arena, &text))
            return es_fail_memory(err);
        same = same && upsink_slice_is(text, owners[i].ours);
    }
    if (same)
        return es_json_int(es_json_find(source, "bookkeeping"), 0) <= BOOKKEEPING ||
               upsink_fail(err, UPSINK_ERR_FATAL, "target_newer",
                           "%s was prepared by a newer version of upsink; use that version",
                           sink->description);
    es_json_copy(es_json_find(source, "view"), view, sizeof view);
    es_json_copy(es_json_find(source, "topic"), topic, sizeof topic);
    return upsink_fail(
        err, UPSINK_ERR_FATAL, "target_taken",
        "%.200s already holds view %.60s of topic %.60s, so view %.60s must not write into it; give "
        "this view an index of its own, or delete that one and the document view:%.60s in " ES_STATE
        " to hand it over",
        sink->description, view, topic, sink->view->name, sink->index);
}

bool es_register_read(struct upsink_sink *sink, struct es_registration *registration,
                      struct upsink_error *err)
{
    char id[ES_STATE_ID_SIZE];
    struct upsink_slice source;
    *registration = (struct es_registration){.generation = 0};
    name_registration(sink, id);
    if (!es_state_read(sink, id, &registration->state, &source, err))
        return false;
    if (!registration->state.exists)
        return true;
    es_json_copy(es_json_find(source, "uuid"), registration->uuid, sizeof registration->uuid);
    es_json_copy(es_json_find(source, "fence_uuid"), registration->fence_uuid,
                 sizeof registration->fence_uuid);
    es_json_copy(es_json_find(source, "incarnation"), registration->incarnation,
                 sizeof registration->incarnation);
    registration->generation = es_json_int(es_json_find(source, "generation"), 0);
    registration->filled = es_json_true(es_json_find(source, "filled"));
    return check_owner(sink, source, err);
}

static bool put_text(struct buf *out, const char *name, const char *text)
{
    buf_append_text(out, name);
    return json_text_append(out, upsink_slice_of(text));
}

bool es_register_write(struct upsink_sink *sink, const struct es_registration *registration, bool *done,
                       struct upsink_error *err)
{
    char id[ES_STATE_ID_SIZE], time[CLOCK_TEXT_SIZE];
    struct buf *out = &sink->text;
    buf_clear(out);
    if (!put_text(out, "{\"view\":", sink->view->name) || !put_text(out, ",\"topic\":", sink->view->topic) ||
        !put_text(out, ",\"uuid\":", registration->uuid) ||
        !put_text(out, ",\"fence_uuid\":", registration->fence_uuid) ||
        !put_text(out, ",\"incarnation\":", registration->incarnation))
        return upsink_fail(err, UPSINK_ERR_FATAL, "broken_invariant",
                           "the name of the view or topic is not UTF-8");
    clock_format(clock_wall_us(), time);
    buf_printf(out, ",\"generation\":%lld,\"filled\":%s,\"bookkeeping\":%d,\"updated_at\":\"%s\"}",
               (long long)registration->generation, registration->filled ? "true" : "false", BOOKKEEPING,
               time);
    name_registration(sink, id);
    return es_state_write(sink, id, &registration->state, out, done, err);
}

bool es_note_filled(struct upsink_sink *sink, bool filled, struct upsink_error *err)
{
    for (int tries = 0; tries < TRIES; tries++) {
        struct es_registration registration;
        bool done = false;
        arena_clear(&sink->arena);
        if (!es_register_read(sink, &registration, err))
            return false;
        if (strcmp(registration.incarnation, sink->incarnation) != 0)
            return es_fail_lost(sink, err);
        done = registration.filled == filled;
        registration.filled = filled;
        if (!done && !es_register_write(sink, &registration, &done, err))
            return false;
        if (done) {
            sink->filled = filled;
            return true;
        }
    }
    return upsink_fail(err, UPSINK_ERR_OUTAGE, "sink_busy",
                       "the state of %s was changed by somebody else again and again", sink->description);
}

/* --- the index --------------------------------------------------------------------------------------------
 */

static bool read_stats(struct upsink_sink *sink, int64_t *rows, struct upsink_error *err)
{
    char path[ES_INDEX_MAX + 200], uuid[sizeof sink->uuid];
    struct es_reply reply;
    snprintf(path, sizeof path,
             "/%s/_stats/docs?filter_path=error,indices.*.uuid,indices.*.primaries.docs.count", sink->rows);
    if (!es_exchange(sink, "look at", "GET", path, UPSINK_SLICE_ABSENT, &reply, err))
        return false;
    if (reply.status == 404)
        return es_fail_lost(sink, err);
    if (reply.status != 200)
        return es_fail_reply(sink, "look at", &reply, err);
    es_json_copy(es_json_find(reply.body, "indices.*.uuid"), uuid, sizeof uuid);
    *rows = es_json_int(es_json_find(reply.body, "indices.*.primaries.docs.count"), -1);
    /* Without an answer of any shard there is nothing to compare: what is written will tell. */
    return !*uuid || strcmp(uuid, sink->uuid) == 0 || es_fail_lost(sink, err);
}

bool es_count_rows(struct upsink_sink *sink, bool refresh, int64_t *rows, struct upsink_error *err)
{
    char path[ES_INDEX_MAX + 100];
    struct es_reply reply;
    snprintf(path, sizeof path, "/%s/_refresh", sink->rows);
    if (refresh) {
        if (!es_ask(sink, "refresh", "POST", path, UPSINK_SLICE_LIT(""), &reply, err))
            return false;
        sink->unseen_deletes = 0;
    }
    return read_stats(sink, rows, err);
}

bool es_check_target(struct upsink_sink *sink, int64_t *rows, struct upsink_error *err)
{
    struct es_registration registration;
    if (!es_count_rows(sink, false, rows, err))
        return false;
    if (*rows != 0 || !sink->filled)
        return true;
    /* What was written last may not be seen yet. */
    if (!es_count_rows(sink, true, rows, err))
        return false;
    if (*rows != 0)
        return true;
    if (!es_register_read(sink, &registration, err))
        return false;
    sink->filled = registration.filled;
    return (!registration.filled && strcmp(registration.incarnation, sink->incarnation) == 0) ||
           es_fail_lost(sink, err);
}

static bool read_newest(struct upsink_sink *sink, const char *index, int64_t *generation,
                        struct upsink_error *err)
{
    char path[ES_INDEX_MAX + 200];
    struct es_reply reply;
    struct upsink_slice question = UPSINK_SLICE_LIT(
        "{\"size\":10000,\"_source\":[\"_upsink.generation\"],\"sort\":[{\"_seq_no\":\"desc\"}],"
        "\"track_total_hits\":false}");
    snprintf(path, sizeof path, "/%s/_refresh", index);
    if (!es_ask(sink, "refresh", "POST", path, UPSINK_SLICE_LIT(""), &reply, err))
        return false;
    snprintf(path, sizeof path, "/%s/_search?filter_path=error,hits.hits._source", index);
    if (!es_ask(sink, "read the newest generation in", "POST", path, question, &reply, err))
        return false;
    struct es_json hits = es_json_of(es_json_find(reply.body, "hits.hits"));
    if (hits.bad)
        return true; /* none at all: the filter leaves out what is empty */
    if (!es_json_enter(&hits, '['))
        return es_fail_shape(sink, "read the newest generation in", err);
    while (es_json_element(&hits)) {
        int64_t found = es_json_int(es_json_find(es_json_value(&hits), "_source._upsink.generation"), 0);
        *generation = found > *generation ? found : *generation;
    }
    return !hits.bad || es_fail_shape(sink, "read the newest generation in", err);
}

bool es_newest_generation(struct upsink_sink *sink, int64_t *generation, struct upsink_error *err)
{
    *generation = 0;
    return read_newest(sink, sink->rows, generation, err) && read_newest(sink, sink->fences, generation, err);
}
