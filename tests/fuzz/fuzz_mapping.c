/* libFuzzer target for schemas/mapping.h: any key, value and headers, through mappings of all kinds. What
 * must hold of every outcome is checked here. From the top of the tree:
 *
 *   clang -D_GNU_SOURCE -I. -Iconnector/base -std=c17 -O1 -g -fsanitize=fuzzer,address,undefined \
 *     -fno-sanitize-recover=all tests/fuzz/fuzz_mapping.c schemas/[a-z]*.c \
 *     connector/base/{arena,buf,utf8}.c -lxxhash -pthread -o build/fuzz_mapping
 *   build/fuzz_mapping -max_total_time=60 -dict=tests/fuzz/mapping.dict [CORPUS]
 *
 * An input is, part by part behind newlines: the mapping's number, the key, a header's name, its value (six
 * times), and the rest is the value. A part that is just "~" is absent. */
#include "schemas/json_scan.h"
#include "schemas/mapping.h"
#include "schemas/record_key.h"
#include "schemas/text_check.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) ((condition) ? (void)0 : (fprintf(stderr, "%s\n", #condition), abort()))
#define HEADERS         6

struct headers {
    struct upsink_slice names[HEADERS], values[HEADERS];
};

static const char *const ids[] = {"/data/id", "/data/v", "/subject", "header:h"};
static const char *const field[] = {"/id"};
static const char *const types[] = {"T", "U"};
static const char *const gone[] = {"D"};

static const struct mapping_spec specs[] = {
    {.envelope = ENVELOPE_AUTO},
    {.envelope = ENVELOPE_CLOUDEVENTS,
     .key_format = KEY_JSON,
     .change_id = ids,
     .change_id_count = 2,
     .version = "/data/v"},
    {.envelope = ENVELOPE_CANONICAL, .key_format = KEY_UUID, .change_id_hash = true},
    {.envelope = ENVELOPE_NONE, .key_format = KEY_INT64, .event_id = "/id", .version = "/v"},
    {.key_field = "/data/id",
     .change_id = ids,
     .change_id_count = 4,
     .version = "header:h",
     .include_types = types,
     .include_type_count = 2,
     .delete_types = gone,
     .delete_type_count = 1,
     .change_id_hash = false},
    {.key_format = KEY_BYTES, .version = "/time", .delete_field = "/data/gone", .delete_equals = "1"},
    {.key_field = "/id",
     .change_id = field,
     .change_id_count = 1,
     .delete_field = "/gone",
     .delete_equals = "\"D\"",
     .max_depth = 5},
    {.key_format = KEY_INT32,
     .event_id = "header:h",
     .delete_types = gone,
     .delete_type_count = 1,
     .delete_policy = DELETE_IGNORE,
     .max_value_bytes = 200},
};

enum { SPECS = sizeof specs / sizeof *specs };

static struct upsink_slice find_header(const void *context, const char *name)
{
    const struct headers *headers = context;
    for (size_t i = HEADERS; i-- > 0;) {
        if (upsink_slice_is(headers->names[i], name))
            return headers->values[i];
    }
    return UPSINK_SLICE_ABSENT;
}

/* The next part, in memory of its own so that a byte too far is seen. */
static struct upsink_slice take_part(const uint8_t **data, size_t *size, bool rest)
{
    const uint8_t *end = rest || !*size ? NULL : memchr(*data, '\n', *size);
    size_t len = end ? (size_t)(end - *data) : *size;
    struct upsink_slice part = UPSINK_SLICE_ABSENT;
    if (len != 1 || **data != '~') {
        char *copy = malloc(len ? len : 1);
        MUST(copy);
        if (len)
            memcpy(copy, *data, len);
        part = (struct upsink_slice){copy, len};
    }
    *data += end ? len + 1 : len;
    *size -= end ? len + 1 : len;
    return part;
}

static void check_text(struct upsink_slice text, size_t most)
{
    size_t position;
    MUST(!text.data || (text_check(text, &position) == TEXT_IS_FINE && text.len <= most));
}

static void check_change(const struct mapping_spec *spec, const struct upsink_change *change)
{
    struct json_scan_result result;
    MUST(change->key.data);
    MUST(change->op == UPSINK_UPSERT || change->op == UPSINK_DELETE);
    MUST((change->op == UPSINK_UPSERT) == (change->entity.data != NULL));
    MUST(!(change->flags & UPSINK_HAS_VERSION) || spec->version);
    if (change->op == UPSINK_UPSERT) {
        MUST(json_scan(NULL, JSON_WHOLE, change->entity, NULL, NULL, &result, NULL));
        MUST(result.has_nul == !!(change->flags & UPSINK_HAS_NUL));
        MUST(!spec->version || (change->flags & UPSINK_HAS_VERSION));
        MUST(!spec->event_id || change->event_id.data);
        MUST((spec->change_id_count == 0 && !spec->change_id_hash) || change->change_id.data);
    } else {
        MUST(spec->delete_policy != DELETE_IGNORE);
        MUST(!spec->version ||
             !(change->flags & UPSINK_HAS_VERSION) == !!(change->flags & UPSINK_BY_POSITION));
    }
}

static void check(const struct mapping *mapping, const struct mapping_spec *spec, const struct record *record)
{
    struct upsink_change change = {0}, again = {0};
    struct upsink_error err = {0};
    struct arena arena;
    enum decode_outcome outcome;
    bool has_ids;
    arena_init(&arena, 256);
    outcome = mapping_decode(mapping, record, &arena, &change, &err);
    check_text(change.key, RECORD_KEY_MAX);
    check_text(change.event_id, SIZE_MAX);
    check_text(change.change_id, SIZE_MAX);
    if (outcome == DECODE_CHANGE)
        check_change(spec, &change);
    MUST((outcome == DECODE_REJECTED) == (err.cls == UPSINK_ERR_RECORD) || outcome == DECODE_FILTERED);
    MUST(outcome != DECODE_REJECTED || (err.code[0] && err.text[0] && err.cls == UPSINK_ERR_RECORD));
    has_ids = mapping_decode_ids(mapping, record, &arena, &again);
    MUST(has_ids == (outcome == DECODE_CHANGE && (change.event_id.data || change.change_id.data)));
    MUST(upsink_slice_equal(change.key, again.key));
    MUST(upsink_slice_equal(change.event_id, again.event_id));
    MUST(upsink_slice_equal(change.change_id, again.change_id));
    arena_destroy(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mapping *mappings[SPECS];
    struct headers headers;
    struct record record = {
        .topic = UPSINK_SLICE_LIT("t"), .header = find_header, .header_context = &headers};
    struct upsink_slice number = take_part(&data, &size, false);
    size_t which = number.data && number.len ? (unsigned char)number.data[0] % SPECS : 0;
    record.key = take_part(&data, &size, false);
    for (size_t i = 0; i < HEADERS; i++) {
        headers.names[i] = take_part(&data, &size, false);
        headers.values[i] = take_part(&data, &size, false);
    }
    record.value = take_part(&data, &size, true);
    if (!mappings[which])
        mappings[which] = mapping_create(&specs[which], NULL);
    MUST(mappings[which]);
    check(mappings[which], &specs[which], &record);
    free((char *)number.data);
    free((char *)record.key.data);
    free((char *)record.value.data);
    for (size_t i = 0; i < HEADERS; i++) {
        free((char *)headers.names[i].data);
        free((char *)headers.values[i].data);
    }
    return 0;
}
