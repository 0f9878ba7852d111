#include "connector/metrics.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

struct fixture {
    struct metrics *metrics;
    struct metrics_view *view;
    struct buf out;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture.metrics = metrics_create();
    assert_non_null(fixture.metrics);
    fixture.view = metrics_view_create(fixture.metrics, "orders");
    assert_non_null(fixture.view);
    buf_init(&fixture.out);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    metrics_destroy(fixture->metrics);
    buf_destroy(&fixture->out);
    return 0;
}

static bool has_line(struct fixture *fixture, const char *line)
{
    size_t len = strlen(line);
    for (const char *at = fixture->out.data; (at = strstr(at, line)); at++)
        if ((at == fixture->out.data || at[-1] == '\n') && at[len] == '\n')
            return true;
    return false;
}

static void render(struct fixture *fixture)
{
    buf_clear(&fixture->out);
    metrics_render(fixture->metrics, &fixture->out);
    assert_false(fixture->out.failed);
}

#define assert_line(fixture, line) assert_true(has_line((fixture), (line)))

static void every_metric_of_the_contract_is_there(void **state)
{
    struct fixture *fixture = *state;
    static const char *const types[] = {"upsink_records_consumed_total counter",
                                        "upsink_changes_applied_total counter",
                                        "upsink_changes_dropped_total counter",
                                        "upsink_dead_letters_total counter",
                                        "upsink_consumer_lag gauge",
                                        "upsink_end_to_end_seconds histogram",
                                        "upsink_sink_write_seconds histogram",
                                        "upsink_batch_records histogram",
                                        "upsink_sink_retries_total counter",
                                        "upsink_sink_up gauge",
                                        "upsink_queue_bytes gauge",
                                        "upsink_generation gauge",
                                        "process_resident_memory_bytes gauge",
                                        "process_cpu_seconds_total counter",
                                        "upsink_build_info gauge"};
    render(fixture);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char line[128];
        snprintf(line, sizeof line, "# TYPE %s", types[i]);
        assert_line(fixture, line);
    }
    assert_line(fixture, "upsink_build_info{version=\"" UPSINK_VERSION "\"} 1");
}

static void what_is_counted_is_shown(void **state)
{
    struct fixture *fixture = *state;
    struct metrics_partition *partition = metrics_partition(fixture->view, "orders", 3);
    assert_non_null(partition);
    metrics_add(&partition->consumed, 10);
    metrics_add(&partition->consumed, 5);
    metrics_set(&partition->lag, 7);
    metrics_add(&fixture->view->applied[METRICS_UPSERT], 6);
    metrics_add(&fixture->view->applied[METRICS_DELETE], 1);
    metrics_add(&fixture->view->dropped[METRICS_SUPERSEDED], 2);
    metrics_add(&fixture->view->dropped[METRICS_DUPLICATE_EVENT], 3);
    metrics_add(&fixture->view->dropped[METRICS_DUPLICATE_CHANGE], 4);
    metrics_add(&fixture->view->dropped[METRICS_STALE], 5);
    metrics_add(&fixture->view->dropped[METRICS_FILTERED], 6);
    metrics_add(&fixture->view->sink_retries[UPSINK_ERR_OUTAGE], 8);
    metrics_set(&fixture->view->sink_up, 1);
    metrics_set(&fixture->view->queue_bytes, 100);
    metrics_adjust(&fixture->view->queue_bytes, -40);
    metrics_set(&fixture->view->generation, 2);
    metrics_dead_letter(fixture->view, "invalid_json", 1);
    metrics_dead_letter(fixture->view, "invalid_json", 2);
    render(fixture);
    assert_line(fixture,
                "upsink_records_consumed_total{view=\"orders\",topic=\"orders\",partition=\"3\"} 15");
    assert_line(fixture, "upsink_consumer_lag{view=\"orders\",topic=\"orders\",partition=\"3\"} 7");
    assert_line(fixture, "upsink_changes_applied_total{view=\"orders\",op=\"upsert\"} 6");
    assert_line(fixture, "upsink_changes_applied_total{view=\"orders\",op=\"delete\"} 1");
    assert_line(fixture, "upsink_changes_dropped_total{view=\"orders\",reason=\"superseded\"} 2");
    assert_line(fixture, "upsink_changes_dropped_total{view=\"orders\",reason=\"duplicate_event\"} 3");
    assert_line(fixture, "upsink_changes_dropped_total{view=\"orders\",reason=\"duplicate_change\"} 4");
    assert_line(fixture, "upsink_changes_dropped_total{view=\"orders\",reason=\"stale\"} 5");
    assert_line(fixture, "upsink_changes_dropped_total{view=\"orders\",reason=\"filtered\"} 6");
    assert_line(fixture, "upsink_dead_letters_total{view=\"orders\",code=\"invalid_json\"} 3");
    assert_line(fixture, "upsink_sink_retries_total{view=\"orders\",class=\"outage\"} 8");
    assert_line(fixture, "upsink_sink_retries_total{view=\"orders\",class=\"refused\"} 0");
    assert_line(fixture, "upsink_sink_up{view=\"orders\"} 1");
    assert_line(fixture, "upsink_queue_bytes{view=\"orders\"} 60");
    assert_line(fixture, "upsink_generation{view=\"orders\"} 2");
    assert_int_equal(metrics_dead_letters(fixture->view), 3);
}

static void a_lag_that_is_not_known_is_not_shown(void **state)
{
    struct fixture *fixture = *state;
    struct metrics_partition *partition = metrics_partition(fixture->view, "orders", 0);
    render(fixture);
    assert_null(strstr(fixture->out.data, "upsink_consumer_lag{"));
    metrics_set(&partition->lag, 0);
    render(fixture);
    assert_line(fixture, "upsink_consumer_lag{view=\"orders\",topic=\"orders\",partition=\"0\"} 0");
    metrics_set(&partition->lag, -1);
    render(fixture);
    assert_null(strstr(fixture->out.data, "upsink_consumer_lag{"));
}

static void a_histogram_is_cumulative_and_ends_with_its_count(void **state)
{
    struct fixture *fixture = *state;
    metrics_observe_time(&fixture->view->sink_write, 1000); /* on the bound: within */
    metrics_observe_time(&fixture->view->sink_write, 1001);
    metrics_observe_time(&fixture->view->sink_write, -5);
    metrics_observe_time(&fixture->view->sink_write, 7200LL * 1000000);
    metrics_observe_count(&fixture->view->batch_records, 10000);
    render(fixture);
    assert_line(fixture, "upsink_sink_write_seconds_bucket{view=\"orders\",le=\"0.001\"} 2");
    assert_line(fixture, "upsink_sink_write_seconds_bucket{view=\"orders\",le=\"0.005\"} 3");
    assert_line(fixture, "upsink_sink_write_seconds_bucket{view=\"orders\",le=\"3600\"} 3");
    assert_line(fixture, "upsink_sink_write_seconds_bucket{view=\"orders\",le=\"+Inf\"} 4");
    assert_line(fixture, "upsink_sink_write_seconds_sum{view=\"orders\"} 7200.002001");
    assert_line(fixture, "upsink_sink_write_seconds_count{view=\"orders\"} 4");
    assert_line(fixture, "upsink_batch_records_bucket{view=\"orders\",le=\"5000\"} 0");
    assert_line(fixture, "upsink_batch_records_bucket{view=\"orders\",le=\"10000\"} 1");
    assert_line(fixture, "upsink_batch_records_sum{view=\"orders\"} 10000");
}

static void a_tally_counts_as_single_observations_do(void **state)
{
    struct fixture *fixture = *state;
    struct metrics_tally tally = {0};
    for (int64_t time = -1; time < 100000000; time = time * 3 + 7)
        metrics_tally_time(&tally, time), metrics_observe_time(&fixture->view->sink_write, time);
    metrics_merge(&fixture->view->end_to_end, &tally);
    for (size_t i = 0; i < METRICS_BUCKETS; i++)
        assert_int_equal(atomic_load(&fixture->view->end_to_end.buckets[i]),
                         atomic_load(&fixture->view->sink_write.buckets[i]));
    assert_int_equal(atomic_load(&fixture->view->end_to_end.sum),
                     atomic_load(&fixture->view->sink_write.sum));
    assert_true(tally.sum > 0);
}

static void the_same_name_gives_the_same_series(void **state)
{
    struct fixture *fixture = *state;
    assert_ptr_equal(metrics_view_create(fixture->metrics, "orders"), fixture->view);
    assert_ptr_not_equal(metrics_view_create(fixture->metrics, "items"), fixture->view);
    struct metrics_partition *partition = metrics_partition(fixture->view, "orders", 1);
    assert_ptr_equal(metrics_partition(fixture->view, "orders", 1), partition);
    assert_ptr_not_equal(metrics_partition(fixture->view, "orders", 2), partition);
    assert_ptr_not_equal(metrics_partition(fixture->view, "items", 1), partition);
}

static void odd_names_can_not_break_the_format(void **state)
{
    struct fixture *fixture = *state;
    struct metrics_partition *partition = metrics_partition(fixture->view, "a\"b\\c\nd\xFF\xC3\xBC", 0);
    metrics_add(&partition->consumed, 1);
    render(fixture);
    assert_line(fixture, "upsink_records_consumed_total{view=\"orders\",topic=\"a\\\"b\\\\c\\nd?\xC3\xBC\","
                         "partition=\"0\"} 1");
}

static void the_number_of_codes_is_bounded(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 1000; i++) {
        char code[32];
        snprintf(code, sizeof code, "code_%d", i);
        metrics_dead_letter(fixture->view, code, 1);
    }
    metrics_dead_letter(fixture->view, "code_5", 1);
    render(fixture);
    size_t series = 0;
    for (const char *at = fixture->out.data; (at = strstr(at, "\nupsink_dead_letters_total{")); at++)
        series++;
    assert_int_equal(series, 65);
    assert_line(fixture, "upsink_dead_letters_total{view=\"orders\",code=\"code_5\"} 2");
    assert_line(fixture, "upsink_dead_letters_total{view=\"orders\",code=\"other\"} 936");
    assert_int_equal(metrics_dead_letters(fixture->view), 1001);
}

static void a_long_code_is_cut_and_counted_as_one(void **state)
{
    struct fixture *fixture = *state;
    char code[200];
    memset(code, 'x', sizeof code - 1);
    code[sizeof code - 1] = '\0';
    metrics_dead_letter(fixture->view, code, 1);
    metrics_dead_letter(fixture->view, code, 1);
    code[47] = '\0';
    char line[256];
    snprintf(line, sizeof line, "upsink_dead_letters_total{view=\"orders\",code=\"%s\"} 2", code);
    render(fixture);
    assert_line(fixture, line);
}

enum { THREADS = 4, ROUNDS = 20000 };

static void *count_much(void *context)
{
    struct fixture *fixture = context;
    for (int i = 0; i < ROUNDS; i++) {
        char code[16];
        snprintf(code, sizeof code, "c%d", i % 70);
        metrics_dead_letter(fixture->view, code, 1);
        struct metrics_partition *partition = metrics_partition(fixture->view, "orders", i % 5);
        metrics_add(&partition->consumed, 1);
        metrics_observe_time(&fixture->view->end_to_end, i);
    }
    return NULL;
}

static void threads_count_together_while_one_reads(void **state)
{
    struct fixture *fixture = *state;
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_much, fixture), 0);
    for (int i = 0; i < 50; i++)
        render(fixture);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    uint64_t consumed = 0;
    for (int32_t i = 0; i < 5; i++)
        consumed += metrics_value(&metrics_partition(fixture->view, "orders", i)->consumed);
    assert_int_equal(consumed, THREADS * ROUNDS);
    assert_int_equal(metrics_dead_letters(fixture->view), THREADS * ROUNDS);
    render(fixture);
    assert_line(fixture, "upsink_end_to_end_seconds_count{view=\"orders\"} 80000");
}

static void the_process_is_measured(void **state)
{
    struct fixture *fixture = *state;
    render(fixture);
    const char *memory = strstr(fixture->out.data, "\nprocess_resident_memory_bytes ");
    const char *cpu = strstr(fixture->out.data, "\nprocess_cpu_seconds_total ");
    assert_non_null(memory);
    assert_non_null(cpu);
    assert_true(strtoull(memory + strlen("\nprocess_resident_memory_bytes "), NULL, 10) > 100000);
    assert_true(strtod(cpu + strlen("\nprocess_cpu_seconds_total "), NULL) > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_metric_of_the_contract_is_there),
        TEST(what_is_counted_is_shown),
        TEST(a_lag_that_is_not_known_is_not_shown),
        TEST(a_histogram_is_cumulative_and_ends_with_its_count),
        TEST(a_tally_counts_as_single_observations_do),
        TEST(the_same_name_gives_the_same_series),
        TEST(odd_names_can_not_break_the_format),
        TEST(the_number_of_codes_is_bounded),
        TEST(a_long_code_is_cut_and_counted_as_one),
        TEST(threads_count_together_while_one_reads),
        TEST(the_process_is_measured),
    };
    return cmocka_run_group_tests_name("connector/metrics", tests, NULL, NULL);
}
