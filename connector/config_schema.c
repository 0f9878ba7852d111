#include "config_schema.h"

#include "config_options.h"
#include "nearest.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Any value may be, or hold, a reference that is replaced after parsing. */
#define REFERENCE "\\$\\{"

static json_t *describe_table(const struct config_option *options);

static json_t *pattern_of(const char *pattern)
{
    return json_pack("{s:s, s:s}", "type", "string", "pattern", pattern);
}

static json_t *list_words(const char *words)
{
    json_t *list = json_array();
    struct upsink_slice word;
    while (words_next(&words, &word))
        json_array_append_new(list, json_stringn(word.data, word.len));
    return list;
}

static json_t *one_or_more(json_t *item)
{
    return json_pack("{s:[O, {s:s, s:o, s:i}]}", "anyOf", item, "type", "array", "items", item, "minItems",
                     1);
}

static json_t *describe_source(enum option_type type)
{
    return pattern_of(type == OPTION_POINTER ? "^/|" REFERENCE : "^/|^header:.|" REFERENCE);
}

static json_t *describe_value(const struct config_option *option)
{
    switch (option->type) {
    case OPTION_WORD:
        return json_pack("{s:[{s:o}, o]}", "anyOf", "enum", list_words(option->words), pattern_of(REFERENCE));
    case OPTION_INTEGER:
        return json_pack("{s:[s,s], s:I, s:I, s:s}", "type", "integer", "string", "minimum",
                         (json_int_t)option->least, "maximum", (json_int_t)option->most, "pattern",
                         REFERENCE);
    case OPTION_SIZE:
        return json_pack("{s:[s,s], s:I, s:I, s:s}", "type", "integer", "string", "minimum",
                         (json_int_t)option->least, "maximum", (json_int_t)option->most, "pattern",
                         "^[0-9]+(\\.[0-9]+)?([kKmMgG][iI]?)?[bB]$|" REFERENCE);
    case OPTION_DURATION:
        return json_pack("{s:[{s:i}, o]}", "anyOf", "const", 0,
                         pattern_of("^0$|^[0-9]+(\\.[0-9]+)?(us|ms|s|m|h|d)$|" REFERENCE));
    case OPTION_SHARE:
        return json_pack("{s:[{s:b}, o]}", "anyOf", "const", 0, /* YAML 1.1 editors read off as false */
                         pattern_of("^off$|^[0-9]+(\\.[0-9]+)?%$|" REFERENCE));
    case OPTION_TEXTS:
        return one_or_more(json_pack("{s:s}", "type", "string"));
    case OPTION_SOURCES: {
        json_t *value = one_or_more(describe_source(OPTION_SOURCE));
        json_array_insert_new(json_object_get(value, "anyOf"), 0,
                              json_pack("{s:o}", "enum", list_words(option->words)));
        return value;
    }
    case OPTION_POINTER:
    case OPTION_SOURCE:
        return describe_source(option->type);
    case OPTION_LITERAL:
        return json_pack("{s:[s,s,s,s]}", "type", "string", "number", "boolean", "null");
    case OPTION_PROPERTIES:
        return json_pack("{s:s, s:{s:[s,s,s]}}", "type", "object", "additionalProperties", "type", "string",
                         "number", "boolean");
    case OPTION_SECTION:
        return describe_table(option->options);
    case OPTION_VIEWS: {
        json_t *view = describe_table(option->options);
        json_object_set_new(view, "required", json_pack("[s,s]", "topic", "sink"));
        /* The settings of a sink, in a section named like its kind, which may be any plugin. */
        json_object_set_new(view, "additionalProperties", json_pack("{s:[s,s]}", "type", "object", "null"));
        return json_pack("{s:s, s:i, s:{s:s}, s:o}", "type", "object", "minProperties", 1, "propertyNames",
                         "pattern", "^[A-Za-z0-9._+-]{1,200}$", "additionalProperties", view);
    }
    default:
        return json_pack("{s:[s,s,s]}", "type", "string", "number", "boolean");
    }
}

/* Defaults as an editor would insert them. */
static json_t *describe_default(const struct config_option *option)
{
    if (option->type == OPTION_INTEGER)
        return json_integer(strtoll(option->fallback, NULL, 10));
    return json_string(option->fallback);
}

static json_t *describe_table(const struct config_option *options)
{
    json_t *properties = json_object();
    for (; options->name; options++) {
        if (options->type == OPTION_LATER) {
            json_object_set_new(properties, options->name,
                                json_pack("{s:s+, s:{}}", "description", options->help,
                                          "; not supported by this version", "not"));
            continue;
        }
        json_t *value = describe_value(options), *property = json_object();
        json_object_set_new(property, "description", json_string(options->help));
        if (options->fallback)
            json_object_set_new(property, "default", describe_default(options));
        json_object_update(property, value);
        json_decref(value);
        json_object_set_new(properties, options->name, property);
    }
    return json_pack("{s:[s,s], s:o, s:b}", "type", "object", "null", "properties", properties,
                     "additionalProperties", 0);
}

char *config_schema_create(void)
{
    json_t *table = describe_table(config_options);
    json_t *schema = json_pack("{s:s, s:s, s:s}", "$schema", "http://json-schema.org/draft-07/schema#",
                               "title", "upsink", "description", "The configuration of upsink");
    json_object_update(schema, table);
    json_decref(table);
    json_object_set_new(schema, "type", json_string("object"));
    json_object_set_new(schema, "required", json_pack("[s,s]", "kafka", "views"));
    char *text = json_dumps(schema, JSON_INDENT(2) | JSON_ENSURE_ASCII), *whole = NULL;
    json_decref(schema);
    if (text && asprintf(&whole, "%s\n", text) < 0)
        whole = NULL;
    free(text);
    return whole;
}
