/* Records and mappings for the tests of schemas/mapping.h, written down as briefly as can be. */
#ifndef UPSINK_TEST_MAPPING_HELP_H
#define UPSINK_TEST_MAPPING_HELP_H

#include "schemas/mapping.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define HEADERS_MAX 12

/* A record as a test writes it: texts end at their NUL unless *_len says otherwise. */
struct sample {
    const char *key, *value; /* NULL: null */
    size_t key_len, value_len;
    const char *headers[2 * HEADERS_MAX]; /* name, value, name, value… */
};

/* What became of it. `change` points into `arena` and the copies of key and value. */
struct outcome {
    enum decode_outcome outcome;
    struct upsink_change change;
    struct upsink_error err;
    struct arena arena;
    char *key, *value;
};

static inline struct upsink_slice sample_header(const void *context, const char *name)
{
    const struct sample *sample = context;
    struct upsink_slice found = UPSINK_SLICE_ABSENT;
    for (size_t i = 0; i < HEADERS_MAX && sample->headers[2 * i]; i++) {
        if (strcmp(sample->headers[2 * i], name) == 0)
            found = upsink_slice_of(sample->headers[2 * i + 1]);
    }
    return found;
}

/* A copy with nothing behind it, so that AddressSanitizer sees every byte too far. */
static inline struct upsink_slice exact_copy(const char *text, size_t len, char **memory)
{
    *memory = NULL;
    if (!text)
        return UPSINK_SLICE_ABSENT;
    len = len ? len : strlen(text); /* an empty value is "" */
    *memory = malloc(len ? len : 1);
    if (!*memory)
        abort();
    memcpy(*memory, text, len);
    return (struct upsink_slice){*memory, len};
}

static inline void decode_with(const struct mapping *mapping, const struct sample *sample,
                               struct outcome *out)
{
    struct record record = {.topic = UPSINK_SLICE_LIT("orders"),
                            .partition = 3,
                            .offset = 42,
                            .timestamp = 1700000000000000,
                            .header = sample_header,
                            .header_context = sample};
    *out = (struct outcome){.change = {.generation = 7, .floor = 5}};
    arena_init(&out->arena, 0);
    record.key = exact_copy(sample->key, sample->key_len, &out->key);
    record.value = exact_copy(sample->value, sample->value_len, &out->value);
    out->outcome = mapping_decode(mapping, &record, &out->arena, &out->change, &out->err);
}

static inline void outcome_clear(struct outcome *out)
{
    arena_destroy(&out->arena);
    free(out->key);
    free(out->value);
}

static inline struct mapping *make_mapping(const struct mapping_spec *spec)
{
    struct upsink_error err = {0};
    struct mapping *mapping = mapping_create(spec, &err);
    if (!mapping)
        fail_msg("%s: %s", err.code, err.text);
    return mapping;
}

/* Decodes one sample with a mapping of its own. */
static inline void decode_sample(const struct mapping_spec *spec, const struct sample *sample,
                                 struct outcome *out)
{
    struct mapping *mapping = make_mapping(spec);
    decode_with(mapping, sample, out);
    mapping_destroy(mapping);
}

/* `expected` NULL: absent. */
static inline void assert_slice(const char *what, struct upsink_slice slice, const char *expected)
{
    if (expected ? !upsink_slice_is(slice, expected) : slice.data != NULL)
        fail_msg("%s is %.*s, not %s", what, slice.data ? (int)slice.len : 8,
                 slice.data ? slice.data : "(absent)", expected ? expected : "(absent)");
}

static inline void assert_rejected(const struct outcome *out, const char *code, const char *detail)
{
    if (out->outcome != DECODE_REJECTED)
        fail_msg("outcome %d, not rejected with %s", (int)out->outcome, code);
    assert_string_equal(out->err.code, code);
    assert_int_equal(out->err.cls, UPSINK_ERR_RECORD);
    assert_true(strlen(out->err.text) > 20);
    if (detail)
        assert_string_equal(out->err.detail, detail);
}

static inline void assert_changed(const struct outcome *out)
{
    if (out->outcome != DECODE_CHANGE)
        fail_msg("outcome %d, %s: %s (%s)", (int)out->outcome, out->err.code, out->err.text, out->err.detail);
}

#endif
