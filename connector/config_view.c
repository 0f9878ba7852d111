#include "config_read.h"

#include "buf.h"
#include "nearest.h"

#include <regex.h>

#define TOPIC_NAME_MAX 249 /* Kafka's own limit */

bool config_is_topic_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t len = strlen(name);
    return len > 0 && len <= TOPIC_NAME_MAX && strspn(name, allowed) == len && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

/* The part before the colon, where it can be a scheme (RFC 3986, section 3.1); absent otherwise. */
static struct upsink_slice find_scheme(const char *url)
{
    size_t len = strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");
    bool starts_well = (url[0] >= 'a' && url[0] <= 'z') || (url[0] >= 'A' && url[0] <= 'Z');
    return len && starts_well && url[len] == ':' ? (struct upsink_slice){url, len} : UPSINK_SLICE_ABSENT;
}

/* Of sinks, which may serve several schemes. */
static struct upsink_slice find_kind(const char *url)
{
    struct upsink_slice scheme = find_scheme(url);
    if (upsink_slice_is(scheme, "mongodb+srv"))
        return UPSINK_SLICE_LIT("mongodb");
    if (upsink_slice_is(scheme, "rediss"))
        return UPSINK_SLICE_LIT("redis");
    if (upsink_slice_is(scheme, "opensearch") || upsink_slice_is(scheme, "elasticsearch+https") ||
        upsink_slice_is(scheme, "opensearch+https"))
        return UPSINK_SLICE_LIT("elasticsearch");
    return upsink_slice_is(scheme, "postgresql") ? UPSINK_SLICE_LIT("postgres") : scheme;
}

struct upsink_slice config_sink_kind(const struct config_node *view)
{
    const struct config_node *sink = config_node_find(view, "sink");
    return sink && sink->kind == CONFIG_SCALAR ? find_kind(sink->text) : UPSINK_SLICE_ABSENT;
}

bool config_is_settings(const struct config_node *view, const char *name)
{
    const struct config_option *known = config_option_find(config_options, "views")->options;
    return upsink_slice_is(config_sink_kind(view), name) && !config_option_find(known, name);
}

static bool has_parameter(const char *url, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = strchr(url, '?'); at; at = strpbrk(at, "&#")) {
        if (*at == '#')
            return false;
        at++;
        if (strncmp(at, name, len) == 0 && at[len] == '=')
            return true;
    }
    return false;
}

static bool check_sink(struct config_loader *loader, const struct config_node *node,
                       const struct view_config *view)
{
    static const char *const target_parameters[] = {"table", "collection", "prefix", "index"};
    if (!view->url)
        return config_fail(loader, node,
                           "\"sink\" is missing: the URL of the database, as in "
                           "postgres://user@host/database or sqlite:FILE");
    const struct config_node *sink = config_node_find(node, "sink");
    if (!find_scheme(view->url).data)
        return config_fail(loader, sink,
                           "this is not a URL, which starts with a scheme and a colon, as in "
                           "postgres://user@host/database or sqlite:FILE; see `upsink sinks`");
    const struct config_node *table = config_node_find(node, "table");
    if (table && !*view->target)
        return config_fail(loader, table, "there is no value here");
    for (size_t i = 0; table && i < sizeof target_parameters / sizeof *target_parameters; i++) {
        if (has_parameter(view->url, target_parameters[i]))
            return config_fail(loader, table, "the sink's URL says %s= too; keep one of the two",
                               target_parameters[i]);
    }
    return true;
}

/* Kafka's client takes POSIX extended expressions for ^names. */
static bool check_regex(struct config_loader *loader, const struct config_node *topic,
                        const struct view_config *view)
{
    regex_t regex;
    char reason[120];
    int failed = regcomp(&regex, view->topics[0], REG_EXTENDED | REG_NOSUB);
    if (failed) {
        regerror(failed, &regex, reason, sizeof reason);
        return config_fail(loader, topic, "not a regular expression: %s", reason);
    }
    bool taken = view->on_error == ON_ERROR_DLQ && regexec(&regex, view->dlq_topic, 0, NULL, 0) == 0;
    regfree(&regex);
    if (taken)
        return config_fail(
            loader, topic,
            "the expression matches the view's own dead-letter topic %s too; narrow it, or name "
            "another dlq.topic",
            view->dlq_topic);
    return true;
}

static bool check_topics(struct config_loader *loader, const struct config_node *node,
                         const struct view_config *view)
{
    const struct config_node *topic = config_node_find(node, "topic"), *item = topic;
    char shown[CONFIG_SHOWN_SIZE];
    if (!view->topic_count)
        return config_fail(loader, node, "\"topic\" is missing: a topic's name, a list of names, or ^regex");
    if (topic->kind == CONFIG_LIST)
        item = topic->first;
    for (size_t i = 0; i < view->topic_count; i++, item = item->next) {
        const char *name = view->topics[i];
        config_shown(item, false, shown);
        if (name[0] == '^' && view->topic_count > 1)
            return config_fail(loader, item, "%s: a ^regex stands alone, not in a list", shown);
        if (name[0] != '^' && !config_is_topic_name(name))
            return config_fail(loader, item,
                               "%s is not the name of a topic: 1 to %d of the characters a-z A-Z 0-9 . _ - "
                               "(several are a list, as in [a, b]; an expression starts with ^)",
                               shown, TOPIC_NAME_MAX);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(name, view->topics[j]) == 0)
                return config_fail(loader, item, "%s stands in the list twice", shown);
        }
    }
    return true;
}

static bool check_dead_letters(struct config_loader *loader, const struct config_node *node,
                               const struct view_config *view)
{
    const struct config_node *dlq = config_node_find(node, "dlq"), *given = config_node_find(dlq, "topic");
    if (view->on_error != ON_ERROR_DLQ && !given)
        return true;
    if (!config_is_topic_name(view->dlq_topic))
        return config_fail(
            loader, given ? given : node,
            given ? "not the name of a topic: 1 to %d of the characters a-z A-Z 0-9 . _ -"
                  : "the dead-letter topic needs a name of its own (at most %d of a-z A-Z 0-9 . _ -); "
                    "set dlq.topic",
            TOPIC_NAME_MAX);
    for (size_t i = 0; i < view->topic_count; i++) {
        if (strcmp(view->topics[i], view->dlq_topic) == 0)
            return config_fail(loader, given ? given : node,
                               "%s is both a topic of the view and its dead-letter topic", view->dlq_topic);
    }
    return true;
}

static bool check_delete(struct config_loader *loader, const struct config_node *node,
                         const struct view_config *view)
{
    const struct config_node *section = config_node_find(node, "delete_when");
    if (!section)
        return true;
    if (view->mapping.delete_field && !view->mapping.delete_equals)
        return config_fail(loader, section, "\"field\" needs \"equals\" beside it: the value that deletes");
    if (view->mapping.delete_equals && !view->mapping.delete_field)
        return config_fail(loader, section, "\"equals\" needs \"field\" beside it: where the value stands");
    return true;
}

/* A sink gets text: a section or a list of its own as JSON. */
static const struct upsink_setting *read_section_of_sink(struct config_loader *loader,
                                                         const struct config_node *section, size_t *count)
{
    *count = 0;
    for (const struct config_node *child = section->first; child; child = child->next)
        ++*count;
    struct upsink_setting *settings = config_alloc(loader, *count + 1, sizeof *settings), *setting = settings;
    for (const struct config_node *child = section->first; settings && child; child = child->next) {
        if (child->kind == CONFIG_NULL) {
            config_fail(loader, child, "there is no value here");
            return NULL;
        }
        *setting = (struct upsink_setting){
            child->name, child->kind == CONFIG_SCALAR ? child->text : config_json(loader, child)};
        if (!setting++->value)
            return NULL;
    }
    return settings;
}

static bool read_settings(struct config_loader *loader, const struct config_node *node,
                          struct view_config *view)
{
    for (const struct config_node *child = node->first; child; child = child->next) {
        if (!config_is_settings(node, child->name))
            continue;
        if (child->kind != CONFIG_MAP && child->kind != CONFIG_NULL)
            return config_fail(loader, child, "a section is needed here (names with values)");
        view->settings = read_section_of_sink(loader, child, &view->setting_count);
        view->settings_place =
            child->line ? config_format(loader, "%s:%zu", child->origin, child->line) : child->origin;
        if (!view->settings || !view->settings_place)
            return false;
    }
    return true;
}

static const char *join_topics(struct config_loader *loader, const struct view_config *view)
{
    struct buf text;
    buf_init(&text);
    for (size_t i = 0; i < view->topic_count; i++) {
        buf_append_text(&text, i ? "," : "");
        buf_append_text(&text, view->topics[i]);
    }
    const char *joined = text.failed ? NULL : config_text(loader, text.data, text.len);
    buf_destroy(&text);
    return joined;
}

/* What follows from the rest. */
static bool derive_names(struct config_loader *loader, struct view_config *view)
{
    struct upsink_slice scheme = find_scheme(view->url);
    bool is_regex = view->topics[0][0] == '^';
    bool is_prefix = upsink_slice_is(scheme, "redis") || upsink_slice_is(scheme, "rediss");
    const char *target = is_regex ? view->name : view->topics[0];
    view->group = config_format(loader, "upsink-%s", view->name);
    view->topic_text = join_topics(loader, view);
    view->default_target = config_format(loader, "%s%s", target, is_prefix ? ":" : "");
    if (!view->dlq_topic)
        view->dlq_topic =
            config_format(loader, "%s.dlq", is_regex || view->topic_count > 1 ? view->name : view->topics[0]);
    return view->group && view->topic_text && view->default_target && view->dlq_topic;
}

bool config_finish_view(struct config_loader *loader, const struct config_node *node,
                        struct view_config *view)
{
    if (!check_topics(loader, node, view) || !check_sink(loader, node, view) || !derive_names(loader, view) ||
        !check_dead_letters(loader, node, view) || !check_delete(loader, node, view) ||
        !read_settings(loader, node, view))
        return false;
    if (view->topics[0][0] == '^' && !check_regex(loader, config_node_find(node, "topic"), view))
        return false;
    const struct config_node *retry = config_node_find(node, "retry");
    if (view->retry_initial_us <= view->retry_max_us)
        return true;
    if (config_node_find(retry, "initial"))
        return config_fail(loader, retry, "\"initial\" is longer than \"max\"");
    view->retry_initial_us = view->retry_max_us;
    return true;
}
