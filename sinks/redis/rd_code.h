/* What Redis' error replies mean for a view. Pure.
 *
 * An error begins with a word in upper case (Redis manual, "RESP protocol spec", Simple errors); that word
 * and for ERR a few beginnings of the text are all that is looked at. Errors that come out of a script carry
 * the inner error behind the script's name in Redis 5 and 6. */
#ifndef UPSINK_RD_CODE_H
#define UPSINK_RD_CODE_H

#include "error.h"
#include "slice.h"

struct rd_meaning {
    enum upsink_error_class cls;
    const char *code; /* upsink's */
    const char *hint; /* what it means and what to do: the end of a sentence */
};

/* `text` is the error without its leading minus. What is not known is UNKNOWN. */
struct rd_meaning rd_code_meaning(struct upsink_slice text);

/* The error's first word, for messages: "OOM"; cut to the size. It never holds what a user wrote. */
void rd_code_word(struct upsink_slice text, char *word, size_t size);

#endif
