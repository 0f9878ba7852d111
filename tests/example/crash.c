/* crash PLUGIN DIRECTORY: kills a writer of the example sink before each of its calls that change the disk,
 * and looks at what is left. No row may be half, step back, or stay behind once the batch was repeated.
 *
 * The functions below take the place of libc's in the plugin, too: a program's symbols come first. */
#include <upsink/sink.h>

#include <dlfcn.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CRASHED = 9 };
static long calls_left = -1; /* -1: no end */

static void count_call(void)
{
    if (calls_left > 0 && --calls_left == 0)
        _exit(CRASHED);
}

int renameat(int from, const char *old, int to, const char *new)
{
    count_call();
    return (int)syscall(SYS_renameat, from, old, to, new);
}

int unlinkat(int directory, const char *name, int flags)
{
    count_call();
    return (int)syscall(SYS_unlinkat, directory, name, flags);
}

ssize_t write(int file, const void *bytes, size_t len)
{
    count_call();
    return (ssize_t)syscall(SYS_write, file, bytes, len);
}

int fsync(int file)
{
    count_call();
    return (int)syscall(SYS_fsync, file);
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

static void *no_memory(struct upsink_batch *batch, size_t size)
{
    (void)batch;
    (void)size;
    return NULL;
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

static enum upsink_verdict put(struct upsink_sink *sink, const struct upsink_change *changes, size_t count)
{
    const struct upsink_change *pointers[8];
    struct upsink_result results[8];
    struct upsink_batch batch = {.changes = pointers, .results = results, .count = count, .alloc = no_memory};
    for (size_t i = 0; i < count; i++)
        pointers[i] = &changes[i];
    need(type->write(sink, &batch, &err), "write");
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

/* True where the writer came to its end before it was killed. */
static bool crash_at(long call)
{
    struct upsink_position position;
    int status;
    snprintf(folder, sizeof folder, "crash-%ld", call);
    struct upsink_sink *sink = open_target(&position);
    struct upsink_change before[] = {make("a", "1", 1), make("b", "1", 2), make("c", NULL, 3)};
    struct upsink_change after[] = {make("a", "2", 10), make("b", NULL, 11), make("c", "2", 12),
                                    make("d", "2", 13)};
    struct upsink_change between[] = {make("a", "\"late\"", 5), make("b", "\"late\"", 6)};
    put(sink, before, 3);
    commit(sink, &position, 4);
    type->close(sink);
    pid_t child = fork();
    need(child >= 0, "fork");
    if (child == 0) {
        sink = open_target(&position);
        calls_left = call;
        put(sink, after, 4);
        commit(sink, &position, 14);
        _exit(0);
    }
    need(waitpid(child, &status, 0) == child && WIFEXITED(status), "wait");
    bool ended = WEXITSTATUS(status) == 0, a_is_new = is("a", "2"), b_is_gone = is("b", "");
    need(ended || WEXITSTATUS(status) == CRASHED, "the writer failed by itself");
    need((a_is_new || is("a", "1")) && (b_is_gone || is("b", "1")), "a row is neither old nor new");
    need((is("c", "") || is("c", "2")) && (is("d", "") || is("d", "2")), "a row is neither absent nor new");
    sink = open_target(&position);
    need(position.next_offset == 14 || (!ended && position.next_offset == 4),
         "the position is neither old nor new");
    need(position.next_offset == 4 || (is("a", "2") && is("b", "") && is("c", "2") && is("d", "2")),
         "the position is ahead of the rows");
    /* Redelivered, now in smaller batches: first what the batch had folded away. */
    put(sink, between, 2);
    need(!a_is_new || is("a", "2"), "a row stepped back");
    need(!b_is_gone || is("b", ""), "a deleted row came back");
    put(sink, after, 4);
    commit(sink, &position, 14);
    need(is("a", "2") && is("b", "") && is("c", "2") && is("d", "2"), "a row stayed behind");
    need(put(sink, before, 1) == UPSINK_STALE, "an old change is not stale");
    type->close(sink);
    return ended;
}

int main(int argc, char **argv)
{
    enum { MOST = 1000 };
    if (argc != 3)
        return 2;
    void *handle = dlopen(argv[1], RTLD_NOW);
    type = handle ? dlsym(handle, "upsink_sink") : NULL;
    snprintf(directory, sizeof directory, "%s", argv[2]);
    snprintf(url, sizeof url, "files:%s", directory);
    need(type, "load the plugin");
    long call = 1;
    while (call < MOST && !crash_at(call))
        call++;
    need(call > 20 && call < MOST, "the calls were not counted");
    printf("killed before each of %ld calls\n", call - 1);
    return 0;
}
