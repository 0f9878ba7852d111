#include "json_scan.h"

#include "json_grammar.h"
#include "json_text.h"
#include "json_trie.h"

static const char *walk_value(struct scanner *s, const char *p, const struct json_node *node);

/* The child that a member belongs to, if any, by the name between its quotes. */
static inline const struct json_node *find_member(const struct scanner *s, const struct json_node *node,
                                                  const char *name, const char *name_end, bool escaped)
{
    const struct upsink_slice raw = {name, (size_t)(name_end - name)};
    if (likely(!escaped))
        return json_trie_find(s->paths, node, name + 1, raw.len - 2, s->end);
    for (unsigned at = node->first_child; at; at = s->paths->nodes[at].next_sibling) {
        const struct json_node *child = &s->paths->nodes[at];
        if (json_text_equals(raw, json_trie_name(s->paths, child)))
            return child;
    }
    return NULL;
}

static const char *walk_object(struct scanner *s, const char *p, const struct json_node *node)
{
    const unsigned base = s->depth;
    p = enter(s, p, '}');
    if (p && *p == '}') {
        s->depth--;
        return p + 1;
    }
    while (p) {
        const struct json_node *child;
        const char *name = p;
        size_t escapes = s->escapes;
        if (unlikely(*p != '"'))
            return refuse(s, p, JSON_FAULT_NAME);
        p = scan_string(s, p);
        if (unlikely(!p))
            return NULL;
        child = find_member(s, node, name, p, s->escapes != escapes);
        p = scan_colon(s, p);
        if (unlikely(!p))
            return NULL;
        p = child ? walk_value(s, p, child) : skip_value(s, p);
        if (unlikely(!p))
            return NULL;
        p = scan_comma(s, p);
        if (s->depth == base)
            return p;
    }
    return NULL;
}

static const struct json_node *find_element(const struct scanner *s, const struct json_node *node,
                                            size_t index)
{
    if (index >= node->index_bound)
        return NULL;
    for (unsigned at = node->first_child; at; at = s->paths->nodes[at].next_sibling) {
        if (s->paths->nodes[at].index == index)
            return &s->paths->nodes[at];
    }
    return NULL;
}

static const char *walk_array(struct scanner *s, const char *p, const struct json_node *node)
{
    const unsigned base = s->depth;
    p = enter(s, p, ']');
    if (p && *p == ']') {
        s->depth--;
        return p + 1;
    }
    for (size_t index = 0; p; index++) {
        const struct json_node *child = find_element(s, node, index);
        p = child ? walk_value(s, p, child) : skip_value(s, p);
        if (unlikely(!p))
            return NULL;
        p = scan_comma(s, p);
        if (s->depth == base)
            return p;
    }
    return NULL;
}

/* An earlier member of the same name lost: what was found in it is no part of the document. */
static void forget(struct scanner *s, uint64_t slots)
{
    for (uint64_t left = s->captured & slots; left; left &= left - 1)
        s->values[__builtin_ctzll(left)] = (struct json_value){0};
    s->captured &= ~slots;
}

/* Over a value that has slots at it or below. Recursion ends with the pointers' names. */
static const char *walk_value(struct scanner *s, const char *p, const struct json_node *node)
{
    const char *start = p;
    const size_t escapes = s->escapes, nuls = s->nuls;
    if (unlikely(s->captured & node->slots))
        forget(s, node->slots);
    if (*p == '{' && node->first_child)
        p = walk_object(s, p, node);
    else if (*p == '[' && node->index_bound)
        p = walk_array(s, p, node);
    else
        p = skip_value(s, p);
    if (p && node->slot >= 0) {
        s->values[node->slot] = (struct json_value){
            .type = json_type_of(*start),
            .escaped = s->escapes != escapes,
            .has_nul = s->nuls != nuls,
            .raw = {start, (size_t)(p - start)},
        };
        s->captured |= UINT64_C(1) << node->slot;
    }
    return p;
}

static const char *scan_document(struct scanner *s, const char *p, json_place from)
{
    p = json_lex_space(p, s->end);
    if (p == s->end)
        return refuse(s, p, JSON_FAULT_EMPTY);
    if (s->end - p >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0)
        return refuse(s, p, JSON_FAULT_BYTE_ORDER_MARK);
    p = s->paths ? walk_value(s, p, &s->paths->nodes[from]) : skip_value(s, p);
    if (!p)
        return NULL;
    p = json_lex_space(p, s->end);
    return p == s->end ? p : refuse(s, p, JSON_FAULT_TRAILING);
}

static bool report(const struct json_scan_result *result, const struct json_limits *limits,
                   struct upsink_error *err)
{
    const char *code = json_fault_code(result->fault);
    if (result->fault == JSON_FAULT_TOO_DEEP)
        upsink_fail(err, UPSINK_ERR_RECORD, code,
                    "at byte %zu arrays and objects are nested more than %u deep, which is the limit; the "
                    "producer has to send flatter values",
                    result->position, limits->max_depth);
    else if (result->fault == JSON_FAULT_TOO_LARGE)
        upsink_fail(err, UPSINK_ERR_RECORD, code, "the value is longer than %zu bytes, which is the limit",
                    limits->max_bytes);
    else
        upsink_fail(err, UPSINK_ERR_RECORD, code,
                    "not acceptable as JSON at byte %zu: %s; the producer has to send it right (RFC 8259)",
                    result->position, json_fault_text(result->fault));
    upsink_error_detail(err, "byte %zu", result->position);
    return false;
}

bool json_scan(const struct json_paths *paths, json_place from, struct upsink_slice text,
               const struct json_limits *limits, struct json_value *values, struct json_scan_result *result,
               struct upsink_error *err)
{
    const struct json_limits bounds = limits ? *limits : JSON_LIMITS_DEFAULT;
    const char *begin = text.data ? text.data : "";
    struct scanner s;
    /* Not initialised as a whole: that would clear the stack of closers for every record. */
    s.end = begin + text.len;
    s.paths = paths;
    s.values = values;
    s.captured = 0;
    s.escapes = s.nuls = 0;
    s.depth = 0;
    s.max_depth = bounds.max_depth < JSON_DEPTH_CEILING ? bounds.max_depth : JSON_DEPTH_CEILING;
    s.fault = JSON_VALID;
    s.fault_at = begin;
    if (paths)
        memset(values, 0, paths->slots * sizeof *values);
    if (text.len > bounds.max_bytes)
        refuse(&s, begin + bounds.max_bytes, JSON_FAULT_TOO_LARGE);
    else
        scan_document(&s, begin, from);
    result->fault = s.fault;
    result->position = (size_t)(s.fault_at - begin);
    result->has_nul = s.nuls > 0;
    if (s.fault == JSON_VALID)
        return true;
    if (paths)
        memset(values, 0, paths->slots * sizeof *values);
    return report(result, &bounds, err);
}
