#include "order_events.h"

#include "order_json.h"

#include <math.h>
#include <stdlib.h>

enum { RECENT = 8192, POISON_KINDS = 6, MAX_ORDERS = 1 << 24 };

struct order {
    int64_t highest_ms; /* highest lastUpdated emitted; meaningful once versioned */
    uint64_t live_ordinal, last_ordinal;
    int64_t history_ms[ORDER_HISTORY];
    uint32_t revisions, history_len;
    bool seen, versioned, live, last_is_tombstone;
};

struct order_events {
    struct order_events_options options;
    uint64_t random;
    uint64_t ordinal; /* events made so far */
    int64_t time_ms;
    struct order *orders;
    double *cumulative; /* of the weights of the orders; NULL when all weigh the same */
    struct order_snapshot recent[RECENT];
    uint64_t recent_count;
    uint64_t poisoned;
    char key[16];
    char event_id[40];
    struct buf value;
};

static uint64_t next_random(struct order_events *generator)
{
    return order_mix(generator->options.seed, generator->random++);
}

/* 0 <= result < 1 */
static double next_share(struct order_events *generator)
{
    return (double)(next_random(generator) >> 11) * 0x1p-53;
}

static bool build_weights(struct order_events *generator)
{
    double sum = 0, s = generator->options.zipf;
    if (s <= 0)
        return true;
    generator->cumulative = calloc(generator->options.orders, sizeof *generator->cumulative);
    if (!generator->cumulative)
        return false;
    for (uint32_t i = 0; i < generator->options.orders; i++) {
        double rank = (double)i + 1;
        sum += 1 / (s < 1 || s > 1 ? pow(rank, s) : rank); /* s = 1 without libm: the same bytes everywhere */
        generator->cumulative[i] = sum;
    }
    return true;
}

static uint32_t choose_order(struct order_events *generator)
{
    uint32_t low = 0, high = generator->options.orders - 1;
    double share = next_share(generator);
    if (!generator->cumulative)
        return (uint32_t)(share * (double)generator->options.orders);
    share *= generator->cumulative[high];
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (generator->cumulative[middle] <= share)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* An earlier upsert, most often a recent one. */
static const struct order_snapshot *choose_recent(struct order_events *generator)
{
    uint64_t random = next_random(generator), kept = generator->recent_count;
    uint64_t back = (random >> 8) & ((1u << (random % 14)) - 1);
    if (kept > RECENT)
        kept = RECENT;
    return &generator->recent[(generator->recent_count - 1 - back % kept) % RECENT];
}

struct order_events *order_events_create(const struct order_events_options *options)
{
    struct order_events *generator;
    double shares =
        options->duplicates + options->late + options->ties + options->tombstones + options->poison;
    if (options->orders == 0 || options->orders > MAX_ORDERS || !(shares <= 1))
        return NULL;
    generator = calloc(1, sizeof *generator);
    if (!generator)
        return NULL;
    generator->options = *options;
    buf_init(&generator->value);
    generator->orders = calloc(options->orders, sizeof *generator->orders);
    if (!generator->orders || !build_weights(generator)) {
        order_events_destroy(generator);
        return NULL;
    }
    return generator;
}

void order_events_destroy(struct order_events *generator)
{
    if (generator) {
        buf_destroy(&generator->value);
        free(generator->orders);
        free(generator->cumulative);
        free(generator);
    }
}

static enum order_event_kind choose_kind(struct order_events *generator)
{
    const struct order_events_options *options = &generator->options;
    double share = next_share(generator);
    if ((share -= options->tombstones) < 0)
        return ORDER_EVENT_TOMBSTONE;
    if ((share -= options->poison) < 0)
        return ORDER_EVENT_POISON;
    if (generator->recent_count == 0)
        return ORDER_EVENT_UPSERT;
    if ((share -= options->duplicates) < 0)
        return ORDER_EVENT_DUPLICATE;
    if ((share -= options->late) < 0)
        return ORDER_EVENT_LATE;
    return share < options->ties ? ORDER_EVENT_TIE : ORDER_EVENT_UPSERT;
}

static void begin_status(struct order *order, int64_t at_ms)
{
    if (order->history_len == ORDER_HISTORY) {
        memmove(order->history_ms, order->history_ms + 1,
                sizeof order->history_ms - sizeof order->history_ms[0]);
        order->history_len--;
    }
    order->history_ms[order->history_len++] = at_ms;
    order->revisions++;
}

static struct order_snapshot take_snapshot(struct order_events *generator, uint32_t index,
                                           int64_t last_updated_ms)
{
    const struct order *order = &generator->orders[index];
    struct order_snapshot snapshot = {.seed = generator->options.seed,
                                      .ordinal = generator->ordinal++,
                                      .order = index,
                                      .revision = order->revisions > 0 ? order->revisions - 1 : 0,
                                      .last_updated_ms = last_updated_ms,
                                      .time_ms = generator->time_ms,
                                      .history_len = order->history_len};
    memcpy(snapshot.history_ms, order->history_ms, sizeof snapshot.history_ms);
    return snapshot;
}

/* The next state of an order: always later than all that was emitted for it. */
static struct order_snapshot make_upsert(struct order_events *generator)
{
    uint32_t index = choose_order(generator);
    struct order *order = &generator->orders[index];
    int64_t at_ms = generator->time_ms;
    if (order->versioned && at_ms <= order->highest_ms)
        at_ms = order->highest_ms + 1;
    begin_status(order, at_ms);
    return take_snapshot(generator, index, at_ms);
}

/* A new event of a recent order that tells of a time back_ms before the order's latest. */
static struct order_snapshot make_late(struct order_events *generator, int64_t back_ms)
{
    uint32_t index = choose_recent(generator)->order;
    return take_snapshot(generator, index, generator->orders[index].highest_ms - back_ms);
}

/* The expected fold: what order_events.h promises of a view. */
static void fold_upsert(struct order *order, const struct order_snapshot *snapshot)
{
    int64_t version = snapshot->last_updated_ms;
    order->seen = true;
    order->last_ordinal = snapshot->ordinal;
    order->last_is_tombstone = false;
    if (order->versioned && (version < order->highest_ms || (version == order->highest_ms && !order->live)))
        return;
    order->versioned = order->live = true;
    order->highest_ms = version;
    order->live_ordinal = snapshot->ordinal;
}

static void fold_tombstone(struct order *order)
{
    order->seen = order->last_is_tombstone = true;
    order->live = false;
}

static void emit_upsert(struct order_events *generator, const struct order_snapshot *snapshot,
                        struct order_event *event)
{
    event->order = snapshot->order;
    event->last_updated_ms = snapshot->last_updated_ms;
    order_append_json(&generator->value, snapshot);
    order_format_event_id(generator->options.seed, snapshot->ordinal, generator->event_id);
    event->event_id = upsink_slice_of(generator->event_id);
    event->value = buf_view(&generator->value);
}

static void overwrite(struct buf *value, const char *find, const char *replacement)
{
    char *at = memmem(value->data, value->len, find, strlen(find));
    if (at)
        memcpy(at, replacement, strlen(replacement));
}

/* Takes the kinds in turn, so that a small topic has them all. Changes no order. */
static void emit_poison(struct order_events *generator, struct order_event *event)
{
    struct order_snapshot snapshot = take_snapshot(generator, choose_order(generator), generator->time_ms);
    struct buf *value = &generator->value;
    event->order = snapshot.order;
    order_append_json(value, &snapshot);
    event->value = buf_view(value);
    if (value->failed)
        return;
    switch (generator->poisoned++ % POISON_KINDS) {
    case 0: /* cut off */
        event->value.len = value->len * 2 / 3;
        break;
    case 1: /* not UTF-8 */
        overwrite(value, "example.com", "ex\xFFmple");
        break;
    case 2: /* an event without an id */
        overwrite(value, "\"id\"", "\"no\"");
        break;
    case 3: /* an order without lastUpdated */
        overwrite(value, "\"lastUpdated\"", "\"lostUpdated\"");
        break;
    case 4: /* a lastUpdated that is no time */
        overwrite(value, "\"lastUpdated\":\"", "\"lastUpdated\":\"soon");
        break;
    default: /* no key */
        event->key = UPSINK_SLICE_ABSENT;
        break;
    }
}

static void emit_by_kind(struct order_events *generator, struct order_event *event)
{
    struct order_snapshot snapshot;
    switch (event->kind) {
    case ORDER_EVENT_TOMBSTONE:
        event->order = choose_order(generator);
        fold_tombstone(&generator->orders[event->order]);
        return;
    case ORDER_EVENT_POISON:
        emit_poison(generator, event);
        return;
    case ORDER_EVENT_DUPLICATE:
        snapshot = *choose_recent(generator);
        emit_upsert(generator, &snapshot, event);
        generator->orders[snapshot.order].last_ordinal = snapshot.ordinal;
        generator->orders[snapshot.order].last_is_tombstone = false;
        return;
    case ORDER_EVENT_LATE:
        snapshot = make_late(generator, (int64_t)(1 + next_random(generator) % 60000));
        break;
    case ORDER_EVENT_TIE:
        snapshot = make_late(generator, 0);
        break;
    default:
        snapshot = make_upsert(generator);
        break;
    }
    emit_upsert(generator, &snapshot, event);
    fold_upsert(&generator->orders[snapshot.order], &snapshot);
    generator->recent[generator->recent_count++ % RECENT] = snapshot;
}

bool order_events_next(struct order_events *generator, int64_t time_ms, struct order_event *event)
{
    /* Room beforehand: nothing may fail once the fold was changed. No event is longer. */
    buf_clear(&generator->value);
    if (!buf_reserve(&generator->value, 4096))
        return false;
    if (time_ms > generator->time_ms)
        generator->time_ms = time_ms;
    *event = (struct order_event){.kind = choose_kind(generator), .key = {generator->key, 0}};
    emit_by_kind(generator, event);
    if (event->key.data) {
        order_format_key(event->order, generator->key);
        event->key.len = strlen(generator->key);
    }
    return true;
}

void order_events_state(const struct order_events *generator, uint32_t index, struct order_state *state)
{
    const struct order *order = &generator->orders[index];
    *state = (struct order_state){.seen = order->seen, .live = order->live};
    order_format_key(index, state->key);
    if (order->live) {
        order_format_event_id(generator->options.seed, order->live_ordinal, state->event_id);
        order_format_time(order->highest_ms, state->last_updated);
    }
    if (order->seen && !order->last_is_tombstone)
        order_format_event_id(generator->options.seed, order->last_ordinal, state->last_event_id);
}

const char *order_event_kind_name(enum order_event_kind kind)
{
    static const char *const names[ORDER_EVENT_KINDS] = {"upsert", "duplicate", "late",
                                                         "tie",    "tombstone", "poison"};
    return names[kind];
}
