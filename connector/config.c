#include "connector/config.h"

#include "config_override.h"
#include "config_read.h"

#include <stdlib.h>

#define FILE_BYTES_MAX (1024 * 1024)

void config_destroy(struct config *config)
{
    if (!config)
        return;
    struct arena *arena = config->memory;
    arena_destroy(arena); /* the configuration itself among the rest */
    free(arena);
}

/* File, environment, flags, --set: later ones win. */
static bool compose(struct config_loader *loader, struct config_node *root,
                    const struct config_request *request)
{
    if (root->kind != CONFIG_MAP)
        return config_fail_plain(loader, root,
                                 "a configuration consists of the sections kafka, views, http and log");
    if (!request->file && !config_describe_view(loader, root, request))
        return false;
    if (!config_apply_environment(loader, root) || !config_apply_flags(loader, root, request))
        return false;
    for (size_t i = 0; i < request->override_count; i++) {
        if (!config_override(loader, root, &request->overrides[i]))
            return false;
    }
    return config_select_views(loader, root, request);
}

static bool check(struct config_loader *loader, const struct config_node *root, struct config *config)
{
    const struct config_node *views = config_node_find(root, "views");
    if (!config->view_count)
        return config_fail_plain(
            loader, views ? views : root,
            "there are no views; each needs at least a topic and a sink, below views.NAME");
    return config_check_kafka(loader, root) && config_check_http(loader, root, config);
}

static struct config *load_tree(struct config_loader *loader, struct config_node *root,
                                const struct config_request *request)
{
    struct config *config = config_alloc(loader, 1, sizeof *config);
    if (!config || !compose(loader, root, request) || !config_expand(loader, root) ||
        !config_read(loader, root, config) || !check(loader, root, config))
        return NULL;
    return config;
}

static struct config_node *load_file(struct config_loader *loader, const char *file)
{
    struct config_node at = {.origin = "-c"};
    struct upsink_slice bytes = config_read_file(loader, &at, file, FILE_BYTES_MAX);
    const char *slash = strrchr(file, '/');
    if (!bytes.data)
        return NULL;
    if (slash) {
        loader->directory = config_text(loader, file, (size_t)(slash - file));
        if (!loader->directory)
            return NULL;
    }
    return config_parse_yaml(loader, strcmp(file, "-") == 0 ? "stdin" : file, bytes.data, bytes.len);
}

/* Takes the arena over, also where it fails. */
static struct config *finish(struct arena *arena, struct config *config)
{
    if (config) {
        config->memory = arena;
        return config;
    }
    arena_destroy(arena);
    free(arena);
    return NULL;
}

static struct arena *begin(const struct config_request *request, struct upsink_error *err,
                           struct config_loader *loader)
{
    struct arena *arena = malloc(sizeof *arena);
    if (!arena) {
        upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory while reading the configuration");
        return NULL;
    }
    arena_init(arena, 16 * 1024);
    *loader = (struct config_loader){.arena = arena, .err = err, .environment = request->environment};
    return arena;
}

struct config *config_load(const struct config_request *request, struct upsink_error *err)
{
    struct config_loader loader;
    struct arena *arena = begin(request, err, &loader);
    if (!arena)
        return NULL;
    struct config_node *root = request->file ? load_file(&loader, request->file)
                                             : config_node_create(&loader, CONFIG_MAP, "command line", 0);
    return finish(arena, root ? load_tree(&loader, root, request) : NULL);
}

struct config *config_load_text(const struct config_request *request, const char *bytes, size_t len,
                                struct upsink_error *err)
{
    struct config_loader loader;
    struct arena *arena = begin(request, err, &loader);
    if (!arena)
        return NULL;
    struct config_node *root = config_parse_yaml(&loader, request->file, bytes, len);
    return finish(arena, root ? load_tree(&loader, root, request) : NULL);
}
