#include "connector/resume.h"

#include <inttypes.h>
#include <xxhash.h>

void resume_note_format(const struct resume_note *note, char text[RESUME_NOTE_SIZE])
{
    snprintf(text, RESUME_NOTE_SIZE,
             "upsink/1 g=%" PRId64 " f=%" PRId64 " n=%" PRId32 " o=%" PRId64 " t=%" PRId64 " h=%016" PRIx64
             " c=%s",
             note->generation, note->floor, note->partitions, note->mark.offset, note->mark.timestamp_ms,
             note->mark.hash, note->cluster);
}

bool resume_note_parse(const char *text, size_t len, struct resume_note *note)
{
    char copy[RESUME_NOTE_SIZE];
    *note = (struct resume_note){.mark.offset = -1};
    if (!text || len >= sizeof copy)
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    int fields = sscanf(copy,
                        "upsink/1 g=%" SCNd64 " f=%" SCNd64 " n=%" SCNd32 " o=%" SCNd64 " t=%" SCNd64
                        " h=%" SCNx64 " c=%63s",
                        &note->generation, &note->floor, &note->partitions, &note->mark.offset,
                        &note->mark.timestamp_ms, &note->mark.hash, note->cluster);
    if (fields >= 6)
        return true;
    *note = (struct resume_note){.mark.offset = -1};
    return false;
}

uint64_t resume_mark_hash(struct upsink_slice key, struct upsink_slice value)
{
    uint64_t seed = key.data ? XXH3_64bits(key.data, key.len) : 1;
    return value.data ? XXH3_64bits_withSeed(value.data, value.len, seed) : seed;
}

static struct resume_plan begin_again(const struct resume_facts *facts, enum resume_reason reason,
                                      int64_t generation)
{
    return (struct resume_plan){
        .reason = reason, .offset = facts->low, .generation = generation, .floor = generation};
}

static int64_t clamp(const struct resume_facts *facts, int64_t offset)
{
    return offset < facts->low ? facts->low : offset > facts->high ? facts->high : offset;
}

/* Nothing says how far the target is. */
static struct resume_plan decide_unknown(const struct resume_facts *facts, int64_t generation)
{
    struct resume_plan plan = {.reason = generation ? RESUME_REFILL : RESUME_FIRST,
                               .offset = facts->low,
                               .generation = generation + 1,
                               .floor = generation + 1};
    if (facts->has_commit && !facts->commit_is_ours) {
        plan.offset = clamp(facts, facts->commit_offset);
        plan.reason = RESUME_RESET_BACK;
    } else if (plan.reason == RESUME_FIRST && facts->from_latest) {
        plan.offset = facts->high;
    }
    return plan;
}

struct resume_plan resume_decide(const struct resume_facts *facts)
{
    int64_t next = facts->next_offset, generation = facts->generation, floor = facts->floor;
    const struct resume_note *note = &facts->note;
    if (!facts->sink_keeps && facts->has_commit && facts->commit_is_ours) {
        next = facts->commit_offset;
        note = &facts->commit_note;
        generation = note->generation;
        floor = note->floor;
    } else if (!facts->sink_keeps && facts->has_commit) {
        return (struct resume_plan){RESUME_CONTINUE, clamp(facts, facts->commit_offset), 1, 1, false};
    }
    int64_t newest = facts->has_commit && facts->commit_is_ours && facts->commit_note.generation > generation
                         ? facts->commit_note.generation
                         : generation;
    if (next < 0)
        return decide_unknown(facts, newest);
    bool other_cluster = note->cluster[0] && facts->cluster[0] && strcmp(note->cluster, facts->cluster) != 0;
    if (facts->mark_differs || other_cluster || next > facts->high)
        return begin_again(facts, RESUME_RECREATED, newest + 1);
    if (facts->has_commit && !facts->commit_is_ours && facts->commit_offset < next)
        return (struct resume_plan){RESUME_RESET_BACK, clamp(facts, facts->commit_offset), newest + 1, floor,
                                    false};
    if (facts->has_commit && !facts->commit_is_ours && facts->commit_offset > next)
        return (struct resume_plan){RESUME_SKIPPED, clamp(facts, facts->commit_offset), generation, floor,
                                    false};
    if (next < facts->low)
        return (struct resume_plan){RESUME_GAP, next, generation, floor, false};
    bool check = note->mark.offset >= facts->low && note->mark.offset < next;
    return (struct resume_plan){RESUME_CONTINUE, next, generation, floor, check};
}

void resume_explain(const struct resume_facts *facts, const struct resume_plan *plan, const char *view,
                    const char *topic, int32_t partition, char *text, size_t size)
{
    switch (plan->reason) {
    case RESUME_FIRST:
        snprintf(text, size, "partition starts for the first time");
        break;
    case RESUME_CONTINUE:
        snprintf(text, size, "partition goes on where it stopped");
        break;
    case RESUME_RESET_BACK:
        snprintf(text, size,
                 "the offsets of group upsink-%s were set by hand to %" PRId64
                 ": a new generation replays from there",
                 view, facts->commit_offset);
        break;
    case RESUME_SKIPPED:
        snprintf(text, size,
                 "the offsets of group upsink-%s were set forward by hand from %" PRId64 " to %" PRId64
                 ": the records between are skipped",
                 view, facts->next_offset, facts->commit_offset);
        break;
    case RESUME_REFILL:
        snprintf(text, size, "the target lost what it held: a new generation fills it from the beginning");
        break;
    case RESUME_RECREATED:
        snprintf(text, size,
                 "the topic is not the one that was read before (%s): a new generation reads it from the "
                 "beginning; rows of "
                 "entities that it no longer has stay until the target is emptied",
                 facts->mark_differs                ? "another record stands where the last one was read"
                 : facts->next_offset > facts->high ? "it ends before the offset that was reached"
                                                    : "another cluster id");
        break;
    case RESUME_GAP:
        snprintf(text, size,
                 "topic %s partition %" PRId32 ": records %" PRId64 " to %" PRId64
                 " were deleted from the topic before they were read, so the view may miss updates and "
                 "deletes. Empty the "
                 "target (drop or truncate it) and start again to fill it anew; or accept the loss with "
                 "kafka-consumer-groups --group upsink-%s --topic %s:%" PRId32
                 " --reset-offsets --to-earliest --execute",
                 topic, partition, plan->offset, facts->low - 1, view, topic, partition);
        break;
    }
}
