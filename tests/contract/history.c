#include "tests/contract/model.h"

#include <stdlib.h>

/* SplitMix64 (Steele, Lea, Flood 2014). */
uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ULL;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return z ^ z >> 31;
}

int random_below(uint64_t *state, int bound)
{
    return (int)(random_next(state) % (uint64_t)bound);
}

static bool one_in(uint64_t *random, int n)
{
    return random_below(random, n) == 0;
}

static void add_step(struct history *history, struct history_step step)
{
    if (history->count == history->capacity) {
        history->capacity = history->capacity * 2 + 64;
        history->steps = reallocarray(history->steps, history->capacity, sizeof step);
        if (!history->steps)
            abort();
    }
    history->steps[history->count++] = step;
}

static void add_plain(struct history *history, enum history_kind kind)
{
    add_step(history, (struct history_step){.kind = kind});
}

/* Anything goes: any partition, generation, floor, time and id. */
static void generate_chaos(struct history *history, uint64_t *random)
{
    static const int64_t versions[] = {INT64_MIN, -2, -1, 0, 1, 2, 3, 4, INT64_MAX};
    static const int64_t times[] = {-1, 0, 1, 999999, 1000000, 1700000000000000, 1700000000000001, -5000001};
    int steps = 5 + random_below(random, 60), versioned = random_below(random, 3);
    for (int i = 1; i <= steps; i++) {
        int kind = random_below(random, 10);
        struct history_step step = {
            .kind = STEP_CHANGE,
            .op = kind < 6 ? UPSINK_UPSERT : UPSINK_DELETE,
            .by_position = kind >= 7,
            .has_version = versioned && (versioned == 1 || one_in(random, 2)),
            .key = random_below(random, MODEL_KEYS),
            .topic = history->several_topics ? random_below(random, TOPICS) : 0,
            .partition = random_below(random, MODEL_PARTITIONS),
            .offset = random_below(random, 30),
            .time = times[random_below(random, 8)],
            .generation = 1 + random_below(random, 3),
            .floor = one_in(random, 4) ? random_below(random, 4) : 0,
            .event = random_below(random, 4),
            .change = one_in(random, 2) ? random_below(random, 4) : 0,
            .serial = i,
        };
        if (step.by_position && one_in(random, 2))
            step.has_version = false;
        if (step.has_version)
            step.version = versions[random_below(random, 9)];
        add_step(history, step);
        if (one_in(random, 4))
            add_plain(history, one_in(random, 8)   ? STEP_REOPEN
                               : one_in(random, 5) ? STEP_ABORT
                               : one_in(random, 3) ? STEP_WRITE
                                                   : STEP_COMMIT);
    }
}

/* A topic as producers write it: an entity stays in its partition, times grow with offsets. */
enum { MOST_RECORDS = 60 };

struct topic {
    struct history_step records[MODEL_PARTITIONS][MOST_RECORDS];
    int counts[MODEL_PARTITIONS];
    int partitions;
};

/* The same event or the same change once more, as producers repeat them: of the same version. */
static void repeat(struct history_step *record, const struct history_step *earlier, uint64_t *random)
{
    if (record->key != earlier->key || record->op != earlier->op || earlier->by_position)
        return;
    record->change = earlier->change;
    record->has_version = earlier->has_version;
    record->version = earlier->version;
    if (one_in(random, 2))
        record->event = earlier->event;
}

static void produce(struct topic *topic, uint64_t *random)
{
    struct history_step all[MOST_RECORDS];
    int64_t time = 1700000000000000, version = 100;
    int versioned = random_below(random, 2), count = 5 + random_below(random, MOST_RECORDS - 5);
    int ids = random_below(random, 2);
    *topic = (struct topic){.partitions = 1 + random_below(random, 3)};
    for (int i = 0; i < count; i++) {
        int key = random_below(random, MODEL_KEYS), partition = key % topic->partitions;
        int kind = random_below(random, 10);
        struct history_step record = {
            .kind = STEP_CHANGE,
            .op = kind < 7 ? UPSINK_UPSERT : UPSINK_DELETE,
            .by_position = kind >= 8,
            .key = key,
            .partition = partition,
            .offset = topic->counts[partition] * 3,
            .time = time += 1 + random_below(random, 3),
            .serial = i + 1,
        };
        /* Late ones, and ties. */
        version += random_below(random, 3);
        record.has_version = versioned && (!record.by_position || one_in(random, 4));
        record.version = record.has_version ? version - (one_in(random, 3) ? random_below(random, 6) : 0) : 0;
        if (ids && !record.by_position) {
            record.event = i + 1;
            record.change = one_in(random, 2) ? i + 1 : 0;
            if (i > 0 && one_in(random, 3))
                repeat(&record, &all[random_below(random, i)], random);
        }
        all[i] = topic->records[partition][topic->counts[partition]++] = record;
    }
}

struct delivery {
    int next[MODEL_PARTITIONS], committed[MODEL_PARTITIONS];
    int64_t generation[MODEL_PARTITIONS], floor;
};

static void deliver(struct history *history, const struct topic *topic, struct delivery *delivery,
                    uint64_t *random)
{
    int partition = random_below(random, topic->partitions);
    for (int n = 1 + random_below(random, 8); n > 0 && delivery->next[partition] < topic->counts[partition];
         n--) {
        int number = delivery->next[partition]++;
        struct history_step step = topic->records[partition][number];
        step.generation = delivery->generation[partition];
        step.floor = delivery->floor;
        add_step(history, step);
    }
}

static void settle(struct history *history, const struct topic *topic, struct delivery *delivery,
                   uint64_t *random)
{
    enum history_kind kind = one_in(random, 10) ? STEP_REOPEN : one_in(random, 3) ? STEP_ABORT : STEP_COMMIT;
    add_plain(history, kind);
    for (int p = 0; p < topic->partitions; p++) {
        if (kind == STEP_COMMIT)
            delivery->committed[p] = delivery->next[p];
        delivery->next[p] = delivery->committed[p];
    }
}

/* A redelivery; or a new generation, of one partition, or of all with the old fences void. */
static void step_back(const struct topic *topic, struct delivery *delivery, uint64_t *random)
{
    int partition = random_below(random, topic->partitions), kind = random_below(random, 4);
    int64_t newest = 0;
    for (int p = 0; p < topic->partitions; p++)
        newest = delivery->generation[p] > newest ? delivery->generation[p] : newest;
    for (int p = 0; p < topic->partitions; p++) {
        if (kind < 3 && p != partition)
            continue;
        delivery->next[p] = delivery->committed[p] =
            kind < 2 ? random_below(random, delivery->committed[p] + 1) : 0;
        if (kind < 2)
            continue;
        delivery->generation[p] = newest + 1;
    }
    if (kind == 3)
        delivery->floor = newest + 1;
}

static void generate_log(struct history *history, uint64_t *random)
{
    struct topic topic;
    struct delivery delivery = {.floor = 0};
    produce(&topic, random);
    for (int p = 0; p < MODEL_PARTITIONS; p++)
        delivery.generation[p] = 1;
    for (int turn = 0; turn < 40; turn++) {
        deliver(history, &topic, &delivery, random);
        if (one_in(random, 2)) {
            settle(history, &topic, &delivery, random);
            if (one_in(random, 4))
                step_back(&topic, &delivery, random);
        } else if (one_in(random, 3)) {
            add_plain(history, STEP_WRITE);
        }
    }
}

void history_generate(struct history *history, uint64_t seed)
{
    uint64_t random = seed * 0x2545f4914f6cdd1dULL + 1;
    *history = (struct history){.soft = one_in(&random, 3)};
    if (one_in(&random, 2)) {
        history->several_topics = one_in(&random, 3);
        generate_chaos(history, &random);
    } else {
        history->is_log = true;
        generate_log(history, &random);
    }
    add_plain(history, STEP_COMMIT);
}

void history_clear(struct history *history)
{
    free(history->steps);
    *history = (struct history){.steps = NULL};
}

static void print_change(const struct history_step *step)
{
    print_message("  %s key %d at %s/%d:%lld, time %lld, generation %lld, floor %lld",
                  step->op == UPSINK_UPSERT ? "upsert"
                  : step->by_position       ? "tombstone"
                                            : "delete",
                  step->key, topic_names[step->topic], (int)step->partition, (long long)step->offset,
                  (long long)step->time, (long long)step->generation, (long long)step->floor);
    if (step->has_version)
        print_message(", version %lld", (long long)step->version);
    if (step->event)
        print_message(", event %d", step->event);
    if (step->change)
        print_message(", change %d", step->change);
    print_message("\n");
}

void history_print(const struct history *history)
{
    static const char *const words[] = {"", "write", "commit", "abort", "reopen"};
    print_message("  (%s deletes, %s)\n", history->soft ? "soft" : "hard",
                  history->several_topics ? "several topics" : "one topic");
    for (size_t i = 0; i < history->count; i++)
        if (history->steps[i].kind == STEP_CHANGE)
            print_change(&history->steps[i]);
        else
            print_message("  %s\n", words[history->steps[i].kind]);
}
