/* Elasticsearch and OpenSearch: a document for each entity, its fields at the top level. */
#include "es_sink.h"

#include "schemas/base64.h"

#include <pthread.h>
#include <stdlib.h>

enum { CACHE_BYTES = 3 << 20 /* of each of two tables */ };

static void start_library(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* --- settings ----------------------------------------------------------------------------------------------
 */

static bool read_json(const char *name, const char *value, json_t **out, struct upsink_error *err)
{
    json_error_t error;
    json_decref(*out);
    *out = json_loads(value, JSON_REJECT_DUPLICATES, &error);
    return json_is_object(*out) ||
           upsink_fail(err, UPSINK_ERR_CONFIG, "bad_setting",
                       "elasticsearch.%s has to be a section of names with values, or a JSON object in "
                       "quotes, as in '{\"dynamic\": false}'",
                       name);
}

/* As it comes from the server (encoded), or id:key. */
static bool set_api_key(struct upsink_sink *sink, const char *key, struct upsink_error *err)
{
    static const char header[] = "Authorization: ApiKey ";
    struct upsink_slice text = upsink_slice_of(key);
    size_t len = sizeof header - 1 + BASE64_ENCODED_SIZE(text.len);
    bool plain = strchr(key, ':') != NULL;
    if (strpbrk(key, "\r\n") || !*key)
        return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_setting",
                           "elasticsearch.api_key is empty or has a line end in it; give it as the server "
                           "encoded it, or as id:key");
    free(sink->authorization);
    sink->authorization = calloc(1, len + 1);
    if (!sink->authorization)
        return es_fail_memory(err);
    memcpy(sink->authorization, header, sizeof header - 1);
    if (plain)
        base64_encode(text, sink->authorization + sizeof header - 1);
    else
        memcpy(sink->authorization + sizeof header - 1, key, text.len);
    return true;
}

static bool read_setting(struct upsink_sink *sink, const struct upsink_setting *setting,
                         struct upsink_error *err)
{
    if (strcmp(setting->name, "settings") == 0)
        return read_json("settings", setting->value, &sink->settings, err);
    if (strcmp(setting->name, "mappings") == 0)
        return read_json("mappings", setting->value, &sink->mappings, err);
    if (strcmp(setting->name, "api_key") == 0)
        return set_api_key(sink, setting->value, err);
    if (strcmp(setting->name, "ca_file") == 0) {
        sink->ca_file = setting->value;
        return true;
    }
    if (strcmp(setting->name, "alias") == 0) {
        sink->alias = setting->value;
        return es_name_check(setting->value, "elasticsearch.alias", ES_INDEX_MAX, err);
    }
    return upsink_fail(
        err, UPSINK_ERR_CONFIG, "bad_setting",
        "the sink elasticsearch has no setting '%.60s'; it has settings, mappings, alias, api_key "
        "and ca_file",
        setting->name);
}

static bool read_settings(struct upsink_sink *sink, struct upsink_error *err)
{
    for (size_t i = 0; i < sink->view->setting_count; i++)
        if (!read_setting(sink, &sink->view->settings[i], err))
            return false;
    if (json_object_get(json_object_get(sink->mappings, "properties"), "_upsink"))
        return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_setting",
                           "elasticsearch.mappings has a field _upsink, which is upsink's own; leave it out");
    if (sink->authorization && sink->url.user)
        return upsink_fail(
            err, UPSINK_ERR_CONFIG, "bad_setting",
            "there are a user in the sink URL and elasticsearch.api_key; leave one of them out");
    if (sink->ca_file && !sink->url.tls)
        return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_setting",
                           "elasticsearch.ca_file needs TLS: begin the sink URL with %.20s+https",
                           sink->url.url.scheme);
    return true;
}

/* --- the name of the index
 * ----------------------------------------------------------------------------------- */

static bool choose_name(struct upsink_sink *sink, struct upsink_error *err)
{
    const struct upsink_view *view = sink->view;
    const char *named = sink->url.index ? sink->url.index : view->target;
    if (sink->url.index && view->target)
        return upsink_fail(
            err, UPSINK_ERR_CONFIG, "target_twice",
            "view %s names its index twice, in the sink URL and with `table`; leave one of them "
            "out",
            view->name);
    if (named)
        snprintf(sink->name, sizeof sink->name, "%s", named);
    else
        es_name_from(view->default_target ? view->default_target : "", sink->name,
                     ES_INDEX_MAX - ES_PREFIX_MAX);
    return es_name_check(named ? named : sink->name, "the index (the path of the sink's URL, or `table`)",
                         ES_INDEX_MAX - ES_PREFIX_MAX, err);
}

/* --- the life of a sink
 * -------------------------------------------------------------------------------------- */

static void close_sink(struct upsink_sink *sink)
{
    if (!sink)
        return;
    es_disconnect(sink);
    es_url_clear(&sink->url);
    json_decref(sink->settings);
    json_decref(sink->mappings);
    if (sink->authorization)
        explicit_bzero(sink->authorization, strlen(sink->authorization));
    free(sink->authorization);
    es_cache_destroy(&sink->cache);
    buf_destroy(&sink->body);
    buf_destroy(&sink->answer);
    buf_destroy(&sink->text);
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
        return es_fail_memory(err);
    pthread_once(&once, start_library);
    sink->view = view;
    sink->host = host;
    sink->bulk_bytes = ES_BULK_BYTES;
    sink->request_max = 100 << 20;
    buf_init(&sink->body);
    buf_init(&sink->answer);
    buf_init(&sink->text);
    arena_init(&sink->arena, 0);
    es_cache_init(&sink->cache, CACHE_BYTES);
    if (!es_url_parse(&sink->url, view->url, err) || !read_settings(sink, err) || !choose_name(sink, err)) {
        close_sink(sink);
        return false;
    }
    snprintf(sink->description, sizeof sink->description, "%s index %s", sink->url.shown, sink->name);
    *opened = sink;
    return true;
}

static const char *describe(const struct upsink_sink *sink)
{
    return sink->description;
}

/* What was written stands, and coming again changes nothing. */
static void abort_sink(struct upsink_sink *sink)
{
    es_cache_clear(&sink->cache);
}

static const char *const schemes[] = {"elasticsearch", "elasticsearch+https", "opensearch",
                                      "opensearch+https", NULL};

static const struct upsink_option url_options[] = {
    {NULL, NULL, NULL, NULL},
};

static const struct upsink_option settings[] = {
    {"settings", "text", "", "settings of an index that is created: a section, or JSON in quotes"},
    {"mappings", "text", "", "its mappings, likewise"},
    {"alias", "text", "", "an alias for readers that the index gets"},
    {"api_key", "text", "", "instead of user and password: as the server encoded it, or id:key"},
    {"ca_file", "text", "the system's", "certificates of the authorities to trust (+https)"},
    {NULL, NULL, NULL, NULL},
};

UPSINK_EXPORT const struct upsink_sink_type upsink_sink = {
    .abi = UPSINK_SINK_ABI,
    .size = sizeof(struct upsink_sink_type),
    .name = "elasticsearch",
    .schemes = schemes,
    .summary = "an index of Elasticsearch or OpenSearch: a document for each entity",
    .url_options = url_options,
    .settings = settings,
    .capabilities = UPSINK_KEEPS_POSITIONS | UPSINK_FENCED,
    .open = open_sink,
    .describe = describe,
    .prepare = es_prepare,
    .claim = es_claim,
    .write = es_write,
    .commit = es_commit,
    .abort = abort_sink,
    .read_row = es_read_row,
    .close = close_sink,
};
