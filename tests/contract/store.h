/* What people do to a store behind the sink's back, and what they see in it. By kind of store: SQLite's and
 * PostgreSQL's own command-line tools, redis-cli, pymongo, the fake's own functions; for
 * all others store_program.h. */
#ifndef UPSINK_CONTRACT_STORE_H
#define UPSINK_CONTRACT_STORE_H

#include "tests/contract/suite.h"

/* What the view's section of settings for the sink says here, where a store needs it to hold anything at all.
 */
const struct upsink_setting *store_settings(size_t *count);
/* Whether a key like that can be held by this kind of store; otherwise it has to be refused alone. */
bool store_holds_key(struct upsink_slice key);

/* Ends the test, and says that nothing was asked: nobody told how this is done. */
void skip_harm(const char *verb);

/* All return false where this kind of store has no such thing; they fail the test where it should but does
 * not work. */

/* The table is dropped; positions stay. */
bool store_drop_table(struct fixture *fixture);
/* The table is dropped, and made again as it was, empty, by somebody else. */
bool store_replace_table(struct fixture *fixture);
/* All rows are taken out of the table. */
bool store_empty_table(struct fixture *fixture);
/* A table of that name, that could never hold a view. */
bool store_make_other_table(struct fixture *fixture);
/* From now on a change with {"a":"refused"} for its entity is. */
bool store_refuse(struct fixture *fixture);
/* The rows that somebody sees who reads the table. */
bool store_count_rows(struct fixture *fixture, int64_t *count);

/* Whether the store has a place for such an entity (compact JSON); Redis' hashes have none for what is not an
 * object with fields, nor for null; a search index has none for fields without a name. */
bool store_holds(struct upsink_slice entity);

#endif
