/* Credentials, rights and API keys, with Elasticsearch's own security. */
#include "elasticsearch_help.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>

static void use_url(struct desk *desk, const char *user)
{
    snprintf(desk->url, sizeof desk->url, "elasticsearch://%s%s127.0.0.1:%ld", user, *user ? "@" : "",
             server_port);
}

/* What roles.yml says from now on; the server looks every few seconds. */
static void set_rights(const char *privileges)
{
    char path[128];
    snprintf(path, sizeof path, "%s/server/home/config/roles.yml", server_directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "writer:\n  indices: [{names: [\"t*\", \".upsink-*\"], privileges: [%s]}]\n", privileges);
    assert_int_equal(fclose(file), 0);
}

static void assert_refused(struct desk *desk, const char *code)
{
    assert_false(try_prepare(desk));
    assert_int_equal(desk->err.cls, UPSINK_ERR_REFUSED);
    assert_string_equal(desk->err.code, code);
    assert_null(strstr(desk->err.text, "s3cret"));
    assert_null(strstr(desk->err.detail, "s3cret"));
    desk_close(desk);
}

static void wrong_credentials_are_refused_without_showing_them(void **state)
{
    struct desk *desk = *state;
    use_url(desk, "admin:s3cret");
    assert_refused(desk, "credentials_refused");
    use_url(desk, "");
    assert_refused(desk, "credentials_refused");
    desk_set(desk, "api_key", "s3cret:s3cret");
    assert_refused(desk, "credentials_refused");
}

static void the_rights_that_the_manual_lists_are_enough(void **state)
{
    struct desk *desk = *state;
    use_url(desk, "writer:secret-of-tests");
    desk_open(desk);
    assert_int_equal(apply(desk, upsert("a", "{\"n\":1}", 1)), UPSINK_APPLIED);
    assert_int_equal(apply(desk, tombstone("a", 2)), UPSINK_APPLIED);
    desk_open(desk);
    assert_int_equal(apply(desk, upsert("a", "{\"n\":1}", 1)), UPSINK_STALE);
}

static void rights_that_are_missing_or_withdrawn_are_no_bad_records(void **state)
{
    struct desk *desk = *state;
    struct upsink_result result;
    bool done = true;
    use_url(desk, "reader:secret-of-tests");
    assert_refused(desk, "permission_denied");
    use_url(desk, "writer:secret-of-tests");
    desk_open(desk);
    apply(desk, upsert("a", "{\"n\":1}", 1));
    set_rights("monitor, read");
    for (int64_t offset = 2; done && offset < 300; offset++) {
        struct upsink_change change = upsert("a", "{\"n\":2}", offset);
        done = try_write(desk, &change, 1, &result);
        assert_true(!done || result.verdict == UPSINK_APPLIED);
        sleep_ms(100);
    }
    assert_false(done);
    assert_int_equal(desk->err.cls, UPSINK_ERR_REFUSED);
    assert_string_equal(desk->err.code, "permission_denied");
    type->abort(desk->sink);
}

/* --- API keys; those that a server makes: test_elasticsearch_security.py ----------------------------------
 */

#define REFUSAL  "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
#define STARTING "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

/* A server that gives one answer so many times, and then another one. */
struct doorman {
    int listener, times;
    const char *first, *then;
    pthread_t thread;
    char request[4096]; /* the last one */
};

static void *answer_all(void *context)
{
    struct doorman *doorman = context;
    for (;;) {
        int client = accept(doorman->listener, NULL, NULL);
        if (client < 0)
            return NULL;
        const char *answer = doorman->times-- > 0 ? doorman->first : doorman->then;
        ssize_t len = recv(client, doorman->request, sizeof doorman->request - 1, 0);
        doorman->request[len > 0 ? len : 0] = '\0';
        (void)!write(client, answer, strlen(answer));
        close(client);
    }
}

static void doorman_start(struct doorman *doorman, struct desk *desk, int times, const char *first,
                          const char *then)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    *doorman = (struct doorman){
        .listener = socket(AF_INET, SOCK_STREAM, 0), .times = times, .first = first, .then = then};
    assert_int_equal(bind(doorman->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(doorman->listener, 8), 0);
    assert_int_equal(getsockname(doorman->listener, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(pthread_create(&doorman->thread, NULL, answer_all, doorman), 0);
    snprintf(desk->url, sizeof desk->url, "elasticsearch://127.0.0.1:%d", ntohs(address.sin_port));
}

static void doorman_stop(struct doorman *doorman)
{
    shutdown(doorman->listener, SHUT_RDWR);
    pthread_join(doorman->thread, NULL);
    close(doorman->listener);
}

static void an_api_key_is_sent_instead_of_a_user(void **state)
{
    struct desk *desk = *state;
    struct doorman doorman;
    doorman_start(&doorman, desk, 0, NULL, REFUSAL);
    desk_set(desk, "api_key", "VuaCfGcBCdbkQm:ui2lp2axTNmsyakw9tvNnw");
    assert_refused(desk, "credentials_refused");
    doorman_stop(&doorman);
    assert_non_null(
        strstr(doorman.request,
               "\r\nAuthorization: ApiKey VnVhQ2ZHY0JDZGJrUW06dWkybHAyYXhUTm1zeWFrdzl0dk5udw==\r\n"));
    use_url(desk, "admin:secret-of-tests");
    assert_false(try_prepare(desk));
    assert_string_equal(desk->err.code, "bad_setting");
}

/* What Elasticsearch says to its own users until it can read its index .security. */
static void a_first_refusal_is_asked_again(void **state)
{
    struct desk *desk = *state;
    struct doorman doorman;
    doorman_start(&doorman, desk, 3, REFUSAL, STARTING);
    assert_false(try_prepare(desk));
    doorman_stop(&doorman);
    assert_int_equal(desk->err.cls, UPSINK_ERR_OUTAGE);
    assert_string_equal(desk->err.code, "sink_unavailable");
}

static void a_refusal_right_after_an_outage_is_an_outage(void **state)
{
    struct desk *desk = *state;
    struct doorman doorman;
    doorman_start(&doorman, desk, 2, STARTING, REFUSAL);
    for (int i = 0; i < 3; i++) {
        assert_false(try_prepare(desk));
        assert_int_equal(desk->err.cls, UPSINK_ERR_OUTAGE);
        assert_string_equal(desk->err.code, i ? "credentials_refused" : "sink_unavailable");
    }
    doorman_stop(&doorman);
}

static const struct CMUnitTest tests[] = {
    TEST(wrong_credentials_are_refused_without_showing_them),
    TEST(the_rights_that_the_manual_lists_are_enough),
    TEST(rights_that_are_missing_or_withdrawn_are_no_bad_records),
    TEST(an_api_key_is_sent_instead_of_a_user),
    TEST(a_first_refusal_is_asked_again),
    TEST(a_refusal_right_after_an_outage_is_an_outage),
};

int main(void)
{
    choose_server("elasticsearch");
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
