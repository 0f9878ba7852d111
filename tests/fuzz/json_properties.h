/* What must hold of any bytes that are scanned as JSON. Aborts where something does not.
 *
 * jansson is the oracle for what is JSON and for which value stands at a pointer. It differs
 * knowingly in four things, and there is not asked: it has no numbers beyond a double or 64 bits, no
 * names with U+0000, other limits of depth, and passes over a NUL byte behind a number. */
#ifndef UPSINK_JSON_PROPERTIES_H
#define UPSINK_JSON_PROPERTIES_H

#include "schemas/json_canonical.h"
#include "schemas/json_scan.h"
#include "schemas/json_text.h"

#include <jansson.h>
#include <stdlib.h>

static const char *const json_pointers[] = {
    "",
    "/id",
    "/data",
    "/data/id",
    "/data/items",
    "/data/items/0",
    "/data/items/1/id",
    "/data/a~1b",
    "/data/\xC3\xA9",
    "/0",
    "/1/0",
    "/type",
    "/data/longer name/x",
};

enum { JSON_POINTERS = sizeof json_pointers / sizeof *json_pointers };

struct json_counts {
    size_t texts, accepted, compared, values;
};

#define JSON_MUST(condition) ((condition) ? (void)0 : (fprintf(stderr, "%s\n", #condition), abort()))

static inline json_t *json_load(struct upsink_slice text, json_error_t *error)
{
    return json_loadb(text.data ? text.data : "", text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, error);
}

/* The value at a pointer in the oracle's tree, or NULL. */
static inline json_t *json_oracle_find(json_t *tree, const char *pointer)
{
    while (tree && *pointer) {
        char name[64];
        size_t len = 0;
        for (pointer++; *pointer && *pointer != '/'; pointer++) {
            name[len] = *pointer;
            if (*pointer == '~')
                name[len] = *++pointer == '0' ? '~' : '/';
            len++;
        }
        name[len] = '\0';
        if (json_is_array(tree))
            tree = strcmp(name, "0") == 0 || strcmp(name, "1") == 0
                       ? json_array_get(tree, (size_t)(*name - '0'))
                       : NULL;
        else
            tree = json_object_get(tree, name);
    }
    return tree;
}

static inline void json_check_value(const struct json_value *value, json_t *expected,
                                    struct json_counts *counts)
{
    json_error_t error;
    json_t *found;
    JSON_MUST((value->type == JSON_TYPE_ABSENT) == (expected == NULL));
    JSON_MUST((value->type == JSON_TYPE_ABSENT) == (value->raw.data == NULL));
    if (!expected)
        return;
    JSON_MUST(value->escaped == (memchr(value->raw.data, '\\', value->raw.len) != NULL));
    found = json_load(value->raw, &error);
    JSON_MUST(found && json_equal(found, expected));
    if (value->type == JSON_TYPE_STRING) {
        struct upsink_slice text = {json_string_value(expected), json_string_length(expected)};
        char *plain = malloc(value->raw.len);
        struct buf again;
        JSON_MUST(plain && json_text_unescape(value->raw, plain) == text.len);
        JSON_MUST(memcmp(plain, text.data, text.len) == 0);
        JSON_MUST(json_text_equals(value->raw, text));
        JSON_MUST(value->has_nul == (memchr(plain, '\0', text.len) != NULL));
        buf_init(&again);
        JSON_MUST(json_text_append(&again, text));
        JSON_MUST(json_text_compare(buf_view(&again), value->raw) == 0);
        buf_destroy(&again);
        free(plain);
    }
    json_decref(found);
    counts->values++;
}

/* What the scan from the place of /data finds in /data is what the scan of the whole found. */
static inline void json_check_place(const struct json_paths *paths, json_place data,
                                    const struct json_value *values)
{
    struct json_value inner[JSON_POINTERS];
    struct json_scan_result result;
    if (values[2].type == JSON_TYPE_ABSENT)
        return;
    JSON_MUST(json_scan(paths, data, values[2].raw, NULL, inner, &result, NULL));
    for (size_t i = 0; i < JSON_POINTERS; i++) {
        if (strncmp(json_pointers[i], "/data", 5) == 0)
            JSON_MUST(upsink_slice_equal(inner[i].raw, values[i].raw) &&
                      inner[i].has_nul == values[i].has_nul);
        else
            JSON_MUST(inner[i].type == JSON_TYPE_ABSENT);
    }
}

/* The canonical form stands for the same value, and is its own canonical form. */
static inline void json_check_canonical(struct json_canonical *canonical, struct upsink_slice text,
                                        json_t *tree)
{
    unsigned char hash[JSON_HASH_BYTES], again_hash[JSON_HASH_BYTES];
    struct buf form, again;
    json_error_t error;
    buf_init(&form);
    buf_init(&again);
    JSON_MUST(json_canonical_append(canonical, text, NULL, &form, NULL));
    JSON_MUST(form.len <= text.len);
    JSON_MUST(json_canonical_append(canonical, buf_view(&form), NULL, &again, NULL));
    JSON_MUST(upsink_slice_equal(buf_view(&form), buf_view(&again)));
    JSON_MUST(json_state_hash(canonical, text, NULL, hash, NULL));
    JSON_MUST(json_state_hash(canonical, buf_view(&form), NULL, again_hash, NULL));
    JSON_MUST(memcmp(hash, again_hash, sizeof hash) == 0);
    if (tree) {
        json_t *other = json_load(buf_view(&form), &error);
        JSON_MUST(other && json_equal(other, tree));
        json_decref(other);
    }
    buf_destroy(&form);
    buf_destroy(&again);
}

static inline void json_check(struct upsink_slice text, struct json_counts *counts)
{
    static struct json_paths *paths;
    static struct json_canonical *canonical;
    static json_place data;
    struct json_value values[JSON_POINTERS];
    struct json_scan_result result, plain;
    struct upsink_error err = {0};
    json_error_t error = {0};
    json_t *tree;
    bool accepted;
    if (!paths) {
        paths = json_paths_create();
        canonical = json_canonical_create();
        JSON_MUST(paths && canonical);
        for (unsigned i = 0, slot; i < JSON_POINTERS; i++)
            JSON_MUST(json_paths_add(paths, json_pointers[i], &slot, NULL) && slot == i);
        JSON_MUST(json_paths_sub(paths, "/data", &data, NULL));
    }
    accepted = json_scan(paths, JSON_WHOLE, text, NULL, values, &result, &err);
    JSON_MUST(accepted == json_scan(NULL, JSON_WHOLE, text, NULL, NULL, &plain, NULL));
    JSON_MUST(result.fault == plain.fault && result.position == plain.position);
    JSON_MUST(accepted == (result.fault == JSON_VALID) && accepted == (err.cls == UPSINK_ERR_NONE));
    JSON_MUST(result.position <= text.len && result.has_nul == plain.has_nul);
    counts->texts++;
    if (text.len && memchr(text.data, '\0', text.len)) {
        JSON_MUST(!accepted);
        return;
    }
    tree = json_load(text, &error);
    counts->accepted += accepted;
    if (!accepted) {
        JSON_MUST(!tree || result.fault == JSON_FAULT_TOO_DEEP);
    } else if (!tree) {
        JSON_MUST(json_error_code(&error) == json_error_numeric_overflow ||
                  json_error_code(&error) == json_error_null_byte_in_key);
    } else {
        for (size_t i = 0; i < JSON_POINTERS; i++)
            json_check_value(&values[i], json_oracle_find(tree, json_pointers[i]), counts);
    }
    counts->compared += !accepted || tree;
    if (accepted) {
        json_check_place(paths, data, values);
        json_check_canonical(canonical, text, tree);
    }
    json_decref(tree);
}

#endif
