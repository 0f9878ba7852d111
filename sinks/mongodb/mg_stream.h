/* Connections whose waits the program can end early. libmongoc has no such thing of its own: a server that says nothing any
 * more would hold up the end of the program for the whole of the time limit. */
#ifndef UPSINK_MG_STREAM_H
#define UPSINK_MG_STREAM_H

#include "sinks/sink.h"

#include <mongoc/mongoc.h>

/* For mongoc_client_set_stream_initiator, with the sink's upsink_host, or NULL, as the context; it outlives the client. Makes
 * the stream that libmongoc would make. Answers to what was sent on it are not waited for once the program is stopping, longer
 * than a second; and no new stream is made then. */
mongoc_stream_t *mg_stream_open(const mongoc_uri_t *uri, const mongoc_host_list_t *address, void *host,
                                bson_error_t *error);

#endif
