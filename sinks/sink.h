/* The sink plugin interface: what a store must do to hold a view. How one is written: sinks/README.md,
 * installed as share/doc/upsink/sinks.md.
 *
 * A sink is a shared object, libupsink_<name>.so, that exports one constant:
 *
 *     UPSINK_EXPORT const struct upsink_sink_type upsink_sink = { .abi = UPSINK_SINK_ABI, ... };
 *
 * It moves bytes and reports what became of them. It decides nothing about retries, dead letters
 * or offsets: the connector does, from the verdicts and the error classes (error.h).
 *
 * Threads: every struct upsink_sink belongs to one thread at a time. The connector opens one for
 * each of its workers (at most `max_writers`, 0 = any number) and one for itself; all of them, and
 * those of other processes, may write to one target at the same time, never the same partition. A thread
 * may hold several, and a sink may go from one thread to another between two calls.
 *
 * Life of a sink:  open (parses, no I/O) -> prepare (connects, checks, creates) -> claim partitions
 *   -> { write, write, ... commit | abort }* -> close.
 * After a function failed the connector calls abort, and unless the view halts prepare again (which
 * reconnects where the connection was lost). Then it repeats the batch; after UPSINK_ERR_TARGET_LOST and
 * _FENCED it claims the partitions first, and begins where that says.
 *
 * Memory: everything passed in is borrowed for the length of the call, but for the view passed to
 * open, which outlives the sink. Times are microseconds since 1970-01-01T00:00:00Z unless a name
 * says otherwise. Text is UTF-8 without NUL unless said otherwise.
 *
 * The interface is an ABI: a plugin is built against one version of this header and loaded by upsinks of
 * others. Nothing else is shared: no symbol of the program, no library of its own. C17 and C++17 both do.
 *
 * UPSINK_SINK_ABI counts the versions that don't fit each other. The program refuses a plugin with another
 * number ("sink_abi"), and reads nothing else of it. While the number stays (any minor version of upsink):
 * - upsink_sink_type, upsink_view and upsink_host may grow, at their end only. Each tells its own size as
 *   its maker knew it; the other side asks UPSINK_HAS before it touches a member that came later than
 *   UPSINK_SINK_ABI did. A new function that a plugin does not have is one that it does not offer; what a
 *   view or host does not have is as if it were zero.
 * - Everything else keeps its size, its members, their order and their meaning: what goes through arrays
 *   (upsink_change, upsink_result, upsink_position, upsink_slice, upsink_option, upsink_setting) and what
 *   one side allocates and the other fills (upsink_fence, upsink_row, upsink_batch, upsink_error).
 * - Operations, verdicts, error classes and delete modes stay the ones listed. Bits of flags and capabilities
 *   may be added where a side that does not know them is right to ignore them; so may log levels.
 * - A function is not called at other times than its comment says, nor given NULL where it was not before.
 * upsink_fence_judge and upsink_fence_version are compiled into the plugin: a change of these rules is a
 * new ABI. */
#ifndef UPSINK_SINK_H
#define UPSINK_SINK_H

#include "error.h"
#include "slice.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define UPSINK_SINK_ABI 1

/* Whether a struct that begins with, or has, a `size` reaches as far as this member. */
#define UPSINK_HAS(object, member)                                                                           \
    ((size_t)((const char *)(&(object)->member + 1) - (const char *)(object)) <= (object)->size)

enum upsink_op { UPSINK_UPSERT = 1, UPSINK_DELETE = 2 };

enum upsink_change_flag {
    UPSINK_HAS_VERSION = 1, /* `version` holds a value */
    UPSINK_BY_POSITION = 2, /* a delete without a version of its own (a tombstone): it is ordered by
                               position, and `version`, if there, is only the highest one that was
                               folded into it, for the fence to keep */
    UPSINK_HAS_NUL = 4      /* the entity holds the escape \u0000 somewhere */
};

/* A decoded record. */
struct upsink_change {
    enum upsink_op op;
    uint32_t flags;                /* of enum upsink_change_flag */
    struct upsink_slice key;       /* the entity key as text; never absent, may be empty */
    struct upsink_slice entity;    /* valid JSON text of any type, the producer's bytes; absent in deletes */
    struct upsink_slice event_id;  /* absent where there is none */
    struct upsink_slice change_id; /* likewise */
    struct upsink_slice topic;
    int64_t version;
    int64_t offset;
    int64_t timestamp;  /* of the record, in microseconds; -1 unknown */
    int64_t generation; /* of the change's partition */
    int64_t floor;      /* fences of a generation below this are void, whatever partition wrote them */
    int32_t partition;
};

/* What became of a change. */
enum upsink_verdict {
    UPSINK_PENDING = 0, /* only before write */
    UPSINK_APPLIED,
    UPSINK_STALE,            /* the fence holds something newer */
    UPSINK_DUPLICATE_EVENT,  /* the entity's last change has the same event id */
    UPSINK_DUPLICATE_CHANGE, /* the entity's last change has the same change id */
    UPSINK_REJECTED          /* this change can't be stored; `error` says why */
};

struct upsink_result {
    enum upsink_verdict verdict;
    struct upsink_error *error; /* with UPSINK_REJECTED only; from upsink_batch.alloc */
};

/* One call of write. No two changes have the same key; they are sorted by the bytes of the key. */
struct upsink_batch {
    const struct upsink_change *const *changes;
    struct upsink_result *results; /* to be filled, one for each change */
    size_t count;
    void *(*alloc)(struct upsink_batch *batch,
                   size_t size); /* lives until commit or abort; NULL: out of memory */
    void *memory;                /* alloc's own */
};

/* How far a partition of the view has come; kept in the sink. */
struct upsink_position {
    struct upsink_slice topic;
    int32_t partition;
    int64_t epoch;      /* counts owners: whoever holds the highest may write */
    int64_t generation; /* 0 before the first */
    int64_t floor;
    int64_t next_offset; /* of the first record not yet done; -1: none known, or the target was lost */
    char note[2048];     /* the connector's own, text; kept as it is */
};

/* What a sink remembers of an entity, so that an older change can never overwrite a newer one. */
struct upsink_fence {
    struct upsink_slice topic;
    struct upsink_slice event_id, change_id;
    int64_t version;
    int64_t offset;
    int64_t timestamp;
    int64_t generation;
    int32_t partition;
    bool has_version;
    bool deleted;
};

/* The one rule of order (the sinks that evaluate it on the server say the same in their own
 * language, and the contract suite compares): does `change` win against the entity's fence?
 * fence == NULL: the entity was never seen. */
static inline enum upsink_verdict upsink_fence_judge(const struct upsink_fence *fence,
                                                     const struct upsink_change *change)
{
    if (!fence || fence->generation < change->floor)
        return UPSINK_APPLIED;
    bool same = fence->partition == change->partition && upsink_slice_equal(fence->topic, change->topic);
    if (same && fence->generation != change->generation)
        return fence->generation < change->generation ? UPSINK_APPLIED : UPSINK_STALE;
    if (change->event_id.data && upsink_slice_equal(fence->event_id, change->event_id))
        return UPSINK_DUPLICATE_EVENT;
    if (change->change_id.data && upsink_slice_equal(fence->change_id, change->change_id))
        return UPSINK_DUPLICATE_CHANGE;
    if (same && fence->deleted && change->offset < fence->offset)
        return UPSINK_STALE; /* only a dead letter that is tried again can come so late */
    if ((change->flags & UPSINK_HAS_VERSION) && !(change->flags & UPSINK_BY_POSITION) && fence->has_version) {
        if (change->version > fence->version)
            return UPSINK_APPLIED;
        if (change->version < fence->version || fence->deleted)
            return UPSINK_STALE;
    }
    if (same)
        return change->offset > fence->offset ? UPSINK_APPLIED : UPSINK_STALE;
    if (change->timestamp != fence->timestamp)
        return change->timestamp > fence->timestamp ? UPSINK_APPLIED : UPSINK_STALE;
    /* Nothing tells the two apart but where they stand: any fixed answer will do. */
    if (change->partition != fence->partition)
        return change->partition > fence->partition ? UPSINK_APPLIED : UPSINK_STALE;
    size_t shorter = change->topic.len < fence->topic.len ? change->topic.len : fence->topic.len;
    int order = shorter ? memcmp(change->topic.data, fence->topic.data, shorter) : 0;
    return order > 0 || (order == 0 && change->topic.len > fence->topic.len) ? UPSINK_APPLIED : UPSINK_STALE;
}

/* The version that the fence holds once a winning change is applied: a tombstone keeps the highest
 * one seen. A void fence (of an older generation) counts as none. Returns false for "no version". */
static inline bool upsink_fence_version(const struct upsink_fence *fence, const struct upsink_change *change,
                                        int64_t *version)
{
    bool has = change->flags & UPSINK_HAS_VERSION;
    *version = has ? change->version : 0;
    if (!(change->flags & UPSINK_BY_POSITION) || !fence || !fence->has_version)
        return has;
    bool same = fence->partition == change->partition && upsink_slice_equal(fence->topic, change->topic);
    if (fence->generation < change->floor || (same && fence->generation < change->generation))
        return has;
    if (!has || fence->version > *version)
        *version = fence->version;
    return true;
}

/* A row as the view has it, for people and programs that ask for one key. */
struct upsink_row {
    bool found;                 /* false: neither a row nor a fence */
    struct upsink_slice entity; /* JSON text; absent where deleted (but for soft deletes) */
    struct upsink_fence fence;
};

enum upsink_delete_mode { UPSINK_DELETE_HARD, UPSINK_DELETE_SOFT };

/* One setting of the sink's own, from the view's section named like the sink. */
struct upsink_setting {
    const char *name, *value;
};

/* What is to be held, and where. Grows at its end: UPSINK_HAS. */
struct upsink_view {
    size_t size;
    const char *name;
    const char
        *topic; /* the view's topics as configured: a name, a,b or ^regex; part of the target's identity */
    bool several_topics;    /* positions need the topic's name, not just the partition */
    bool versioned;         /* the view maps a version */
    bool change_id_is_hash; /* a change id tells the state, not the change: it may honestly come back */
    const char *url;        /* with credentials: never to be shown */
    const char *target; /* table, collection, index or prefix where the configuration names one, else NULL */
    const char *default_target;          /* used where neither the URL nor the configuration names one */
    enum upsink_delete_mode delete_mode; /* soft: the row of a deleted entity stays, told from the living */
    bool create;                         /* may create the target and what it needs */
    int64_t timeout_us;                  /* no answer for so long: the connection is given up, an outage */
    const struct upsink_setting *settings;
    size_t setting_count;
};

enum upsink_log_level { UPSINK_LOG_DEBUG, UPSINK_LOG_INFO, UPSINK_LOG_WARN, UPSINK_LOG_ERROR };

/* What the connector offers to a sink. Valid as long as the sink. Grows at its end: UPSINK_HAS. Where nobody
 * offers anything (tools, the contract suite) there is none: NULL. */
struct upsink_host {
    size_t size;
    void *context;
    void (*log)(void *context, enum upsink_log_level level, const char *text);
    bool (*stopping)(void *context); /* true: leave long waits early, with UPSINK_ERR_OUTAGE */
};

/* A description of one setting: gives parsing, defaults, help and the manual. */
struct upsink_option {
    const char *name;
    const char *type; /* "text", "integer", "boolean", "duration", "bytes" or "a|b|c" */
    const char *fallback;
    const char *help;
};

/* Receives a plan. */
struct upsink_printer {
    void *context;
    /* A statement that would make what is missing; without a trailing newline. */
    void (*print)(void *context, const char *text);
    /* No position would be left: the target is not there yet, or not the one that they were written for. */
    void (*refill)(void *context);
};

/* Each sink defines its own; the connector only passes it round. */
struct upsink_sink;

enum upsink_capability {
    UPSINK_KEEPS_POSITIONS = 1, /* claim and commit are there */
    UPSINK_TRANSACTIONAL = 2,   /* rows and positions become visible together, at commit */
    UPSINK_FENCED = 4           /* order is enforced at the store */
};

/* What a plugin exports. Grows at its end: UPSINK_HAS. */
struct upsink_sink_type {
    uint32_t abi; /* UPSINK_SINK_ABI; always the first member */
    size_t size;  /* sizeof (struct upsink_sink_type), so that later members can be told from absent ones */
    const char *name;
    const char *const *schemes;              /* NULL-terminated */
    const char *summary;                     /* one line for `upsink sinks` */
    const struct upsink_option *url_options; /* ends with a NULL name */
    const struct upsink_option *settings;    /* likewise */
    uint32_t capabilities;
    uint32_t max_writers; /* 0: any number */

    /* Parses the URL and the settings; no I/O. On failure *sink stays NULL. */
    bool (*open)(struct upsink_sink **sink, const struct upsink_view *view, const struct upsink_host *host,
                 struct upsink_error *err);

    /* What the target is called in messages and headers: "postgres://host:5432/db table orders";
     * without credentials. Two views whose targets are called the same are refused ("target_shared"), so it
     * says all that tells two apart. Lives as long as the sink. */
    const char *(*describe)(const struct upsink_sink *sink);

    /* Connects, refuses a target that belongs to another view or topic (UPSINK_ERR_FATAL, "target_taken")
     * or has another shape ("target_mismatch"), creates what is missing. May be called again at any time.
     * Where the target had to be made anew, or is not the one that the positions were written for,
     * every position of the view loses its next_offset (-1), keeps its generation and gets a new epoch,
     * in the same atomic step: positions belong to the view and outlive its targets. With a printer it
     * changes nothing: it tells what it would do, and fails where it would fail (after it told what is
     * missing where `create` is false). A service begins with that too, and prepares without a printer once
     * it has a partition. */
    bool (*prepare)(struct upsink_sink *sink, const struct upsink_printer *plan, struct upsink_error *err);

    /* Makes the caller the owner of position->topic/partition: raises the epoch and fills in the rest
     * (generation 0, next_offset -1 where nothing is known). This and commit are NULL in a sink without
     * UPSINK_KEEPS_POSITIONS. */
    bool (*claim)(struct upsink_sink *sink, struct upsink_position *position, struct upsink_error *err);

    /* Applies the changes under the fence and fills every result. A transactional sink leaves its
     * transaction open: further writes and one commit or abort follow. Returns false where nothing can
     * be said of the single changes; the results are void then. */
    bool (*write)(struct upsink_sink *sink, struct upsink_batch *batch, struct upsink_error *err);

    /* Stores the positions, each only if its epoch is still the highest (else UPSINK_ERR_FENCED, and nothing
     * of the transaction stands; the other sinks have stored none or some). With no writes before it:
     * positions alone. */
    bool (*commit)(struct upsink_sink *sink, const struct upsink_position *positions, size_t count,
                   struct upsink_error *err);

    /* Takes back what was written since the last commit, where the store can do that. Never fails. */
    void (*abort)(struct upsink_sink *sink);

    /* Reads one entity, in an open transaction as it would stand. The slices live until the next call on this
     * sink. NULL in a sink that can't (stdout). */
    bool (*read_row)(struct upsink_sink *sink, struct upsink_slice key, struct upsink_row *row,
                     struct upsink_error *err);

    void (*close)(struct upsink_sink *sink);
};

/* The smallest upsink_sink_type of this ABI: up to and with `close`. */
#define UPSINK_SINK_SIZE_MIN (offsetof(struct upsink_sink_type, close) + sizeof(void (*)(void)))

/* The symbol every plugin exports: UPSINK_EXPORT const struct upsink_sink_type upsink_sink = {...}; */
#ifdef __cplusplus
}
#define UPSINK_EXPORT extern "C" __attribute__((visibility("default")))
#else
#define UPSINK_EXPORT __attribute__((visibility("default")))
#endif

#endif
