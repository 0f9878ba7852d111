#include "es_fence.h"

#include "clock.h"
#include "schemas/json_text.h"
#include "schemas/rfc3339.h"

/* Digits by hand: printf takes as long as all the rest. */
static void put_int(struct buf *out, const char *name, int64_t value)
{
    char digits[24], *at = digits + sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (value < 0)
        *--at = '-';
    buf_append_text(out, name);
    buf_append(out, at, (size_t)(digits + sizeof digits - at));
}

static void put_text(struct buf *out, const char *name, struct upsink_slice text)
{
    if (!text.data)
        return;
    buf_append_text(out, name);
    if (!json_text_append(out, text))
        buf_append_text(out, "null");
}

/* A text that people and tools can read; a number where no text can hold it. */
static void put_time(struct buf *out, int64_t us)
{
    char text[CLOCK_TEXT_SIZE] = "";
    int64_t back;
    if (us == -1)
        return;
    if (us > -62135596800 * CLOCK_SECOND && us < 253402300800 * CLOCK_SECOND)
        clock_format(us, text);
    if (rfc3339_parse(upsink_slice_of(text), &back) && back == us)
        put_text(out, ",\"updated_at\":", upsink_slice_of(text));
    else
        put_int(out, ",\"updated_at\":", us);
}

void es_fence_put(struct buf *out, const struct upsink_fence *fence, bool with_topic)
{
    put_int(out, "{\"partition\":", fence->partition);
    put_int(out, ",\"offset\":", fence->offset);
    put_int(out, ",\"generation\":", fence->generation);
    if (fence->has_version)
        put_int(out, ",\"version\":", fence->version);
    put_text(out, ",\"event_id\":", fence->event_id);
    put_text(out, ",\"change_id\":", fence->change_id);
    if (with_topic)
        put_text(out, ",\"topic\":", fence->topic);
    put_time(out, fence->timestamp);
    if (fence->deleted)
        buf_append_text(out, ",\"deleted\":true");
}

static bool read_text(struct upsink_slice raw, struct arena *arena, struct upsink_slice *out)
{
    struct upsink_slice text;
    if (!es_json_text(raw, arena, &text))
        return false;
    *out = arena_copy(arena, text);
    return out->data || !text.data;
}

static void read_time(struct upsink_slice raw, struct upsink_fence *fence)
{
    if (raw.len > 2 && *raw.data == '"') {
        if (!rfc3339_parse((struct upsink_slice){raw.data + 1, raw.len - 2}, &fence->timestamp))
            fence->timestamp = -1;
    } else {
        fence->timestamp = es_json_int(raw, -1);
    }
}

static bool read_member(struct upsink_slice name, struct upsink_slice raw, struct arena *arena,
                        struct upsink_fence *fence)
{
    if (es_json_is(name, "partition")) {
        fence->partition = (int32_t)es_json_int(raw, 0);
    } else if (es_json_is(name, "offset")) {
        fence->offset = es_json_int(raw, 0);
    } else if (es_json_is(name, "generation")) {
        fence->generation = es_json_int(raw, 0);
    } else if (es_json_is(name, "version")) {
        fence->version = es_json_int(raw, 0);
        fence->has_version = true;
    } else if (es_json_is(name, "updated_at")) {
        read_time(raw, fence);
    } else if (es_json_is(name, "deleted")) {
        fence->deleted = es_json_true(raw);
    } else if (es_json_is(name, "event_id")) {
        return read_text(raw, arena, &fence->event_id);
    } else if (es_json_is(name, "change_id")) {
        return read_text(raw, arena, &fence->change_id);
    } else if (es_json_is(name, "topic")) {
        return read_text(raw, arena, &fence->topic);
    }
    return true;
}

bool es_fence_read(struct upsink_slice raw, struct upsink_slice topic, struct arena *arena,
                   struct es_known *known)
{
    struct es_json json = es_json_of(raw);
    struct upsink_slice name;
    known->fence = (struct upsink_fence){.topic = topic, .timestamp = -1};
    known->has_fence = raw.data && es_json_enter(&json, '{');
    while (known->has_fence && es_json_member(&json, &name))
        if (!read_member(name, es_json_value(&json), arena, &known->fence))
            return false;
    known->has_fence = known->has_fence && !json.bad;
    return true;
}
