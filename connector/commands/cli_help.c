#include "cli.h"

#include "nearest.h"

#define WIDTH 79

/* Breaks text at spaces. What follows a newline starts a new line; the first line goes on where `column` is.
 */
void cli_print_wrapped(FILE *out, const char *text, int indent, int column)
{
    int start = column;
    while (*text) {
        if (*text == '\n') {
            fputc('\n', out);
            column = start = 0;
            text++;
            continue;
        }
        int len = (int)strcspn(text, " \n");
        if (column > start && column + 1 + len > WIDTH) {
            fputc('\n', out);
            column = start = 0;
        }
        if (column == 0 && indent) {
            fprintf(out, "%*s", indent, "");
            column = start = indent;
        }
        column += fprintf(out, "%s%.*s", column > start ? " " : "", len, text);
        text += len;
        text += *text == ' ';
    }
    if (column)
        fputc('\n', out);
}

/* "  -c, --config FILE     what it means", where the meaning starts at its own column. */
static void print_option(FILE *out, const struct cli_option *option)
{
    enum { COLUMN = 28 };
    int column = option->letter ? fprintf(out, "  -%c, ", option->letter) : fprintf(out, "      ");
    column +=
        fprintf(out, "--%s%s%s", option->name, option->value ? " " : "", option->value ? option->value : "");
    if (column > COLUMN - 2) {
        fputc('\n', out);
        column = 0;
    }
    fprintf(out, "%*s", COLUMN - column, "");
    cli_print_wrapped(out, option->help, COLUMN, COLUMN);
}

static void print_indented(FILE *out, const char *lines)
{
    while (*lines) {
        size_t len = strcspn(lines, "\n");
        fprintf(out, "  %.*s\n", (int)len, lines);
        lines += len + (lines[len] == '\n');
    }
}

void cli_print_command(FILE *out, const struct cli_command *command)
{
    struct upsink_slice word;
    char name[64], paragraph[1024];
    fprintf(out, "Usage: upsink %s%s%s%s\n\n", command->name, command->options ? " [OPTION]..." : "",
            command->arguments ? " " : "", command->arguments ? command->arguments : "");
    for (const char *text = command->text; *text;) {
        size_t len = strcspn(text, "\n");
        snprintf(paragraph, sizeof paragraph, "%.*s", (int)len, text);
        cli_print_wrapped(out, paragraph, 0, 0);
        fputc('\n', out);
        text += len + (text[len] == '\n');
    }
    fputs("Options:\n", out);
    for (const char *rest = command->options; words_next(&rest, &word);) {
        snprintf(name, sizeof name, "%.*s", (int)word.len, word.data);
        print_option(out, cli_find_option(name));
    }
    print_option(out, cli_find_option("help"));
    if (command->examples) {
        fputs("\nExamples:\n", out);
        print_indented(out, command->examples);
    }
}

static void print_commands(FILE *out, const char *group, cli_have have)
{
    size_t len = group ? strlen(group) : 0;
    for (const struct cli_command *command = cli_commands; command->name; command++) {
        if (command->hidden || !have(command))
            continue;
        if (!group || (strncmp(command->name, group, len) == 0 && command->name[len] == ' '))
            fprintf(out, "  %-12s %s\n", command->name, command->summary);
    }
}

void cli_print_group(FILE *out, const char *group, cli_have have)
{
    fprintf(out, "Usage: upsink %s COMMAND [OPTION]... [ARGUMENT]...\n\nCommands:\n", group);
    print_commands(out, group, have);
    fprintf(out, "\nupsink %s COMMAND --help says more.\n", group);
}

void cli_print_overview(FILE *out, cli_have have)
{
    fputs("Usage: upsink COMMAND [OPTION]... [ARGUMENT]...\n\n", out);
    cli_print_wrapped(
        out,
        "upsink keeps a table in step with a Kafka topic: the latest state of every entity in the topic, in "
        "Postgres, SQLite or another database, ready to be queried. Duplicates, replays and crashes do not "
        "change the result.\n",
        0, 0);
    fputs("\nCommands:\n", out);
    print_commands(out, NULL, have);
    fputs("\nTo begin:\n", out);
    print_indented(out, "upsink run --brokers localhost:9092 --topic orders --sink sqlite:orders.db\n");
    fputs("\n", out);
    cli_print_wrapped(
        out,
        "upsink COMMAND --help says more. Any setting can also come from a file (-c FILE), from "
        "--set KEY=VALUE "
        "and from the environment (UPSINK_VIEWS__ORDERS__SINK=...).\n"
        "Exit status: 0 done, 1 failed while running, 2 usage or configuration.\n",
        0, 0);
}
