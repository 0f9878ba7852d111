/* A message of librdkafka's as the decoder takes it. Borrows from the message. */
#ifndef UPSINK_MESSAGE_H
#define UPSINK_MESSAGE_H

#include "clock.h"
#include "schemas/mapping.h"

#include <librdkafka/rdkafka.h>

static inline struct upsink_slice message_header(const void *message, const char *name)
{
    rd_kafka_headers_t *headers;
    const void *value;
    size_t size;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_header_get_last(headers, name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return UPSINK_SLICE_ABSENT;
    return (struct upsink_slice){value, value ? size : 0};
}

/* `topic` is the caller's, so that it may outlive the message. */
static inline struct record message_record(const rd_kafka_message_t *message, struct upsink_slice topic)
{
    return (struct record){.key = {message->key, message->key_len},
                           .value = {message->payload, message->len},
                           .topic = topic,
                           .partition = message->partition,
                           .offset = message->offset,
                           .timestamp = clock_from_ms(rd_kafka_message_timestamp(message, NULL)),
                           .header = message_header,
                           .header_context = message};
}

#endif
