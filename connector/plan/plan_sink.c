#include "plan.h"

#include "connector/view.h"
#include "log.h"
#include "sinks/registry.h"

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
}

static void note_refill(void *context)
{
    struct plan *plan = context;
    plan->refills = true;
}

void plan_look_at_sink(struct plan *plan)
{
    struct upsink_error err;
    struct upsink_view target;
    struct upsink_sink *sink = NULL;
    struct upsink_host host = {sizeof host, plan, log_from_sink, never};
    struct upsink_printer printer = {plan, keep_statement, note_refill};
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
    type->close(sink);
    return;
fail:
    plan_add_problem(plan, &err);
    if (sink)
        type->close(sink);
}
