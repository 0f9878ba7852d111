/* A running view: one consumer, a few workers, one sink connection for each of them.
 *
 * Threads: the view's own thread polls the group and routes partitions to workers; each worker takes records
 * from its queue, decodes, folds, writes and commits, one batch after the other. `lock` guards what they
 * share: the list of lanes, the inboxes, the reasons. Nobody holds it during I/O. */
#ifndef UPSINK_VIEW_H
#define UPSINK_VIEW_H

#include "backoff.h"
#include "connector/batch.h"
#include "connector/config.h"
#include "connector/lane.h"
#include "connector/metrics.h"
#include "connector/source.h"
#include "dlq/writer.h"

#include <pthread.h>

enum { VIEW_WORKERS_MAX = 4, VIEW_CHUNK = 256, VIEW_TROUBLE_SIZE = 640 };

/* All duplicate windows of a view together; with more partitions each remembers fewer records. */
#define VIEW_WINDOW_BYTES ((size_t)48 << 20)

/* What the records in the batches of all workers may cost beside their messages. */
#define VIEW_RECORD_BYTES ((size_t)24 << 20)

/* Well within what those who stop services wait before they kill. */
#define VIEW_STOP_LIMIT ((int64_t)10 * 1000 * 1000)

struct view;

struct worker {
    struct view *view;
    int number;
    pthread_t thread;
    bool started;
    _Atomic bool ended; /* the thread is done with all that is shared */
    rd_kafka_queue_t *queue;
    struct upsink_host host;
    struct upsink_sink *sink;
    bool prepared;
    struct lane **lanes; /* the worker's own; entries move only between batches */
    size_t lane_count, lane_room;
    struct lane *last_lane;
    size_t nudged; /* lanes, round and round */
    struct batch batch;
    int64_t queue_bytes; /* its share of the metric */
    struct backoff backoff;
    uint32_t unknown_in_a_row;
    int64_t committed_at_us; /* to the group; monotonic */
    int64_t busy_us;         /* spent on writing: not part of worker_clock */
    int64_t now_us;          /* worker_clock, as of the last chunk */
    int64_t proved_us;       /* when the sink last took a write, or was asked instead; monotonic */
    unsigned losses_seen;
    bool doubts;             /* a lane waits to be opened again: no lingering */
    uint32_t failed_commits; /* of the source, that were looked at */
    rd_kafka_message_t *chunk[VIEW_CHUNK];
    /* guarded by view->lock */
    struct lane **inbox;
    size_t inbox_count, inbox_room;
    size_t assigned;                 /* lanes that are or will be its own */
    char trouble[VIEW_TROUBLE_SIZE]; /* why it can't make progress just now; "" it can */
};

struct view {
    const struct config *config;
    const struct view_config *settings;
    bool until_end;
    struct mapping *mapping;
    const struct upsink_sink_type *type;
    struct upsink_view target;
    char sink_name[256]; /* as the sink describes itself */
    struct source *source;
    struct dlq_property *kafka_properties;
    struct dlq_kafka kafka;
    struct dlq_writer *dlq;
    pthread_mutex_t dlq_lock;
    pthread_mutex_t prepare_lock; /* of the first preparation */
    bool dlq_open;
    struct metrics_view *metrics;
    pthread_t thread;
    bool started;
    struct worker workers[VIEW_WORKERS_MAX];
    int worker_count;
    _Atomic bool stopping, halted, finished, ever_prepared;
    _Atomic int64_t stop_at_us; /* when it was asked to stop; monotonic */
    _Atomic bool looking;       /* at the sink, before anything else */
    _Atomic bool looked;        /* and found nothing to refuse */
    _Atomic bool abandoned;     /* stopped, though a thread did not come back from the sink */
    _Atomic unsigned
        losses; /* how often a worker lost its lanes or the target: the others ask the sink, too */
    _Atomic uint32_t window_limit; /* records for each lane, as many as the budget has room for */
    /* guarded by lock */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct lane **lanes; /* all that are assigned or still being released */
    size_t lane_count, lane_room;
    struct upsink_error halt_error;
    uint64_t recent[16]; /* stop_above: did the last 1,000 records fail? */
    uint32_t recent_count, recent_next, recent_failed;
    uint64_t dead_letters;
    char trouble[VIEW_TROUBLE_SIZE]; /* with finding its topics; "" none */
    /* of the view's thread */
    bool subscribed;
    int topic_missed; /* times that a topic was not there; one that was just created may not be known yet */
    struct source_end *ends;
    size_t end_count;
};

/* Parses, opens the sink (no I/O). NULL with an error of class CONFIG or FATAL. config, settings and metrics
 * outlive it. */
UPSINK_NODISCARD struct view *view_create(const struct config *config, const struct view_config *settings,
                                          bool until_end, struct metrics *metrics, struct upsink_error *err);

/* Starts the view's thread, which looks at the sink, joins the group and starts the workers. What goes wrong
 * there halts the view. */
UPSINK_NODISCARD bool view_start(struct view *view, struct upsink_error *err);

/* Asks the view to finish what is in flight; view_join waits until it has left the group. Where a sink keeps
 * a thread for longer than VIEW_STOP_LIMIT the view leaves the group without it, and is `abandoned`: nothing
 * that the thread may still touch can be freed, the process has to _exit. What was in flight was not
 * committed. */
void view_stop(struct view *view);
void view_join(struct view *view);
/* Whether the view was asked to stop that long ago. */
bool view_has_waited_enough(const struct view *view);
void view_destroy(struct view *view);

/* Puts file and line before what a sink says of the view's settings for it ("bad_setting"). */
void view_place_error(const struct view_config *settings, struct upsink_error *err);

/* What the sink is told of the view; borrows from settings. */
void view_describe_target(const struct view_config *settings, const struct mapping *mapping,
                          struct upsink_view *target);

/* Is it making progress? If not, appends "NAME: why\n". Any thread. */
bool view_is_ready(struct view *view, struct buf *reasons);

/* A person has to look: nothing more is consumed. The first call wins. */
void view_halt(struct view *view, const struct upsink_error *err);

/* view_lanes.c: for the source (struct source_handler) */
rd_kafka_queue_t *view_route_partition(void *view, const char *topic, int32_t partition);
void view_take_partition(void *view, const char *topic, int32_t partition);
void view_give_partitions(void *view, const struct source_partition *partitions, size_t count, bool lost);
void view_share_window_budget(struct view *view); /* the caller holds the lock */
/* The place of a partition's lane in view->lanes, SIZE_MAX none. The caller holds the lock. */
size_t view_find_lane(const struct view *view, const char *topic, int32_t partition);
void view_release_lane(struct view *view, struct lane *lane); /* by its worker; frees it */

/* Workers' side. */
/* err NULL: all well. worker NULL: about finding the topics. */
void view_report(struct view *view, struct worker *worker, const struct upsink_error *err);
void view_count_outcomes(struct view *view, size_t good, size_t failed);

/* view_main.c: the view's thread */
void *view_main(void *view);
void view_abandon(struct view *view); /* says so, once */

/* worker.c, worker_start.c, worker_deliver.c, worker_check.c */
void *worker_main(void *worker);
bool worker_wait(struct worker *worker,
                 int64_t duration_us); /* false: stopping, or a lane has to be let go */
bool worker_look(struct worker *worker, struct upsink_error *err); /* connects and checks, changes nothing */
bool worker_prepare(struct worker *worker, struct upsink_error *err);
bool worker_start_lane(struct worker *worker, struct lane *lane, struct upsink_error *err);
bool worker_open_lane(struct worker *worker, struct lane *lane, struct upsink_error *err);
void worker_handle_failure(struct worker *worker, const struct upsink_error *err);
void worker_deliver(struct worker *worker);
void worker_commit_group(struct worker *worker, bool now);
int64_t worker_clock(const struct worker *worker); /* stands still while the worker writes */
void worker_was_busy(struct worker *worker, int64_t since_us);
bool worker_doubts_lane(struct worker *worker,
                        struct lane *lane); /* true: its last record has to be seen again first */
void worker_prove(struct worker *worker);   /* asks the sink now and then, where there is nothing to write */

#endif
