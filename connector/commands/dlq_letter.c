#include "dlq_letter.h"

#include "buf.h"
#include "clock.h"
#include "dlq/time.h"
#include "utf8.h"

#include <stdlib.h>

bool dlq_view_open(struct dlq_view *view, const struct cli_args *args, struct upsink_error *err)
{
    *view = (struct dlq_view){0};
    arena_init(&view->arena, 0);
    view->config = cli_load_config(args, err);
    if (!view->config)
        return false;
    view->settings = cli_only_view(view->config, err);
    if (!view->settings)
        return false;
    view->mapping = mapping_create(&view->settings->mapping, err);
    if (!view->mapping)
        return false;
    view->properties = calloc(view->config->kafka_count + 1, sizeof *view->properties);
    if (!view->properties)
        return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory");
    for (size_t i = 0; i < view->config->kafka_count; i++)
        view->properties[i] =
            (struct dlq_property){view->config->kafka[i].name, view->config->kafka[i].value};
    view->kafka = (struct dlq_kafka){view->properties, view->config->kafka_count};
    return true;
}

void dlq_view_close(struct dlq_view *view)
{
    mapping_destroy(view->mapping);
    arena_destroy(&view->arena);
    free(view->properties);
    config_destroy(view->config);
}

static bool read_time(const struct cli_args *args, const char *option, int64_t *time,
                      struct upsink_error *err)
{
    const char *text = cli_value(args, option);
    if (!text || dlq_time_parse(upsink_slice_of(text), time))
        return true;
    return upsink_fail(err, UPSINK_ERR_CONFIG, "usage",
                       "--%s: '%s' is no time; write it as 2026-01-31T12:00:00Z or 2026-01-31", option, text);
}

bool dlq_filter_read(struct dlq_filter *filter, const struct cli_args *args, struct upsink_error *err)
{
    *filter = (struct dlq_filter){.code = cli_value(args, "code"),
                                  .key = cli_value(args, "key"),
                                  .grep = cli_value(args, "grep"),
                                  .since = INT64_MIN,
                                  .until = INT64_MAX,
                                  .all = cli_has(args, "all")};
    return read_time(args, "since", &filter->since, err) && read_time(args, "until", &filter->until, err);
}

static bool contains(struct upsink_slice text, const char *part)
{
    return text.data && memmem(text.data, text.len, part, strlen(part)) != NULL;
}

bool dlq_filter_passes(const struct dlq_filter *filter, struct dlq_view *view,
                       const struct dead_letter *letter)
{
    const struct dlq_facts *facts = &letter->facts;
    if (letter->resolved && !filter->all)
        return false;
    if (filter->code && !upsink_slice_is(facts->code, filter->code))
        return false;
    /* What has no time can't be within bounds. */
    bool bounded = filter->since != INT64_MIN || filter->until != INT64_MAX;
    if (bounded &&
        (facts->failed_at < 0 || facts->failed_at < filter->since || facts->failed_at >= filter->until))
        return false;
    if (filter->grep && !contains(letter->key, filter->grep) && !contains(letter->value, filter->grep) &&
        !contains(facts->message, filter->grep))
        return false;
    return !filter->key || upsink_slice_is(letter->key, filter->key) ||
           upsink_slice_is(dlq_letter_key(view, letter), filter->key);
}

bool dlq_letter_is_of(const struct dead_letter *letter, const struct view_config *view)
{
    return !letter->facts.view.data || upsink_slice_is(letter->facts.view, view->name);
}

static struct upsink_slice find_header(const void *context, const char *name)
{
    struct upsink_slice found = UPSINK_SLICE_ABSENT;
    struct dlq_header header;
    for (size_t i = 0; dead_letter_header(context, i, &header); i++)
        if (strcmp(header.name, name) == 0)
            found = header.value;
    return found;
}

struct upsink_slice dlq_letter_key(struct dlq_view *view, const struct dead_letter *letter)
{
    struct upsink_error ignored;
    struct upsink_change change = {0};
    struct record record = {
        .key = letter->key,
        .value = letter->value,
        .topic = letter->facts.source_topic.data ? letter->facts.source_topic : UPSINK_SLICE_LIT(""),
        .partition = letter->facts.source_partition,
        .offset = letter->facts.source_offset,
        .timestamp = clock_from_ms(letter->timestamp),
        .header = find_header,
        .header_context = letter,
    };
    arena_clear(&view->arena);
    mapping_decode(view->mapping, &record, &view->arena, &change, &ignored);
    return change.key.data ? change.key : letter->key;
}

json_t *dlq_text_json(struct upsink_slice text)
{
    if (!text.data)
        return json_null();
    if (utf8_is_valid(text.data, text.len))
        return json_stringn_nocheck(text.data, text.len);
    struct buf clean;
    buf_init(&clean);
    for (size_t at = 0; at < text.len;) {
        uint32_t code;
        size_t size = utf8_decode(text.data + at, text.len - at, &code);
        if (size)
            buf_append(&clean, text.data + at, size);
        else
            buf_append_text(&clean, "\xEF\xBF\xBD");
        at += size ? size : 1;
    }
    json_t *json = clean.failed ? NULL : json_stringn_nocheck(clean.data, clean.len);
    buf_destroy(&clean);
    return json ? json : json_null();
}

json_t *dlq_time_json(int64_t microseconds)
{
    char text[CLOCK_TEXT_SIZE];
    if (microseconds < 0)
        return json_null();
    clock_format(microseconds, text);
    return json_string(text);
}

static json_t *number_or_null(int64_t number)
{
    return number < 0 ? json_null() : json_integer(number);
}

json_t *dlq_letter_json(struct dlq_view *view, const struct dead_letter *letter)
{
    const struct dlq_facts *facts = &letter->facts;
    json_t *object = json_object();
    json_object_set_new(object, "view", json_string(view->settings->name));
    json_object_set_new(object, "topic", json_string(view->settings->dlq_topic));
    json_object_set_new(object, "partition", json_integer(letter->partition));
    json_object_set_new(object, "offset", json_integer(letter->offset));
    json_object_set_new(object, "source_topic", dlq_text_json(facts->source_topic));
    json_object_set_new(object, "source_partition", number_or_null(facts->source_partition));
    json_object_set_new(object, "source_offset", number_or_null(facts->source_offset));
    json_object_set_new(object, "key", dlq_text_json(dlq_letter_key(view, letter)));
    json_object_set_new(object, "code", dlq_text_json(facts->code));
    json_object_set_new(object, "message", dlq_text_json(facts->message));
    json_object_set_new(object, "detail", dlq_text_json(facts->detail));
    json_object_set_new(object, "attempts", json_integer(facts->attempts));
    json_object_set_new(object, "failed_at", dlq_time_json(facts->failed_at));
    json_object_set_new(object, "resolved", json_boolean(letter->resolved));
    return object;
}
