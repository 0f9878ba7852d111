/* What a view says about its Redis: the URL and the section `redis`. Pure.
 *
 *     redis://[user:password@]host:6379/0?prefix=orders:&type=json      rediss:// for TLS */
#ifndef UPSINK_RD_URL_H
#define UPSINK_RD_URL_H

#include "sinks/sink.h"
#include "url.h"

enum rd_type { RD_JSON, RD_HASH };

struct rd_settings {
    struct url url;
    const char *host;            /* and the next two point into url */
    const char *user, *password; /* NULL where there is none */
    int32_t port;
    int32_t database;
    bool tls;
    const char *ca_file, *cert_file, *key_file; /* PEM; NULL where there is none */
    enum rd_type type;
    const char *prefix;   /* the URL's, or the view's */
    int64_t ttl_ms;       /* of a row; 0: none */
    int64_t fence_ttl_ms; /* of the fence of an entity whose row is gone; 0: for ever */
    char address[320];    /* host:port/database, without credentials */
};

/* On failure (UPSINK_ERR_CONFIG) nothing is to be cleared. The view outlives the settings. */
UPSINK_NODISCARD bool rd_settings_parse(struct rd_settings *settings, const struct upsink_view *view,
                                        struct upsink_error *err);
void rd_settings_clear(struct rd_settings *settings);

#endif
