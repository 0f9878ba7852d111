/* Runs a command and writes what the whole process took to a file, as one line: wall-clock
 * seconds, CPU seconds (user and system), peak resident KB.
 *
 * measure FILE COMMAND [ARGUMENT...]; exits as the command does (128 + signal where one ended it). */
#include "bench.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct rusage usage;
    int status;
    double begin = bench_now();
    FILE *file;
    if (argc < 3)
        bench_die("usage: measure FILE COMMAND [ARGUMENT...]");
    pid_t child = fork();
    if (child < 0)
        bench_die("fork: %s", strerror(errno));
    if (child == 0) {
        execvp(argv[2], argv + 2);
        fprintf(stderr, "%s: %s\n", argv[2], strerror(errno));
        _exit(127);
    }
    while (wait4(child, &status, 0, &usage) < 0)
        if (errno != EINTR)
            bench_die("wait4: %s", strerror(errno));
    double wall = bench_now() - begin;
    file = fopen(argv[1], "w");
    if (!file)
        bench_die("%s: %s", argv[1], strerror(errno));
    fprintf(file, "%.3f %.3f %ld\n", wall, bench_seconds(usage.ru_utime) + bench_seconds(usage.ru_stime),
            usage.ru_maxrss);
    if (fclose(file))
        bench_die("%s: can't write", argv[1]);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
