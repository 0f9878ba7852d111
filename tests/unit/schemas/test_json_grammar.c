/* What is JSON and what is not: the categories of the JSONTestSuite, one or more cases of each. */
#include "schemas/json_scan.h"

#include "guarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define T(s)                                                                                                 \
    {                                                                                                        \
        s, sizeof(s) - 1                                                                                     \
    }

static const struct upsink_slice valid[] = {
    /* structures and white space */
    T("[]"),
    T("{}"),
    T("[[]   ]"),
    T("[null, 1, \"1\", {}]"),
    T("[1,null,null,null,2]"),
    T(" [1]"),
    T("[2] "),
    T("[1\n]"),
    T("\t\r\n [\t1\r,\n2 ]\t"),
    T("{\"a\":[]}"),
    T("{\"\":0}"),
    T("{\"a\":\"b\",\"a\":\"b\"}"),
    T("{\"a\":\"b\",\"a\":\"c\"}"),
    T("{ \"min\": -1.0e+28, \"max\": 1.0e+28 }"),
    T("{\n\"a\": \"b\"\n}"),
    T("{\"a\":{\"a\":{\"a\":[{}]}}}"),
    T("[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]"),
    T("{\"title\":\"\\u041f\\u043e\\u043b\"}"),
    T("[                                        1]"),
    T("                                        1                                        "),
    /* the value alone */
    T("42"),
    T("-0.1"),
    T("null"),
    T("true"),
    T("false"),
    T("\"\""),
    T("\"asd\""),
    T(" 1 "),
    T("\"\x7f\""),
    /* numbers: digits are kept, so none is too large */
    T("[0]"),
    T("[-0]"),
    T("[0e+1]"),
    T("[0e1]"),
    T("[0E0]"),
    T("[1E22]"),
    T("[1E-2]"),
    T("[1E+2]"),
    T("[123e45]"),
    T("[123.456e78]"),
    T("[1e-2]"),
    T("[-1]"),
    T("[-123]"),
    T("[123]"),
    T("[123.456789]"),
    T("[20e1]"),
    T("[ 4]"),
    T("[-0.000000000000000000000000000000000000000000000000000000000000000001]"),
    T("[123123e100000]"),
    T("[-123123123123123123123123123123]"),
    T("[100000000000000000000]"),
    T("[1e400]"),
    T("[-1e-400]"),
    T("[0.4e00669999999999999999999999999999999999999999999999999969999999006]"),
    /* strings */
    T("[\"\\u0060\\u012a\\u12AB\"]"),
    T("[\"\\uD801\\udc37\"]"),
    T("[\"\\ud83d\\ude39\\ud83d\\udc8d\"]"),
    T("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]"),
    T("[\"\\\\u0000\"]"),
    T("[\"\\\"\"]"),
    T("[\"a/*b*/c/*d//e\"]"),
    T("[\"\\\\a\"]"),
    T("[\"\\\\n\"]"),
    T("[\"\\u0012\"]"),
    T("[\"\\uFFFF\"]"),
    T("[\"\\uDBFF\\uDFFE\"]"),
    T("[\"\\uDBFF\\uDFFF\"]"),
    T("[\"\\u0000\"]"),
    T("[\"\\u002c\"]"),
    T("[\"\\uFDD0\"]"),
    T("[\" \"]"),
    T("[\"\\u0821\"]"),
    T("[\"\\u0123\"]"),
    T("[\"new\\u00A0line\"]"),
    T("[\"\\ufeff\"]"),
    T("[\"\\u200B\"]"),
    T("\"0123456789abcdef0123456789abcdef0123456789abcdef\""),
    T("\"0123456789abcde\""),
    T("\"0123456789abcde\\n0123456789abcde\""),
    /* UTF-8: first and last of each length, around the surrogates, noncharacters */
    T("[\"\xC2\x80\"]"),
    T("[\"\xDF\xBF\"]"),
    T("[\"\xE0\xA0\x80\"]"),
    T("[\"\xED\x9F\xBF\"]"),
    T("[\"\xEE\x80\x80\"]"),
    T("[\"\xEF\xBF\xBF\"]"),
    T("[\"\xF0\x90\x80\x80\"]"),
    T("[\"\xF4\x8F\xBF\xBF\"]"),
    T("[\"\xE2\x80\xA8\"]"),
    T("[\"\xE2\x80\xA9\"]"),
    T("[\"\xEF\xBB\xBF\"]"),
    T("[\"\xF3\xA0\x80\x81\"]"),
    T("[\"\xE2\x82\xAC\xF0\x9D\x84\x9E\xCF\x80 plain \xE2\x8D\x82\xE3\x88\xB4\"]"),
    T("{\"\xCF\x80\":1}"),
};

struct refusal {
    struct upsink_slice text;
    enum json_fault fault;
    size_t position;
};

static const struct refusal invalid[] = {
    /* nothing, or not all */
    {T(""), JSON_FAULT_EMPTY, 0},
    {T("   \n"), JSON_FAULT_EMPTY, 4},
    {T("["), JSON_FAULT_TRUNCATED, 1},
    {T("[\"a"), JSON_FAULT_TRUNCATED, 3},
    {T("[1,"), JSON_FAULT_TRUNCATED, 3},
    {T("[1 "), JSON_FAULT_TRUNCATED, 3},
    {T("{"), JSON_FAULT_TRUNCATED, 1},
    {T("{\"a\""), JSON_FAULT_TRUNCATED, 4},
    {T("{\"a\":"), JSON_FAULT_TRUNCATED, 5},
    {T("{\"a\":1"), JSON_FAULT_TRUNCATED, 6},
    {T("{\"a\":1,"), JSON_FAULT_TRUNCATED, 7},
    {T("[\"\\"), JSON_FAULT_TRUNCATED, 3},
    {T("-"), JSON_FAULT_TRUNCATED, 1},
    {T("1."), JSON_FAULT_TRUNCATED, 2},
    {T("1e"), JSON_FAULT_TRUNCATED, 2},
    {T("1e+"), JSON_FAULT_TRUNCATED, 3},
    {T("nul"), JSON_FAULT_TRUNCATED, 3},
    {T("["), JSON_FAULT_TRUNCATED, 1},
    /* arrays */
    {T("[1 true]"), JSON_FAULT_COMMA, 3},
    {T("[1,]"), JSON_FAULT_VALUE, 3},
    {T("[,1]"), JSON_FAULT_VALUE, 1},
    {T("[1,,2]"), JSON_FAULT_VALUE, 3},
    {T("[,]"), JSON_FAULT_VALUE, 1},
    {T("[\"\",]"), JSON_FAULT_VALUE, 4},
    {T("[1:2]"), JSON_FAULT_COMMA, 2},
    {T("[3[4]]"), JSON_FAULT_COMMA, 2},
    {T("[1}"), JSON_FAULT_COMMA, 2},
    {T("[*]"), JSON_FAULT_VALUE, 1},
    {T("[1]]"), JSON_FAULT_TRAILING, 3},
    {T("]"), JSON_FAULT_VALUE, 0},
    {T("[\"a\"\n,4\n,1,"), JSON_FAULT_TRUNCATED, 11},
    {T("[\x0b]"), JSON_FAULT_VALUE, 1},
    {T("[\x0c]"), JSON_FAULT_VALUE, 1},
    {T("[\xE2\x81\xA0]"), JSON_FAULT_VALUE, 1},
    {T("[\xC2\xA0"
       "1]"),
     JSON_FAULT_VALUE, 1},
    {T("[1\0]"), JSON_FAULT_COMMA, 2},
    /* objects */
    {T("{\"a\" 1}"), JSON_FAULT_COLON, 5},
    {T("{\"a\",1}"), JSON_FAULT_COLON, 4},
    {T("{\"a\"}"), JSON_FAULT_COLON, 4},
    {T("{:1}"), JSON_FAULT_NAME, 1},
    {T("{1:1}"), JSON_FAULT_NAME, 1},
    {T("{a:1}"), JSON_FAULT_NAME, 1},
    {T("{'a':1}"), JSON_FAULT_NAME, 1},
    {T("{null:null}"), JSON_FAULT_NAME, 1},
    {T("{\"a\":1,}"), JSON_FAULT_NAME, 7},
    {T("{\"a\":1,,\"b\":2}"), JSON_FAULT_NAME, 7},
    {T("{,\"a\":1}"), JSON_FAULT_NAME, 1},
    {T("{\"a\":}"), JSON_FAULT_VALUE, 5},
    {T("{\"a\"::1}"), JSON_FAULT_VALUE, 5},
    {T("{\"a\":1 2}"), JSON_FAULT_COMMA, 7},
    {T("{\"a\":1]"), JSON_FAULT_COMMA, 6},
    {T("{\"a\":1}#"), JSON_FAULT_TRAILING, 7},
    {T("{\"a\":1}/**/"), JSON_FAULT_TRAILING, 7},
    {T("{\"a\":1}//"), JSON_FAULT_TRAILING, 7},
    {T("{\"a\":/*c*/1}"), JSON_FAULT_VALUE, 5},
    {T("{[1]:2}"), JSON_FAULT_NAME, 1},
    {T("{\"a\":\"b\",\"c\"}"), JSON_FAULT_COLON, 12},
    {T("}"), JSON_FAULT_VALUE, 0},
    /* behind the value */
    {T("1 2"), JSON_FAULT_TRAILING, 2},
    {T("{}{}"), JSON_FAULT_TRAILING, 2},
    {T("truefalse"), JSON_FAULT_TRAILING, 4},
    {T("\"a\" x"), JSON_FAULT_TRAILING, 4},
    {T("1\0"), JSON_FAULT_TRAILING, 1},
    {T("[]\xEF\xBB\xBF"), JSON_FAULT_TRAILING, 2},
    {T("2@"), JSON_FAULT_TRAILING, 1},
    {T("\"\"\""), JSON_FAULT_TRAILING, 2},
    /* literals */
    {T("[nan]"), JSON_FAULT_LITERAL, 1},
    {T("[NaN]"), JSON_FAULT_LITERAL, 1},
    {T("[True]"), JSON_FAULT_LITERAL, 1},
    {T("[tru]"), JSON_FAULT_LITERAL, 1},
    {T("[nul]"), JSON_FAULT_LITERAL, 1},
    {T("[fals]"), JSON_FAULT_LITERAL, 1},
    {T("[Infinity]"), JSON_FAULT_LITERAL, 1},
    {T("not json"), JSON_FAULT_LITERAL, 0},
    {T("abc"), JSON_FAULT_LITERAL, 0},
    {T("<html>"), JSON_FAULT_VALUE, 0},
    {T("'a'"), JSON_FAULT_VALUE, 0},
    {T("[truth]"), JSON_FAULT_LITERAL, 1},
    /* numbers */
    {T("[-]"), JSON_FAULT_NUMBER, 2},
    {T("[+1]"), JSON_FAULT_NUMBER, 1},
    {T("[01]"), JSON_FAULT_NUMBER, 2},
    {T("[-01]"), JSON_FAULT_NUMBER, 3},
    {T("[-012]"), JSON_FAULT_NUMBER, 3},
    {T("[1.]"), JSON_FAULT_NUMBER, 3},
    {T("[.5]"), JSON_FAULT_NUMBER, 1},
    {T("[-.5]"), JSON_FAULT_NUMBER, 2},
    {T("[1e]"), JSON_FAULT_NUMBER, 3},
    {T("[1e+]"), JSON_FAULT_NUMBER, 4},
    {T("[1.e1]"), JSON_FAULT_NUMBER, 3},
    {T("[--1]"), JSON_FAULT_NUMBER, 2},
    {T("[1e1.5]"), JSON_FAULT_COMMA, 4},
    {T("[0x1]"), JSON_FAULT_COMMA, 2},
    {T("[1a]"), JSON_FAULT_COMMA, 2},
    {T("[1_000]"), JSON_FAULT_COMMA, 2},
    {T("[1,000,]"), JSON_FAULT_NUMBER, 4},
    {T("[-Infinity]"), JSON_FAULT_NUMBER, 2},
    {T("[1 000]"), JSON_FAULT_COMMA, 3},
    {T("[0.1.2]"), JSON_FAULT_COMMA, 4},
    {T("[\xEF\xBC\x91]"), JSON_FAULT_VALUE, 1},
    /* strings */
    {T("[\"\\x41\"]"), JSON_FAULT_ESCAPE, 2},
    {T("[\"\\a\"]"), JSON_FAULT_ESCAPE, 2},
    {T("[\"\\'\"]"), JSON_FAULT_ESCAPE, 2},
    {T("[\"\\\0\"]"), JSON_FAULT_ESCAPE, 2},
    {T("[\"\\u\"]"), JSON_FAULT_ESCAPE, 2},
    {T("[\"\\u12\"]"), JSON_FAULT_ESCAPE, 2},
    {T("[\"\\u123g\"]"), JSON_FAULT_ESCAPE, 2},
    {T("[\"\\u 123\"]"), JSON_FAULT_ESCAPE, 2},
    {T("[\"\\U0041\"]"), JSON_FAULT_ESCAPE, 2},
    {T("[\"\\u-123\"]"), JSON_FAULT_ESCAPE, 2},
    {T("[\"\\\xC3\xA9\"]"), JSON_FAULT_ESCAPE, 2},
    {T("[\"\\u00\xC3\xA9\"]"), JSON_FAULT_ESCAPE, 2},
    {T("[\"\n\"]"), JSON_FAULT_CONTROL_CHARACTER, 2},
    {T("[\"\t\"]"), JSON_FAULT_CONTROL_CHARACTER, 2},
    {T("[\"a\0b\"]"), JSON_FAULT_CONTROL_CHARACTER, 3},
    {T("[\"\x1f\"]"), JSON_FAULT_CONTROL_CHARACTER, 2},
    {T("\"0123456789abcdef0123\n\""), JSON_FAULT_CONTROL_CHARACTER, 21},
    {T("{\"a\nb\":1}"), JSON_FAULT_CONTROL_CHARACTER, 3},
    {T("[\\u0020\"a\"]"), JSON_FAULT_VALUE, 1},
    {T("[\"a\\\"]"), JSON_FAULT_TRUNCATED, 6},
    /* surrogates as escapes: a pair or nothing */
    {T("[\"\\ud800\"]"), JSON_FAULT_LONE_SURROGATE, 2},
    {T("[\"\\udc00\"]"), JSON_FAULT_LONE_SURROGATE, 2},
    {T("[\"\\uD800\\uD800\"]"), JSON_FAULT_LONE_SURROGATE, 2},
    {T("[\"\\udc00\\udc00\"]"), JSON_FAULT_LONE_SURROGATE, 2},
    {T("[\"\\udbff\\u0041\"]"), JSON_FAULT_LONE_SURROGATE, 2},
    {T("[\"\\uD888\\u\"]"), JSON_FAULT_ESCAPE, 8},
    {T("[\"\\uD83Dabcdef\"]"), JSON_FAULT_LONE_SURROGATE, 2},
    {T("[\"\\uD800\\n\"]"), JSON_FAULT_LONE_SURROGATE, 2},
    {T("[\"\\uDd1e\\uD834\"]"), JSON_FAULT_LONE_SURROGATE, 2},
    {T("{\"\\ud800\":1}"), JSON_FAULT_LONE_SURROGATE, 2},
    {T("\"\\ud83d\\ude39\\ud83d\""), JSON_FAULT_LONE_SURROGATE, 13},
    /* UTF-8 */
    {T("[\"\x80\"]"), JSON_FAULT_UTF8, 2},
    {T("[\"\xBF\"]"), JSON_FAULT_UTF8, 2},
    {T("[\"\xFF\"]"), JSON_FAULT_UTF8, 2},
    {T("[\"\xFE\"]"), JSON_FAULT_UTF8, 2},
    {T("[\"\xC0\x80\"]"), JSON_FAULT_UTF8, 2},
    {T("[\"\xC1\xBF\"]"), JSON_FAULT_UTF8, 2},
    {T("[\"\xE0\x80\xAF\"]"), JSON_FAULT_UTF8, 2},
    {T("[\"\xE0\x9F\xBF\"]"), JSON_FAULT_UTF8, 2},
    {T("[\"\xF0\x8F\xBF\xBF\"]"), JSON_FAULT_UTF8, 2},
    {T("[\"\xED\xA0\x80\"]"), JSON_FAULT_UTF8, 2},
    {T("[\"\xED\xBF\xBF\"]"), JSON_FAULT_UTF8, 2},
    {T("[\"\xF4\x90\x80\x80\"]"), JSON_FAULT_UTF8, 2},
    {T("[\"\xF5\x80\x80\x80\"]"), JSON_FAULT_UTF8, 2},
    {T("[\"\xFC\x80\x80\x80\x80\x80\"]"), JSON_FAULT_UTF8, 2},
    {T("[\"\xC3\"]"), JSON_FAULT_UTF8, 2},
    {T("[\"\xE2\x82\"]"), JSON_FAULT_UTF8, 2},
    {T("[\"\xF0\x9F\x98\"]"), JSON_FAULT_UTF8, 2},
    {T("[\"caf\xE9\"]"), JSON_FAULT_UTF8, 5},
    {T("[\"0123456789abcdef\xC3\xA9\xC3(\"]"), JSON_FAULT_UTF8, 20},
    {T("{\"\xE9\":1}"), JSON_FAULT_UTF8, 2},
    {T("\"\xC3"), JSON_FAULT_UTF8, 1},
    {T("[\"\xE1\xA0\xC0\"]"), JSON_FAULT_UTF8, 2},
    {T("[\"\xF1\x80\x80\xFF\"]"), JSON_FAULT_UTF8, 2},
    /* not UTF-8 from the start */
    {T("\xEF\xBB\xBF{}"), JSON_FAULT_BYTE_ORDER_MARK, 0},
    {T("\xEF\xBB"), JSON_FAULT_VALUE, 0},
    {T("\xFF\xFE[\0]\0"), JSON_FAULT_VALUE, 0},
    {T("\0[\0\"\0\xE9\0\"\0]"), JSON_FAULT_VALUE, 0},
    {T("[\xC3\xA9]"), JSON_FAULT_VALUE, 1},
    {T("\0\0\0\0\1{}"), JSON_FAULT_VALUE, 0},
};

static bool scan(struct upsink_slice text, struct json_scan_result *result, struct upsink_error *err)
{
    return json_scan(NULL, JSON_WHOLE, guarded(text), NULL, NULL, result, err);
}

static void every_kind_of_valid_text_is_accepted(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof valid / sizeof *valid; i++) {
        struct json_scan_result result;
        struct upsink_error err = {0};
        if (!scan(valid[i], &result, &err))
            fail_msg("%.*s: %s", (int)valid[i].len, valid[i].data, err.text);
        assert_int_equal(result.fault, JSON_VALID);
    }
}

static void every_kind_of_invalid_text_is_refused_where_it_is_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++) {
        struct json_scan_result result;
        struct upsink_error err = {0};
        if (scan(invalid[i].text, &result, &err))
            fail_msg("accepted: %.*s", (int)invalid[i].text.len, invalid[i].text.data);
        if (result.fault != invalid[i].fault || result.position != invalid[i].position)
            fail_msg("%.*s: fault %d at %zu: %s", (int)invalid[i].text.len, invalid[i].text.data,
                     (int)result.fault, result.position, err.text);
        assert_int_equal(err.cls, UPSINK_ERR_RECORD);
        assert_string_equal(err.code, json_fault_code(invalid[i].fault));
    }
}

/* The same, where the SSE2 loops stand at another offset and have more bytes behind. */
static void it_does_not_matter_where_in_a_text_the_mistake_is(void **state)
{
    static char text[512];
    (void)state;
    for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++) {
        const struct refusal *r = &invalid[i];
        if (r->fault == JSON_FAULT_EMPTY || r->fault == JSON_FAULT_TRUNCATED ||
            r->fault == JSON_FAULT_TRAILING || r->fault == JSON_FAULT_BYTE_ORDER_MARK ||
            r->position == r->text.len)
            continue;
        for (size_t pad = 0; pad < 36; pad++) {
            struct json_scan_result result;
            size_t len = 3;
            memcpy(text, "[0,", len);
            memset(text + len, ' ', pad);
            len += pad;
            memcpy(text + len, r->text.data, r->text.len);
            len += r->text.len;
            memcpy(text + len, ",\"a further string that is long enough to fill a register\"]", 59);
            len += 59;
            assert_false(scan((struct upsink_slice){text, len}, &result, NULL));
            if (result.fault != r->fault || result.position != r->position + 3 + pad)
                fail_msg("%.*s: at %zu", (int)len, text, result.position);
        }
    }
}

static void each_family_of_refusals_has_a_code(void **state)
{
    (void)state;
    assert_string_equal(json_fault_code(JSON_FAULT_TRUNCATED), "invalid_json");
    assert_string_equal(json_fault_code(JSON_FAULT_UTF8), "invalid_utf8");
    assert_string_equal(json_fault_code(JSON_FAULT_LONE_SURROGATE), "lone_surrogate");
    assert_string_equal(json_fault_code(JSON_FAULT_TOO_DEEP), "too_deep");
    assert_string_equal(json_fault_code(JSON_FAULT_TOO_LARGE), "too_large");
    for (int fault = JSON_FAULT_EMPTY; fault <= JSON_FAULT_TOO_LARGE; fault++) {
        assert_true(strlen(json_fault_code((enum json_fault)fault)) > 0);
        assert_true(strlen(json_fault_text((enum json_fault)fault)) > 0);
    }
}

static void every_byte_is_judged_alone_in_a_string_and_alone_as_a_value(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char string[] = {'"', (char)byte, '"'}, lonely[] = {(char)byte};
        struct json_scan_result result;
        assert_int_equal(scan((struct upsink_slice){string, 3}, &result, NULL),
                         byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\');
        assert_int_equal(scan((struct upsink_slice){lonely, 1}, &result, NULL), byte >= '0' && byte <= '9');
    }
}

/* All sequences of two bytes, and all of three and four with interesting ones, by the table of RFC 3629. */
static bool is_utf8(const unsigned char *s, size_t n)
{
    size_t i = 0;
    while (i < n) {
        unsigned char a = s[i], low = 0x80, high = 0xBF;
        size_t tails = a < 0x80                 ? 0
                       : a >= 0xC2 && a <= 0xDF ? 1
                       : (a & 0xF0) == 0xE0     ? 2
                       : a >= 0xF0 && a <= 0xF4 ? 3
                                                : 9;
        if (tails == 9 || i + tails >= n)
            return false;
        low = a == 0xE0 ? 0xA0 : a == 0xF0 ? 0x90 : low;
        high = a == 0xED ? 0x9F : a == 0xF4 ? 0x8F : high;
        for (size_t t = 1; t <= tails; t++, low = 0x80, high = 0xBF) {
            if (s[i + t] < low || s[i + t] > high)
                return false;
        }
        i += tails + 1;
    }
    return true;
}

static void utf8_is_checked_as_the_table_of_its_rfc_says(void **state)
{
    static const unsigned char picks[] = {'a',  0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0,
                                          0xBF, 0xC0, 0xC2, 0xE0, 0xF0, 0xFF};
    enum { N = sizeof picks };
    struct json_scan_result result;
    (void)state;
    for (unsigned lead = 0x80; lead < 256; lead++) {
        for (unsigned rest = 0; rest < N * N * N; rest++) {
            unsigned char text[6] = {
                '"', (unsigned char)lead, picks[rest % N], picks[rest / N % N], picks[rest / N / N], '"'};
            struct upsink_slice whole = {(char *)text, 6};
            assert_int_equal(scan(whole, &result, NULL), is_utf8(text + 1, 4));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_valid_text_is_accepted),
        cmocka_unit_test(every_kind_of_invalid_text_is_refused_where_it_is_wrong),
        cmocka_unit_test(it_does_not_matter_where_in_a_text_the_mistake_is),
        cmocka_unit_test(each_family_of_refusals_has_a_code),
        cmocka_unit_test(every_byte_is_judged_alone_in_a_string_and_alone_as_a_value),
        cmocka_unit_test(utf8_is_checked_as_the_table_of_its_rfc_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
