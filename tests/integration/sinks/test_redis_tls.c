/* rediss: the server is the one that its certificate says, or there is no connection. */
#include "redis_help.h"

#include <arpa/inet.h>
#include <sys/socket.h>

static char certificates[64];
static int tls_port;

static void run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void run(const char *format, ...)
{
    char command[1200];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    if (system(command) != 0)
        fail_msg("%s failed", command);
}

/* A certificate NAME.crt with NAME.key for the names, of the authority ca.crt. */
static void make_certificate(const char *name, const char *names)
{
    run("cd %s && openssl req -newkey rsa:2048 -nodes -keyout %s.key -subj /CN=%s -out %s.csr 2>/dev/null && "
        "echo subjectAltName=%s >%s.ext && openssl x509 -req -in %s.csr -CA ca.crt -CAkey ca.key "
        "-CAcreateserial "
        "-days 2 -extfile %s.ext -out %s.crt 2>/dev/null",
        certificates, name, name, name, names, name, name, name, name);
}

static int find_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    close(listener);
    return ntohs(address.sin_port);
}

static int tls_setup(void **state)
{
    char extra[600];
    snprintf(certificates, sizeof certificates, "/tmp/upsink-tls-XXXXXX");
    assert_non_null(mkdtemp(certificates));
    run("cd %s && openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -subj /CN=ca -days 2 -out ca.crt "
        "2>/dev/null",
        certificates);
    make_certificate("server", "DNS:localhost,IP:127.0.0.1");
    make_certificate("client", "DNS:client");
    group_setup(state);
    remove_server();
    redisFree(admin);
    admin = NULL;
    tls_port = find_port();
    snprintf(
        extra, sizeof extra,
        "tls-port %d\ntls-cert-file %s/server.crt\ntls-key-file %s/server.key\ntls-ca-cert-file %s/ca.crt\n"
        "tls-auth-clients optional",
        tls_port, certificates, certificates, certificates);
    start_server(extra);
    return 0;
}

static int tls_teardown(void **state)
{
    group_teardown(state);
    run("rm -rf %s", certificates);
    return 0;
}

__attribute__((format(printf, 3, 4))) static void name_server(struct desk *desk, const char *host,
                                                              const char *query, ...)
{
    va_list args;
    int len = snprintf(desk->url, sizeof desk->url, "rediss://%s:%d/0", host, tls_port);
    va_start(args, query);
    vsnprintf(desk->url + len, sizeof desk->url - (size_t)len, query, args);
    va_end(args);
}

static void rows_go_through_an_encrypted_connection(void **state)
{
    enum { COUNT = 5000, SIZE = 2000 };
    static struct upsink_change changes[COUNT];
    static struct upsink_result results[COUNT];
    static char keys[COUNT][16], value[SIZE + 1];
    struct desk *desk = *state;
    static const char *const hosts[] = {"localhost", "127.0.0.1"};
    memset(value, '7', SIZE);
    for (size_t h = 0; h < 2; h++) {
        name_server(desk, hosts[h], "?ca_file=%s/ca.crt", certificates);
        desk_open(desk);
        for (int i = 0; i < COUNT; i++) {
            snprintf(keys[i], sizeof keys[i], "%05d", i);
            changes[i] = upsert(keys[i], value, COUNT * (int64_t)h + i);
        }
        need(desk, try_write(desk, changes, COUNT, results), "write");
        for (int i = 0; i < COUNT; i++)
            assert_int_equal(results[i].verdict, UPSINK_APPLIED);
        need(desk, try_commit(desk), "commit");
        assert_string_equal(ask("STRLEN %s04999", desk->prefix), "2000");
        assert_non_null(strstr(type->describe(desk->sink), "rediss://"));
    }
}

static void assert_refused(struct desk *desk)
{
    desk_close(desk);
    assert_false(try_prepare(desk));
    assert_string_equal(desk->err.code, "tls_failed");
    assert_int_equal(desk->err.cls, UPSINK_ERR_REFUSED);
}

static void a_certificate_that_nobody_trusts_is_refused(void **state)
{
    struct desk *desk = *state;
    name_server(desk, "localhost", "%s", "");
    assert_refused(desk);
    name_server(desk, "localhost", "?ca_file=%s/none.crt", certificates);
    assert_refused(desk);
}

static void a_certificate_for_another_host_is_refused(void **state)
{
    struct desk *desk = *state;
    name_server(desk, "127.0.0.2", "?ca_file=%s/ca.crt", certificates);
    ask("CONFIG SET bind %s", "127.0.0.1 127.0.0.2");
    assert_refused(desk);
    assert_non_null(strstr(desk->err.text, "IP address mismatch"));
}

static void a_certificate_of_our_own_is_shown(void **state)
{
    struct desk *desk = *state;
    ask("CONFIG SET tls-auth-clients yes");
    name_server(desk, "localhost", "?ca_file=%s/ca.crt", certificates);
    assert_false(try_prepare(desk));
    desk_close(desk);
    name_server(desk, "localhost", "?ca_file=%s/ca.crt&cert_file=%s/client.crt&key_file=%s/client.key",
                certificates, certificates, certificates);
    desk_open(desk);
    assert_int_equal(apply(desk, upsert("a", "{}", 1)), UPSINK_APPLIED);
    ask("CONFIG SET tls-auth-clients optional");
}

/* Each of the two waits for the other to speak first. */
static void a_server_without_tls_is_given_up(void **state)
{
    struct desk *desk = *state;
    snprintf(desk->url, sizeof desk->url, "rediss://127.0.0.1:%ld/0?ca_file=%s/ca.crt", server_port,
             certificates);
    desk->view.timeout_us = CLOCK_SECOND / 2;
    assert_false(try_prepare(desk));
    desk_close(desk);
    snprintf(desk->url, sizeof desk->url, "redis://127.0.0.1:%d/0", tls_port);
    assert_false(try_prepare(desk));
}

static void an_encrypted_connection_that_is_killed_is_made_again(void **state)
{
    struct desk *desk = *state;
    name_server(desk, "localhost", "?ca_file=%s/ca.crt", certificates);
    desk_open(desk);
    ask("CLIENT KILL TYPE normal");
    assert_write_fails(desk, upsert("a", "{}", 1), UPSINK_ERR_OUTAGE, "sink_unreachable");
    need(desk, try_prepare(desk), "prepare");
    assert_int_equal(apply(desk, upsert("a", "{}", 1)), UPSINK_APPLIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DESK_TEST(rows_go_through_an_encrypted_connection),
        DESK_TEST(a_certificate_that_nobody_trusts_is_refused),
        DESK_TEST(a_certificate_of_our_own_is_shown),
        DESK_TEST(a_server_without_tls_is_given_up),
        DESK_TEST(an_encrypted_connection_that_is_killed_is_made_again),
        DESK_TEST(a_certificate_for_another_host_is_refused),
    };
    return cmocka_run_group_tests(tests, tls_setup, tls_teardown);
}
