#include "json_trie.h"

#include "utf8.h"

#include <stdlib.h>

#define NODES_MAX 4096

_Static_assert(JSON_TRIE_BUCKETS == 16, "json_trie_bucket keeps four bits");
_Static_assert(JSON_SLOTS_MAX <= 64, "json_node.slots has a bit for each slot");
_Static_assert(NODES_MAX <= UINT16_MAX, "links are 16 bits wide");

static bool out_of_memory(struct upsink_error *err)
{
    return upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory",
                       "out of memory while compiling JSON Pointers; give the process more memory");
}

static bool bad_pointer(struct upsink_error *err, const char *pointer, const char *why)
{
    return upsink_fail(err, UPSINK_ERR_CONFIG, "invalid_pointer",
                       "'%.200s' is not a JSON Pointer (RFC 6901): %s", pointer, why);
}

/* RFC 6901 section 4: digits without a leading zero. Beyond nine digits no document reaches. */
static uint32_t parse_index(const char *name, size_t len)
{
    uint32_t index = 0;
    if (len == 0 || len > 9 || (name[0] == '0' && len > 1))
        return JSON_NO_INDEX;
    for (size_t i = 0; i < len; i++) {
        if (name[i] < '0' || name[i] > '9')
            return JSON_NO_INDEX;
        index = index * 10 + (uint32_t)(name[i] - '0');
    }
    return index;
}

/* Appends an unconnected node with the name that stands last in paths->names, from `name_at` on. */
static bool append_node(struct json_paths *paths, size_t name_at, struct upsink_error *err)
{
    const size_t len = paths->names.len - name_at;
    const char *name = paths->names.data + name_at;
    struct json_node *node;
    if (paths->count == NODES_MAX)
        return upsink_fail(err, UPSINK_ERR_CONFIG, "too_many_pointers",
                           "the JSON Pointers of one view name too many fields; use fewer");
    if (paths->count == paths->capacity) {
        size_t capacity = paths->capacity ? 2 * paths->capacity : 16;
        struct json_node *nodes = realloc(paths->nodes, capacity * sizeof *nodes);
        if (!nodes)
            return out_of_memory(err);
        paths->nodes = nodes;
        paths->capacity = capacity;
    }
    node = &paths->nodes[paths->count++];
    memset(node, 0, sizeof *node);
    node->slot = -1;
    node->name_at = name_at;
    node->name_len = len;
    node->head = json_trie_head(name, len, name + len);
    node->index = parse_index(name, len);
    return true;
}

static void connect_child(struct json_paths *paths, unsigned parent_at, unsigned child_at)
{
    struct json_node *parent = &paths->nodes[parent_at], *child = &paths->nodes[child_at];
    uint16_t *bucket = &parent->buckets[json_trie_bucket(child->head, child->name_len)];
    child->next_in_bucket = *bucket;
    *bucket = (uint16_t)child_at;
    child->next_sibling = parent->first_child;
    parent->first_child = (uint16_t)child_at;
    if (child->index != JSON_NO_INDEX && child->index >= parent->index_bound)
        parent->index_bound = child->index + 1;
}

/* Appends one name of a pointer, with ~0 and ~1 resolved, to paths->names; from `p` (behind the
 * slash) to the next slash, which is returned. */
static const char *append_name(struct json_paths *paths, const char *p)
{
    for (; *p && *p != '/'; p++) {
        if (*p == '~')
            buf_append_byte(&paths->names, *++p == '0' ? '~' : '/');
        else
            buf_append_byte(&paths->names, *p);
    }
    return p;
}

static bool check_pointer(const char *pointer, struct upsink_error *err)
{
    size_t segments = 0;
    if (pointer[0] && pointer[0] != '/')
        return bad_pointer(err, pointer, "it must be empty or start with '/', as in /data/id");
    if (!utf8_is_valid(pointer, strlen(pointer)))
        return bad_pointer(err, pointer, "it is not well-formed UTF-8");
    for (const char *p = pointer; *p; p++) {
        if (*p == '~' && p[1] != '0' && p[1] != '1')
            return bad_pointer(err, pointer, "write '~0' for '~' and '~1' for '/' inside a name");
        segments += *p == '/';
    }
    if (segments > JSON_SEGMENTS_MAX)
        return bad_pointer(err, pointer, "it has more than 32 names");
    return true;
}

/* The child with the name that stands last in paths->names, made where it does not exist yet. */
static bool reach_child(struct json_paths *paths, size_t name_at, unsigned *at, struct upsink_error *err)
{
    const struct buf *names = &paths->names;
    const struct json_node *child = json_trie_find(paths, &paths->nodes[*at], names->data + name_at,
                                                   names->len - name_at, names->data + names->len);
    if (child) {
        paths->names.len = name_at;
        *at = (unsigned)(child - paths->nodes);
        return true;
    }
    if (!append_node(paths, name_at, err))
        return false;
    connect_child(paths, *at, (unsigned)(paths->count - 1));
    *at = (unsigned)(paths->count - 1);
    return true;
}

/* The node that a pointer leads to. */
static bool reach_node(struct json_paths *paths, const char *pointer, unsigned *place,
                       struct upsink_error *err)
{
    *place = JSON_WHOLE;
    if (!check_pointer(pointer, err))
        return false;
    while (*pointer == '/') {
        size_t name_at = paths->names.len;
        pointer = append_name(paths, pointer + 1);
        if (paths->names.failed)
            return out_of_memory(err);
        if (!reach_child(paths, name_at, place, err))
            return false;
    }
    return true;
}

/* Tells every node on the way to `pointer`, the root among them, that `slot` lies below. */
static void mark_slot(struct json_paths *paths, unsigned target, unsigned slot)
{
    /* A parent always stands before its children, so a walk backwards climbs to the root. */
    paths->nodes[target].slots |= UINT64_C(1) << slot;
    for (unsigned parent = target; parent-- > 0;) {
        for (unsigned c = paths->nodes[parent].first_child; c; c = paths->nodes[c].next_sibling)
            paths->nodes[parent].slots |= paths->nodes[c].slots;
    }
}

struct json_paths *json_paths_create(void)
{
    struct json_paths *paths = calloc(1, sizeof *paths);
    if (!paths)
        return NULL;
    buf_init(&paths->names);
    if (!buf_reserve(&paths->names, 1) || !append_node(paths, 0, NULL)) {
        json_paths_destroy(paths);
        return NULL;
    }
    return paths;
}

void json_paths_destroy(struct json_paths *paths)
{
    if (!paths)
        return;
    buf_destroy(&paths->names);
    free(paths->nodes);
    free(paths);
}

bool json_paths_add(struct json_paths *paths, const char *pointer, unsigned *slot, struct upsink_error *err)
{
    unsigned at;
    if (!reach_node(paths, pointer, &at, err))
        return false;
    if (paths->nodes[at].slot < 0) {
        if (paths->slots == JSON_SLOTS_MAX)
            return upsink_fail(err, UPSINK_ERR_CONFIG, "too_many_pointers",
                               "more than %d different JSON Pointers in one view; use fewer", JSON_SLOTS_MAX);
        paths->nodes[at].slot = (int)paths->slots++;
        mark_slot(paths, at, (unsigned)paths->nodes[at].slot);
    }
    *slot = (unsigned)paths->nodes[at].slot;
    return true;
}

bool json_paths_sub(struct json_paths *paths, const char *pointer, json_place *place,
                    struct upsink_error *err)
{
    return reach_node(paths, pointer, place, err);
}

size_t json_paths_slots(const struct json_paths *paths)
{
    return paths->slots;
}
