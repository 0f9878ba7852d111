#include "cli.h"

#include "buf.h"
#include "connector/config_values.h"
#include "log.h"
#include "nearest.h"
#include "url.h"

#include <stdlib.h>
#include <unistd.h>

/* Commands of the contract that this version does not have yet. */
#define LATER_COMMANDS                                                                                       \
    "infer|rebuild|offsets|verify|status|publish|dlq retry|dlq resolve|dlq export|dlq import"

#define SHOWN_SIZE 80

UPSINK_PRINTF(2, 3)
static bool fail_usage(struct upsink_error *err, const char *format, ...)
{
    char text[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return upsink_fail(err, UPSINK_ERR_CONFIG, "usage", "%s", text);
}

/* A word of the command line as it may be shown: a URL may have slipped into the wrong place. */
static void show_word(const char *word, size_t len, char shown[SHOWN_SIZE])
{
    struct buf copy, redacted;
    buf_init(&copy);
    buf_init(&redacted);
    buf_append(&copy, word, len);
    if (copy.data)
        url_redact(&redacted, copy.data);
    log_escape(buf_view(&redacted), shown, SHOWN_SIZE);
    buf_destroy(&redacted);
    buf_destroy(&copy);
}

const struct cli_option *cli_find_option(const char *name)
{
    for (const struct cli_option *option = cli_options; option->name; option++) {
        if (strcmp(option->name, name) == 0)
            return option;
    }
    return NULL;
}

static const struct cli_command *find_command(const char *name)
{
    for (const struct cli_command *command = cli_commands; command->name; command++) {
        if (strcmp(command->name, name) == 0)
            return command;
    }
    return NULL;
}

/* Whether any command's name starts with the word and a space. */
static bool is_group(const char *word)
{
    size_t len = strlen(word);
    for (const struct cli_command *command = cli_commands; command->name; command++) {
        if (strncmp(command->name, word, len) == 0 && command->name[len] == ' ')
            return true;
    }
    return false;
}

static bool fail_command(struct upsink_error *err, const char *typed)
{
    char shown[SHOWN_SIZE];
    struct nearest nearest;
    show_word(typed, strlen(typed), shown);
    if (words_contain(LATER_COMMANDS, typed, NULL))
        return fail_usage(err, "the command %s is not supported by this version", typed);
    nearest_init(&nearest, typed);
    for (const struct cli_command *command = cli_commands; command->name; command++)
        nearest_offer(&nearest, command->name);
    const char *hint = nearest_hint(&nearest);
    return fail_usage(err, "there is no command \"%s\"%s%s upsink --help", shown, hint,
                      *hint ? " See" : "; see");
}

/* What cli_parse works on. */
struct parser {
    struct cli_args *args;
    char *const *argv; /* the words that are left, ends with NULL */
    const char **arguments;
    struct upsink_error *err;
};

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

/* "run", or the two words of "dlq list". */
static bool take_command(struct parser *parser)
{
    const char *word = *parser->argv, *second;
    struct cli_args *args = parser->args;
    if (is_help(word)) {
        args->help = true;
        parser->argv++;
        return !*parser->argv || take_command(parser);
    }
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0 || strcmp(word, "version") == 0) {
        args->version = true;
        return true;
    }
    if (word[0] == '-')
        return fail_usage(parser->err,
                          "the command comes first, as in upsink run %.*s ...; see upsink --help",
                          (int)strcspn(word, "="), word);
    parser->argv++;
    if (!is_group(word)) {
        args->command = find_command(word);
        return args->command || fail_command(parser->err, word);
    }
    args->group = word;
    second = *parser->argv;
    if (!second || is_help(second)) {
        args->help |= second != NULL;
        parser->argv += second != NULL;
        return args->help ||
               fail_usage(parser->err, "%s needs a command behind it; see upsink %s --help", word, word);
    }
    char name[64];
    snprintf(name, sizeof name, "%s %s", word, second);
    parser->argv++;
    args->command = find_command(name);
    return args->command || fail_command(parser->err, name);
}

static bool fail_option(struct parser *parser, const char *typed, size_t len)
{
    char shown[SHOWN_SIZE], known[SHOWN_SIZE];
    const char *name = parser->args->command->name;
    show_word(typed, len, shown);
    struct nearest nearest;
    nearest_init(&nearest, shown);
    struct upsink_slice word;
    for (const char *rest = parser->args->command->options; words_next(&rest, &word);) {
        snprintf(known, sizeof known, "--%.*s", (int)word.len, word.data);
        nearest_offer(&nearest, known);
    }
    nearest_offer(&nearest, "--help");
    const char *hint = nearest_hint(&nearest);
    return fail_usage(parser->err, "%s has no option %s%s%s upsink %s --help", name, shown, hint,
                      *hint ? " See" : "; see", name);
}

static bool has_option(const struct cli_command *command, const struct cli_option *option)
{
    return strcmp(option->name, "help") == 0 || words_contain(command->options, option->name, NULL);
}

/* "config" with --config, 'c' with -c. */
static const struct cli_option *match_option(const struct cli_command *command, const char *name, size_t len,
                                             char letter)
{
    for (const struct cli_option *option = cli_options; option->name; option++) {
        bool same = letter ? option->letter == letter
                           : strlen(option->name) == len && strncmp(option->name, name, len) == 0;
        if (same && has_option(command, option))
            return option;
    }
    return NULL;
}

static bool check_choice(struct parser *parser, const struct cli_option *option, const char *value)
{
    char shown[SHOWN_SIZE], known[SHOWN_SIZE] = "";
    if (!option->choices || words_contain(option->choices, value, NULL))
        return true;
    struct nearest nearest;
    struct upsink_slice word;
    size_t len = 0;
    nearest_init(&nearest, value);
    for (const char *rest = option->choices; words_next(&rest, &word) && len < sizeof known;) {
        nearest_offer_slice(&nearest, word);
        len += (size_t)snprintf(known + len, sizeof known - len, "%s%.*s",
                                !len   ? ""
                                : rest ? ", "
                                       : " or ",
                                (int)word.len, word.data);
    }
    show_word(value, strlen(value), shown);
    return fail_usage(parser->err, "--%s: \"%s\" is not one of %s%s", option->name, shown, known,
                      nearest_hint(&nearest));
}

/* Both texts in one piece of memory, so that one pointer frees them. */
static bool add_override(struct parser *parser, struct upsink_slice path, const char *value, const char *flag)
{
    struct cli_args *args = parser->args;
    char *text = malloc(path.len + strlen(flag) + 4);
    if (!text)
        return upsink_fail(parser->err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory");
    memcpy(text, path.data, path.len);
    text[path.len] = '\0';
    char *origin = text + path.len + 1;
    memcpy(origin, "--", 2);
    memcpy(origin + 2, flag, strlen(flag) + 1);
    args->overrides[args->override_count++] = (struct config_override){text, value, origin};
    return true;
}

static bool add_set(struct parser *parser, const char *value)
{
    size_t len = strcspn(value, "=");
    if (len == 0 || !value[len])
        return fail_usage(parser->err, "--set needs KEY=VALUE, as in --set log.level=debug");
    return add_override(parser, (struct upsink_slice){value, len}, value + len + 1, "set");
}

static bool remember(struct parser *parser, const struct cli_option *option, const char *value)
{
    struct cli_args *args = parser->args;
    if (!option->repeats && option->value && cli_has(args, option->name))
        return fail_usage(parser->err, "--%s is given twice", option->name);
    if (value && !check_choice(parser, option, value))
        return false;
    args->given[args->given_count++] = (struct cli_given){option, value};
    if (!value) {
        args->help |= strcmp(option->name, "help") == 0;
        return true;
    }
    if (strcmp(option->name, "set") == 0)
        return add_set(parser, value);
    if (strcmp(option->name, "view") == 0)
        args->views[args->view_count++] = value;
    return !option->path || add_override(parser, upsink_slice_of(option->path), value, option->name);
}

/* The word at parser->argv, which starts with a dash, and perhaps the next one as its value. */
static bool take_option(struct parser *parser)
{
    const char *word = *parser->argv++;
    bool is_long = word[1] == '-';
    const char *name = is_long ? word + 2 : word + 1;
    size_t len = is_long ? strcspn(name, "=") : 1;
    const struct cli_option *option =
        match_option(parser->args->command, name, len, is_long ? '\0' : word[1]);
    const char *value = NULL;
    if (!option)
        return fail_option(parser, word, is_long ? len + 2 : 2);
    bool attached = name[len] != '\0';
    if (attached)
        value = name + len + (is_long || name[len] == '=' ? 1 : 0);
    if (!option->value) {
        if (attached)
            return fail_usage(parser->err, "--%s takes no value", option->name);
        return remember(parser, option, NULL);
    }
    if (!attached) {
        value = *parser->argv;
        if (!value || (value[0] == '-' && value[1]))
            return fail_usage(parser->err, "--%s needs a value, as in --%s%s%s%s", option->name, option->name,
                              value ? "=" : " ", option->value, value ? " where it starts with a dash" : "");
        parser->argv++;
    }
    return remember(parser, option, value);
}

/* Sorts the view out of the arguments, and counts them. */
static bool check_arguments(struct parser *parser)
{
    struct cli_args *args = parser->args;
    const struct cli_command *command = args->command;
    char shown[SHOWN_SIZE];
    args->arguments = parser->arguments;
    if (command->takes_view && args->argument_count && !strchr(args->arguments[0], ':')) {
        args->view = args->arguments[0];
        args->views[args->view_count++] = args->view;
        args->arguments++;
        args->argument_count--;
    }
    if (args->argument_count < command->least)
        return fail_usage(parser->err, "%s needs %s; see upsink %s --help", command->name, command->arguments,
                          command->name);
    if (args->argument_count <= command->most)
        return true;
    const char *extra = args->arguments[command->most];
    show_word(extra, strlen(extra), shown);
    return fail_usage(parser->err, "%s does not expect the argument \"%s\"%s", command->name, shown,
                      strchr(extra, ':') && words_contain(command->options, "sink", NULL)
                          ? "; a URL goes into --sink URL"
                          : "");
}

static bool parse_words(struct parser *parser)
{
    struct cli_args *args = parser->args;
    bool only_arguments = false;
    if (!*parser->argv)
        return fail_usage(parser->err, "no command is given; see upsink --help");
    if (!take_command(parser))
        return false;
    if (!args->command)
        return true;
    while (*parser->argv) {
        const char *word = *parser->argv;
        if (only_arguments || word[0] != '-' || !word[1]) {
            parser->arguments[args->argument_count++] = word;
            parser->argv++;
        } else if (strcmp(word, "--") == 0) {
            only_arguments = true;
            parser->argv++;
        } else if (!take_option(parser)) {
            return false;
        }
    }
    return args->help || check_arguments(parser);
}

bool cli_parse(struct cli_args *args, int argc, char *const *argv, struct upsink_error *err)
{
    size_t most = (size_t)argc + 1;
    *args = (struct cli_args){.command = NULL};
    struct parser parser = {.args = args, .argv = argc ? argv + 1 : argv, .err = err};
    parser.arguments = calloc(most, sizeof *parser.arguments);
    args->memory = parser.arguments;
    args->given = calloc(most, sizeof *args->given);
    args->overrides = calloc(most, sizeof *args->overrides);
    args->views = calloc(most, sizeof *args->views);
    if (!parser.arguments || !args->given || !args->overrides || !args->views)
        return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory");
    return parse_words(&parser);
}

void cli_clear(struct cli_args *args)
{
    for (size_t i = 0; i < args->override_count; i++)
        free((void *)(uintptr_t)args->overrides[i].path);
    free(args->overrides);
    free(args->given);
    free(args->views);
    free(args->memory);
    *args = (struct cli_args){.command = NULL};
}
