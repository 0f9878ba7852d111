#include "commands.h"

#include <errno.h>

static const struct {
    const char *name;
    int (*run)(const struct cli_args *args);
} commands[] = {
    {"run", command_run},           {"plan", command_plan},         {"sinks", command_sinks},
    {"dlq list", command_dlq_list}, {"dlq show", command_dlq_show}, {"dlq stats", command_dlq_stats},
    {"demo", command_demo},         {"generate", command_generate},
};

#define COMMANDS (sizeof commands / sizeof *commands)

static bool is_built_in(const struct cli_command *command)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, command->name) == 0)
            return true;
    }
    return false;
}

static int run(const struct cli_args *args)
{
    struct upsink_error err;
    if (args->version) {
        puts("upsink " UPSINK_VERSION);
        return 0;
    }
    if (args->help) {
        if (args->command)
            cli_print_command(stdout, args->command);
        else if (args->group)
            cli_print_group(stdout, args->group, is_built_in);
        else
            cli_print_overview(stdout, is_built_in);
        return 0;
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, args->command->name) == 0)
            return commands[i].run(args);
    }
    upsink_fail(&err, UPSINK_ERR_CONFIG, "usage", "the command %s is not supported by this version",
                args->command->name);
    return cli_fail(&err);
}

/* What could not be written must not pass for done. */
static int finish_output(int status)
{
    struct upsink_error err;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    upsink_fail(&err, UPSINK_ERR_FATAL, "output", "can't write to standard output: %s", strerror(errno));
    int failed = cli_fail(&err);
    return status ? status : failed;
}

int commands_main(int argc, char *const *argv)
{
    struct cli_args args;
    struct upsink_error err;
    int status = cli_parse(&args, argc, argv, &err) ? run(&args) : cli_fail(&err);
    cli_clear(&args);
    return finish_output(status);
}
