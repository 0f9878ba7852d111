/* One entity, as the view has it. */
#include "rd_sink.h"

static void put_row_key(struct buf *key, const struct upsink_sink *sink, const char *before,
                        struct upsink_slice entity_key)
{
    buf_clear(key);
    buf_append_text(key, before);
    buf_append_text(key, sink->settings.prefix);
    buf_append_slice(key, entity_key);
}

static bool ask(struct upsink_sink *sink, struct upsink_slice key, struct upsink_error *err)
{
    rd_begin(sink, 6);
    rd_arg_text(sink, "EVAL");
    rd_arg_text(sink, rd_script_read);
    rd_arg_text(sink, "3");
    rd_arg(sink, buf_view(&sink->fences_key));
    put_row_key(&sink->scratch, sink, sink->gone_key.data, key);
    rd_arg(sink, buf_view(&sink->scratch));
    bool failed = sink->scratch.failed;
    put_row_key(&sink->scratch, sink, "", key);
    rd_arg(sink, buf_view(&sink->scratch));
    rd_reply_free(&sink->row);
    if (failed || sink->scratch.failed) {
        sink->broken = true;
        return rd_fail_memory(err);
    }
    sink->row = rd_answer(sink, "read a row", err);
    return sink->row != NULL;
}

/* A soft delete added the last field; without it the entity is as it came. */
static struct upsink_slice strip_deleted_at(struct upsink_sink *sink, struct upsink_slice json)
{
    static const char field[] = "\"deleted_at\":\"";
    size_t len = sizeof field - 1, longest = len + 64;
    for (size_t back = len + 2; back <= json.len && back <= longest; back++) {
        const char *at = json.data + json.len - back;
        if (memcmp(at, field, len) != 0)
            continue;
        size_t kept = json.len - back;
        kept -= kept > 0 && json.data[kept - 1] == ',';
        buf_clear(&sink->seen);
        buf_append(&sink->seen, json.data, kept);
        buf_append_byte(&sink->seen, '}');
        return buf_view(&sink->seen);
    }
    return json;
}

static bool build_entity(struct upsink_sink *sink, const redisReply *fields, bool deleted,
                         struct upsink_slice doubtful, struct upsink_error *err)
{
    buf_clear(&sink->seen);
    buf_append_byte(&sink->seen, '{');
    for (size_t i = 0; i + 1 < fields->elements; i += 2) {
        struct upsink_slice name = rd_text(fields->element[i]), value = rd_text(fields->element[i + 1]);
        if (deleted && upsink_slice_is(name, "deleted_at"))
            continue;
        if (!name.data || !value.data || !rd_hash_append(&sink->seen, name, value, doubtful))
            return upsink_fail(err, UPSINK_ERR_UNKNOWN, "sink_error",
                               "a row of %s holds what is not UTF-8: somebody else wrote it",
                               sink->description);
    }
    buf_append_byte(&sink->seen, '}');
    return !sink->seen.failed || rd_fail_memory(err);
}

static bool take_row(struct upsink_sink *sink, struct upsink_row *row, struct upsink_error *err)
{
    struct upsink_slice with_row = rd_text(rd_element(sink->row, 0)),
                        gone = rd_text(rd_element(sink->row, 1));
    const redisReply *value = rd_element(sink->row, 2);
    struct upsink_slice rest = UPSINK_SLICE_ABSENT, text = rd_text(value);
    bool is_hash = value && value->type == REDIS_REPLY_ARRAY;
    /* A fence that has lost its row is void. */
    struct upsink_slice packed = !with_row.data         ? gone
                                 : text.data || is_hash ? with_row
                                                        : UPSINK_SLICE_ABSENT;
    if (packed.data && !rd_fence_unpack(&row->fence, &rest, packed))
        return upsink_fail(err, UPSINK_ERR_UNKNOWN, "sink_error", "a fence of %s is not one of upsink's",
                           sink->description);
    row->found = packed.data || text.data || is_hash;
    if (packed.data && !sink->view->several_topics)
        row->fence.topic = upsink_slice_of(sink->view->topic);
    if (is_hash && !build_entity(sink, value, row->fence.deleted, rest, err))
        return false;
    row->entity = is_hash ? buf_view(&sink->seen) : text;
    if (text.data && row->fence.deleted)
        row->entity = strip_deleted_at(sink, text);
    return true;
}

bool rd_read_row(struct upsink_sink *sink, struct upsink_slice key, struct upsink_row *row,
                 struct upsink_error *err)
{
    *row = (struct upsink_row){.found = false};
    return rd_check_ready(sink, err) && ask(sink, key, err) && take_row(sink, row, err);
}
