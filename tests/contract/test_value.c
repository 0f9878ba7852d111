/* Keys, ids and entities of every kind come back as they were given, or are refused alone. */
#include "tests/contract/store.h"

#include <stdlib.h>

/* Written with two good neighbours: they must stand, whatever becomes of it. True where it was taken. */
static bool write_among_neighbours(struct fixture *fixture, struct upsink_change change)
{
    static int64_t offset = 1000;
    char low[32], high[32];
    snprintf(low, sizeof low, "\x01-low-%d", (int)offset);
    snprintf(high, sizeof high, "\x7f-high-%d", (int)offset);
    offset += 3;
    struct upsink_change changes[3] = {make_upsert(fixture, low, offset), change,
                                       make_upsert(fixture, high, offset + 2)};
    struct upsink_result results[3];
    changes[1].offset = offset + 1;
    fixture_write(fixture, changes, 3, results);
    enum upsink_verdict verdict = results[1].verdict;
    assert_int_equal(results[0].verdict, UPSINK_APPLIED);
    assert_int_equal(results[2].verdict, UPSINK_APPLIED);
    fixture_commit(fixture);
    assert_row_is(fixture, changes[0].key, &changes[0]);
    assert_row_is(fixture, changes[2].key, &changes[2]);
    if (verdict == UPSINK_REJECTED)
        assert_false(fixture_see(fixture, change.key).found);
    else
        assert_row_is(fixture, change.key, &changes[1]);
    return verdict == UPSINK_APPLIED;
}

static enum upsink_verdict verdict_of_key(struct upsink_slice key)
{
    return store_holds_key(key) ? UPSINK_APPLIED : UPSINK_REJECTED;
}

static void odd_keys_come_back(void **state)
{
    static const char *const keys[] = {
        "",
        " ",
        "a",
        "A",
        "a ",
        " a",
        "'",
        "''",
        "\"",
        "\"\"",
        "\\",
        "\\\\",
        "\\n",
        "\\N",
        "\\.",
        "\n",
        "\r\n",
        "\t",
        "a\tb",
        "\x01",
        "\x1f",
        "\x7f",
        "%",
        "%s%n",
        "_",
        "?",
        "$1",
        ":x",
        "@x",
        ";--",
        "{}",
        "{a,b}",
        "null",
        "NULL",
        "0",
        "00",
        "1",
        "1.0",
        "1e3",
        "-0",
        "true",
        "{\"a\":1}",
        "ü",
        "u\xcc\x88",
        "\xc3\x9c",
        "\xe2\x82\xac",
        "\xf0\x9f\x98\x80",
        "\xe2\x80\xae",
        "\xef\xbb\xbf",
        "\xef\xbf\xbf",
        "a/b",
        "a.b",
        "../..",
        "key with spaces",
        "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d",
        "\xe6\x97\xa5\xe6\x9c\xac",
    };
    struct fixture *fixture = *state;
    enum { COUNT = sizeof keys / sizeof *keys };
    struct upsink_change changes[COUNT];
    struct upsink_result results[COUNT];
    fixture_open(fixture);
    for (size_t i = 0; i < COUNT; i++) {
        changes[i] = make_upsert(fixture, keys[i], (int64_t)i);
        changes[i].event_id = changes[i].key;
        changes[i].change_id = upsink_slice_of(keys[COUNT - 1 - i]);
    }
    fixture_write(fixture, changes, COUNT, results);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(results[i].verdict, verdict_of_key(changes[i].key));
    fixture_commit(fixture);
    fixture_reopen(fixture);
    for (size_t i = 0; i < COUNT; i++)
        if (store_holds_key(changes[i].key))
            assert_row_is(fixture, changes[i].key, &changes[i]);
    for (size_t i = 0; i < COUNT; i += 2)
        assert_int_equal(fixture_apply(fixture, make_tombstone(keys[i], 1000 + (int64_t)i)),
                         verdict_of_key(changes[i].key));
    for (size_t i = 0; i < COUNT; i++) {
        if (!store_holds_key(changes[i].key))
            continue;
        struct upsink_row row = fixture_see(fixture, changes[i].key);
        assert_true(row.found);
        assert_int_equal(row.fence.deleted, i % 2 == 0);
    }
}

/* Noise, so that no store can make it small. */
static struct upsink_slice make_noise(struct fixture *fixture, size_t len)
{
    char *text = arena_alloc(&fixture->scratch, len);
    unsigned random = 42;
    assert_non_null(text);
    for (size_t i = 0; i < len; i++)
        text[i] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"[rand_r(&random) % 64];
    return (struct upsink_slice){text, len};
}

static void long_keys_come_back_or_are_refused_alone(void **state)
{
    static const struct {
        size_t len;
        bool needed;
    } cases[] = {{255, true},   {1024, true},   {2000, true},    {3000, false},
                 {9000, false}, {70000, false}, {1200000, false}};
    struct fixture *fixture = *state;
    fixture_open(fixture);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct upsink_change change = make_upsert(fixture, "", 1);
        change.key = make_noise(fixture, cases[i].len);
        bool taken = write_among_neighbours(fixture, change);
        if (cases[i].needed && taken != store_holds_key(change.key))
            fail_msg("a key of %zu bytes was %s", cases[i].len, taken ? "taken" : "refused");
        change = make_tombstone("", 5000);
        change.key = make_noise(fixture, cases[i].len);
        struct upsink_result result;
        fixture_write(fixture, &change, 1, &result);
        if (taken)
            assert_int_equal(result.verdict, UPSINK_APPLIED);
        fixture_commit(fixture);
    }
}

static void long_ids_come_back(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    struct upsink_change change = make_upsert(fixture, "a", 1);
    change.event_id = make_noise(fixture, 5000);
    change.change_id = make_noise(fixture, 20000);
    assert_int_equal(fixture_apply(fixture, change), UPSINK_APPLIED);
    assert_row_is(fixture, change.key, &change);
    change.offset++;
    assert_int_equal(fixture_apply(fixture, change), UPSINK_DUPLICATE_EVENT);
}

static bool is_held(const char *entity)
{
    return store_holds(upsink_slice_of(entity + strspn(entity, " \t\r\n")));
}

/* The entity, or an object around it where the store holds nothing else. */
static struct upsink_slice make_fit(struct fixture *fixture, struct upsink_slice entity)
{
    if (store_holds(entity))
        return entity;
    char *text = arena_alloc(&fixture->scratch, entity.len + 6);
    assert_non_null(text);
    memcpy(text, "{\"a\":", 5);
    memcpy(text + 5, entity.data, entity.len);
    text[entity.len + 5] = '}';
    return (struct upsink_slice){text, entity.len + 6};
}

static void odd_entities_come_back(void **state)
{
    static const char *const entities[] = {
        "{}",
        "[]",
        "null",
        "true",
        "false",
        "0",
        "-0",
        "\"\"",
        "\" \"",
        "1",
        "[null]",
        "[[],{},[[]]]",
        "{\"\":{\"\":\"\"}}",
        "9007199254740993",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551616",
        "1234567890123456789012345.678901234",
        "0.1",
        "1.10",
        "1e2",
        "1E+2",
        "1.5e-7",
        "0.000000000000000000001",
        "1e100",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\\u00e9\\u20ac\\ud83d\\ude00\"",
        "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
        "\"\\u001f\x7f\"",
        "{\"a\\u0062\":1,\"\\\"\":2}",
        " \t\r\n{ \"a\" :\n1 , \"b\"\t:[ 1 ,2 ] }\n",
        "{\"z\":1,\"a\":2,\"m\":{\"y\":1,\"b\":2}}",
        "{\"key\":\"x\",\"doc\":{},\"_upsink_version\":7,\"a\":{\"_id\":1,\"_upsink\":{\"v\":1}}}",
        "\"'; DROP TABLE x; --\"",
        "{\"$set\":{\"a.b\":1}}",
        "\"\\\\N\"",
        "\"\\\\.\"",
        "[1,\"a\",null,{\"b\":[]}]",
        "\"%s%n\"",
        "{\"n\":[0,-0.0,1e0,10e-1,0.10e1]}",
    };
    struct fixture *fixture = *state;
    enum { COUNT = sizeof entities / sizeof *entities };
    struct upsink_change changes[COUNT];
    struct upsink_result results[COUNT];
    char keys[COUNT][16];
    fixture_open(fixture);
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(keys[i], sizeof keys[i], "key-%zu", i);
        changes[i] = make_upsert(fixture, keys[i], (int64_t)i);
        changes[i].entity = upsink_slice_of(entities[i]);
    }
    fixture_write(fixture, changes, COUNT, results);
    for (size_t i = 0; i < COUNT; i++)
        if (results[i].verdict != (is_held(entities[i]) ? UPSINK_APPLIED : UPSINK_REJECTED))
            fail_msg("%s is %s", entities[i], verdict_name(results[i].verdict));
    fixture_commit(fixture);
    for (size_t i = 0; i < COUNT; i++)
        if (is_held(entities[i]))
            assert_row_is(fixture, changes[i].key, &changes[i]);
        else
            assert_absent(fixture, keys[i]);
}

static struct upsink_slice make_deep(struct fixture *fixture, size_t depth)
{
    char *text = arena_alloc(&fixture->scratch, 6 * depth + 1);
    size_t len = 0;
    assert_non_null(text);
    for (size_t i = 0; i < depth; i++) {
        memcpy(text + len, i % 2 ? "[" : "{\"a\":", i % 2 ? 1 : 5);
        len += i % 2 ? 1 : 5;
    }
    text[len++] = '7';
    for (size_t i = depth; i-- > 0;)
        text[len++] = i % 2 ? ']' : '}';
    return (struct upsink_slice){text, len};
}

static void deep_and_large_entities_come_back_or_are_refused_alone(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    struct upsink_change change = make_upsert(fixture, "deep", 1);
    change.entity = make_deep(fixture, 128);
    assert_true(write_among_neighbours(fixture, change));
    change = make_upsert(fixture, "deeper", 1);
    change.entity = make_deep(fixture, 5000);
    write_among_neighbours(fixture, change);
    size_t len = 1 << 20;
    char *text = arena_alloc(&fixture->scratch, len);
    assert_non_null(text);
    memcpy(text, make_noise(fixture, len).data, len);
    text[0] = text[len - 1] = '"';
    change = make_upsert(fixture, "large", 1);
    change.entity = make_fit(fixture, (struct upsink_slice){text, len});
    assert_true(write_among_neighbours(fixture, change));
    change.offset = 100000;
    text[1] = '!';
    change.entity = make_fit(fixture, (struct upsink_slice){text, len});
    fixture_apply(fixture, change);
    assert_row_is(fixture, change.key, &change);
}

static void what_no_number_type_holds_comes_back_or_is_refused_alone(void **state)
{
    static const char *const entities[] = {
        "1e400",           "-1e400",
        "[1e-400]",        "{\"a\":1e5000}",
        "1e100000",        "1e-20000",
        "1e1000000000000", "123456789012345678901234567890.123456789012345678901234567890"};
    struct fixture *fixture = *state;
    fixture_open(fixture);
    for (size_t i = 0; i < sizeof entities / sizeof *entities; i++) {
        char key[16];
        snprintf(key, sizeof key, "key-%zu", i);
        struct upsink_change change = make_upsert(fixture, key, 1);
        change.entity = upsink_slice_of(entities[i]);
        write_among_neighbours(fixture, change);
    }
}

/* Where a store has documents of its own, the names of what it keeps beside the entity. */
static void fields_with_the_names_of_the_sinks_own_come_back_or_are_refused_alone(void **state)
{
    static const char *const entities[] = {
        "{\"_upsink\":{\"v\":1}}", "{\"_upsink\":null,\"a\":1}",    "{\"_id\":7}",
        "{\"_id\":\"other\"}",     "{\"\\u005fupsink\":{\"a\":1}}", "{\"deleted_at\":\"x\"}"};
    struct fixture *fixture = *state;
    fixture_open(fixture);
    for (size_t i = 0; i < sizeof entities / sizeof *entities; i++) {
        char key[16];
        snprintf(key, sizeof key, "key-%zu", i);
        struct upsink_change change = make_upsert(fixture, key, 1);
        change.entity = upsink_slice_of(entities[i]);
        if (store_holds(change.entity))
            write_among_neighbours(fixture, change);
    }
    /* An _id that is the key is none of them. */
    struct upsink_change change = make_upsert(fixture, "the key", 1);
    change.entity = upsink_slice_of("{\"a\":1,\"_id\":\"the key\",\"b\":2}");
    write_among_neighbours(fixture, change);
}

static void an_escaped_nul_comes_back_or_is_refused_alone(void **state)
{
    static const char *const entities[] = {"\"\\u0000\"", "{\"a\":[\"x\\u0000y\"]}", "{\"\\u0000\":1}"};
    struct fixture *fixture = *state;
    fixture_open(fixture);
    for (size_t i = 0; i < sizeof entities / sizeof *entities; i++) {
        char key[16];
        snprintf(key, sizeof key, "key-%zu", i);
        struct upsink_change change = make_upsert(fixture, key, 1);
        change.entity = upsink_slice_of(entities[i]);
        change.flags |= UPSINK_HAS_NUL;
        write_among_neighbours(fixture, change);
    }
    /* What only looks like one is none. */
    struct upsink_change change = make_upsert(fixture, "no nul", 1);
    change.entity = make_fit(fixture, upsink_slice_of("\"\\\\u0000\""));
    assert_true(write_among_neighbours(fixture, change));
}

static const struct CMUnitTest tests[] = {
    CONTRACT_TEST(odd_keys_come_back),
    CONTRACT_TEST(long_keys_come_back_or_are_refused_alone),
    CONTRACT_TEST(long_ids_come_back),
    CONTRACT_TEST(odd_entities_come_back),
    CONTRACT_TEST(deep_and_large_entities_come_back_or_are_refused_alone),
    CONTRACT_TEST(what_no_number_type_holds_comes_back_or_is_refused_alone),
    CONTRACT_TEST(fields_with_the_names_of_the_sinks_own_come_back_or_are_refused_alone),
    CONTRACT_TEST(an_escaped_nul_comes_back_or_is_refused_alone),
};

const struct group value_group = {"value", tests, sizeof tests / sizeof *tests};
