/* What the server's errors mean for a view. */
#include "sinks/redis/rd_code.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static const struct {
    const char *text;
    enum upsink_error_class cls;
    const char *code;
} cases[] = {
    {"NOAUTH Authentication required.", UPSINK_ERR_REFUSED, "credentials_refused"},
    {"WRONGPASS invalid username-password pair or user is disabled.", UPSINK_ERR_REFUSED,
     "credentials_refused"},
    {"ERR invalid password", UPSINK_ERR_REFUSED, "credentials_refused"},
    {"NOPERM this user has no permissions to run the 'eval' command", UPSINK_ERR_REFUSED,
     "permission_denied"},
    {"ERR The user executing the script can't run this command or subcommand script: f, on @user_script:1.",
     UPSINK_ERR_REFUSED, "permission_denied"},
    {"ERR Error running script (call to f_1): @user_script:7: The user executing the script can't access at "
     "least "
     "one of the keys",
     UPSINK_ERR_REFUSED, "permission_denied"},
    {"DENIED Redis is running in protected mode", UPSINK_ERR_REFUSED, "permission_denied"},
    {"OOM command not allowed when used memory > 'maxmemory'.", UPSINK_ERR_OUTAGE, "sink_full"},
    {"ERR Error running script (call to f_1): @user_script:7: @user_script: 7: -OOM command not allowed when "
     "used "
     "memory > 'maxmemory'.",
     UPSINK_ERR_OUTAGE, "sink_full"},
    {"READONLY You can't write against a read only replica.", UPSINK_ERR_OUTAGE, "sink_read_only"},
    {"MISCONF Redis is configured to save RDB snapshots, but", UPSINK_ERR_OUTAGE, "sink_read_only"},
    {"LOADING Redis is loading the dataset in memory", UPSINK_ERR_OUTAGE, "sink_unavailable"},
    {"MASTERDOWN Link with MASTER is down", UPSINK_ERR_OUTAGE, "sink_unavailable"},
    {"NOREPLICAS Not enough good replicas to write.", UPSINK_ERR_OUTAGE, "sink_unavailable"},
    {"BUSY Redis is busy running a script.", UPSINK_ERR_OUTAGE, "sink_busy"},
    {"ERR max number of clients reached", UPSINK_ERR_OUTAGE, "sink_out_of_resources"},
    {"MOVED 3999 127.0.0.1:6381", UPSINK_ERR_FATAL, "cluster_unsupported"},
    {"CROSSSLOT Keys in request don't hash to the same slot", UPSINK_ERR_FATAL, "cluster_unsupported"},
    {"ERR DB index is out of range", UPSINK_ERR_FATAL, "database_missing"},
    {"WRONGTYPE Operation against a key", UPSINK_ERR_FATAL, "target_mismatch"},
    {"UPSINK lost", UPSINK_ERR_TARGET_LOST, "target_lost"},
    {"UPSINK emptied", UPSINK_ERR_TARGET_LOST, "target_lost"},
    /* A word that only begins like one is another. */
    {"BUSYGROUP Consumer Group name already exists", UPSINK_ERR_UNKNOWN, "sink_error"},
    {"ASKING", UPSINK_ERR_UNKNOWN, "sink_error"},
    {"ERR unknown command 'EVALSHA'", UPSINK_ERR_UNKNOWN, "sink_error"},
    {"", UPSINK_ERR_UNKNOWN, "sink_error"},
    {"ERR Error running script", UPSINK_ERR_UNKNOWN, "sink_error"},
};

static void every_error_has_its_class(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rd_meaning meaning = rd_code_meaning(upsink_slice_of(cases[i].text));
        if (meaning.cls != cases[i].cls || strcmp(meaning.code, cases[i].code) != 0)
            fail_msg("%s: class %d, %s", cases[i].text, (int)meaning.cls, meaning.code);
    }
}

/* No single record is ever to blame for what the server says of a whole call. */
static void no_error_blames_a_record(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_not_equal(rd_code_meaning(upsink_slice_of(cases[i].text)).cls, UPSINK_ERR_RECORD);
}

static void only_the_word_is_shown(void **state)
{
    char word[8];
    (void)state;
    rd_code_word(UPSINK_SLICE_LIT("NOPERM secret"), word, sizeof word);
    assert_string_equal(word, "NOPERM");
    rd_code_word(UPSINK_SLICE_LIT("MASTERDOWN Link"), word, sizeof word);
    assert_string_equal(word, "MASTERD");
    rd_code_word(UPSINK_SLICE_LIT("secret"), word, sizeof word);
    assert_string_equal(word, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_its_class),
        cmocka_unit_test(no_error_blames_a_record),
        cmocka_unit_test(only_the_word_is_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
