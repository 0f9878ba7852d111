#include "tests/contract/store_program.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { YES = 0, NO = 1, NO_SUCH_THING = 3, LONGEST_ARGUMENT = 100000 };

int program_run(const char *const *argv, char answer[ANSWER_SIZE])
{
    int pipes[2], status = -1;
    size_t len = 0;
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(pipes[1], STDOUT_FILENO);
        close(pipes[0]);
        close(pipes[1]);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(pipes[1]);
    for (ssize_t got;
         len < ANSWER_SIZE - 1 && (got = read(pipes[0], answer + len, ANSWER_SIZE - 1 - len)) > 0;)
        len += (size_t)got;
    answer[len] = '\0';
    close(pipes[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool program_do(struct fixture *fixture, const char *verb, char answer[ANSWER_SIZE])
{
    if (!suite.store)
        return false;
    int status =
        program_run((const char *const[]){suite.store, verb, suite.url, fixture->table, NULL}, answer);
    if (status != YES && status != NO_SUCH_THING)
        fail_msg("%s %s ended with status %d; 0: done, 3: this store has no such thing", suite.store, verb,
                 status);
    return status == YES;
}

bool program_denies(const char *verb, struct upsink_slice bytes)
{
    char answer[ANSWER_SIZE];
    if (!suite.store || bytes.len > LONGEST_ARGUMENT)
        return false;
    char *text = strndup(bytes.data, bytes.len);
    assert_non_null(text);
    int status = program_run((const char *const[]){suite.store, verb, suite.url, "", text, NULL}, answer);
    free(text);
    if (status != YES && status != NO && status != NO_SUCH_THING)
        fail_msg("%s %s ended with status %d; 0: yes, 1: no, 3: it does not say", suite.store, verb, status);
    return status == NO;
}
