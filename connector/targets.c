#include "connector/targets.h"

#include "connector/view.h"
#include "sinks/registry.h"

#include <stdlib.h>

/* What the sink calls the target; absent where it keeps nothing, or can't be opened. */
static struct upsink_slice describe(const struct view_config *settings, struct arena *arena)
{
    struct upsink_error err;
    struct upsink_view target;
    struct upsink_sink *sink = NULL;
    struct upsink_slice name = UPSINK_SLICE_ABSENT;
    const struct upsink_sink_type *type = registry_find(settings->url, &err);
    struct mapping *mapping = type ? mapping_create(&settings->mapping, &err) : NULL;
    if (!mapping)
        return name;
    view_describe_target(settings, mapping, &target);
    if ((type->capabilities & UPSINK_KEEPS_POSITIONS) && type->open(&sink, &target, NULL, &err)) {
        name = arena_copy(arena, upsink_slice_of(type->describe(sink)));
        type->close(sink);
    }
    mapping_destroy(mapping);
    return name;
}

bool targets_check(const struct config *config, struct upsink_error *err)
{
    struct arena arena;
    bool good = true;
    arena_init(&arena, 0);
    struct upsink_slice *names = arena_alloc_array(&arena, config->view_count + 1, sizeof *names);
    for (size_t i = 0; names && good && config->view_count > 1 && i < config->view_count; i++) {
        names[i] = describe(&config->views[i], &arena);
        for (size_t j = 0; good && names[i].data && j < i; j++)
            if (upsink_slice_equal(names[i], names[j]))
                good = upsink_fail(
                    err, UPSINK_ERR_CONFIG, "target_shared",
                    "the views %.80s and %.80s both write into %.*s; give each a target of its "
                    "own",
                    config->views[j].name, config->views[i].name, (int)names[i].len, names[i].data);
    }
    arena_destroy(&arena);
    return good;
}
