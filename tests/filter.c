/* Linked into every test program: CMOCKA_TEST_FILTER='*key*' runs only the tests whose names match. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

__attribute__((constructor)) static void take_filter(void)
{
    const char *pattern = getenv("CMOCKA_TEST_FILTER");
    if (pattern)
        cmocka_set_test_filter(pattern);
}
