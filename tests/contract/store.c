#include "tests/contract/store.h"

#include "tests/contract/fake_sink/fake_sink.h"
#include "tests/contract/store_program.h"
#include "url.h"

#include <dlfcn.h>
#include <stdlib.h>

static void run_program(const char *const *argv, char answer[ANSWER_SIZE])
{
    if (program_run(argv, answer) != 0)
        fail_msg("%s failed on: %s", argv[0], argv[5]);
}

static bool is_kind(const char *name)
{
    return strcmp(suite.type->name, name) == 0;
}

static bool has_sql(void)
{
    return is_kind("sqlite") || is_kind("postgres");
}

/* In the template each %T is the table, %V the view. */
static void run_sql(struct fixture *fixture, const char *template, char answer[ANSWER_SIZE])
{
    struct buf sql;
    struct url url;
    buf_init(&sql);
    for (const char *c = template; *c; c++) {
        bool table = strncmp(c, "%T", 2) == 0, view = strncmp(c, "%V", 2) == 0;
        if (table || view)
            buf_append_text(&sql, table ? fixture->table : fixture->name);
        else
            buf_append_byte(&sql, *c);
        c += table || view;
    }
    assert_true(url_parse(&url, suite.url, NULL));
    if (is_kind("sqlite"))
        run_program(
            (const char *const[]){"sqlite3", "-bail", "-cmd", ".timeout 5000", url.path, sql.data, NULL},
            answer);
    else
        run_program(
            (const char *const[]){"psql", "-XqAt", "-vON_ERROR_STOP=1", suite.url, "-c", sql.data, NULL},
            answer);
    url_clear(&url);
    buf_destroy(&sql);
}

static void do_sql(struct fixture *fixture, const char *sqlite, const char *postgres)
{
    char answer[ANSWER_SIZE];
    run_sql(fixture, is_kind("sqlite") ? sqlite : postgres, answer);
}

static bool has_collections(void)
{
    return is_kind("mongodb");
}

/* Python with `db`, the database, and `name`, the collection. */
static void run_pymongo(struct fixture *fixture, const char *script, char answer[ANSWER_SIZE])
{
    char whole[2048];
    snprintf(whole, sizeof whole,
             "import pymongo, sys\ndb = pymongo.MongoClient(sys.argv[1]).get_default_database()\n"
             "name = sys.argv[2]\n%s",
             script);
    run_program(
        (const char *const[]){"/usr/bin/python3", "-c", whole, suite.url, fixture->table, script, NULL},
        answer);
}

static bool do_pymongo(struct fixture *fixture, const char *script)
{
    char answer[ANSWER_SIZE];
    if (has_collections())
        run_pymongo(fixture, script, answer);
    return has_collections();
}

static bool has_keys(void)
{
    return is_kind("redis");
}

/* Lua with ARGV[1], the prefix. */
static void run_redis(struct fixture *fixture, const char *script, char answer[ANSWER_SIZE])
{
    struct url url;
    char port[16];
    assert_true(url_parse(&url, suite.url, NULL));
    snprintf(port, sizeof port, "%d", (int)url.port);
    run_program((const char *const[]){"redis-cli", "-e", "-h", url.host, "-p", port, "EVAL", script, "0",
                                      fixture->table, NULL},
                answer);
    url_clear(&url);
}

static bool do_redis(struct fixture *fixture, const char *script)
{
    char answer[ANSWER_SIZE];
    if (has_keys())
        run_redis(fixture, script, answer);
    return has_keys();
}

#define REDIS_DELETE_ROWS                                                                                    \
    "for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do redis.call('DEL', key) end "

static bool has_indices(void)
{
    return is_kind("elasticsearch");
}

/* Python with ask(method, path, body) and `name`, the index. */
static void run_search(struct fixture *fixture, const char *script, char answer[ANSWER_SIZE])
{
    char whole[4096];
    snprintf(
        whole, sizeof whole,
        "import base64, json, sys, urllib.parse, urllib.request\n"
        "url, name = urllib.parse.urlsplit(sys.argv[1]), sys.argv[2]\n"
        "def ask(method, path, body=None):\n"
        "    request = urllib.request.Request(f'http://{url.hostname}:{url.port}/{path}', method=method,\n"
        "        data=body if body is None or isinstance(body, bytes) else json.dumps(body).encode(),\n"
        "        headers={'Content-Type': 'application/json'})\n"
        "    if url.username:\n"
        "        secret = base64.b64encode(f'{url.username}:{url.password}'.encode()).decode()\n"
        "        request.add_header('Authorization', 'Basic ' + secret)\n"
        "    return json.load(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request))\n"
        "%s",
        script);
    run_program(
        (const char *const[]){"/usr/bin/python3", "-c", whole, suite.url, fixture->table, script, NULL},
        answer);
}

static bool do_search(struct fixture *fixture, const char *script)
{
    char answer[ANSWER_SIZE];
    if (has_indices())
        run_search(fixture, script, answer);
    return has_indices();
}

#define SEARCH_REPLACE                                                                                       \
    "ask('DELETE', name)\n"                                                                                  \
    "ask('PUT', name, {'mappings': {'properties': {'_upsink': {'type': 'object', 'enabled': False}}}})"

/* The servers of the tests have no _delete_by_query. */
#define SEARCH_EMPTY                                                                                         \
    "ask('POST', name + '/_refresh')\n"                                                                      \
    "hits = ask('POST', name + '/_search', {'size': 10000, '_source': False})['hits']['hits']\n"             \
    "lines = [json.dumps({'delete': {'_id': hit['_id']}}) + '\\n' for hit in hits]\n"                        \
    "assert not lines or not ask('POST', name + '/_bulk?refresh=true', ''.join(lines).encode())['errors']"

/* Any field may be anything, as in other stores: by default a field's first value would say what it can be.
 */
const struct upsink_setting *store_settings(size_t *count)
{
    static const struct upsink_setting settings[] = {{"mappings", "{\"dynamic\": false}"}};
    *count = has_indices();
    return *count ? settings : NULL;
}

bool store_holds_key(struct upsink_slice key)
{
    if (has_indices())
        return key.len > 0 && key.len <= 512;
    return !program_denies("holds-key", key);
}

static bool do_program(struct fixture *fixture, const char *verb)
{
    char answer[ANSWER_SIZE];
    return program_do(fixture, verb, answer);
}

/* The fake's own functions; NULL for another store. `store` is its name in the URL. */
static const struct fake_sink_api *find_fake(const char **store)
{
    Dl_info info;
    if (!is_kind("fake") && !is_kind("fakeplain"))
        return NULL;
    static char name[256];
    struct url url;
    assert_true(url_parse(&url, suite.url, NULL));
    snprintf(name, sizeof name, "%s", url.path);
    url_clear(&url);
    *store = name;
    assert_int_not_equal(dladdr(suite.type, &info), 0);
    void *handle = dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD);
    assert_non_null(handle);
    const struct fake_sink_api *api = dlsym(handle, "fake_sink_api");
    assert_non_null(api);
    return api;
}

void skip_harm(const char *verb)
{
    print_message("not asked: the suite does not know how to %s here; --store PROGRAM can\n", verb);
    suite.not_asked++;
    skip();
}

bool store_drop_table(struct fixture *fixture)
{
    const char *store, *drop = "DROP TABLE \"%T\"";
    const struct fake_sink_api *fake = find_fake(&store);
    if (fake)
        fake->drop_table(store, fixture->table);
    else if (has_sql())
        do_sql(fixture, drop, drop);
    return do_pymongo(fixture, "db.drop_collection(name)") || do_search(fixture, "ask('DELETE', name)") ||
           do_redis(fixture, REDIS_DELETE_ROWS "redis.call('DEL', '_upsink:target:' .. ARGV[1])") || fake ||
           has_sql() || do_program(fixture, "drop");
}

bool store_replace_table(struct fixture *fixture)
{
    if (!has_sql())
        return do_search(fixture, SEARCH_REPLACE) ||
               do_pymongo(fixture, "db.drop_collection(name); db.create_collection(name)") ||
               do_program(fixture, "replace");
    do_sql(
        fixture,
        "BEGIN; DROP TABLE \"%T\"; CREATE TABLE \"%T\" (key TEXT PRIMARY KEY NOT NULL, doc TEXT NOT NULL, "
        "_upsink_version INTEGER, _upsink_event_id TEXT, _upsink_change_id TEXT, _upsink_partition INTEGER, "
        "_upsink_offset INTEGER, _upsink_generation INTEGER, _upsink_updated_at TEXT); COMMIT",
        "BEGIN; CREATE TABLE \"copy_%T\" (LIKE \"%T\" INCLUDING ALL); DROP TABLE \"%T\"; "
        "ALTER TABLE \"copy_%T\" RENAME TO \"%T\"; COMMIT");
    return true;
}

bool store_empty_table(struct fixture *fixture)
{
    if (has_sql())
        do_sql(fixture, "DELETE FROM \"%T\"", "TRUNCATE \"%T\"");
    return do_pymongo(fixture, "db[name].delete_many({})") || do_search(fixture, SEARCH_EMPTY) ||
           do_redis(fixture, REDIS_DELETE_ROWS) || has_sql() || do_program(fixture, "empty");
}

bool store_make_other_table(struct fixture *fixture)
{
    const char *make = "CREATE TABLE \"%T\" (a INTEGER)";
    if (has_sql())
        do_sql(fixture, make, make);
    return do_pymongo(fixture, "db.create_collection(name, capped=True, size=100000)") ||
           do_search(fixture, "ask('PUT', name, {'mappings': {'_source': {'enabled': False}}})") ||
           do_redis(fixture, "redis.call('RPUSH', ARGV[1] .. 'x', 'y')") || has_sql() ||
           do_program(fixture, "misshape");
}

bool store_refuse(struct fixture *fixture)
{
    const char *store;
    const struct fake_sink_api *fake = find_fake(&store);
    if (fake)
        fake->refuse(store, "*refused*");
    else if (has_sql())
        do_sql(fixture,
               "CREATE TRIGGER refuse_insert_%T BEFORE INSERT ON \"%T\" WHEN NEW.key LIKE '%refused%' OR "
               "NEW.doc LIKE "
               "'%refused%' BEGIN SELECT RAISE(ABORT, 'it says refused'); END;"
               "CREATE TRIGGER refuse_update_%T BEFORE UPDATE ON \"%T\" WHEN NEW.key LIKE '%refused%' OR "
               "NEW.doc LIKE "
               "'%refused%' BEGIN SELECT RAISE(ABORT, 'it says refused'); END",
               "ALTER TABLE \"%T\" ADD CONSTRAINT says_refused CHECK (key NOT LIKE '%refused%' AND doc::text "
               "NOT LIKE "
               "'%refused%')");
    return do_pymongo(fixture,
                      "no = {'$not': {'$regex': 'refused'}}\n"
                      "db.command('collMod', name, validator={'_id': no, '_upsink.value': no, 'a': no})") ||
           do_search(fixture, "ask('PUT', name + '/_mapping', {'properties': {'a': {'type': 'long'}}})") ||
           fake || has_sql() || do_program(fixture, "refuse");
}

bool store_count_rows(struct fixture *fixture, int64_t *count)
{
    char answer[ANSWER_SIZE];
    if (has_collections())
        run_pymongo(fixture, "print(db[name].count_documents({}))", answer);
    else if (has_indices())
        run_search(fixture, "ask('POST', name + '/_refresh'); print(ask('GET', name + '/_count')['count'])",
                   answer);
    else if (has_keys())
        run_redis(fixture, "return #redis.call('KEYS', ARGV[1] .. '*')", answer);
    else if (has_sql())
        run_sql(fixture, "SELECT count(*) FROM \"%T\"", answer);
    else if (!program_do(fixture, "count", answer))
        return false;
    *count = strtoll(answer, NULL, 10);
    return true;
}

bool store_holds(struct upsink_slice entity)
{
    if (has_indices() && memmem(entity.data, entity.len, "{\"\":", 4))
        return false;
    if (program_denies("holds-entity", entity))
        return false;
    bool is_hash = has_keys() && strstr(suite.url, "type=hash");
    return !is_hash ||
           (entity.len > 2 && entity.data[0] == '{' && !memmem(entity.data, entity.len, ":null", 5));
}
