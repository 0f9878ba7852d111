/* Credentials and rights, on a server that asks for them. */
#include "mongodb_help.h"

static int auth_setup(void **state)
{
    setenv("MONGODB_AUTH", "1", 1);
    return group_setup(state);
}

/* `who` is user:password@. */
static bool try_open(struct desk *desk, const char *who)
{
    desk_close(desk);
    snprintf(desk->url, sizeof desk->url, "mongodb://%s127.0.0.1:%ld/app?replicaSet=rs0&collection=orders%s",
             who, server_port, strstr(who, "root") ? "&authSource=admin" : "");
    need(desk, type->open(&desk->sink, &desk->view, NULL, &desk->err), "open");
    return type->prepare(desk->sink, NULL, &desk->err);
}

static void wrong_credentials_are_refused_without_being_shown(void **state)
{
    static const char *const wrong[] = {"app:topsecret@", "nobody:topsecret@"};
    struct desk *desk = *state;
    for (size_t i = 0; i < 2; i++) {
        assert_false(try_open(desk, wrong[i]));
        assert_int_equal(desk->err.cls, UPSINK_ERR_REFUSED);
        assert_string_equal(desk->err.code, "credentials_refused");
        assert_null(strstr(desk->err.text, "topsecret"));
        assert_null(strstr(type->describe(desk->sink), "topsecret"));
    }
}

static void no_credentials_are_no_rights(void **state)
{
    struct desk *desk = *state;
    assert_false(try_open(desk, ""));
    assert_int_equal(desk->err.cls, UPSINK_ERR_REFUSED);
    assert_string_equal(desk->err.code, "permission_denied");
}

static void the_role_read_write_on_the_database_is_enough(void **state)
{
    struct desk *desk = *state;
    need(desk, try_open(desk, "app:secret@"), "prepare");
    desk_open(desk);
    assert_int_equal(apply(desk, upsert("a", 1, "{\"n\":1}")), UPSINK_APPLIED);
    assert_int_equal(apply(desk, upsert("a", 2, "{\"n\":2}")), UPSINK_APPLIED);
    assert_int_equal(apply(desk, tombstone("a", 3)), UPSINK_APPLIED);
    assert_int_equal(apply(desk, upsert("a", 4, "{\"n\":4}")), UPSINK_APPLIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DESK_TEST(wrong_credentials_are_refused_without_being_shown),
        DESK_TEST(no_credentials_are_no_rights),
        DESK_TEST(the_role_read_write_on_the_database_is_enough),
    };
    return cmocka_run_group_tests(tests, auth_setup, group_teardown);
}
