/* Completion scripts for bash and zsh. */
#include "cli.h"

#include "nearest.h"

static const struct cli_option *option_at(struct upsink_slice word)
{
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)word.len, word.data);
    return cli_find_option(name);
}

static bool takes_file(const struct cli_option *option)
{
    return strcmp(option->value, "FILE") == 0;
}

/* The first words of the commands' names, each once: names that share one stand together in the table. */
static const char *next_group(const struct cli_command **command, size_t *len)
{
    const struct cli_command *first = *command;
    if (!first->name)
        return NULL;
    *len = strcspn(first->name, " ");
    while ((*command)->name && strncmp((*command)->name, first->name, *len) == 0 &&
           ((*command)->name[*len] == ' ' || !(*command)->name[*len]))
        ++*command;
    return first->name;
}

static void put_words(FILE *out, const char *words)
{
    struct upsink_slice word;
    for (bool first = true; words_next(&words, &word); first = false)
        fprintf(out, "%s%.*s", first ? "" : " ", (int)word.len, word.data);
}

static void put_bash_names(FILE *out, const struct cli_option *option)
{
    fprintf(out, "--%s", option->name);
    if (option->letter)
        fprintf(out, " | -%c", option->letter);
}

static void put_bash_values(FILE *out)
{
    fputs("    case $previous in\n", out);
    for (const struct cli_option *option = cli_options; option->name; option++) {
        if (!option->value || (!option->choices && !takes_file(option)))
            continue;
        fputs("    ", out);
        put_bash_names(out, option);
        fputs(")\n", out);
        if (option->choices) {
            fputs("        mapfile -t COMPREPLY < <(compgen -W '", out);
            put_words(out, option->choices);
            fputs("' -- \"$current\")\n", out);
        } else {
            fputs("        compopt -o filenames 2>/dev/null\n"
                  "        mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n",
                  out);
        }
        fputs("        return\n        ;;\n", out);
    }
    const char *between = "    ";
    for (const struct cli_option *option = cli_options; option->name; option++) {
        if (!option->value || option->choices || takes_file(option))
            continue;
        fputs(between, out);
        put_bash_names(out, option);
        between = " | ";
    }
    fputs(")\n        return\n        ;;\n    esac\n", out);
}

static void put_bash_commands(FILE *out)
{
    const char *group;
    size_t len;
    fputs("    case \"${COMP_WORDS[1]} ${COMP_WORDS[2]-}\" in\n", out);
    for (const struct cli_command *command = cli_commands; command->name; command++) {
        struct upsink_slice word;
        if (command->hidden)
            continue;
        fprintf(out, "    \"%s%s\"*) words='", command->name, strchr(command->name, ' ') ? "" : " ");
        for (const char *rest = command->options; words_next(&rest, &word);)
            fprintf(out, "--%s ", option_at(word)->name);
        fputs("--help' ;;\n", out);
    }
    for (const struct cli_command *at = cli_commands; (group = next_group(&at, &len));) {
        if (group[len] != ' ')
            continue;
        fprintf(out, "    \"%.*s \"*) words='", (int)len, group);
        for (const struct cli_command *command = cli_commands; command->name; command++) {
            if (strncmp(command->name, group, len + 1) == 0)
                fprintf(out, "%s ", command->name + len + 1);
        }
        fputs("--help' ;;\n", out);
    }
    fputs("    esac\n", out);
}

void cli_write_bash(FILE *out)
{
    const char *group;
    size_t len;
    fputs("# bash completion for upsink. Written by: upsink generate bash\n"
          "_upsink() {\n"
          "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words=\n"
          "    COMPREPLY=()\n"
          "    if ((COMP_CWORD == 1)); then\n"
          "        mapfile -t COMPREPLY < <(compgen -W '",
          out);
    for (const struct cli_command *at = cli_commands; (group = next_group(&at, &len));) {
        if (strncmp(group, "generate", len) != 0)
            fprintf(out, "%.*s ", (int)len, group);
    }
    fputs("--help --version' -- \"$current\")\n        return\n    fi\n", out);
    put_bash_values(out);
    put_bash_commands(out);
    fputs("    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
          "}\n"
          "complete -F _upsink upsink\n",
          out);
}

/* Inside '...': no quotes, and no brackets or colons that _arguments would read. */
static void put_zsh_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", out);
        else if (*text == '[' || *text == ']' || *text == ':' || *text == '\\')
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
    }
}

static void put_zsh_option(FILE *out, const struct cli_option *option)
{
    if (option->letter)
        fprintf(out, "        '(-%c --%s)'{-%c,--%s}'[", option->letter, option->name, option->letter,
                option->name);
    else
        fprintf(out, "        '%s--%s[", option->repeats ? "*" : "", option->name);
    put_zsh_text(out, option->help);
    fputc(']', out);
    if (option->value) {
        fputc(':', out);
        put_zsh_text(out, option->value);
        fputc(':', out);
        if (option->choices) {
            fputc('(', out);
            put_words(out, option->choices);
            fputc(')', out);
        } else if (takes_file(option)) {
            fputs("_files", out);
        }
    }
    fputs("' \\\n", out);
}

static void put_zsh_command(FILE *out, const struct cli_command *command)
{
    struct upsink_slice word;
    fprintf(out, "    (%s%s%s)\n      _arguments \\\n", strchr(command->name, ' ') ? "'" : "", command->name,
            strchr(command->name, ' ') ? "'" : "");
    for (const char *rest = command->options; words_next(&rest, &word);)
        put_zsh_option(out, option_at(word));
    put_zsh_option(out, cli_find_option("help"));
    fputs("        '*:argument:'\n      ;;\n", out);
}

static void put_zsh_list(FILE *out, const char *group, size_t len)
{
    for (const struct cli_command *command = cli_commands; command->name; command++) {
        bool inside = !group || (strncmp(command->name, group, len) == 0 && command->name[len] == ' ');
        if (command->hidden || !inside || (!group && strchr(command->name, ' ')))
            continue;
        fprintf(out, "        '%s:", group ? command->name + len + 1 : command->name);
        put_zsh_text(out, command->summary);
        fputs("'\n", out);
    }
}

void cli_write_zsh(FILE *out)
{
    const char *group;
    size_t len;
    fputs("#compdef upsink\n# zsh completion for upsink. Written by: upsink generate zsh\n"
          "_upsink() {\n"
          "    local -a commands\n"
          "    local name=$words[2]\n"
          "    if ((CURRENT == 2)); then\n"
          "      commands=(\n",
          out);
    put_zsh_list(out, NULL, 0);
    for (const struct cli_command *at = cli_commands; (group = next_group(&at, &len));) {
        if (group[len] == ' ')
            fprintf(out, "        '%.*s:commands about %.*s'\n", (int)len, group, (int)len, group);
    }
    fputs("      )\n      _describe command commands\n      return\n    fi\n    case $name in\n", out);
    for (const struct cli_command *at = cli_commands; (group = next_group(&at, &len));) {
        if (group[len] != ' ')
            continue;
        fprintf(out, "    (%.*s)\n      if ((CURRENT == 3)); then\n        commands=(\n", (int)len, group);
        put_zsh_list(out, group, len);
        fputs("        )\n        _describe command commands\n        return\n      fi\n"
              "      name=\"$name $words[3]\"\n"
              "      shift words\n      ((CURRENT--))\n      ;;\n",
              out);
    }
    fputs("    esac\n    shift words\n    ((CURRENT--))\n    case $name in\n", out);
    for (const struct cli_command *command = cli_commands; command->name; command++) {
        if (!command->hidden)
            put_zsh_command(out, command);
    }
    fputs("    esac\n}\n_upsink \"$@\"\n", out);
}
