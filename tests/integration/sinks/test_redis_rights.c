/* Who may do what, and servers that no view can use. */
#include "redis_help.h"

static void log_in_as(struct desk *desk, const char *user, const char *password)
{
    snprintf(desk->url, sizeof desk->url, "redis://%s:%s@127.0.0.1:%ld/0", user, password, server_port);
}

static void assert_refused(struct desk *desk, const char *code)
{
    desk_close(desk);
    assert_false(try_prepare(desk));
    assert_string_equal(desk->err.code, code);
    assert_int_equal(desk->err.cls, UPSINK_ERR_REFUSED);
    if (strstr(desk->err.text, "s3cr3t") || strstr(desk->err.detail, "s3cr3t") ||
        strstr(type->describe(desk->sink), "s3cr3t"))
        fail_msg("the password is shown: %s", desk->err.text);
}

static void wrong_credentials_are_refused(void **state)
{
    struct desk *desk = *state;
    ask("ACL SETUSER reader reset on >s3cr3t ~* &* +@all");
    log_in_as(desk, "reader", "s3cr3t-not");
    assert_refused(desk, "credentials_refused");
    log_in_as(desk, "nobody", "s3cr3t");
    assert_refused(desk, "credentials_refused");
    log_in_as(desk, "", "s3cr3t");
    assert_refused(desk, "credentials_refused");
    ask("ACL SETUSER reader off");
    log_in_as(desk, "reader", "s3cr3t");
    assert_refused(desk, "credentials_refused");
    ask("ACL SETUSER reader on");
    desk_open(desk);
    assert_int_equal(apply(desk, upsert("a", "{}", 1)), UPSINK_APPLIED);
}

static void a_password_that_is_asked_for_and_not_given_is_refused(void **state)
{
    struct desk *desk = *state;
    ask("CONFIG SET requirepass s3cr3t");
    assert_refused(desk, "credentials_refused");
    log_in_as(desk, "", "s3cr3t");
    desk_open(desk);
    desk_close(desk);
    ask("CONFIG SET requirepass %s", "");
    assert_refused(desk, "credentials_refused"); /* nobody to give a password to */
}

/* The rights that the manual lists, and not one less. */
#define RIGHTS                                                                                               \
    "+info|memory +info|cluster +config|get +scan +type +exists +eval +evalsha +script|load "                \
    "+get +mget +set +mset +del +unlink +pexpire +hget +hmget +hgetall +hset +hdel +hscan"

static void set_rights(const struct desk *desk, const char *commands)
{
    char text[700];
    snprintf(text, sizeof text, "ACL SETUSER writer reset on >s3cr3t ~_upsink:* ~%s* %s", desk->prefix,
             commands);
    ask(text);
}

static void the_rights_of_the_manual_are_enough(void **state)
{
    struct desk *desk = *state;
    set_rights(desk, RIGHTS);
    log_in_as(desk, "writer", "s3cr3t");
    desk_open(desk);
    apply(desk, upsert("a", "{}", 1));
    apply(desk, tombstone("a", 2));
    apply(desk, upsert("a", "{}", 3));
    ask("ACL LOG RESET");
    desk_open(desk);
    assert_int_equal(desk->position.next_offset, 4);
    assert_string_equal(ask("ACL LOG"), "0");
    /* INFO and CONFIG are only for advice. */
    set_rights(desk, RIGHTS " -info -config");
    desk_open(desk);
}

static void a_user_without_rights_is_refused_and_may_come_back(void **state)
{
    struct desk *desk = *state;
    struct upsink_change change = upsert("a", "{\"n\":2}", 2);
    log_in_as(desk, "writer", "s3cr3t");
    ask("ACL SETUSER writer reset on >s3cr3t ~* -@all");
    assert_refused(desk, "permission_denied");
    set_rights(desk, RIGHTS " -eval");
    assert_refused(desk, "permission_denied");
    set_rights(desk, RIGHTS);
    ask("ACL SETUSER writer resetkeys ~_upsink:* ~others:*");
    assert_refused(desk, "permission_denied");
    set_rights(desk, RIGHTS);
    desk_open(desk);
    apply(desk, upsert("a", "{\"n\":1}", 1));
    /* Keys, commands, login: what was refused is applied when it may be. */
    static const char *const takings[] = {"ACL SETUSER writer resetkeys ~_upsink:*",
                                          "ACL SETUSER writer -mset", "ACL SETUSER writer -hset",
                                          "ACL SETUSER writer -evalsha"};
    for (size_t i = 0; i < sizeof takings / sizeof *takings; i++) {
        change.offset = 2 + (int64_t)i;
        ask(takings[i]);
        assert_write_fails(desk, change, UPSINK_ERR_REFUSED, "permission_denied");
        set_rights(desk, RIGHTS);
        need(desk, try_prepare(desk), "prepare");
        assert_int_equal(apply(desk, change), UPSINK_APPLIED);
        assert_string_equal(row(desk, "a"), "{\"n\":2}");
    }
}

static void a_database_that_is_not_there_is_refused(void **state)
{
    struct desk *desk = *state;
    snprintf(desk->url, sizeof desk->url, "redis://127.0.0.1:%ld/3", server_port);
    desk_open(desk);
    apply(desk, upsert("a", "{}", 1));
    assert_string_equal(row(desk, "a"), "(nil)");
    desk_close(desk);
    snprintf(desk->url, sizeof desk->url, "redis://127.0.0.1:%ld/99", server_port);
    assert_false(try_prepare(desk));
    assert_string_equal(desk->err.code, "database_missing");
}

static struct upsink_host host;
static char logged[1000];

static void keep_log(void *context, enum upsink_log_level level, const char *text)
{
    (void)context;
    (void)level;
    snprintf(logged, sizeof logged, "%s", text);
}

static void a_server_that_evicts_rows_is_refused(void **state)
{
    struct desk *desk = *state;
    ask("CONFIG SET maxmemory 1gb");
    ask("CONFIG SET maxmemory-policy allkeys-lru");
    assert_false(try_prepare(desk));
    assert_string_equal(desk->err.code, "eviction_unsafe");
    assert_int_equal(desk->err.cls, UPSINK_ERR_FATAL);
    desk_close(desk);
    ask("CONFIG SET maxmemory-policy volatile-ttl");
    host = (struct upsink_host){.size = sizeof host, .log = keep_log};
    need(desk, type->open(&desk->sink, &desk->view, &host, &desk->err), "open");
    need(desk, type->prepare(desk->sink, NULL, &desk->err), "prepare");
    assert_non_null(strstr(logged, "volatile-ttl"));
    ask("CONFIG SET maxmemory 0");
    ask("CONFIG SET maxmemory-policy noeviction");
}

static void too_many_connections_are_an_outage(void **state)
{
    struct desk *desk = *state;
    ask("CONFIG SET maxclients 1");
    assert_false(try_prepare(desk));
    assert_int_equal(desk->err.cls, UPSINK_ERR_OUTAGE);
    ask("CONFIG SET maxclients 1000");
    need(desk, try_prepare(desk), "prepare");
}

static void a_cluster_is_refused(void **state)
{
    struct desk *desk = *state;
    remove_server();
    start_server("cluster-enabled yes");
    snprintf(desk->url, sizeof desk->url, "redis://127.0.0.1:%ld/0", server_port);
    assert_false(try_prepare(desk));
    assert_string_equal(desk->err.code, "cluster_unsupported");
    assert_int_equal(desk->err.cls, UPSINK_ERR_FATAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DESK_TEST(wrong_credentials_are_refused),
        DESK_TEST(a_password_that_is_asked_for_and_not_given_is_refused),
        DESK_TEST(the_rights_of_the_manual_are_enough),
        DESK_TEST(a_user_without_rights_is_refused_and_may_come_back),
        DESK_TEST(a_database_that_is_not_there_is_refused),
        DESK_TEST(a_server_that_evicts_rows_is_refused),
        DESK_TEST(too_many_connections_are_an_outage),
        DESK_TEST(a_cluster_is_refused),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
