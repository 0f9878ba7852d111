/* UPSINK_LOG__LEVEL=debug, UPSINK_VIEWS__ORDERS__BATCH__MAX_RECORDS=500: the table's names in capitals, with
 * two underscores between them, and one for whatever is neither letter nor digit. */
#include "config_override.h"

#include "buf.h"
#include "config_options.h"
#include "config_read.h"
#include "nearest.h"

#define PREFIX      "UPSINK_"
#define SPELLED_MAX 255

/* One variable that may be a setting, and the search for the setting that it names. */
struct search {
    struct config_loader *loader;
    const struct config_node *root;
    const char *wanted; /* without the prefix */
    struct nearest nearest;
    struct config_steps now, found;
    size_t found_count;
    bool near_miss; /* right but for the underscores, or the name of a section */
};

static char capital(char c)
{
    if (c >= 'a' && c <= 'z')
        return (char)(c - 'a' + 'A');
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_';
}

/* Compares as far as `len` letters of the name go. */
static bool same_letters(const char *variable, const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!variable[i] || capital(variable[i]) != capital(name[i]))
            return false;
    }
    return true;
}

static bool same_name(const char *variable, const char *name)
{
    return strlen(variable) == strlen(name) && same_letters(variable, name, strlen(name));
}

static size_t spell(const struct config_steps *steps, const char *between, char text[SPELLED_MAX + 1])
{
    size_t len = 0;
    for (size_t i = 0; i < steps->count; i++) {
        if (i && len < SPELLED_MAX)
            len += (size_t)snprintf(text + len, SPELLED_MAX + 1 - len, "%s", between);
        for (size_t j = 0; j < steps->name[i].len && len < SPELLED_MAX; j++)
            text[len++] = capital(steps->name[i].data[j]);
    }
    len = len < SPELLED_MAX ? len : SPELLED_MAX;
    text[len] = '\0';
    return len;
}

static void compare(struct search *search)
{
    char spelled[SPELLED_MAX + 1];
    spell(&search->now, "__", spelled);
    nearest_offer(&search->nearest, spelled);
    if (same_name(search->wanted, spelled)) {
        search->found = search->now;
        search->found_count++;
        return;
    }
    spell(&search->now, "_", spelled);
    if (same_name(search->wanted, spelled))
        search->near_miss = true;
}

static void visit(struct search *search, const struct config_option *options);

static void visit_views(struct search *search, const struct config_option *option)
{
    const struct config_node *views = config_node_find(search->root, "views");
    for (const struct config_node *view = views ? views->first : NULL; view; view = view->next) {
        search->now.name[search->now.count++] = upsink_slice_of(view->name);
        visit(search, option->options);
        search->now.count--;
    }
}

static void visit(struct search *search, const struct config_option *options)
{
    for (const struct config_option *option = options; option->name; option++) {
        search->now.name[search->now.count++] = upsink_slice_of(option->name);
        if (option->type == OPTION_VIEWS)
            visit_views(search, option);
        else if (option->type == OPTION_SECTION)
            visit(search, option->options);
        else if (option->type != OPTION_PROPERTIES)
            compare(search);
        search->now.count--;
        if (options == config_options && same_name(search->wanted, option->name) &&
            option->type != OPTION_LATER)
            search->near_miss = true;
    }
}

/* A name that is not in the table: the one that stands in the map already, or the variable's in small
 * letters. */
static const char *free_name(struct config_loader *loader, const struct config_node *map,
                             const char *variable, size_t len, char separator)
{
    for (const struct config_node *child = map && map->kind == CONFIG_MAP ? map->first : NULL; child;
         child = child->next) {
        if (strlen(child->name) == len && same_letters(variable, child->name, len))
            return child->name;
    }
    char name[SPELLED_MAX + 1];
    for (size_t i = 0; i < len && i < SPELLED_MAX; i++) {
        char c = variable[i];
        name[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c == '_' ? separator : c);
    }
    return config_text(loader, name, len < SPELLED_MAX ? len : SPELLED_MAX);
}

/* UPSINK_KAFKA__SASL_PASSWORD is sasl.password. */
static bool find_property(struct search *search)
{
    static const char prefix[] = "KAFKA__";
    const char *rest = search->wanted + sizeof prefix - 1;
    if (!same_letters(search->wanted, prefix, sizeof prefix - 1) || !*rest)
        return true;
    const struct config_node *kafka = config_node_find(search->root, "kafka");
    const char *name = free_name(search->loader, kafka, rest, strlen(rest), '.');
    if (!name)
        return false;
    search->found = (struct config_steps){{UPSINK_SLICE_LIT("kafka"), upsink_slice_of(name)}, 2};
    search->found_count = 1;
    return true;
}

/* UPSINK_VIEWS__ORDERS__SQLITE__SOMETHING, where the view's sink is sqlite:. */
static bool find_setting(struct search *search)
{
    const struct config_node *views = config_node_find(search->root, "views");
    for (const struct config_node *view = views ? views->first : NULL; view; view = view->next) {
        char prefix[SPELLED_MAX + 1];
        struct config_steps steps = {
            {UPSINK_SLICE_LIT("views"), upsink_slice_of(view->name), UPSINK_SLICE_LIT("")}, 3};
        size_t len = spell(&steps, "__", prefix);
        if (!same_letters(search->wanted, prefix, len))
            continue;
        const char *rest = search->wanted + len, *end = strstr(rest, "__");
        if (!end || !end[2])
            continue;
        const char *kind = free_name(search->loader, view, rest, (size_t)(end - rest), '_');
        const char *name =
            kind ? free_name(search->loader, config_node_find(view, kind), end + 2, strlen(end + 2), '_')
                 : NULL;
        if (!name)
            return false;
        if (!config_is_settings(view, kind))
            continue;
        steps.name[2] = upsink_slice_of(kind);
        steps.name[steps.count++] = upsink_slice_of(name);
        search->found = steps;
        search->found_count++;
    }
    return true;
}

static bool fail_variable(struct search *search, const char *origin)
{
    struct config_node at = {.origin = origin};
    struct nearest *nearest = &search->nearest;
    if (nearest->distance != SIZE_MAX)
        return config_fail_plain(search->loader, &at, "no setting has this name; did you mean " PREFIX "%s?",
                                 nearest->best);
    return config_fail_plain(search->loader, &at,
                             "no setting has this name; they look like " PREFIX "LOG__LEVEL or " PREFIX
                             "VIEWS__NAME__SINK, for views that the configuration has");
}

static bool apply_variable(struct config_loader *loader, struct config_node *root, const char *entry,
                           size_t len)
{
    const char *origin = config_text(loader, entry, len);
    if (!origin)
        return false;
    struct search search = {.loader = loader, .root = root, .wanted = origin + sizeof PREFIX - 1};
    nearest_init(&search.nearest, search.wanted);
    visit(&search, config_options);
    if (!search.found_count && (!find_property(&search) || !find_setting(&search)))
        return false;
    if (search.found_count > 1) {
        struct config_node at = {.origin = origin};
        return config_fail_plain(loader, &at,
                                 "this fits several views, whose names differ in - . or _ only; "
                                 "use --set instead");
    }
    if (search.found_count)
        return config_set(loader, root, &search.found, entry + len + 1, origin, true);
    bool meant = search.near_miss || strstr(search.wanted, "__");
    return !meant || config_refers_to(root, entry, len) || fail_variable(&search, origin);
}

bool config_apply_environment(struct config_loader *loader, struct config_node *root)
{
    for (char *const *entry = loader->environment; entry && *entry; entry++) {
        size_t len = strcspn(*entry, "=");
        if (strncmp(*entry, PREFIX, sizeof PREFIX - 1) != 0 || !(*entry)[len] ||
            strncmp(*entry, "UPSINK_PLUGIN_PATH=", len + 1) == 0)
            continue;
        if (!apply_variable(loader, root, *entry, len))
            return false;
    }
    return true;
}
