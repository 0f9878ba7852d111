#include "schemas/text_check.h"

#include "guarded.h"
#include "utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void text_is_well_formed_utf8_without_nul(void **state)
{
    static const struct {
        struct upsink_slice text;
        enum text_fault fault;
        size_t position;
    } samples[] = {
        {UPSINK_SLICE_LIT(""), TEXT_IS_FINE, 99},
        {UPSINK_SLICE_LIT("ord-00000001"), TEXT_IS_FINE, 99},
        {UPSINK_SLICE_LIT("\x01\x7F\x01\x7F\x01\x7F\x01\x7F"), TEXT_IS_FINE, 99},
        {UPSINK_SLICE_LIT("1234567Zo\xC3\xAB \xF0\x9F\x8E\x81 and more"), TEXT_IS_FINE, 99},
        {UPSINK_SLICE_LIT("1234567\0"), TEXT_HAS_NUL, 7},
        {UPSINK_SLICE_LIT("\0"), TEXT_HAS_NUL, 0},
        {UPSINK_SLICE_LIT("12345678\xFF"), TEXT_IS_NOT_UTF8, 8},
        {UPSINK_SLICE_LIT("1234567\xC3"), TEXT_IS_NOT_UTF8, 7},
        {UPSINK_SLICE_LIT("\xED\xA0\x80"), TEXT_IS_NOT_UTF8, 0},
        {UPSINK_SLICE_LIT("ab\xC0\x80"), TEXT_IS_NOT_UTF8, 2},
        {UPSINK_SLICE_LIT("Zo\xC3\xAB\0\xFF"), TEXT_HAS_NUL, 4},
    };
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        size_t position = 99;
        assert_int_equal(text_check(guarded(samples[i].text), &position), samples[i].fault);
        assert_int_equal(position, samples[i].position);
    }
}

/* Every byte at every place among others, with the plain check as the oracle. */
static void no_byte_slips_through_at_any_place(void **state)
{
    (void)state;
    for (size_t len = 1; len <= 20; len++) {
        for (size_t at = 0; at < len; at++) {
            for (unsigned byte = 0; byte < 256; byte++) {
                char text[20];
                struct upsink_slice slice;
                size_t position = len;
                memset(text, 'a', len);
                text[at] = (char)byte;
                slice = guarded((struct upsink_slice){text, len});
                assert_int_equal(text_check(slice, &position) == TEXT_IS_FINE,
                                 byte != 0 && utf8_is_valid(slice.data, slice.len));
                assert_int_equal(position, byte && byte < 0x80 ? len : at);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_well_formed_utf8_without_nul),
        cmocka_unit_test(no_byte_slips_through_at_any_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
