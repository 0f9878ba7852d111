/* suite --sink URL [--store PROGRAM] [--filter PATTERN] [--cases N] [--seed S]: see suite.h. */
#include "tests/contract/suite.h"

#include "sinks/registry.h"

#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

struct suite suite = {.cases = 300, .seed = 1};

static const char usage[] =
    "usage: upsink-contract --sink URL [--store PROGRAM] [--filter PATTERN] [--cases N] [--seed S]\n"
    "  --sink URL        the store to ask; tables with names of their own are made in it, and left there\n"
    "  --store PROGRAM   drops, empties and refuses by hand, in a store that the suite does not know\n"
    "  --filter PATTERN  only the tests whose name matches (* and ?)\n"
    "  --cases N         how many random histories the model test runs (300)\n"
    "  --seed S          the number of the first of them (1)\n";

/* The plugins of the build tree that this program belongs to. */
static void find_plugins(void)
{
    char program[PATH_MAX], path[2 * PATH_MAX + 16];
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    if (len <= 0 || getenv("UPSINK_PLUGIN_PATH"))
        return;
    program[len] = '\0';
    *strrchr(program, '/') = '\0';
    snprintf(path, sizeof path, "%s:%s/../../sinks", program, program);
    setenv("UPSINK_PLUGIN_PATH", path, 1);
}

static bool read_arguments(int argc, char **argv)
{
    static const struct option options[] = {
        {"sink", required_argument, NULL, 's'},   {"store", required_argument, NULL, 't'},
        {"filter", required_argument, NULL, 'f'}, {"cases", required_argument, NULL, 'c'},
        {"seed", required_argument, NULL, 'r'},   {NULL, 0, NULL, 0},
    };
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 's')
            suite.url = optarg;
        else if (option == 't')
            suite.store = optarg;
        else if (option == 'f')
            cmocka_set_test_filter(optarg);
        else if (option == 'c')
            suite.cases = strtoul(optarg, NULL, 10);
        else if (option == 'r')
            suite.seed = strtoull(optarg, NULL, 10);
        else
            return false;
    }
    return suite.url && optind == argc;
}

static int run(const struct group *const *groups)
{
    int failed = 0;
    for (; *groups; groups++)
        failed += _cmocka_run_group_tests((*groups)->name, (*groups)->tests, (*groups)->count, NULL, NULL);
    return failed;
}

/* What the tests can't do without. */
static bool can_be_asked(const struct upsink_sink_type *type)
{
    uint32_t needed = UPSINK_KEEPS_POSITIONS | UPSINK_FENCED;
    if (strcmp(type->name, "stdout") == 0 || ((type->capabilities & needed) == needed && type->read_row))
        return true;
    fprintf(stderr,
            "upsink-contract: %s can't be asked: it needs the capabilities UPSINK_KEEPS_POSITIONS and "
            "UPSINK_FENCED, "
            "and read_row\n",
            type->name);
    return false;
}

int main(int argc, char **argv)
{
    static const struct group *const keeping[] = {&fence_group, &life_group,  &owner_group, &target_group,
                                                  &value_group, &batch_group, &model_group, NULL};
    static const struct group *const sqlite[] = {&sqlite_group, &sqlite_file_group, NULL};
    static const struct group *const printing[] = {&stdout_group, NULL};
    struct upsink_error err;
    if (!read_arguments(argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    find_plugins();
    suite.type = registry_find(suite.url, &err);
    if (!suite.type) {
        fprintf(stderr, "upsink-contract: %s\n", err.text);
        return 2;
    }
    if (!can_be_asked(suite.type))
        return 2;
    suite.transactional = suite.type->capabilities & UPSINK_TRANSACTIONAL;
    bool prints = strcmp(suite.type->name, "stdout") == 0;
    int failed = run(prints ? printing : keeping);
    if (strcmp(suite.type->name, "sqlite") == 0)
        failed += run(sqlite);
    if (suite.not_asked)
        printf("%u test%s asked nothing; see --store\n", suite.not_asked, suite.not_asked == 1 ? "" : "s");
    return failed ? 1 : 0;
}
