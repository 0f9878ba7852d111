#include "connector/commands/cli.h"

#include "nearest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct cli_args args;
static struct upsink_error err;

/* Takes the words behind "upsink", up to a NULL. */
static bool parse(const char *const *words)
{
    static char *argv[24];
    int argc = 0;
    argv[argc++] = (char[]){"upsink"};
    while (*words)
        argv[argc++] = (char *)(uintptr_t)*words++;
    argv[argc] = NULL;
    upsink_error_clear(&err);
    return cli_parse(&args, argc, argv, &err);
}

#define PARSE(...) parse((const char *const[]){__VA_ARGS__, NULL})
#define ACCEPT(...)                                                                                          \
    do {                                                                                                     \
        if (!PARSE(__VA_ARGS__))                                                                             \
            fail_msg("%s", err.text);                                                                        \
    } while (0)

static int clear(void **state)
{
    (void)state;
    cli_clear(&args);
    return 0;
}

static void values_come_in_every_usual_form(void **state)
{
    (void)state;
    ACCEPT("run", "--config", "-", "-bk:1", "-t", "orders", "--sink=sqlite:a=b", "--name=", "--until-end");
    assert_string_equal(args.command->name, "run");
    assert_string_equal(cli_value(&args, "config"), "-");
    assert_string_equal(cli_value(&args, "brokers"), "k:1");
    assert_string_equal(cli_value(&args, "topic"), "orders");
    assert_string_equal(cli_value(&args, "sink"), "sqlite:a=b");
    assert_string_equal(cli_value(&args, "name"), "");
    assert_true(cli_has(&args, "until-end"));
    assert_false(cli_has(&args, "set"));
    assert_null(cli_value(&args, "set"));
}

static void options_become_a_request_for_the_configuration(void **state)
{
    (void)state;
    ACCEPT("run", "-c", "f", "--view", "a", "--view", "b", "--set", "log.level=info", "--log-level", "warn",
           "--set", "views.a.sink=x=y");
    struct config_request request = cli_config_request(&args);
    assert_string_equal(request.file, "f");
    assert_null(request.brokers);
    assert_int_equal(request.view_name_count, 2);
    assert_string_equal(request.views[1], "b");
    assert_int_equal(request.override_count, 3);
    assert_string_equal(request.overrides[0].path, "log.level");
    assert_string_equal(request.overrides[0].value, "info");
    assert_string_equal(request.overrides[0].origin, "--set");
    assert_string_equal(request.overrides[1].path, "log.level");
    assert_string_equal(request.overrides[1].value, "warn");
    assert_string_equal(request.overrides[1].origin, "--log-level");
    assert_string_equal(request.overrides[2].path, "views.a.sink");
    assert_string_equal(request.overrides[2].value, "x=y");
}

static void a_view_is_told_from_a_position(void **state)
{
    (void)state;
    ACCEPT("dlq", "show", "orders", "-c", "f", "0:17");
    assert_string_equal(args.view, "orders");
    assert_int_equal(args.argument_count, 1);
    assert_string_equal(args.arguments[0], "0:17");
    assert_int_equal(cli_config_request(&args).view_name_count, 1);
    cli_clear(&args);
    ACCEPT("dlq", "show", "0:17");
    assert_null(args.view);
    assert_string_equal(args.arguments[0], "0:17");
    assert_int_equal(cli_config_request(&args).view_name_count, 0);
    cli_clear(&args);
    ACCEPT("dlq", "list");
    assert_null(args.view);
}

static void help_and_version_can_be_asked_for_everywhere(void **state)
{
    (void)state;
    static const char *const cases[][5] = {
        {"--help"},
        {"-h"},
        {"help"},
        {"run", "--help"},
        {"run", "-h"},
        {"help", "run"},
        {"dlq", "--help"},
        {"help", "dlq"},
        {"dlq", "list", "--help"},
        {"help", "dlq", "list"},
        {"dlq", "show", "-h"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (!parse(cases[i]))
            fail_msg("%zu: %s", i, err.text);
        assert_true(args.help);
        cli_clear(&args);
    }
    ACCEPT("--version");
    assert_true(args.version);
    cli_clear(&args);
    ACCEPT("dlq", "--help");
    assert_null(args.command);
    assert_string_equal(args.group, "dlq");
}

static void two_dashes_end_the_options(void **state)
{
    (void)state;
    ACCEPT("sinks", "--", "-o");
    assert_string_equal(args.arguments[0], "-o");
}

static void mistakes_are_told_with_a_way_out(void **state)
{
    (void)state;
    static const struct {
        const char *words[6], *text;
    } cases[] = {
        {{NULL}, "no command is given; see upsink --help"},
        {{"rnu"}, "there is no command \"rnu\"; did you mean \"run\"? See upsink --help"},
        {{"qqqqqq"}, "there is no command \"qqqqqq\"; see upsink --help"},
        {{"rebuild"}, "the command rebuild is not supported by this version"},
        {{"dlq", "retry"}, "the command dlq retry is not supported by this version"},
        {{"dlq"}, "dlq needs a command behind it; see upsink dlq --help"},
        {{"dlq", "lst"}, "there is no command \"dlq lst\"; did you mean \"dlq list\"? See upsink --help"},
        {{"-c", "f", "run"}, "the command comes first, as in upsink run -c ...; see upsink --help"},
        {{"run", "--topci", "x"},
         "run has no option --topci; did you mean \"--topic\"? See upsink run --help"},
        {{"run", "--limit=3"}, "run has no option --limit; see upsink run --help"},
        {{"run", "-x"}, "run has no option -x; see upsink run --help"},
        {{"run", "--topic"}, "--topic needs a value, as in --topic TOPIC"},
        {{"run", "--topic", "--sink"},
         "--topic needs a value, as in --topic=TOPIC where it starts with a dash"},
        {{"run", "-t", "a", "--topic=b"}, "--topic is given twice"},
        {{"run", "--until-end=no"}, "--until-end takes no value"},
        {{"run", "--log-level", "wran"},
         "--log-level: \"wran\" is not one of debug, info, warn or error; did you mean \"warn\"?"},
        {{"sinks", "-o", "xml"}, "--output: \"xml\" is not one of table or json"},
        {{"run", "--set", "x"}, "--set needs KEY=VALUE, as in --set log.level=debug"},
        {{"run", "--set", "=x"}, "--set needs KEY=VALUE, as in --set log.level=debug"},
        {{"sinks", "a", "b"}, "sinks does not expect the argument \"b\""},
        {{"dlq", "show", "v"}, "dlq show needs [VIEW] PARTITION:OFFSET; see upsink dlq show --help"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_false(parse(cases[i].words));
        assert_string_equal(err.text, cases[i].text);
        assert_int_equal(err.cls, UPSINK_ERR_CONFIG);
        cli_clear(&args);
    }
}

static void no_message_shows_a_password_that_slipped_into_the_wrong_place(void **state)
{
    (void)state;
    static const char *const cases[][5] = {
        {"run", "postgres://u:hunter2@h/d"},
        {"postgres://u:hunter2@h/d"},
        {"run", "--tokn=hunter2"},
        {"run", "--until-end=hunter2"},
        {"run", "--log-level", "postgres://u:hunter2@h/d"},
        {"run", "-zhunter2"},
        {"run", "--set", "kafka.sasl.password:hunter2"},
        {"--token=hunter2"},
        {"run", "--sink", "postgres://u:hunter2@h/d", "--sink=hunter2"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_false(parse(cases[i]));
        assert_null(strstr(err.text, "hunter2"));
        cli_clear(&args);
    }
}

static void numbers_are_checked(void **state)
{
    (void)state;
    int64_t limit = 42;
    ACCEPT("dlq", "list");
    assert_true(cli_read_integer(&args, "limit", 1, 100, &limit, &err));
    assert_int_equal(limit, 42);
    cli_clear(&args);
    ACCEPT("dlq", "list", "--limit", "7");
    assert_true(cli_read_integer(&args, "limit", 1, 100, &limit, &err));
    assert_int_equal(limit, 7);
    cli_clear(&args);
    ACCEPT("dlq", "list", "--limit", "many");
    assert_false(cli_read_integer(&args, "limit", 1, 100, &limit, &err));
    assert_string_equal(err.text, "--limit: \"many\" is not a whole number");
    cli_clear(&args);
    ACCEPT("dlq", "list", "--limit", "0");
    assert_false(cli_read_integer(&args, "limit", 1, 100, &limit, &err));
    assert_string_equal(err.text, "--limit: 0 is out of range; it must be from 1 to 100");
}

static void the_tables_agree_with_each_other(void **state)
{
    (void)state;
    for (const struct cli_command *command = cli_commands; command->name; command++) {
        struct upsink_slice word;
        char name[64];
        assert_true(command->summary && command->text && (command->examples || command->hidden));
        for (const char *rest = command->options; words_next(&rest, &word);) {
            snprintf(name, sizeof name, "%.*s", (int)word.len, word.data);
            if (!cli_find_option(name))
                fail_msg("%s: no option %s", command->name, name);
        }
        for (const char *line = command->examples; line && *line; line = strchr(line, '\n') + 1) {
            size_t len = strlen(command->name);
            assert_memory_equal(line, "upsink ", 7);
            assert_memory_equal(line + 7, command->name, len);
            assert_non_null(strchr(line, '\n'));
        }
    }
    for (const struct cli_option *option = cli_options; option->name; option++) {
        for (const struct cli_option *other = option + 1; other->name; other++) {
            assert_string_not_equal(option->name, other->name);
            assert_true(!option->letter || option->letter != other->letter);
        }
    }
}

#define TEST(f) cmocka_unit_test_teardown(f, clear)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(values_come_in_every_usual_form),
        TEST(options_become_a_request_for_the_configuration),
        TEST(a_view_is_told_from_a_position),
        TEST(help_and_version_can_be_asked_for_everywhere),
        TEST(two_dashes_end_the_options),
        TEST(mistakes_are_told_with_a_way_out),
        TEST(no_message_shows_a_password_that_slipped_into_the_wrong_place),
        TEST(numbers_are_checked),
        TEST(the_tables_agree_with_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
