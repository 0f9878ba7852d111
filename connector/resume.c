#include "connector/resume.h"

#include <inttypes.h>
#include <stdlib.h>
#include <xxhash.h>

enum { DIGIT_BITS = 5, DIGIT_MORE = 1 << DIGIT_BITS, DIGIT_ZERO = '0' };

static size_t put_number(char *text, uint64_t number)
{
    size_t len = 0;
    for (; number >= DIGIT_MORE; number >>= DIGIT_BITS)
        text[len++] = (char)(DIGIT_ZERO + (int)(number % DIGIT_MORE) + DIGIT_MORE);
    text[len++] = (char)(DIGIT_ZERO + (int)number);
    return len;
}

/* Returns what follows the number; NULL: it is none. */
static const char *get_number(const char *text, int64_t *number)
{
    uint64_t sum = 0;
    for (int shift = 0; shift < 63; shift += DIGIT_BITS) {
        int digit = *text++ - DIGIT_ZERO;
        if (digit < 0 || digit >= 2 * DIGIT_MORE)
            return NULL;
        sum |= (uint64_t)(digit % DIGIT_MORE) << shift;
        *number = (int64_t)sum;
        if (digit < DIGIT_MORE)
            return sum <= INT64_MAX ? text : NULL;
    }
    return NULL;
}

/* As many as there is room for, the latest first. */
static void format_refused(const struct resume_note *note, char *text, size_t size)
{
    enum { SINCE_MAX = 24, NUMBER_MAX = 13 };
    const struct resume_refused *refused = &note->refused;
    char digits[RESUME_NOTE_SIZE];
    size_t len = 0;
    int64_t since = refused->since, last = note->mark.offset;
    for (uint32_t i = refused->count; i-- > 0;) {
        if (len + SINCE_MAX + NUMBER_MAX + sizeof " s= r=" > size) {
            since = refused->offsets[i] + 1;
            break;
        }
        len += put_number(digits + len, (uint64_t)(last - refused->offsets[i]));
        last = refused->offsets[i];
    }
    if (len || since)
        snprintf(text, size, " s=%" PRId64 " r=%.*s", since, (int)len, digits);
}

void resume_note_format(const struct resume_note *note, char text[RESUME_NOTE_SIZE])
{
    int len = snprintf(text, RESUME_NOTE_SIZE,
                       "upsink/1 g=%" PRId64 " f=%" PRId64 " n=%" PRId32 " o=%" PRId64 " t=%" PRId64
                       " h=%016" PRIx64 " c=%s",
                       note->generation, note->floor, note->partitions, note->mark.offset,
                       note->mark.timestamp_ms, note->mark.hash, note->cluster);
    format_refused(note, text + len, RESUME_NOTE_SIZE - (size_t)len);
}

/* One that can't be read says of nothing that it was applied. */
static void parse_refused(const char *text, struct resume_note *note)
{
    struct resume_refused *refused = &note->refused;
    int64_t offset = note->mark.offset, back;
    const char *digits = strstr(text, " r=");
    bool good = digits && sscanf(text, " s=%" SCNd64, &refused->since) == 1;
    for (digits += good ? 3 : 0; good && *digits; refused->count++) {
        digits = get_number(digits, &back);
        good = digits && back <= offset && refused->count < RESUME_REFUSED_MAX;
        if (good)
            refused->offsets[RESUME_REFUSED_MAX - 1 - refused->count] = offset -= back;
    }
    if (!good)
        *refused = (struct resume_refused){.since = note->mark.offset + 1};
    memmove(refused->offsets, refused->offsets + RESUME_REFUSED_MAX - refused->count,
            refused->count * sizeof *refused->offsets);
}

bool resume_note_parse(const char *text, size_t len, struct resume_note *note)
{
    char copy[RESUME_NOTE_SIZE];
    *note = (struct resume_note){.mark.offset = -1};
    if (!text || len >= sizeof copy)
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    char *refused = strstr(copy, " s=");
    if (refused)
        *refused = '\0';
    int fields = sscanf(copy,
                        "upsink/1 g=%" SCNd64 " f=%" SCNd64 " n=%" SCNd32 " o=%" SCNd64 " t=%" SCNd64
                        " h=%" SCNx64 " c=%63s",
                        &note->generation, &note->floor, &note->partitions, &note->mark.offset,
                        &note->mark.timestamp_ms, &note->mark.hash, note->cluster);
    if (fields < 6) {
        *note = (struct resume_note){.mark.offset = -1};
        return false;
    }
    if (refused) {
        *refused = ' ';
        parse_refused(refused, note);
    }
    return true;
}

void resume_note_refused(struct resume_note *note, int64_t offset)
{
    struct resume_refused *refused = &note->refused;
    if (refused->count && offset <= refused->offsets[refused->count - 1])
        return;
    if (refused->count == RESUME_REFUSED_MAX) {
        refused->since = refused->offsets[0] + 1;
        memmove(refused->offsets, refused->offsets + 1, --refused->count * sizeof *refused->offsets);
    }
    refused->offsets[refused->count++] = offset;
}

static int compare_offsets(const void *one, const void *other)
{
    const int64_t *a = one, *b = other;
    return (*a > *b) - (*a < *b);
}

void resume_note_cut(struct resume_note *note, int64_t next)
{
    struct resume_refused *refused = &note->refused;
    while (refused->count && refused->offsets[refused->count - 1] >= next)
        refused->count--;
}

bool resume_was_refused(const struct resume_note *note, int64_t offset)
{
    const struct resume_refused *refused = &note->refused;
    return offset < refused->since ||
           bsearch(&offset, refused->offsets, refused->count, sizeof offset, compare_offsets);
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
