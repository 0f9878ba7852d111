/* files PLUGIN DIRECTORY: what the contract suite can't see of the example sink. It kills a writer, or fills
 * the disk, before each of its calls that change the disk, and looks at what is left: no row may be half,
 * step back, or stay behind once the batch was repeated.
 *
 * The functions below take the place of libc's in the plugin, too: a program's symbols come first. */
#include <upsink/sink.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CRASHED = 9 };
enum trouble { CRASH, FULL_DISK };
static enum trouble trouble;
static long calls_left = -1; /* until the trouble; -1: none comes */

/* True where the call has to fail. */
static bool count_call(void)
{
    if (calls_left < 0 || --calls_left > 0)
        return false;
    if (trouble == CRASH)
        _exit(CRASHED);
    calls_left = 0;
    errno = ENOSPC;
    return true;
}

int renameat(int from, const char *old, int to, const char *new)
{
    return count_call() ? -1 : (int)syscall(SYS_renameat, from, old, to, new);
}

int unlinkat(int directory, const char *name, int flags)
{
    return count_call() ? -1 : (int)syscall(SYS_unlinkat, directory, name, flags);
}

ssize_t write(int file, const void *bytes, size_t len)
{
    return count_call() ? -1 : (ssize_t)syscall(SYS_write, file, bytes, len);
}

int fsync(int file)
{
    return count_call() ? -1 : (int)syscall(SYS_fsync, file);
}

static const struct upsink_sink_type *type;
static char url[512], directory[400], folder[64];
static struct upsink_error err;

static void need(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "%s/%s: %s: %s %s\n", directory, folder, what, err.code, err.text);
    exit(1);
}

static struct upsink_sink *open_target(struct upsink_position *position)
{
    static struct upsink_view view;
    struct upsink_sink *sink;
    view = (struct upsink_view){.size = sizeof view,
                                .name = folder,
                                .topic = "t",
                                .url = url,
                                .target = folder,
                                .create = true,
                                .timeout_us = 5000000};
    need(type->open(&sink, &view, NULL, &err) && type->prepare(sink, NULL, &err), "open");
    *position = (struct upsink_position){.topic = UPSINK_SLICE_LIT("t")};
    need(type->claim(sink, position, &err), "claim");
    return sink;
}

static void *allocate(struct upsink_batch *batch, size_t size)
{
    static union {
        struct upsink_error error;
        char bytes[2048];
    } memory;
    (void)batch;
    return size <= sizeof memory ? &memory : NULL;
}

/* `entity` NULL: a tombstone. */
static struct upsink_change make(const char *key, const char *entity, int64_t offset)
{
    return (struct upsink_change){.op = entity ? UPSINK_UPSERT : UPSINK_DELETE,
                                  .flags = entity ? 0 : UPSINK_BY_POSITION,
                                  .key = upsink_slice_of(key),
                                  .entity = upsink_slice_of(entity),
                                  .topic = UPSINK_SLICE_LIT("t"),
                                  .offset = offset,
                                  .timestamp = offset,
                                  .generation = 1};
}

/* `results` may be NULL. */
static bool try_put(struct upsink_sink *sink, const struct upsink_change *changes, size_t count,
                    struct upsink_result *results)
{
    enum { MOST = 8 };
    const struct upsink_change *pointers[MOST];
    struct upsink_result own[MOST];
    struct upsink_batch batch = {
        .changes = pointers, .results = results ? results : own, .count = count, .alloc = allocate};
    for (size_t i = 0; i < count; i++)
        pointers[i] = &changes[i];
    return type->write(sink, &batch, &err);
}

/* The verdict on the first one. */
static enum upsink_verdict put(struct upsink_sink *sink, const struct upsink_change *changes, size_t count)
{
    struct upsink_result results[8];
    need(try_put(sink, changes, count, results), "write");
    return results[0].verdict;
}

static void commit(struct upsink_sink *sink, struct upsink_position *position, int64_t next)
{
    position->next_offset = next;
    need(type->commit(sink, position, 1, &err), "commit");
}

/* What a reader of the directory sees; "" where there is no file. */
static const char *see(const char *key)
{
    static char text[64], path[600];
    snprintf(path, sizeof path, "%s/%s/%s.json", directory, folder, key);
    FILE *file = fopen(path, "r");
    size_t len = file ? fread(text, 1, sizeof text - 1, file) : 0;
    text[len] = '\0';
    if (file)
        fclose(file);
    return text;
}

static bool is(const char *key, const char *expected)
{
    return strcmp(see(key), expected) == 0;
}

static struct upsink_change before[3], after[4], between[2];

static void make_changes(void)
{
    before[0] = make("a", "1", 1);
    before[1] = make("b", "1", 2);
    before[2] = make("c", NULL, 3);
    after[0] = make("a", "2", 10);
    after[1] = make("b", NULL, 11);
    after[2] = make("c", "2", 12);
    after[3] = make("d", "2", 13);
    /* What a batch with the others had folded away. */
    between[0] = make("a", "\"late\"", 5);
    between[1] = make("b", "\"late\"", 6);
}

static struct upsink_sink *fill(const char *name, long number, struct upsink_position *position)
{
    snprintf(folder, sizeof folder, "%s-%ld", name, number);
    struct upsink_sink *sink = open_target(position);
    put(sink, before, 3);
    commit(sink, position, 4);
    return sink;
}

static void need_all_after(void)
{
    need(is("a", "2") && is("b", "") && is("c", "2") && is("d", "2"), "a row stayed behind");
}

/* Redelivered, now in smaller batches. */
static void repeat(struct upsink_sink *sink, struct upsink_position *position)
{
    bool a_is_new = is("a", "2"), b_is_gone = is("b", "");
    put(sink, between, 2);
    need(!a_is_new || is("a", "2"), "a row stepped back");
    need(!b_is_gone || is("b", ""), "a deleted row came back");
    put(sink, after, 4);
    commit(sink, position, 14);
    need_all_after();
    need(put(sink, before, 1) == UPSINK_STALE, "an old change is not stale");
}

static void need_sound_rows(void)
{
    need(is("a", "2") || is("a", "1"), "the row a is neither old nor new");
    need(is("b", "") || is("b", "1"), "the row b is neither old nor gone");
    need((is("c", "") || is("c", "2")) && (is("d", "") || is("d", "2")), "a row is neither absent nor new");
}

/* True where the writer came to its end before it was killed. */
static bool crash_at(long call)
{
    struct upsink_position position;
    int status;
    type->close(fill("crash", call, &position));
    pid_t child = fork();
    need(child >= 0, "fork");
    if (child == 0) {
        struct upsink_sink *sink = open_target(&position);
        trouble = CRASH;
        calls_left = call;
        put(sink, after, 4);
        commit(sink, &position, 14);
        _exit(0);
    }
    need(waitpid(child, &status, 0) == child && WIFEXITED(status), "wait");
    bool ended = WEXITSTATUS(status) == 0;
    need(ended || WEXITSTATUS(status) == CRASHED, "the writer failed by itself");
    need_sound_rows();
    struct upsink_sink *sink = open_target(&position);
    need(position.next_offset == 14 || (!ended && position.next_offset == 4),
         "the position is neither old nor new");
    if (position.next_offset == 14)
        need_all_after();
    repeat(sink, &position);
    type->close(sink);
    return ended;
}

/* True where the writer came to its end before the disk was full. */
static bool fill_disk_at(long call)
{
    struct upsink_position position;
    struct upsink_sink *sink = fill("full", call, &position);
    upsink_error_clear(&err);
    trouble = FULL_DISK;
    calls_left = call;
    bool ended =
        try_put(sink, after, 4, NULL) && (position.next_offset = 14, type->commit(sink, &position, 1, &err));
    calls_left = -1;
    need(ended || (err.cls == UPSINK_ERR_OUTAGE && strcmp(err.code, "sink_full") == 0),
         "a full disk is no outage");
    need_sound_rows();
    type->abort(sink);
    need(type->prepare(sink, NULL, &err), "prepare again");
    repeat(sink, &position);
    type->close(sink);
    return ended;
}

/* A change that the sink can't take costs itself alone, and leaves its fence as it was. */
static void refuse_large(void)
{
    struct upsink_position position;
    struct upsink_result results[3];
    struct upsink_change changes[] = {make("a", "3", 20), make("b", "\"too large\"", 21), make("c", "3", 22)};
    size_t len = strlen(url);
    snprintf(url + len, sizeof url - len, "?max_bytes=3&sync=none");
    struct upsink_sink *sink = fill("large", 0, &position);
    need(try_put(sink, changes, 3, results), "write");
    need(results[0].verdict == UPSINK_APPLIED && results[2].verdict == UPSINK_APPLIED,
         "a neighbour was not applied");
    need(results[1].verdict == UPSINK_REJECTED && strcmp(results[1].error->code, "value_too_large") == 0,
         "what is too large was not refused");
    need(is("a", "3") && is("b", "1") && is("c", "3"), "a row is wrong");
    struct upsink_change next = make("b", "2", 10); /* older than what was refused */
    need(put(sink, &next, 1) == UPSINK_APPLIED, "the fence of a refused change moved");
    type->close(sink);
    url[len] = '\0';
}

static void refuse_urls(void)
{
    static const char *const urls[] = {"files:",
                                       "files://host/dir",
                                       "files:/x?folder",
                                       "files:/x?nothing=1",
                                       "files:/%zz",
                                       "files:/x%0",
                                       "files:/x%00y",
                                       "files:/x?sync=half",
                                       "files:/x?max_bytes=-1",
                                       "files:/x?max_bytes=",
                                       "files:/x?folder=f"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct upsink_view view = {
            .size = sizeof view, .name = "v", .topic = "t", .url = urls[i], .target = "f"};
        struct upsink_sink *sink;
        need(!type->open(&sink, &view, NULL, &err) && !sink && err.cls == UPSINK_ERR_CONFIG, urls[i]);
    }
}

static long count_until(bool (*try_at)(long call))
{
    enum { FEW = 20, MANY = 1000 };
    long call = 1;
    while (call < MANY && !try_at(call))
        call++;
    need(call > FEW && call < MANY, "the calls were not counted");
    return call - 1;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    void *handle = dlopen(argv[1], RTLD_NOW);
    type = handle ? dlsym(handle, "upsink_sink") : NULL;
    snprintf(directory, sizeof directory, "%s", argv[2]);
    snprintf(url, sizeof url, "files:%s", directory);
    need(type, "load the plugin");
    make_changes();
    printf("killed before each of %ld calls\n", count_until(crash_at));
    printf("out of space in each of %ld calls\n", count_until(fill_disk_at));
    refuse_large();
    refuse_urls();
    return 0;
}
