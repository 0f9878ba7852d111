#include "es_get.h"

#include "schemas/json_text.h"

void es_get_begin(struct buf *body)
{
    buf_clear(body);
    buf_append_text(body, "{\"ids\":[");
}

bool es_get_add(struct buf *body, struct upsink_slice id, bool first)
{
    if (!first)
        buf_append_byte(body, ',');
    return json_text_append(body, id);
}

bool es_get_ask(struct upsink_sink *sink, const char *where, const char *options, struct es_docs *docs,
                struct upsink_error *err)
{
    char path[ES_INDEX_MAX + 300];
    struct es_reply reply;
    buf_append_text(&sink->body, "]}");
    if (sink->body.failed)
        return es_fail_memory(err);
    snprintf(path, sizeof path, "/%s/_mget?%s", where, options);
    if (!es_ask(sink, docs->what, "POST", path, buf_view(&sink->body), &reply, err))
        return false;
    docs->json = es_answer_docs(reply.body);
    return !docs->json.bad || es_fail_shape(sink, docs->what, err);
}

/* On this connection answers may be one question late. */
static bool fail_mixed(struct upsink_sink *sink, const struct es_docs *docs, struct upsink_error *err)
{
    es_disconnect(sink);
    return upsink_fail(err, UPSINK_ERR_OUTAGE, "mixed_answers",
                       "can't %s %s: the answer is to another question; look at what stands between, a proxy "
                       "or a balancer",
                       docs->what, sink->description);
}

bool es_get_next(struct upsink_sink *sink, struct es_docs *docs, struct upsink_slice id,
                 struct es_found *found, struct upsink_error *err)
{
    if (!es_answer_doc(&docs->json, found))
        return es_fail_shape(sink, docs->what, err);
    if (!es_found_is_of(found, docs->index, id))
        return fail_mixed(sink, docs, err);
    return !found->error.data || es_fail_code(sink, docs->what, 500, found->error, err);
}

bool es_get_end(struct upsink_sink *sink, struct es_docs *docs, struct upsink_error *err)
{
    return es_answer_is_over(&docs->json) || fail_mixed(sink, docs, err);
}
