/* The manual page, in man(7) macros. */
#include "cli.h"

#include "connector/config_options.h"
#include "nearest.h"

/* Text as groff takes it: dashes and backslashes escaped, no line that starts like a request. */
static void put(FILE *out, const char *text)
{
    bool line_start = true;
    for (; *text; text++) {
        if (line_start && (*text == '.' || *text == '\''))
            fputs("\\&", out);
        line_start = *text == '\n';
        if (*text == '-')
            fputs("\\-", out);
        else if (*text == '\\')
            fputs("\\e", out);
        else
            fputc(*text, out);
    }
}

static void put_paragraphs(FILE *out, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "\n");
        char line[2048];
        snprintf(line, sizeof line, "%.*s", (int)len, text);
        fputs(".PP\n", out);
        put(out, line);
        fputc('\n', out);
        text += len + (text[len] == '\n');
    }
}

static void put_examples(FILE *out, const char *examples)
{
    fputs(".PP\n.nf\n", out);
    put(out, examples);
    fputs(".fi\n", out);
}

static void put_options_of(FILE *out, const struct cli_command *command)
{
    struct upsink_slice word;
    char name[64];
    if (!command->options)
        return;
    fputs(".PP\nOptions:", out);
    for (const char *rest = command->options; words_next(&rest, &word);) {
        snprintf(name, sizeof name, " --%.*s%s", (int)word.len, word.data, rest ? "," : "");
        put(out, name);
    }
    fputs(".\n", out);
}

static void put_commands(FILE *out)
{
    fputs(".SH COMMANDS\n", out);
    for (const struct cli_command *command = cli_commands; command->name; command++) {
        if (command->hidden)
            continue;
        fputs(".SS \"upsink ", out);
        put(out, command->name);
        if (command->arguments) {
            fputc(' ', out);
            put(out, command->arguments);
        }
        fputs("\"\n", out);
        put_paragraphs(out, command->text);
        put_options_of(out, command);
        put_examples(out, command->examples);
    }
}

static void put_options(FILE *out)
{
    fputs(".SH OPTIONS\n", out);
    for (const struct cli_option *option = cli_options; option->name; option++) {
        fputs(".TP\n\\fB", out);
        if (option->letter)
            fprintf(out, "\\-%c\\fR, \\fB", option->letter);
        fputs("\\-\\-", out);
        put(out, option->name);
        fputs("\\fR", out);
        if (option->value)
            fprintf(out, " \\fI%s\\fR", option->value);
        fputc('\n', out);
        put(out, option->help);
        fputs(".\n", out);
    }
}

static void put_table(FILE *out, const struct config_option *options, const char *prefix)
{
    char path[160];
    for (; options->name; options++) {
        snprintf(path, sizeof path, "%s%s", prefix, options->name);
        if (options->type == OPTION_LATER)
            continue;
        if (options->type == OPTION_SECTION || options->type == OPTION_VIEWS) {
            strncat(path, options->type == OPTION_VIEWS ? ".NAME." : ".", sizeof path - strlen(path) - 1);
            put_table(out, options->options, path);
            continue;
        }
        fputs(".TP\n\\fB", out);
        put(out, path);
        fputs(options->type == OPTION_PROPERTIES ? ".*\\fR\n" : "\\fR\n", out);
        put(out, options->help);
        fputs(".\n", out);
        if (options->words) {
            struct upsink_slice word;
            fputs(options->type == OPTION_SOURCES ? "A word of its own:" : "One of", out);
            for (const char *rest = options->words; words_next(&rest, &word);)
                fprintf(out, " %.*s%s", (int)word.len, word.data, rest ? "," : ".\n");
        }
        if (options->fallback) {
            fputs("Default: ", out);
            put(out, options->fallback);
            fputs(".\n", out);
        }
    }
}

void cli_write_man(FILE *out)
{
    fputs(".\\\" Written by: upsink generate man\n"
          ".TH UPSINK 1 \"\" \"upsink " UPSINK_VERSION "\" \"User Commands\"\n"
          ".SH NAME\nupsink \\- keep a queryable view of a Kafka topic in a database\n"
          ".SH SYNOPSIS\n.B upsink\n.I COMMAND\n[\\fIOPTION\\fR]... [\\fIARGUMENT\\fR]...\n"
          ".SH DESCRIPTION\n"
          "upsink keeps a table in step with a Kafka topic: the latest state of every entity in the topic, "
          "in Postgres,\n"
          "SQLite or another database, ready to be queried. Duplicates, replays and crashes do not change "
          "the result.\n",
          out);
    put_commands(out);
    put_options(out);
    fputs(".SH CONFIGURATION\n"
          "A YAML file (or JSON, which is YAML), given by \\fB\\-c\\fR. Keys are written here with dots "
          "between the\n"
          "levels. An unknown key, a wrong value or a missing variable ends the program with status 2.\n",
          out);
    put_paragraphs(
        out,
        "In any value, ${env:NAME} stands for an environment variable, ${env:NAME:-default} for one that may "
        "be missing or empty, ${file:PATH} for the content of a file without its last newline, and $${ for "
        "${.\n"
        "Flags win over the environment, and that over the file. --set KEY=VALUE sets any key; so does a "
        "variable like UPSINK_VIEWS__ORDERS__BATCH__MAX_RECORDS=500, with two underscores between the levels "
        "and one for whatever is neither letter nor digit. Its value is taken as it is.\n");
    put_table(out, config_options, "");
    fputs(".SH ENVIRONMENT\n"
          ".TP\n.B UPSINK_PLUGIN_PATH\nDirectories, separated by colons, that are searched for sinks first.\n"
          ".TP\n\\fBUPSINK_\\fIKEY\\fB__\\fIKEY\\fR...\nAny key of the configuration; see there.\n"
          ".SH \"EXIT STATUS\"\n"
          ".TP\n.B 0\nDone.\n.TP\n.B 1\nIt failed while running.\n.TP\n.B 2\nUsage or configuration.\n",
          out);
}
