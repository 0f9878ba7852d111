#include "config_override.h"

#include "buf.h"
#include "config_options.h"
#include "nearest.h"

static bool fail_override(struct config_loader *loader, const char *origin, const char *sentence)
{
    struct config_node at = {.origin = origin};
    return config_fail_plain(loader, &at, "%s", sentence);
}

/* The option at the path, or NULL; below views and kafka too. */
static const struct config_option *find_option(const struct config_steps *steps)
{
    const struct config_option *options = config_options, *option = NULL;
    for (size_t i = 0; i < steps->count; i++) {
        if (option && option->type == OPTION_VIEWS && i == 1)
            continue; /* the view's own name */
        if (!options)
            return NULL;
        for (option = options; option->name && !upsink_slice_is(steps->name[i], option->name);)
            option++;
        if (!option->name)
            return NULL;
        options = option->options;
    }
    return option;
}

static void forget_lines(struct config_node *node, bool final)
{
    node->line = 0;
    node->final = final;
    for (struct config_node *child = node->first; child; child = child->next)
        forget_lines(child, final);
}

/* The child of that name, made where it is missing; a null becomes a map. NULL with the error set. */
static struct config_node *enter(struct config_loader *loader, struct config_node *map,
                                 struct upsink_slice name, const char *origin)
{
    if (map->kind == CONFIG_NULL)
        map->kind = CONFIG_MAP;
    if (map->kind != CONFIG_MAP) {
        config_fail(loader, map, "a section is needed here (names with values)");
        return NULL;
    }
    for (struct config_node *child = map->first; child; child = child->next) {
        if (upsink_slice_is(name, child->name))
            return child;
    }
    struct config_node *child = config_node_create(loader, CONFIG_NULL, origin, 0);
    if (!child)
        return NULL;
    child->name = config_text(loader, name.data, name.len);
    child->text = "";
    if (!child->name)
        return NULL;
    config_node_append(map, child);
    return child;
}

/* The node for a value as the option wants it: a list, a literal in quotes, or the text as it is. */
static struct config_node *make_value(struct config_loader *loader, const struct config_option *option,
                                      const char *value, const char *origin)
{
    bool takes_list = option && (option->type == OPTION_TEXTS || option->type == OPTION_SOURCES);
    bool takes_literal = option && option->type == OPTION_LITERAL;
    if ((takes_list && value[0] == '[') || (takes_literal && (value[0] == '"' || value[0] == '\'')))
        return config_parse_yaml(loader, origin, value, strlen(value));
    bool is_null = takes_literal && (strcmp(value, "null") == 0 || strcmp(value, "~") == 0);
    struct config_node *node = config_node_create(loader, is_null ? CONFIG_NULL : CONFIG_SCALAR, origin, 0);
    if (node)
        node->text = config_text(loader, value, strlen(value));
    return node && node->text ? node : NULL;
}

bool config_set(struct config_loader *loader, struct config_node *root, const struct config_steps *steps,
                const char *value, const char *origin, bool final)
{
    const struct config_option *option = find_option(steps);
    struct config_node *node = root;
    for (size_t i = 0; i < steps->count; i++) {
        node = enter(loader, node, steps->name[i], origin);
        if (!node)
            return false;
    }
    struct config_node *made = make_value(loader, option, value, origin);
    if (!made)
        return false;
    forget_lines(made, final);
    made->name = node->name;
    made->parent = node->parent;
    made->next = node->next;
    *node = *made;
    for (struct config_node *child = node->first; child; child = child->next)
        child->parent = node;
    if (option &&
        (option->type == OPTION_SECTION || option->type == OPTION_VIEWS || option->type == OPTION_PROPERTIES))
        return config_fail(loader, node, "this is a section; set one of the keys in it");
    return true;
}

static bool take_step(struct config_loader *loader, struct config_steps *steps, struct upsink_slice name,
                      const char *origin)
{
    if (name.len == 0 || steps->count == CONFIG_STEPS_MAX)
        return fail_override(loader, origin,
                             "a path is names with dots between them, as in log.level or "
                             "views.NAME.batch.max_records");
    steps->name[steps->count++] = name;
    return true;
}

static bool fail_no_view(struct config_loader *loader, const struct config_node *views, const char *typed,
                         const char *origin)
{
    struct config_node at = {.origin = origin};
    char shown[CONFIG_SHOWN_SIZE];
    struct nearest nearest;
    nearest_init(&nearest, typed);
    for (const struct config_node *view = views ? views->first : NULL; view; view = view->next)
        nearest_offer(&nearest, view->name);
    config_shown_name(typed, shown);
    return config_fail_plain(loader, &at, "no view is named \"%s\"%s", shown, nearest_hint(&nearest));
}

/* Views' names may hold dots, so the longest one that the path goes on with is meant. */
static bool take_view(struct config_loader *loader, const struct config_node *root,
                      struct config_steps *steps, const char **rest, const char *origin)
{
    const struct config_node *views = config_node_find(root, "views"), *best = NULL;
    for (const struct config_node *view = views ? views->first : NULL; view; view = view->next) {
        size_t len = strlen(view->name);
        if (strncmp(*rest, view->name, len) == 0 && ((*rest)[len] == '.' || !(*rest)[len]) &&
            (!best || len > strlen(best->name)))
            best = view;
    }
    if (!best) {
        const char *typed = config_text(loader, *rest, strcspn(*rest, "."));
        return typed && fail_no_view(loader, views, typed, origin);
    }
    *rest += strlen(best->name);
    return take_step(loader, steps, upsink_slice_of(best->name), origin);
}

static bool split_path(struct config_loader *loader, const struct config_node *root, const char *path,
                       const char *origin, struct config_steps *steps)
{
    for (steps->count = 0;; path++) {
        if (steps->count == 1 && upsink_slice_is(steps->name[0], "views")) {
            if (!take_view(loader, root, steps, &path, origin))
                return false;
        } else {
            bool is_property = steps->count == 1 && upsink_slice_is(steps->name[0], "kafka");
            size_t len = is_property ? strlen(path) : strcspn(path, ".");
            if (!take_step(loader, steps, (struct upsink_slice){path, len}, origin))
                return false;
            path += len;
        }
        if (!*path)
            return true;
    }
}

bool config_override(struct config_loader *loader, struct config_node *root,
                     const struct config_override *override)
{
    struct config_steps steps;
    return split_path(loader, root, override->path, override->origin, &steps) &&
           config_set(loader, root, &steps, override->value, override->origin, false);
}

bool config_select_views(struct config_loader *loader, struct config_node *root,
                         const struct config_request *request)
{
    struct config_node *views = config_node_find(root, "views");
    if (!request->view_name_count)
        return true;
    for (size_t i = 0; i < request->view_name_count; i++) {
        if (!config_node_find(views, request->views[i]))
            return fail_no_view(loader, views, request->views[i], "command line");
    }
    struct config_node *view = views->first;
    views->first = views->last = NULL;
    for (struct config_node *next; view; view = next) {
        next = view->next;
        for (size_t i = 0; i < request->view_name_count; i++) {
            if (strcmp(view->name, request->views[i]) == 0) {
                config_node_append(views, view);
                break;
            }
        }
    }
    return true;
}
