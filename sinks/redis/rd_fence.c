#include "rd_fence.h"

#include <xxhash.h>

static char *put_uint(char *at, uint64_t value, int bytes)
{
    for (int i = bytes; i-- > 0;)
        *at++ = (char)(value >> (8 * i));
    return at;
}

static uint64_t get_uint(const char *at, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | (unsigned char)at[i];
    return value;
}

#define SIGN_BIT (UINT64_C(1) << 63)

void rd_pack_int64(char out[8], int64_t value)
{
    put_uint(out, (uint64_t)value ^ SIGN_BIT, 8);
}

static char *put_int64(char *at, int64_t value)
{
    rd_pack_int64(at, value);
    return at + 8;
}

static int64_t get_int64(const char *at)
{
    return (int64_t)(get_uint(at, 8) ^ SIGN_BIT);
}

/* Only a filter before the comparison of the whole id. */
static uint32_t id_hash(struct upsink_slice id)
{
    uint32_t hash = id.data ? (uint32_t)XXH64(id.data, id.len, 0) : 0;
    return id.data && hash == 0 ? 1 : hash;
}

static struct upsink_slice topic_of(const struct upsink_change *change, bool several_topics)
{
    return several_topics ? change->topic : UPSINK_SLICE_LIT("");
}

size_t rd_fence_size(const struct upsink_change *change, bool several_topics)
{
    return RD_FENCE_FIXED + topic_of(change, several_topics).len + change->event_id.len +
           change->change_id.len;
}

static char *put_text(char *at, struct upsink_slice text)
{
    if (text.len)
        memcpy(at, text.data, text.len);
    return at + text.len;
}

void rd_fence_pack(char *out, const struct upsink_change *change, bool several_topics)
{
    bool has_version = change->flags & UPSINK_HAS_VERSION;
    struct upsink_slice topic = topic_of(change, several_topics);
    *out++ = has_version;
    *out++ = (change->flags & UPSINK_BY_POSITION) != 0;
    *out++ = change->op == UPSINK_DELETE;
    out = put_int64(out, change->generation);
    out = put_uint(out, (uint32_t)change->partition, 4);
    out = put_int64(out, has_version ? change->version : 0);
    out = put_uint(out, id_hash(change->event_id), 4);
    out = put_uint(out, id_hash(change->change_id), 4);
    out = put_int64(out, change->offset);
    out = put_int64(out, change->timestamp);
    out = put_uint(out, topic.len, 2);
    out = put_uint(out, change->event_id.data ? change->event_id.len + 1 : 0, 4);
    out = put_uint(out, change->change_id.data ? change->change_id.len + 1 : 0, 4);
    out = put_text(out, topic);
    out = put_text(out, change->event_id);
    put_text(out, change->change_id);
}

bool rd_fence_unpack(struct upsink_fence *fence, struct upsink_slice *rest, struct upsink_slice bytes)
{
    if (!bytes.data || bytes.len < RD_FENCE_FIXED)
        return false;
    const char *at = bytes.data;
    *fence = (struct upsink_fence){
        .has_version = at[0],
        .deleted = at[2],
        .generation = get_int64(at + 3),
        .partition = (int32_t)get_uint(at + 11, 4),
        .version = get_int64(at + 15),
        .offset = get_int64(at + 31),
        .timestamp = get_int64(at + 39),
    };
    uint64_t topic = get_uint(at + 47, 2), event = get_uint(at + 49, 4), change = get_uint(at + 53, 4);
    size_t event_len = event ? (size_t)event - 1 : 0, change_len = change ? (size_t)change - 1 : 0;
    if (topic + event_len + change_len > bytes.len - RD_FENCE_FIXED)
        return false;
    at += RD_FENCE_FIXED;
    fence->topic = (struct upsink_slice){at, (size_t)topic};
    at += topic;
    fence->event_id = event ? (struct upsink_slice){at, event_len} : UPSINK_SLICE_ABSENT;
    at += event_len;
    fence->change_id = change ? (struct upsink_slice){at, change_len} : UPSINK_SLICE_ABSENT;
    at += change_len;
    *rest = (struct upsink_slice){at, (size_t)(bytes.data + bytes.len - at)};
    if (!fence->has_version)
        fence->version = 0;
    return true;
}
