/* upsink dlq show */
#include "clock.h"
#include "commands.h"
#include "dlq/resolved.h"
#include "dlq_letter.h"
#include "json_layout.h"
#include "log.h"
#include "schemas/json_scan.h"
#include "table.h"
#include "utf8.h"

#include <inttypes.h>
#include <stdlib.h>

enum { FRAME_BYTES = 5 }; /* of Confluent's wire format: a zero, and the schema's id */

/* What the value turned out to be. */
struct decoded {
    struct upsink_slice json, text; /* one of the two, or neither where it is null or bytes */
    int64_t schema_id;              /* -1: no frame before it */
};

static bool is_json(struct upsink_slice text)
{
    struct json_scan_result result;
    struct upsink_error ignored;
    return json_scan(NULL, JSON_WHOLE, text, NULL, NULL, &result, &ignored);
}

static struct decoded decode_value(struct upsink_slice value)
{
    struct decoded decoded = {.schema_id = -1};
    if (!value.data)
        return decoded;
    struct upsink_slice framed = {value.data + FRAME_BYTES,
                                  value.len > FRAME_BYTES ? value.len - FRAME_BYTES : 0};
    if (is_json(value))
        decoded.json = value;
    else if (framed.len > 0 && value.data[0] == '\0' && is_json(framed)) {
        const unsigned char *id = (const unsigned char *)value.data + 1;
        decoded.schema_id = (int64_t)id[0] << 24 | id[1] << 16 | id[2] << 8 | id[3];
        decoded.json = framed;
    } else if (utf8_is_valid(value.data, value.len))
        decoded.text = value;
    return decoded;
}

static void append_base64(struct buf *out, struct upsink_slice bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *at = (const unsigned char *)bytes.data;
    for (size_t left = bytes.len; left > 0; at += 3) {
        uint32_t group =
            (uint32_t)at[0] << 16 | (uint32_t)(left > 1 ? at[1] : 0) << 8 | (left > 2 ? at[2] : 0);
        buf_append_byte(out, digits[group >> 18]);
        buf_append_byte(out, digits[group >> 12 & 63]);
        buf_append_byte(out, left > 1 ? digits[group >> 6 & 63] : '=');
        buf_append_byte(out, left > 2 ? digits[group & 63] : '=');
        if (left <= 3)
            break;
        left -= 3;
    }
}

/* Bytes that are no text go in base64, under another name. */
static void set_bytes(json_t *object, const char *name, struct upsink_slice bytes)
{
    if (!bytes.data || utf8_is_valid(bytes.data, bytes.len)) {
        json_object_set_new(object, name, dlq_text_json(bytes));
        return;
    }
    struct buf text;
    char other[64];
    buf_init(&text);
    append_base64(&text, bytes);
    snprintf(other, sizeof other, "%s_base64", name);
    json_object_set_new(object, other, text.failed ? json_null() : json_stringn_nocheck(text.data, text.len));
    buf_destroy(&text);
}

static json_t *headers_json(const struct dead_letter *letter)
{
    json_t *list = json_array();
    struct dlq_header header;
    for (size_t i = 0; dead_letter_header(letter, i, &header); i++) {
        json_t *entry = json_object();
        json_object_set_new(entry, "name", dlq_text_json(upsink_slice_of(header.name)));
        set_bytes(entry, "value", header.value);
        json_array_append_new(list, entry);
    }
    return list;
}

/* The list's object, with more, and the value last: spliced in as it is, so that its numbers keep their
 * digits. */
static void print_json(struct dlq_view *view, const struct dead_letter *letter)
{
    const struct dlq_facts *facts = &letter->facts;
    struct decoded decoded = decode_value(letter->value);
    json_t *object = dlq_letter_json(view, letter);
    json_object_set_new(object, "sink", dlq_text_json(facts->sink));
    json_object_set_new(object, "stage", dlq_text_json(facts->stage));
    json_object_set_new(object, "module", dlq_text_json(facts->module));
    json_object_set_new(object, "causes", dlq_text_json(facts->stacktrace));
    json_object_set_new(object, "event_id", dlq_text_json(facts->event_id));
    json_object_set_new(object, "change_id", dlq_text_json(facts->change_id));
    json_object_set_new(object, "version", dlq_text_json(facts->version));
    json_object_set_new(object, "timestamp", dlq_time_json(clock_from_ms(letter->timestamp)));
    set_bytes(object, "raw_key", letter->key);
    json_object_set_new(object, "headers", headers_json(letter));
    if (decoded.schema_id >= 0)
        json_object_set_new(object, "schema_id", json_integer(decoded.schema_id));
    if (!decoded.json.data)
        set_bytes(object, "value", letter->value);
    char *text = json_dumps(object, JSON_COMPACT);
    struct buf line;
    buf_init(&line);
    if (text && decoded.json.data) {
        buf_append(&line, text, strlen(text) - 1);
        buf_append_text(&line, ",\"value\":");
        json_layout(decoded.json, 0, 0, &line);
        buf_append_byte(&line, '}');
    } else if (text)
        buf_append_text(&line, text);
    if (line.data && !line.failed)
        puts(line.data);
    buf_destroy(&line);
    free(text);
    json_decref(object);
}

static void add_line(struct table *table, const char *name, struct upsink_slice text)
{
    if (!text.data)
        return;
    table_add(table, name);
    table_add_slice(table, text, 0);
}

static void add_position(struct table *table, const char *name, struct upsink_slice topic, int64_t partition,
                         int64_t offset)
{
    struct buf text;
    buf_init(&text);
    buf_append_slice(&text, topic);
    buf_printf(&text, " %" PRId64 ":%" PRId64, partition, offset);
    add_line(table, name, buf_view(&text));
    buf_destroy(&text);
}

static void print_facts(struct dlq_view *view, const struct dead_letter *letter)
{
    const struct dlq_facts *facts = &letter->facts;
    struct table table;
    json_t *failed_at = dlq_time_json(facts->failed_at);
    json_t *timestamp = dlq_time_json(clock_from_ms(letter->timestamp));
    table_init(&table, "<<");
    add_position(&table, "position", upsink_slice_of(view->settings->dlq_topic), letter->partition,
                 letter->offset);
    add_line(&table, "view", facts->view);
    add_line(&table, "sink", facts->sink);
    if (facts->source_topic.data)
        add_position(&table, "source", facts->source_topic, facts->source_partition, facts->source_offset);
    add_line(&table, "key", dlq_letter_key(view, letter));
    add_line(&table, "event id", facts->event_id);
    add_line(&table, "change id", facts->change_id);
    add_line(&table, "version", facts->version);
    add_line(&table, "timestamp", upsink_slice_of(json_string_value(timestamp)));
    add_line(&table, "failed at", upsink_slice_of(json_string_value(failed_at)));
    table_add(&table, "attempts");
    table_add_count(&table, facts->attempts);
    add_line(&table, "resolved", upsink_slice_of(letter->resolved ? "yes" : "no"));
    add_line(&table, "stage", facts->stage);
    add_line(&table, "module", facts->module);
    add_line(&table, "code", facts->code);
    add_line(&table, "detail", facts->detail);
    add_line(&table, "message", facts->message);
    table_print(&table, stdout, 0);
    table_clear(&table);
    json_decref(failed_at);
    json_decref(timestamp);
}

static void print_headers(const struct dead_letter *letter)
{
    struct dlq_header header;
    struct table table;
    table_init(&table, "<<");
    for (size_t i = 0; dead_letter_header(letter, i, &header); i++) {
        table_add(&table, header.name);
        table_add_slice(&table, header.value, 0);
    }
    puts("\nheaders");
    table_print(&table, stdout, 2);
    table_clear(&table);
}

/* Text of somebody else's making: nothing in it may steer the terminal. */
static void print_text(struct upsink_slice text)
{
    size_t room = text.len * 6 + 1; /* the longest escape is \u001b */
    char *shown = malloc(room);
    if (shown) {
        log_escape(text, shown, room);
        printf("  %s\n", shown);
    }
    free(shown);
}

static void print_value(const struct dead_letter *letter)
{
    struct decoded decoded = decode_value(letter->value);
    struct buf text;
    buf_init(&text);
    if (!letter->value.data)
        puts("\nvalue: null, a tombstone");
    else if (decoded.json.data) {
        printf("\nvalue: JSON, %zu bytes%s\n", letter->value.len,
               decoded.schema_id >= 0 ? ", framed with" : "");
        if (decoded.schema_id >= 0)
            printf("  schema id %" PRId64 "\n", decoded.schema_id);
        json_layout(decoded.json, 2, 2, &text);
        if (!text.failed)
            printf("  %s\n", text.data);
    } else if (decoded.text.data) {
        printf("\nvalue: text, not JSON, %zu bytes\n", letter->value.len);
        print_text(decoded.text);
    } else {
        printf("\nvalue: %zu bytes, in base64\n", letter->value.len);
        append_base64(&text, letter->value);
        if (!text.failed)
            printf("  %s\n", text.data);
    }
    buf_destroy(&text);
}

static bool show_letter(struct dlq_view *view, const char *position, bool json, struct upsink_error *err)
{
    struct dlq_position wanted;
    struct dead_letter letter;
    if (!dlq_position_parse(upsink_slice_of(position), &wanted))
        return upsink_fail(err, UPSINK_ERR_CONFIG, "usage",
                           "'%s' is no position; write PARTITION:OFFSET, as upsink dlq list shows it",
                           position);
    struct dlq_reader *reader =
        dlq_reader_open(&view->kafka, view->settings->dlq_topic, DLQ_PATIENCE_MS, err);
    if (!reader)
        return false;
    enum dlq_read read = dlq_reader_find(reader, wanted.partition, wanted.offset, &letter, err);
    if (read == DLQ_READ_END)
        upsink_fail(err, UPSINK_ERR_FATAL, "dlq_not_found",
                    "there is no dead letter at %s of the topic %s; upsink dlq list shows the positions",
                    position, view->settings->dlq_topic);
    else if (read == DLQ_READ_RECORD && json)
        print_json(view, &letter);
    else if (read == DLQ_READ_RECORD) {
        print_facts(view, &letter);
        print_headers(&letter);
        print_value(&letter);
    }
    dlq_reader_close(reader);
    return read == DLQ_READ_RECORD;
}

int command_dlq_show(const struct cli_args *args)
{
    int status = 0;
    struct upsink_error err;
    struct dlq_view view;
    if (!dlq_view_open(&view, args, &err) ||
        !show_letter(&view, args->arguments[0], cli_wants_json(args), &err))
        status = cli_fail(&err);
    dlq_view_close(&view);
    return status;
}
