#include "connector/targets.h"

#include "connector/view.h"
#include "sinks/registry.h"
#include "url.h"

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

/* Who logs in, and how the session is set up, may decide what a name means: a search path in Postgres. Only
 * the store can tell then. */
static bool is_certain(const char *one, const char *other)
{
    static const char *const deciding[] = {"user", "options", "service"};
    struct upsink_error err;
    struct url a, b;
    bool same = true;
    if (!url_parse(&a, one, &err))
        return true;
    if (url_parse(&b, other, &err)) {
        same = strcmp(a.user ? a.user : "", b.user ? b.user : "") == 0;
        for (size_t i = 0; same && i < sizeof deciding / sizeof *deciding; i++) {
            const char *value = url_get(&a, deciding[i]), *second = url_get(&b, deciding[i]);
            same = strcmp(value ? value : "", second ? second : "") == 0;
        }
        url_clear(&b);
    }
    url_clear(&a);
    return same;
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
            if (upsink_slice_equal(names[i], names[j]) &&
                is_certain(config->views[i].url, config->views[j].url))
                good = upsink_fail(
                    err, UPSINK_ERR_CONFIG, "target_shared",
                    "the views %.80s and %.80s both write into %.*s; give each a target of its "
                    "own",
                    config->views[j].name, config->views[i].name, (int)names[i].len, names[i].data);
    }
    arena_destroy(&arena);
    return good;
}
