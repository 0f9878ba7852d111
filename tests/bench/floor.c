/* The honest floor of a Kafka-to-PostgreSQL view: no decoding, no duplicates, no fence, no dead letters.
 *
 * --brokers B --topic T --postgres URL [--table orders] [--batch 10000] [--threads 2] [-X
 * librdkafka.property=value]
 *
 * Each thread has a connection and a share of the partitions. It gathers a batch, keeps the last
 * record of each key, and writes those in one transaction: binary COPY into a temporary table, one
 * upsert, one delete. The whole value goes to a jsonb column. Offsets are committed after that. */
#include "bench.h"

#include <libpq-fe.h>
#include <pthread.h>

struct floor_worker {
    pthread_t thread;
    rd_kafka_t *kafka;
    rd_kafka_queue_t *queue;
    const struct bench_topic *topic;
    const char *url, *table;
    int index, threads;
    size_t batch;
    uint64_t events, rows, batches;
};

static void check(PGconn *db, PGresult *result, ExecStatusType expected)
{
    if (PQresultStatus(result) != expected)
        bench_die("PostgreSQL: %s", PQerrorMessage(db));
    PQclear(result);
}

static void run_sql(PGconn *db, const char *sql)
{
    check(db, PQexec(db, sql), PGRES_COMMAND_OK);
}

/* --- fold: the last record of each key ------------------------------------------------------- */

static uint32_t hash_key(const rd_kafka_message_t *message)
{
    const unsigned char *key = message->key;
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < message->key_len; i++)
        hash = (hash ^ key[i]) * 16777619u;
    return hash ^ hash >> 15;
}

/* Moves the last record of each key to the front; the others are freed. Slots is all zero, and a
 * power of two of at least twice the count; it is left dirty. */
static size_t fold(rd_kafka_message_t **messages, size_t count, uint32_t *slots, size_t slot_count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        rd_kafka_message_t *message = messages[i];
        size_t slot = hash_key(message) & (slot_count - 1);
        for (;; slot = (slot + 1) & (slot_count - 1)) {
            if (slots[slot] == 0) {
                messages[kept++] = message;
                slots[slot] = (uint32_t)kept;
                break;
            }
            rd_kafka_message_t **other = &messages[slots[slot] - 1];
            if ((*other)->key_len == message->key_len &&
                memcmp((*other)->key, message->key, message->key_len) == 0) {
                rd_kafka_message_destroy(*other);
                *other = message;
                break;
            }
        }
    }
    return kept;
}

/* --- COPY, binary format (PostgreSQL manual, "COPY", Binary Format) -------------------------- */

struct copy {
    PGconn *db;
    char *data;
    size_t len, capacity;
};

static void copy_flush(struct copy *copy)
{
    if (copy->len > 0 && PQputCopyData(copy->db, copy->data, (int)copy->len) != 1)
        bench_die("PostgreSQL: %s", PQerrorMessage(copy->db));
    copy->len = 0;
}

static char *put_int32(char *at, uint32_t value)
{
    at[0] = (char)(value >> 24);
    at[1] = (char)(value >> 16);
    at[2] = (char)(value >> 8);
    at[3] = (char)value;
    return at + 4;
}

static void copy_row(struct copy *copy, const rd_kafka_message_t *message)
{
    size_t need = 2 + 4 + message->key_len + 4 + 1 + message->len;
    if (copy->len + need > copy->capacity)
        copy_flush(copy);
    if (need > copy->capacity) {
        free(copy->data);
        copy->data = malloc(copy->capacity = need);
        if (!copy->data)
            bench_die("out of memory");
    }
    char *at = copy->data + copy->len;
    *at++ = 0;
    *at++ = 2;
    at = put_int32(at, (uint32_t)message->key_len);
    memcpy(at, message->key, message->key_len);
    at += message->key_len;
    if (message->payload) {
        at = put_int32(at, (uint32_t)message->len + 1);
        *at++ = 1; /* version of jsonb's binary form */
        memcpy(at, message->payload, message->len);
        at += message->len;
    } else {
        at = put_int32(at, UINT32_MAX);
    }
    copy->len = (size_t)(at - copy->data);
}

static void write_batch(struct copy *copy, rd_kafka_message_t **messages, size_t count, const char *merge_sql)
{
    PGconn *db = copy->db;
    static const char HEADER[19] = "PGCOPY\n\377\r\n";
    check(db, PQexec(db, "BEGIN; COPY stage FROM STDIN (FORMAT binary)"), PGRES_COPY_IN);
    memcpy(copy->data, HEADER, sizeof HEADER);
    copy->len = sizeof HEADER;
    for (size_t i = 0; i < count; i++)
        copy_row(copy, messages[i]);
    copy_flush(copy);
    if (PQputCopyData(db, "\377\377", 2) != 1 || PQputCopyEnd(db, NULL) != 1)
        bench_die("PostgreSQL: %s", PQerrorMessage(db));
    for (PGresult *result; (result = PQgetResult(db));)
        check(db, result, PGRES_COMMAND_OK);
    run_sql(db, merge_sql);
}

/* --- a worker -------------------------------------------------------------------------------- */

static PGconn *connect_database(const struct floor_worker *worker, char *merge_sql, size_t merge_size)
{
    PGconn *db = PQconnectdb(worker->url);
    if (PQstatus(db) != CONNECTION_OK)
        bench_die("PostgreSQL: %s", PQerrorMessage(db));
    run_sql(db, "CREATE TEMP TABLE stage (key text, doc jsonb) ON COMMIT DELETE ROWS");
    snprintf(merge_sql, merge_size,
             "INSERT INTO %s SELECT key, doc FROM stage WHERE doc IS NOT NULL"
             " ON CONFLICT (key) DO UPDATE SET doc = excluded.doc;"
             "DELETE FROM %s t USING stage s WHERE s.doc IS NULL AND t.key = s.key; COMMIT",
             worker->table, worker->table);
    return db;
}

static void commit_offsets(const struct floor_worker *worker, const int64_t *next, bool last)
{
    rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(worker->topic->partitions);
    for (int i = worker->index; i < worker->topic->partitions; i += worker->threads)
        if (next[i] > 0)
            rd_kafka_topic_partition_list_add(offsets, worker->topic->name, i)->offset = next[i];
    rd_kafka_resp_err_t error = rd_kafka_commit(worker->kafka, offsets, !last);
    if (error)
        bench_die("can't commit offsets: %s", rd_kafka_err2str(error));
    rd_kafka_topic_partition_list_destroy(offsets);
}

/* Fills a batch; returns how many records it has, fewer only at the end. */
static size_t gather(struct floor_worker *worker, rd_kafka_message_t **messages, int64_t *next, int *open)
{
    size_t count = 0;
    while (count<worker->batch && * open> 0) {
        ssize_t more =
            rd_kafka_consume_batch_queue(worker->queue, 1000, messages + count, worker->batch - count);
        for (ssize_t i = 0; i < more; i++) {
            rd_kafka_message_t *message = messages[count];
            if (message->err)
                bench_die("%s", rd_kafka_message_errstr(message));
            next[message->partition] = message->offset + 1;
            *open -= message->offset + 1 == worker->topic->end[message->partition];
            count++;
        }
    }
    return count;
}

static void *run_worker(void *argument)
{
    struct floor_worker *worker = argument;
    char merge_sql[512];
    int64_t next[BENCH_MAX_PARTITIONS] = {0};
    size_t slot_count = 2;
    int open = 0;
    while (slot_count < 2 * worker->batch)
        slot_count *= 2;
    rd_kafka_message_t **messages = calloc(worker->batch, sizeof(rd_kafka_message_t *));
    uint32_t *slots = calloc(slot_count, sizeof *slots);
    struct copy copy = {.db = connect_database(worker, merge_sql, sizeof merge_sql), .capacity = 1 << 16};
    copy.data = malloc(copy.capacity);
    if (!messages || !slots || !copy.data)
        bench_die("out of memory");
    for (int i = worker->index; i < worker->topic->partitions; i += worker->threads)
        open += worker->topic->end[i] > worker->topic->begin[i];
    while (open > 0) {
        size_t count = gather(worker, messages, next, &open);
        memset(slots, 0, slot_count * sizeof *slots);
        size_t kept = fold(messages, count, slots, slot_count);
        write_batch(&copy, messages, kept, merge_sql);
        commit_offsets(worker, next, open == 0);
        for (size_t i = 0; i < kept; i++)
            rd_kafka_message_destroy(messages[i]);
        worker->events += count;
        worker->rows += kept;
        worker->batches++;
    }
    PQfinish(copy.db);
    free(copy.data);
    free(slots);
    free(messages);
    return NULL;
}

/* Gives each worker a queue of its own with the records of its partitions. */
static void assign_partitions(rd_kafka_t *kafka, const struct bench_topic *topic,
                              struct floor_worker *workers)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(topic->partitions);
    for (int i = 0; i < topic->partitions; i++)
        rd_kafka_topic_partition_list_add(list, topic->name, i)->offset = topic->begin[i];
    rd_kafka_assign(kafka, list);
    for (int i = 0; i < topic->partitions; i++) {
        rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(kafka, topic->name, i);
        rd_kafka_queue_forward(queue, workers[i % workers->threads].queue);
        rd_kafka_queue_destroy(queue);
    }
    rd_kafka_topic_partition_list_destroy(list);
}

static void create_table(const char *url, const char *table)
{
    char sql[256];
    PGconn *db = PQconnectdb(url);
    if (PQstatus(db) != CONNECTION_OK)
        bench_die("PostgreSQL: %s", PQerrorMessage(db));
    snprintf(sql, sizeof sql, "CREATE TABLE %s (key text PRIMARY KEY, doc jsonb NOT NULL)", table);
    run_sql(db, sql);
    PQfinish(db);
}

static rd_kafka_t *connect_kafka(struct bench_args *args)
{
    char reason[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bench_set(conf, "bootstrap.servers", bench_text(args, "brokers", NULL));
    bench_set(conf, "group.id", bench_text(args, "group", "bench-floor"));
    bench_set(conf, "enable.auto.commit", "false");
    bench_set_extra(args, conf);
    rd_kafka_t *kafka = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
    if (!kafka)
        bench_die("%s", reason);
    rd_kafka_poll_set_consumer(kafka);
    return kafka;
}

int main(int argc, char **argv)
{
    enum { MAX_THREADS = 16 };
    double begin = bench_now();
    struct bench_args args = {argc, argv, 0};
    struct bench_topic topic = {.name = bench_text(&args, "topic", NULL)};
    struct floor_worker workers[MAX_THREADS] = {0}, sum = {0};
    const char *url = bench_text(&args, "postgres", NULL), *table = bench_text(&args, "table", "orders");
    size_t batch = (size_t)bench_number(&args, "batch", 10000);
    int threads = (int)bench_number(&args, "threads", 2);
    rd_kafka_t *kafka = connect_kafka(&args);
    bench_end_args(&args);
    if (threads < 1 || threads > MAX_THREADS || batch < 1 || batch > 1000000)
        bench_die("--threads is 1 to %d, --batch 1 to 1000000", MAX_THREADS);
    create_table(url, table);
    bench_find_partitions(kafka, &topic);
    for (int i = 0; i < threads; i++)
        workers[i] = (struct floor_worker){.kafka = kafka,
                                           .queue = rd_kafka_queue_new(kafka),
                                           .topic = &topic,
                                           .url = url,
                                           .table = table,
                                           .index = i,
                                           .threads = threads,
                                           .batch = batch};
    assign_partitions(kafka, &topic, workers);
    for (int i = 0; i < threads; i++)
        if (pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]) != 0)
            bench_die("can't start a thread");
    for (int i = 0; i < threads; i++) {
        pthread_join(workers[i].thread, NULL);
        rd_kafka_queue_destroy(workers[i].queue);
        sum.events += workers[i].events;
        sum.rows += workers[i].rows;
        sum.batches += workers[i].batches;
    }
    rd_kafka_consumer_close(kafka);
    rd_kafka_destroy(kafka);
    printf("floor: %llu batches, %.2f of the records left after folding\n", (unsigned long long)sum.batches,
           (double)sum.rows / (double)sum.events);
    bench_report("floor", sum.events, bench_now() - begin);
    return 0;
}
