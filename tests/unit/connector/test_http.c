#include "connector/http.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <cmocka.h>

struct fixture {
    struct metrics *metrics;
    struct http *http;
    const char *trouble; /* NULL: ready */
    char answer[65536];
};

static bool say_ready(void *context, struct buf *reasons)
{
    struct fixture *fixture = context;
    if (fixture->trouble)
        buf_append_text(reasons, fixture->trouble);
    return !fixture->trouble;
}

static struct http_options options_for(struct fixture *fixture, const char *listen)
{
    return (struct http_options){.listen = listen,
                                 .listen_given = true,
                                 .metrics = fixture->metrics,
                                 .ready = say_ready,
                                 .context = fixture};
}

static int set_up(void **state)
{
    struct upsink_error err;
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->metrics = metrics_create();
    assert_non_null(fixture->metrics);
    struct http_options options = options_for(fixture, "127.0.0.1:0");
    fixture->http = http_create(&options, &err);
    assert_non_null(fixture->http);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    http_destroy(fixture->http);
    metrics_destroy(fixture->metrics);
    free(fixture);
    return 0;
}

static unsigned short port_of(const struct http *http)
{
    return (unsigned short)atoi(strrchr(http_address(http), ':') + 1);
}

static int dial(const struct http *http)
{
    int fd;
    struct timeval patience = {.tv_sec = 10};
    if (http_address(http)[0] == '[') {
        struct sockaddr_in6 address = {
            .sin6_family = AF_INET6, .sin6_port = htons(port_of(http)), .sin6_addr = in6addr_loopback};
        fd = socket(AF_INET6, SOCK_STREAM, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    } else {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port_of(http))};
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

/* Sends the request and reads until the server closes. */
static void exchange(struct fixture *fixture, const struct http *http, const char *request)
{
    int fd = dial(http);
    size_t len = 0;
    ssize_t got;
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
    while ((got = recv(fd, fixture->answer + len, sizeof fixture->answer - 1 - len, 0)) > 0)
        len += (size_t)got;
    fixture->answer[len] = '\0';
    close(fd);
}

static void ask(struct fixture *fixture, const char *method, const char *path)
{
    char request[512];
    snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", method, path);
    exchange(fixture, fixture->http, request);
}

static void assert_status(const struct fixture *fixture, int status)
{
    char line[32];
    snprintf(line, sizeof line, "HTTP/1.1 %d ", status);
    assert_memory_equal(fixture->answer, line, strlen(line));
}

static const char *body_of(const struct fixture *fixture)
{
    const char *end = strstr(fixture->answer, "\r\n\r\n");
    assert_non_null(end);
    return end + 4;
}

static void a_living_process_says_so(void **state)
{
    struct fixture *fixture = *state;
    fixture->trouble = "orders: the sink is down\n"; /* which is no reason to be restarted */
    ask(fixture, "GET", "/healthz");
    assert_status(fixture, 200);
    assert_string_equal(body_of(fixture), "alive\n");
}

static void readiness_names_the_views_that_can_not_go_on(void **state)
{
    struct fixture *fixture = *state;
    ask(fixture, "GET", "/readyz");
    assert_status(fixture, 200);
    fixture->trouble = "orders: the sink is down\nitems: stopped\n";
    ask(fixture, "GET", "/readyz");
    assert_status(fixture, 503);
    assert_string_equal(body_of(fixture), fixture->trouble);
    fixture->trouble = NULL;
    ask(fixture, "GET", "/readyz");
    assert_status(fixture, 200);
}

static void metrics_are_served_as_prometheus_wants_them(void **state)
{
    struct fixture *fixture = *state;
    struct metrics_view *view = metrics_view_create(fixture->metrics, "orders");
    metrics_set(&view->sink_up, 1);
    ask(fixture, "GET", "/metrics?x=y");
    assert_status(fixture, 200);
    assert_non_null(strstr(fixture->answer, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert_non_null(strstr(body_of(fixture), "\nupsink_sink_up{view=\"orders\"} 1\n"));
}

static void head_gives_the_head_alone(void **state)
{
    struct fixture *fixture = *state;
    fixture->trouble = "orders: down\n";
    ask(fixture, "HEAD", "/readyz");
    assert_status(fixture, 503);
    assert_non_null(strstr(fixture->answer, "Content-Length: 13\r\n"));
    assert_string_equal(body_of(fixture), "");
}

static void other_methods_are_refused(void **state)
{
    struct fixture *fixture = *state;
    static const char *const methods[] = {"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "get"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        ask(fixture, methods[i], "/metrics");
        assert_status(fixture, 405);
        assert_non_null(strstr(fixture->answer, "Allow: GET, HEAD\r\n"));
    }
    exchange(fixture, fixture->http,
             "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nabc");
    assert_status(fixture, 405);
}

static void an_unknown_path_is_answered_with_those_that_there_are(void **state)
{
    struct fixture *fixture = *state;
    static const char *const paths[] = {"/", "/metric", "/metrics/", "//metrics", "/../metrics", "/%00"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        ask(fixture, "GET", paths[i]);
        assert_status(fixture, 404);
        assert_non_null(strstr(body_of(fixture), "/healthz /readyz /metrics\n"));
    }
}

static void a_request_that_makes_no_sense_harms_nobody(void **state)
{
    struct fixture *fixture = *state;
    static char huge[100000];
    memset(huge, 'a', sizeof huge - 1);
    memcpy(huge, "GET /", 5);
    memcpy(huge + sizeof huge - 5, "\r\n\r\n", 4);
    exchange(fixture, fixture->http, "\x16\x03\x01\x02\r\n\r\n");
    exchange(fixture, fixture->http, huge);
    ask(fixture, "GET", "/healthz");
    assert_status(fixture, 200);
}

static void clients_that_say_nothing_do_not_shut_others_out(void **state)
{
    struct fixture *fixture = *state;
    int silent[40];
    for (size_t i = 0; i < 40; i++)
        silent[i] = dial(fixture->http);
    ask(fixture, "GET", "/healthz");
    assert_status(fixture, 200);
    for (size_t i = 0; i < 40; i++)
        close(silent[i]);
}

static void a_port_that_was_asked_for_and_is_taken_is_an_error(void **state)
{
    struct fixture *fixture = *state;
    struct upsink_error err;
    struct http_options options = options_for(fixture, http_address(fixture->http));
    assert_null(http_create(&options, &err));
    assert_int_equal(err.cls, UPSINK_ERR_FATAL);
    assert_string_equal(err.code, "http_address_taken");
    assert_non_null(strstr(err.text, http_address(fixture->http)));
}

static void a_default_port_that_is_taken_gives_way_to_a_free_one(void **state)
{
    struct fixture *fixture = *state;
    struct upsink_error err;
    struct http_options options = options_for(fixture, http_address(fixture->http));
    options.listen_given = false;
    struct http *other = http_create(&options, &err);
    assert_non_null(other);
    assert_int_not_equal(port_of(other), 0);
    assert_int_not_equal(port_of(other), port_of(fixture->http));
    exchange(fixture, other, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_status(fixture, 200);
    http_destroy(other);
}

static void a_port_is_free_again_at_once_after_a_stop(void **state)
{
    struct fixture *fixture = *state;
    struct upsink_error err;
    char address[64];
    snprintf(address, sizeof address, "%s", http_address(fixture->http));
    ask(fixture, "GET", "/healthz");
    int half = dial(fixture->http);
    http_destroy(fixture->http);
    struct http_options options = options_for(fixture, address);
    fixture->http = http_create(&options, &err);
    assert_non_null(fixture->http);
    assert_string_equal(http_address(fixture->http), address);
    close(half);
}

static void an_ipv6_address_is_listened_on(void **state)
{
    struct fixture *fixture = *state;
    struct upsink_error err;
    struct http_options options = options_for(fixture, "[::1]:0");
    struct http *http = http_create(&options, &err);
    assert_non_null(http);
    assert_memory_equal(http_address(http), "[::1]:", 6);
    exchange(fixture, http, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_status(fixture, 200);
    http_destroy(http);
}

static void without_a_host_every_address_is_listened_on(void **state)
{
    struct fixture *fixture = *state;
    struct upsink_error err;
    struct http_options options = options_for(fixture, ":0");
    options.token_given = true;
    struct http *http = http_create(&options, &err);
    assert_non_null(http);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port_of(http))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
    http_destroy(http);
}

static void beyond_loopback_a_token_is_needed(void **state)
{
    struct fixture *fixture = *state;
    static const char *const addresses[] = {":0", "0.0.0.0:0", "[::]:0"};
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        struct upsink_error err;
        struct http_options options = options_for(fixture, addresses[i]);
        assert_null(http_create(&options, &err));
        assert_int_equal(err.cls, UPSINK_ERR_CONFIG);
        assert_non_null(strstr(err.text, "http.token"));
    }
}

static void what_is_no_address_is_refused(void **state)
{
    struct fixture *fixture = *state;
    static const char *const addresses[] = {"",
                                            "9464",
                                            "localhost",
                                            "localhost:",
                                            "localhost:x",
                                            "localhost:65536",
                                            "::1:9464",
                                            "127.0.0.1:-1",
                                            "127.0.0.1:999999999999",
                                            "no.such.host.invalid:1"};
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        struct upsink_error err;
        struct http_options options = options_for(fixture, addresses[i]);
        assert_null(http_create(&options, &err));
        assert_int_equal(err.cls, UPSINK_ERR_CONFIG);
    }
}

static void a_listener_that_was_never_there_can_be_destroyed(void **state)
{
    (void)state;
    http_destroy(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_living_process_says_so),
        TEST(readiness_names_the_views_that_can_not_go_on),
        TEST(metrics_are_served_as_prometheus_wants_them),
        TEST(head_gives_the_head_alone),
        TEST(other_methods_are_refused),
        TEST(an_unknown_path_is_answered_with_those_that_there_are),
        TEST(a_request_that_makes_no_sense_harms_nobody),
        TEST(clients_that_say_nothing_do_not_shut_others_out),
        TEST(a_port_that_was_asked_for_and_is_taken_is_an_error),
        TEST(a_default_port_that_is_taken_gives_way_to_a_free_one),
        TEST(a_port_is_free_again_at_once_after_a_stop),
        TEST(an_ipv6_address_is_listened_on),
        TEST(without_a_host_every_address_is_listened_on),
        TEST(beyond_loopback_a_token_is_needed),
        TEST(what_is_no_address_is_refused),
        cmocka_unit_test(a_listener_that_was_never_there_can_be_destroyed),
    };
    return cmocka_run_group_tests_name("connector/http", tests, NULL, NULL);
}
