/* The target: whose it is, what stands under its prefix, and whether it is still the one that was filled. */
#include "rd_sink.h"

#include <stdlib.h>
#include <sys/random.h>

#define SCAN_COUNT "1000"

static const char *type_name(const struct upsink_sink *sink)
{
    return sink->settings.type == RD_HASH ? "hash" : "json";
}

/* As Redis calls it. */
static const char *kind_name(const struct upsink_sink *sink)
{
    return sink->settings.type == RD_HASH ? "hash" : "string";
}

/* --- names ------------------------------------------------------------------------------------------- */

static void name_key(struct buf *key, const char *what, const char *name, const char *end)
{
    buf_clear(key);
    buf_printf(key, "_upsink:%s:%s%s", what, name, end);
}

static bool name_keys(struct upsink_sink *sink, struct upsink_error *err)
{
    name_key(&sink->target_key, "target", sink->settings.prefix, "");
    name_key(&sink->view_key, "view", sink->view->name, "");
    name_key(&sink->fences_key, "fences", sink->id, "");
    name_key(&sink->gone_key, "gone", sink->id, ":");
    bool failed =
        sink->target_key.failed || sink->view_key.failed || sink->fences_key.failed || sink->gone_key.failed;
    return !failed || rd_fail_memory(err);
}

static bool make_id(char id[RD_ID_SIZE], struct upsink_error *err)
{
    unsigned char bytes[(RD_ID_SIZE - 1) / 4]; /* 64 bits are enough to be unlike the few before */
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return upsink_fail(err, UPSINK_ERR_OUTAGE, "no_random_bytes", "the system gives no random bytes");
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(id + 2 * i, 3, "%02x", bytes[i]);
    return true;
}

/* --- what stands there ------------------------------------------------------------------------------- */

static bool fail_taken(struct upsink_sink *sink, struct upsink_slice view, struct upsink_slice topic,
                       struct upsink_error *err)
{
    return upsink_fail(
        err, UPSINK_ERR_FATAL, "target_taken",
        "%s belongs to the view %.*s of topic %.*s; choose another prefix, or delete its keys and "
        "the key %s",
        sink->description, (int)view.len, view.data ? view.data : "", (int)topic.len,
        topic.data ? topic.data : "", sink->target_key.data);
}

static bool fail_type(struct upsink_sink *sink, struct upsink_slice type, struct upsink_error *err)
{
    return upsink_fail(
        err, UPSINK_ERR_FATAL, "target_mismatch",
        "%s was filled with type=%.*s, and the URL says type=%s; keep the type, choose another "
        "prefix, or delete its keys and the key %s",
        sink->description, (int)type.len, type.data ? type.data : "", type_name(sink), sink->target_key.data);
}

static bool fail_missing(struct upsink_sink *sink, struct upsink_error *err)
{
    return upsink_fail(err, UPSINK_ERR_FATAL, "target_missing",
                       "%s was never made, and `create: never` forbids to make it; run upsink once with "
                       "create: auto",
                       sink->description);
}

static bool fail_foreign(struct upsink_sink *sink, struct upsink_slice type, struct upsink_error *err)
{
    return upsink_fail(
        err, UPSINK_ERR_FATAL, "target_mismatch",
        "under the prefix of %s stands a key that is a %.*s, where this view keeps a %s for each "
        "entity; choose another prefix, or remove what stands there",
        sink->description, (int)type.len, type.data, kind_name(sink));
}

/* MATCH takes a pattern: what is special in it is escaped. */
static void make_pattern(struct buf *pattern, const char *prefix)
{
    buf_clear(pattern);
    for (const char *c = prefix; *c; c++) {
        if (strchr("*?[]\\^-", *c))
            buf_append_byte(pattern, '\\');
        buf_append_byte(pattern, *c);
    }
    buf_append_byte(pattern, '*');
}

static bool check_types(struct upsink_sink *sink, const redisReply *keys, struct upsink_error *err)
{
    bool done = true;
    for (size_t i = 0; i < keys->elements; i++) {
        rd_begin(sink, 2);
        rd_arg_text(sink, "TYPE");
        rd_arg(sink, rd_text(keys->element[i]));
    }
    for (size_t i = 0; i < keys->elements; i++) {
        redisReply *type = done ? rd_answer(sink, "look under the prefix", err)
                                : rd_next(sink, "look under the prefix", NULL);
        struct upsink_slice text = rd_text(type);
        bool good = upsink_slice_is(text, kind_name(sink)) || upsink_slice_is(text, "none");
        if (done && text.data && !good)
            done = fail_foreign(sink, text, err);
        done = done && type;
        rd_reply_free(&type);
    }
    return done;
}

/* Before a target is made: keys of another type under its prefix belong to somebody else. Every key of the
 * server passes by, and each answer may come in time. */
static bool check_foreign(struct upsink_sink *sink, struct upsink_error *err)
{
    char cursor[32] = "0";
    bool done = true;
    make_pattern(&sink->scratch, sink->settings.prefix);
    if (sink->scratch.failed)
        return rd_fail_memory(err);
    do {
        if (upsink_host_is_stopping(sink->host))
            return upsink_fail(err, UPSINK_ERR_OUTAGE, "interrupted",
                               "a look under the prefix of %s was interrupted: the program stops",
                               sink->description);
        rd_command(sink, "SCAN", cursor, "MATCH", sink->scratch.data, "COUNT", SCAN_COUNT, NULL);
        redisReply *page = rd_answer(sink, "look under the prefix", err);
        const redisReply *next = rd_element(page, 0), *keys = rd_element(page, 1);
        if (!page)
            return false;
        if (!rd_text(next).data || !keys || keys->type != REDIS_REPLY_ARRAY)
            done = rd_fail_form(sink, "look under the prefix", err);
        else
            snprintf(cursor, sizeof cursor, "%s", next->str);
        done = done && check_types(sink, keys, err);
        rd_reply_free(&page);
    } while (done && strcmp(cursor, "0") != 0);
    return done;
}

/* A user may do with the keys under the prefix what he may not with others: what is not there is deleted. */
static bool check_rights(struct upsink_sink *sink, struct upsink_error *err)
{
    char id[RD_ID_SIZE];
    if (!make_id(id, err))
        return false;
    buf_clear(&sink->scratch);
    buf_printf(&sink->scratch, "%s%s", sink->settings.prefix, id);
    if (sink->scratch.failed)
        return rd_fail_memory(err);
    rd_command(sink, "DEL", sink->scratch.data, NULL);
    redisReply *reply = rd_answer(sink, "write under the prefix", err);
    bool done = reply != NULL;
    rd_reply_free(&reply);
    return done;
}

/* --- plan -------------------------------------------------------------------------------------------- */

/* Reads the target's registration: *there tells whether it has one. */
static bool read_target(struct upsink_sink *sink, bool *there, struct upsink_error *err)
{
    rd_command(sink, "HMGET", sink->target_key.data, "view", "topic", "type", "id", NULL);
    redisReply *reply = rd_answer(sink, "read whose target it is", err);
    struct upsink_slice view = rd_text(rd_element(reply, 0)), topic = rd_text(rd_element(reply, 1));
    struct upsink_slice type = rd_text(rd_element(reply, 2)), id = rd_text(rd_element(reply, 3));
    bool done = reply != NULL;
    *there = id.data != NULL;
    if (*there && (!upsink_slice_is(view, sink->view->name) || !upsink_slice_is(topic, sink->view->topic)))
        done = fail_taken(sink, view, topic, err);
    else if (*there && !upsink_slice_is(type, type_name(sink)))
        done = fail_type(sink, type, err);
    rd_reply_free(&reply);
    return done;
}

static redisReply *run_script(struct upsink_sink *sink, const char *id, bool create, bool plan,
                              struct upsink_error *err)
{
    rd_command(sink, "EVAL", rd_script_prepare, "2", sink->target_key.data, sink->view_key.data,
               sink->view->name, sink->view->topic, type_name(sink), sink->settings.prefix, id,
               create ? "1" : "0", plan ? "1" : "0", NULL);
    return rd_answer(sink, "prepare the target", err);
}

static bool print_statement(struct upsink_sink *sink, const struct upsink_printer *plan,
                            struct upsink_error *err)
{
    buf_clear(&sink->scratch);
    buf_printf(&sink->scratch, "HSET %s view %s topic %s type %s id ...", sink->target_key.data,
               sink->view->name, sink->view->topic, type_name(sink));
    if (sink->scratch.failed)
        return rd_fail_memory(err);
    plan->print(plan->context, sink->scratch.data);
    return true;
}

static bool print_plan(struct upsink_sink *sink, bool there, const struct upsink_printer *plan,
                       struct upsink_error *err)
{
    redisReply *reply = run_script(sink, "", true, true, err);
    if (!reply)
        return false;
    if (upsink_slice_is(rd_text(rd_element(reply, 0)), "lost"))
        plan->refill(plan->context);
    rd_reply_free(&reply);
    return there || (print_statement(sink, plan, err) && (sink->view->create || fail_missing(sink, err)));
}

/* --- making it --------------------------------------------------------------------------------------- */

static bool take_prepared(struct upsink_sink *sink, const redisReply *reply, struct upsink_error *err)
{
    struct upsink_slice word = rd_text(rd_element(reply, 0)), id = rd_text(rd_element(reply, 1));
    const redisReply *reset = rd_element(reply, 2);
    char text[900];
    if (upsink_slice_is(word, "taken"))
        return fail_taken(sink, id, rd_text(reset), err);
    if (upsink_slice_is(word, "type"))
        return fail_type(sink, id, err);
    if (upsink_slice_is(word, "missing"))
        return fail_missing(sink, err);
    if (!word.data || !id.data || id.len >= sizeof sink->id)
        return rd_fail_form(sink, "prepare the target", err);
    snprintf(sink->id, sizeof sink->id, "%.*s", (int)id.len, id.data);
    if (upsink_slice_is(word, "lost")) {
        rd_forget_known(sink);
        snprintf(
            text, sizeof text,
            "%s is not what the positions of view %s were written for: it was emptied, is new, or has "
            "another prefix; the positions of %lld partitions are void, and it is filled from the beginning",
            sink->description, sink->view->name, reset ? (long long)reset->integer : 0);
        upsink_host_log(sink->host, UPSINK_LOG_WARN, text);
    }
    return name_keys(sink, err);
}

static bool make_target(struct upsink_sink *sink, struct upsink_error *err)
{
    char id[RD_ID_SIZE];
    if (!make_id(id, err))
        return false;
    redisReply *reply = run_script(sink, id, sink->view->create, false, err);
    bool done = reply && take_prepared(sink, reply, err);
    rd_reply_free(&reply);
    return done;
}

bool rd_check_ready(struct upsink_sink *sink, struct upsink_error *err)
{
    if (sink->fd >= 0 && !sink->broken && sink->id[0])
        return true;
    return upsink_fail(err, UPSINK_ERR_OUTAGE, "sink_unreachable", "there is no connection to %s",
                       sink->description);
}

bool rd_prepare(struct upsink_sink *sink, const struct upsink_printer *plan, struct upsink_error *err)
{
    bool there = false;
    if (!rd_connect(sink, err) || !name_keys(sink, err) || !read_target(sink, &there, err) ||
        !check_rights(sink, err) || (!there && !check_foreign(sink, err)))
        return false;
    if (plan)
        return print_plan(sink, there, plan, err);
    return make_target(sink, err) && rd_check_known(sink, err);
}
