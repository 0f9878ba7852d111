/* Puts a server to sleep. */
#ifndef UPSINK_FREEZE_H
#define UPSINK_FREEZE_H

#include <glob.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <sys/types.h>
#include <unistd.h>

static inline bool stands_still(const char *path)
{
    char line[512] = "";
    FILE *file = fopen(path, "r");
    if (!file)
        return true; /* a thread that ended */
    const char *name_end = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
    fclose(file);
    return name_end && name_end[1] == ' ' && name_end[2] == 'T';
}

/* Until SIGCONT. On a busy machine its threads run on for a while after the signal: they stand still on
 * return. */
static inline void freeze(long pid)
{
    char pattern[64];
    bool done = false;
    assert_int_equal(kill((pid_t)pid, SIGSTOP), 0);
    snprintf(pattern, sizeof pattern, "/proc/%ld/task/*/stat", pid);
    while (!done) {
        glob_t found;
        assert_int_equal(glob(pattern, GLOB_NOSORT, NULL, &found), 0);
        done = true;
        for (size_t i = 0; i < found.gl_pathc; i++)
            done = done && stands_still(found.gl_pathv[i]);
        globfree(&found);
        if (!done)
            usleep(1000);
    }
}

#endif
