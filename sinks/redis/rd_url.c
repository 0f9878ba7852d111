#include "rd_url.h"

#include "nearest.h"

#include <stdlib.h>

#define RESERVED "_upsink:" /* where fences and positions are */

enum { DEFAULT_PORT = 6379, MOST_DATABASE = 1000000 };
#define DAY_MS           (INT64_C(86400) * 1000)
#define DEFAULT_FENCE_MS (30 * DAY_MS)
#define MOST_MS          (36500 * DAY_MS)

static bool check_parameters(const struct url *url, struct upsink_error *err)
{
    static const char *const known[] = {"prefix", "type", "ca_file", "cert_file", "key_file"};
    enum { KNOWN = sizeof known / sizeof *known };
    for (size_t i = 0; i < url->parameter_count; i++) {
        const char *name = url->parameters[i].name;
        bool is_known = false;
        for (size_t n = 0; n < KNOWN; n++)
            is_known = is_known || strcmp(name, known[n]) == 0;
        if (is_known && url_get(url, name) == url->parameters[i].value)
            continue;
        if (is_known)
            return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_url", "the sink URL names `%s` twice", name);
        struct nearest nearest;
        nearest_init(&nearest, name);
        for (size_t n = 0; n < KNOWN; n++)
            nearest_offer(&nearest, known[n]);
        return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_url",
                           "the sink URL has the unknown parameter '%.60s'; a Redis URL takes prefix, type, "
                           "and for rediss: ca_file, cert_file and key_file%s",
                           name, nearest_hint(&nearest));
    }
    return true;
}

static bool read_database(struct rd_settings *settings, struct upsink_error *err)
{
    const char *text = settings->url.path;
    text += *text == '/';
    size_t digits = strspn(text, "0123456789");
    if (text[digits] || digits > 7 || strtol(text, NULL, 10) > MOST_DATABASE)
        return upsink_fail(
            err, UPSINK_ERR_CONFIG, "bad_url",
            "the path of a Redis URL is the number of the database, as in redis://localhost:6379/0");
    settings->database = (int32_t)strtol(text, NULL, 10);
    return true;
}

static bool read_type(struct rd_settings *settings, struct upsink_error *err)
{
    const char *type = url_get(&settings->url, "type");
    if (type && strcmp(type, "json") != 0 && strcmp(type, "hash") != 0)
        return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_url", "`type` in the sink URL is json or hash");
    settings->type = type && *type == 'h' ? RD_HASH : RD_JSON;
    return true;
}

static bool read_address(struct rd_settings *settings, struct upsink_error *err)
{
    const struct url *url = &settings->url;
    settings->host = url->host && *url->host ? url->host : "localhost";
    settings->port = url->port < 0 ? DEFAULT_PORT : url->port;
    settings->user = url->user && *url->user ? url->user : NULL;
    settings->password = url->password;
    settings->tls = strcmp(url->scheme, "rediss") == 0;
    if (!url->has_authority || strchr(settings->host, ',') || settings->port == 0)
        return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_url",
                           "a Redis URL names one server, as in redis://localhost:6379/0?prefix=orders:");
    if (settings->user && !settings->password)
        return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_url",
                           "the sink URL names a user without a password: redis://user:password@host:6379/0");
    if (!read_database(settings, err))
        return false;
    snprintf(settings->address, sizeof settings->address, "%s:%d/%d", settings->host, (int)settings->port,
             (int)settings->database);
    return true;
}

static bool read_tls(struct rd_settings *settings, struct upsink_error *err)
{
    const struct url *url = &settings->url;
    settings->ca_file = url_get(url, "ca_file");
    settings->cert_file = url_get(url, "cert_file");
    settings->key_file = url_get(url, "key_file");
    if (!settings->tls && (settings->ca_file || settings->cert_file || settings->key_file))
        return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_url",
                           "the sink URL names certificates, but begins with redis:, which is not encrypted; "
                           "write rediss:");
    if (!settings->cert_file != !settings->key_file)
        return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_url",
                           "a certificate of our own takes both cert_file and key_file");
    return true;
}

static bool choose_prefix(struct rd_settings *settings, const struct upsink_view *view,
                          struct upsink_error *err)
{
    const char *from_url = url_get(&settings->url, "prefix");
    if (from_url && view->target)
        return upsink_fail(
            err, UPSINK_ERR_CONFIG, "target_twice",
            "view %s names its prefix twice, in the sink URL and with `table`; leave one of them out",
            view->name);
    settings->prefix = from_url ? from_url : view->target ? view->target : view->default_target;
    size_t len = settings->prefix ? strlen(settings->prefix) : 0, reserved = strlen(RESERVED);
    if (!len || memcmp(settings->prefix, RESERVED, len < reserved ? len : reserved) == 0)
        return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_target",
                           "view %s needs a prefix for its keys that is not empty, and tells them from those "
                           "that begin with " RESERVED ", where fences and positions are",
                           view->name);
    return true;
}

/* 0, or a number with ms, s, m, h or d. */
static bool read_duration(const struct upsink_setting *setting, int64_t *milliseconds,
                          struct upsink_error *err)
{
    static const struct {
        const char *unit;
        int64_t milliseconds;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", DAY_MS}};
    size_t digits = strspn(setting->value, "0123456789");
    int64_t number = digits && digits < 16 ? strtoll(setting->value, NULL, 10) : -1;
    if (number == 0 && !setting->value[digits]) {
        *milliseconds = 0;
        return true;
    }
    for (size_t i = 0; number >= 0 && i < sizeof units / sizeof *units; i++)
        if (strcmp(setting->value + digits, units[i].unit) == 0 &&
            number <= MOST_MS / units[i].milliseconds) {
            *milliseconds = number * units[i].milliseconds;
            return true;
        }
    return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_setting",
                       "redis.%s has to be 0 (for ever) or a duration with its unit, as in 90s, 12h or 30d",
                       setting->name);
}

static bool read_setting(struct rd_settings *settings, const struct upsink_setting *setting,
                         struct upsink_error *err)
{
    if (strcmp(setting->name, "ttl") == 0)
        return read_duration(setting, &settings->ttl_ms, err);
    if (strcmp(setting->name, "fence_ttl") == 0)
        return read_duration(setting, &settings->fence_ttl_ms, err);
    struct nearest nearest;
    nearest_init(&nearest, setting->name);
    nearest_offer(&nearest, "ttl");
    nearest_offer(&nearest, "fence_ttl");
    return upsink_fail(err, UPSINK_ERR_CONFIG, "bad_setting",
                       "the sink redis has no setting '%.60s'; it has ttl and fence_ttl%s", setting->name,
                       nearest_hint(&nearest));
}

static bool read_settings(struct rd_settings *settings, const struct upsink_view *view,
                          struct upsink_error *err)
{
    settings->fence_ttl_ms = DEFAULT_FENCE_MS;
    for (size_t i = 0; i < view->setting_count; i++)
        if (!read_setting(settings, &view->settings[i], err))
            return false;
    return true;
}

bool rd_settings_parse(struct rd_settings *settings, const struct upsink_view *view, struct upsink_error *err)
{
    *settings = (struct rd_settings){0};
    if (!url_parse(&settings->url, view->url, err))
        return false;
    if (check_parameters(&settings->url, err) && read_type(settings, err) && read_address(settings, err) &&
        read_tls(settings, err) && choose_prefix(settings, view, err) && read_settings(settings, view, err))
        return true;
    rd_settings_clear(settings);
    return false;
}

void rd_settings_clear(struct rd_settings *settings)
{
    url_clear(&settings->url);
    *settings = (struct rd_settings){0};
}
