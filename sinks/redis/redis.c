/* Redis: a key for each entity, its fence elsewhere; both change in one script. */
#include "rd_sink.h"

#include <stdlib.h>

static void close_sink(struct upsink_sink *sink)
{
    if (!sink)
        return;
    rd_disconnect(sink);
    rd_forget_known(sink);
    rd_reply_free(&sink->row);
    rd_settings_clear(&sink->settings);
    rd_hash_destroy(&sink->hash);
    buf_destroy(&sink->out);
    buf_destroy(&sink->target_key);
    buf_destroy(&sink->view_key);
    buf_destroy(&sink->fences_key);
    buf_destroy(&sink->gone_key);
    buf_destroy(&sink->scratch);
    buf_destroy(&sink->seen);
    free(sink->known);
    free(sink->order);
    free(sink->slices);
    free(sink);
}

static bool open_sink(struct upsink_sink **opened, const struct upsink_view *view,
                      const struct upsink_host *host, struct upsink_error *err)
{
    struct upsink_sink *sink = calloc(1, sizeof *sink);
    *opened = NULL;
    if (!sink)
        return rd_fail_memory(err);
    sink->view = view;
    sink->host = host;
    sink->fd = -1;
    rd_hash_init(&sink->hash);
    if (!rd_settings_parse(&sink->settings, view, err)) {
        close_sink(sink);
        return false;
    }
    snprintf(sink->description, sizeof sink->description, "%s://%s prefix '%s'", sink->settings.url.scheme,
             sink->settings.address, sink->settings.prefix);
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
    if (sink->broken)
        rd_disconnect(sink);
}

static const char *const schemes[] = {"redis", "rediss", NULL};

static const struct upsink_option url_options[] = {
    {"prefix", "text", "the topic's name and a colon", "what the keys begin with, before the entity's key"},
    {"type", "json|hash", "json", "a string with the entity's JSON, or a hash of its top-level fields"},
    {"ca_file", "text", "the system's", "for rediss: the certificates to trust, PEM"},
    {"cert_file", "text", "", "for rediss: a certificate to show, PEM; with key_file"},
    {"key_file", "text", "", "for rediss: its private key, PEM"},
    {NULL, NULL, NULL, NULL},
};

static const struct upsink_option settings[] = {
    {"ttl", "duration", "0", "rows expire so long after their last change; 0: never"},
    {"fence_ttl", "duration", "30d",
     "for so long a late update can't bring a deleted entity back; 0: for ever"},
    {NULL, NULL, NULL, NULL},
};

UPSINK_EXPORT const struct upsink_sink_type upsink_sink = {
    .abi = UPSINK_SINK_ABI,
    .size = sizeof(struct upsink_sink_type),
    .name = "redis",
    .schemes = schemes,
    .summary = "Redis: a key with the JSON, or a hash, for each entity",
    .url_options = url_options,
    .settings = settings,
    .capabilities = UPSINK_KEEPS_POSITIONS | UPSINK_FENCED,
    .open = open_sink,
    .describe = describe,
    .prepare = rd_prepare,
    .claim = rd_claim,
    .write = rd_write,
    .commit = rd_commit,
    .abort = abort_sink,
    .read_row = rd_read_row,
    .close = close_sink,
};
