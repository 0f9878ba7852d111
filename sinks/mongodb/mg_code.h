/* What MongoDB's error codes (src/mongo/base/error_codes.yml) mean for a view. Pure. */
#ifndef UPSINK_MG_CODE_H
#define UPSINK_MG_CODE_H

#include "error.h"

#include <stdint.h>

enum { MG_DUPLICATE_KEY = 11000, MG_UPDATE_CONFLICT = 40, MG_WRONG_COLLECTION = 361, MG_NOT_FOUND = 26 };

struct mg_meaning {
    enum upsink_error_class cls;
    const char *code; /* upsink's */
    const char *hint; /* what it means and what to do: the end of a sentence */
};

/* Of an error of a whole command, and of one statement of it: RECORD only where one document is at fault.
 * Codes that are not known are UNKNOWN. */
struct mg_meaning mg_code_meaning(int32_t code);

#endif
