#include "mg_request.h"

#include "clock.h"

enum { STATEMENTS_MAX = 20000 };

static const char *list_name(const char *verb)
{
    return strcmp(verb, "insert") == 0 ? "documents" : strcmp(verb, "update") == 0 ? "updates" : "deletes";
}

static void begin(struct mg_request *request)
{
    struct upsink_sink *sink = request->sink;
    struct buf *command = &sink->command;
    bool rows = request->collection == sink->collection;
    buf_clear(command);
    request->whole = mg_open(command);
    mg_put_text(command, request->verb, upsink_slice_of(request->collection));
    mg_put_bool(command, "ordered", false);
    mg_put_write_concern(sink, command, MG_WEAK);
    /* So that no dropped collection comes to life again by a write. */
    if (rows && sink->guards)
        mg_put_uuid(command, "collectionUUID", sink->uuid);
    request->list = mg_open_named(command, MG_ARRAY, list_name(request->verb));
}

/* Names of fields and indexes only: the server's text quotes values. */
static void describe_error(const bson_t *error, struct mg_outcome *outcome)
{
    static const char rule[] = "errInfo.details.schemaRulesNotSatisfied.0.";
    bson_iter_t fields;
    char path[120];
    size_t used = 0;
    if (mg_reply_child(error, "keyPattern", &fields)) {
        while (bson_iter_next(&fields) && used < sizeof outcome->detail) {
            int len = snprintf(outcome->detail + used, sizeof outcome->detail - used, "%s%s",
                               used ? ", " : "unique index on ", bson_iter_key(&fields));
            used += len > 0 ? (size_t)len : 0;
        }
        return;
    }
    snprintf(path, sizeof path, "%spropertiesNotSatisfied.0.propertyName", rule);
    if (mg_reply_text(error, path, outcome->detail, sizeof outcome->detail))
        return;
    snprintf(path, sizeof path, "%smissingProperties.0", rule);
    mg_reply_text(error, path, outcome->detail, sizeof outcome->detail);
}

/* Older servers (before 4.4) tell the index in their text only. */
static bool is_of_id(const bson_t *error)
{
    bson_iter_t fields;
    char text[512];
    if (mg_reply_child(error, "keyPattern", &fields))
        return bson_iter_next(&fields) && strcmp(bson_iter_key(&fields), "_id") == 0 &&
               !bson_iter_next(&fields);
    return mg_reply_text(error, "errmsg", text, sizeof text) && strstr(text, " index: _id_ ");
}

static bool take_errors(struct mg_request *request, const bson_t *reply, struct upsink_error *err)
{
    bson_iter_t errors;
    if (!mg_reply_child(reply, "writeErrors", &errors))
        return true;
    while (bson_iter_next(&errors)) {
        const uint8_t *data = NULL;
        uint32_t len = 0;
        bson_t error;
        if (!BSON_ITER_HOLDS_DOCUMENT(&errors))
            return mg_fail_reply(request->sink, request->what, err);
        bson_iter_document(&errors, &len, &data);
        int64_t index = bson_init_static(&error, data, len) ? mg_reply_number(&error, "index", -1) : -1;
        if (index < 0 || index >= request->count || request->sink->numbers[index] == UINT32_MAX)
            return mg_fail_reply(request->sink, request->what, err);
        struct mg_outcome outcome = {.code = (int32_t)mg_reply_number(&error, "code", -1)};
        outcome.id_is_taken = outcome.code == MG_DUPLICATE_KEY && is_of_id(&error);
        describe_error(&error, &outcome);
        uint32_t number = request->sink->numbers[index];
        request->sink->numbers[index] = UINT32_MAX;
        if (!request->take(request, number, &outcome, err))
            return false;
    }
    return true;
}

static bool take_inserted(struct mg_request *request, const bson_t *reply, struct upsink_error *err)
{
    static const struct mg_outcome inserted = {.inserted = true};
    bson_iter_t list, one;
    if (!mg_reply_child(reply, "upserted", &list))
        return true;
    while (bson_iter_next(&list)) {
        int64_t index =
            bson_iter_recurse(&list, &one) && bson_iter_find(&one, "index") ? bson_iter_as_int64(&one) : -1;
        if (index < 0 || index >= request->count || request->sink->numbers[index] == UINT32_MAX)
            return mg_fail_reply(request->sink, request->what, err);
        uint32_t number = request->sink->numbers[index];
        request->sink->numbers[index] = UINT32_MAX;
        if (!request->take(request, number, &inserted, err))
            return false;
    }
    return true;
}

/* What was not reported is as it was asked for, or its condition did not hold and nothing changed: an update
 * says only how many changed. */
static bool take_rest(struct mg_request *request, const struct mg_outcome *outcome, struct upsink_error *err)
{
    for (uint32_t i = 0; i < request->count; i++)
        if (request->sink->numbers[i] != UINT32_MAX &&
            !request->take(request, request->sink->numbers[i], outcome, err))
            return false;
    return true;
}

static bool is_uncertain(const struct mg_request *request, const bson_t *reply)
{
    int64_t left = 0;
    for (uint32_t i = 0; i < request->count; i++)
        left += request->sink->numbers[i] != UINT32_MAX;
    return strcmp(request->verb, "update") == 0 && mg_reply_number(reply, "nModified", 0) != left;
}

static bool exchange(struct mg_request *request, struct upsink_error *err)
{
    bson_t reply;
    bool ok = mg_run(request->sink, request->what, &request->sink->command, &reply, err) &&
              take_errors(request, &reply, err) && take_inserted(request, &reply, err);
    if (ok) {
        struct mg_outcome rest = {.uncertain = is_uncertain(request, &reply)};
        ok = take_rest(request, &rest, err);
    }
    bson_destroy(&reply);
    return ok;
}

static bool send_command(struct mg_request *request, struct upsink_error *err)
{
    static const struct mg_outcome late = {.code = MG_UPDATE_CONFLICT};
    struct upsink_sink *sink = request->sink;
    if (!request->count)
        return true;
    mg_close(&sink->command, request->list);
    mg_close(&sink->command, request->whole);
    bool is_late = request->deadline_us && clock_monotonic_us() > request->deadline_us;
    bool ok = is_late ? take_rest(request, &late, err) : exchange(request, err);
    request->count = 0;
    return ok;
}

bool mg_request_add(struct mg_request *request, uint32_t number, const struct buf *statement,
                    struct upsink_error *err)
{
    struct buf *command = &request->sink->command;
    if (statement->failed)
        return mg_fail_memory(err);
    if (request->count &&
        (command->len + statement->len > MG_COMMAND_BYTES || request->count == STATEMENTS_MAX) &&
        !send_command(request, err))
        return false;
    if (!request->count)
        begin(request);
    mg_put_index(command, MG_DOCUMENT, request->count);
    buf_append(command, statement->data, statement->len);
    if (command->failed)
        return mg_fail_memory(err);
    request->sink->numbers[request->count++] = number;
    return true;
}

bool mg_request_finish(struct mg_request *request, struct upsink_error *err)
{
    return send_command(request, err);
}
