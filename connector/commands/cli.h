/* The command line: two tables, of options and of commands, drive parsing, hints, help, manual and
 * completion.
 *
 * cli_parse is pure but for memory; all texts are borrowed from argv. Long options as --name VALUE,
 * --name=VALUE or
 * --switch; short ones as -c VALUE, -cVALUE; `--` ends the options; they may stand before, between and behind
 * the arguments, but behind the command's name. */
#ifndef UPSINK_CLI_H
#define UPSINK_CLI_H

#include "connector/config.h"

#include <stdint.h>
#include <stdio.h>

struct cli_option {
    const char *name;    /* "topic" is --topic; NULL ends the table */
    char letter;         /* 'c' is -c; 0: none */
    bool repeats;        /* may be given several times */
    const char *value;   /* what it takes, for people: "FILE"; NULL: it is a switch */
    const char *choices; /* "json|table"; NULL: any value */
    const char *path;    /* the configuration key that it sets */
    const char *help;
};

struct cli_command {
    const char *name;      /* "run", "dlq list"; NULL ends the table */
    const char *arguments; /* for the usage line; NULL: none */
    size_t least, most;    /* how many arguments, beside the view */
    bool takes_view; /* the first argument names a view, unless it holds a colon, which no view's name does */
    const char *summary;  /* one line for the list of commands */
    const char *text;     /* what a newcomer needs to know; paragraphs end with \n */
    const char *examples; /* lines that end with \n */
    const char *options;  /* "config|view|…": names in cli_options; NULL: none but --help */
    bool hidden;          /* works, but is no part of the help */
};

/* An option that was given. */
struct cli_given {
    const struct cli_option *option;
    const char *value; /* NULL: a switch */
};

struct cli_args {
    const struct cli_command *command; /* NULL: none, only with help or version */
    const char *group;                 /* "dlq" with help: about all commands that start with it */
    bool help, version;
    struct cli_given *given;
    size_t given_count;
    const char *view;             /* the argument that names a view; NULL: not given */
    const char *const *arguments; /* without the view */
    size_t argument_count;
    struct config_override *overrides; /* --set and the options with a path, in their order */
    size_t override_count;
    const char **views; /* --view, or the view's argument */
    size_t view_count;
    void *memory;
};

extern const struct cli_option cli_options[];
extern const struct cli_command cli_commands[];

/* argv as main gets it. False with UPSINK_ERR_CONFIG; *args needs cli_clear in either case. */
UPSINK_NODISCARD bool cli_parse(struct cli_args *args, int argc, char *const *argv, struct upsink_error *err);
void cli_clear(struct cli_args *args);

/* NULL where there is none of that name. */
const struct cli_option *cli_find_option(const char *name);

/* The value of an option, NULL where it was not given. Names that are not in the table abort: a slip in our
 * code. */
const char *cli_value(const struct cli_args *args, const char *option);
bool cli_has(const struct cli_args *args, const char *option);

/* --output json */
bool cli_wants_json(const struct cli_args *args);

/* A whole number within bounds; *value stays where the option was not given. */
UPSINK_NODISCARD bool cli_read_integer(const struct cli_args *args, const char *option, int64_t least,
                                       int64_t most, int64_t *value, struct upsink_error *err);

/* What the options say of the configuration; lives as long as the arguments. */
struct config_request cli_config_request(const struct cli_args *args);

/* Loads the configuration and sets the log up as it says. NULL with the error set. */
UPSINK_NODISCARD struct config *cli_load_config(const struct cli_args *args, struct upsink_error *err);

/* The one view that a command is about: the only one that was loaded. NULL with UPSINK_ERR_CONFIG. */
UPSINK_NODISCARD const struct view_config *cli_only_view(const struct config *config,
                                                         struct upsink_error *err);

/* Prints the error on standard error, as one line; returns the exit status that belongs to it: 2 or 1. */
int cli_fail(const struct upsink_error *err);

/* Whether a command is built in; those that are not are left out of the help. */
typedef bool (*cli_have)(const struct cli_command *command);

/* cli_help.c: text for people. */
void cli_print_overview(FILE *out, cli_have have);
void cli_print_group(FILE *out, const char *group, cli_have have);
void cli_print_command(FILE *out, const struct cli_command *command);

/* Breaks text at spaces, to lines of 79 characters that start behind `indent` spaces; the first one goes on
 * where the output stands, at `column`. Ends with a newline. */
void cli_print_wrapped(FILE *out, const char *text, int indent, int column);

/* cli_man.c, cli_completion.c: what deploy/ ships. */
void cli_write_man(FILE *out);
void cli_write_bash(FILE *out);
void cli_write_zsh(FILE *out);

#endif
