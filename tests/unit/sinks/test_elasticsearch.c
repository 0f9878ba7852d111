/* What of the Elasticsearch sink needs no server: URLs, errors, answers, documents, fences, what is
 * remembered. */
#include "sinks/elasticsearch/es_cache.h"
#include "sinks/elasticsearch/es_code.h"
#include "sinks/elasticsearch/es_document.h"
#include "sinks/elasticsearch/es_url.h"

#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* --- URLs
 * ---------------------------------------------------------------------------------------------------- */

static void urls_name_hosts_and_an_index(void **state)
{
    static const struct {
        const char *url, *first, *last, *index;
        size_t hosts;
        bool tls;
    } cases[] = {
        {"elasticsearch://h", "h:9200", "h:9200", NULL, 1, false},
        {"opensearch+https://u:p@h:443/orders", "h:443", "h:443", "orders", 1, true},
        {"elasticsearch://a:1,b,c:3/x", "a:1", "c:3", "x", 3, false},
        {"elasticsearch://[::1]:9201/", "[::1]:9201", "[::1]:9201", NULL, 1, false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct es_url url;
        struct upsink_error err;
        if (!es_url_parse(&url, cases[i].url, &err))
            fail_msg("%s: %s", cases[i].url, err.text);
        assert_int_equal(url.host_count, cases[i].hosts);
        assert_string_equal(url.hosts[0], cases[i].first);
        assert_string_equal(url.hosts[url.host_count - 1], cases[i].last);
        assert_int_equal(url.tls, cases[i].tls);
        assert_int_equal(url.index != NULL, cases[i].index != NULL);
        if (url.index)
            assert_string_equal(url.index, cases[i].index);
        assert_null(strstr(url.shown, "p@"));
        es_url_clear(&url);
    }
}

static void urls_that_are_none_are_refused_without_their_secret(void **state)
{
    static const char *const urls[] = {
        "elasticsearch://u:s3cret@",      "elasticsearch://u:s3cret@h:0,x:70000",
        "elasticsearch://u:s3cret@h/a/b", "elasticsearch://u:s3cret@h/a?x=1",
        "elasticsearch://u:s3cret@h:x,h", "elasticsearch://u:s3cret@a,,b"};
    (void)state;
    for (size_t i = 0; i < COUNT(urls); i++) {
        struct es_url url;
        struct upsink_error err;
        if (es_url_parse(&url, urls[i], &err)) {
            fail_msg("%s was taken", urls[i]);
            return;
        }
        assert_int_equal(err.cls, UPSINK_ERR_CONFIG);
        assert_null(strstr(err.text, "s3cret"));
    }
}

static void a_topics_name_becomes_one_of_an_index(void **state)
{
    static const char *const names[][2] = {
        {"orders", "orders"}, {"Shop.Orders_1", "shop.orders_1"}, {"_.-x", "x"}, {"a:b", "a_b"}, {"___", ""}};
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        char name[64];
        es_name_from(names[i][0], name, sizeof name);
        assert_string_equal(name, names[i][1]);
        assert_int_equal(es_name_check(name, "v", 239, NULL), *name != '\0');
    }
    assert_false(es_name_check("Orders", "v", 239, NULL));
    assert_false(es_name_check("orders*", "v", 239, NULL));
    assert_false(es_name_check("orders", "v", 5, NULL));
}

/* --- errors
 * -------------------------------------------------------------------------------------------------- */

static void every_status_has_its_class(void **state)
{
    static const struct {
        long status;
        const char *type;
        enum upsink_error_class cls;
        const char *code;
    } cases[] = {
        {401, "security_exception", UPSINK_ERR_REFUSED, "credentials_refused"},
        {403, "security_exception", UPSINK_ERR_REFUSED, "permission_denied"},
        {403, "cluster_block_exception", UPSINK_ERR_OUTAGE, "sink_read_only"},
        {429, "cluster_block_exception", UPSINK_ERR_OUTAGE, "sink_read_only"},
        {404, "index_not_found_exception", UPSINK_ERR_TARGET_LOST, "target_lost"},
        {400, "index_closed_exception", UPSINK_ERR_OUTAGE, "target_closed"},
        {400, "mapper_parsing_exception", UPSINK_ERR_RECORD, "mapping_conflict"},
        {400, "document_parsing_exception", UPSINK_ERR_RECORD, "mapping_conflict"},
        {400, "strict_dynamic_mapping_exception", UPSINK_ERR_RECORD, "mapping_conflict"},
        {400, "illegal_argument_exception", UPSINK_ERR_RECORD, "invalid_for_sink"},
        {413, "", UPSINK_ERR_RECORD, "value_too_large"},
        {429, "es_rejected_execution_exception", UPSINK_ERR_OUTAGE, "sink_busy"},
        {429, "circuit_breaking_exception", UPSINK_ERR_OUTAGE, "sink_out_of_resources"},
        {503, "unavailable_shards_exception", UPSINK_ERR_OUTAGE, "sink_unavailable"},
        {503, "", UPSINK_ERR_OUTAGE, "sink_unavailable"},
        {502, "", UPSINK_ERR_OUTAGE, "sink_unavailable"},
        {504, "", UPSINK_ERR_OUTAGE, "sink_timeout"},
        {500, "node_closed_exception", UPSINK_ERR_OUTAGE, "sink_unavailable"},
        {500, "fail_processor_exception", UPSINK_ERR_RECORD, "invalid_for_sink"},
        {500, "null_pointer_exception", UPSINK_ERR_UNKNOWN, "sink_error"},
        {302, "", UPSINK_ERR_UNKNOWN, "sink_error"},
        {405, "", UPSINK_ERR_UNKNOWN, "sink_error"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct es_meaning meaning = es_code_meaning(cases[i].status, upsink_slice_of(cases[i].type));
        assert_string_equal(meaning.code, cases[i].code);
        assert_int_equal(meaning.cls, cases[i].cls);
    }
}

static void what_hits_every_document_is_told_from_what_hits_one_by_its_reason(void **state)
{
    static const struct upsink_slice type = UPSINK_SLICE_LIT("illegal_argument_exception");
    static const struct {
        const char *reason;
        enum upsink_error_class cls;
    } cases[] = {
        {"pipeline with id [x] does not exist", UPSINK_ERR_OUTAGE},
        {"no write index is defined for alias [.upsink-rows-x]. The write index may be", UPSINK_ERR_OUTAGE},
        {"alias [.upsink-rows-x] has more than one index associated with it", UPSINK_ERR_OUTAGE},
        {"Number of documents in the shard cannot exceed [2147483519]", UPSINK_ERR_OUTAGE},
        {"Limit of total fields [1000] has been exceeded", UPSINK_ERR_RECORD},
        {"pipeline", UPSINK_ERR_RECORD},
        {"", UPSINK_ERR_RECORD},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(es_code_meaning_of(400, type, upsink_slice_of(cases[i].reason)).cls, cases[i].cls);
    assert_int_equal(es_code_meaning_of(400, UPSINK_SLICE_LIT("mapper_parsing_exception"),
                                        upsink_slice_of(cases[0].reason))
                         .cls,
                     UPSINK_ERR_RECORD);
}

static void reasons_tell_of_fields_and_never_of_values(void **state)
{
    static const char *const cases[][2] = {
        {"failed to parse field [a] of type [long] in document with id 's3cret'. Preview of field's value: "
         "'s3cret'",
         "failed to parse field [a] of type [long]"},
        {"[1:29] failed to parse field [a] of type [long] in document with id 's3cret'",
         "failed to parse field [a] of type [long]"},
        {"object mapping for [a] tried to parse field [a] as object, but found a concrete value",
         "object mapping for [a] tried to parse field [a] as object"},
        {"Limit of total fields [1000] has been exceeded", "Limit of total fields [1000] has been exceeded"},
        {"For input string: \"s3cret\"", ""},
        {"", ""},
        {"[", ""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct upsink_slice reason = es_code_reason(upsink_slice_of(cases[i][0]));
        assert_true(upsink_slice_is(reason, cases[i][1]));
    }
}

/* --- answers
 * --------------------------------------------------------------------------------------------------- */

static void members_are_found_by_their_path(void **state)
{
    static const struct {
        const char *text, *path, *value;
    } cases[] = {
        {"{\"a\":{\"b\":[1,{\"c\":\"}\"}],\"d\":7}}", "a.d", "7"},
        {"{\"a\":{\"b\":[1,{\"c\":\"}\"}],\"d\":7}}", "a.b", "[1,{\"c\":\"}\"}]"},
        {"{\"x\":{\"uuid\":\"u\\\"\"}}", "*.uuid", "\"u\\\"\""},
        {" { \"a\" : true , \"b\" : null } ", "b", "null"},
        {"{\"a\":1}", "b", NULL},
        {"{\"a\":1}", "a.b", NULL},
        {"[1]", "a", NULL},
        {"", "a", NULL},
        {"{\"a\":\"never ends", "a", NULL},
        {"{\"a\":{\"b\":1", "a", NULL},
        {"{\"a\"", "a", NULL},
        {"{\"a\\", "a", NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct upsink_slice found = es_json_find(upsink_slice_of(cases[i].text), cases[i].path);
        if (cases[i].value)
            assert_true(upsink_slice_is(found, cases[i].value));
        else
            assert_null(found.data);
    }
}

static void integers_are_exact_or_none(void **state)
{
    (void)state;
    assert_int_equal(es_json_int(UPSINK_SLICE_LIT("9223372036854775807"), 1), INT64_MAX);
    assert_int_equal(es_json_int(UPSINK_SLICE_LIT("-9223372036854775808"), 1), INT64_MIN);
    assert_int_equal(es_json_int(UPSINK_SLICE_LIT("9223372036854775808"), 1), 1);
    assert_int_equal(es_json_int(UPSINK_SLICE_LIT("99999999999999999999"), 1), 1);
    assert_int_equal(es_json_int(UPSINK_SLICE_LIT("-0"), 1), 0);
    assert_int_equal(es_json_int(UPSINK_SLICE_LIT("1.0"), 5), 5);
    assert_int_equal(es_json_int(UPSINK_SLICE_LIT("-"), 5), 5);
    assert_int_equal(es_json_int(UPSINK_SLICE_ABSENT, 5), 5);
}

/* --- documents
 * ------------------------------------------------------------------------------------------------- */

static void fences_come_back_as_they_were(void **state)
{
    static const int64_t times[] = {-1, 0, 1, -2, 1700000000123456, INT64_MAX, INT64_MIN, 253402300800000000};
    struct arena arena;
    struct buf out;
    (void)state;
    arena_init(&arena, 0);
    buf_init(&out);
    for (size_t i = 0; i < COUNT(times); i++) {
        struct upsink_fence fence = {.topic = UPSINK_SLICE_LIT("o\"x"),
                                     .event_id = UPSINK_SLICE_LIT("e\n\xc3\xa9"),
                                     .version = INT64_MIN,
                                     .offset = INT64_MAX,
                                     .timestamp = times[i],
                                     .generation = 7,
                                     .partition = 3,
                                     .has_version = i % 2 == 0,
                                     .deleted = i % 3 == 0};
        struct es_known known = {.exists = true};
        buf_clear(&out);
        es_fence_put(&out, &fence, true);
        buf_append_byte(&out, '}');
        assert_true(es_fence_read(buf_view(&out), UPSINK_SLICE_LIT("other"), &arena, &known));
        assert_true(known.has_fence);
        assert_true(upsink_slice_equal(known.fence.topic, fence.topic));
        assert_true(upsink_slice_equal(known.fence.event_id, fence.event_id));
        assert_null(known.fence.change_id.data);
        assert_int_equal(known.fence.version, fence.has_version ? fence.version : 0);
        assert_int_equal(known.fence.has_version, fence.has_version);
        assert_int_equal(known.fence.offset, fence.offset);
        assert_int_equal(known.fence.timestamp, fence.timestamp);
        assert_int_equal(known.fence.deleted, fence.deleted);
    }
    buf_destroy(&out);
    arena_destroy(&arena);
}

static void entities_come_back_from_their_documents(void **state)
{
    static const struct {
        const char *entity, *back, *code; /* back NULL: refused with the code */
    } cases[] = {
        {"{}", "{}", NULL},
        {" {\n} ", "{}", NULL},
        {"{\"a\":1.10,\n \"b\":{\"_id\":1}}", "{\"a\":1.10,\"b\":{\"_id\":1}}", NULL},
        {"[1,\n2]", "[1, 2]", NULL},
        {"null", "null", NULL},
        {"{\"a\":1,\"_id\":\"key\"}", "{\"a\":1,\"_id\":\"key\"}", NULL},
        {"{\"\\u005fid\":\"k\\u0065y\",\"a\":1}", "{\"a\":1,\"_id\":\"key\"}", NULL},
        {"{\"_id\":\"other\"}", NULL, "id_is_not_key"},
        {"{\"_id\":7}", NULL, "id_is_not_key"},
        {"{\"_upsink\":null}", NULL, "reserved_field"},
        {"{\"_upsin\\u006b\":null}", NULL, "reserved_field"},
        {"{\"deleted_at\":1}", NULL, "reserved_field"},
    };
    struct es_document_style style = {.soft = true};
    struct buf out, back;
    (void)state;
    buf_init(&out);
    buf_init(&back);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct upsink_change change = {.op = UPSINK_UPSERT,
                                       .key = UPSINK_SLICE_LIT("key"),
                                       .entity = upsink_slice_of(cases[i].entity),
                                       .topic = UPSINK_SLICE_LIT("t")};
        struct upsink_fence fence = {.topic = change.topic, .timestamp = -1};
        struct upsink_error err;
        buf_clear(&out);
        buf_clear(&back);
        bool done = es_document_put(&out, &style, &change, &fence, &err);
        assert_int_equal(done, cases[i].back != NULL);
        if (!done) {
            assert_int_equal(err.cls, UPSINK_ERR_RECORD);
            assert_string_equal(err.code, cases[i].code);
            continue;
        }
        assert_null(memchr(out.data, '\n', out.len));
        es_document_entity(&back, &style, buf_view(&out), change.key);
        assert_string_equal(back.data, cases[i].back);
        /* And through a soft delete. */
        struct buf gone;
        buf_init(&gone);
        es_document_put_deleted(&gone, &style, buf_view(&out), &fence, 1700000000000000);
        buf_clear(&back);
        es_document_entity(&back, &style, buf_view(&gone), change.key);
        assert_string_equal(back.data, cases[i].back);
        assert_non_null(strstr(gone.data, "\"deleted_at\":\"2023-11-14T22:13:20.000000Z\""));
        buf_destroy(&gone);
    }
    buf_destroy(&out);
    buf_destroy(&back);
}

/* --- what is remembered
 * ------------------------------------------------------------------------------------------ */

static void what_is_remembered_is_the_latest_and_bounded(void **state)
{
    enum { KEYS = 20000 };
    static const struct es_known none;
    struct es_cache cache;
    struct arena arena;
    size_t found = 0;
    (void)state;
    es_cache_init(&cache, 256 << 10);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < KEYS; i++) {
            char key[16], id[64];
            snprintf(key, sizeof key, "k%d", i);
            snprintf(id, sizeof id, "%.*s%d", (round * 7 + i) % 40,
                     "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee", i);
            struct es_known known = {.exists = true, .seq_no = round * KEYS + i};
            known.fence.event_id = upsink_slice_of(id);
            es_cache_put(&cache, upsink_slice_of(key), i % 3 ? &known : &none, i % 3 ? &none : &known,
                         UPSINK_SLICE_ABSENT);
        }
    }
    arena_init(&arena, 0);
    for (int i = 0; i < KEYS; i++) {
        char key[16];
        struct es_known row, side;
        snprintf(key, sizeof key, "k%d", i);
        if (!es_cache_find(&cache, upsink_slice_of(key), &arena, &row, &side))
            continue;
        found++;
        const struct es_known *known = i % 3 ? &row : &side;
        assert_int_equal(row.exists + side.exists, 1);
        assert_true(known->exists);
        assert_int_equal(known->seq_no, 2 * KEYS + i);
        assert_int_equal(strtol(strpbrk(known->fence.event_id.data, "0123456789"), NULL, 10), i);
    }
    assert_in_range(found, 500, KEYS / 2);
    struct es_known row, side;
    es_cache_forget(&cache, UPSINK_SLICE_LIT("k19999"));
    assert_false(es_cache_find(&cache, UPSINK_SLICE_LIT("k19999"), &arena, &row, &side));
    es_cache_clear(&cache);
    assert_false(es_cache_find(&cache, UPSINK_SLICE_LIT("k19998"), &arena, &row, &side));
    es_cache_destroy(&cache);
    arena_destroy(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_name_hosts_and_an_index),
        cmocka_unit_test(urls_that_are_none_are_refused_without_their_secret),
        cmocka_unit_test(a_topics_name_becomes_one_of_an_index),
        cmocka_unit_test(every_status_has_its_class),
        cmocka_unit_test(what_hits_every_document_is_told_from_what_hits_one_by_its_reason),
        cmocka_unit_test(reasons_tell_of_fields_and_never_of_values),
        cmocka_unit_test(members_are_found_by_their_path),
        cmocka_unit_test(integers_are_exact_or_none),
        cmocka_unit_test(fences_come_back_as_they_were),
        cmocka_unit_test(entities_come_back_from_their_documents),
        cmocka_unit_test(what_is_remembered_is_the_latest_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
