/* What an HTTP status and the type of an error mean for a view. Pure. */
#ifndef UPSINK_ES_CODE_H
#define UPSINK_ES_CODE_H

#include "error.h"
#include "slice.h"

struct es_meaning {
    enum upsink_error_class cls;
    const char *code; /* upsink's */
    const char *hint; /* what it means and what to do: the end of a sentence */
};

/* `type` as in the answer's error.type, raw or empty. RECORD only for 400 and the like: of a request as a
 * whole that means UNKNOWN, since no record is at fault for a request. */
struct es_meaning es_code_meaning(long status, struct upsink_slice type);

/* The same, where the server's words are known: some refusals that hit every document are told like those of
 * one. */
struct es_meaning es_code_meaning_of(long status, struct upsink_slice type, struct upsink_slice reason);

/* The part of an error's reason that names fields and types but no value; empty where that can't be told. */
struct upsink_slice es_code_reason(struct upsink_slice reason);

#endif
