#include "canonical_pool.h"

#include <pthread.h>
#include <stdlib.h>

#define IDLE_MAX 16

struct canonical_pool {
    pthread_mutex_t lock; /* guards the rest */
    struct json_canonical *idle[IDLE_MAX];
    size_t count;
};

struct canonical_pool *canonical_pool_create(void)
{
    struct canonical_pool *pool = calloc(1, sizeof *pool);
    if (pool)
        pthread_mutex_init(&pool->lock, NULL);
    return pool;
}

void canonical_pool_destroy(struct canonical_pool *pool)
{
    if (!pool)
        return;
    for (size_t i = 0; i < pool->count; i++)
        json_canonical_destroy(pool->idle[i]);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

static struct json_canonical *take_writer(struct canonical_pool *pool, struct upsink_error *err)
{
    struct json_canonical *writer = NULL;
    pthread_mutex_lock(&pool->lock);
    if (pool->count)
        writer = pool->idle[--pool->count];
    pthread_mutex_unlock(&pool->lock);
    if (!writer)
        writer = json_canonical_create();
    if (!writer)
        upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory",
                    "out of memory while writing JSON in its canonical form; give the process more memory");
    return writer;
}

static void put_back(struct canonical_pool *pool, struct json_canonical *writer)
{
    pthread_mutex_lock(&pool->lock);
    if (pool->count < IDLE_MAX) {
        pool->idle[pool->count++] = writer;
        writer = NULL;
    }
    pthread_mutex_unlock(&pool->lock);
    json_canonical_destroy(writer);
}

bool canonical_pool_text(struct canonical_pool *pool, struct upsink_slice raw,
                         const struct json_limits *limits, struct arena *arena, struct upsink_slice *text,
                         struct upsink_error *err)
{
    struct json_canonical *writer = take_writer(pool, err);
    struct buf out;
    bool done;
    if (!writer)
        return false;
    buf_init(&out);
    done = json_canonical_append(writer, raw, limits, &out, err);
    put_back(pool, writer);
    if (done) {
        *text = arena_copy(arena, buf_view(&out));
        if (!text->data)
            done = upsink_fail(err, UPSINK_ERR_FATAL, "out_of_memory",
                               "out of memory for canonical JSON of %zu bytes; give the process more memory",
                               out.len);
    }
    buf_destroy(&out);
    return done;
}

bool canonical_pool_hash(struct canonical_pool *pool, struct upsink_slice raw,
                         const struct json_limits *limits, unsigned char hash[JSON_HASH_BYTES],
                         struct upsink_error *err)
{
    struct json_canonical *writer = take_writer(pool, err);
    bool done = writer && json_state_hash(writer, raw, limits, hash, err);
    if (writer)
        put_back(pool, writer);
    return done;
}
