/* The configuration: flags, YAML, environment and --set, checked strictly, in one plain structure.
 *
 * Owned by the caller of config_load; immutable after that. All texts are NUL-terminated, live as long as the
 * configuration, and may hold secrets: kafka values, urls and tokens are never logged as they are. */
#ifndef UPSINK_CONFIG_H
#define UPSINK_CONFIG_H

#include "error.h"
#include "schemas/mapping.h"
#include "sinks/sink.h"

enum on_error { ON_ERROR_DLQ, ON_ERROR_STOP, ON_ERROR_SKIP };

struct config_property {
    const char *name, *value;
};

struct view_config {
    const char *name;
    const char *group;         /* "upsink-<name>" */
    const char *const *topics; /* names, or one ^regex */
    size_t topic_count;
    const char *topic_text; /* as in struct upsink_view */
    const char *url;
    const char *target;         /* `table`; NULL where not given */
    const char *default_target; /* the first topic's name as one identifier */
    struct mapping_spec mapping;
    bool create;
    size_t batch_max_records, batch_max_bytes;
    int64_t batch_linger_us;
    int64_t retry_initial_us, retry_max_us;
    int64_t timeout_us;
    enum on_error on_error;
    const char *dlq_topic;                 /* "<topic>.dlq" by default; with several topics "<view>.dlq" */
    double dlq_stop_above;                 /* a share, 0..1; negative: off */
    size_t dedup_window;                   /* records per partition */
    const struct upsink_setting *settings; /* the section named like the sink's kind */
    size_t setting_count;
    const char *settings_place; /* "upsink.yaml:12"; NULL: there is no such section */
};

struct config {
    const struct config_property *kafka; /* bootstrap.servers and any librdkafka property */
    size_t kafka_count;
    const char *http_listen; /* "127.0.0.1:9464"; "" turns it off */
    bool http_listen_given;
    const char *http_token; /* NULL: none */
    enum upsink_log_level log_level;
    bool log_json;
    const struct view_config *views;
    size_t view_count;
    void *memory; /* owner of all texts */
};

/* One thing given on the command line, in order of precedence: later ones win; flags win over the
 * environment, the environment over the file. `origin` names it in messages ("--sink", "--set",
 * "UPSINK_LOG__LEVEL"). */
struct config_override {
    const char *path;  /* dotted: "views.orders.batch.max_records" */
    const char *value; /* as it is, ${...} expanded; where a list is taken, [a, b] is one */
    const char *origin;
};

struct config_request {
    const char *file;                          /* NULL: flags alone; "-": standard input */
    const char *brokers, *topic, *sink, *name; /* flags; NULL where not given */
    const struct config_override *overrides;
    size_t override_count;
    const char *const *views; /* --view NAME...: only these; none: all */
    size_t view_name_count;
    char *const *environment; /* environ */
};

/* NULL with UPSINK_ERR_CONFIG; the text starts with file:line where there is a file. */
UPSINK_NODISCARD struct config *config_load(const struct config_request *request, struct upsink_error *err);
void config_destroy(struct config *config);

#endif
