#include "tests/contract/model.h"

/* A measure: which of the two is newer by it. */
enum newer { NEITHER, THE_CHANGE, THE_KNOWN };

static enum newer compare(int64_t change, int64_t known)
{
    return change > known ? THE_CHANGE : change < known ? THE_KNOWN : NEITHER;
}

static bool same_place(const struct history_step *change, const struct model_entity *known)
{
    return change->topic == known->last.topic && change->partition == known->last.partition;
}

/* "A rebuild begins a new generation": within a partition the later one counts. */
static enum newer by_generation(const struct history_step *change, const struct model_entity *known)
{
    return same_place(change, known) ? compare(change->generation, known->last.generation) : NEITHER;
}

/* "By version where the view maps one"; a tombstone has none of its own. After a delete a version must
 * exceed. */
static enum newer by_version(const struct history_step *change, const struct model_entity *known)
{
    if (!change->has_version || change->by_position || !known->has_version)
        return NEITHER;
    enum newer newer = compare(change->version, known->version);
    return newer == NEITHER && !known->live ? THE_KNOWN : newer;
}

/* What was deleted stays deleted for whatever stands before the delete. */
static enum newer by_deletion(const struct history_step *change, const struct model_entity *known)
{
    return same_place(change, known) && !known->live && change->offset < known->last.offset ? THE_KNOWN
                                                                                            : NEITHER;
}

/* "Within a partition the offset", "another partition: the later record timestamp"; then anything fixed. */
static enum newer by_position(const struct history_step *change, const struct model_entity *known)
{
    if (same_place(change, known))
        return compare(change->offset, known->last.offset);
    if (change->time != known->last.time)
        return compare(change->time, known->last.time);
    if (change->partition != known->last.partition)
        return compare(change->partition, known->last.partition);
    int order = strcmp(topic_names[change->topic], topic_names[known->last.topic]);
    return order > 0 ? THE_CHANGE : THE_KNOWN;
}

static enum upsink_verdict judge(const struct history_step *change, const struct model_entity *known)
{
    enum newer newer = by_generation(change, known);
    if (newer == NEITHER && change->event && change->event == known->last.event)
        return UPSINK_DUPLICATE_EVENT;
    if (newer == NEITHER && change->change && change->change == known->last.change)
        return UPSINK_DUPLICATE_CHANGE;
    if (newer == NEITHER)
        newer = by_deletion(change, known);
    if (newer == NEITHER)
        newer = by_version(change, known);
    if (newer == NEITHER)
        newer = by_position(change, known);
    return newer == THE_CHANGE ? UPSINK_APPLIED : UPSINK_STALE;
}

enum upsink_verdict model_apply(struct model *model, const struct history_step *step)
{
    struct model_entity *known = &model->entities[step->key];
    bool is_void = !known->known || known->last.generation < step->floor;
    bool newer_generation = known->known && by_generation(step, known) == THE_CHANGE;
    enum upsink_verdict verdict = is_void ? UPSINK_APPLIED : judge(step, known);
    if (verdict != UPSINK_APPLIED)
        return verdict;
    /* "The fence keeps the highest version seen" through tombstones, within a generation. */
    bool keeps = step->by_position && !is_void && !newer_generation && known->has_version;
    if (!keeps || (step->has_version && step->version > known->version)) {
        known->has_version = step->has_version;
        known->version = step->has_version ? step->version : 0;
    }
    known->known = true;
    known->live = step->op == UPSINK_UPSERT;
    known->last = *step;
    if (known->live)
        known->serial = step->serial;
    return verdict;
}
