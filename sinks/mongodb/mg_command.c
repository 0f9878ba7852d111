#include "mg_sink.h"

#include <stdlib.h>

/* --- errors ------------------------------------------------------------------------------------- */

bool mg_fail_memory(struct upsink_error *err)
{
    return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory",
                       "no memory to write to MongoDB; lower batch.max_bytes");
}

bool mg_fail_lost(struct upsink_sink *sink, struct upsink_error *err)
{
    sink->ready = false;
    return upsink_fail(err, UPSINK_ERR_TARGET_LOST, "target_lost",
                       "%s is not what it was: it was dropped, renamed, replaced or emptied",
                       sink->description);
}

bool mg_fail_reply(const struct upsink_sink *sink, const char *what, struct upsink_error *err)
{
    return upsink_fail(err, UPSINK_ERR_UNKNOWN, "sink_error",
                       "can't %s %s: its answer is not one that MongoDB gives", what, sink->description);
}

bool mg_fail_code(const struct upsink_sink *sink, const char *what, int32_t code, struct upsink_error *err)
{
    struct mg_meaning meaning = mg_code_meaning(code);
    if (meaning.cls == UPSINK_ERR_RECORD)
        meaning = (struct mg_meaning){UPSINK_ERR_UNKNOWN, "sink_error", meaning.hint};
    upsink_fail(err, meaning.cls, meaning.code, "can't %s %s: %s", what, sink->description, meaning.hint);
    upsink_error_detail(err, "MongoDB error %d", (int)code);
    return false;
}

/* libmongoc keeps to itself that a server is of another set than the URL names. */
static void tell_what_to_look_for(const char *set, struct upsink_error *err)
{
    if (set)
        upsink_error_detail(
            err,
            "is mongod running there, is %s (replicaSet in the URL) the name of its replica set, "
            "and does that have a primary?",
            set);
    else
        upsink_error_detail(err, "is mongod running there, and does the replica set have a primary?");
}

/* The text is libmongoc's own: addresses and system errors, never documents. */
static bool fail_connection(struct upsink_sink *sink, const char *what, const bson_error_t *error,
                            struct upsink_error *err)
{
    sink->broken = true;
    const char *code = "sink_unreachable";
    enum upsink_error_class cls = UPSINK_ERR_OUTAGE;
    bool timed_out = strstr(error->message, "timeout") || strstr(error->message, "timed out");
    bool auth = error->code == MONGOC_ERROR_CLIENT_AUTHENTICATE || error->domain == MONGOC_ERROR_SCRAM ||
                error->domain == MONGOC_ERROR_SASL || strstr(error->message, "uthentication failed");
    if (auth) {
        code = "credentials_refused";
        cls = UPSINK_ERR_REFUSED;
    } else if (error->domain == MONGOC_ERROR_STREAM && error->code == MONGOC_ERROR_STREAM_SOCKET) {
        code = "sink_timeout"; /* libmongoc tells a silent peer and a closed connection alike */
        timed_out = true;
    }
    upsink_fail(
        err, cls, code, "can't %s %s: %s%s", what, sink->description, error->message,
        auth ? "; correct user and password, or name their database in the URL, as in authSource=admin" : "");
    if (!timed_out && strstr(error->message, "No suitable servers"))
        tell_what_to_look_for(mongoc_uri_get_replica_set(sink->url.uri), err);
    return false;
}

static bool is_of_connection(const bson_error_t *error)
{
    return error->domain == MONGOC_ERROR_STREAM || error->domain == MONGOC_ERROR_SERVER_SELECTION ||
           error->domain == MONGOC_ERROR_CLIENT || error->domain == MONGOC_ERROR_SCRAM ||
           error->domain == MONGOC_ERROR_SASL || error->domain == MONGOC_ERROR_PROTOCOL;
}

/* The server's own text may quote documents: only the code is passed on. */
static bool fail_command(struct upsink_sink *sink, const char *what, const bson_t *reply,
                         const bson_error_t *error, struct upsink_error *err)
{
    int64_t code = mg_reply_number(reply, "code", 0);
    char name[64] = "";
    if (is_of_connection(error))
        return fail_connection(sink, what, error, err);
    if (code == 0)
        code = mg_reply_number(reply, "writeConcernError.code", error->code);
    mg_fail_code(sink, what, (int32_t)code, err);
    if (mg_reply_text(reply, "codeName", name, sizeof name))
        upsink_error_detail(err, "MongoDB error %d %s", (int)code, name);
    if (err->cls == UPSINK_ERR_TARGET_LOST)
        sink->ready = false;
    /* A server that steps down or stops is looked for anew. */
    if (err->cls == UPSINK_ERR_OUTAGE || err->cls == UPSINK_ERR_REFUSED)
        sink->broken = true;
    return false;
}

/* --- replies ------------------------------------------------------------------------------------- */

int64_t mg_reply_number(const bson_t *reply, const char *path, int64_t fallback)
{
    bson_iter_t iter, found;
    if (!bson_iter_init(&iter, reply) || !bson_iter_find_descendant(&iter, path, &found) ||
        !BSON_ITER_HOLDS_NUMBER(&found))
        return fallback;
    return bson_iter_as_int64(&found);
}

bool mg_reply_text(const bson_t *reply, const char *path, char *out, size_t size)
{
    bson_iter_t iter, found;
    if (!bson_iter_init(&iter, reply) || !bson_iter_find_descendant(&iter, path, &found) ||
        !BSON_ITER_HOLDS_UTF8(&found))
        return false;
    snprintf(out, size, "%s", bson_iter_utf8(&found, NULL));
    return true;
}

bool mg_reply_child(const bson_t *reply, const char *path, bson_iter_t *child)
{
    bson_iter_t iter, found;
    return bson_iter_init(&iter, reply) && bson_iter_find_descendant(&iter, path, &found) &&
           (BSON_ITER_HOLDS_DOCUMENT(&found) || BSON_ITER_HOLDS_ARRAY(&found)) &&
           bson_iter_recurse(&found, child);
}

bool mg_reply_uuid(const bson_iter_t *value, uint8_t uuid[16])
{
    bson_subtype_t subtype;
    uint32_t len = 0;
    const uint8_t *bytes = NULL;
    if (!BSON_ITER_HOLDS_BINARY(value))
        return false;
    bson_iter_binary(value, &subtype, &len, &bytes);
    if (len != 16)
        return false;
    memcpy(uuid, bytes, 16);
    return true;
}

int32_t mg_reply_write_error(const bson_t *reply)
{
    bson_iter_t errors, error;
    if (!mg_reply_child(reply, "writeErrors", &errors) || !bson_iter_next(&errors) ||
        !bson_iter_recurse(&errors, &error))
        return 0;
    return bson_iter_find(&error, "code") ? (int32_t)bson_iter_as_int64(&error) : -1;
}

/* --- commands ------------------------------------------------------------------------------------ */

void mg_put_write_concern(const struct upsink_sink *sink, struct buf *command, enum mg_strength strength)
{
    char *end;
    size_t at = mg_open_named(command, MG_DOCUMENT, "writeConcern");
    long nodes = strtol(sink->write_concern, &end, 10);
    if (strength == MG_WEAK && sink->relaxed)
        mg_put_int32(command, "w", 1);
    else if (*end == '\0')
        mg_put_int32(command, "w", (int32_t)nodes);
    else
        mg_put_text(command, "w", upsink_slice_of(sink->write_concern));
    mg_put_int64(command, "wtimeout", upsink_view_timeout_us(sink->view) / CLOCK_MS);
    mg_close(command, at);
}

/* What is judged by must not vanish with the next primary; but where mg_confirm makes it safe, the newest is
 * wanted. */
void mg_put_read_concern(const struct upsink_sink *sink, struct buf *command)
{
    size_t at = mg_open_named(command, MG_DOCUMENT, "readConcern");
    bool safe = sink->relaxed || strcmp(sink->write_concern, "majority") != 0;
    mg_put_text(command, "level", upsink_slice_of(safe ? "local" : "majority"));
    mg_close(command, at);
}

void mg_put_uuid(struct buf *command, const char *name, const uint8_t uuid[16])
{
    mg_put_name(command, MG_BINARY, name);
    mg_put_int32_raw(command, 16);
    buf_append_byte(command, 4); /* the subtype for UUIDs */
    buf_append(command, uuid, 16);
}

bool mg_run(struct upsink_sink *sink, const char *what, const struct buf *command, bson_t *reply,
            struct upsink_error *err)
{
    bson_t document;
    bson_error_t error = {0};
    bson_init(reply);
    if (command->failed)
        return mg_fail_memory(err);
    if (!sink->client || sink->broken)
        return upsink_fail(err, UPSINK_ERR_OUTAGE, "sink_unreachable", "can't %s %s: there is no connection",
                           what, sink->description);
    if (!bson_init_static(&document, (const uint8_t *)command->data, command->len))
        return upsink_fail(err, UPSINK_ERR_FATAL, "broken_invariant", "%s: a command is not BSON",
                           sink->description);
    bson_destroy(reply);
    if (!mongoc_client_command_simple(sink->client, sink->database, &document, NULL, reply, &error))
        return fail_command(sink, what, reply, &error, err);
    int64_t code = mg_reply_number(reply, "writeConcernError.code", 0);
    if (code != 0)
        return mg_fail_code(sink, what, (int32_t)code, err);
    if (!sink->relaxed || mg_reply_number(reply, "opTime.t", sink->term) == sink->term)
        return true;
    sink->broken = true;
    return upsink_fail(err, UPSINK_ERR_OUTAGE, "sink_unavailable",
                       "%s got another primary in the middle of a batch, which is written again",
                       sink->description);
}

/* --- the connection ------------------------------------------------------------------------------ */

static void set_timeout(mongoc_uri_t *uri, const char *option, int64_t ms)
{
    if (!mongoc_uri_has_option(uri, option))
        mongoc_uri_set_option_as_int32(uri, option, (int32_t)(ms < 1 ? 1 : ms > INT32_MAX ? INT32_MAX : ms));
}

static void set_defaults(struct upsink_sink *sink)
{
    mongoc_uri_t *uri = sink->url.uri;
    int64_t ms = upsink_view_timeout_us(sink->view) / CLOCK_MS;
    /* The server may wait for its majority as long as we wait for the server: let it answer first. */
    set_timeout(uri, MONGOC_URI_SOCKETTIMEOUTMS, ms + 1000);
    set_timeout(uri, MONGOC_URI_CONNECTTIMEOUTMS, ms < 10000 ? ms : 10000);
    set_timeout(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, ms < 10000 ? ms : 10000);
    if (!mongoc_uri_get_appname(uri))
        mongoc_uri_set_appname(uri, "upsink");
}

/* Servers from 6.0 on (wire version 17) compare UUIDs themselves. */
static bool ask_version(struct upsink_sink *sink, struct upsink_error *err)
{
    bson_t reply;
    buf_clear(&sink->command);
    size_t at = mg_open(&sink->command);
    mg_put_int32(&sink->command, "isMaster", 1);
    mg_close(&sink->command, at);
    bool done = mg_run(sink, "connect to", &sink->command, &reply, err);
    if (done)
        sink->guards = mg_reply_number(&reply, "maxWireVersion", 0) >= 17;
    bson_destroy(&reply);
    return done;
}

bool mg_connect(struct upsink_sink *sink, struct upsink_error *err)
{
    bson_error_t error;
    if (sink->broken)
        mg_disconnect(sink);
    if (sink->client)
        return true;
    set_defaults(sink);
    sink->client = mongoc_client_new_from_uri_with_error(sink->url.uri, &error);
    if (!sink->client)
        return upsink_fail(err, UPSINK_ERR_OUTAGE, "sink_unreachable", "can't reach %s: %s",
                           sink->description, error.message);
    mongoc_client_set_error_api(sink->client, MONGOC_ERROR_API_VERSION_2);
    if (ask_version(sink, err))
        return true;
    mg_disconnect(sink);
    return false;
}

void mg_disconnect(struct upsink_sink *sink)
{
    if (sink->client) {
        /* Or it would tell the server which sessions are over, and wait for the answer: the server forgets
         * them by itself, and may be silent. */
        mongoc_client_reset(sink->client);
        mongoc_client_destroy(sink->client);
    }
    sink->client = NULL;
    sink->broken = false;
    sink->ready = false;
}

bool mg_check_ready(struct upsink_sink *sink, struct upsink_error *err)
{
    if (sink->client && !sink->broken && sink->ready)
        return true;
    return upsink_fail(err, UPSINK_ERR_OUTAGE, "sink_unreachable", "%s has to be prepared first",
                       sink->description);
}
