#include "es_code.h"

#define CLOSING "a node of the cluster stops, or moves its shards"
#define BUSY    "it has more to do than it can; it is asked again, with less at once"
#define SHARDS  "not all shards have a node that answers"
#define SHARED                                                                                               \
    "an alias of upsink's own stands for another index too, like a restored copy; it is taken from that one"
#define BLOCKED "writes are blocked: index.blocks.* of the index, a full disk, or the cluster as a whole"

struct rule {
    const char *type; /* NULL: any */
    long status;      /* 0: any */
    struct es_meaning meaning;
};

static const struct rule rules[] = {
    /* credentials and rights */
    {NULL, 401, {UPSINK_ERR_REFUSED, "credentials_refused", "correct user and password, or the API key"}},
    {"security_exception",
     0,
     {UPSINK_ERR_REFUSED, "permission_denied", "grant the user what the manual lists, section 3"}},
    /* the target */
    {"index_not_found_exception",
     0,
     {UPSINK_ERR_TARGET_LOST, "target_lost", "the index is not there any more"}},
    {"index_closed_exception", 0, {UPSINK_ERR_OUTAGE, "target_closed", "the index is closed; open it"}},
    {"alias_not_found_exception", 0, {UPSINK_ERR_TARGET_LOST, "target_lost", "the index was replaced"}},
    {"cluster_block_exception", 0, {UPSINK_ERR_OUTAGE, "sink_read_only", BLOCKED}},
    {"process_cluster_event_timeout_exception", 0, {UPSINK_ERR_OUTAGE, "sink_busy", BUSY}},
    /* too much */
    {"circuit_breaking_exception",
     0,
     {UPSINK_ERR_OUTAGE, "sink_out_of_resources", "its memory is used up; " BUSY}},
    {"es_rejected_execution_exception", 0, {UPSINK_ERR_OUTAGE, "sink_busy", BUSY}},
    {"rejected_execution_exception", 0, {UPSINK_ERR_OUTAGE, "sink_busy", BUSY}},
    {NULL, 429, {UPSINK_ERR_OUTAGE, "sink_busy", BUSY}},
    {NULL, 413, {UPSINK_ERR_RECORD, "value_too_large", "the request is larger than http.max_content_length"}},
    /* nodes and shards */
    {"node_closed_exception", 0, {UPSINK_ERR_OUTAGE, "sink_unavailable", CLOSING}},
    {"already_closed_exception", 0, {UPSINK_ERR_OUTAGE, "sink_unavailable", CLOSING}},
    {"engine_closed_exception", 0, {UPSINK_ERR_OUTAGE, "sink_unavailable", CLOSING}},
    {"index_shard_closed_exception", 0, {UPSINK_ERR_OUTAGE, "sink_unavailable", CLOSING}},
    {"shard_not_in_primary_mode_exception", 0, {UPSINK_ERR_OUTAGE, "sink_unavailable", CLOSING}},
    {"node_disconnected_exception", 0, {UPSINK_ERR_OUTAGE, "sink_unavailable", CLOSING}},
    {"node_not_connected_exception", 0, {UPSINK_ERR_OUTAGE, "sink_unavailable", CLOSING}},
    {"node_not_connected", 0, {UPSINK_ERR_OUTAGE, "sink_unavailable", CLOSING}},
    {"shard_not_found_exception", 0, {UPSINK_ERR_OUTAGE, "sink_unavailable", SHARDS}},
    {"no_shard_available_action_exception", 0, {UPSINK_ERR_OUTAGE, "sink_unavailable", SHARDS}},
    {"unavailable_shards_exception", 0, {UPSINK_ERR_OUTAGE, "sink_unavailable", SHARDS}},
    {"not_master_exception", 0, {UPSINK_ERR_OUTAGE, "sink_unavailable", "the cluster elects a manager"}},
    {"master_not_discovered_exception",
     0,
     {UPSINK_ERR_OUTAGE, "sink_unavailable", "the cluster has no manager"}},
    {"cluster_manager_not_discovered_exception",
     0,
     {UPSINK_ERR_OUTAGE, "sink_unavailable", "the cluster has no manager"}},
    {"illegal_index_shard_state_exception", 0, {UPSINK_ERR_OUTAGE, "sink_unavailable", SHARDS}},
    {"timeout_exception", 0, {UPSINK_ERR_OUTAGE, "sink_timeout", "it did not finish in time"}},
    {"i_o_exception",
     500,
     {UPSINK_ERR_OUTAGE, "sink_io_error", "it can't read or write its files; look at its disk"}},
    {"translog_exception",
     0,
     {UPSINK_ERR_OUTAGE, "sink_io_error", "it can't write its log; look at its disk"}},
    {NULL, 408, {UPSINK_ERR_OUTAGE, "sink_timeout", "it did not finish in time"}},
    {NULL, 502, {UPSINK_ERR_OUTAGE, "sink_unavailable", "something in front of it gets no answer"}},
    {NULL, 503, {UPSINK_ERR_OUTAGE, "sink_unavailable", "it is starting, or " SHARDS}},
    {NULL, 504, {UPSINK_ERR_OUTAGE, "sink_timeout", "something in front of it gets no answer in time"}},
    /* records */
    {"mapper_parsing_exception",
     400,
     {UPSINK_ERR_RECORD, "mapping_conflict", "a field does not fit the mapping of the index"}},
    {"document_parsing_exception",
     400,
     {UPSINK_ERR_RECORD, "mapping_conflict", "a field does not fit the mapping of the index"}},
    {"strict_dynamic_mapping_exception",
     400,
     {UPSINK_ERR_RECORD, "mapping_conflict", "the mapping of the index is strict, and a field is not in it"}},
    {"fail_processor_exception",
     0,
     {UPSINK_ERR_RECORD, "invalid_for_sink", "an ingest pipeline of the index refuses the document"}},
    {NULL, 400, {UPSINK_ERR_RECORD, "invalid_for_sink", "the index can't take the document"}},
    {"stream_constraints_exception",
     0,
     {UPSINK_ERR_RECORD, "invalid_for_sink",
      "the document is nested too deeply, or a number or text too long"}},
    {"input_coercion_exception", 0, {UPSINK_ERR_RECORD, "invalid_for_sink", "a number is out of range"}},
};

struct es_meaning es_code_meaning(long status, struct upsink_slice type)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const struct rule *rule = &rules[i];
        if ((!rule->status || rule->status == status) && (!rule->type || upsink_slice_is(type, rule->type)))
            return rule->meaning;
    }
    return (struct es_meaning){UPSINK_ERR_UNKNOWN, "sink_error", "it refuses the operation"};
}

static const struct {
    const char *start;
    struct es_meaning meaning;
} reasons[] = {
    {"pipeline with id [",
     {UPSINK_ERR_OUTAGE, "sink_unavailable",
      "index.default_pipeline or index.final_pipeline names an ingest pipeline that is not there; make it, "
      "or "
      "correct the setting"}},
    {"no write index is defined for alias [", {UPSINK_ERR_OUTAGE, "sink_unavailable", SHARED}},
    {"alias [", {UPSINK_ERR_OUTAGE, "sink_unavailable", SHARED}},
    {"Number of documents in ",
     {UPSINK_ERR_OUTAGE, "sink_out_of_resources", "a shard holds as many documents as it can"}},
};

static bool begins_with(struct upsink_slice text, const char *start)
{
    size_t len = strlen(start);
    return text.len >= len && memcmp(text.data, start, len) == 0;
}

struct es_meaning es_code_meaning_of(long status, struct upsink_slice type, struct upsink_slice reason)
{
    bool general = upsink_slice_is(type, "illegal_argument_exception");
    for (size_t i = 0; general && i < sizeof reasons / sizeof *reasons; i++)
        if (begins_with(reason, reasons[i].start))
            return reasons[i].meaning;
    return es_code_meaning(status, type);
}

/* Reasons that begin like this go on with names of fields and types, up to one of the ends. */
static const char *const starts[] = {"failed to parse field [",
                                     "object mapping for [",
                                     "object field starting",
                                     "mapping set to strict",
                                     "Limit of ",
                                     "mapper [",
                                     "can't merge",
                                     "Field [",
                                     "Document contains at least one immense term in field="};
static const char *const ends[] = {" in document", ". Preview", " (whose UTF8", ", but found", "\n"};

struct upsink_slice es_code_reason(struct upsink_slice reason)
{
    /* Elasticsearch 8 puts a place in front: [1:29]. */
    if (reason.len && *reason.data == '[') {
        const char *close = memchr(reason.data, ']', reason.len);
        size_t skip = close ? (size_t)(close - reason.data) + 2 : 0;
        if (skip && skip < reason.len)
            reason = (struct upsink_slice){reason.data + skip, reason.len - skip};
    }
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        if (!begins_with(reason, starts[i]))
            continue;
        for (size_t j = 0; j < sizeof ends / sizeof *ends; j++) {
            const char *end = memmem(reason.data, reason.len, ends[j], strlen(ends[j]));
            if (end)
                reason.len = (size_t)(end - reason.data);
        }
        return reason;
    }
    return UPSINK_SLICE_LIT("");
}
