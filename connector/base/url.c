#include "url.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

static bool fail_memory(struct upsink_error *err)
{
    return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory");
}

static bool refuse_at(struct upsink_error *err)
{
    return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_url",
                       "the URL has an @ where none can stand; percent-encode `@` as %%40, `/` as %%2F and "
                       "`?` as %%3F in a password");
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes in place what lies in text..end and ends it with NUL (*end is overwritten). */
static bool decode_part(char *text, char *end, const char *what, struct upsink_error *err)
{
    char *out = text;
    for (const char *in = text; in < end; in++) {
        if (*in != '%') {
            *out++ = *in;
            continue;
        }
        int high = end - in > 2 ? hex_digit(in[1]) : -1, low = high >= 0 ? hex_digit(in[2]) : -1;
        if (low < 0)
            return upsink_fail(
                err, UPSINK_ERR_CONFIG, "bad_url",
                "the URL's %s has a %% that is not followed by two hex digits; write a plain %% as %%25",
                what);
        if (high == 0 && low == 0)
            return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_url",
                               "the URL's %s holds %%00, which no text can hold", what);
        *out++ = (char)(high * 16 + low);
        in += 2;
    }
    *out = '\0';
    return true;
}

static size_t scheme_length(const char *text)
{
    size_t len = 0;
    if (!isalpha((unsigned char)text[0]))
        return 0;
    while (isalnum((unsigned char)text[len]) || (text[len] && strchr("+-.", text[len])))
        len++;
    return text[len] == ':' ? len : 0;
}

static bool parse_port(struct url *url, const char *digits, struct upsink_error *err)
{
    long port = 0;
    size_t len = strlen(digits);
    bool good = len <= 5 && strspn(digits, "0123456789") == len;
    if (good && len)
        port = strtol(digits, NULL, 10);
    if (!good || port > 65535)
        return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_url",
                           "the URL's port is not a number up to 65535; percent-encode `:`, `/`, `?`, `#` "
                           "and `@` in a password");
    url->port = len ? (int32_t)port : -1;
    return true;
}

static bool parse_host(struct url *url, char *host, char *end, struct upsink_error *err)
{
    char *colon = NULL;
    *end = '\0';
    if (*host == '[') {
        char *close = strchr(host, ']');
        if (!close || (close[1] && close[1] != ':' && close[1] != ','))
            return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_url",
                               "the URL's host begins with [ but is not [IPv6 address]");
        if (close[1] != ',') {
            colon = close[1] ? close + 1 : NULL;
            *close = '\0';
            end = close;
            host++;
        }
    } else if (!strchr(host, ',')) {
        colon = strrchr(host, ':');
        end = colon ? colon : end;
    }
    if (colon && !parse_port(url, colon + 1, err))
        return false;
    url->host = host;
    return decode_part(host, end, "host", err);
}

static bool parse_authority(struct url *url, char *text, char *end, struct upsink_error *err)
{
    char *at = memrchr(text, '@', (size_t)(end - text));
    if (at) {
        char *colon = memchr(text, ':', (size_t)(at - text));
        if (colon) {
            url->password = colon + 1;
            if (!decode_part(colon + 1, at, "password", err))
                return false;
        }
        url->user = text;
        if (!decode_part(text, colon ? colon : at, "user", err))
            return false;
        text = at + 1;
    }
    return parse_host(url, text, end, err);
}

static bool parse_query(struct url *url, char *query, struct upsink_error *err)
{
    size_t count = 1;
    for (const char *c = query; *c; c++)
        count += *c == '&';
    url->parameters = calloc(count, sizeof *url->parameters);
    if (!url->parameters)
        return fail_memory(err);
    while (*query) {
        char *end = strchrnul(query, '&');
        char *next = *end ? end + 1 : end;
        char *equals = memchr(query, '=', (size_t)(end - query));
        struct url_parameter *parameter = &url->parameters[url->parameter_count];
        if (end == query) {
            query = next;
            continue;
        }
        if (memchr(query, '@', (size_t)((equals ? equals : end) - query)))
            return refuse_at(err);
        parameter->name = query;
        parameter->value = equals ? equals + 1 : "";
        if (equals && !decode_part(equals + 1, end, "query", err))
            return false;
        if (!decode_part(query, equals ? equals : end, "query", err))
            return false;
        url->parameter_count++;
        query = next;
    }
    return true;
}

/* `rest` is what follows `scheme:`; each part is cut out of it, the last one first. */
static bool parse_rest(struct url *url, char *rest, struct upsink_error *err)
{
    char *query;
    rest[strcspn(rest, "#")] = '\0';
    query = strchr(rest, '?');
    if (query) {
        *query++ = '\0';
        if (!parse_query(url, query, err))
            return false;
    }
    url->has_authority = strncmp(rest, "//", 2) == 0;
    if (!url->has_authority) {
        url->path = rest;
        return decode_part(rest, rest + strlen(rest), "path", err);
    }
    /* The two slashes make room for the NUL between the authority and the path. */
    size_t authority = strcspn(rest + 2, "/");
    char *path = rest + 2 + authority, *end = rest + 1 + authority;
    memmove(rest + 1, rest + 2, authority);
    url->path = path;
    return decode_part(path, path + strlen(path), "path", err) && parse_authority(url, rest + 1, end, err);
}

bool url_parse(struct url *url, const char *text, struct upsink_error *err)
{
    size_t len = scheme_length(text);
    *url = (struct url){.port = -1};
    if (!len)
        return upsink_fail(
            err, UPSINK_ERR_CONFIG, "bad_url",
            "this is not a URL: it has to begin with a scheme and a colon, as in sqlite:orders.db");
    url->memory = strdup(text);
    if (!url->memory)
        return fail_memory(err);
    for (size_t i = 0; i < len; i++)
        url->memory[i] = (char)tolower((unsigned char)url->memory[i]);
    url->memory[len] = '\0';
    url->scheme = url->memory;
    if (parse_rest(url, url->memory + len + 1, err))
        return true;
    url_clear(url);
    return false;
}

void url_clear(struct url *url)
{
    free(url->parameters);
    free(url->memory);
    *url = (struct url){.port = -1};
}

const char *url_get(const struct url *url, const char *name)
{
    for (size_t i = 0; i < url->parameter_count; i++)
        if (strcmp(url->parameters[i].name, name) == 0)
            return url->parameters[i].value;
    return NULL;
}

static const char *skip_userinfo(const char *text)
{
    const char *slashes = strstr(text, "://"), *begin = slashes ? slashes + 3 : text;
    const char *at = begin + strcspn(begin, "@/");
    return *at == '@' ? at + 1 : begin;
}

static bool take_value(const char *name, const char *text, size_t len, char **value, struct upsink_error *err)
{
    if (*value)
        return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_url", "the sink URL names `%s` twice", name);
    *value = strndup(text, len);
    if (!*value)
        return fail_memory(err);
    return decode_part(*value, *value + len, "query", NULL) ||
           upsink_fail(err, UPSINK_ERR_CONFIG, "bad_url",
                       "`%s` in the sink URL is not properly percent-encoded", name);
}

static bool take_parameters(const char *query, const char *name, url_check_name *check, void *context,
                            struct buf *rest, char **value, struct upsink_error *err)
{
    char separator = '?', other[64];
    for (size_t len; *query; query += len) {
        query++; /* ? or & */
        len = strcspn(query, "&");
        size_t name_len = strcspn(query, "=&");
        const char *begin = query + name_len + (name_len < len);
        snprintf(other, sizeof other, "%.*s", name_len < sizeof other ? (int)name_len : (int)sizeof other - 1,
                 query);
        if (memchr(query, '@', name_len))
            return refuse_at(err);
        if (strcasecmp(other, name) == 0) {
            if (!take_value(name, begin, (size_t)(query + len - begin), value, err))
                return false;
        } else if (len > 0) {
            if (!check(context, other, err))
                return false;
            buf_append_byte(rest, separator);
            buf_append(rest, query, len);
            separator = '&';
        }
    }
    return !rest->failed || fail_memory(err);
}

bool url_take_parameter(const char *text, const char *name, url_check_name *check, void *context,
                        struct buf *rest, char **value, struct upsink_error *err)
{
    const char *host = skip_userinfo(text), *query = strchrnul(host, '?');
    *value = NULL;
    if (memchr(host, '@', (size_t)(query - host)))
        return refuse_at(err);
    buf_append(rest, text, (size_t)(query - text));
    if (take_parameters(query, name, check, context, rest, value, err))
        return true;
    free(*value);
    *value = NULL;
    return false;
}

/* Names may be percent-encoded to hide what they are. */
static bool sounds_secret(const char *name, size_t len)
{
    static const char *const words[] = {"pass", "pwd", "secret", "token", "key", "auth", "credential", "sig"};
    char plain[64];
    size_t used = 0;
    for (size_t i = 0; i < len && used < sizeof plain - 1; i++) {
        int high = name[i] == '%' && len - i > 2 ? hex_digit(name[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(name[i + 2]) : -1;
        plain[used++] = low >= 0 ? (char)(high * 16 + low) : name[i];
        i += low >= 0 ? 2 : 0;
    }
    plain[used] = '\0';
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasestr(plain, words[i]))
            return true;
    return false;
}

static void redact_query(struct buf *out, const char *query)
{
    while (*query) {
        size_t len = strcspn(query, "&#"), name = strcspn(query, "=&#");
        if (name < len && sounds_secret(query, name)) {
            buf_append(out, query, name);
            buf_append_text(out, "=***");
        } else {
            buf_append(out, query, len);
        }
        query += len;
        if (*query)
            buf_append_byte(out, *query++);
    }
}

void url_redact(struct buf *out, const char *text)
{
    const char *slashes = strstr(text, "://");
    if (slashes) {
        const char *begin = slashes + 3, *end = begin + strcspn(begin, "/?#");
        const char *at = memrchr(begin, '@', (size_t)(end - begin));
        const char *colon = memchr(begin, ':', (size_t)((at ? at : end) - begin));
        /* An unencoded `/`, `?` or `#` in the password: what looks like a port is its beginning. */
        if (!at && colon && strspn(colon + 1, "0123456789") < (size_t)(end - colon - 1) && *begin != '[')
            at = strrchr(colon, '@');
        if (at && colon) {
            buf_append(out, text, (size_t)(colon - text));
            text = at;
        }
    }
    size_t plain = strcspn(text, "?");
    buf_append(out, text, plain);
    redact_query(out, text + plain);
}
