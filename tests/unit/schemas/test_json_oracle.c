/* Random changes to good texts: jansson must agree on each of them, see json_properties.h. */
#include "tests/fuzz/json_properties.h"

#include "guarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TEXTS   120000
#define ROOM    4096
#define CHANGES 4

static const char *const seeds[] = {
    "{\"id\":\"e-1\",\"type\":\"T\",\"data\":{\"id\":17,\"items\":[{\"id\":1,\"q\":2.50},{\"id\":2}],\"a/"
    "b\":true,"
    "\"\xC3\xA9\":\"\\u00e9\\ud83c\\udf81\",\"longer name\":{\"x\":null}}}",
    "{ \"data\" : { \"id\" : 1 } , \"data\" : { \"items\" : [ 1 , { \"id\" : \"\\u0000\" } ] } }",
    "[[0],[1,2],\"\xE6\x9D\xB1\xE4\xBA\xAC \\\"quoted\\\" and long enough for a register or "
    "two\",-1.5e+10,false]",
    "{\"data\":{\"items\":[[],{},\"\",0,-0,1E5],\"id\":\"\xF0\x9F\x8E\x81\"},\n\t\"id\":null, "
    "\"0\":{\"1\":2}}",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u20AC\"",
    "{\"d\\u0061ta\":{\"i\\u0064\":{\"id\":{\"id\":[[[[]]]]}}},\"id\":123456789012345678}",
};

static const char *const pieces[] = {
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\u",
    "0",
    "1",
    "-",
    ".",
    "e",
    " ",
    "\n",
    "\t",
    "\x80",
    "\xC3\xA9",
    "\xED\xA0\x80",
    "\xF0\x9F\x8E\x81",
    "\\ud83c",
    "\\udf81",
    "\\u0000",
    "null",
    "true",
    "false",
    "\"id\":",
    "\"data\":",
    "{}",
    "[]",
    "\"id\":1,",
    "\"\"",
    "\x01",
    "{\"id\":3},",
    "\"data\":{\"id\":4},",
    "1e400",
    "99999999999999999999",
    "\"d\\u0061ta\":[],",
    "\\u0069",
    "\xFF",
    "\xE2\x82",
};

static uint64_t random_state = 20240501;

static size_t pick(size_t below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(random_state >> 33) % below;
}

/* Replaces `cut` bytes at `at` by others. */
static size_t splice(char *text, size_t len, size_t at, size_t cut, const char *bytes, size_t n)
{
    if (len - cut + n > ROOM)
        return len;
    memmove(text + at + n, text + at + cut, len - at - cut);
    memcpy(text + at, bytes, n);
    return len - cut + n;
}

static size_t change(char *text, size_t len)
{
    const size_t at = pick(len + 1), cut = pick(len - at + 1) % 12;
    const char *piece = pieces[pick(sizeof pieces / sizeof *pieces)];
    char copy[64];
    size_t from, n;
    switch (pick(6)) {
    case 0: /* a bit flips */
        if (at < len)
            text[at] = (char)(text[at] ^ (1 << pick(8)));
        return len;
    case 1:
        return splice(text, len, at, cut, "", 0);
    case 2:
        return splice(text, len, at, cut, piece, strlen(piece));
    case 3: /* a part of it stands once more elsewhere */
        from = pick(len + 1);
        n = pick(len - from + 1) % sizeof copy;
        memcpy(copy, text + from, n);
        return splice(text, len, at, 0, copy, n);
    default:
        return splice(text, len, at, 0, piece, strlen(piece));
    }
}

static void jansson_agrees_on_randomly_changed_texts(void **state)
{
    static char text[ROOM];
    struct json_counts counts = {0};
    (void)state;
    for (size_t i = 0; i < TEXTS; i++) {
        const char *seed = seeds[pick(sizeof seeds / sizeof *seeds)];
        size_t len = strlen(seed);
        memcpy(text, seed, len);
        for (size_t changes = pick(CHANGES + 1); changes > 0; changes--)
            len = change(text, len);
        json_check(guarded((struct upsink_slice){text, len}), &counts);
    }
    /* Neither did all texts break, nor was jansson passed over too often. */
    print_message("%zu texts, %zu accepted, %zu compared, %zu values\n", counts.texts, counts.accepted,
                  counts.compared, counts.values);
    assert_true(counts.accepted > TEXTS / 4 && counts.accepted < TEXTS * 3 / 4);
    assert_true(counts.compared > TEXTS * 95 / 100);
    assert_true(counts.values > TEXTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jansson_agrees_on_randomly_changed_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
