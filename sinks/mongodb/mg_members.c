#include "mg_members.h"

#include <stdlib.h>

enum { LINEAR_MEMBERS = 32 };

void mg_members_clear(struct mg_members *members)
{
    free(members->items);
    free(members->sorted);
    *members = (struct mg_members){.items = NULL};
}

/* FNV-1a (Fowler, Noll, Vo). Only to tell that no name stands twice; equal ones are compared. */
static uint32_t hash_name(const char *name, size_t len)
{
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)name[i]) * 16777619U;
    return hash;
}

static bool grow(struct mg_member **items, size_t *capacity, size_t wanted)
{
    void *grown = reallocarray(*items, wanted, sizeof **items);
    if (!grown)
        return false;
    *items = grown;
    *capacity = wanted;
    return true;
}

bool mg_members_add(struct mg_members *members, const struct buf *out, size_t at, size_t name_len)
{
    if (members->count == members->capacity &&
        !grow(&members->items, &members->capacity, members->capacity * 2 + 64))
        return false;
    members->items[members->count++] = (struct mg_member){
        .at = at, .name_len = (uint32_t)name_len, .hash = hash_name(out->data + at + 1, name_len)};
    return true;
}

static int compare_members(const void *left, const void *right, void *context)
{
    const char *data = context;
    const struct mg_member *a = left, *b = right;
    uint32_t shorter = a->name_len < b->name_len ? a->name_len : b->name_len;
    int result = memcmp(data + a->at + 1, data + b->at + 1, shorter);
    if (result || a->name_len != b->name_len)
        return result ? result : a->name_len < b->name_len ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at;
}

static bool may_repeat(const struct mg_member *items, size_t count)
{
    if (count > LINEAR_MEMBERS)
        return true;
    for (size_t i = 1; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (items[i].hash == items[j].hash)
                return true;
    return false;
}

void mg_members_drop(struct mg_members *members, struct buf *out, size_t base)
{
    struct mg_member *items = members->items;
    size_t kept = base, to = base < members->count ? items[base].at : out->len;
    for (size_t i = base; i < members->count; i++) {
        size_t from = items[i].at, len = (i + 1 < members->count ? items[i + 1].at : out->len) - from;
        if (items[i].name_len == MG_MEMBER_DROPPED)
            continue;
        memmove(out->data + to, out->data + from, len);
        items[kept] = items[i];
        items[kept++].at = to;
        to += len;
    }
    out->len = to;
    members->count = kept;
}

bool mg_members_settle(struct mg_members *members, struct buf *out, size_t base)
{
    struct mg_member *items = members->items + base;
    size_t count = members->count - base;
    bool repeated = false;
    if (!may_repeat(items, count))
        return true;
    if (members->sorted_capacity < count && !grow(&members->sorted, &members->sorted_capacity, count))
        return false;
    memcpy(members->sorted, items, count * sizeof *items);
    for (size_t i = 0; i < count; i++)
        members->sorted[i].hash = (uint32_t)i; /* its place in the list */
    qsort_r(members->sorted, count, sizeof *items, compare_members, out->data);
    for (size_t i = 0; i + 1 < count; i++) {
        const struct mg_member *a = &members->sorted[i], *b = a + 1;
        if (a->name_len != b->name_len ||
            memcmp(out->data + a->at + 1, out->data + b->at + 1, a->name_len) != 0)
            continue;
        items[a->hash].name_len = MG_MEMBER_DROPPED;
        repeated = true;
    }
    if (repeated)
        mg_members_drop(members, out, base);
    return true;
}
