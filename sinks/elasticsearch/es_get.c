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

static bool read_found(struct es_json *json, struct es_found *found)
{
    struct upsink_slice name;
    *found = (struct es_found){.exists = false};
    if (!es_json_enter(json, '{'))
        return false;
    while (es_json_member(json, &name)) {
        struct upsink_slice value = es_json_value(json);
        if (es_json_is(name, "found"))
            found->exists = es_json_true(value);
        else if (es_json_is(name, "_seq_no"))
            found->seq_no = es_json_int(value, -1);
        else if (es_json_is(name, "_primary_term"))
            found->primary_term = es_json_int(value, -1);
        else if (es_json_is(name, "_source"))
            found->source = value;
        else if (es_json_is(name, "error"))
            found->error = value;
    }
    return !json->bad;
}

bool es_get_ask(struct upsink_sink *sink, const char *what, const char *index, const char *options,
                struct es_json *docs, struct upsink_error *err)
{
    char path[ES_INDEX_MAX + 300];
    struct es_reply reply;
    buf_append_text(&sink->body, "]}");
    if (sink->body.failed)
        return es_fail_memory(err);
    snprintf(path, sizeof path, "/%s/_mget?%s", index, options);
    if (!es_ask(sink, what, "POST", path, buf_view(&sink->body), &reply, err))
        return false;
    *docs = es_json_of(es_json_find(reply.body, "docs"));
    return es_json_enter(docs, '[') || es_fail_shape(sink, what, err);
}

bool es_get_next(struct upsink_sink *sink, const char *what, struct es_json *docs, struct es_found *found,
                 struct upsink_error *err)
{
    if (!es_json_element(docs) || !read_found(docs, found))
        return es_fail_shape(sink, what, err);
    return !found->error.data || es_fail_code(sink, what, 500, found->error, err);
}
