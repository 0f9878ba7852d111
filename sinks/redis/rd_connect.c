/* A connection: address, login, and what the server is. */
#include "rd_code.h"
#include "rd_sink.h"

#include "clock.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LOGIN_SLICE_MS = 200, DEFAULT_MOST_BYTES = 512 << 20 };

void rd_disconnect(struct upsink_sink *sink)
{
    rd_tls_stop(&sink->tls);
    if (sink->fd >= 0)
        close(sink->fd);
    sink->fd = -1;
    sink->broken = false;
    if (sink->reader)
        redisReaderFree(sink->reader);
    sink->reader = NULL;
    buf_clear(&sink->out);
    sink->sent = 0;
    sink->sha[0] = '\0'; /* the next server may not know the script */
}

static bool fail_connect(struct upsink_sink *sink, const char *reason, struct upsink_error *err)
{
    return upsink_fail(err, UPSINK_ERR_OUTAGE, "sink_unreachable", "can't connect to %s: %s",
                       sink->description, reason);
}

/* The connection is there within the time, or not: an errno. */
static int await_connection(struct upsink_sink *sink, int fd, int64_t deadline)
{
    for (;;) {
        struct pollfd poller = {.fd = fd, .events = POLLOUT};
        int ready = poll(&poller, 1, LOGIN_SLICE_MS), problem = 0;
        socklen_t size = sizeof problem;
        if (ready > 0)
            return getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size) ? errno : problem;
        if (ready < 0 && errno != EINTR)
            return errno;
        if (clock_monotonic_us() >= deadline || upsink_host_is_stopping(sink->host))
            return ETIMEDOUT;
    }
}

static int open_socket(struct upsink_sink *sink, const struct addrinfo *address, int64_t deadline)
{
    int yes = 1;
    int fd = socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    int problem = connect(fd, address->ai_addr, address->ai_addrlen) ? errno : 0;
    if (problem == EINPROGRESS)
        problem = await_connection(sink, fd, deadline);
    if (problem) {
        close(fd);
        return problem;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
    sink->fd = fd;
    return 0;
}

static bool open_any(struct upsink_sink *sink, struct upsink_error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    char port[16];
    int64_t deadline = clock_monotonic_us() + upsink_view_timeout_us(sink->view);
    snprintf(port, sizeof port, "%d", (int)sink->settings.port);
    int unknown = getaddrinfo(sink->settings.host, port, &hints, &found), problem = ECONNREFUSED;
    if (unknown)
        return fail_connect(sink, gai_strerror(unknown), err);
    for (const struct addrinfo *each = found; each && sink->fd < 0; each = each->ai_next)
        problem = open_socket(sink, each, deadline);
    freeaddrinfo(found);
    char text[128];
    return sink->fd >= 0 || fail_connect(sink, strerror_r(problem, text, sizeof text), err);
}

/* --- TLS --- */

struct handshake {
    struct upsink_sink *sink;
    int64_t deadline;
};

static bool await_handshake(void *context, short events, struct upsink_error *err)
{
    struct handshake *handshake = context;
    struct upsink_sink *sink = handshake->sink;
    struct pollfd poller = {.fd = sink->fd, .events = events};
    for (;;) {
        int ready = poll(&poller, 1, LOGIN_SLICE_MS);
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            return fail_connect(sink, "the connection was lost", err);
        if (clock_monotonic_us() >= handshake->deadline || upsink_host_is_stopping(sink->host))
            return upsink_fail(err, UPSINK_ERR_OUTAGE, "sink_timeout",
                               "%s does not answer to TLS; is it a server without?", sink->description);
    }
}

static bool encrypt(struct upsink_sink *sink, struct upsink_error *err)
{
    struct handshake handshake = {sink, clock_monotonic_us() + upsink_view_timeout_us(sink->view)};
    return !sink->settings.tls ||
           rd_tls_start(&sink->tls, sink->fd, &sink->settings, await_handshake, &handshake, err);
}

/* --- login ------------------------------------------------------------------------------------------- */

static bool expect_ok(struct upsink_sink *sink, const char *doing, struct upsink_error *err)
{
    redisReply *reply = rd_answer(sink, doing, err);
    bool done = reply != NULL;
    rd_reply_free(&reply);
    return done;
}

static bool log_in(struct upsink_sink *sink, struct upsink_error *err)
{
    const struct rd_settings *settings = &sink->settings;
    char database[16];
    if (settings->password && settings->user)
        rd_command(sink, "AUTH", settings->user, settings->password, NULL);
    else if (settings->password)
        rd_command(sink, "AUTH", settings->password, NULL);
    if (settings->password && !expect_ok(sink, "log in", err))
        return false;
    if (!settings->database)
        return true;
    snprintf(database, sizeof database, "%d", (int)settings->database);
    rd_command(sink, "SELECT", database, NULL);
    return expect_ok(sink, "select the database", err);
}

/* --- what the server is ------------------------------------------------------------------------------ */

/* The value of a line "name:value" of INFO; absent where it is not there. */
static struct upsink_slice find_info(struct upsink_slice info, const char *name)
{
    size_t len = strlen(name);
    for (size_t at = 0; at < info.len;) {
        const char *line = info.data + at, *end = memchr(line, '\n', info.len - at);
        size_t size = end ? (size_t)(end - line) : info.len - at;
        if (size > len && memcmp(line, name, len) == 0 && line[len] == ':') {
            size -= line[size - 1] == '\r';
            return (struct upsink_slice){line + len + 1, size - len - 1};
        }
        at += size + 1;
    }
    return UPSINK_SLICE_ABSENT;
}

/* A memory limit whose policy takes keys away that have no expiry takes rows and fences. */
static bool check_eviction(struct upsink_sink *sink, struct upsink_slice info, struct upsink_error *err)
{
    struct upsink_slice limit = find_info(info, "maxmemory"), policy = find_info(info, "maxmemory_policy");
    char text[900], name[32];
    if (!limit.data || upsink_slice_is(limit, "0") || !policy.data || policy.len >= sizeof name)
        return true;
    snprintf(name, sizeof name, "%.*s", (int)policy.len, policy.data);
    if (strncmp(name, "allkeys", 7) == 0)
        return upsink_fail(
            err, UPSINK_ERR_FATAL, "eviction_unsafe",
            "%s evicts any key when maxmemory is reached (maxmemory-policy %s): rows would vanish and "
            "deleted "
            "ones come back; set it to noeviction, or volatile-ttl, or give the view a server of its own",
            sink->description, name);
    if (strncmp(name, "volatile", 8) == 0 && (sink->settings.fence_ttl_ms || sink->settings.ttl_ms)) {
        snprintf(
            text, sizeof text,
            "%s evicts keys that expire when maxmemory is reached (maxmemory-policy %s): fences of deleted "
            "entities expire, and without them late updates bring those back; noeviction is safe",
            sink->description, name);
        upsink_host_log(sink->host, UPSINK_LOG_WARN, text);
    }
    return true;
}

static bool check_cluster(struct upsink_sink *sink, struct upsink_slice info, struct upsink_error *err)
{
    if (!upsink_slice_is(find_info(info, "cluster_enabled"), "1"))
        return true;
    return upsink_fail(
        err, UPSINK_ERR_FATAL, "cluster_unsupported",
        "%s is part of a Redis Cluster, which upsink can't write to: a row and its fence have to "
        "be on one server; name one that is not",
        sink->description);
}

/* Answers that may be refused for want of rights; absent then. */
static bool next_info(struct upsink_sink *sink, redisReply **reply, struct upsink_slice *text,
                      struct upsink_error *err)
{
    *reply = rd_next(sink, "ask the server about itself", err);
    if (!*reply)
        return false;
    *text = rd_text(*reply);
    if ((*reply)->type != REDIS_REPLY_ERROR)
        return true;
    struct rd_meaning meaning = rd_code_meaning((struct upsink_slice){(*reply)->str, (*reply)->len});
    return meaning.cls == UPSINK_ERR_UNKNOWN || strcmp(meaning.code, "permission_denied") == 0 ||
           rd_fail_reply(sink, *reply, "ask the server about itself", err);
}

static bool look_round(struct upsink_sink *sink, struct upsink_error *err)
{
    redisReply *memory = NULL, *cluster = NULL, *limit = NULL;
    struct upsink_slice text;
    rd_command(sink, "INFO", "memory", NULL);
    rd_command(sink, "INFO", "cluster", NULL);
    rd_command(sink, "CONFIG", "GET", "proto-max-bulk-len", NULL);
    bool done = next_info(sink, &memory, &text, err) && check_eviction(sink, text, err) &&
                next_info(sink, &cluster, &text, err) && check_cluster(sink, text, err) &&
                next_info(sink, &limit, &text, err);
    struct upsink_slice most = rd_text(rd_element(limit, 1));
    int64_t number = most.data ? strtoll(most.data, NULL, 10) : 0;
    sink->most_bytes = number > 0 ? number : DEFAULT_MOST_BYTES;
    rd_reply_free(&memory);
    rd_reply_free(&cluster);
    rd_reply_free(&limit);
    return done;
}

bool rd_connect(struct upsink_sink *sink, struct upsink_error *err)
{
    if (sink->fd >= 0 && !sink->broken)
        return true;
    rd_disconnect(sink);
    if (!open_any(sink, err))
        return false;
    sink->reader = redisReaderCreate();
    if (!sink->reader) {
        rd_disconnect(sink);
        return rd_fail_memory(err);
    }
    if (encrypt(sink, err) && log_in(sink, err) && look_round(sink, err))
        return true;
    rd_disconnect(sink);
    return false;
}
