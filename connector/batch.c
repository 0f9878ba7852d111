#include "connector/batch.h"

#include <stdlib.h>
#include <xxhash.h>

void batch_init(struct batch *batch, bool versioned, bool soft, bool change_id_is_hash)
{
    *batch = (struct batch){.versioned = versioned, .soft = soft, .change_id_is_hash = change_id_is_hash};
    arena_init(&batch->arena, 64 * 1024);
    arena_init(&batch->scratch, 16 * 1024);
}

void batch_destroy(struct batch *batch)
{
    arena_destroy(&batch->arena);
    arena_destroy(&batch->scratch);
    free(batch->records);
    free(batch->links);
    free(batch->entities);
    free(batch->heads);
    free(batch->changes);
    free(batch->results);
    free(batch->table);
    *batch = (struct batch){0};
}

void batch_clear(struct batch *batch)
{
    if (batch->table)
        memset(batch->table, 0, (batch->table_mask + 1) * sizeof *batch->table);
    batch->record_count = batch->entity_count = batch->head_count = batch->bytes = 0;
    arena_clear(&batch->arena);
    arena_clear(&batch->scratch);
}

static bool make_room(void **array, size_t *room, size_t count, size_t size)
{
    if (count < *room)
        return true;
    size_t more = *room ? *room * 2 : 256, total;
    if (more > UINT32_MAX / 2 || __builtin_mul_overflow(more, size, &total))
        return false;
    void *grown = realloc(*array, total);
    if (!grown)
        return false;
    *array = grown;
    *room = more;
    return true;
}

static uint64_t hash_key(struct upsink_slice key)
{
    return XXH3_64bits(key.data, key.len);
}

static struct upsink_slice entity_key(const struct batch *batch, uint32_t entity)
{
    return batch->records[batch->entities[entity].first].change.key;
}

static uint64_t table_entry(uint64_t hash, uint32_t entity)
{
    return (hash & ~(uint64_t)UINT32_MAX) | (entity + 1);
}

static bool grow_table(struct batch *batch)
{
    size_t places = batch->table ? (batch->table_mask + 1) * 2 : 1024;
    uint64_t *table = calloc(places, sizeof *table);
    if (!table)
        return false;
    free(batch->table);
    batch->table = table;
    batch->table_mask = places - 1;
    for (uint32_t entity = 0; entity < batch->entity_count; entity++) {
        uint64_t hash = hash_key(entity_key(batch, entity));
        size_t place = hash & batch->table_mask;
        while (table[place])
            place = (place + 1) & batch->table_mask;
        table[place] = table_entry(hash, entity);
    }
    return true;
}

/* The entity of the key; one that is new gets `record` as its first. */
static struct batch_entity *find_entity(struct batch *batch, struct upsink_slice key, uint32_t record)
{
    if ((!batch->table || batch->entity_count * 2 > batch->table_mask) && !grow_table(batch))
        return NULL;
    uint64_t hash = hash_key(key);
    size_t place = hash & batch->table_mask;
    for (; batch->table[place]; place = (place + 1) & batch->table_mask) {
        uint32_t known = (uint32_t)batch->table[place] - 1;
        if (batch->table[place] == table_entry(hash, known) &&
            upsink_slice_equal(entity_key(batch, known), key))
            return &batch->entities[known];
    }
    if (!make_room((void **)&batch->entities, &batch->entity_room, batch->entity_count,
                   sizeof *batch->entities))
        return NULL;
    batch->table[place] = table_entry(hash, (uint32_t)batch->entity_count);
    struct batch_entity *entity = &batch->entities[batch->entity_count++];
    *entity = (struct batch_entity){.first = record, .last = BATCH_NONE, .head = BATCH_NONE};
    return entity;
}

/* The record of this batch that the window knows by that number, if it is one. */
static uint32_t find_twin(const struct batch *batch, const struct batch_entity *entity,
                          const struct dedup *dedup, uint64_t number)
{
    for (uint32_t i = entity->last == BATCH_NONE ? BATCH_NONE : entity->first; i != BATCH_NONE;
         i = batch->links[i].next)
        if (batch->records[i].dedup == dedup && batch->records[i].number == number)
            return i;
    return BATCH_NONE;
}

static void look_for_duplicate(const struct batch *batch, struct batch_entity *entity,
                               const struct batch_record *record, struct batch_link *link)
{
    const struct window *window = &record->dedup->window;
    uint64_t number = window_find(window, record->ids.event);
    enum fate fate = FATE_DUPLICATE_EVENT;
    if (number == UINT64_MAX) {
        number = window_find(window, record->ids.change);
        fate = FATE_DUPLICATE_CHANGE;
    }
    if (number != UINT64_MAX) {
        link->fate = (uint8_t)fate;
        link->twin = find_twin(batch, entity, record->dedup, number);
        entity->has_twins = entity->has_twins || link->twin != BATCH_NONE;
    } else if (dedup_is_stale(record->dedup, record->ids, &record->change)) {
        link->fate = FATE_STALE;
    }
}

struct window_ids batch_window_ids(const struct batch *batch, const struct upsink_change *change)
{
    return (struct window_ids){
        .event = window_hash(change->key, change->event_id, 0),
        .change = batch->change_id_is_hash ? 0 : window_hash(change->key, change->change_id, 1)};
}

bool batch_add(struct batch *batch, enum decode_outcome outcome, const struct upsink_change *change,
               const struct upsink_error *error, struct dedup *dedup, uint32_t lane, void *message,
               size_t bytes)
{
    if (!make_room((void **)&batch->records, &batch->record_room, batch->record_count,
                   sizeof *batch->records) ||
        !make_room((void **)&batch->links, &batch->link_room, batch->record_count, sizeof *batch->links))
        return false;
    uint32_t index = (uint32_t)batch->record_count;
    struct batch_record *record = &batch->records[index];
    *record = (struct batch_record){
        .change = *change, .message = message, .dedup = dedup, .number = UINT64_MAX, .lane = lane};
    struct batch_link *link = &batch->links[index];
    *link = (struct batch_link){.next = BATCH_NONE, .twin = BATCH_NONE};
    if (outcome == DECODE_REJECTED) {
        link->fate = FATE_REJECTED;
        record->error = arena_alloc(&batch->arena, sizeof *record->error);
        if (!record->error)
            return false;
        *record->error = *error;
    } else if (outcome == DECODE_FILTERED) {
        link->fate = FATE_FILTERED;
    } else {
        struct batch_entity *entity = find_entity(batch, change->key, index);
        if (!entity)
            return false;
        if (dedup) {
            record->ids = batch_window_ids(batch, change);
            look_for_duplicate(batch, entity, record, link);
        }
        if (entity->last != BATCH_NONE)
            batch->links[entity->last].next = index;
        entity->last = index;
    }
    if (dedup)
        record->number =
            window_add(&dedup->window, link->fate == FATE_PENDING ? record->ids : (struct window_ids){0, 0});
    batch->record_count++;
    batch->bytes += bytes;
    return true;
}

static struct upsink_fence fence_of(const struct upsink_change *change)
{
    return (struct upsink_fence){.topic = change->topic,
                                 .event_id = change->event_id,
                                 .change_id = change->change_id,
                                 .version = change->version,
                                 .offset = change->offset,
                                 .timestamp = change->timestamp,
                                 .generation = change->generation,
                                 .partition = change->partition,
                                 .has_version = change->flags & UPSINK_HAS_VERSION,
                                 .deleted = change->op == UPSINK_DELETE};
}

static enum fate fate_of(enum upsink_verdict verdict)
{
    switch (verdict) {
    case UPSINK_APPLIED:
        return FATE_APPLIED;
    case UPSINK_STALE:
        return FATE_STALE;
    case UPSINK_DUPLICATE_EVENT:
        return FATE_DUPLICATE_EVENT;
    case UPSINK_DUPLICATE_CHANGE:
        return FATE_DUPLICATE_CHANGE;
    case UPSINK_REJECTED:
        return FATE_REJECTED;
    case UPSINK_PENDING:
        break;
    }
    return FATE_PENDING;
}

/* Must the sink see `head` before `change`, which wins against it? */
static bool must_part(const struct batch *batch, const struct upsink_change *head,
                      const struct upsink_change *change)
{
    if (batch->soft && head->op != change->op)
        return true;
    return batch->versioned && (head->flags & UPSINK_BY_POSITION) && !(change->flags & UPSINK_BY_POSITION);
}

/* How far an entity's open changes were read. */
struct reading {
    uint32_t head; /* of the run being read; the first run's is entity->head */
    int64_t highest;
    bool has_highest;
};

static void see_version(struct reading *reading, const struct upsink_change *change)
{
    if (!(change->flags & UPSINK_HAS_VERSION))
        return;
    if (!reading->has_highest || change->version > reading->highest)
        reading->highest = change->version;
    reading->has_highest = true;
}

/* The change is later than the head of the run. */
static void take_head(struct batch *batch, struct batch_entity *entity, struct reading *reading, uint32_t i)
{
    struct upsink_change *change = &batch->records[i].change;
    uint32_t before = reading->head;
    reading->head = i;
    if (before != BATCH_NONE && must_part(batch, &batch->records[before].change, change)) {
        if (entity->end == BATCH_NONE)
            entity->end = i;
        return;
    }
    if (before != BATCH_NONE)
        batch->links[before].mark = FATE_SUPERSEDED;
    bool by_position = change->flags & UPSINK_BY_POSITION;
    if (by_position && !batch->soft) { /* a tombstone takes the runs before it in */
        if (entity->head != BATCH_NONE)
            batch->links[entity->head].mark = FATE_SUPERSEDED;
        entity->end = BATCH_NONE;
    }
    if (by_position && reading->has_highest) {
        change->version = reading->highest;
        change->flags |= UPSINK_HAS_VERSION;
    }
    if (entity->end == BATCH_NONE)
        entity->head = i;
}

/* A tombstone that was written has the version of what it took in; one that was only planned has none. */
static void see_tombstone(const struct batch *batch, struct reading *reading, uint32_t i)
{
    struct upsink_change *change = &batch->records[i].change;
    if (batch->records[i].written)
        see_version(reading, change);
    else
        change->flags &= ~(uint32_t)UPSINK_HAS_VERSION;
}

/* Finds the first run of what is open: its latest change (head) and where it ends. */
static void plan_entity(struct batch *batch, struct batch_entity *entity)
{
    struct reading reading = {.head = BATCH_NONE};
    entity->head = entity->end = BATCH_NONE;
    for (uint32_t i = entity->first; i != BATCH_NONE; i = batch->links[i].next) {
        struct batch_link *link = &batch->links[i];
        if (link->fate != FATE_PENDING)
            continue;
        struct upsink_change *change = &batch->records[i].change;
        bool by_position = change->flags & UPSINK_BY_POSITION;
        if (by_position)
            see_tombstone(batch, &reading, i);
        link->mark = FATE_APPLIED;
        link->twin = BATCH_NONE;
        enum upsink_verdict verdict = UPSINK_APPLIED;
        if (reading.head != BATCH_NONE) {
            if (entity->one_by_one) {
                entity->end = i;
                return;
            }
            struct upsink_fence fence = fence_of(&batch->records[reading.head].change);
            verdict = upsink_fence_judge(&fence, change);
        }
        if (verdict == UPSINK_APPLIED) {
            take_head(batch, entity, &reading, i);
        } else {
            link->mark = (uint8_t)fate_of(verdict);
            if (verdict != UPSINK_STALE)
                link->twin = reading.head;
        }
        if (!by_position)
            see_version(&reading, change);
    }
}

static uint64_t key_prefix(struct upsink_slice key)
{
    unsigned char bytes[8] = {0};
    memcpy(bytes, key.data, key.len < 8 ? key.len : 8);
    uint64_t prefix = 0;
    for (int i = 0; i < 8; i++)
        prefix = prefix << 8 | bytes[i];
    return prefix;
}

static int compare_heads(const void *left, const void *right, void *context)
{
    const struct batch_head *a = left, *b = right;
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix ? -1 : 1;
    struct upsink_slice x = entity_key(context, a->entity), y = entity_key(context, b->entity);
    int order = memcmp(x.data, y.data, x.len < y.len ? x.len : y.len);
    return order ? order : (x.len > y.len) - (x.len < y.len);
}

static void *alloc_from_arena(struct upsink_batch *wave, size_t size)
{
    return arena_alloc(wave->memory, size);
}

static bool make_wave_room(struct batch *batch)
{
    if (batch->entity_count <= batch->head_room)
        return true;
    size_t room = batch->entity_room;
    struct batch_head *heads = realloc(batch->heads, room * sizeof *heads);
    if (heads)
        batch->heads = heads;
    const struct upsink_change **changes = realloc(batch->changes, room * sizeof *changes);
    if (changes)
        batch->changes = changes;
    struct upsink_result *results = realloc(batch->results, room * sizeof *results);
    if (results)
        batch->results = results;
    if (!heads || !changes || !results)
        return false;
    batch->head_room = room;
    return true;
}

bool batch_next_wave(struct batch *batch, struct upsink_batch *wave, bool *failed)
{
    *failed = !make_wave_room(batch);
    if (*failed)
        return false;
    batch->head_count = 0;
    for (uint32_t i = 0; i < batch->entity_count; i++) {
        plan_entity(batch, &batch->entities[i]);
        if (batch->entities[i].head != BATCH_NONE)
            batch->heads[batch->head_count++] = (struct batch_head){key_prefix(entity_key(batch, i)), i};
    }
    if (batch->head_count) /* without an entity there may be no array */
        qsort_r(batch->heads, batch->head_count, sizeof *batch->heads, compare_heads, batch);
    for (size_t i = 0; i < batch->head_count; i++) {
        batch->changes[i] = &batch->records[batch->entities[batch->heads[i].entity].head].change;
        batch->results[i] = (struct upsink_result){UPSINK_PENDING, NULL};
    }
    *wave = (struct upsink_batch){.changes = batch->changes,
                                  .results = batch->results,
                                  .count = batch->head_count,
                                  .alloc = alloc_from_arena,
                                  .memory = &batch->scratch};
    arena_clear(&batch->scratch);
    return batch->head_count > 0;
}

/* What a record hid as duplicates of itself that was refused, or stale, after all: the first of them gets its
 * own turn and stands for the others. Those with the version of a stale one are as stale. */
static void settle_twins(struct batch *batch, const struct batch_entity *entity)
{
    for (uint32_t i = entity->has_twins ? entity->first : BATCH_NONE; i != BATCH_NONE;
         i = batch->links[i].next) {
        struct batch_link *link = &batch->links[i];
        if (link->twin == BATCH_NONE ||
            (link->fate != FATE_DUPLICATE_EVENT && link->fate != FATE_DUPLICATE_CHANGE))
            continue;
        struct batch_link *twin = &batch->links[link->twin];
        bool is_stale = twin->fate == FATE_STALE;
        if (!is_stale && twin->fate != FATE_REJECTED)
            continue;
        if (is_stale && dedup_same_version(&batch->records[i].change, &batch->records[link->twin].change)) {
            link->fate = FATE_STALE;
            link->twin = BATCH_NONE;
        } else if (twin->twin == BATCH_NONE) {
            twin->twin = i;
            link->twin = BATCH_NONE;
            link->fate = FATE_PENDING;
            batch->records[i].reopened = true;
        } else {
            link->twin = twin->twin;
        }
    }
}

static void settle_run(struct batch *batch, const struct batch_entity *entity)
{
    for (uint32_t i = entity->first; i != entity->end; i = batch->links[i].next)
        if (batch->links[i].fate == FATE_PENDING)
            batch->links[i].fate = batch->links[i].mark;
}

/* Is there anything in the run but its head? */
static bool stands_for_others(const struct batch *batch, const struct batch_entity *entity)
{
    for (uint32_t i = entity->first; i != entity->end; i = batch->links[i].next)
        if (i != entity->head && batch->links[i].fate == FATE_PENDING)
            return true;
    return false;
}

/* Kept once for each record, however often the batch is repeated. */
static void keep_error(struct batch *batch, struct batch_record *record, const struct upsink_error *error)
{
    static struct upsink_error out_of_memory = {UPSINK_ERR_RECORD, "out_of_memory", "no memory to say why",
                                                ""};
    if (!record->error || record->error == &out_of_memory)
        record->error = arena_alloc(&batch->arena, sizeof *record->error);
    if (!record->error)
        record->error = &out_of_memory;
    else if (error)
        *record->error = *error;
    else
        upsink_fail(record->error, UPSINK_ERR_RECORD, "refused",
                    "the sink refused the record and gave no reason");
}

static void settle_entity(struct batch *batch, struct batch_entity *entity,
                          const struct upsink_result *result)
{
    struct batch_link *head = &batch->links[entity->head];
    if (result->verdict == UPSINK_APPLIED) {
        settle_run(batch, entity);
    } else if (result->verdict == UPSINK_REJECTED) {
        struct batch_record *record = &batch->records[entity->head];
        head->fate = FATE_REJECTED;
        keep_error(batch, record, result->error);
        record->in_sink_stage = true;
    } else if (stands_for_others(batch, entity)) {
        entity->one_by_one = true;
    } else {
        head->fate =
            (uint8_t)(batch->records[entity->head].written ? FATE_APPLIED : fate_of(result->verdict));
    }
    settle_twins(batch, entity);
}

void batch_settle(struct batch *batch, const struct upsink_batch *wave)
{
    for (size_t i = 0; i < wave->count; i++)
        settle_entity(batch, &batch->entities[batch->heads[i].entity], &wave->results[i]);
}

/* A duplicate that the window told at once stays one as long as its twin stands. */
static bool is_window_duplicate(const struct batch_record *record, const struct batch_link *link)
{
    return link->mark == FATE_PENDING && !record->reopened &&
           (link->fate == FATE_DUPLICATE_EVENT || link->fate == FATE_DUPLICATE_CHANGE ||
            link->fate == FATE_STALE);
}

void batch_reopen(struct batch *batch)
{
    for (size_t i = 0; i < batch->entity_count; i++)
        batch->entities[i].one_by_one = false;
    for (size_t i = 0; i < batch->record_count; i++) {
        struct batch_record *record = &batch->records[i];
        struct batch_link *link = &batch->links[i];
        bool decided_before =
            link->fate == FATE_FILTERED || (link->fate == FATE_REJECTED && !record->in_sink_stage);
        if (decided_before || record->dead_lettered || is_window_duplicate(record, link))
            continue;
        link->fate = FATE_PENDING;
        record->in_sink_stage = false;
    }
}

void batch_repeat(struct batch *batch)
{
    for (size_t i = 0; i < batch->record_count; i++)
        if (batch->links[i].fate == FATE_APPLIED) {
            batch->links[i].fate = FATE_PENDING;
            batch->records[i].written = true;
        }
}

void batch_finish(struct batch *batch)
{
    for (size_t i = 0; i < batch->record_count; i++) {
        struct batch_record *record = &batch->records[i];
        if (!record->dedup)
            continue;
        enum fate fate = batch->links[i].fate;
        if (fate == FATE_STALE)
            dedup_make_stale(record->dedup, record->number, record->ids, &record->change);
        else if (fate == FATE_REJECTED)
            window_remove(&record->dedup->window, record->number);
        else if (record->reopened && (fate == FATE_APPLIED || fate == FATE_SUPERSEDED))
            window_add(&record->dedup->window, record->ids);
    }
}
