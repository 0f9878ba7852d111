/* The members of the objects that are being written, so that of a name that stands twice the last one counts.
 *
 * The list is a stack: the members of an inner object stand behind those of the outer one, from `base` on. It
 * keeps its memory from one entity to the next. */
#ifndef UPSINK_MG_MEMBERS_H
#define UPSINK_MG_MEMBERS_H

#include "buf.h"

#include <stdint.h>

#define MG_MEMBER_DROPPED UINT32_MAX

struct mg_member {
    uint32_t hash;
    uint32_t name_len; /* MG_MEMBER_DROPPED: to be taken out */
    size_t at;         /* of its type byte in the output; the name follows */
};

struct mg_members {
    struct mg_member *items;
    size_t count, capacity;
    struct mg_member *sorted;
    size_t sorted_capacity;
};

void mg_members_clear(struct mg_members *members);

/* The element at that place of the output, whose name is complete. False when out of memory. */
UPSINK_NODISCARD bool mg_members_add(struct mg_members *members, const struct buf *out, size_t at,
                                     size_t name_len);
/* Of members with one name the last stays, in the list and in the output, which ends with the last of them.
 * False when out of memory. */
UPSINK_NODISCARD bool mg_members_settle(struct mg_members *members, struct buf *out, size_t base);
/* Takes the marked members out of the list and the output. */
void mg_members_drop(struct mg_members *members, struct buf *out, size_t base);

#endif
