/* What the sink needs of a disk: safe names, whole files, and what an errno means. Nothing of upsink's order
 * of changes is in here. */
#ifndef FILES_DISK_H
#define FILES_DISK_H

#include <upsink/sink.h>

/* A name with any suffix of ours fits the 143 bytes that the smallest of today's file systems allow. */
enum { NAME_SIZE = 128 };

/* A file name for any bytes. Letters, digits, `_`, `-` and `.` stay, but for a `.` at the beginning; all else
 * becomes %XX, so that no name can leave its directory, be hidden, or be taken for another. No bytes at all
 * are "%". What would be too long ends in "%-" and a hash: two of those may meet, and the caller has to look.
 */
void disk_name(struct upsink_slice bytes, char name[NAME_SIZE]);

/* Bytes that the holder frees. */
struct text {
    char *data; /* NUL-terminated behind its end */
    size_t len;
};

/* Both leave errno. read_file fails with ENOENT where there is none. A file is written whole: under another
 * name first, which takes the place of the old one. With `sync` its bytes are on the disk by then; its name
 * is when its directory was synced. */
bool disk_read(int directory, const char *name, struct text *text);
bool disk_write(int directory, const char *name, const struct upsink_slice *parts, size_t count, bool sync);

/* -1 with errno; a symbolic link is none (ELOOP, ENOTDIR). */
int disk_open_directory(int directory, const char *name);

/* No entry whose name does not begin with a dot. */
bool disk_is_empty(int directory, bool *empty);

/* Fills err: "could not <doing> <where>: <reason>"; the class says what the connector does then. */
bool disk_fail(struct upsink_error *err, const char *doing, const char *where);

#endif
