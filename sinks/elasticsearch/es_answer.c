#include "es_answer.h"

#include "schemas/json_lex.h"

static const struct es_json none = {.bad = true};

/* The array of that name at the top of a body that has its end. */
static struct es_json array_of(struct upsink_slice body, const char *array)
{
    struct es_json json = es_json_of(body), items = none;
    struct upsink_slice name;
    if (!es_json_enter(&json, '{'))
        return none;
    while (es_json_member(&json, &name)) {
        struct upsink_slice value = es_json_value(&json);
        if (es_json_is(name, array))
            items = es_json_of(value);
    }
    if (json.bad || json_lex_space(json.at, json.end) != json.end || !es_json_enter(&items, '['))
        return none;
    return items;
}

struct es_json es_answer_items(struct upsink_slice body)
{
    return array_of(body, "items");
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
    if (!raw.data || *raw.data != '"')
        return false;
    if (!memchr(raw.data, '\\', raw.len))
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

struct es_json es_answer_docs(struct upsink_slice body)
{
    return array_of(body, "docs");
}

bool es_answer_doc(struct es_json *docs, struct es_found *found)
{
    struct upsink_slice name, told = UPSINK_SLICE_ABSENT;
    *found = (struct es_found){.seq_no = -1, .primary_term = -1};
    if (!es_json_element(docs) || !es_json_enter(docs, '{'))
        return false;
    while (es_json_member(docs, &name)) {
        struct upsink_slice value = es_json_value(docs);
        if (es_json_is(name, "found"))
            told = value;
        else if (es_json_is(name, "_id"))
            found->id = value;
        else if (es_json_is(name, "_index"))
            found->index = value;
        else if (es_json_is(name, "_seq_no"))
            found->seq_no = es_json_int(value, -1);
        else if (es_json_is(name, "_primary_term"))
            found->primary_term = es_json_int(value, -1);
        else if (es_json_is(name, "_source"))
            found->source = value;
        else if (es_json_is(name, "error"))
            found->error = value;
    }
    found->exists = es_json_true(told);
    bool numbered = found->seq_no >= 0 && found->primary_term >= 0;
    return !docs->bad && (found->error.data || (found->exists ? numbered : upsink_slice_is(told, "false")));
}

bool es_found_is_of(const struct es_found *found, const char *index, struct upsink_slice id)
{
    return is_text(found->id, id) &&
           (found->error.data || !index || is_text(found->index, upsink_slice_of(index)));
}
