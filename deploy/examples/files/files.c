/* The sink files: every entity of a view as a JSON file in a directory.
 *
 * A change touches two files, the row and its fence, and a crash may come between any two steps. So what is
 * new waits beside the fence (KEY.0 or KEY.1, the one that the fence in force does not name), then the fence
 * that names it takes effect, then it goes where readers look. A fence in force whose row still waits is work
 * that was left half done: `settle` finishes it, before anything else is done with the entity. */
#include "files.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

enum { FILE_SIZE = NAME_SIZE + 32 };

/* What is remembered of an entity. Slices point into the text. */
struct entity {
    struct text text;
    struct upsink_slice key;
    struct upsink_fence fence;
    bool has_fence;
    int slot; /* 0 or 1: where its row waited, or waits */
};

static const char *join(char file[FILE_SIZE], const char *name, const char *suffix)
{
    snprintf(file, FILE_SIZE, "%s%s", name, suffix);
    return file;
}

static const char *slot_suffix(int slot)
{
    return slot ? ".1" : ".0";
}

/* Missing files are fine: the work was done before. */
static bool move(int from, const char *old, int to, const char *new)
{
    return renameat(from, old, to, new) == 0 || errno == ENOENT;
}

static bool drop(int directory, const char *file)
{
    return unlinkat(directory, file, 0) == 0 || errno == ENOENT;
}

/* Makes the row what the fence in force says. May be repeated. */
static bool settle(struct upsink_sink *sink, struct place *place, const char *name, bool deleted, int slot,
                   struct upsink_error *err)
{
    char waiting[FILE_SIZE], row[FILE_SIZE], kept[FILE_SIZE];
    bool soft = sink->view->delete_mode == UPSINK_DELETE_SOFT, done;
    join(waiting, name, slot_suffix(slot));
    join(row, name, ".json");
    join(kept, name, ".deleted");
    if (!deleted)
        done = move(place->fences, waiting, place->rows, row) && drop(place->rows, kept);
    else if (soft)
        done = move(place->rows, row, place->rows, kept);
    else
        done = drop(place->rows, row) && drop(place->rows, kept);
    return done || disk_fail(err, "write to", sink->description);
}

/* The next `len` bytes; -1: absent. */
static bool cut(struct upsink_slice *rest, int64_t len, struct upsink_slice *slice)
{
    *slice = UPSINK_SLICE_ABSENT;
    if (len < -1 || (len >= 0 && (uint64_t)len > rest->len))
        return false;
    if (len >= 0) {
        *slice = (struct upsink_slice){rest->data, (size_t)len};
        rest->data += len;
        rest->len -= (size_t)len;
    }
    return true;
}

static bool parse_fence(struct entity *entity, uint64_t *number)
{
    struct upsink_fence *fence = &entity->fence;
    int64_t key, topic, event, change;
    int deleted, versioned, head = 0;
    int found = sscanf(entity->text.data,
                       "upsink-fence 1 %" SCNx64 " %d %d %d %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64
                       " %" SCNd32 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 "%n",
                       number, &entity->slot, &deleted, &versioned, &fence->version, &fence->offset,
                       &fence->timestamp, &fence->generation, &fence->partition, &key, &topic, &event,
                       &change, &head);
    if (found != 13 || !head || entity->text.data[head] != '\n')
        return false;
    struct upsink_slice rest = {entity->text.data + head + 1, entity->text.len - (size_t)head - 1};
    fence->deleted = deleted;
    fence->has_version = versioned;
    return cut(&rest, key, &entity->key) && cut(&rest, topic, &fence->topic) &&
           cut(&rest, event, &fence->event_id) && cut(&rest, change, &fence->change_id) && rest.len == 0;
}

/* A fence under another number is none. entity->text is to be freed in any case. */
static bool load(struct upsink_sink *sink, struct place *place, const char *name, struct entity *entity,
                 struct upsink_error *err)
{
    char file[FILE_SIZE];
    uint64_t number;
    *entity = (struct entity){.slot = 1};
    if (!disk_read(place->fences, join(file, name, ".fence"), &entity->text))
        return errno == ENOENT || disk_fail(err, "read a fence of", sink->description);
    if (!parse_fence(entity, &number))
        return upsink_fail(err, UPSINK_ERR_FATAL, "file_corrupt",
                           "%s: the file .upsink/%s is damaged; remove it, and the entity is as never seen",
                           sink->description, file);
    entity->has_fence = number == sink->number;
    return !entity->has_fence || settle(sink, place, name, entity->fence.deleted, entity->slot, err);
}

static int64_t length(struct upsink_slice slice)
{
    return slice.data ? (int64_t)slice.len : -1;
}

/* A change on its way. */
struct step {
    char name[NAME_SIZE];
    bool has_version;
    int64_t version;
    int slot;
};

static bool store_fence(struct upsink_sink *sink, struct place *place, const struct step *step,
                        const struct upsink_change *change, struct upsink_error *err)
{
    char head[320], file[FILE_SIZE];
    snprintf(head, sizeof head,
             "upsink-fence 1 %" PRIx64 " %d %d %d %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId32
             " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n",
             sink->number, step->slot, change->op == UPSINK_DELETE, step->has_version, step->version,
             change->offset, change->timestamp, change->generation, change->partition, length(change->key),
             length(change->topic), length(change->event_id), length(change->change_id));
    struct upsink_slice parts[] = {upsink_slice_of(head), change->key, change->topic, change->event_id,
                                   change->change_id};
    return disk_write(place->fences, join(file, step->name, ".fence"), parts, 5, sink->sync) ||
           disk_fail(err, "write to", sink->description);
}

static bool reject(struct upsink_batch *batch, size_t i, const char *code, const char *text,
                   struct upsink_error *err)
{
    struct upsink_error *why = batch->alloc(batch, sizeof *why);
    if (!why)
        return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory");
    upsink_fail(why, UPSINK_ERR_RECORD, code, "%s", text);
    batch->results[i] = (struct upsink_result){UPSINK_REJECTED, why};
    return true;
}

/* First of three: every change gets its verdict, and new rows wait. No fence has moved yet, so whatever fails
 * here has changed nothing. */
static bool judge(struct upsink_sink *sink, struct place *place, struct upsink_batch *batch, size_t i,
                  struct step *step, struct upsink_error *err)
{
    const struct upsink_change *change = batch->changes[i];
    struct entity entity;
    char file[FILE_SIZE];
    disk_name(change->key, step->name);
    bool done = load(sink, place, step->name, &entity, err);
    const struct upsink_fence *fence = entity.has_fence ? &entity.fence : NULL;
    bool collides = done && fence && !upsink_slice_equal(entity.key, change->key);
    if (done) {
        batch->results[i] = (struct upsink_result){upsink_fence_judge(fence, change), NULL};
        step->has_version = upsink_fence_version(fence, change, &step->version);
        step->slot = change->op == UPSINK_UPSERT ? !entity.slot : entity.slot;
    }
    free(entity.text.data);
    if (collides)
        return reject(batch, i, "key_taken", "a file of that name belongs to another key of the same hash",
                      err);
    if (!done || batch->results[i].verdict != UPSINK_APPLIED || change->op != UPSINK_UPSERT)
        return done;
    if (sink->max_bytes && change->entity.len > sink->max_bytes)
        return reject(batch, i, "value_too_large", "the entity has more bytes than max_bytes allows", err);
    return disk_write(place->fences, join(file, step->name, slot_suffix(step->slot)), &change->entity, 1,
                      sink->sync) ||
           disk_fail(err, "write to", sink->description);
}

static bool sync_fences(struct upsink_sink *sink, struct place *place, struct upsink_error *err)
{
    return !sink->sync || fsync(place->fences) == 0 || disk_fail(err, "write to", sink->description);
}

/* The three steps, each for the whole batch, so that a directory is synced once between them. */
static bool apply(struct upsink_sink *sink, struct place *place, struct upsink_batch *batch,
                  struct step *steps, struct upsink_error *err)
{
    bool done = true;
    for (size_t i = 0; done && i < batch->count; i++)
        done = judge(sink, place, batch, i, &steps[i], err);
    done = done && sync_fences(sink, place, err);
    for (size_t i = 0; done && i < batch->count; i++)
        if (batch->results[i].verdict == UPSINK_APPLIED)
            done = store_fence(sink, place, &steps[i], batch->changes[i], err);
    done = done && sync_fences(sink, place, err);
    for (size_t i = 0; done && i < batch->count; i++)
        if (batch->results[i].verdict == UPSINK_APPLIED)
            done = settle(sink, place, steps[i].name, batch->changes[i]->op == UPSINK_DELETE, steps[i].slot,
                          err);
    return done;
}

static bool write_batch(struct upsink_sink *sink, struct upsink_batch *batch, struct upsink_error *err)
{
    struct place place;
    struct step *steps;
    if (!batch->count)
        return true;
    if (!target_enter(sink, &place, err))
        return false;
    steps = calloc(batch->count, sizeof *steps);
    bool done = steps || upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory");
    done = done && target_note_rows(sink, &place, true, err) && apply(sink, &place, batch, steps, err) &&
           target_note_rows(sink, &place, false, err);
    free(steps);
    target_leave(&place);
    return done;
}

/* There is nothing to take back: what was written stands, and the fences make its repetition harmless. */
static void abort_sink(struct upsink_sink *sink)
{
    (void)sink;
}

static bool read_row(struct upsink_sink *sink, struct upsink_slice key, struct upsink_row *row,
                     struct upsink_error *err)
{
    struct place place;
    struct entity entity;
    char name[NAME_SIZE], file[FILE_SIZE];
    free(sink->fence.data);
    free(sink->row.data);
    sink->fence = sink->row = (struct text){NULL, 0};
    *row = (struct upsink_row){.found = false};
    if (!target_enter(sink, &place, err))
        return false;
    disk_name(key, name);
    bool done = load(sink, &place, name, &entity, err);
    sink->fence = entity.text;
    row->found = done && entity.has_fence && upsink_slice_equal(entity.key, key);
    row->fence = entity.fence;
    join(file, name, entity.fence.deleted ? ".deleted" : ".json");
    if (row->found && disk_read(place.rows, file, &sink->row))
        row->entity = (struct upsink_slice){sink->row.data, sink->row.len};
    else if (row->found && errno != ENOENT)
        done = disk_fail(err, "read", sink->description);
    target_leave(&place);
    return done;
}

static void close_sink(struct upsink_sink *sink)
{
    if (!sink)
        return;
    free(sink->fence.data);
    free(sink->row.data);
    free(sink->directory);
    free(sink->folder);
    free(sink->description);
    free(sink);
}

static bool fail_url(struct upsink_error *err, const char *text)
{
    return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_url", "%s", text);
}

/* %XX in place; never a NUL. */
static bool decode(char *text)
{
    char *to = text;
    for (; *text; text++) {
        char byte = *text;
        if (byte == '%') {
            if (!isxdigit((unsigned char)text[1]) || !isxdigit((unsigned char)text[2]))
                return false;
            byte = (char)strtol((char[]){text[1], text[2], '\0'}, NULL, 16);
            text += 2;
        }
        if (!byte)
            return false;
        *to++ = byte;
    }
    *to = '\0';
    return true;
}

/* Parameters of the URL and settings of the view's section `files` are the same, but for the folder. */
static bool set(struct upsink_sink *sink, const char *name, const char *value, struct upsink_error *err)
{
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(value, &end, 10);
    if (strcmp(name, "max_bytes") == 0 && *value >= '0' && *value <= '9' && !*end && !errno)
        sink->max_bytes = (size_t)number;
    else if (strcmp(name, "sync") == 0 && (strcmp(value, "full") == 0 || strcmp(value, "none") == 0))
        sink->sync = *value == 'f';
    else
        return upsink_fail(
            err, UPSINK_ERR_CONFIG, "bad_setting",
            "files has no setting %.64s, or not with that value; `upsink sinks files` lists them", name);
    return true;
}

static bool set_parameters(struct upsink_sink *sink, char *query, struct upsink_error *err)
{
    char *rest = NULL;
    for (char *each = strtok_r(query, "&", &rest); each; each = strtok_r(NULL, "&", &rest)) {
        char *value = strchr(each, '=');
        if (!value)
            return fail_url(err, "a parameter of a files: URL is written NAME=VALUE");
        *value++ = '\0';
        if (!decode(value))
            return fail_url(err, "a % in a files: URL is followed by two hexadecimal digits, and not by 00");
        if (strcmp(each, "folder") != 0) {
            if (!set(sink, each, value, err))
                return false;
            continue;
        }
        if (sink->view->target || sink->folder)
            return upsink_fail(err, UPSINK_ERR_CONFIG, "target_twice",
                               "the folder is named twice, by the URL and by `table`; keep one");
        sink->folder = strdup(value);
        if (!sink->folder)
            return false; /* open_sink says: out of memory */
    }
    return true;
}

static bool read_url(struct upsink_sink *sink, char *url, struct upsink_error *err)
{
    char *path = url + strcspn(url, ":"), *query;
    path += *path == ':';
    query = strchr(path, '?');
    if (query)
        *query++ = '\0';
    if (strncmp(path, "//", 2) == 0 && path[2] != '/')
        return fail_url(err, "a files: URL has no host: write files:/path/to/dir or files:relative/dir");
    if (!decode(path) || !*path)
        return fail_url(err, "a files: URL needs the path of a directory, as in files:/srv/views");
    sink->directory = strdup(path);
    return !query || set_parameters(sink, query, err);
}

static bool configure(struct upsink_sink *sink, struct upsink_error *err)
{
    const struct upsink_view *view = sink->view;
    char *url = strdup(view->url);
    bool done = url && read_url(sink, url, err);
    for (size_t i = 0; done && i < view->setting_count; i++)
        done = set(sink, view->settings[i].name, view->settings[i].value, err);
    if (done && !sink->folder)
        sink->folder = strdup(view->target ? view->target : view->default_target);
    free(url);
    if (!done)
        return false;
    if (!sink->directory || !sink->folder ||
        asprintf(&sink->description, "files:%s folder %s", sink->directory, sink->folder) < 0) {
        sink->description = NULL;
        return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory");
    }
    if (!*sink->folder)
        return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_target", "the folder's name is empty");
    disk_name(upsink_slice_of(sink->folder), sink->folder_name);
    disk_name(upsink_slice_of(view->name), sink->view_name);
    return true;
}

static bool open_sink(struct upsink_sink **sink, const struct upsink_view *view,
                      const struct upsink_host *host, struct upsink_error *err)
{
    struct upsink_sink *made = calloc(1, sizeof *made);
    *sink = NULL;
    upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory");
    if (!made)
        return false;
    made->view = view;
    made->host = host;
    made->sync = true;
    if (!configure(made, err)) {
        close_sink(made);
        return false;
    }
    upsink_error_clear(err);
    *sink = made;
    return true;
}

static const char *describe(const struct upsink_sink *sink)
{
    return sink->description;
}

static const char *const schemes[] = {"files", NULL};

#define SETTINGS                                                                                             \
    {"sync", "full|none", "full",                                                                            \
     "full waits for the disk; with none a power cut (not a crash of the program) may lose changes that "    \
     "were "                                                                                                 \
     "committed"},                                                                                           \
        {"max_bytes", "integer", "0", "larger entities become dead letters; 0: none does"},                  \
    {                                                                                                        \
        NULL, NULL, NULL, NULL                                                                               \
    }

static const struct upsink_option url_options[] = {
    {"folder", "text", NULL, "the folder below the directory, where the view's `table` does not name it"},
    SETTINGS};

static const struct upsink_option settings[] = {SETTINGS};

/* Not UPSINK_TRANSACTIONAL: a reader of the directory sees rows before their positions are stored, and
 * nothing can be taken back. */
UPSINK_EXPORT const struct upsink_sink_type upsink_sink = {
    .abi = UPSINK_SINK_ABI,
    .size = sizeof(struct upsink_sink_type),
    .name = "files",
    .schemes = schemes,
    .summary = "a JSON file for each entity: files:DIRECTORY?folder=NAME",
    .url_options = url_options,
    .settings = settings,
    .capabilities = UPSINK_KEEPS_POSITIONS | UPSINK_FENCED,
    .max_writers = 1, /* there is one lock: more would wait for each other */
    .open = open_sink,
    .describe = describe,
    .prepare = target_prepare,
    .claim = target_claim,
    .write = write_batch,
    .commit = target_commit,
    .abort = abort_sink,
    .read_row = read_row,
    .close = close_sink,
};
