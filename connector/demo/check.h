/* Compares the rows of a view with what the feed expects: by JSON values, with a parser that is not the
 * connector's. */
#ifndef UPSINK_DEMO_CHECK_H
#define UPSINK_DEMO_CHECK_H

#include "connector/config.h"
#include "connector/demo/feed.h"

struct check {
    const struct upsink_sink_type *type;
    struct mapping *mapping;
    struct upsink_view target;
    struct upsink_host host;
    struct upsink_sink *sink;
    uint64_t orders, rows, absent; /* looked at; of which have a row; and rightly have none */
    uint64_t wrong;
    char first_wrong[200]; /* what is wrong with the first of them */
};

/* Opens the view's sink once more. The check needs check_close in either case. */
UPSINK_NODISCARD bool check_open(struct check *check, const struct view_config *settings,
                                 struct upsink_error *err);
void check_close(struct check *check);

/* Makes the table, as the view will. */
UPSINK_NODISCARD bool check_prepare(struct check *check, struct upsink_error *err);

/* Compares every order. False where the sink can't be read. */
UPSINK_NODISCARD bool check_rows(struct check *check, const struct feed *feed, uint32_t orders,
                                 struct upsink_error *err);

/* The entity of one order; absent where there is none. Lives until the next call. */
UPSINK_NODISCARD bool check_read(struct check *check, const char *key, struct upsink_row *row,
                                 struct upsink_error *err);

#endif
