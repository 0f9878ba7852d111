#include "connector/dedup.h"

void dedup_init(struct dedup *dedup, uint32_t limit)
{
    *dedup = (struct dedup){.any_stale = false};
    window_init(&dedup->window, limit);
}

void dedup_destroy(struct dedup *dedup)
{
    window_destroy(&dedup->window);
}

void dedup_forget(struct dedup *dedup)
{
    window_forget(&dedup->window);
    dedup->any_stale = false;
}

static bool has_version(const struct upsink_change *change)
{
    return (change->flags & UPSINK_HAS_VERSION) && !(change->flags & UPSINK_BY_POSITION);
}

bool dedup_same_version(const struct upsink_change *one, const struct upsink_change *other)
{
    return has_version(one) == has_version(other) && (!has_version(one) || one->version == other->version);
}

/* The ids are hashes with a seed that nobody knows: what is mixed in needs none. It is never 0, so that the
 * id of a stale change is another one than that of an applied change. */
static struct window_ids mark_stale(struct window_ids ids, const struct upsink_change *change)
{
    uint64_t salt = has_version(change) ? (uint64_t)change->version * 0x9e3779b97f4a7c15u + 2 : 0;
    salt = (salt ^ salt >> 29) | 1;
    return (struct window_ids){.event = ids.event && ids.event != salt ? ids.event ^ salt : ids.event,
                               .change = ids.change && ids.change != salt ? ids.change ^ salt : ids.change};
}

bool dedup_is_stale(const struct dedup *dedup, struct window_ids ids, const struct upsink_change *change)
{
    if (!dedup->any_stale)
        return false;
    ids = mark_stale(ids, change);
    return window_has(&dedup->window, ids.event) || window_has(&dedup->window, ids.change);
}

void dedup_make_stale(struct dedup *dedup, uint64_t number, struct window_ids ids,
                      const struct upsink_change *change)
{
    window_replace(&dedup->window, number, mark_stale(ids, change));
    dedup->any_stale = true;
}
