#include "disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_plain(unsigned char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || (c == '.' && !first);
}

void disk_name(struct upsink_slice bytes, char name[NAME_SIZE])
{
    enum { ROOM = 100 }; /* the hash and the longest suffix still fit behind it */
    size_t used = 0, i = 0;
    for (; i < bytes.len && used + 3 <= ROOM; i++) {
        unsigned char c = (unsigned char)bytes.data[i];
        used += (size_t)snprintf(name + used, NAME_SIZE - used, is_plain(c, i == 0) ? "%c" : "%%%02X", c);
    }
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (size_t each = 0; i < bytes.len && each < bytes.len; each++)
        hash = (hash ^ (unsigned char)bytes.data[each]) * 1099511628211u;
    if (i < bytes.len)
        snprintf(name + used, NAME_SIZE - used, "%%-%016llx", (unsigned long long)hash);
    else if (!bytes.len)
        snprintf(name, NAME_SIZE, "%%");
}

bool disk_read(int directory, const char *name, struct text *text)
{
    struct stat found;
    size_t done = 0;
    ssize_t got = 1;
    int file = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    *text = (struct text){NULL, 0};
    if (file < 0)
        return false;
    if (fstat(file, &found) == 0 && (text->data = malloc((size_t)found.st_size + 1)))
        while (done < (size_t)found.st_size && got > 0) {
            got = read(file, text->data + done, (size_t)found.st_size - done);
            done += got > 0 ? (size_t)got : 0;
        }
    int reason = errno;
    close(file);
    if (text->data && got >= 0) {
        text->len = done;
        text->data[done] = '\0';
        return true;
    }
    free(text->data);
    *text = (struct text){NULL, 0};
    errno = reason;
    return false;
}

static bool write_all(int file, struct upsink_slice bytes)
{
    while (bytes.len) {
        ssize_t put = write(file, bytes.data, bytes.len);
        if (put < 0 && errno != EINTR)
            return false;
        bytes.data += put > 0 ? put : 0;
        bytes.len -= put > 0 ? (size_t)put : 0;
    }
    return true;
}

bool disk_write(int directory, const char *name, const struct upsink_slice *parts, size_t count, bool sync)
{
    char first[NAME_SIZE + 32];
    snprintf(first, sizeof first, "%s.tmp", name);
    int file = openat(directory, first, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    bool done = file >= 0;
    for (size_t i = 0; done && i < count; i++)
        done = write_all(file, parts[i]);
    done = done && (!sync || fsync(file) == 0);
    int reason = errno;
    if (file >= 0 && close(file) != 0 && done) {
        done = false;
        reason = errno;
    }
    if (done)
        return renameat(directory, first, directory, name) == 0;
    errno = reason;
    return false;
}

int disk_open_directory(int directory, const char *name)
{
    if (directory == -1) /* could not be opened: errno says why */
        return -1;
    return openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

bool disk_is_empty(int directory, bool *empty)
{
    int again = disk_open_directory(directory, ".");
    DIR *dir = again < 0 ? NULL : fdopendir(again);
    struct dirent *entry;
    *empty = true;
    if (!dir) {
        if (again >= 0)
            close(again);
        return false;
    }
    errno = 0;
    while (*empty && (entry = readdir(dir)))
        *empty = entry->d_name[0] == '.';
    int reason = errno;
    closedir(dir);
    errno = reason;
    return !reason;
}

/* What the connector does follows from the class alone, so every errno that we can meet is judged here, once.
 * What we do not know is UNKNOWN: tried again for a while, then a person looks. Never RECORD: no errno of
 * ours can be one change's own fault. */
static enum upsink_error_class classify(int reason, const char **code)
{
    switch (reason) {
    case ENOSPC:
    case EDQUOT:
        *code = "sink_full";
        return UPSINK_ERR_OUTAGE;
    case EROFS:
        *code = "sink_read_only";
        return UPSINK_ERR_OUTAGE;
    case EIO:
    case ENXIO:
    case ENODEV:
    case ETIMEDOUT:
        *code = "sink_io_error";
        return UPSINK_ERR_OUTAGE;
    case EMFILE:
    case ENFILE:
    case ENOLCK:
        *code = "sink_out_of_resources";
        return UPSINK_ERR_OUTAGE;
    case ENOMEM:
        *code = "sink_out_of_memory";
        return UPSINK_ERR_OUTAGE;
    case EACCES:
    case EPERM:
        *code = "permission_denied";
        return UPSINK_ERR_REFUSED;
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case ESTALE:
        *code = "target_lost";
        return UPSINK_ERR_TARGET_LOST;
    default:
        *code = "sink_error";
        return UPSINK_ERR_UNKNOWN;
    }
}

bool disk_fail(struct upsink_error *err, const char *doing, const char *where)
{
    const char *code;
    int reason = errno;
    enum upsink_error_class cls = classify(reason, &code);
    upsink_fail(err, cls, code, "could not %s %s: %s", doing, where, strerror(reason));
    upsink_error_detail(err, "errno %d", reason);
    return false;
}
