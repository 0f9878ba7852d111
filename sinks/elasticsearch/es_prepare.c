/* The indices: whether they are there, what they are, whose they are. */
#include "es_register.h"

#include "clock.h"

#include <stdlib.h>
#include <sys/random.h>

enum { TRIES = 10, PREPARE_TIMEOUTS = 2 /* all of it may take so many */ };

#define JUST_BACK_US (60 * CLOCK_SECOND)

/* What is known of an index: {"aliases": {}, "mappings": {}, "settings": {}}. */
struct look {
    json_t *info; /* NULL: not there */
    char index[ES_INDEX_MAX + 1];
};

struct preparation {
    struct upsink_sink *sink;
    const struct upsink_printer *plan;
    struct look rows, fences, state;
    bool made; /* or would be, in a plan */
};

static void clear_looks(struct preparation *work)
{
    json_decref(work->rows.info);
    json_decref(work->fences.info);
    json_decref(work->state.info);
    work->rows.info = work->fences.info = work->state.info = NULL;
}

/* --- what is there ----------------------------------------------------------------------------------------
 */

static bool refuse_shape(struct upsink_sink *sink, const char *what, struct upsink_error *err)
{
    return upsink_fail(err, UPSINK_ERR_FATAL, "target_mismatch",
                       "%s %s, so it can't hold a view; name another index", sink->description, what);
}

static bool look_at(struct upsink_sink *sink, const char *name, struct look *look, struct upsink_error *err)
{
    char path[ES_INDEX_MAX + 100];
    struct es_reply reply;
    json_decref(look->info);
    look->info = NULL;
    snprintf(look->index, sizeof look->index, "%s", name);
    snprintf(path, sizeof path, "/%s?flat_settings=true", name);
    if (!es_exchange(sink, "look at", "GET", path, UPSINK_SLICE_ABSENT, &reply, err))
        return false;
    if (reply.status == 404)
        return true;
    if (reply.status != 200)
        return es_fail_reply(sink, "look at", &reply, err);
    json_t *all = json_loadb(reply.body.data, reply.body.len, 0, NULL);
    if (json_object_size(all) > 1) {
        json_decref(all);
        return refuse_shape(sink, "is an alias of several indices", err);
    }
    const char *index = json_object_iter_key(json_object_iter(all));
    look->info = json_incref(json_object_get(all, index ? index : ""));
    bool good = json_is_object(look->info) && strlen(index) <= ES_INDEX_MAX;
    if (good)
        snprintf(look->index, sizeof look->index, "%s", index);
    json_decref(all);
    return good || es_fail_shape(sink, "look at", err);
}

static const char *setting_of(const struct look *look, const char *name)
{
    const char *text = json_string_value(json_object_get(json_object_get(look->info, "settings"), name));
    return text ? text : "";
}

static bool has_alias(const struct look *look, const char *alias)
{
    return json_object_get(json_object_get(look->info, "aliases"), alias) != NULL;
}

static json_t *mapping_of(const struct look *look, const char *name)
{
    return json_object_get(json_object_get(look->info, "mappings"), name);
}

static json_t *upsink_field(const struct look *look)
{
    return json_object_get(mapping_of(look, "properties"), "_upsink");
}

/* What a row can't be kept in. */
static bool check_shape(struct upsink_sink *sink, const struct look *look, struct upsink_error *err)
{
    json_t *source = mapping_of(look, "_source"), *field = upsink_field(look);
    const char *mode = json_string_value(json_object_get(source, "mode"));
    if (strncmp(look->index, ".ds-", 4) == 0)
        return refuse_shape(sink, "is a data stream, where nothing can be replaced", err);
    if (json_is_false(json_object_get(source, "enabled")) || json_object_get(source, "includes") ||
        json_object_get(source, "excludes") || (mode && strcmp(mode, "stored") != 0) ||
        strcmp(setting_of(look, "index.mapping.source.mode"), "synthetic") == 0)
        return refuse_shape(sink, "does not keep the whole _source of its documents", err);
    if (json_is_true(json_object_get(mapping_of(look, "_routing"), "required")))
        return refuse_shape(sink, "requires a routing value", err);
    if (field && !json_is_false(json_object_get(field, "enabled")))
        return refuse_shape(sink, "has a field _upsink of another kind", err);
    if (strcmp(setting_of(look, "index.translog.durability"), "async") == 0)
        es_log(
            sink, UPSINK_LOG_WARN,
            "index.translog.durability is async: what the server confirmed may be lost when it crashes, and "
            "upsink can't notice; set it to request");
    return true;
}

/* The names that follow from the index' own. */
static void name_indices(struct upsink_sink *sink, const char *index)
{
    snprintf(sink->index, sizeof sink->index, "%s", index);
    snprintf(sink->rows, sizeof sink->rows, ".upsink-rows-%.*s", ES_INDEX_MAX - ES_PREFIX_MAX, index);
    snprintf(sink->fences, sizeof sink->fences, ".upsink-gone-%.*s", ES_INDEX_MAX - ES_PREFIX_MAX, index);
    snprintf(sink->fence_index, sizeof sink->fence_index, ".upsink-deleted-%.*s",
             ES_INDEX_MAX - ES_PREFIX_MAX, index);
}

static bool look(struct preparation *work, struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    if (!look_at(sink, sink->name, &work->rows, err) ||
        (work->rows.info && !check_shape(sink, &work->rows, err)) ||
        !es_name_check(work->rows.index, "the index behind the alias", ES_INDEX_MAX - ES_PREFIX_MAX, err))
        return false;
    name_indices(sink, work->rows.index);
    return look_at(sink, sink->fence_index, &work->fences, err) && look_at(sink, ES_STATE, &work->state, err);
}

/* --- what is missing
 * ---------------------------------------------------------------------------------------- */

/* Takes the reference of `value`. False when out of memory. */
static bool put(json_t *object, const char *name, json_t *value)
{
    return value && json_object_set_new(object, name, value) == 0;
}

static json_t *copy_or_new(const json_t *value)
{
    return value ? json_deep_copy(value) : json_object();
}

/* What an index for rows is made with: the user's settings and mappings, and what upsink needs. */
static json_t *rows_body(const struct upsink_sink *sink)
{
    json_t *body = json_object(), *mappings = copy_or_new(sink->mappings), *aliases = json_object();
    json_t *properties = copy_or_new(json_object_get(mappings, "properties"));
    bool good = put(properties, "_upsink", json_pack("{s:s,s:b}", "type", "object", "enabled", 0));
    good = put(mappings, "properties", properties) && good;
    good = put(aliases, sink->rows, json_pack("{s:b}", "is_hidden", 1)) && good;
    if (sink->alias)
        good = put(aliases, sink->alias, json_object()) && good;
    good = put(body, "aliases", aliases) && good;
    if (sink->settings)
        good = put(body, "settings", json_deep_copy(sink->settings)) && good;
    good = put(body, "mappings", mappings) && good;
    if (good)
        return body;
    json_decref(body);
    return NULL;
}

/* Hidden indices are left out of wildcards. One shard: they are small. */
static json_t *side_body(const char *alias)
{
    json_t *body =
        json_pack("{s:{s:b,s:i,s:s},s:{s:b}}", "settings", "index.hidden", 1, "index.number_of_shards", 1,
                  "index.auto_expand_replicas", "0-1", "mappings", "dynamic", 0);
    if (body && alias && !put(body, "aliases", json_pack("{s:{s:b}}", alias, "is_hidden", 1))) {
        json_decref(body);
        return NULL;
    }
    return body;
}

static bool fail_missing(struct upsink_sink *sink, struct upsink_error *err)
{
    return upsink_fail(
        err, UPSINK_ERR_FATAL, "target_missing",
        "%s is not all there, and `create: never` forbids to make what is missing; `upsink plan` "
        "prints what does",
        sink->description);
}

/* Sends it, or prints it as `PUT /orders {…}`. Takes the reference of `body`. `exists`: the type of error
 * that says that somebody else was quicker. */
static bool change(struct preparation *work, const char *method, const char *path, json_t *body,
                   const char *exists, struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    struct es_reply reply;
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL, type[64];
    bool done = text || es_fail_memory(err);
    json_decref(body);
    if (done && work->plan) {
        buf_clear(&sink->text);
        buf_printf(&sink->text, "%s %s %s", method, path, text);
        work->plan->print(work->plan->context, buf_view(&sink->text).data);
        work->made = true;
    } else if (done && !sink->view->create) {
        done = fail_missing(sink, err);
    } else if (done) {
        done = es_exchange(sink, "create", method, path, upsink_slice_of(text), &reply, err);
        if (done && reply.status >= 300) {
            es_json_copy(es_json_find(reply.body, "error.type"), type, sizeof type);
            done = (exists && strcmp(type, exists) == 0) || es_fail_reply(sink, "create", &reply, err);
        }
        work->made = true;
    }
    free(text);
    return done;
}

static bool make_index(struct preparation *work, const char *name, json_t *body, struct upsink_error *err)
{
    char path[ES_INDEX_MAX + 2];
    snprintf(path, sizeof path, "/%s", name);
    return change(work, "PUT", path, body, "resource_already_exists_exception", err);
}

static bool add_alias(struct preparation *work, const struct look *look, const char *alias, bool hidden,
                      struct upsink_error *err)
{
    if (has_alias(look, alias))
        return true;
    json_t *action = json_pack("{s:s,s:s}", "index", look->index, "alias", alias);
    if (hidden && action && !put(action, "is_hidden", json_true())) {
        json_decref(action);
        return es_fail_memory(err);
    }
    return change(work, "POST", "/_aliases", json_pack("{s:[{s:o}]}", "actions", "add", action), NULL, err);
}

static bool complete_rows(struct preparation *work, struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    char path[ES_INDEX_MAX + 20];
    if (!work->rows.info)
        return make_index(work, sink->index, rows_body(sink), err);
    snprintf(path, sizeof path, "/%s/_mapping", sink->index);
    if (!upsink_field(&work->rows) &&
        !change(work, "PUT", path,
                json_pack("{s:{s:{s:s,s:b}}}", "properties", "_upsink", "type", "object", "enabled", 0), NULL,
                err))
        return false;
    return add_alias(work, &work->rows, sink->rows, true, err) &&
           (!sink->alias || add_alias(work, &work->rows, sink->alias, false, err));
}

/* Takes an alias of ours from an index that is not ours: copies that are restored from a snapshot have it
 * too, and through an alias of two indices nothing can be written. */
static bool keep_alias(struct preparation *work, const char *alias, const char *ours,
                       struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    char path[ES_INDEX_MAX + 20];
    struct es_reply reply;
    const char *index;
    json_t *holder;
    snprintf(path, sizeof path, "/_alias/%s", alias);
    if (!es_exchange(sink, "look at", "GET", path, UPSINK_SLICE_ABSENT, &reply, err))
        return false;
    json_t *actions = json_array();
    json_t *holders = reply.status == 200 ? json_loadb(reply.body.data, reply.body.len, 0, NULL) : NULL;
    json_object_foreach(holders, index, holder)
    {
        if (strcmp(index, ours) != 0)
            json_array_append_new(actions,
                                  json_pack("{s:{s:s,s:s}}", "remove", "index", index, "alias", alias));
    }
    bool any = json_array_size(actions) > 0;
    json_t *body = any ? json_pack("{s:O}", "actions", actions) : NULL;
    json_decref(actions);
    json_decref(holders);
    return !any || change(work, "POST", "/_aliases", body, NULL, err);
}

static bool complete(struct preparation *work, struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    work->made = false;
    if (!complete_rows(work, err) || !keep_alias(work, sink->rows, sink->index, err) ||
        !keep_alias(work, sink->fences, sink->fence_index, err))
        return false;
    if (!work->fences.info ? !make_index(work, sink->fence_index, side_body(sink->fences), err)
                           : !add_alias(work, &work->fences, sink->fences, true, err))
        return false;
    return work->state.info || make_index(work, ES_STATE, side_body(NULL), err);
}

/* --- whether it is what it was ---------------------------------------------------------------------------
 */

static bool choose_incarnation(char incarnation[40], struct upsink_error *err)
{
    unsigned char random[16];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return upsink_fail(err, UPSINK_ERR_FATAL, "no_random_bytes", "the system gives no random numbers");
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(incarnation + 2 * i, 3, "%02x", random[i]);
    return true;
}

static void tell_lost(struct upsink_sink *sink)
{
    char text[900];
    snprintf(
        text, sizeof text,
        "%s is not what the positions of view %s were written for: it was deleted, emptied or is another "
        "index; they are void, and it is filled from the beginning",
        sink->description, sink->view->name);
    es_log(sink, UPSINK_LOG_WARN, text);
}

static bool is_lost(const struct preparation *work, const struct es_registration *before, int64_t rows)
{
    return !before->state.exists || strcmp(before->uuid, setting_of(&work->rows, "index.uuid")) != 0 ||
           strcmp(before->fence_uuid, setting_of(&work->fences, "index.uuid")) != 0 ||
           (before->filled && rows == 0);
}

/* What was written last is not counted before a refresh. */
static bool count_rows(struct upsink_sink *sink, int64_t *rows, struct upsink_error *err)
{
    return es_count_rows(sink, false, rows, err) && (*rows > 0 || es_count_rows(sink, true, rows, err));
}

/* Without its alias the index is not the one that was filled, and can't be counted by it. */
static bool would_refill(struct preparation *work, bool *refill, struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    struct es_registration before;
    char uuid[sizeof sink->uuid];
    int64_t rows = 1;
    *refill = true;
    if (!work->rows.info || !work->fences.info || !work->state.info || !has_alias(&work->rows, sink->rows))
        return true;
    if (!es_register_read(sink, &before, err))
        return false;
    if (!is_lost(work, &before, rows)) {
        memcpy(uuid, sink->uuid, sizeof uuid);
        memcpy(sink->uuid, before.uuid, sizeof uuid);
        bool done = count_rows(sink, &rows, err);
        memcpy(sink->uuid, uuid, sizeof uuid);
        if (!done)
            return false;
    }
    *refill = is_lost(work, &before, rows);
    return true;
}

static bool tell_plan(struct preparation *work, struct upsink_error *err)
{
    bool refill;
    if (!would_refill(work, &refill, err))
        return false;
    if (refill)
        work->plan->refill(work->plan->context);
    return !work->made || work->sink->view->create || fail_missing(work->sink, err);
}

/* *done false: somebody else prepares it at the same time. */
static bool settle(struct preparation *work, bool *done, struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    const char *uuid = setting_of(&work->rows, "index.uuid"),
               *fence_uuid = setting_of(&work->fences, "index.uuid");
    struct es_registration before, now;
    int64_t rows = 0, newest = 0;
    snprintf(sink->uuid, sizeof sink->uuid, "%s", uuid);
    if (!es_register_read(sink, &before, err) || !count_rows(sink, &rows, err))
        return false;
    now = before;
    *done = !is_lost(work, &before, rows);
    if (!*done) {
        snprintf(now.uuid, sizeof now.uuid, "%s", uuid);
        snprintf(now.fence_uuid, sizeof now.fence_uuid, "%s", fence_uuid);
        now.filled = rows > 0;
        if (!choose_incarnation(now.incarnation, err) || !es_newest_generation(sink, &newest, err))
            return false;
        now.generation = newest > now.generation ? newest : now.generation;
        if (!es_register_write(sink, &now, done, err))
            return false;
        if (*done && before.state.exists)
            tell_lost(sink);
    }
    snprintf(sink->incarnation, sizeof sink->incarnation, "%s", now.incarnation);
    sink->filled = now.filled;
    sink->ready = *done;
    return true;
}

/* The first question of all. Where that may not be asked it is what servers have by default. */
static bool read_limits(struct upsink_sink *sink, struct upsink_error *err)
{
    struct es_reply reply;
    if (!es_exchange(sink, "ask for limits of", "GET",
                     "/_nodes/http?filter_path=nodes.*.http.max_content_length_in_bytes", UPSINK_SLICE_ABSENT,
                     &reply, err))
        return false;
    if (reply.status == 401)
        return es_fail_reply(sink, "reach", &reply, err);
    int64_t most = es_json_int(es_json_find(reply.body, "nodes.*.http.max_content_length_in_bytes"), 0);
    sink->request_max = reply.status == 200 && most > 0 ? most : 100 << 20;
    while (sink->bulk_bytes > ES_BULK_BYTES_LEAST && (int64_t)sink->bulk_bytes > sink->request_max / 2)
        sink->bulk_bytes /= 2;
    return true;
}

/* Elasticsearch listens before its index .security can be read, and refuses its users and API keys until
 * then: a refusal is asked again, and that of a server that was away a moment ago is no last word. */
static bool log_in(struct upsink_sink *sink, struct upsink_error *err)
{
    static const int pauses_ms[] = {100, 200, 300, 400, 500, 500};
    size_t tries = 0, most = sizeof pauses_ms / sizeof *pauses_ms;
    while (!read_limits(sink, err)) {
        if (strcmp(err->code, "credentials_refused") != 0)
            return false;
        if (sink->away_at_us && clock_monotonic_us() < sink->away_at_us + JUST_BACK_US) {
            err->cls = UPSINK_ERR_OUTAGE;
            return false;
        }
        if (tries == most || es_is_stopping(sink))
            return false;
        es_sleep(pauses_ms[tries++]);
    }
    return true;
}

/* *done false: what is there changed meanwhile. */
static bool try_prepare(struct preparation *work, bool *done, struct upsink_error *err)
{
    struct upsink_sink *sink = work->sink;
    struct es_registration registration;
    if (!look(work, err))
        return false;
    /* Whose it is comes before anything is changed. */
    if (work->state.info && !es_register_read(sink, &registration, err))
        return false;
    if (!complete(work, err))
        return false;
    if (work->plan) {
        *done = true;
        return tell_plan(work, err);
    }
    if (work->made && !look(work, err))
        return false;
    if (!work->rows.info || !work->fences.info)
        return true;
    return settle(work, done, err);
}

bool es_prepare(struct upsink_sink *sink, const struct upsink_printer *plan, struct upsink_error *err)
{
    struct preparation work = {.sink = sink, .plan = plan};
    bool done = false, good = true;
    arena_clear(&sink->arena);
    es_cache_clear(&sink->cache);
    sink->ready = sink->ready && plan;
    /* Each request may take as long as `timeout` says, and there are many: what was made stays, and the next
     * time goes on from there. */
    sink->prepare_by_us = clock_monotonic_us() + PREPARE_TIMEOUTS * es_timeout_us(sink);
    good = log_in(sink, err);
    for (int tries = 0; good && !done && tries < TRIES && clock_monotonic_us() < sink->prepare_by_us; tries++)
        good = try_prepare(&work, &done, err);
    sink->prepare_by_us = 0;
    clear_looks(&work);
    if (!good && err->cls == UPSINK_ERR_OUTAGE && strcmp(err->code, "credentials_refused") != 0)
        sink->away_at_us = clock_monotonic_us();
    return good &&
           (done || upsink_fail(err, UPSINK_ERR_OUTAGE, "sink_busy",
                                "%s is prepared by others, or changed, at the same time", sink->description));
}
