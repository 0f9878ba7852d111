/* MongoDB: a document for each entity, its fields at the top level. */
#include "mg_sink.h"

#include <pthread.h>
#include <stdlib.h>

static void start_library(void)
{
    mongoc_init();
    /* It would write to standard error. What goes wrong is in the errors. */
    mongoc_log_set_handler(NULL, NULL);
}

/* --- settings ------------------------------------------------------------------------------------------ */

static bool set_write_concern(struct upsink_sink *sink, const char *value, struct upsink_error *err)
{
    size_t digits = strspn(value, "0123456789");
    bool number = digits > 0 && value[digits] == '\0';
    if (!*value || strlen(value) >= sizeof sink->write_concern || (number && strtol(value, NULL, 10) < 1) ||
        (number && digits > 2) || *value == '-')
        return upsink_fail(
            err, UPSINK_ERR_CONFIG, "bad_setting",
            "mongodb.write_concern (w in the URL) has to be majority, a number of members from 1 to "
            "50, or a name of the replica set's own; without an acknowledgement nothing can be relied on");
    snprintf(sink->write_concern, sizeof sink->write_concern, "%s", value);
    return true;
}

static bool read_url_concern(struct upsink_sink *sink, struct upsink_error *err)
{
    const mongoc_write_concern_t *concern = mongoc_uri_get_write_concern(sink->url.uri);
    char number[16];
    const char *tag = mongoc_write_concern_get_wtag(concern);
    int32_t w = mongoc_write_concern_get_w(concern);
    if (w == MONGOC_WRITE_CONCERN_W_DEFAULT || mongoc_write_concern_get_wmajority(concern))
        return set_write_concern(sink, "majority", err);
    snprintf(number, sizeof number, "%d", (int)w);
    return set_write_concern(sink, tag ? tag : number, err);
}

static bool read_settings(struct upsink_sink *sink, struct upsink_error *err)
{
    const struct upsink_view *view = sink->view;
    if (!read_url_concern(sink, err))
        return false;
    for (size_t i = 0; i < view->setting_count; i++) {
        const struct upsink_setting *setting = &view->settings[i];
        bool good;
        if (strcmp(setting->name, "write_concern") == 0) {
            good = set_write_concern(sink, setting->value, err);
        } else if (strcmp(setting->name, "dates") == 0) {
            mg_dates_clear(&sink->dates);
            good = mg_dates_parse(&sink->dates, setting->value, err);
        } else {
            good = upsink_fail(err, UPSINK_ERR_CONFIG, "bad_setting",
                               "the sink mongodb has no setting '%.60s'; it has write_concern and dates",
                               setting->name);
        }
        if (!good)
            return false;
    }
    return true;
}

/* --- the name of the collection --------------------------------------------------------------------------
 */

static bool check_name(const struct upsink_sink *sink, const char *name, struct upsink_error *err)
{
    /* The longest name beside it is that of the delete fences; the server allows 255 bytes with the database.
     */
    size_t len = strlen(name) + strlen(sink->database) + strlen("._upsink_deleted_");
    if (*name && !strchr(name, '$') && strncmp(name, "system.", 7) != 0 &&
        strncmp(name, "_upsink_", 8) != 0 && *name != '.' && name[strlen(name) - 1] != '.' &&
        len < MG_NAME_MAX)
        return true;
    return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_target",
                       "the collection can't be \"%.80s\": a name has no $, does not begin with system. or "
                       "_upsink_, nor begin or end with "
                       "a dot, and has at most %d bytes together with the database's",
                       name, MG_NAME_MAX - (int)strlen("._upsink_deleted_") - 1);
}

static bool choose_name(struct upsink_sink *sink, struct upsink_error *err)
{
    const struct upsink_view *view = sink->view;
    const char *from_url = sink->url.collection;
    if (from_url && view->target)
        return upsink_fail(
            err, UPSINK_ERR_CONFIG, "target_twice",
            "view %s names its collection twice, in the sink URL and with `table`; leave one of "
            "them out",
            view->name);
    const char *name = from_url ? from_url : view->target ? view->target : view->default_target;
    if (!name)
        return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_target",
                           "view %s names no collection; give one with `table`", view->name);
    if (!check_name(sink, name, err))
        return false;
    snprintf(sink->collection, sizeof sink->collection, "%s", name);
    snprintf(sink->fences, sizeof sink->fences, "_upsink_deleted_%s", name);
    return true;
}

/* --- the life of a sink ------------------------------------------------------------------------------------
 */

static void close_sink(struct upsink_sink *sink)
{
    if (!sink)
        return;
    mg_disconnect(sink);
    mg_url_clear(&sink->url);
    mg_dates_clear(&sink->dates);
    mg_converter_destroy(&sink->converter);
    buf_destroy(&sink->statement);
    buf_destroy(&sink->command);
    buf_destroy(&sink->out);
    arena_destroy(&sink->arena);
    free(sink->items);
    free(sink->numbers);
    free(sink);
}

static bool open_sink(struct upsink_sink **opened, const struct upsink_view *view,
                      const struct upsink_host *host, struct upsink_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct upsink_sink *sink = calloc(1, sizeof *sink);
    *opened = NULL;
    if (!sink)
        return mg_fail_memory(err);
    pthread_once(&once, start_library);
    sink->view = view;
    sink->host = host;
    buf_init(&sink->statement);
    buf_init(&sink->command);
    buf_init(&sink->out);
    arena_init(&sink->arena, 0);
    if (!mg_url_parse(&sink->url, view->url, err))
        goto fail;
    sink->database = mongoc_uri_get_database(sink->url.uri);
    if (!read_settings(sink, err) || !choose_name(sink, err))
        goto fail;
    snprintf(sink->description, sizeof sink->description, "mongodb://%s/%.64s collection %s",
             sink->url.address, sink->database, sink->collection);
    *opened = sink;
    return true;
fail:
    close_sink(sink);
    return false;
}

static const char *describe(const struct upsink_sink *sink)
{
    return sink->description;
}

/* What was written stands, and coming again changes nothing. */
static void abort_sink(struct upsink_sink *sink)
{
    sink->unconfirmed = false;
    if (sink->broken)
        mg_disconnect(sink);
}

static const char *const schemes[] = {"mongodb", "mongodb+srv", NULL};

static const struct upsink_option url_options[] = {
    {"collection", "text", "the topic's name", "the collection"},
    {"replicaSet", "text", "", "and every other option of MongoDB's connection strings"},
    {NULL, NULL, NULL, NULL},
};

static const struct upsink_option settings[] = {
    {"write_concern", "text", "majority",
     "how many members confirm a write: majority, a number, or a name of the set's"},
    {"dates", "text", "", "JSON Pointers to the texts that become dates, separated by commas"},
    {NULL, NULL, NULL, NULL},
};

UPSINK_EXPORT const struct upsink_sink_type upsink_sink = {
    .abi = UPSINK_SINK_ABI,
    .size = sizeof(struct upsink_sink_type),
    .name = "mongodb",
    .schemes = schemes,
    .summary = "a MongoDB collection: a document for each entity",
    .url_options = url_options,
    .settings = settings,
    .capabilities = UPSINK_KEEPS_POSITIONS | UPSINK_FENCED,
    .open = open_sink,
    .describe = describe,
    .prepare = mg_prepare,
    .claim = mg_claim,
    .write = mg_write,
    .commit = mg_commit,
    .abort = abort_sink,
    .read_row = mg_read_row,
    .close = close_sink,
};
