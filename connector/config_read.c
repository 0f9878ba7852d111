#include "config_read.h"

#include "log.h"
#include "nearest.h"

/* Nothing under views may be longer: the name is part of group ids, topics and paths. */
#define VIEW_NAME_MAX 200

static bool read_section(struct config_loader *loader, const struct config_option *options,
                         const struct config_node *node, void *base, bool is_view);

static void list_names(const struct config_option *options, char *text, size_t size)
{
    size_t len = 0;
    text[0] = '\0';
    for (; options->name && len < size; options++) {
        if (options->type != OPTION_LATER)
            len += (size_t)snprintf(text + len, size - len, "%s%s", len ? ", " : "", options->name);
    }
}

/* `unknown key "x" in views.orders; did you mean …` */
static bool fail_unknown(struct config_loader *loader, const struct config_option *options,
                         const struct config_node *node)
{
    char shown[CONFIG_SHOWN_SIZE], path[CONFIG_PATH_SIZE], known[200];
    struct nearest nearest;
    nearest_init(&nearest, node->name);
    for (const struct config_option *option = options; option->name; option++) {
        nearest_offer(&nearest, option->name);
        if (words_contain(option->synonyms, node->name, NULL)) {
            nearest_init(&nearest, option->name);
            nearest_offer(&nearest, option->name);
            break;
        }
    }
    config_shown_name(node->name, shown);
    config_path(node->parent, path);
    const char *hint = nearest_hint(&nearest);
    const char *colon = strpbrk(node->name, ":=");
    if (strcmp(node->name, "<<") == 0)
        hint = "; merge keys are not supported";
    else if (colon)
        hint = "; a key needs a colon and a space behind it";
    list_names(options, known, sizeof known);
    return config_fail_plain(loader, node, "unknown key \"%s\"%s%s%s%s", shown, path[0] ? " in " : "", path,
                             hint, *hint ? "" : config_format(loader, "; known are: %s", known));
}

static bool expect_section(struct config_loader *loader, const struct config_node *node)
{
    if (node->kind == CONFIG_MAP || node->kind == CONFIG_NULL)
        return true;
    return config_fail(loader, node, "a section is needed here (names with values), not a %s",
                       node->kind == CONFIG_LIST ? "list" : "single value");
}

static bool set_defaults(struct config_loader *loader, const struct config_option *options, void *base)
{
    for (; options->name; options++) {
        if (options->type == OPTION_SECTION && !set_defaults(loader, options->options, base))
            return false;
        struct config_node node = {.kind = CONFIG_SCALAR, .text = options->fallback, .origin = "default"};
        if (options->fallback && !config_store(loader, options, &node, base))
            return false;
    }
    return true;
}

static const struct config_property *read_properties(struct config_loader *loader,
                                                     const struct config_node *map, size_t *count)
{
    size_t found = 0;
    for (const struct config_node *child = map->first; child; child = child->next)
        found++;
    struct config_property *properties = config_alloc(loader, found + 1, sizeof *properties);
    if (!properties)
        return NULL;
    *count = found;
    found = 0;
    for (const struct config_node *child = map->first; child; child = child->next) {
        if (child->kind != CONFIG_SCALAR) {
            config_fail(loader, child, "one value must stand here%s",
                        child->kind == CONFIG_NULL   ? ""
                        : child->kind == CONFIG_LIST ? ", not a list"
                                                     : ", not a section");
            return NULL;
        }
        properties[found++] = (struct config_property){child->name, child->text};
    }
    return properties;
}

static bool check_view_name(struct config_loader *loader, const struct config_node *node)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+";
    size_t len = strlen(node->name);
    if (len == 0 || len > VIEW_NAME_MAX || strspn(node->name, allowed) != len)
        return config_fail(loader, node,
                           "the name of a view is 1 to %d of the characters a-z A-Z 0-9 . _ - +",
                           VIEW_NAME_MAX);
    return true;
}

static bool read_views(struct config_loader *loader, const struct config_option *option,
                       const struct config_node *node, struct config *config)
{
    size_t count = 0;
    for (const struct config_node *child = node->first; child; child = child->next)
        count++;
    struct view_config *views = config_alloc(loader, count + 1, sizeof *views);
    if (!views)
        return false;
    config->views = views;
    config->view_count = count;
    struct view_config *view = views;
    for (const struct config_node *child = node->first; child; child = child->next, view++) {
        view->name = child->name;
        if (!check_view_name(loader, child) || !expect_section(loader, child) ||
            !set_defaults(loader, option->options, view) ||
            !read_section(loader, option->options, child, view, true) ||
            !config_finish_view(loader, child, view))
            return false;
    }
    return true;
}

/* Sinks that come with upsink; a view that changes its sink often keeps a section of the old one. */
static bool is_settings_name(const char *name)
{
    return words_contain("postgres|sqlite|redis|mongodb|elasticsearch|opensearch|stdout", name, NULL);
}

static bool read_option(struct config_loader *loader, const struct config_option *option,
                        const struct config_node *node, void *base)
{
    if (option->type == OPTION_LATER)
        return config_fail(loader, node, "not supported by this version");
    bool is_section =
        option->type == OPTION_SECTION || option->type == OPTION_VIEWS || option->type == OPTION_PROPERTIES;
    if (!is_section)
        return config_store(loader, option, node, base);
    if (!expect_section(loader, node))
        return false;
    if (option->type == OPTION_SECTION)
        return read_section(loader, option->options, node, base, false);
    struct config *config = base; /* the other two stand at the top level alone */
    if (option->type == OPTION_VIEWS)
        return read_views(loader, option, node, config);
    config->kafka = read_properties(loader, node, &config->kafka_count);
    return config->kafka != NULL;
}

static bool read_section(struct config_loader *loader, const struct config_option *options,
                         const struct config_node *node, void *base, bool is_view)
{
    for (const struct config_node *child = node->first; child; child = child->next) {
        const struct config_option *option = config_option_find(options, child->name);
        if (!option && is_view && config_is_settings(node, child->name))
            continue;
        if (!option && is_view && child->kind == CONFIG_MAP && is_settings_name(child->name))
            return config_fail(
                loader, child,
                "this view's sink is of another kind; settings of its own stand below \"%.*s\"",
                (int)config_sink_kind(node).len, config_sink_kind(node).data);
        if (!option)
            return fail_unknown(loader, options, child);
        if (!read_option(loader, option, child, base))
            return false;
    }
    return true;
}

bool config_read(struct config_loader *loader, const struct config_node *root, struct config *config)
{
    return set_defaults(loader, config_options, config) &&
           read_section(loader, config_options, root, config, false);
}
