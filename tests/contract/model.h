/* What a view must hold, told a second time: written from the rules in words (the manual's "Order,
 * duplicates, staleness"), as a list of measures asked one after the other, and on purpose without
 * upsink_fence_judge. And random histories to try it on. */
#ifndef UPSINK_CONTRACT_MODEL_H
#define UPSINK_CONTRACT_MODEL_H

#include "tests/contract/suite.h"

enum { MODEL_KEYS = 6, MODEL_PARTITIONS = 4 };

enum history_kind { STEP_CHANGE, STEP_WRITE, STEP_COMMIT, STEP_ABORT, STEP_REOPEN };

/* One step of a history. Small numbers stand for texts; 0 stands for "none" in ids. */
struct history_step {
    enum history_kind kind;
    enum upsink_op op;
    bool by_position, has_version;
    int key, topic, event, change;
    int32_t partition;
    int64_t offset, time, generation, floor, version;
    int serial; /* tells entities apart */
};

struct history {
    struct history_step *steps;
    size_t count, capacity;
    bool several_topics;
    bool soft;   /* soft deletes */
    bool is_log; /* records of a topic, in its order, some of them again: those must change nothing */
};

/* Everything about the history follows from the seed. To be given to history_clear. */
void history_generate(struct history *history, uint64_t seed);
void history_clear(struct history *history);
void history_print(const struct history *history);

/* Random numbers that are the same everywhere. */
uint64_t random_next(uint64_t *state);
int random_below(uint64_t *state, int bound);

/* What is known of one entity. */
struct model_entity {
    bool known, live;
    bool has_version;
    int64_t version;
    struct history_step last; /* the change that stands */
    int serial;               /* of the entity that was written last, also after a soft delete; 0: none */
};

struct model {
    struct model_entity entities[MODEL_KEYS];
};

/* The verdict that the store must give; takes the change in where it is APPLIED. */
enum upsink_verdict model_apply(struct model *model, const struct history_step *step);

#endif
