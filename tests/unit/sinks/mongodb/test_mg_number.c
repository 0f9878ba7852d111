#include "sinks/mongodb/mg_number.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

static struct mg_number number_of(const char *text)
{
    struct mg_number number;
    if (!mg_number_read(upsink_slice_of(text), &number))
        fail_msg("%s was refused", text);
    return number;
}

static void integers_are_int64_as_long_as_they_fit(void **state)
{
    static const struct {
        const char *text;
        int64_t value;
    } cases[] = {{"0", 0},
                 {"7", 7},
                 {"-7", -7},
                 {"100", 100},
                 {"9223372036854775807", INT64_MAX},
                 {"-9223372036854775808", INT64_MIN}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(number_of(cases[i].text).type, MG_INT64);
        assert_int_equal(number_of(cases[i].text).integer, cases[i].value);
    }
    assert_int_equal(number_of("9223372036854775808").type, MG_DECIMAL);
    assert_int_equal(number_of("-9223372036854775809").type, MG_DECIMAL);
}

static void fifteen_digits_with_a_point_or_an_exponent_are_a_double(void **state)
{
    static const char *const doubles[] = {"0.1",
                                          "-0",
                                          "-0.0",
                                          "1.0",
                                          "1e2",
                                          "123456789012345e10",
                                          "1e-280",
                                          "1.50000000000000000000",
                                          "0.000000000000000000001",
                                          "1e280",
                                          "12345.6789012345",
                                          "0e999999"};
    static const char *const decimals[] = {"1234567890.123456", "1e300", "1e-300", "0.1000000000000001"};
    (void)state;
    for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++) {
        struct mg_number number = number_of(doubles[i]);
        if (number.type != MG_DOUBLE)
            fail_msg("%s is no double", doubles[i]);
        assert_true(number.real >= strtod(doubles[i], NULL) && number.real <= strtod(doubles[i], NULL));
    }
    assert_true(signbit(number_of("-0").real));
    for (size_t i = 0; i < sizeof decimals / sizeof *decimals; i++)
        if (number_of(decimals[i]).type != MG_DECIMAL)
            fail_msg("%s is no Decimal128", decimals[i]);
}

static void what_decimal128_can_not_hold_is_refused(void **state)
{
    static const char *const refused[] = {"12345678901234567890123456789012345",
                                          "0.12345678901234567890123456789012345",
                                          "1e6145",
                                          "1.5e-6176",
                                          "1e-6177",
                                          "1e100000",
                                          "-1e1000000000000000000000",
                                          "12345678901234567890123456789012345e-6000"};
    static const char *const taken[] = {"1234567890123456789012345678901234",
                                        "9999999999999999999999999999999999e6111",
                                        "1e6144",
                                        "1e-6176",
                                        "10e-6177",
                                        "123456789012345678901234567890123400000000"};
    struct mg_number number;
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (mg_number_read(upsink_slice_of(refused[i]), &number))
            fail_msg("%s was taken", refused[i]);
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        assert_int_equal(number_of(taken[i]).type, MG_DECIMAL);
}

/* Random decimals of up to 15 digits come back from a double as they went in. */
static void doubles_give_their_digits_back(void **state)
{
    unsigned random = 7;
    struct buf out;
    (void)state;
    buf_init(&out);
    for (int i = 0; i < 200000; i++) {
        char text[40];
        int64_t digits = ((int64_t)rand_r(&random) << 20 ^ rand_r(&random)) % 1000000000000000;
        snprintf(text, sizeof text, "%" PRId64 "e%d", digits, rand_r(&random) % 540 - 275);
        struct mg_number number = number_of(text), again;
        if (number.type != MG_DOUBLE)
            continue;
        double exact = strtod(text, NULL);
        if (number.real < exact || number.real > exact)
            fail_msg("%s became %.17g", text, number.real);
        buf_clear(&out);
        mg_double_write(&out, number.real);
        char format[64];
        snprintf(format, sizeof format, "%.14e", number.real);
        again = number_of(out.data);
        if (again.type == MG_DOUBLE && (again.real < exact || again.real > exact))
            fail_msg("%s came back as %s", text, out.data);
        if (strtod(format, NULL) < exact || strtod(format, NULL) > exact)
            fail_msg("%s does not survive with 15 digits: %s", text, format);
    }
    buf_destroy(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_int64_as_long_as_they_fit),
        cmocka_unit_test(fifteen_digits_with_a_point_or_an_exponent_are_a_double),
        cmocka_unit_test(what_decimal128_can_not_hold_is_refused),
        cmocka_unit_test(doubles_give_their_digits_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
