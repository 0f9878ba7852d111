/* The contract suite: what sink.h promises, asked of any sink through its plugin interface alone.
 *
 * Every test works on a target of its own, made anew in the store that --sink names. What people do to a
 * store by hand (drop a table, add a constraint) is in store.h, by kind of store. */
#ifndef UPSINK_SUITE_H
#define UPSINK_SUITE_H

#include "arena.h"
#include "sinks/sink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

struct suite {
    const char *url;
    const char *store; /* a program that handles the store by hand: store_program.h; NULL: none */
    const struct upsink_sink_type *type;
    bool transactional;
    size_t cases;  /* of the model test */
    uint64_t seed; /* of its first case */
    unsigned not_asked;
};
extern struct suite suite;

enum { PARTITIONS = 8, TOPICS = 3 };

/* A view, its target, and at times an open sink. The view's topic is "orders" or "orders,orders-2,returns".
 */
struct fixture {
    struct upsink_view view;
    char name[64], table[64];
    struct upsink_sink *sink;
    struct upsink_position positions[TOPICS][PARTITIONS];
    bool claimed[TOPICS][PARTITIONS];
    struct upsink_error err;
    struct arena arena;   /* what the batches' errors live in, until commit or abort */
    struct arena scratch; /* keys, entities and rows of the test, until its end */
};

extern const char *const topic_names[TOPICS];

/* For cmocka's setup and teardown: *state is a fixture that is not open yet. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* A second sink on the same view and target; to be closed with fixture_teardown. */
struct fixture *fixture_twin(const struct fixture *of);

/* These fail the test where the sink fails. */
void fixture_open(struct fixture *fixture); /* open and prepare */
void fixture_close(struct fixture *fixture);
void fixture_reopen(struct fixture *fixture);
struct upsink_position *fixture_claim(struct fixture *fixture, int topic, int32_t partition);

/* The position of a partition; claimed where it was not. */
struct upsink_position *fixture_position(struct fixture *fixture, struct upsink_slice topic,
                                         int32_t partition);

/* One call of write. The changes have to be sorted and unique. */
bool fixture_try_write(struct fixture *fixture, const struct upsink_change *const *changes, size_t count,
                       struct upsink_result *results);
/* Of changes in any order, with repeated keys: in as many calls as that needs, verdicts in the order given.
 */
bool fixture_try_write_all(struct fixture *fixture, const struct upsink_change *changes, size_t count,
                           struct upsink_result *results);
void fixture_write(struct fixture *fixture, const struct upsink_change *changes, size_t count,
                   struct upsink_result *results);
/* Stores every claimed position. */
bool fixture_try_commit(struct fixture *fixture);
void fixture_commit(struct fixture *fixture);
void fixture_abort(struct fixture *fixture);

/* write and commit of one change. */
enum upsink_verdict fixture_apply(struct fixture *fixture, struct upsink_change change);

/* The row, copied to the scratch memory. */
struct upsink_row fixture_see(struct fixture *fixture, struct upsink_slice key);
struct upsink_row fixture_see_text(struct fixture *fixture, const char *key);

/* A change of topic 0, partition 0, generation 1, at the offset; its timestamp follows from the offset, its
 * entity tells key and offset. */
struct upsink_change make_upsert(struct fixture *fixture, const char *key, int64_t offset);
struct upsink_change make_tombstone(const char *key, int64_t offset);
/* An offset's timestamp. */
int64_t time_at(int64_t offset);

const char *verdict_name(enum upsink_verdict verdict);

/* Same JSON value: numbers by their exact decimal value, objects without order, of a repeated name the last.
 * Both texts must be valid JSON, otherwise they are not the same. */
bool json_same(struct upsink_slice a, struct upsink_slice b);

/* The row holds this entity, and its fence is that of the change. `version` NULL: none. */
void assert_row_is(struct fixture *fixture, struct upsink_slice key, const struct upsink_change *change);
void assert_deleted(struct fixture *fixture, const char *key);
void assert_absent(struct fixture *fixture, const char *key);

/* The groups, each in a file of its own. */
struct group {
    const char *name;
    const struct CMUnitTest *tests;
    size_t count;
};
extern const struct group fence_group, life_group, owner_group, target_group, value_group, batch_group,
    model_group, sqlite_group, sqlite_file_group, stdout_group;

#define CONTRACT_TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

#endif
