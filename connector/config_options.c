#include "config_options.h"

#include "connector/config.h"

#define INTO(s, member) .offset = offsetof(struct s, member), .size = sizeof(((struct s *)0)->member)

#define MILLISECOND 1000LL
#define SECOND      1000000LL
#define HOUR        (3600 * SECOND)
#define KIB         1024LL
#define GIB         (1024 * 1024 * KIB)

static const struct config_option http_options[] = {
    {.name = "listen",
     .type = OPTION_TEXT,
     .fallback = "127.0.0.1:9464",
     INTO(config, http_listen),
     .help = "Host and port of health and metrics, or off; beyond loopback a token is needed"},
    {.name = "token",
     .type = OPTION_TEXT,
     .secret = true,
     INTO(config, http_token),
     .help = "Kept for the HTTP API, which this version does not have yet"},
    {0},
};

static const struct config_option log_options[] = {
    {.name = "level",
     .type = OPTION_WORD,
     .words = "debug|info|warn|error",
     .fallback = "info",
     INTO(config, log_level),
     .synonyms = "verbosity",
     .help = "Lines below this level are not written"},
    {.name = "format",
     .type = OPTION_WORD,
     .words = "text|json",
     .fallback = "text",
     INTO(config, log_json),
     .help = "key=value text, or one JSON object a line"},
    {0},
};

static const struct config_option key_options[] = {
    {.name = "format",
     .type = OPTION_WORD,
     .words = "string|json|int32|int64|uuid|bytes",
     .later = "avro|protobuf",
     .fallback = "string",
     INTO(view_config, mapping.key_format),
     .help = "How message keys are encoded"},
    {.name = "field",
     .type = OPTION_POINTER,
     INTO(view_config, mapping.key_field),
     .help = "A field of the value is the entity key; tombstones still use the message key"},
    {0},
};

static const struct config_option value_options[] = {
    {.name = "format",
     .type = OPTION_WORD,
     .words = "auto|json",
     .later = "avro|protobuf",
     .fallback = "auto",
     INTO(view_config, mapping.value_format),
     .help = "How message values are encoded"},
    {0},
};

static const struct config_option delete_when_options[] = {
    {.name = "type",
     .type = OPTION_TEXTS,
     INTO(view_config, mapping.delete_types),
     .more_offset = offsetof(struct view_config, mapping.delete_type_count),
     .help = "Events of this type (or of one of these types) delete the entity"},
    {.name = "field",
     .type = OPTION_POINTER,
     INTO(view_config, mapping.delete_field),
     .help = "A record deletes the entity where this field equals the value of `equals`"},
    {.name = "equals",
     .type = OPTION_LITERAL,
     INTO(view_config, mapping.delete_equals),
     .help = "The value of `field` that deletes: a text, a number, true, false or null"},
    {0},
};

static const struct config_option batch_options[] = {
    {.name = "max_records",
     .type = OPTION_INTEGER,
     .fallback = "10000",
     .least = 1,
     .most = 1000000,
     INTO(view_config, batch_max_records),
     .synonyms = "size|batch_size",
     .help = "At most so many records are written at once"},
    {.name = "max_bytes",
     .type = OPTION_SIZE,
     .fallback = "16MiB",
     .least = KIB,
     .most = GIB,
     INTO(view_config, batch_max_bytes),
     .help = "At most so many bytes are written at once (a larger record alone)"},
    {.name = "linger",
     .type = OPTION_DURATION,
     .fallback = "50ms",
     .least = 0,
     .most = 60 * SECOND,
     INTO(view_config, batch_linger_us),
     .help = "A batch that is not full waits at most so long for more"},
    {0},
};

static const struct config_option retry_options[] = {
    {.name = "initial",
     .type = OPTION_DURATION,
     .fallback = "100ms",
     .least = MILLISECOND,
     .most = HOUR,
     INTO(view_config, retry_initial_us),
     .synonyms = "min",
     .help = "During an outage: the first wait; it doubles, with jitter"},
    {.name = "max",
     .type = OPTION_DURATION,
     .fallback = "30s",
     .least = MILLISECOND,
     .most = HOUR,
     INTO(view_config, retry_max_us),
     .help = "During an outage: the longest wait between two attempts"},
    {0},
};

static const struct config_option dlq_options[] = {
    {.name = "topic",
     .type = OPTION_TEXT,
     INTO(view_config, dlq_topic),
     .help = "Where records that can't be applied go; default: TOPIC.dlq, with several topics VIEW.dlq"},
    {.name = "stop_above",
     .type = OPTION_SHARE,
     .fallback = "off",
     INTO(view_config, dlq_stop_above),
     .help = "Stop the view where more than this share of the last 1,000 records fails, as in 20%"},
    {0},
};

static const struct config_option dedup_options[] = {
    {.name = "window",
     .type = OPTION_INTEGER,
     .fallback = "100000",
     .least = 0,
     .most = 10000000,
     INTO(view_config, dedup_window),
     .help = "How many records of a partition are remembered to drop duplicates"},
    {0},
};

static const struct config_option view_options[] = {
    {.name = "topic",
     .type = OPTION_TEXTS,
     INTO(view_config, topics),
     .synonyms = "topics",
     .more_offset = offsetof(struct view_config, topic_count),
     .help = "A topic's name, a list of names, or one ^regex"},
    {.name = "sink",
     .type = OPTION_TEXT,
     .secret = true,
     INTO(view_config, url),
     .synonyms = "url|target|database",
     .help =
         "The URL of the database, as in postgres://user@host/database or sqlite:FILE; see `upsink sinks`"},
    {.name = "table",
     .type = OPTION_TEXT,
     INTO(view_config, target),
     .synonyms = "collection|index|prefix|name",
     .help = "Table (schema.table where it has a dot), collection, index or key prefix; default: the topic's "
             "name"},
    {.name = "key", .type = OPTION_SECTION, .options = key_options, .help = "What identifies an entity"},
    {.name = "value", .type = OPTION_SECTION, .options = value_options, .help = "The message value"},
    {.name = "envelope",
     .type = OPTION_WORD,
     .words = "auto|cloudevents|canonical|none",
     .later = "debezium|connect",
     .fallback = "auto",
     INTO(view_config, mapping.envelope),
     .help = "What the entity is wrapped in; auto tells it record by record"},
    {.name = "event_id",
     .type = OPTION_SOURCE,
     INTO(view_config, mapping.event_id),
     .help = "What identifies an event: a JSON Pointer or header:NAME; default: the envelope's own"},
    {.name = "change_id",
     .type = OPTION_SOURCES,
     .words = "hash",
     INTO(view_config, mapping.change_id),
     .more_offset = offsetof(struct view_config, mapping.change_id_count),
     .word_offset = offsetof(struct view_config, mapping.change_id_hash),
     .help = "What identifies a change that several events may tell of: one or more sources, or hash (of the "
             "state)"},
    {.name = "version",
     .type = OPTION_SOURCE,
     INTO(view_config, mapping.version),
     .help = "What orders the changes of an entity: an integer or an RFC 3339 time; default: the position in "
             "Kafka"},
    {.name = "include_types",
     .type = OPTION_TEXTS,
     INTO(view_config, mapping.include_types),
     .more_offset = offsetof(struct view_config, mapping.include_type_count),
     .help = "Only events of these types are applied, and those that delete"},
    {.name = "delete_when",
     .type = OPTION_SECTION,
     .options = delete_when_options,
     .help = "Which records delete the entity, beside tombstones"},
    {.name = "delete",
     .type = OPTION_WORD,
     .words = "hard|ignore|soft",
     .fallback = "hard",
     INTO(view_config, mapping.delete_policy),
     .help = "Deletes remove the row (hard), do nothing (ignore), or mark the last state as deleted (soft)"},
    {.name = "create",
     .type = OPTION_WORD,
     .words = "never|auto",
     .fallback = "auto",
     INTO(view_config, create),
     .help = "Whether missing tables and columns are created"},
    {.name = "batch",
     .type = OPTION_SECTION,
     .options = batch_options,
     .help = "How many records are written at once"},
    {.name = "retry",
     .type = OPTION_SECTION,
     .options = retry_options,
     .help = "How an outage is waited out"},
    {.name = "timeout",
     .type = OPTION_DURATION,
     .fallback = "30s",
     .least = 100 * MILLISECOND,
     .most = HOUR,
     INTO(view_config, timeout_us),
     .help = "A sink that does not answer for so long counts as down"},
    {.name = "on_error",
     .type = OPTION_WORD,
     .words = "dlq|stop|skip",
     .fallback = "dlq",
     INTO(view_config, on_error),
     .help = "A record that can't be applied goes to the dead-letter topic, stops the view, or is skipped"},
    {.name = "dlq",
     .type = OPTION_SECTION,
     .options = dlq_options,
     .synonyms = "dead_letter|dead_letters",
     .help = "The dead-letter topic"},
    {.name = "dedup", .type = OPTION_SECTION, .options = dedup_options, .help = "Dropping of duplicates"},
    {.name = "schema", .type = OPTION_LATER, .help = "JSON Schema that the entity must meet"},
    {.name = "redact", .type = OPTION_LATER, .help = "Fields that never reach logs, headers and API"},
    {.name = "columns", .type = OPTION_LATER, .help = "Fields as typed columns"},
    {.name = "children", .type = OPTION_LATER, .help = "Nested arrays as tables of their own"},
    {.name = "republish", .type = OPTION_LATER, .help = "Where the producer is asked to publish all again"},
    {0},
};

const struct config_option config_options[] = {
    {.name = "kafka",
     .type = OPTION_PROPERTIES,
     .help = "Any librdkafka property, such as bootstrap.servers"},
    {.name = "http",
     .type = OPTION_SECTION,
     .options = http_options,
     .help = "Health, metrics and API over HTTP"},
    {.name = "log",
     .type = OPTION_SECTION,
     .options = log_options,
     .synonyms = "logging",
     .help = "The log, on stderr"},
    {.name = "views",
     .type = OPTION_VIEWS,
     .options = view_options,
     .synonyms = "view",
     .help = "The views, by name; each is a consumer group upsink-NAME of its own"},
    {.name = "schema_registry", .type = OPTION_LATER, .help = "Where Avro and Protobuf schemas come from"},
    {.name = "tracing", .type = OPTION_LATER, .help = "Where spans are sent (OTLP over HTTP)"},
    {0},
};

const struct config_option *config_option_find(const struct config_option *options, const char *name)
{
    for (; options->name; options++) {
        if (strcmp(options->name, name) == 0)
            return options;
    }
    return NULL;
}
