#include "sinks/registry.h"

#include "buf.h"
#include "nearest.h"

#include <ctype.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define PREFIX "libupsink_"
#define SUFFIX ".so"

enum { NAME_SIZE = 64 };

/* Schemes of the sinks that we ship, so that one that is missing is told from one that never was. */
static const struct {
    const char *scheme, *plugin;
} shipped[] = {
    {"elasticsearch", "elasticsearch"},
    {"elasticsearch+https", "elasticsearch"},
    {"mongodb", "mongodb"},
    {"mongodb+srv", "mongodb"},
    {"opensearch", "elasticsearch"},
    {"opensearch+https", "elasticsearch"},
    {"postgres", "postgres"},
    {"postgresql", "postgres"},
    {"redis", "redis"},
    {"rediss", "redis"},
    {"sqlite", "sqlite"},
    {"stdout", "stdout"},
};
#define SHIPPED (sizeof shipped / sizeof *shipped)

/* Where plugins are searched for; one absolute or relative directory each. */
struct places {
    struct buf text; /* directories, each NUL-terminated */
    size_t count;
};

static void add_place(struct places *places, struct upsink_slice directory, const char *below)
{
    buf_append_slice(&places->text, directory);
    buf_append(&places->text, below, strlen(below) + 1);
    places->count++;
}

static bool find_places(struct places *places)
{
    const char *path = getenv("UPSINK_PLUGIN_PATH");
    char program[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    buf_init(&places->text);
    places->count = 0;
    for (path = path ? path : ""; *path; path += *path == ':') {
        size_t directory = strcspn(path, ":");
        if (directory)
            add_place(places, (struct upsink_slice){path, directory}, "");
        path += directory;
    }
    if (len > 0) {
        program[len] = '\0';
        char *slash = strrchr(program, '/');
        struct upsink_slice directory = {program, slash ? (size_t)(slash - program) : 0};
        add_place(places, directory, "/sinks");
        add_place(places, directory, "/../lib/upsink");
    }
    add_place(places, upsink_slice_of(UPSINK_LIBDIR), "");
    return !places->text.failed;
}

static bool find_scheme(const char *url, char scheme[NAME_SIZE], struct upsink_error *err)
{
    size_t len = 0;
    while (isalnum((unsigned char)url[len]) || (len && url[len] && strchr("+-.", url[len])))
        len++;
    if (url[len] != ':' || !isalpha((unsigned char)url[0]) || len >= NAME_SIZE)
        return upsink_fail(
            err, UPSINK_ERR_CONFIG, "bad_url",
            "the sink is not a URL: it has to begin with a scheme and a colon, as in sqlite:orders.db or "
            "postgres://host/database");
    for (size_t i = 0; i < len; i++)
        scheme[i] = (char)tolower((unsigned char)url[i]);
    scheme[len] = '\0';
    return true;
}

static const char *plugin_of_scheme(const char *scheme)
{
    for (size_t i = 0; i < SHIPPED; i++)
        if (strcmp(shipped[i].scheme, scheme) == 0)
            return shipped[i].plugin;
    return scheme;
}

/* URLs are looked up in lower case. */
static bool has_upper_case(const char *text)
{
    return strpbrk(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != NULL;
}

static bool serves(const struct upsink_sink_type *type, const char *scheme)
{
    for (const char *const *each = type->schemes; *each; each++)
        if (strcmp(*each, scheme) == 0 && !has_upper_case(scheme))
            return true;
    return false;
}

static void fail_other_scheme(const struct upsink_sink_type *type, const char *scheme, const char *path,
                              struct upsink_error *err)
{
    const char *own = type->schemes[0] ? type->schemes[0] : "no scheme";
    upsink_fail(err, UPSINK_ERR_CONFIG, "unknown_sink",
                "%s does not serve URLs that begin with %s: but %s:, and the scheme finds the file: name it "
                "after a scheme that it serves, in lower case",
                path, scheme, own);
}

bool registry_check(const struct upsink_sink_type *type, const char *path, struct upsink_error *err)
{
    if (type->abi != UPSINK_SINK_ABI)
        return upsink_fail(err, UPSINK_ERR_CONFIG, "sink_abi",
                           "%s was made for version %u of the sink interface, this upsink has version %u: "
                           "use a plugin built "
                           "for this upsink",
                           path, type->abi, (unsigned)UPSINK_SINK_ABI);
    /* Later versions may have more members at the end, never fewer than the first of this ABI had. */
    if (type->size < UPSINK_SINK_SIZE_MIN)
        return upsink_fail(err, UPSINK_ERR_CONFIG, "sink_abi",
                           "%s describes itself in %zu bytes where this upsink needs %zu: rebuild it with "
                           "the sink.h of this "
                           "upsink",
                           path, type->size, UPSINK_SINK_SIZE_MIN);
    if (!type->name || !type->schemes || !type->summary || !type->open || !type->describe || !type->prepare ||
        !type->write || !type->abort || !type->close ||
        ((type->capabilities & UPSINK_KEEPS_POSITIONS) && (!type->claim || !type->commit)))
        return upsink_fail(err, UPSINK_ERR_CONFIG, "sink_abi",
                           "%s is incomplete: its name, schemes, summary or one of its functions is missing",
                           path);
    return true;
}

/* What Debian and Ubuntu call the package of a shared library: libpq5 for libpq.so.5, libsqlite3-0 for
 * libsqlite3.so.0. */
static bool find_package(const char *library, size_t len, char package[NAME_SIZE])
{
    const char *middle = memmem(library, len, SUFFIX ".", strlen(SUFFIX "."));
    if (!middle || middle == library)
        return false;
    size_t name = (size_t)(middle - library), version = len - name - strlen(SUFFIX ".");
    int printed = snprintf(package, NAME_SIZE, "%.*s%s%.*s", (int)name, library,
                           isdigit((unsigned char)middle[-1]) ? "-" : "", (int)version, middle + 4);
    for (char *c = package; *c; c++)
        *c = *c == '_' ? '-' : (char)tolower((unsigned char)*c);
    return printed > 0 && printed < NAME_SIZE;
}

/* From what the dynamic linker says. */
static void fail_not_loaded(const char *path, const char *reason, struct upsink_error *err)
{
    char package[NAME_SIZE], advice[192] = "install the right build of the sink";
    const char *missing = strstr(reason, ": cannot open shared object file");
    bool own = strncmp(reason, path, strlen(path)) == 0;
    reason += own && reason[strlen(path)] == ':' ? strlen(path) + 2 : 0;
    if (missing && !own) {
        size_t len = (size_t)(missing - reason);
        if (len < NAME_SIZE && find_package(reason, len, package))
            snprintf(advice, sizeof advice,
                     "install that client library (on Debian and Ubuntu the package %s)", package);
        else
            snprintf(advice, sizeof advice, "install that client library");
    } else if (strstr(reason, "undefined symbol")) {
        snprintf(advice, sizeof advice,
                 "link the sink with the library that has it, or install the build for the library here");
    }
    upsink_fail(err, UPSINK_ERR_CONFIG, "sink_not_loaded", "the sink %s can't be loaded: %s; %s", path,
                reason, advice);
}

/* dlerror is per thread; the same file loaded twice is one. The handle is kept for ever. */
static const struct upsink_sink_type *load(const char *path, struct upsink_error *err)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char *reason = dlerror();
        fail_not_loaded(path, reason ? reason : "no reason given", err);
        return NULL;
    }
    const struct upsink_sink_type *type = dlsym(handle, "upsink_sink");
    if (!type) {
        upsink_fail(err, UPSINK_ERR_CONFIG, "sink_not_loaded",
                    "%s is no sink: it does not export upsink_sink", path);
        dlclose(handle);
        return NULL;
    }
    return registry_check(type, path, err) ? type : NULL;
}

/* How the child ends that came to the end: in no way that start-up code ends a program. */
enum { LONGEST_LOAD_S = 20, CAME_THROUGH = 0x5a };

/* A damaged file, or one whose start-up code is wrong, kills the program that loads it; in a child first, it
 * does not keep people from seeing the others. */
static bool survives_loading(const char *path, struct upsink_error *err)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        if (nowhere >= 0) {
            dup2(nowhere, STDOUT_FILENO);
            dup2(nowhere, STDERR_FILENO);
        }
        alarm(LONGEST_LOAD_S);
        dlopen(path, RTLD_NOW | RTLD_LOCAL);
        _exit(CAME_THROUGH);
    }
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (child < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == CAME_THROUGH))
        return true;
    return upsink_fail(err, UPSINK_ERR_CONFIG, "sink_not_loaded",
                       "the sink %s ends every program that loads it (%s): the file is damaged, or its "
                       "start-up code is wrong; build or install it again",
                       path, WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "it exits");
}

/* A plugin as the list shows it: one that no URL leads to is as useless as one that can't be loaded. */
static const struct upsink_sink_type *load_for_list(const char *name, const char *path,
                                                    struct upsink_error *err)
{
    if (!survives_loading(path, err))
        return NULL;
    const struct upsink_sink_type *type = load(path, err);
    if (!type || serves(type, name))
        return type;
    fail_other_scheme(type, name, path, err);
    return NULL;
}

/* The names of the plugins in all places; NULL-terminated when out of memory is not set. */
struct names {
    char (*name)[NAME_SIZE];
    size_t count, capacity;
    bool failed;
};

static void add_name(struct names *names, const char *name, size_t len)
{
    for (size_t i = 0; i < names->count; i++)
        if (strlen(names->name[i]) == len && memcmp(names->name[i], name, len) == 0)
            return;
    if (names->count == names->capacity) {
        size_t capacity = names->capacity * 2 + 16;
        void *grown = reallocarray(names->name, capacity, sizeof *names->name);
        if (!grown) {
            names->failed = true;
            return;
        }
        names->name = grown;
        names->capacity = capacity;
    }
    memcpy(names->name[names->count], name, len);
    names->name[names->count++][len] = '\0';
}

static void find_names(struct names *names, const struct places *places)
{
    const char *directory = places->text.data;
    for (size_t i = 0; i < places->count; i++, directory += strlen(directory) + 1) {
        DIR *dir = opendir(directory);
        struct dirent *entry;
        while (dir && (entry = readdir(dir))) {
            size_t len = strlen(entry->d_name), fixed = strlen(PREFIX SUFFIX);
            if (len > fixed && len < NAME_SIZE + fixed &&
                strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 &&
                strcmp(entry->d_name + len - strlen(SUFFIX), SUFFIX) == 0)
                add_name(names, entry->d_name + strlen(PREFIX), len - fixed);
        }
        if (dir)
            closedir(dir);
    }
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* The file of a plugin, in the first place that has one; "" in *path where none has. */
static bool find_file(const struct places *places, const char *name, struct buf *path)
{
    const char *directory = places->text.data;
    for (size_t i = 0; i < places->count; i++, directory += strlen(directory) + 1) {
        buf_clear(path);
        buf_printf(path, "%s/" PREFIX "%s" SUFFIX, directory, name);
        if (!path->failed && faccessat(AT_FDCWD, path->data, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            return true;
    }
    buf_clear(path);
    return false;
}

static bool is_shipped(const char *scheme)
{
    for (size_t i = 0; i < SHIPPED; i++)
        if (strcmp(shipped[i].scheme, scheme) == 0)
            return true;
    return false;
}

static void fail_unknown(const char *scheme, const struct places *places, struct upsink_error *err)
{
    if (is_shipped(scheme)) {
        upsink_fail(err, UPSINK_ERR_CONFIG, "unknown_sink",
                    "the sink for %s: is not installed: " PREFIX "%s" SUFFIX
                    " is neither in UPSINK_PLUGIN_PATH, nor beside the "
                    "program, nor in " UPSINK_LIBDIR
                    "; install it, or name its directory in UPSINK_PLUGIN_PATH",
                    scheme, plugin_of_scheme(scheme));
        return;
    }
    struct names names = {0};
    struct nearest nearest;
    char known[256] = "";
    size_t used = 0;
    nearest_init(&nearest, scheme);
    find_names(&names, places);
    for (size_t i = 0; i < SHIPPED; i++)
        add_name(&names, shipped[i].scheme, strlen(shipped[i].scheme));
    qsort(names.name, names.count, sizeof *names.name, compare_names);
    for (size_t i = 0; i < names.count; i++) {
        nearest_offer(&nearest, names.name[i]);
        int len = snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", names.name[i]);
        if (len < 0 || (size_t)len >= sizeof known - used)
            break;
        used += (size_t)len;
    }
    const char *hint = nearest_hint(&nearest);
    upsink_fail(err, UPSINK_ERR_CONFIG, "unknown_sink",
                "there is no sink for %s: and no plugin " PREFIX "%s" SUFFIX
                " was found%s known are %s; plugins are searched "
                "for in UPSINK_PLUGIN_PATH and in " UPSINK_LIBDIR,
                scheme, scheme, *hint ? hint : ";", known);
    free(names.name);
}

const struct upsink_sink_type *registry_find(const char *url, struct upsink_error *err)
{
    const struct upsink_sink_type *type = NULL;
    struct places places = {0};
    struct buf path;
    char scheme[NAME_SIZE];
    buf_init(&path);
    if (!find_scheme(url, scheme, err))
        goto cleanup;
    if (!find_places(&places)) {
        upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory");
        goto cleanup;
    }
    if (!find_file(&places, plugin_of_scheme(scheme), &path)) {
        fail_unknown(scheme, &places, err);
        goto cleanup;
    }
    type = load(path.data, err);
    if (type && !serves(type, scheme)) {
        fail_other_scheme(type, scheme, path.data, err);
        type = NULL;
    }
cleanup:
    buf_destroy(&places.text);
    buf_destroy(&path);
    return type;
}

bool registry_list(void (*visit)(void *context, const struct registry_entry *entry), void *context,
                   struct upsink_error *err)
{
    struct places places = {0};
    struct names names = {0};
    struct buf path;
    bool done = false;
    buf_init(&path);
    if (find_places(&places)) {
        find_names(&names, &places);
        done = !names.failed;
    }
    if (names.count)
        qsort(names.name, names.count, sizeof *names.name, compare_names);
    for (size_t i = 0; done && i < names.count; i++) {
        struct upsink_error why;
        if (!find_file(&places, names.name[i], &path))
            continue;
        struct registry_entry entry = {
            .name = names.name[i], .path = path.data, .type = load_for_list(names.name[i], path.data, &why)};
        entry.problem = entry.type ? NULL : why.text;
        visit(context, &entry);
    }
    buf_destroy(&places.text);
    buf_destroy(&path);
    free(names.name);
    return done || upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory");
}
