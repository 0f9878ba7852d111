#include "plan.h"

#include "connector/view.h"
#include "log.h"
#include "sinks/registry.h"

#include <strings.h>

enum { STATEMENTS = 256 };

static void log_from_sink(void *context, enum upsink_log_level level, const char *text)
{
    const struct plan *plan = context;
    log_write((enum log_level)level, text, LOG_STR("view", plan->settings->name),
              LOG_STR("sink", plan->sink_name));
}

static bool never(void *context)
{
    (void)context;
    return false;
}

static void keep_statement(void *context, const char *text)
{
    struct plan *plan = context;
    struct upsink_slice copy = arena_copy(&plan->arena, upsink_slice_of(text));
    if (!copy.data || plan->statement_count == STATEMENTS)
        return;
    plan->statements[plan->statement_count++] = copy.data;
    plan->target_is_new |= strncasecmp(text, "CREATE TABLE", 12) == 0;
}

/* Tables that are missing are no trouble where they may be made. */
static void check_right_to_create(struct plan *plan)
{
    struct upsink_error err;
    if (!plan->target_is_new || plan->settings->create)
        return;
    upsink_fail(&err, UPSINK_ERR_FATAL, "target_missing",
                "%s lacks tables, and `create: never` forbids to make them: run the statements of the plan "
                "by hand, or "
                "set `create: auto`",
                plan->sink_name);
    plan_add_problem(plan, &err);
}

void plan_look_at_sink(struct plan *plan)
{
    struct upsink_error err;
    struct upsink_view target;
    struct upsink_sink *sink = NULL;
    struct upsink_host host = {sizeof host, plan, log_from_sink, never};
    struct upsink_printer printer = {plan, keep_statement};
    upsink_error_clear(&err);
    plan->statements = arena_alloc_array(&plan->arena, STATEMENTS, sizeof *plan->statements);
    const struct upsink_sink_type *type = registry_find(plan->settings->url, &err);
    if (!type || !plan->statements)
        goto fail;
    view_describe_target(plan->settings, plan->mapping, &target);
    if (!type->open(&sink, &target, &host, &err)) {
        view_place_error(plan->settings, &err);
        goto fail;
    }
    plan->sink_name = arena_copy(&plan->arena, upsink_slice_of(type->describe(sink))).data;
    plan->sink_keeps = type->capabilities & UPSINK_KEEPS_POSITIONS;
    if (!type->prepare(sink, &printer, &err))
        goto fail;
    plan->sink_known = true;
    check_right_to_create(plan);
    type->close(sink);
    return;
fail:
    plan_add_problem(plan, &err);
    if (sink)
        type->close(sink);
}
