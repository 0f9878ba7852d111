/* What commands ask of their arguments. */
#include "cli.h"

#include "buf.h"
#include "connector/config_values.h"
#include "log.h"

#include <stdlib.h>
#include <unistd.h>

static const struct cli_given *find_given(const struct cli_args *args, const char *name)
{
    const struct cli_option *option = cli_find_option(name);
    if (!option)
        abort();
    for (size_t i = args->given_count; i > 0; i--) {
        if (args->given[i - 1].option == option)
            return &args->given[i - 1];
    }
    return NULL;
}

const char *cli_value(const struct cli_args *args, const char *option)
{
    const struct cli_given *given = find_given(args, option);
    return given ? given->value : NULL;
}

bool cli_has(const struct cli_args *args, const char *option)
{
    return find_given(args, option) != NULL;
}

bool cli_wants_json(const struct cli_args *args)
{
    const char *format = cli_value(args, "output");
    return format && strcmp(format, "json") == 0;
}

bool cli_read_integer(const struct cli_args *args, const char *option, int64_t least, int64_t most,
                      int64_t *value, struct upsink_error *err)
{
    const char *text = cli_value(args, option);
    int64_t number;
    char shown[64];
    if (!text)
        return true;
    log_escape(upsink_slice_of(text), shown, sizeof shown);
    if (!config_parse_integer(text, &number))
        return upsink_fail(err, UPSINK_ERR_CONFIG, "usage", "--%s: \"%s\" is not a whole number", option,
                           shown);
    if (number < least || number > most)
        return upsink_fail(err, UPSINK_ERR_CONFIG, "usage",
                           "--%s: %s is out of range; it must be from %lld to %lld", option, shown,
                           (long long)least, (long long)most);
    *value = number;
    return true;
}

struct config_request cli_config_request(const struct cli_args *args)
{
    return (struct config_request){
        .file = cli_value(args, "config"),
        .brokers = cli_value(args, "brokers"),
        .topic = cli_value(args, "topic"),
        .sink = cli_value(args, "sink"),
        .name = cli_value(args, "name"),
        .overrides = args->overrides,
        .override_count = args->override_count,
        .views = args->views,
        .view_name_count = args->view_count,
        .environment = environ,
    };
}

struct config *cli_load_config(const struct cli_args *args, struct upsink_error *err)
{
    struct config_request request = cli_config_request(args);
    struct config *config = config_load(&request, err);
    if (config)
        log_configure((enum log_level)config->log_level, config->log_json);
    return config;
}

const struct view_config *cli_only_view(const struct config *config, struct upsink_error *err)
{
    struct buf names;
    if (config->view_count == 1)
        return &config->views[0];
    buf_init(&names);
    for (size_t i = 0; i < config->view_count; i++)
        buf_printf(&names, "%s%s", i ? ", " : "", config->views[i].name);
    upsink_fail(err, UPSINK_ERR_CONFIG, "usage", "the configuration has several views; say which one: %s",
                names.failed ? "" : names.data);
    buf_destroy(&names);
    return NULL;
}

int cli_fail(const struct upsink_error *err)
{
    char text[2 * sizeof err->text], detail[2 * sizeof err->detail];
    log_escape(upsink_slice_of(err->text), text, sizeof text);
    log_escape(upsink_slice_of(err->detail), detail, sizeof detail);
    fflush(stdout);
    if (detail[0])
        fprintf(stderr, "upsink: %s (%s)\n", text, detail);
    else
        fprintf(stderr, "upsink: %s\n", text);
    return err->cls == UPSINK_ERR_CONFIG ? 2 : 1;
}
