/* One pass over a JSON text: is it valid, and where do the values of interest stand?
 *
 * Validation is complete: the grammar of RFC 8259, well-formed UTF-8 (RFC 3629), escapes (lone
 * surrogates are refused), depth, size, and nothing but white space around the one value. Nothing is
 * allocated or converted: a value is a slice of the text that was scanned and lives as long as it,
 * and a number keeps its digits.
 *
 * Where an object has a member name twice the last one counts, as in Postgres' jsonb: the text
 * {"data":{"id":1},"data":{}} has no /data/id. Names are compared after their escapes.
 *
 * Any number of threads may scan with one set of pointers. */
#ifndef UPSINK_JSON_SCAN_H
#define UPSINK_JSON_SCAN_H

#include "json_pointer.h"

#include "slice.h"

enum json_value_type {
    JSON_TYPE_ABSENT = 0,
    JSON_TYPE_NULL,
    JSON_TYPE_BOOL,
    JSON_TYPE_NUMBER,
    JSON_TYPE_STRING,
    JSON_TYPE_ARRAY,
    JSON_TYPE_OBJECT
};

/* Of a valid value, by its first byte. */
static inline enum json_value_type json_type_of(char first)
{
    switch (first) {
    case '"':
        return JSON_TYPE_STRING;
    case '{':
        return JSON_TYPE_OBJECT;
    case '[':
        return JSON_TYPE_ARRAY;
    case 'n':
        return JSON_TYPE_NULL;
    case 't':
    case 'f':
        return JSON_TYPE_BOOL;
    default:
        return JSON_TYPE_NUMBER;
    }
}

struct json_value {
    enum json_value_type type;
    bool escaped;            /* a backslash somewhere in it */
    bool has_nul;            /* an escaped U+0000 somewhere in it, names included: Postgres refuses it */
    struct upsink_slice raw; /* its bytes in the text, a string's quotes included */
};

#define JSON_DEPTH_CEILING 1024

struct json_limits {
    size_t max_bytes;
    unsigned max_depth; /* arrays and objects within each other; JSON_DEPTH_CEILING at most */
};

#define JSON_LIMITS_DEFAULT ((struct json_limits){.max_bytes = 256U << 20, .max_depth = 128})

/* Why a text was refused; json_fault_code and json_fault_text put it into words. */
enum json_fault {
    JSON_VALID = 0,
    JSON_FAULT_EMPTY, /* white space at most */
    JSON_FAULT_TRUNCATED,
    JSON_FAULT_BYTE_ORDER_MARK,
    JSON_FAULT_VALUE, /* no value can begin like that */
    JSON_FAULT_NAME,
    JSON_FAULT_COLON,
    JSON_FAULT_COMMA,
    JSON_FAULT_LITERAL,
    JSON_FAULT_NUMBER,
    JSON_FAULT_CONTROL_CHARACTER,
    JSON_FAULT_ESCAPE,
    JSON_FAULT_TRAILING,
    JSON_FAULT_UTF8,
    JSON_FAULT_LONE_SURROGATE,
    JSON_FAULT_TOO_DEEP,
    JSON_FAULT_TOO_LARGE
};

struct json_scan_result {
    enum json_fault fault;
    size_t position; /* of the byte at fault, from 0 */
    bool has_nul;    /* an escaped U+0000 anywhere in the text */
};

/* Scans `text`, which stands at `from` (JSON_WHOLE, or a place of json_paths_sub). Every slot of
 * `values` is set: absent where its pointer leads nowhere or outside of `from`, and all of them
 * where the text is refused. `paths` NULL: only validates. `limits` NULL: the defaults.
 * Errors (all RECORD): invalid_json, invalid_utf8, lone_surrogate, too_deep, too_large. */
UPSINK_NODISCARD bool json_scan(const struct json_paths *paths, json_place from, struct upsink_slice text,
                                const struct json_limits *limits, struct json_value *values,
                                struct json_scan_result *result, struct upsink_error *err);

const char *json_fault_code(enum json_fault fault); /* as in struct upsink_error */
const char *json_fault_text(enum json_fault fault); /* the middle of a sentence */

#endif
