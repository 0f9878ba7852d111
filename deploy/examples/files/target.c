/* Whose folder it is, who may write, and how far each partition has come. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TARGET "%target"
#define FILLED "%filled"

static const struct place closed = {-1, -1, -1, -1, -1, -1};

void target_leave(struct place *place)
{
    int reason = errno, *all[] = {&place->positions, &place->fences, &place->rows,
                                  &place->lock,      &place->hidden, &place->base};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (*all[i] >= 0)
            close(*all[i]);
    *place = closed;
    errno = reason;
}

/* One at a time, for the length of one call. Waits in small steps: whoever stops must not wait for somebody
 * who was paused with the lock. */
static bool take_lock(struct upsink_sink *sink, struct place *place, struct upsink_error *err)
{
    enum { STEP_US = 2000 };
    int64_t left = sink->view->timeout_us;
    struct stat found;
    place->lock = openat(place->hidden, "%lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (place->lock < 0)
        return disk_fail(err, "lock", sink->description);
    for (; flock(place->lock, LOCK_EX | LOCK_NB) != 0; left -= STEP_US) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return disk_fail(err, "lock", sink->description);
        if (left <= 0 || (sink->host && sink->host->stopping && sink->host->stopping(sink->host->context)))
            return upsink_fail(err, UPSINK_ERR_OUTAGE, "sink_busy", "another writer holds the lock of %s",
                               sink->description);
        nanosleep(&(struct timespec){0, STEP_US * 1000}, NULL);
    }
    if (fstat(place->lock, &found) == 0 && found.st_nlink > 0)
        return true;
    errno = ENOENT; /* somebody removed DIR/.upsink while we waited: this lock guards nothing */
    return disk_fail(err, "lock", sink->description);
}

/* What stands in %target; number 0 where there is no such file. */
struct owner {
    uint64_t number;
    struct upsink_slice view, topic;
    struct text text; /* to be freed */
};

static bool fail_damaged(struct upsink_sink *sink, const char *name, struct upsink_error *err)
{
    return upsink_fail(err, UPSINK_ERR_FATAL, "file_corrupt",
                       "%s: the file %s is damaged; remove the folder, and it is filled again",
                       sink->description, name);
}

static bool read_owner(struct upsink_sink *sink, int fences, struct owner *owner, struct upsink_error *err)
{
    size_t view, topic;
    int head = 0;
    *owner = (struct owner){.number = 0};
    if (!disk_read(fences, TARGET, &owner->text))
        return errno == ENOENT || disk_fail(err, "read " TARGET " of", sink->description);
    if (sscanf(owner->text.data, "upsink-target 1 %" SCNx64 " %zu %zu%n", &owner->number, &view, &topic,
               &head) != 3 ||
        !head || view > owner->text.len || topic > owner->text.len ||
        (size_t)head + 1 + view + topic != owner->text.len || !owner->number)
        return fail_damaged(sink, TARGET, err);
    owner->view = (struct upsink_slice){owner->text.data + head + 1, view};
    owner->topic = (struct upsink_slice){owner->view.data + view, topic};
    return true;
}

/* There were rows, and somebody took them out. */
static bool is_emptied(struct place *place, bool *emptied)
{
    bool empty;
    *emptied = false;
    if (faccessat(place->fences, FILLED, F_OK, 0) != 0)
        return errno == ENOENT;
    if (!disk_is_empty(place->rows, &empty))
        return false;
    *emptied = empty;
    return true;
}

static bool check_target(struct upsink_sink *sink, struct place *place, struct upsink_error *err)
{
    struct owner owner;
    bool emptied = false, done = read_owner(sink, place->fences, &owner, err);
    if (done && !is_emptied(place, &emptied))
        done = disk_fail(err, "look into", sink->description);
    if (done && (owner.number != sink->number || emptied))
        done = upsink_fail(err, UPSINK_ERR_TARGET_LOST, "target_lost",
                           "%s was %s; it will be filled again from the topic", sink->description,
                           emptied ? "emptied" : "replaced");
    free(owner.text.data);
    return done;
}

bool target_enter(struct upsink_sink *sink, struct place *place, struct upsink_error *err)
{
    char path[2 * NAME_SIZE];
    *place = closed;
    place->base = open(sink->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    place->hidden = disk_open_directory(place->base, ".upsink");
    bool done = place->hidden >= 0 ? take_lock(sink, place, err) : disk_fail(err, "open", sink->description);
    if (done) {
        place->rows = disk_open_directory(place->base, sink->folder_name);
        place->fences = disk_open_directory(place->rows, ".upsink");
        snprintf(path, sizeof path, ".upsink/%s", sink->view_name);
        place->positions = place->fences < 0 ? -1 : disk_open_directory(place->base, path);
        done = place->positions >= 0 ? check_target(sink, place, err)
                                     : disk_fail(err, "open", sink->description);
    }
    if (!done)
        target_leave(place);
    return done;
}

static bool fail_missing(struct upsink_sink *sink, const char *path, struct upsink_error *err)
{
    return upsink_fail(
        err, UPSINK_ERR_FATAL, "target_missing",
        "there is no directory %s/%s, or not all that belongs to it, and `create: never` forbids "
        "to make it",
        sink->directory, path);
}

/* Makes one directory if it is missing, or says so. With a plan, *made stays -1 where it would be made. */
static bool need_directory(struct upsink_sink *sink, const struct upsink_printer *plan, int base,
                           const char *path, int *made, struct upsink_error *err)
{
    char text[512];
    *made = disk_open_directory(base, path);
    if (*made >= 0)
        return true;
    if (errno == ENOTDIR || errno == ELOOP)
        return upsink_fail(err, UPSINK_ERR_FATAL, "target_mismatch",
                           "%s/%s is no directory; name another folder, or move it away", sink->directory,
                           path);
    if (errno != ENOENT)
        return disk_fail(err, "open", sink->description);
    if (plan) {
        snprintf(text, sizeof text, "mkdir %.300s/%s", sink->directory, path);
        plan->print(plan->context, text);
        return true;
    }
    if (!sink->view->create)
        return fail_missing(sink, path, err);
    if (mkdirat(base, path, 0777) == 0)
        *made = disk_open_directory(base, path);
    return *made >= 0 || disk_fail(err, "make a directory for", sink->description);
}

/* Files in a folder without .upsink are somebody's own: rows would be mixed with them. */
static bool check_foreign(struct upsink_sink *sink, int rows, struct upsink_error *err)
{
    bool empty = true;
    if (rows < 0 || faccessat(rows, ".upsink", F_OK, 0) == 0)
        return true;
    if (!disk_is_empty(rows, &empty))
        return disk_fail(err, "look into", sink->description);
    return empty ||
           upsink_fail(err, UPSINK_ERR_FATAL, "target_mismatch",
                       "%s holds files that are not a view's; name another folder, or empty this one",
                       sink->description);
}

/* A new number: what stands in fences and positions is void from now on. */
static bool make_target(struct upsink_sink *sink, struct place *place, struct upsink_error *err)
{
    struct upsink_slice view = upsink_slice_of(sink->view->name), topic = upsink_slice_of(sink->view->topic);
    uint64_t number = 0;
    char head[96];
    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number || !number)
        return upsink_fail(err, UPSINK_ERR_OUTAGE, "no_random_bytes", "the system gives no random bytes");
    snprintf(head, sizeof head, "upsink-target 1 %" PRIx64 " %zu %zu\n", number, view.len, topic.len);
    struct upsink_slice parts[] = {upsink_slice_of(head), view, topic};
    unlinkat(place->fences, FILLED, 0);
    if (!disk_write(place->fences, TARGET, parts, 3, true) || fsync(place->fences) || fsync(place->rows) ||
        fsync(place->hidden) || fsync(place->base))
        return disk_fail(err, "prepare", sink->description);
    sink->number = number;
    return true;
}

/* `known`: there are positions. Without them, fences of later generations would hold everything back. */
static bool settle_owner(struct upsink_sink *sink, const struct upsink_printer *plan, struct place *place,
                         bool known, struct upsink_error *err)
{
    struct owner owner;
    bool emptied = false, done = read_owner(sink, place->fences, &owner, err);
    if (done && owner.number &&
        (!upsink_slice_is(owner.view, sink->view->name) || !upsink_slice_is(owner.topic, sink->view->topic)))
        done = upsink_fail(
            err, UPSINK_ERR_FATAL, "target_taken",
            "%s belongs to the view %.*s of topic %.*s; name another folder, or remove this one if "
            "that view is no more",
            sink->description, (int)owner.view.len, owner.view.data, (int)owner.topic.len, owner.topic.data);
    else if (done && !is_emptied(place, &emptied))
        done = disk_fail(err, "look into", sink->description);
    if (done && owner.number && known && !emptied) {
        sink->number = plan ? sink->number : owner.number;
    } else if (done && plan) {
        plan->refill(plan->context);
    } else if (done) {
        done = make_target(sink, place, err);
    }
    free(owner.text.data);
    return done;
}

bool target_prepare(struct upsink_sink *sink, const struct upsink_printer *plan, struct upsink_error *err)
{
    struct place place = closed;
    char side[NAME_SIZE + 16], positions[NAME_SIZE + 16];
    snprintf(side, sizeof side, "%s/.upsink", sink->folder_name);
    snprintf(positions, sizeof positions, ".upsink/%s", sink->view_name);
    place.base = open(sink->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (place.base < 0 && (errno == ENOENT || errno == ENOTDIR))
        return upsink_fail(err, UPSINK_ERR_OUTAGE, "sink_unreachable",
                           "there is no directory %s; make or mount it, upsink makes only what is below it",
                           sink->directory);
    bool done = place.base >= 0 || disk_fail(err, "open", sink->description);
    done = done && need_directory(sink, plan, place.base, ".upsink", &place.hidden, err);
    done = done && (plan || take_lock(sink, &place, err));
    done = done && need_directory(sink, plan, place.base, sink->folder_name, &place.rows, err);
    done = done && check_foreign(sink, place.rows, err);
    done = done && need_directory(sink, plan, place.base, side, &place.fences, err);
    bool known = done && faccessat(place.base, positions, F_OK, 0) == 0;
    done = done && need_directory(sink, plan, place.base, positions, &place.positions, err);
    bool missing = place.rows < 0 || place.fences < 0 || place.positions < 0; /* only in a plan */
    if (done && place.fences < 0)
        plan->refill(plan->context);
    else
        done = done && settle_owner(sink, plan, &place, known, err);
    if (done && missing && !sink->view->create)
        done = fail_missing(sink, sink->folder_name, err);
    target_leave(&place);
    return done;
}

static void name_position(const struct upsink_position *position, char name[NAME_SIZE + 32])
{
    char topic[NAME_SIZE];
    disk_name(position->topic, topic);
    snprintf(name, NAME_SIZE + 32, "%s,%" PRId32 ".position", topic, position->partition);
}

/* The position as stored, or one that knows nothing. Under another number it has lost its offset, and whoever
 * owned the partition then does so no more. */
static bool load_position(struct upsink_sink *sink, struct place *place, struct upsink_position *position,
                          struct upsink_error *err)
{
    struct text text;
    uint64_t number;
    char name[NAME_SIZE + 32];
    int head = 0;
    position->epoch = position->generation = position->floor = 0;
    position->next_offset = -1;
    position->note[0] = '\0';
    name_position(position, name);
    if (!disk_read(place->positions, name, &text))
        return errno == ENOENT || disk_fail(err, "read a position of", sink->description);
    int found = sscanf(
        text.data, "upsink-position 1 %" SCNx64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 "%n", &number,
        &position->epoch, &position->generation, &position->floor, &position->next_offset, &head);
    bool sound =
        found == 5 && head && text.data[head] == '\n' && text.len - (size_t)head - 1 < sizeof position->note;
    if (sound)
        memcpy(position->note, text.data + head + 1, text.len - (size_t)head);
    free(text.data);
    if (sound && number != sink->number) {
        position->next_offset = -1;
        position->epoch++;
    }
    return sound || fail_damaged(sink, name, err);
}

static bool store_position(struct upsink_sink *sink, struct place *place,
                           const struct upsink_position *position, struct upsink_error *err)
{
    char name[NAME_SIZE + 32], head[160];
    name_position(position, name);
    snprintf(head, sizeof head,
             "upsink-position 1 %" PRIx64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n", sink->number,
             position->epoch, position->generation, position->floor, position->next_offset);
    struct upsink_slice parts[] = {upsink_slice_of(head), upsink_slice_of(position->note)};
    return disk_write(place->positions, name, parts, 2, sink->sync) ||
           disk_fail(err, "store a position of", sink->description);
}

bool target_claim(struct upsink_sink *sink, struct upsink_position *position, struct upsink_error *err)
{
    struct place place;
    if (!target_enter(sink, &place, err))
        return false;
    bool done = load_position(sink, &place, position, err);
    position->epoch++;
    done = done && store_position(sink, &place, position, err);
    if (done && sink->sync && fsync(place.positions) != 0)
        done = disk_fail(err, "store a position of", sink->description);
    target_leave(&place);
    return done;
}

/* First all are looked at, then all are stored: under the lock nobody comes between. */
bool target_commit(struct upsink_sink *sink, const struct upsink_position *positions, size_t count,
                   struct upsink_error *err)
{
    struct place place;
    if (!target_enter(sink, &place, err))
        return false;
    /* The names of the rows, before the positions that say that they are there. */
    bool done = !sink->sync || fsync(place.rows) == 0 || disk_fail(err, "write to", sink->description);
    for (size_t i = 0; done && i < count; i++) {
        struct upsink_position stored = {.topic = positions[i].topic, .partition = positions[i].partition};
        done = load_position(sink, &place, &stored, err);
        if (done && stored.epoch != positions[i].epoch)
            done = upsink_fail(err, UPSINK_ERR_FENCED, "fenced",
                               "partition %" PRId32 " has another owner by now", stored.partition);
    }
    for (size_t i = 0; done && i < count; i++)
        done = store_position(sink, &place, &positions[i], err);
    if (done && sink->sync && fsync(place.positions) != 0)
        done = disk_fail(err, "store a position of", sink->description);
    target_leave(&place);
    return done;
}

bool target_note_rows(struct upsink_sink *sink, struct place *place, bool will_be, struct upsink_error *err)
{
    bool empty = false;
    if (!will_be && !disk_is_empty(place->rows, &empty))
        return disk_fail(err, "look into", sink->description);
    if (empty ? unlinkat(place->fences, FILLED, 0) == 0 : disk_write(place->fences, FILLED, NULL, 0, false))
        return true;
    return (empty && errno == ENOENT) || disk_fail(err, "write to", sink->description);
}
