/* What a program of the plugin's author does to a store that the suite has no lines for (--store PROGRAM):
 *
 *     PROGRAM VERB URL TARGET [BYTES]
 *
 * for the verbs of sinks/README.md. Exit status 0: done (`count` prints a number), or yes; 1: no (only to
 * holds-key and holds-entity); 3: this store has no such thing. */
#ifndef UPSINK_CONTRACT_STORE_PROGRAM_H
#define UPSINK_CONTRACT_STORE_PROGRAM_H

#include "tests/contract/suite.h"

enum { ANSWER_SIZE = 4096 };

/* Runs a program without a shell; its standard output, cut, goes to answer. Its exit status; -1: a signal. */
int program_run(const char *const *argv, char answer[ANSWER_SIZE]);

/* False where there is no program, or it says 3; fails the test where it fails. */
bool program_do(struct fixture *fixture, const char *verb, char answer[ANSWER_SIZE]);

/* Whether there is a program that answers no. */
bool program_denies(const char *verb, struct upsink_slice bytes);

#endif
