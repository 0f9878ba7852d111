#include "es_answer.h"

#include "schemas/json_lex.h"

struct es_json es_answer_items(struct upsink_slice body)
{
    static const struct es_json none = {.bad = true};
    struct es_json json = es_json_of(body), items = none;
    struct upsink_slice name;
    if (!es_json_enter(&json, '{'))
        return none;
    while (es_json_member(&json, &name)) {
        struct upsink_slice value = es_json_value(&json);
        if (es_json_is(name, "items"))
            items = es_json_of(value);
    }
    if (json.bad || json_lex_space(json.at, json.end) != json.end || !es_json_enter(&items, '['))
        return none;
    return items;
}

bool es_answer_next(struct es_json *items, struct es_outcome *outcome)
{
    struct upsink_slice name;
    *outcome = (struct es_outcome){.status = 0, .seq_no = -1};
    if (!es_json_element(items) || !es_json_enter(items, '{') || !es_json_member(items, &outcome->verb) ||
        !es_json_enter(items, '{'))
        return false;
    while (es_json_member(items, &name)) {
        struct upsink_slice value = es_json_value(items);
        if (es_json_is(name, "status"))
            outcome->status = (long)es_json_int(value, 0);
        else if (es_json_is(name, "_id"))
            outcome->id = value;
        else if (es_json_is(name, "_seq_no"))
            outcome->seq_no = es_json_int(value, -1);
        else if (es_json_is(name, "_primary_term"))
            outcome->primary_term = es_json_int(value, -1);
        else if (es_json_is(name, "error"))
            outcome->error = value;
    }
    return !items->bad && !es_json_element(items) && !items->bad && outcome->status;
}

bool es_answer_is_over(struct es_json *items)
{
    return !es_json_element(items) && !items->bad;
}

static bool is_text(struct upsink_slice raw, struct upsink_slice text)
{
    struct arena arena;
    struct upsink_slice decoded;
    if (!raw.data || !memchr(raw.data, '\\', raw.len))
        return raw.len == text.len + 2 && memcmp(raw.data + 1, text.data, text.len) == 0;
    arena_init(&arena, 1024);
    bool same = es_json_text(raw, &arena, &decoded) && upsink_slice_equal(decoded, text);
    arena_destroy(&arena);
    return same;
}

bool es_outcome_is_of(const struct es_outcome *outcome, bool deletes, struct upsink_slice id)
{
    bool verb = deletes ? es_json_is(outcome->verb, "delete")
                        : es_json_is(outcome->verb, "index") || es_json_is(outcome->verb, "create");
    return verb && is_text(outcome->id, id);
}

bool es_outcome_is_done(const struct es_outcome *outcome)
{
    return !outcome->error.data && outcome->status >= 200 && outcome->status < 300;
}
