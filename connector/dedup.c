#include "connector/dedup.h"

static uint32_t stale_limit(uint32_t limit)
{
    return limit / DEDUP_STALE_SHARE + (limit > 0);
}

void dedup_init(struct dedup *dedup, uint32_t limit)
{
    window_init(&dedup->applied, limit);
    window_init(&dedup->stale, stale_limit(limit));
}

void dedup_destroy(struct dedup *dedup)
{
    window_destroy(&dedup->applied);
    window_destroy(&dedup->stale);
}

void dedup_forget(struct dedup *dedup)
{
    window_forget(&dedup->applied);
    window_forget(&dedup->stale);
}

void dedup_set_limit(struct dedup *dedup, uint32_t limit)
{
    window_set_limit(&dedup->applied, limit);
    window_set_limit(&dedup->stale, stale_limit(limit));
}

static bool has_version(const struct upsink_change *change)
{
    return (change->flags & UPSINK_HAS_VERSION) && !(change->flags & UPSINK_BY_POSITION);
}

bool dedup_same_version(const struct upsink_change *one, const struct upsink_change *other)
{
    return has_version(one) == has_version(other) && (!has_version(one) || one->version == other->version);
}

/* The ids are hashes with a seed that nobody knows: what is mixed in needs none. */
static struct window_ids mix_version_in(struct window_ids ids, const struct upsink_change *change)
{
    uint64_t salt = has_version(change) ? ((uint64_t)change->version + 1) * 0x9e3779b97f4a7c15u : 0;
    salt ^= salt >> 29;
    return (struct window_ids){.event = ids.event && ids.event != salt ? ids.event ^ salt : ids.event,
                               .change = ids.change && ids.change != salt ? ids.change ^ salt : ids.change};
}

bool dedup_is_stale(const struct dedup *dedup, struct window_ids ids, const struct upsink_change *change)
{
    if (!dedup->stale.next)
        return false;
    ids = mix_version_in(ids, change);
    return window_has(&dedup->stale, ids.event) || window_has(&dedup->stale, ids.change);
}

void dedup_add_stale(struct dedup *dedup, struct window_ids ids, const struct upsink_change *change)
{
    if (!dedup_is_stale(dedup, ids, change))
        window_add(&dedup->stale, mix_version_in(ids, change));
}
