/* Answers to a _bulk and to an _mget, as they should be and as they should not: what is not the whole answer
 * to what was asked is none. */
#include "sinks/elasticsearch/es_answer.h"
#include "sinks/elasticsearch/es_code.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT(list) (sizeof(list) / sizeof *(list))

#define DONE(verb, id) "{\"" verb "\":{\"_id\":\"" id "\",\"_seq_no\":7,\"_primary_term\":2,\"status\":200}}"
#define A              DONE("index", "a")
#define B              DONE("create", "b\\u0022")

/* Two writes were asked for, of a and of b". How many are known to be done; -1: it is no answer. A copy on
 * the heap, so that a sanitizer sees what is read behind it. */
static int read_answer(const char *text, size_t len)
{
    static const struct upsink_slice ids[] = {UPSINK_SLICE_LIT("a"), UPSINK_SLICE_LIT("b\"")};
    char *copy = malloc(len + 1);
    int done = 0;
    assert_non_null(copy);
    memcpy(copy, text, len);
    char *body = realloc(copy, len ? len : 1);
    assert_non_null(body);
    struct es_json items = es_answer_items((struct upsink_slice){body, len});
    struct es_outcome outcome;
    bool good = true;
    for (size_t i = 0; good && i < COUNT(ids); i++) {
        good = es_answer_next(&items, &outcome) && es_outcome_is_of(&outcome, false, ids[i]);
        done += good && es_outcome_is_done(&outcome) && outcome.seq_no >= 0;
    }
    good = good && es_answer_is_over(&items);
    free(body);
    return good ? done : -1;
}

static void a_whole_answer_is_read(void **state)
{
    static const char *const answers[] = {
        "{\"items\":[" A "," B "]}",
        "{\"took\":3,\"errors\":false,\"items\":[" A "," B "]}\n",
        " { \"items\" : [ " A " , " B " ] , \"errors\" : true } ",
        "{\"items\":[{\"create\":{\"status\":201,\"x\":{\"status\":500},\"_seq_no\":0,\"_id\":\"a\"}}," B
        "]}",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(answers); i++)
        if (read_answer(answers[i], strlen(answers[i])) != 2)
            fail_msg("%s", answers[i]);
}

static void what_is_not_the_whole_answer_is_none(void **state)
{
    static const struct {
        const char *what, *body;
    } cases[] = {
        {"empty", ""},
        {"blank", " \n"},
        {"HTML", "<html><body>OK</body></html>"},
        {"text", "OK"},
        {"null", "null"},
        {"an array", "[" A "," B "]"},
        {"nothing in it", "{}"},
        {"no items", "{\"took\":1,\"errors\":false}"},
        {"items of another type", "{\"items\":{\"0\":" A ",\"1\":" B "}}"},
        {"items that are null", "{\"items\":null}"},
        {"too short", "{\"items\":[" A "]}"},
        {"no item at all", "{\"items\":[]}"},
        {"too long", "{\"items\":[" A "," B "," B "]}"},
        {"another order", "{\"items\":[" B "," A "]}"},
        {"another document", "{\"items\":[" A "," DONE("index", "c") "]}"},
        {"another action", "{\"items\":[" A "," DONE("delete", "b\\u0022") "]}"},
        {"an unknown action", "{\"items\":[" A "," DONE("update", "b\\u0022") "]}"},
        {"no id", "{\"items\":[{\"index\":{\"_seq_no\":1,\"status\":200}}," B "]}"},
        {"an id that is a number",
         "{\"items\":[{\"index\":{\"_id\":1,\"_seq_no\":1,\"status\":200}}," B "]}"},
        {"no status", "{\"items\":[{\"index\":{\"_id\":\"a\",\"_seq_no\":1}}," B "]}"},
        {"a status in quotes",
         "{\"items\":[{\"index\":{\"_id\":\"a\",\"_seq_no\":1,\"status\":\"200\"}}," B "]}"},
        {"an item that is null", "{\"items\":[null," B "]}"},
        {"an item of text", "{\"items\":[\"a\"," B "]}"},
        {"an item without an action", "{\"items\":[{}," B "]}"},
        {"an item of two actions",
         "{\"items\":[{\"index\":{\"_id\":\"a\",\"_seq_no\":1,\"status\":200},\"index\":{}}," B "]}"},
        {"cut off behind the items", "{\"items\":[" A "," B "]"},
        {"something behind it", "{\"items\":[" A "," B "]}{}"},
        {"HTML behind it", "{\"items\":[" A "," B "]}<html>"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (read_answer(cases[i].body, strlen(cases[i].body)) != -1)
            fail_msg("%s was taken for an answer", cases[i].what);
}

static void an_answer_that_is_cut_off_anywhere_is_none(void **state)
{
    static const char whole[] = "{\"took\":3,\"errors\":false,\"items\":[" A "," B "],\"x\":[1,\"]\"]}";
    (void)state;
    assert_int_equal(read_answer(whole, sizeof whole - 1), 2);
    for (size_t len = 0; len + 1 < sizeof whole; len++)
        if (read_answer(whole, len) != -1)
            fail_msg("%.*s was taken for an answer", (int)len, whole);
}

/* `errors` says nothing: the status of each item does, and only 2xx without an error and with its number is
 * done. */
static void each_item_tells_for_itself_whatever_errors_says(void **state)
{
    static const char *const failed[] = {
        "\"status\":500",
        "\"_seq_no\":1,\"status\":500",
        "\"_seq_no\":1,\"status\":199",
        "\"_seq_no\":1,\"status\":300",
        "\"_seq_no\":1,\"status\":-200",
        "\"_seq_no\":1,\"status\":99999999999999999999,\"status\":1",
        "\"_seq_no\":1,\"status\":200,\"error\":{\"type\":\"x\"}",
        "\"_seq_no\":1,\"status\":201,\"error\":null",
        "\"status\":200",
        "\"_seq_no\":\"1\",\"status\":200",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(failed); i++) {
        char text[400];
        snprintf(text, sizeof text, "{\"errors\":false,\"items\":[{\"index\":{\"_id\":\"a\",%s}}," B "]}",
                 failed[i]);
        if (read_answer(text, strlen(text)) != 1)
            fail_msg("%s", text);
    }
    /* A failure without a type, and a success without a number, are nobody's fault among the records. */
    assert_int_equal(es_code_meaning(500, UPSINK_SLICE_LIT("")).cls, UPSINK_ERR_UNKNOWN);
    assert_int_equal(es_code_meaning(200, UPSINK_SLICE_LIT("")).cls, UPSINK_ERR_UNKNOWN);
    assert_int_equal(es_code_meaning(200, UPSINK_SLICE_LIT("mapper_parsing_exception")).cls,
                     UPSINK_ERR_UNKNOWN);
}

static void deletes_and_writes_are_told_apart(void **state)
{
    static const char body[] = "{\"items\":[" DONE("delete", "a") "]}";
    struct es_json items = es_answer_items(upsink_slice_of(body));
    struct es_outcome outcome;
    (void)state;
    assert_true(es_answer_next(&items, &outcome));
    assert_true(es_outcome_is_of(&outcome, true, UPSINK_SLICE_LIT("a")));
    assert_false(es_outcome_is_of(&outcome, false, UPSINK_SLICE_LIT("a")));
    assert_false(es_outcome_is_of(&outcome, true, UPSINK_SLICE_LIT("A")));
    assert_int_equal(outcome.seq_no, 7);
    assert_int_equal(outcome.primary_term, 2);
    items = es_answer_items(UPSINK_SLICE_LIT("{\"items\":[" A "]}"));
    assert_true(es_answer_next(&items, &outcome));
    assert_false(es_outcome_is_of(&outcome, true, UPSINK_SLICE_LIT("a")));
}

/* --- documents -------------------------------------------------------------------------------------------
 */

#define FOUND(index, id)                                                                                     \
    "{\"_index\":\"" index "\",\"_id\":\"" id                                                                \
    "\",\"_seq_no\":7,\"_primary_term\":2,\"found\":true,\"_source\":{\"n\":1}}"
#define MISSING(index, id) "{\"_index\":\"" index "\",\"_id\":\"" id "\",\"found\":false}"
#define FOUND_A            FOUND("t1", "a")
#define MISSING_B          MISSING("t1", "b\\u0022")

/* a and b" of the index t1 were asked for: how many there are; -1: it is no answer to that. */
static int read_docs(const char *text, size_t len)
{
    static const struct upsink_slice ids[] = {UPSINK_SLICE_LIT("a"), UPSINK_SLICE_LIT("b\"")};
    char *body = malloc(len ? len : 1);
    int found = 0;
    assert_non_null(body);
    memcpy(body, text, len);
    struct es_json docs = es_answer_docs((struct upsink_slice){body, len});
    struct es_found doc;
    bool good = true;
    for (size_t i = 0; good && i < COUNT(ids); i++) {
        good = es_answer_doc(&docs, &doc) && es_found_is_of(&doc, "t1", ids[i]);
        found += good && doc.exists;
    }
    good = good && es_answer_is_over(&docs);
    free(body);
    return good ? found : -1;
}

static void documents_are_read_one_for_each_id(void **state)
{
    static const struct {
        const char *body;
        int found;
    } cases[] = {
        {"{\"docs\":[" FOUND_A "," MISSING_B "]}", 1},
        {" { \"x\":[{}], \"docs\" : [ " FOUND_A " , " FOUND("t1", "b\\\"") " ] } ", 2},
        {"{\"docs\":[" MISSING("t1", "a") "," MISSING_B "]}", 0},
        {"{\"docs\":[{\"_index\":\".alias\",\"_id\":\"a\",\"error\":{\"type\":\"x\"}}," MISSING_B "]}", 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (read_docs(cases[i].body, strlen(cases[i].body)) != cases[i].found)
            fail_msg("%s", cases[i].body);
}

static void what_answers_another_question_is_no_answer(void **state)
{
    static const struct {
        const char *what, *body;
    } cases[] = {
        {"empty", ""},
        {"no documents", "{}"},
        {"no array", "{\"docs\":{\"0\":" FOUND_A ",\"1\":" MISSING_B "}}"},
        {"the answer to a bulk", "{\"items\":[" A "," B "]}"},
        {"too short", "{\"docs\":[" FOUND_A "]}"},
        {"too long", "{\"docs\":[" FOUND_A "," MISSING_B "," MISSING_B "]}"},
        {"another order", "{\"docs\":[" MISSING_B "," FOUND_A "]}"},
        {"another document", "{\"docs\":[" FOUND_A "," MISSING("t1", "c") "]}"},
        {"another document, that is there", "{\"docs\":[" FOUND("t1", "A") "," MISSING_B "]}"},
        {"another index", "{\"docs\":[" FOUND("t2", "a") "," MISSING_B "]}"},
        {"another index, where it is not", "{\"docs\":[" FOUND_A "," MISSING("t11", "b\\u0022") "]}"},
        {"no index", "{\"docs\":[" FOUND_A ",{\"_id\":\"b\\u0022\",\"found\":false}]}"},
        {"no id", "{\"docs\":[{\"_index\":\"t1\",\"found\":false}," MISSING_B "]}"},
        {"an id that is a number",
         "{\"docs\":[{\"_index\":\"t1\",\"_id\":7,\"found\":false}," MISSING_B "]}"},
        {"neither there nor not", "{\"docs\":[" FOUND_A ",{\"_index\":\"t1\",\"_id\":\"b\\u0022\"}]}"},
        {"there, without a number",
         "{\"docs\":[{\"_index\":\"t1\",\"_id\":\"a\",\"found\":true}," MISSING_B "]}"},
        {"the error of another document",
         "{\"docs\":[" FOUND_A ",{\"_index\":\"t1\",\"_id\":\"c\",\"error\":{\"type\":\"x\"}}]}"},
        {"null", "{\"docs\":[" FOUND_A ",null]}"},
        {"something behind it", "{\"docs\":[" FOUND_A "," MISSING_B "]}{}"},
    };
    static const char whole[] = "{\"docs\":[" FOUND_A "," MISSING_B "]}";
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (read_docs(cases[i].body, strlen(cases[i].body)) != -1)
            fail_msg("%s was taken for an answer", cases[i].what);
    for (size_t len = 0; len + 1 < sizeof whole; len++)
        if (read_docs(whole, len) != -1)
            fail_msg("%.*s was taken for an answer", (int)len, whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_answer_is_read),
        cmocka_unit_test(what_is_not_the_whole_answer_is_none),
        cmocka_unit_test(an_answer_that_is_cut_off_anywhere_is_none),
        cmocka_unit_test(each_item_tells_for_itself_whatever_errors_says),
        cmocka_unit_test(deletes_and_writes_are_told_apart),
        cmocka_unit_test(documents_are_read_one_for_each_id),
        cmocka_unit_test(what_answers_another_question_is_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
