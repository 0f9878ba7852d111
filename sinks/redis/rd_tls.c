#include "rd_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdlib.h>

struct rd_tls {
    SSL_CTX *context;
    SSL *ssl;
};

/* OpenSSL's own reason: what it says of certificates and files, never of what is in them. */
static bool fail_tls(struct upsink_error *err, const struct rd_settings *settings, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    upsink_fail(err, UPSINK_ERR_REFUSED, "tls_failed", "can't speak TLS with rediss://%s: %s%s%s",
                settings->address, what, reason ? ": " : "", reason ? reason : "");
    ERR_clear_error();
    return false;
}

static bool load_files(SSL_CTX *context, const struct rd_settings *settings, struct upsink_error *err)
{
    const char *ca = settings->ca_file, *cert = settings->cert_file, *key = settings->key_file;
    if (ca ? SSL_CTX_load_verify_locations(context, ca, NULL) != 1
           : SSL_CTX_set_default_verify_paths(context) != 1)
        return fail_tls(err, settings, "the trusted certificates can't be read (ca_file)");
    if (cert && SSL_CTX_use_certificate_chain_file(context, cert) != 1)
        return fail_tls(err, settings, "the certificate can't be read (cert_file)");
    if (key && SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        return fail_tls(err, settings,
                        "the private key can't be read, or is not the certificate's (key_file)");
    return true;
}

/* The certificate has to be for the host of the URL, a name or an address. */
static bool expect_host(SSL *ssl, const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    bool is_address = inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
    if (is_address)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    return SSL_set_tlsext_host_name(ssl, host) == 1 && SSL_set1_host(ssl, host) == 1;
}

static bool shake_hands(struct rd_tls *tls, const struct rd_settings *settings,
                        bool (*wait)(void *context, short events, struct upsink_error *err), void *context,
                        struct upsink_error *err)
{
    for (;;) {
        ERR_clear_error();
        int result = SSL_connect(tls->ssl);
        if (result == 1)
            return true;
        int why = SSL_get_error(tls->ssl, result);
        long verdict = SSL_get_verify_result(tls->ssl);
        if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
            if (!wait(context, why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, err))
                return false;
        } else if (verdict != X509_V_OK) {
            return fail_tls(err, settings, X509_verify_cert_error_string(verdict));
        } else if (why == SSL_ERROR_SSL) {
            return fail_tls(err, settings, "the handshake failed");
        } else {
            return upsink_fail(err, UPSINK_ERR_OUTAGE, "sink_unreachable",
                               "rediss://%s ended the connection before it was encrypted", settings->address);
        }
    }
}

bool rd_tls_start(struct rd_tls **started, int fd, const struct rd_settings *settings,
                  bool (*wait)(void *context, short events, struct upsink_error *err), void *context,
                  struct upsink_error *err)
{
    struct rd_tls *tls = calloc(1, sizeof *tls);
    *started = NULL;
    if (!tls)
        return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory for a TLS connection");
    tls->context = SSL_CTX_new(TLS_client_method());
    if (!tls->context || SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION) != 1) {
        fail_tls(err, settings, "the library can't be set up");
        goto fail;
    }
    SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(tls->context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (!load_files(tls->context, settings, err))
        goto fail;
    tls->ssl = SSL_new(tls->context);
    if (!tls->ssl || SSL_set_fd(tls->ssl, fd) != 1 || !expect_host(tls->ssl, settings->host)) {
        fail_tls(err, settings, "the library can't be set up");
        goto fail;
    }
    if (!shake_hands(tls, settings, wait, context, err))
        goto fail;
    *started = tls;
    return true;
fail:
    rd_tls_stop(&tls);
    return false;
}

void rd_tls_stop(struct rd_tls **tls)
{
    if (!*tls)
        return;
    SSL_free((*tls)->ssl);
    SSL_CTX_free((*tls)->context);
    free(*tls);
    *tls = NULL;
}

/* 0: the other side is done. */
static ssize_t moved(struct rd_tls *tls, int result)
{
    if (result > 0)
        return result;
    int why = SSL_get_error(tls->ssl, result);
    ERR_clear_error();
    if (why == SSL_ERROR_ZERO_RETURN)
        return 0;
    errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
    return -1;
}

ssize_t rd_tls_read(struct rd_tls *tls, void *bytes, size_t size)
{
    ERR_clear_error();
    return moved(tls, SSL_read(tls->ssl, bytes, size > INT_MAX ? INT_MAX : (int)size));
}

ssize_t rd_tls_write(struct rd_tls *tls, const void *bytes, size_t size)
{
    ERR_clear_error();
    return moved(tls, SSL_write(tls->ssl, bytes, size > INT_MAX ? INT_MAX : (int)size));
}
