#include "check.h"

#include "connector/view.h"
#include "sinks/registry.h"

#include <jansson.h>

static void ignore_log(void *context, enum upsink_log_level level, const char *text)
{
    (void)context;
    (void)level;
    (void)text;
}

static bool never(void *context)
{
    (void)context;
    return false;
}

bool check_open(struct check *check, const struct view_config *settings, struct upsink_error *err)
{
    *check = (struct check){.host = {sizeof check->host, NULL, ignore_log, never}};
    check->mapping = mapping_create(&settings->mapping, err);
    check->type = check->mapping ? registry_find(settings->url, err) : NULL;
    if (!check->type)
        return false;
    if (!check->type->read_row)
        return upsink_fail(err, UPSINK_ERR_CONFIG, "sink_not_readable",
                           "the demo reads its rows back, which the sink %s does not offer; take another one",
                           check->type->name);
    view_describe_target(settings, check->mapping, &check->target);
    return check->type->open(&check->sink, &check->target, &check->host, err);
}

void check_close(struct check *check)
{
    if (check->sink)
        check->type->close(check->sink);
    mapping_destroy(check->mapping);
}

bool check_prepare(struct check *check, struct upsink_error *err)
{
    return check->type->prepare(check->sink, NULL, err);
}

bool check_read(struct check *check, const char *key, struct upsink_row *row, struct upsink_error *err)
{
    return check->type->read_row(check->sink, upsink_slice_of(key), row, err);
}

/* NULL: they are the same. Numbers count by their value: a store may keep 579.00 as 579. */
static const char *compare_entity(struct upsink_slice entity, struct upsink_slice value)
{
    json_t *row = json_loadb(entity.data, entity.len, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
    json_t *event = json_loadb(value.data, value.len, JSON_DECODE_INT_AS_REAL, NULL);
    const json_t *data = json_object_get(event, "data");
    const char *difference = !row                    ? "its row is not JSON"
                             : !data                 ? "the expected event is not JSON"
                             : json_equal(row, data) ? NULL
                                                     : "its row differs from the latest event";
    json_decref(row);
    json_decref(event);
    return difference;
}

static const char *compare(const struct upsink_row *row, bool expected, const struct order_state *state,
                           struct upsink_slice value)
{
    bool there = row->found && row->entity.data;
    if (there && !expected)
        return "it has a row and should have none";
    if (!there)
        return expected ? "it has no row" : NULL;
    if (!upsink_slice_is(row->fence.event_id, state->event_id))
        return "its row is of another event than the latest";
    return compare_entity(row->entity, value);
}

bool check_rows(struct check *check, const struct feed *feed, uint32_t orders, struct upsink_error *err)
{
    if (!check_prepare(check, err))
        return false;
    for (uint32_t i = 0; i < orders; i++) {
        struct order_state state;
        struct upsink_slice value;
        struct upsink_row row;
        bool expected = feed_expects(feed, i, &state, &value);
        if (!check_read(check, state.key, &row, err))
            return false;
        const char *difference = compare(&row, expected, &state, value);
        if (difference && check->wrong++ == 0)
            snprintf(check->first_wrong, sizeof check->first_wrong, "order %s: %s", state.key, difference);
        check->orders++;
        check->rows += row.found && row.entity.data;
        check->absent += !expected && !difference;
    }
    return true;
}
