/* Tells the envelopes apart, and opens them: CloudEvents 1.0 in structured mode (JSON event format 1.0.2) and
 * in Kafka's binary mode (Kafka protocol binding 1.0.2, section 3.2), the canonical envelope, or none. */
#ifndef UPSINK_ENVELOPE_H
#define UPSINK_ENVELOPE_H

#include "mapping_inside.h"

/* By the headers alone: sets the shape to binary or structured where they say so, and a binary event's type.
 */
void envelope_read_headers(struct decoding *d);

/* Scans the value, which is there, and fills d->values; tells the shape and the type where the headers did
 * not. Rejects what is not JSON. */
void envelope_read_value(struct decoding *d);

/* Rejects a CloudEvent without its required attributes, and a record without the envelope that the view
 * names; opens data_base64. */
void envelope_check(struct decoding *d);

/* Whether the event is without a value, as binary CloudEvents may be: no bytes at all. */
bool envelope_is_empty(const struct decoding *d);

/* Where the entity stands; the pointer to it for messages in *pointer. */
const struct json_value *envelope_entity(const struct decoding *d, const char **pointer);

#endif
