#include "headers.h"

#include "buf.h"
#include "clock.h"
#include "dlq/time.h"
#include "utf8.h"

#include <inttypes.h>

#define CONNECT "__connect.errors."

/* In the order of dlq_header_names. */
enum header {
    H_TOPIC,
    H_PARTITION,
    H_OFFSET,
    H_CONNECTOR,
    H_TASK,
    H_STAGE,
    H_CLASS,
    H_EXCEPTION,
    H_MESSAGE,
    H_STACKTRACE,
    H_CODE,
    H_DETAIL,
    H_VIEW,
    H_SINK,
    H_ATTEMPTS,
    H_FAILED_AT,
    H_EVENT_ID,
    H_CHANGE_ID,
    H_VERSION,
    H_SCHEMA_ID
};

const char *const dlq_header_names[DLQ_HEADER_MAX + 1] = {
    CONNECT "topic",
    CONNECT "partition",
    CONNECT "offset",
    CONNECT "connector.name",
    CONNECT "task.id",
    CONNECT "stage",
    CONNECT "class.name",
    CONNECT "exception.class.name",
    CONNECT "exception.message",
    CONNECT "exception.stacktrace",
    "upsink.error.code",
    "upsink.error.detail",
    "upsink.view",
    "upsink.sink",
    DLQ_ATTEMPTS_HEADER,
    "upsink.failed_at",
    "upsink.event_id",
    "upsink.change_id",
    "upsink.version",
    "upsink.schema_id",
    NULL,
};

static const char *stage_name(enum dlq_stage stage)
{
    switch (stage) {
    case DLQ_STAGE_KEY_CONVERTER:
        return "KEY_CONVERTER";
    case DLQ_STAGE_VALUE_CONVERTER:
        return "VALUE_CONVERTER";
    case DLQ_STAGE_TRANSFORMATION:
        return "TRANSFORMATION";
    case DLQ_STAGE_TASK_PUT:
        return "TASK_PUT";
    }
    return "TASK_PUT";
}

struct builder {
    struct arena *arena;
    struct dlq_header *headers;
    size_t count;
    bool failed;
};

/* A copy that is UTF-8 and at most DLQ_TEXT_MAX bytes long. */
static struct upsink_slice clean_text(struct arena *arena, struct upsink_slice text)
{
    static const char replacement[] = "\xEF\xBF\xBD", ellipsis[] = "...";
    size_t room = text.len < DLQ_TEXT_MAX / 3 ? text.len * 3 : DLQ_TEXT_MAX;
    char *out = arena_alloc(arena, room + 1);
    if (!out)
        return UPSINK_SLICE_ABSENT;
    size_t len = 0, kept = 0; /* kept: the longest prefix that leaves room for the ellipsis */
    for (size_t at = 0; at < text.len;) {
        uint32_t code;
        size_t size = utf8_decode(text.data + at, text.len - at, &code);
        const char *piece = size ? text.data + at : replacement;
        size_t piece_len = size ? size : sizeof replacement - 1;
        if (piece_len > room - len) {
            memcpy(out + kept, ellipsis, sizeof ellipsis - 1);
            len = kept + sizeof ellipsis - 1;
            break;
        }
        memcpy(out + len, piece, piece_len);
        len += piece_len;
        at += size ? size : 1;
        if (len + sizeof ellipsis - 1 <= room)
            kept = len;
    }
    out[len] = '\0';
    return (struct upsink_slice){out, len};
}

static void add_slice(struct builder *builder, enum header header, struct upsink_slice text)
{
    if (!text.data)
        return;
    struct upsink_slice clean = clean_text(builder->arena, text);
    if (!clean.data) {
        builder->failed = true;
        return;
    }
    builder->headers[builder->count++] = (struct dlq_header){dlq_header_names[header], clean};
}

static void add_text(struct builder *builder, enum header header, const char *text)
{
    add_slice(builder, header, upsink_slice_of(text));
}

static void add_number(struct builder *builder, enum header header, int64_t number)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, number);
    add_text(builder, header, text);
}

/* What Java prints for an exception and its causes, with the record's position where the code would stand. */
static void add_stacktrace(struct builder *builder, const struct dlq_reason *reason)
{
    const struct upsink_error *error = reason->error;
    struct buf trace;
    buf_init(&trace);
    buf_printf(&trace, "%s: %s\n\tat %s (%s)\n\tat ", error->code, error->text,
               reason->module ? reason->module : "upsink", stage_name(reason->stage));
    buf_append_slice(&trace, reason->source_topic);
    buf_printf(&trace, " partition %" PRId32 " offset %" PRId64 "\n", reason->source_partition,
               reason->source_offset);
    if (error->detail[0])
        buf_printf(&trace, "Caused by: %s\n", error->detail);
    for (size_t i = 0; i < reason->cause_count; i++)
        buf_printf(&trace, "Caused by: %s\n", reason->causes[i]);
    if (trace.failed)
        builder->failed = true;
    else
        add_slice(builder, H_STACKTRACE, buf_view(&trace));
    buf_destroy(&trace);
}

static void add_connect_headers(struct builder *builder, const struct dlq_reason *reason)
{
    add_slice(builder, H_TOPIC, reason->source_topic);
    add_number(builder, H_PARTITION, reason->source_partition);
    add_number(builder, H_OFFSET, reason->source_offset);
    add_text(builder, H_CONNECTOR, reason->view);
    add_number(builder, H_TASK, reason->task);
    add_text(builder, H_STAGE, stage_name(reason->stage));
    add_text(builder, H_CLASS, reason->module);
    add_text(builder, H_EXCEPTION, reason->error->code);
    add_text(builder, H_MESSAGE, reason->error->text);
    add_stacktrace(builder, reason);
}

size_t dlq_headers_build(const struct dlq_reason *reason, uint32_t previous_attempts, struct arena *arena,
                         struct dlq_header headers[DLQ_HEADER_MAX])
{
    struct builder builder = {.arena = arena, .headers = headers};
    add_connect_headers(&builder, reason);
    add_text(&builder, H_CODE, reason->error->code);
    if (reason->error->detail[0])
        add_text(&builder, H_DETAIL, reason->error->detail);
    add_text(&builder, H_VIEW, reason->view);
    add_text(&builder, H_SINK, reason->sink);
    add_number(&builder, H_ATTEMPTS, (int64_t)previous_attempts + 1);
    char time[CLOCK_TEXT_SIZE];
    clock_format(reason->failed_at, time);
    add_text(&builder, H_FAILED_AT, time);
    add_slice(&builder, H_EVENT_ID, reason->event_id);
    add_slice(&builder, H_CHANGE_ID, reason->change_id);
    if (reason->has_version)
        add_number(&builder, H_VERSION, reason->version);
    if (reason->schema_id >= 0)
        add_number(&builder, H_SCHEMA_ID, reason->schema_id);
    return builder.failed ? 0 : builder.count;
}

/* A whole decimal number within 0..max; -1 otherwise. */
static int64_t parse_number(struct upsink_slice text, int64_t max)
{
    int64_t number = 0;
    if (!text.data || text.len == 0)
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return -1;
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, text.data[i] - '0', &number) || number > max)
            return -1;
    }
    return number;
}

uint32_t dlq_attempts_of(struct upsink_slice value)
{
    /* One less than the type holds, so that counting up can't overflow. */
    int64_t attempts = parse_number(value, INT32_MAX - 1);
    return attempts < 0 ? 0 : (uint32_t)attempts;
}

void dlq_facts_init(struct dlq_facts *facts)
{
    *facts = (struct dlq_facts){.source_partition = -1, .source_offset = -1, .failed_at = -1};
}

static void add_numeric_fact(struct dlq_facts *facts, enum header header, struct upsink_slice value)
{
    switch (header) {
    case H_PARTITION:
        facts->source_partition = (int32_t)parse_number(value, INT32_MAX);
        break;
    case H_OFFSET:
        facts->source_offset = parse_number(value, INT64_MAX);
        break;
    case H_ATTEMPTS:
        facts->attempts = dlq_attempts_of(value);
        break;
    case H_FAILED_AT:
        if (!dlq_time_parse(value, &facts->failed_at))
            facts->failed_at = -1;
        break;
    default:
        break;
    }
}

void dlq_facts_add(struct dlq_facts *facts, const char *name, struct upsink_slice value)
{
    struct upsink_slice *const texts[DLQ_HEADER_MAX] = {
        [H_TOPIC] = &facts->source_topic, [H_STAGE] = &facts->stage,     [H_CLASS] = &facts->module,
        [H_MESSAGE] = &facts->message,    [H_CODE] = &facts->code,       [H_STACKTRACE] = &facts->stacktrace,
        [H_DETAIL] = &facts->detail,      [H_VIEW] = &facts->view,       [H_SINK] = &facts->sink,
        [H_EVENT_ID] = &facts->event_id,  [H_VERSION] = &facts->version, [H_CHANGE_ID] = &facts->change_id,
    };
    for (int header = 0; header < DLQ_HEADER_MAX; header++) {
        if (strcmp(name, dlq_header_names[header]) != 0)
            continue;
        /* Kafka Connect's own dead letters have nothing better. */
        if (header == H_EXCEPTION && !facts->code.data)
            facts->code = value;
        else if (texts[header])
            *texts[header] = value;
        else
            add_numeric_fact(facts, (enum header)header, value);
        return;
    }
}
