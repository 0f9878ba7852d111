#include "commands.h"

#include "connector/service.h"

static struct config *load_again(void *context, struct upsink_error *err)
{
    const struct cli_args *args = context;
    struct config_request request = cli_config_request(args);
    return config_load(&request, err);
}

int command_run(const struct cli_args *args)
{
    struct upsink_error err = {0};
    struct config *config = cli_load_config(args, &err);
    if (!config)
        return cli_fail(&err);
    struct service_options options = {.config = config,
                                      .until_end = cli_has(args, "until-end"),
                                      .reload = load_again,
                                      .context = (void *)(uintptr_t)args};
    int status = service_run(&options);
    config_destroy(config);
    return status;
}
