#include "http.h"

#include "log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 64, CONNECTION_SECONDS = 10, CONNECTION_BYTES = 16 * 1024, BACKLOG = 64 };

#define TEXT_TYPE    "text/plain; charset=utf-8"
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct http {
    struct http_options options;
    struct MHD_Daemon *daemon;
    char address[INET6_ADDRSTRLEN + 16];
};

struct answer {
    unsigned status;
    const char *type;
    struct buf body;
};

static void answer_alive(const struct http *http, struct answer *answer)
{
    (void)http;
    buf_append_text(&answer->body, "alive\n");
}

static void answer_ready(const struct http *http, struct answer *answer)
{
    if (!http->options.ready || http->options.ready(http->options.context, &answer->body))
        buf_append_text(&answer->body, "ready\n");
    else
        answer->status = MHD_HTTP_SERVICE_UNAVAILABLE;
}

static void answer_metrics(const struct http *http, struct answer *answer)
{
    answer->type = METRICS_TYPE;
    metrics_render(http->options.metrics, &answer->body);
}

static const struct route {
    const char *path;
    void (*answer)(const struct http *http, struct answer *answer);
} routes[] = {
    {"/healthz", answer_alive},
    {"/readyz", answer_ready},
    {"/metrics", answer_metrics},
};

static const struct route *find_route(const char *path)
{
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        if (strcmp(routes[i].path, path) == 0)
            return &routes[i];
    return NULL;
}

static void answer_unknown(struct answer *answer)
{
    answer->status = MHD_HTTP_NOT_FOUND;
    buf_append_text(&answer->body, "nothing here; there are");
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        buf_printf(&answer->body, " %s", routes[i].path);
    buf_append_byte(&answer->body, '\n');
}

/* Takes the body. */
static enum MHD_Result queue_answer(struct MHD_Connection *connection, struct answer *answer)
{
    if (answer->body.failed) {
        buf_destroy(&answer->body);
        return MHD_NO; /* closes the connection */
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(answer->body.len, answer->body.data, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        buf_destroy(&answer->body);
        return MHD_NO;
    }
    buf_init(&answer->body);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (answer->status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result result = MHD_queue_response(connection, answer->status, response);
    MHD_destroy_response(response);
    return result;
}

/* Called when the headers of a request are read; a body is never waited for. */
static enum MHD_Result serve(void *context, struct MHD_Connection *connection, const char *path,
                             const char *method, const char *version, const char *upload, size_t *upload_size,
                             void **request)
{
    (void)version, (void)upload, (void)upload_size, (void)request;
    const struct http *http = context;
    struct answer answer = {.status = MHD_HTTP_OK, .type = TEXT_TYPE};
    buf_init(&answer.body);
    const struct route *route = find_route(path);
    if (!route)
        answer_unknown(&answer);
    else if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        answer.status = MHD_HTTP_METHOD_NOT_ALLOWED;
        buf_append_text(&answer.body, "only GET and HEAD\n");
    } else
        route->answer(http, &answer);
    return queue_answer(connection, &answer);
}

UPSINK_PRINTF(2, 0)
static void log_daemon(void *context, const char *format, va_list args)
{
    (void)context;
    char text[256];
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = '\0';
    log_write(LOG_LEVEL_DEBUG, "HTTP", LOG_STR("reason", text));
}

static bool split_address(const char *listen, char *host, size_t host_size, const char **port)
{
    const char *colon = strrchr(listen, ':');
    if (!colon)
        return false;
    size_t len = (size_t)(colon - listen);
    *port = colon + 1;
    if (!**port || strlen(*port) > 5 || strspn(*port, "0123456789") != strlen(*port) || atoi(*port) > 65535)
        return false;
    if (len >= 2 && listen[0] == '[' && listen[len - 1] == ']') {
        listen++;
        len -= 2;
    } else if (memchr(listen, ':', len))
        return false;
    if (len >= host_size)
        return false;
    memcpy(host, listen, len);
    host[len] = '\0';
    return true;
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return (ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24) == 127;
    return address->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

static void set_port(struct sockaddr *address, in_port_t port)
{
    if (address->sa_family == AF_INET)
        ((struct sockaddr_in *)address)->sin_port = htons(port);
    else
        ((struct sockaddr_in6 *)address)->sin6_port = htons(port);
}

/* A listening socket, or -1 with errno. */
static int listen_on(const struct addrinfo *address)
{
    int on = 1, off = 0;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    /* "every address" means IPv4 ones too. */
    if (address->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* The first of the addresses that can be had. */
static int listen_on_any(const struct addrinfo *addresses, bool any_port)
{
    int error = EADDRNOTAVAIL;
    for (const struct addrinfo *address = addresses; address; address = address->ai_next) {
        if (any_port)
            set_port(address->ai_addr, 0);
        int fd = listen_on(address);
        if (fd >= 0)
            return fd;
        error = errno;
    }
    errno = error;
    return -1;
}

static struct addrinfo *resolve(const char *host, const char *port)
{
    struct addrinfo *addresses = NULL;
    struct addrinfo hints = {
        .ai_family = AF_INET6, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    /* Nameless: an IPv6 socket serves both, where the system has IPv6 at all. */
    if (!*host && getaddrinfo(NULL, port, &hints, &addresses) == 0) {
        int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0) {
            close(fd);
            return addresses;
        }
        freeaddrinfo(addresses);
        addresses = NULL;
    }
    hints.ai_family = *host ? AF_UNSPEC : AF_INET;
    return getaddrinfo(*host ? host : NULL, port, &hints, &addresses) == 0 ? addresses : NULL;
}

static int open_socket(const struct http_options *options, struct upsink_error *err)
{
    char host[256];
    const char *port;
    if (!split_address(options->listen, host, sizeof host, &port)) {
        upsink_fail(err, UPSINK_ERR_CONFIG, "http_address_invalid",
                    "http.listen: '%s' is no address to listen on; give host:port, such as 127.0.0.1:9464, "
                    "[::1]:9464 "
                    "or :9464",
                    options->listen);
        return -1;
    }
    int fd = -1;
    struct addrinfo *addresses = resolve(host, port);
    if (!addresses) {
        upsink_fail(err, UPSINK_ERR_CONFIG, "http_address_invalid", "http.listen: the host '%s' is not known",
                    host);
        return -1;
    }
    for (const struct addrinfo *address = addresses; address && !options->token_given;
         address = address->ai_next)
        if (!is_loopback(address->ai_addr)) {
            upsink_fail(
                err, UPSINK_ERR_CONFIG, "http_token_missing",
                "http.listen: '%s' can be reached from other machines, which needs http.token; set one, or "
                "listen on 127.0.0.1",
                options->listen);
            goto cleanup;
        }
    fd = listen_on_any(addresses, false);
    if (fd < 0 && errno == EADDRINUSE && !options->listen_given)
        fd = listen_on_any(addresses, true);
    if (fd < 0 && errno == EADDRINUSE)
        upsink_fail(err, UPSINK_ERR_FATAL, "http_address_taken",
                    "http.listen: %s is in use by another process; stop that one, or choose another port (0: "
                    "any free "
                    "one)",
                    options->listen);
    else if (fd < 0)
        upsink_fail(err, UPSINK_ERR_FATAL, "http_failed", "http.listen: can't listen on %s: %s",
                    options->listen, strerror(errno));
cleanup:
    freeaddrinfo(addresses);
    return fd;
}

static void describe_socket(int fd, char *text, size_t size)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    char host[INET6_ADDRSTRLEN] = "?", port[8] = "0";
    if (getsockname(fd, (struct sockaddr *)&address, &len) == 0)
        getnameinfo((struct sockaddr *)&address, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(text, size, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

struct http *http_create(const struct http_options *options, struct upsink_error *err)
{
    struct http *http = calloc(1, sizeof *http);
    if (!http) {
        upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory for the HTTP listener");
        return NULL;
    }
    int fd = open_socket(options, err);
    if (fd < 0)
        goto cleanup;
    http->options = *options;
    http->options.listen = NULL;
    describe_socket(fd, http->address, sizeof http->address);
    http->daemon =
        MHD_start_daemon(MHD_USE_AUTO_INTERNAL_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL, serve, http,
                         MHD_OPTION_EXTERNAL_LOGGER, log_daemon, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
                         MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
                         MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_SECONDS,
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES, MHD_OPTION_END);
    if (http->daemon)
        return http;
    upsink_fail(err, UPSINK_ERR_FATAL, "http_failed", "the HTTP listener on %s can't be started",
                http->address);
cleanup:
    free(http);
    return NULL;
}

const char *http_address(const struct http *http)
{
    return http->address;
}

void http_destroy(struct http *http)
{
    if (!http)
        return;
    MHD_stop_daemon(http->daemon);
    free(http);
}
