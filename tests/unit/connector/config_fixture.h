/* What the configuration's tests share: load a text as the file "u.yaml" and look at the result or the
 * message. */
#ifndef CONFIG_FIXTURE_H
#define CONFIG_FIXTURE_H

#include "connector/config_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Five lines; what a test adds below it belongs to the view and stands in line 6. */
#define VIEW                                                                                                 \
    "kafka: { bootstrap.servers: 'k:9092' }\n"                                                               \
    "views:\n"                                                                                               \
    "  orders:\n"                                                                                            \
    "    topic: orders\n"                                                                                    \
    "    sink: sqlite:orders.db\n"

static struct upsink_error fixture_error;

static inline struct config *load_with(struct config_request *request, const char *yaml)
{
    request->file = "u.yaml";
    upsink_error_clear(&fixture_error);
    return config_load_text(request, yaml, strlen(yaml), &fixture_error);
}

static inline struct config *load(const char *yaml)
{
    struct config_request request = {.file = NULL};
    struct config *config = load_with(&request, yaml);
    if (!config)
        print_error("%s\n", fixture_error.text);
    assert_non_null(config);
    return config;
}

/* The message, and that it is one of class CONFIG. */
static inline const char *refuse_with(struct config_request *request, const char *yaml)
{
    struct config *config = load_with(request, yaml);
    if (config)
        print_error("accepted: %s\n", yaml);
    assert_null(config);
    assert_int_equal(fixture_error.cls, UPSINK_ERR_CONFIG);
    return fixture_error.text;
}

static inline const char *refuse(const char *yaml)
{
    struct config_request request = {.file = NULL};
    return refuse_with(&request, yaml);
}

/* Below VIEW. */
static inline const char *refuse_in_view(const char *lines)
{
    char yaml[4096];
    snprintf(yaml, sizeof yaml, VIEW "%s", lines);
    return refuse(yaml);
}

static inline struct config *load_in_view(const char *lines)
{
    char yaml[4096];
    snprintf(yaml, sizeof yaml, VIEW "%s", lines);
    return load(yaml);
}

#endif
