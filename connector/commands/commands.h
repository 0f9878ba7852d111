/* The commands. Each takes its parsed arguments and returns the exit status: 0 done, 1 failed while running,
 * 2 usage or configuration. A new one needs a prototype here, a line in commands.c and its description in
 * cli_table.c. */
#ifndef UPSINK_COMMANDS_H
#define UPSINK_COMMANDS_H

#include "cli.h"

int command_run(const struct cli_args *args);
int command_plan(const struct cli_args *args);
int command_sinks(const struct cli_args *args);
int command_dlq_list(const struct cli_args *args);
int command_dlq_show(const struct cli_args *args);
int command_dlq_stats(const struct cli_args *args);
int command_demo(const struct cli_args *args);
int command_generate(const struct cli_args *args);

/* All of main. */
int commands_main(int argc, char *const *argv);

#endif
