#include "connector/config_schema.h"

#include "connector/config_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>

static void the_schema_that_ships_is_up_to_date(void **state)
{
    (void)state;
    static const char path[] = "schemas/definitions/upsink.schema.json";
    char *made = config_schema_create(), *shipped = NULL;
    size_t capacity = 0;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(getdelim(&shipped, &capacity, '\0', file) > 0);
    fclose(file);
    if (strcmp(made, shipped) != 0)
        fail_msg("write it anew: upsink generate schema > %s", path);
    free(made);
    free(shipped);
}

static void expect_properties(const struct config_option *options, const json_t *schema)
{
    const json_t *properties = json_object_get(schema, "properties");
    size_t count = 0;
    for (; options->name; options++) {
        const json_t *property = json_object_get(properties, options->name);
        count++;
        assert_non_null(property);
        if (options->type == OPTION_LATER) {
            assert_non_null(json_object_get(property, "not"));
            continue;
        }
        assert_true(json_string_length(json_object_get(property, "description")) > 0);
        if (options->type == OPTION_SECTION)
            expect_properties(options->options, property);
        if (options->type == OPTION_VIEWS)
            expect_properties(options->options, json_object_get(property, "additionalProperties"));
    }
    assert_int_equal(json_object_size(properties), count);
}

static void the_schema_has_every_option_and_no_other(void **state)
{
    (void)state;
    char *text = config_schema_create();
    json_t *schema = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(schema);
    expect_properties(config_options, schema);
    json_decref(schema);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_schema_that_ships_is_up_to_date),
        cmocka_unit_test(the_schema_has_every_option_and_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
