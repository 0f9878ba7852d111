#include "connector/commands/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static char *catch (void (*write_it)(FILE *))
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    write_it(out);
    fclose(out);
    return text;
}

static void expect_shipped(const char *path, void (*write_it)(FILE *), const char *what)
{
    char *made = catch (write_it), *shipped = NULL;
    size_t capacity = 0;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(getdelim(&shipped, &capacity, '\0', file) > 0);
    fclose(file);
    if (strcmp(made, shipped) != 0)
        fail_msg("write it anew: upsink generate %s > %s", what, path);
    free(made);
    free(shipped);
}

static void the_manual_page_that_ships_is_up_to_date(void **state)
{
    (void)state;
    expect_shipped("deploy/upsink.1", cli_write_man, "man");
}

static void the_completion_scripts_that_ship_are_up_to_date(void **state)
{
    (void)state;
    expect_shipped("deploy/completion/upsink.bash", cli_write_bash, "bash");
    expect_shipped("deploy/completion/_upsink", cli_write_zsh, "zsh");
}

static void help_fits_a_terminal(void **state)
{
    (void)state;
    for (const struct cli_command *command = cli_commands; command->name; command++) {
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        cli_print_command(out, command);
        fclose(out);
        char *examples = strstr(text, "\nExamples:\n"); /* these are to be copied, so they are not broken */
        if (examples)
            *examples = '\0';
        assert_non_null(strstr(text, "--help"));
        for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
            if (strlen(line) > 79)
                fail_msg("%s: %s", command->name, line);
        }
        assert_non_null(strstr(text, "Usage: upsink "));
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_manual_page_that_ships_is_up_to_date),
        cmocka_unit_test(the_completion_scripts_that_ship_are_up_to_date),
        cmocka_unit_test(help_fits_a_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
