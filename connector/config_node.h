/* The configuration as it was written: a small tree of maps, lists and scalars, each with the place it came
 * from. Internal to the configuration (config_*.c).
 *
 * A tree lives in the arena of its loader. Scalars are text without NUL; what they mean is decided by the
 * option that they are read for (config_options.h). */
#ifndef UPSINK_CONFIG_NODE_H
#define UPSINK_CONFIG_NODE_H

#include "arena.h"
#include "error.h"

enum config_kind { CONFIG_NULL, CONFIG_SCALAR, CONFIG_LIST, CONFIG_MAP };

struct config_node {
    struct config_node *parent, *next; /* next: the following sibling */
    struct config_node *first, *last;  /* children of maps and lists */
    enum config_kind kind;
    const char *name;   /* its key, where the parent is a map */
    const char *text;   /* of a scalar */
    const char *origin; /* a file's name, "--set", "UPSINK_LOG__LEVEL" */
    size_t line;        /* 0: the origin has no lines */
    bool quoted;        /* a scalar in quotes: always text */
    bool final;         /* taken as it is: ${...} means nothing in it */
    bool hidden;        /* came from ${env:} or ${file:}: never shown */
};

/* What the functions of one load share. */
struct config_loader {
    struct arena *arena;
    struct upsink_error *err;
    size_t node_count;
    const char *directory;    /* relative ${file:} paths start here; NULL: the working directory */
    char *const *environment; /* "NAME=value", ends with NULL */
};

/* NULL when out of memory, or with too many nodes; the error is set. The texts are borrowed. */
struct config_node *config_node_create(struct config_loader *loader, enum config_kind kind,
                                       const char *origin, size_t line);
void config_node_append(struct config_node *parent, struct config_node *child);

/* The child of a map, NULL where there is none (or where node is NULL or no map). */
struct config_node *config_node_find(const struct config_node *node, const char *name);

/* A NUL-terminated copy in the arena, or NULL with the error set. */
const char *config_text(struct config_loader *loader, const char *text, size_t len);
UPSINK_PRINTF(2, 3) const char *config_format(struct config_loader *loader, const char *format, ...);

/* Memory from the arena, zeroed; NULL with the error set. */
void *config_alloc(struct config_loader *loader, size_t count, size_t size);

#define CONFIG_PATH_SIZE 192

/* "views.orders.batch.linger"; "" for the root. Long ones are cut. */
void config_path(const struct config_node *node, char path[CONFIG_PATH_SIZE]);

/* Sets the error, class CONFIG: `FILE:LINE: PATH: sentence`. Returns false. */
UPSINK_PRINTF(3, 4)
bool config_fail(struct config_loader *loader, const struct config_node *at, const char *format, ...);

/* Likewise, but with neither path nor code of its own: `FILE:LINE: sentence`. */
UPSINK_PRINTF(3, 4)
bool config_fail_plain(struct config_loader *loader, const struct config_node *at, const char *format, ...);

#define CONFIG_SHOWN_SIZE 64

/* The scalar's text in double quotes, escaped and cut, for messages; "the value" where it must not be seen.
 */
const char *config_shown(const struct config_node *node, bool secret, char shown[CONFIG_SHOWN_SIZE]);

/* A name that the user mistyped, escaped and cut, and cut at the first : or = (behind it a value may stand).
 */
void config_shown_name(const char *name, char shown[CONFIG_SHOWN_SIZE]);

/* YAML text (which JSON is) to a tree. One document; no anchors, aliases, tags or merge keys; keys are
 * scalars and appear once; at most 1 MiB, 20,000 nodes and 32 levels. An empty document is an empty map. */
UPSINK_NODISCARD struct config_node *config_parse_yaml(struct config_loader *loader, const char *origin,
                                                       const char *bytes, size_t len);

/* Replaces ${env:NAME}, ${env:NAME:-default} and ${file:PATH} (without its trailing newline) in all scalars
 * below the node; $${ stands for ${. Results are not expanded again. */
UPSINK_NODISCARD bool config_expand(struct config_loader *loader, struct config_node *node);

/* Whether a scalar below the node refers to ${env:NAME}. */
bool config_refers_to(const struct config_node *node, const char *name, size_t len);

/* Whether a plain scalar is YAML's null: nothing, ~, null, Null or NULL. */
bool config_is_null_word(const char *text);

/* The node as canonical JSON (schemas/json_canonical.h). Plain scalars are typed by the core schema of
 * YAML 1.2: numbers keep their digits, what stands in quotes is text. NULL with the error set: .inf and .nan,
 * which JSON has not, and 0x or 0o beyond 64 bits. */
UPSINK_NODISCARD const char *config_json(struct config_loader *loader, const struct config_node *node);

/* The whole file (or "-": standard input), NUL-terminated, in the arena; data NULL with the error set, which
 * names the file and, as its place, the node that asked for it. At most `most` bytes. */
struct upsink_slice config_read_file(struct config_loader *loader, const struct config_node *at,
                                     const char *path, size_t most);

#endif
