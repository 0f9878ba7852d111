#include "tests/contract/store.h"

#include <stdlib.h>
#include <unistd.h>

const char *const topic_names[TOPICS] = {"orders", "orders-2", "returns"};

static void name_target(struct fixture *fixture)
{
    static unsigned made;
    made++;
    snprintf(fixture->name, sizeof fixture->name, "view-%ld-%u", (long)getpid(), made);
    snprintf(fixture->table, sizeof fixture->table, "contract_%ld_%u", (long)getpid(), made);
}

static struct fixture *create(void)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    arena_init(&fixture->arena, 0);
    arena_init(&fixture->scratch, 0);
    fixture->view = (struct upsink_view){
        .size = sizeof fixture->view,
        .topic = topic_names[0],
        .versioned = true,
        .url = suite.url,
        .default_target = "unused",
        .create = true,
        .timeout_us = 60000000,
    };
    fixture->view.settings = store_settings(&fixture->view.setting_count);
    return fixture;
}

int fixture_setup(void **state)
{
    struct fixture *fixture = create();
    name_target(fixture);
    fixture->view.name = fixture->name;
    fixture->view.target = fixture->table;
    *state = fixture;
    return 0;
}

struct fixture *fixture_twin(const struct fixture *of)
{
    struct fixture *fixture = create();
    memcpy(fixture->name, of->name, sizeof fixture->name);
    memcpy(fixture->table, of->table, sizeof fixture->table);
    fixture->view = of->view;
    fixture->view.name = fixture->name;
    fixture->view.target = fixture->table;
    return fixture;
}

int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    fixture_close(fixture);
    arena_destroy(&fixture->arena);
    arena_destroy(&fixture->scratch);
    free(fixture);
    return 0;
}

static void need(struct fixture *fixture, bool done, const char *what)
{
    if (!done)
        fail_msg("%s failed: class %d, %s: %s (%s)", what, (int)fixture->err.cls, fixture->err.code,
                 fixture->err.text, fixture->err.detail);
}

void fixture_open(struct fixture *fixture)
{
    need(fixture, suite.type->open(&fixture->sink, &fixture->view, NULL, &fixture->err), "open");
    need(fixture, suite.type->prepare(fixture->sink, NULL, &fixture->err), "prepare");
}

void fixture_close(struct fixture *fixture)
{
    if (fixture->sink)
        suite.type->close(fixture->sink);
    fixture->sink = NULL;
    memset(fixture->claimed, 0, sizeof fixture->claimed);
    arena_clear(&fixture->arena);
}

void fixture_reopen(struct fixture *fixture)
{
    fixture_close(fixture);
    fixture_open(fixture);
}

struct upsink_position *fixture_claim(struct fixture *fixture, int topic, int32_t partition)
{
    struct upsink_position *position = &fixture->positions[topic][partition];
    memset(position, 0x55, sizeof *position);
    position->topic = upsink_slice_of(topic_names[topic]);
    position->partition = partition;
    need(fixture, suite.type->claim(fixture->sink, position, &fixture->err), "claim");
    fixture->claimed[topic][partition] = true;
    return position;
}

struct upsink_position *fixture_position(struct fixture *fixture, struct upsink_slice topic,
                                         int32_t partition)
{
    int t = 0;
    while (t < TOPICS && !upsink_slice_is(topic, topic_names[t]))
        t++;
    assert_true(t < TOPICS && partition >= 0 && partition < PARTITIONS);
    return fixture->claimed[t][partition] ? &fixture->positions[t][partition]
                                          : fixture_claim(fixture, t, partition);
}

static void *allocate(struct upsink_batch *batch, size_t size)
{
    return arena_alloc(batch->memory, size);
}

bool fixture_try_write(struct fixture *fixture, const struct upsink_change *const *changes, size_t count,
                       struct upsink_result *results)
{
    struct upsink_batch batch = {
        .changes = changes, .results = results, .count = count, .alloc = allocate, .memory = &fixture->arena};
    memset(results, 0, count * sizeof *results);
    if (!suite.type->write(fixture->sink, &batch, &fixture->err))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (results[i].verdict == UPSINK_PENDING)
            fail_msg("write left change %zu without a verdict", i);
        assert_int_equal(results[i].verdict == UPSINK_REJECTED, results[i].error != NULL);
        if (results[i].error) {
            assert_int_equal(results[i].error->cls, UPSINK_ERR_RECORD);
            assert_true(results[i].error->code[0] && results[i].error->text[0]);
        }
    }
    return true;
}

struct sorted {
    const struct upsink_change *change;
    size_t index;
};

static int compare_sorted(const void *left, const void *right)
{
    const struct sorted *a = left, *b = right;
    struct upsink_slice x = a->change->key, y = b->change->key;
    int order = memcmp(x.data, y.data, x.len < y.len ? x.len : y.len);
    if (order || x.len != y.len)
        return order ? order : x.len < y.len ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

/* One call for the changes of [begin, end), among which no key comes twice. */
static bool write_part(struct fixture *fixture, const struct upsink_change *changes, size_t begin, size_t end,
                       struct upsink_result *results)
{
    size_t count = end - begin;
    struct sorted *sorted = calloc(count, sizeof *sorted);
    const struct upsink_change **pointers = calloc(count, sizeof(struct upsink_change *));
    struct upsink_result *verdicts = calloc(count, sizeof *verdicts);
    assert_true(sorted && pointers && verdicts);
    for (size_t i = 0; i < count; i++)
        sorted[i] = (struct sorted){&changes[begin + i], begin + i};
    qsort(sorted, count, sizeof *sorted, compare_sorted);
    for (size_t i = 0; i < count; i++)
        pointers[i] = sorted[i].change;
    bool done = fixture_try_write(fixture, pointers, count, verdicts);
    for (size_t i = 0; i < count; i++)
        results[sorted[i].index] = verdicts[i];
    free(sorted);
    free(pointers);
    free(verdicts);
    return done;
}

static bool is_repeated(const struct upsink_change *changes, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++)
        if (upsink_slice_equal(changes[i].key, changes[end].key))
            return true;
    return false;
}

bool fixture_try_write_all(struct fixture *fixture, const struct upsink_change *changes, size_t count,
                           struct upsink_result *results)
{
    size_t begin = 0;
    for (size_t i = 0; i < count; i++)
        fixture_position(fixture, changes[i].topic, changes[i].partition);
    for (size_t i = 0; i < count; i++) {
        if (!is_repeated(changes, begin, i))
            continue;
        if (!write_part(fixture, changes, begin, i, results))
            return false;
        begin = i;
    }
    return begin == count || write_part(fixture, changes, begin, count, results);
}

void fixture_write(struct fixture *fixture, const struct upsink_change *changes, size_t count,
                   struct upsink_result *results)
{
    need(fixture, fixture_try_write_all(fixture, changes, count, results), "write");
}

bool fixture_try_commit(struct fixture *fixture)
{
    struct upsink_position positions[TOPICS * PARTITIONS];
    size_t count = 0;
    for (int t = 0; t < TOPICS; t++)
        for (int p = 0; p < PARTITIONS; p++)
            if (fixture->claimed[t][p])
                positions[count++] = fixture->positions[t][p];
    return suite.type->commit(fixture->sink, positions, count, &fixture->err);
}

void fixture_commit(struct fixture *fixture)
{
    need(fixture, fixture_try_commit(fixture), "commit");
    arena_clear(&fixture->arena);
}

void fixture_abort(struct fixture *fixture)
{
    suite.type->abort(fixture->sink);
    arena_clear(&fixture->arena);
}

enum upsink_verdict fixture_apply(struct fixture *fixture, struct upsink_change change)
{
    struct upsink_result result;
    fixture_write(fixture, &change, 1, &result);
    if (result.error)
        print_message("refused: %s: %s (%s)\n", result.error->code, result.error->text, result.error->detail);
    enum upsink_verdict verdict = result.verdict;
    fixture_commit(fixture);
    return verdict;
}

struct upsink_row fixture_see(struct fixture *fixture, struct upsink_slice key)
{
    struct upsink_row row;
    memset(&row, 0x55, sizeof row);
    need(fixture, suite.type->read_row(fixture->sink, key, &row, &fixture->err), "read_row");
    if (!row.found) {
        memset(&row, 0, sizeof row);
        return row;
    }
    row.entity = arena_copy(&fixture->scratch, row.entity);
    row.fence.topic = arena_copy(&fixture->scratch, row.fence.topic);
    row.fence.event_id = arena_copy(&fixture->scratch, row.fence.event_id);
    row.fence.change_id = arena_copy(&fixture->scratch, row.fence.change_id);
    return row;
}

struct upsink_row fixture_see_text(struct fixture *fixture, const char *key)
{
    return fixture_see(fixture, upsink_slice_of(key));
}
