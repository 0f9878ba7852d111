/* The framing that serializers with a schema registry put before a key or value: a zero byte and the schema's
 * id, big-endian (Confluent "wire format"). JSON never begins with a zero byte. */
#ifndef UPSINK_WIRE_FORMAT_H
#define UPSINK_WIRE_FORMAT_H

#include "slice.h"

/* How many bytes stand before the JSON: 5 or 0. */
static inline size_t wire_format_size(struct upsink_slice bytes)
{
    return bytes.len >= 5 && bytes.data[0] == '\0' ? 5 : 0;
}

#endif
