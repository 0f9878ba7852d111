/* The inside of a set of pointers, for json_pointer.c that builds it and json_scan.c that asks it. */
#ifndef UPSINK_JSON_TRIE_H
#define UPSINK_JSON_TRIE_H

#include "json_pointer.h"

#include "buf.h"

#include <stdint.h>

#define JSON_TRIE_BUCKETS 16
#define JSON_NO_INDEX     UINT32_MAX

/* Links are positions in json_paths.nodes; 0, the root, is nobody's child and so means "none". */
struct json_node {
    uint64_t slots; /* one bit for each slot at this node or below */
    uint64_t head;  /* the first eight bytes of the name, see json_trie_head */
    size_t name_at; /* unescaped, in json_paths.names */
    size_t name_len;
    uint32_t index;       /* the name as an array index, or JSON_NO_INDEX */
    uint32_t index_bound; /* elements of an array from here on match no child */
    int slot;             /* -1: only on the way to others */
    uint16_t first_child;
    uint16_t next_sibling;
    uint16_t next_in_bucket;
    uint16_t buckets[JSON_TRIE_BUCKETS];
};

struct json_paths {
    struct json_node *nodes;
    size_t count;
    size_t capacity;
    size_t slots;
    struct buf names;
};

static inline struct upsink_slice json_trie_name(const struct json_paths *paths, const struct json_node *node)
{
    return (struct upsink_slice){paths->names.data + node->name_at, node->name_len};
}

/* The first eight bytes of a name, zero behind a shorter one: most comparisons are over with it.
 * `end` is where readable memory ends. */
static inline uint64_t json_trie_head(const char *name, size_t len, const char *end)
{
    uint64_t head = 0;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (end - name >= 8) {
        memcpy(&head, name, 8);
        return len >= 8 ? head : head & ((UINT64_C(1) << (8 * len)) - 1);
    }
#else
    (void)end;
#endif
    memcpy(&head, name, len < 8 ? len : 8);
    return head;
}

static inline unsigned json_trie_bucket(uint64_t head, size_t len)
{
    return (unsigned)(((head ^ len) * UINT64_C(0x9E3779B97F4A7C15)) >> 60);
}

/* The child of that (unescaped) name, or NULL. */
static inline const struct json_node *json_trie_find(const struct json_paths *paths,
                                                     const struct json_node *node, const char *name,
                                                     size_t len, const char *end)
{
    uint64_t head = json_trie_head(name, len, end);
    unsigned at = node->buckets[json_trie_bucket(head, len)];
    while (at) {
        const struct json_node *child = &paths->nodes[at];
        if (child->head == head && child->name_len == len &&
            (len <= 8 || memcmp(json_trie_name(paths, child).data + 8, name + 8, len - 8) == 0))
            return child;
        at = child->next_in_bucket;
    }
    return NULL;
}

#endif
