/* URLs as users write them for sinks and registries: taken apart, and made fit to be shown.
 *
 * Syntax: RFC 3986 sections 3 and 2.1 (percent-encoding; a `+` in the query stays a `+`). Lenient in one
 * way: a comma-separated list of hosts is one host text. Messages never repeat any part of the URL that
 * may hold a secret. Pure; all memory belongs to the struct url. */
#ifndef UPSINK_URL_H
#define UPSINK_URL_H

#include "buf.h"
#include "error.h"

#include <stdint.h>

struct url_parameter {
    const char *name, *value; /* decoded; value is "" where there was no `=` */
};

/* All texts are decoded and NUL-terminated; NULL where the URL has no such part. */
struct url {
    const char *scheme; /* in lower case */
    bool has_authority; /* `//` follows the scheme */
    const char *user, *password;
    const char *host; /* "" for `scheme:///path`; an IPv6 address without its brackets */
    int32_t port;     /* -1: none given */
    const char *path; /* "" where there is none */
    struct url_parameter *parameters;
    size_t parameter_count;
    char *memory;
};

/* On failure (UPSINK_ERR_CONFIG "bad_url", or FATAL when out of memory) *url is empty. */
UPSINK_NODISCARD bool url_parse(struct url *url, const char *text, struct upsink_error *err);
void url_clear(struct url *url);

/* The value of the first parameter of that name; NULL where there is none. */
const char *url_get(const struct url *url, const char *name);

/* For sinks whose client library reads the rest: appends the URL to `rest`, but for the parameter `name`,
 * whose decoded value is the caller's to free (NULL where it is not there). `check` sees the name of every
 * other parameter. As those libraries see it, a `?` before the `@` is a part of the password. What would make
 * the end of a password pass for a host, a path or a parameter, and be shown, is refused. Errors as
 * url_parse. */
typedef bool url_check_name(void *context, const char *name, struct upsink_error *err);
UPSINK_NODISCARD bool url_take_parameter(const char *text, const char *name, url_check_name *check,
                                         void *context, struct buf *rest, char **value,
                                         struct upsink_error *err);

/* Appends the URL as it may be shown: without the password of its userinfo, and with `***` for the values
 * of parameters that sound like secrets. Works on any text, URL or not. */
void url_redact(struct buf *out, const char *text);

#endif
