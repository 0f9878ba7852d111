/* Where a partition goes on, and in which generation: one pure decision over everything that is known.
 *
 * The sink's position is the truth; the group's committed offset tells whether somebody moved it by hand
 * (ours carry the note below as metadata, Kafka's own tools leave none); the watermarks and the mark of the
 * last record tell whether the topic is still the one that was read. For sinks that keep no positions the
 * committed offset with its note stands in for the sink's position. */
#ifndef UPSINK_RESUME_H
#define UPSINK_RESUME_H

#include "error.h"
#include "slice.h"

#include <stdint.h>

#define RESUME_NOTE_SIZE   2048
#define RESUME_REFUSED_MAX 1000

/* The last record that was handled: what must still stand at its offset if the topic is the same. */
struct resume_mark {
    int64_t offset; /* -1: none */
    int64_t timestamp_ms;
    uint64_t hash; /* of key and value */
};

/* The records before the mark that were refused: what carries their ids again is no duplicate. Of those
 * before `since` it is not known any more. */
struct resume_refused {
    int64_t offsets[RESUME_REFUSED_MAX]; /* ascending */
    uint32_t count;
    int64_t since;
};

/* Kept in the sink's position and in the metadata of committed offsets, as text:
 * "upsink/1 g=2 f=1 n=4 o=41 t=1767225600000 h=00c0ffee00c0ffee c=CLUSTER", and " s=SINCE r=REFUSED" where
 * there are such: how far each lies before the one behind it, the last one before the mark, the last one
 * first, in digits of 5 bits, the lowest first, ASCII '0' and up; those of 32 and above are not the last of
 * their number. */
struct resume_note {
    int64_t generation, floor;
    int32_t partitions; /* that the topic had */
    struct resume_mark mark;
    char cluster[64];
    struct resume_refused refused;
};

void resume_note_format(const struct resume_note *note, char text[RESUME_NOTE_SIZE]);

/* false: not one of ours. */
bool resume_note_parse(const char *text, size_t len, struct resume_note *note);

/* `offset` is refused: later than any before, or one that is known already. */
void resume_note_refused(struct resume_note *note, int64_t offset);
/* Those from `next` on are tried again. */
void resume_note_cut(struct resume_note *note, int64_t next);
bool resume_was_refused(const struct resume_note *note, int64_t offset);

uint64_t resume_mark_hash(struct upsink_slice key, struct upsink_slice value);

struct resume_facts {
    bool sink_keeps;     /* the three below are the sink's */
    int64_t next_offset; /* -1: unknown */
    int64_t generation;  /* 0: none yet */
    int64_t floor;
    struct resume_note note; /* of the sink's position; generation 0: none */
    bool has_commit;
    int64_t commit_offset;
    bool commit_is_ours;
    struct resume_note commit_note; /* where it is ours */
    int64_t low, high;              /* watermarks: first offset, and one behind the last */
    const char *cluster;            /* id of the Kafka cluster now; "" unknown */
    bool from_latest;               /* where nothing is known, start at the end (auto.offset.reset=latest) */
    bool mark_differs;              /* the record at the mark is another one */
};

enum resume_reason {
    RESUME_FIRST, /* nothing known: a new view */
    RESUME_CONTINUE,
    RESUME_RESET_BACK, /* somebody set the group back */
    RESUME_SKIPPED,    /* somebody set the group forward */
    RESUME_REFILL,     /* the target lost what it had */
    RESUME_RECREATED,  /* the topic is another one */
    RESUME_GAP         /* refused: records that were never read are gone */
};

struct resume_plan {
    enum resume_reason reason;
    int64_t offset, generation, floor;
    bool check_mark;
};

struct resume_plan resume_decide(const struct resume_facts *facts);

/* A sentence for the log; for RESUME_GAP the error that stops the view. */
void resume_explain(const struct resume_facts *facts, const struct resume_plan *plan, const char *view,
                    const char *topic, int32_t partition, char *text, size_t size);

#endif
