#include "config_node.h"

#include <yaml.h>

#define BYTES_MAX  (1024 * 1024)
#define LEVELS_MAX 32

struct yaml_reader {
    struct config_loader *loader;
    yaml_parser_t parser;
    const char *origin;
    const char *bytes;
    size_t len;
};

static bool fail_at(struct yaml_reader *reader, size_t line, const char *sentence)
{
    struct config_node at = {.origin = reader->origin, .line = line};
    return config_fail_plain(reader->loader, &at, "%s", sentence);
}

static size_t line_of(yaml_mark_t mark)
{
    return mark.line + 1;
}

static struct upsink_slice find_line(const struct yaml_reader *reader, size_t line)
{
    const char *at = reader->bytes, *end = reader->bytes + reader->len, *stop;
    for (size_t i = 1; i < line; i++) {
        at = memchr(at, '\n', (size_t)(end - at));
        if (!at)
            return UPSINK_SLICE_LIT("");
        at++;
    }
    stop = memchr(at, '\n', (size_t)(end - at));
    return (struct upsink_slice){at, (size_t)((stop ? stop : end) - at)};
}

static bool has_tab_indent(struct upsink_slice line)
{
    size_t at = 0;
    while (at < line.len && line.data[at] == ' ')
        at++;
    return at < line.len && line.data[at] == '\t';
}

/* What people most often did where libyaml says only what it found. */
static const char *hint_for(const char *problem, struct upsink_slice line)
{
    if (strstr(problem, "mapping values are not allowed"))
        return "; is a line above indented differently or without a space behind its colon, or does a text "
               "with a "
               "colon need quotes?";
    if (strstr(problem, "cannot start any token"))
        return "; a text that starts with %, @ or ` needs quotes";
    if (strstr(problem, "could not find expected ':'"))
        return "; a key needs a colon and a space behind it";
    if (memmem(line.data, line.len, "${", 2))
        return "; inside { } and [ ] a ${...} needs quotes";
    return "";
}

/* libyaml's own words, with the help that they lack. They never hold a value. */
static bool fail_syntax(struct yaml_reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    size_t line = line_of(parser->problem_mark);
    char sentence[320];
    if (parser->error == YAML_MEMORY_ERROR)
        return upsink_fail(reader->loader->err, UPSINK_ERR_FATAL, "out_of_memory",
                           "out of memory while reading the configuration");
    if (parser->error == YAML_READER_ERROR) {
        line = 1;
        for (size_t i = 0; i < parser->problem_offset && i < reader->len; i++)
            line += reader->bytes[i] == '\n';
        snprintf(sentence, sizeof sentence, "the text is not UTF-8, or holds a control character (%s)",
                 parser->problem);
        return fail_at(reader, line, sentence);
    }
    if (has_tab_indent(find_line(reader, line)))
        return fail_at(reader, line, "a tab stands where the line is indented; YAML allows spaces only");
    const char *problem = parser->problem ? parser->problem : "unknown error";
    char context[120] = "";
    if (parser->context && line_of(parser->context_mark) != line)
        snprintf(context, sizeof context, " %s that starts in line %zu", parser->context,
                 line_of(parser->context_mark));
    snprintf(sentence, sizeof sentence, "this is not valid YAML: %s%s%s", problem, context,
             hint_for(problem, find_line(reader, line)));
    return fail_at(reader, line, sentence);
}

static bool next_event(struct yaml_reader *reader, yaml_event_t *event)
{
    if (!yaml_parser_parse(&reader->parser, event))
        return fail_syntax(reader);
    return true;
}

static bool refuse_extras(struct yaml_reader *reader, const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    }
    if (event->type == YAML_ALIAS_EVENT || anchor)
        return fail_at(
            reader, line_of(event->start_mark),
            "anchors (&name) and aliases (*name) are not supported; write the value out, or put a text "
            "that starts with & or * in quotes");
    if (tag)
        return fail_at(reader, line_of(event->start_mark),
                       "tags (!name) are not supported; put a text that starts with ! in quotes");
    return true;
}

static bool take_scalar(struct yaml_reader *reader, const yaml_event_t *event, struct config_node *node)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    if (memchr(text, '\0', len))
        return fail_at(reader, node->line, "a text can't hold the character NUL");
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    node->kind = !node->quoted && config_is_null_word(text) ? CONFIG_NULL : CONFIG_SCALAR;
    node->text = config_text(reader->loader, text, len);
    return node->text != NULL;
}

static struct config_node *read_node(struct yaml_reader *reader, yaml_event_t *event, size_t level);

static bool read_list(struct yaml_reader *reader, struct config_node *list, size_t level)
{
    for (;;) {
        yaml_event_t event;
        if (!next_event(reader, &event))
            return false;
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            return true;
        }
        struct config_node *item = read_node(reader, &event, level + 1);
        yaml_event_delete(&event);
        if (!item)
            return false;
        config_node_append(list, item);
    }
}

/* The key of the next entry; *name NULL at the end of the map. */
static bool read_key(struct yaml_reader *reader, struct config_node *map, const char **name, size_t *line)
{
    yaml_event_t event;
    bool ok = false;
    *name = NULL;
    if (!next_event(reader, &event))
        return false;
    *line = line_of(event.start_mark);
    if (event.type == YAML_MAPPING_END_EVENT) {
        ok = true;
        goto cleanup;
    }
    if (!refuse_extras(reader, &event))
        goto cleanup;
    if (event.type != YAML_SCALAR_EVENT) {
        fail_at(reader, *line,
                "a key must be a plain text; a value that starts with { or [ needs quotes if it is text");
        goto cleanup;
    }
    const char *text = (const char *)event.data.scalar.value;
    const struct config_node *earlier = config_node_find(map, text);
    char shown[CONFIG_SHOWN_SIZE];
    config_shown_name(text, shown);
    if (memchr(text, '\0', event.data.scalar.length)) {
        fail_at(reader, *line, "a key can't hold the character NUL");
        goto cleanup;
    }
    if (earlier) {
        struct config_node at = {.origin = reader->origin, .line = *line};
        config_fail_plain(reader->loader, &at, "\"%s\" stands here a second time; the first is in line %zu",
                          shown, earlier->line);
        goto cleanup;
    }
    *name = config_text(reader->loader, text, event.data.scalar.length);
    ok = *name != NULL;
cleanup:
    yaml_event_delete(&event);
    return ok;
}

static bool read_map(struct yaml_reader *reader, struct config_node *map, size_t level)
{
    for (;;) {
        const char *name;
        size_t line;
        yaml_event_t event;
        if (!read_key(reader, map, &name, &line))
            return false;
        if (!name)
            return true;
        if (!next_event(reader, &event))
            return false;
        struct config_node *value = read_node(reader, &event, level + 1);
        yaml_event_delete(&event);
        if (!value)
            return false;
        value->name = name;
        value->line = line; /* where people look for a setting is where its name stands */
        config_node_append(map, value);
    }
}

/* The node that begins with the event, and all that belongs to it. */
static struct config_node *read_node(struct yaml_reader *reader, yaml_event_t *event, size_t level)
{
    size_t line = line_of(event->start_mark);
    if (level > LEVELS_MAX) {
        fail_at(reader, line, "more than 32 levels of nesting");
        return NULL;
    }
    if (!refuse_extras(reader, event))
        return NULL;
    struct config_node *node = config_node_create(reader->loader, CONFIG_NULL, reader->origin, line);
    if (!node)
        return NULL;
    bool ok;
    if (event->type == YAML_SEQUENCE_START_EVENT) {
        node->kind = CONFIG_LIST;
        ok = read_list(reader, node, level);
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        node->kind = CONFIG_MAP;
        ok = read_map(reader, node, level);
    } else {
        ok = take_scalar(reader, event, node);
    }
    return ok ? node : NULL;
}

static bool expect_end(struct yaml_reader *reader)
{
    yaml_event_t event;
    yaml_event_type_t type;
    do {
        if (!next_event(reader, &event))
            return false;
        type = event.type;
        size_t line = line_of(event.start_mark);
        yaml_event_delete(&event);
        if (type == YAML_DOCUMENT_START_EVENT)
            return fail_at(reader, line, "a second document starts here; a configuration is one document");
    } while (type != YAML_STREAM_END_EVENT);
    return true;
}

static struct config_node *read_document(struct yaml_reader *reader)
{
    struct config_node *root = NULL;
    for (;;) {
        yaml_event_t event;
        if (!next_event(reader, &event))
            return NULL;
        yaml_event_type_t type = event.type;
        if (type == YAML_STREAM_START_EVENT || type == YAML_DOCUMENT_START_EVENT) {
            yaml_event_delete(&event);
            continue;
        }
        if (type == YAML_STREAM_END_EVENT) {
            yaml_event_delete(&event);
            return config_node_create(reader->loader, CONFIG_MAP, reader->origin, 1);
        }
        root = read_node(reader, &event, 0);
        yaml_event_delete(&event);
        return root && expect_end(reader) ? root : NULL;
    }
}

struct config_node *config_parse_yaml(struct config_loader *loader, const char *origin, const char *bytes,
                                      size_t len)
{
    struct yaml_reader reader = {.loader = loader, .origin = origin, .bytes = bytes, .len = len};
    if (len > BYTES_MAX) {
        fail_at(&reader, 0, "larger than 1 MiB, which no configuration needs");
        return NULL;
    }
    if (!yaml_parser_initialize(&reader.parser)) {
        upsink_fail(loader->err, UPSINK_ERR_FATAL, "out_of_memory",
                    "out of memory while reading the configuration");
        return NULL;
    }
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)bytes, len);
    struct config_node *root = read_document(&reader);
    yaml_parser_delete(&reader.parser);
    if (root && root->kind == CONFIG_NULL)
        root->kind = CONFIG_MAP; /* nothing but comments */
    return root;
}
