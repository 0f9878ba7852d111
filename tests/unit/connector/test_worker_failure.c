#include "connector/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static int aborts;

static void count_abort(struct upsink_sink *sink)
{
    (void)sink;
    aborts++;
}

/* Claiming a partition, writing down where it begins, a batch, asking whether the target is still ours: all
 * of them end here, and a sink that is left in a failed transaction could never go on. */
static void after_any_failure_the_sink_is_told_to_abort(void **state)
{
    static const enum upsink_error_class classes[] = {UPSINK_ERR_OUTAGE,      UPSINK_ERR_REFUSED,
                                                      UPSINK_ERR_UNKNOWN,     UPSINK_ERR_FENCED,
                                                      UPSINK_ERR_TARGET_LOST, UPSINK_ERR_FATAL};
    static const struct upsink_sink_type type = {.abort = count_abort};
    static const struct view_config settings = {.name = "orders"};
    static struct view view;
    struct metrics *metrics = metrics_create();
    (void)state;
    assert_non_null(metrics);
    view.settings = &settings;
    view.type = &type;
    view.metrics = metrics_view_create(metrics, "orders");
    assert_non_null(view.metrics);
    pthread_mutex_init(&view.lock, NULL);
    pthread_cond_init(&view.changed, NULL);
    struct worker *worker = &view.workers[0];
    worker->view = &view;
    backoff_init(&worker->backoff, 1, 1, NULL, NULL);
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        struct upsink_error err;
        upsink_fail(&err, classes[i], "any", "anything");
        worker->prepared = true;
        worker_handle_failure(worker, &err);
        assert_int_equal(aborts, i + 1);
        assert_false(worker->prepared);
    }
    assert_true(atomic_load(&view.halted));
    pthread_cond_destroy(&view.changed);
    pthread_mutex_destroy(&view.lock);
    metrics_destroy(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_any_failure_the_sink_is_told_to_abort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
