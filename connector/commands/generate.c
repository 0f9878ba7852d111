/* upsink generate: what deploy/ and schemas/definitions/ ship, from the tables that the program itself uses.
 */
#include "commands.h"

#include "connector/config_schema.h"

#include <stdlib.h>

static bool write_schema(FILE *out)
{
    char *text = config_schema_create();
    if (text)
        fputs(text, out);
    free(text);
    return text != NULL;
}

int command_generate(const struct cli_args *args)
{
    struct upsink_error err;
    const char *what = args->arguments[0];
    if (strcmp(what, "man") == 0) {
        cli_write_man(stdout);
    } else if (strcmp(what, "bash") == 0) {
        cli_write_bash(stdout);
    } else if (strcmp(what, "zsh") == 0) {
        cli_write_zsh(stdout);
    } else if (strcmp(what, "schema") == 0) {
        if (write_schema(stdout))
            return 0;
        upsink_fail(&err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory");
        return cli_fail(&err);
    } else {
        upsink_fail(&err, UPSINK_ERR_CONFIG, "usage",
                    "upsink generate needs one of man, bash, zsh or schema");
        return cli_fail(&err);
    }
    return 0;
}
