/* Who wins against what the store remembers: the rules by example. */
#ifndef UPSINK_CONTRACT_FENCE_H
#define UPSINK_CONTRACT_FENCE_H

#include "tests/contract/suite.h"

enum step_kind { UPSERT, DELETE, TOMBSTONE };

struct step {
    enum step_kind kind;
    int64_t offset;
    enum upsink_verdict expected;
    bool has_version;
    int64_t version;
    int32_t partition;
    int topic;
    int64_t time;              /* 0: follows from the offset */
    int64_t generation, floor; /* generation 0 stands for 1 */
    const char *event, *change;
};

enum { MOST_STEPS = 5 };

struct scenario {
    const char *says;
    bool several_topics;
    struct step steps[MOST_STEPS]; /* up to the first without a verdict */
    bool keeps_version;            /* what the fence holds at the end */
    int64_t version;
};

/* Each ends with a NULL `says`. */
extern const struct scenario position_scenarios[], version_scenarios[], generation_scenarios[],
    id_scenarios[];

#endif
