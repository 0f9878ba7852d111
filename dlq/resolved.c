#include "resolved.h"

#include <stdlib.h>

struct dlq_mark {
    struct dlq_position position;
    size_t sequence; /* the last one of a position counts */
    bool resolved;
};

void dlq_resolved_init(struct dlq_resolved *resolved)
{
    *resolved = (struct dlq_resolved){0};
}

void dlq_resolved_clear(struct dlq_resolved *resolved)
{
    free(resolved->marks);
    dlq_resolved_init(resolved);
}

static bool take_digits(struct upsink_slice *text, int64_t max, int64_t *number)
{
    size_t digits = 0;
    *number = 0;
    for (; digits < text->len && text->data[digits] >= '0' && text->data[digits] <= '9'; digits++)
        if (__builtin_mul_overflow(*number, 10, number) ||
            __builtin_add_overflow(*number, text->data[digits] - '0', number) || *number > max)
            return false;
    text->data += digits;
    text->len -= digits;
    return digits > 0;
}

bool dlq_position_parse(struct upsink_slice text, struct dlq_position *position)
{
    int64_t partition, offset;
    if (!text.data || !take_digits(&text, INT32_MAX, &partition) || text.len == 0 || *text.data != ':')
        return false;
    text.data++;
    text.len--;
    if (!take_digits(&text, INT64_MAX, &offset) || text.len != 0)
        return false;
    *position = (struct dlq_position){.partition = (int32_t)partition, .offset = offset};
    return true;
}

bool dlq_resolved_add(struct dlq_resolved *resolved, struct upsink_slice key, bool is_tombstone)
{
    struct dlq_position position;
    if (!dlq_position_parse(key, &position))
        return true;
    if (resolved->count == resolved->capacity) {
        size_t capacity = resolved->capacity ? resolved->capacity * 2 : 256;
        struct dlq_mark *marks = reallocarray(resolved->marks, capacity, sizeof *marks);
        if (!marks)
            return false;
        resolved->marks = marks;
        resolved->capacity = capacity;
    }
    resolved->marks[resolved->count] = (struct dlq_mark){position, resolved->count, !is_tombstone};
    resolved->count++;
    resolved->sorted = false;
    return true;
}

static int compare_positions(const struct dlq_position *a, const struct dlq_position *b)
{
    if (a->partition != b->partition)
        return a->partition < b->partition ? -1 : 1;
    return (a->offset > b->offset) - (a->offset < b->offset);
}

static int compare_marks(const void *a, const void *b)
{
    const struct dlq_mark *left = a, *right = b;
    int order = compare_positions(&left->position, &right->position);
    return order ? order : left->sequence < right->sequence ? -1 : 1;
}

bool dlq_resolved_has(struct dlq_resolved *resolved, int32_t partition, int64_t offset)
{
    struct dlq_position wanted = {.partition = partition, .offset = offset};
    if (!resolved->sorted && resolved->count)
        qsort(resolved->marks, resolved->count, sizeof *resolved->marks, compare_marks);
    resolved->sorted = true;
    /* The first mark behind the wanted position; the one before it is the last word on it, if any is. */
    size_t low = 0, high = resolved->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_positions(&resolved->marks[middle].position, &wanted) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && compare_positions(&resolved->marks[low - 1].position, &wanted) == 0 &&
           resolved->marks[low - 1].resolved;
}
