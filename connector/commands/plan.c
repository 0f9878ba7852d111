/* upsink plan: looks at everything that run would use, and touches none of it. */
#include "commands.h"

#include "connector/plan/plan_report.h"
#include "connector/targets.h"
#include "log.h"

enum { RECORDS = 10, RECORDS_MOST = 1000 };

/* Prints the problems where errors go; returns the exit status. */
static int report_problems(const struct plan *plan)
{
    int status = 0;
    for (size_t i = 0; i < plan->problem_count; i++) {
        struct upsink_error err = plan->problems[i];
        snprintf(err.text, sizeof err.text, "view %s: %s", plan->settings->name, plan->problems[i].text);
        int failed = cli_fail(&err);
        status = failed > status ? failed : status;
    }
    return status;
}

static int plan_view(const struct config *config, const struct view_config *settings,
                     struct plan_kafka *kafka, uint32_t most, bool json)
{
    struct plan plan;
    struct upsink_error err;
    int status;
    if (plan_init(&plan, config, settings, &err)) {
        plan_look_at_kafka(&plan, kafka);
        plan_look_at_sink(&plan);
        plan_read_records(&plan, kafka, most);
        plan_decide(&plan, kafka);
        (json ? plan_print_json : plan_print)(&plan, stdout);
        status = report_problems(&plan);
    } else {
        status = cli_fail(&err);
    }
    plan_clear(&plan);
    return status;
}

int command_plan(const struct cli_args *args)
{
    struct upsink_error err = {0};
    struct plan_kafka kafka = {0};
    int64_t most = RECORDS;
    int status = 0;
    if (!cli_read_integer(args, "records", 0, RECORDS_MOST, &most, &err))
        return cli_fail(&err);
    struct config *config = cli_load_config(args, &err);
    if (!config)
        return cli_fail(&err);
    if (targets_check(config, &err) && plan_kafka_open(&kafka, config, &err)) {
        for (size_t i = 0; i < config->view_count; i++) {
            if (i > 0 && !cli_wants_json(args))
                putchar('\n');
            int failed = plan_view(config, &config->views[i], &kafka, (uint32_t)most, cli_wants_json(args));
            status = failed > status ? failed : status;
        }
    } else {
        status = cli_fail(&err);
    }
    plan_kafka_close(&kafka);
    config_destroy(config);
    return status;
}
