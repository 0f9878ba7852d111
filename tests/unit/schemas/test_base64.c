#include "schemas/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* RFC 4648 section 10, and the two characters that differ between alphabets. */
static const struct {
    const char *bytes, *text;
} pairs[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    {"\xFB\xEF\xBE\xFF\xFF\xFF", "++++////"},
};

static void bytes_become_text_and_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct upsink_slice bytes = upsink_slice_of(pairs[i].bytes), text = upsink_slice_of(pairs[i].text);
        char out[16];
        size_t len = 99;
        assert_int_equal(BASE64_ENCODED_SIZE(bytes.len), text.len);
        base64_encode(bytes, out);
        assert_memory_equal(out, text.data, text.len);
        assert_true(base64_decode(text, out, &len));
        assert_int_equal(len, bytes.len);
        assert_memory_equal(out, bytes.data, len);
    }
}

static void all_bytes_survive_also_in_place(void **state)
{
    char bytes[300], text[BASE64_ENCODED_SIZE(sizeof bytes)];
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 7);
    for (size_t len = 0; len <= sizeof bytes; len++) {
        size_t back = 0;
        base64_encode((struct upsink_slice){bytes, len}, text);
        assert_true(base64_decode((struct upsink_slice){text, BASE64_ENCODED_SIZE(len)}, text, &back));
        assert_int_equal(back, len);
        assert_memory_equal(text, bytes, len);
    }
}

static void what_is_not_base64_is_refused(void **state)
{
    static const char *const texts[] = {
        "Z",      "Zg",   "Zg=",  "Zm9",  "====", "=Zg=",     "Z===",       "Zg==Zm8=",
        "Zm8=\n", "Zm 8", "Zm_-", "Zh==", "Zm9=", "Zm9v====", "Zm\xC3\xA9", "Zm=v"};
    char out[16];
    size_t len;
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (base64_decode(upsink_slice_of(texts[i]), out, &len))
            fail_msg("'%s' was taken", texts[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_become_text_and_back),
        cmocka_unit_test(all_bytes_survive_also_in_place),
        cmocka_unit_test(what_is_not_base64_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
