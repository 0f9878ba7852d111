/* The packed form of a fence, as Redis holds it and the scripts compare it. Pure.
 *
 * Fixed part, numbers big-endian; those of 64 bits have their sign bit turned, so that they compare as two
 * unsigned halves, which Lua's doubles hold exactly:
 *
 *    1  has a version    2  by position    3  deleted    4  generation (8)   12  partition (4)
 *   16  version (8)     24  hash of the event id (4)    28  hash of the change id (4); 0: none
 *   32  offset (8)      40  timestamp (8)    48  length of the topic (2)
 *   50  length of the event id plus one (4), 0: none    54  the same of the change id
 *   58  topic (only where the view has several), event id, change id, and to the end what rd_hash.h keeps
 *
 * (Places count from 1, as Lua's do.) The scripts know these places; see rd_script.c. */
#ifndef UPSINK_RD_FENCE_H
#define UPSINK_RD_FENCE_H

#include "buf.h"
#include "sinks/sink.h"

enum { RD_FENCE_FIXED = 57, RD_TOPIC_MOST = 65535 };

/* How long the fence of an applied change is, without what is kept at its end. */
size_t rd_fence_size(const struct upsink_change *change, bool several_topics);

/* Writes the fence of an applied change: rd_fence_size bytes. Its version is the change's own. */
void rd_fence_pack(char *out, const struct upsink_change *change, bool several_topics);

/* Reads a fence; its texts, and `rest`, point into the bytes. False where they are no fence. */
UPSINK_NODISCARD bool rd_fence_unpack(struct upsink_fence *fence, struct upsink_slice *rest,
                                      struct upsink_slice bytes);

/* Eight bytes that compare as the number does, for the scripts. */
void rd_pack_int64(char out[8], int64_t value);

#endif
