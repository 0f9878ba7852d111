/* upsink demo: all of it, in one process. */
#include "commands.h"

#include "connector/demo/demo.h"

enum { EVENTS = 50000, EVENTS_MOST = 2000000 };

static bool show_result(struct demo *demo, struct upsink_error *err)
{
    if (!demo_check(demo, err))
        return false;
    demo_show_outcome(demo);
    if (!demo_show_rows(demo, err) || !demo_show_dead_letters(demo, err))
        return false;
    demo_show_verdict(demo);
    demo_show_next(demo);
    return true;
}

int command_demo(const struct cli_args *args)
{
    struct upsink_error err = {0};
    struct demo demo;
    int64_t events = EVENTS;
    int status = 0;
    if (!cli_read_integer(args, "events", 1, EVENTS_MOST, &events, &err))
        return cli_fail(&err);
    struct demo_options options = {.events = (uint64_t)events,
                                   .brokers = cli_value(args, "brokers"),
                                   .sink = cli_value(args, "sink"),
                                   .overrides = args->overrides,
                                   .override_count = args->override_count};
    bool ok = demo_prepare(&demo, &options, &err);
    if (ok) {
        demo_show_start(&demo);
        ok = demo_run(&demo, &err) && show_result(&demo, &err);
    }
    status = !ok ? cli_fail(&err) : demo_is_good(&demo) ? 0 : 1;
    demo_clear(&demo);
    return status;
}
