/* upsink sinks: the plugins that are installed, and what each takes. */
#include "commands.h"

#include "log.h"
#include "nearest.h"
#include "sinks/registry.h"

#include <jansson.h>
#include <stdlib.h>

struct listing {
    const char *name; /* only this one, by its name or a scheme of its URLs; NULL: all */
    bool json;
    size_t shown;
    bool unusable; /* the one asked for */
    struct nearest nearest;
};

static json_t *list_capabilities(const struct upsink_sink_type *type)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } names[] = {{UPSINK_KEEPS_POSITIONS, "positions"},
                 {UPSINK_TRANSACTIONAL, "transactions"},
                 {UPSINK_FENCED, "fence"}};
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (type->capabilities & names[i].bit)
            json_array_append_new(list, json_string(names[i].name));
    }
    return list;
}

static json_t *list_options(const struct upsink_option *options)
{
    json_t *list = json_array();
    for (; options && options->name; options++)
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:s*, s:s}", "name", options->name, "type", options->type,
                                        "default", options->fallback, "help", options->help));
    return list;
}

static void print_json(const struct registry_entry *entry)
{
    const struct upsink_sink_type *type = entry->type;
    json_t *line = json_pack("{s:s, s:s}", "name", entry->name, "path", entry->path);
    if (type) {
        json_t *schemes = json_array();
        for (const char *const *scheme = type->schemes; *scheme; scheme++)
            json_array_append_new(schemes, json_string(*scheme));
        json_object_set_new(line, "schemes", schemes);
        json_object_set_new(line, "summary", json_string(type->summary));
        json_object_set_new(line, "capabilities", list_capabilities(type));
        json_object_set_new(line, "url_options", list_options(type->url_options));
        json_object_set_new(line, "settings", list_options(type->settings));
    } else {
        json_object_set_new(line, "problem", json_string(entry->problem));
    }
    json_dumpf(line, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(line);
}

/* "postgres: postgresql:" */
static void join_schemes(const struct upsink_sink_type *type, char *text, size_t size)
{
    size_t len = 0;
    text[0] = '\0';
    for (const char *const *scheme = type->schemes; *scheme && len < size; scheme++)
        len += (size_t)snprintf(text + len, size - len, "%s%s:", len ? " " : "", *scheme);
}

static void print_row(const struct registry_entry *entry, bool first)
{
    enum { WHAT = 40 };
    char schemes[80] = "", text[300];
    if (entry->type)
        join_schemes(entry->type, schemes, sizeof schemes);
    log_escape(upsink_slice_of(entry->type ? entry->type->summary : entry->problem), text, sizeof text);
    if (first)
        printf("%-14s %-24s %s\n", "SINK", "URL", "WHAT");
    int column = printf("%-14s %-24s", entry->name, schemes);
    if (column >= WHAT) {
        putchar('\n');
        column = 0;
    }
    printf("%*s%s%s\n", WHAT - column, "", entry->type ? "" : "can't be used: ", text);
}

static void print_options(const char *title, const struct upsink_option *options)
{
    if (!options || !options->name)
        return;
    printf("\n%s\n", title);
    for (; options->name; options++) {
        printf("  %s (%s", options->name, options->type);
        if (options->fallback && *options->fallback)
            printf(", default: %s", options->fallback);
        puts(")");
        cli_print_wrapped(stdout, options->help, 6, 0);
    }
}

static void print_details(const struct registry_entry *entry)
{
    char schemes[80], title[160];
    join_schemes(entry->type, schemes, sizeof schemes);
    printf("%s: %s\n\nURL:     %s\nPlugin:  %s\n", entry->name, entry->type->summary, schemes, entry->path);
    print_options("Parameters of the URL, as in ?NAME=VALUE&...", entry->type->url_options);
    snprintf(title, sizeof title, "Settings, in the view's section \"%s\"", entry->name);
    print_options(title, entry->type->settings);
}

static bool is_asked_for(struct listing *listing, const struct registry_entry *entry)
{
    bool asked = strcmp(listing->name, entry->name) == 0;
    nearest_offer(&listing->nearest, entry->name);
    for (const char *const *scheme = entry->type ? entry->type->schemes : NULL; scheme && *scheme; scheme++) {
        nearest_offer(&listing->nearest, *scheme);
        asked = asked || strcmp(listing->name, *scheme) == 0;
    }
    return asked;
}

static void complain(const struct registry_entry *entry)
{
    struct upsink_error err;
    upsink_fail(&err, UPSINK_ERR_CONFIG, "sink_not_loaded", "%s can't be used: %s", entry->name,
                entry->problem);
    cli_fail(&err);
}

static void visit(void *context, const struct registry_entry *entry)
{
    struct listing *listing = context;
    if (listing->name && !is_asked_for(listing, entry))
        return;
    if (listing->json)
        print_json(entry);
    else if (listing->name && entry->type)
        print_details(entry);
    else if (listing->name)
        complain(entry);
    else
        print_row(entry, listing->shown == 0);
    listing->shown++;
    listing->unusable = listing->unusable || (listing->name && !entry->type);
}

int command_sinks(const struct cli_args *args)
{
    struct upsink_error err;
    struct listing listing = {.name = args->argument_count ? args->arguments[0] : NULL,
                              .json = cli_wants_json(args)};
    char shown[64];
    nearest_init(&listing.nearest, listing.name ? listing.name : "");
    if (!registry_list(visit, &listing, &err))
        return cli_fail(&err);
    if (listing.shown || !listing.name) {
        if (!listing.shown && !listing.json)
            puts("No sink is installed; UPSINK_PLUGIN_PATH names directories with plugins "
                 "(libupsink_NAME.so).");
        return listing.unusable ? 2 : 0;
    }
    log_escape(upsink_slice_of(listing.name), shown, sizeof shown);
    const char *hint = nearest_hint(&listing.nearest);
    upsink_fail(&err, UPSINK_ERR_CONFIG, "usage", "no sink is named \"%s\"%s `upsink sinks` lists them",
                shown, *hint ? hint : ";");
    return cli_fail(&err);
}
