"""Where views go, as the tests look at it. A target has

    url, retriable      for the configuration; what reading raises while the store is away or its target not made yet
    rows()              {key: Row}, for comparisons
    connect()           something to pass to snapshot, again and again, and to close()
    snapshot(connection)   {key: (version, offset, generation)} of the live entities, all at one instant, and nothing that a crash of
                        the server could still take back
    drop()              takes away what stands there, alone (not in OpenSearch)
    server              to be killed and restarted; SQLite has none
    transactional       rows and positions are one transaction: no record counts twice, whoever was killed
    refuse_notes()      makes the store refuse entities with a `note` that has a NUL; gives the settings that a view needs for that,
                        or None where the store refuses nothing of the kind
    lose(key)           one row and its fence go, as where a server comes back without its last writes; only without transactions
"""

import base64
import contextlib
import dataclasses
import http.client
import json
import sqlite3
import ssl
import struct
import time
import uuid

import psycopg2
import pymongo
import redis

COLUMNS = ("_upsink_version", "_upsink_event_id", "_upsink_change_id", "_upsink_partition", "_upsink_offset",
           "_upsink_generation")


@dataclasses.dataclass
class Row:
    doc: object
    version: int
    event_id: str
    change_id: str
    partition: int
    offset: int
    generation: int
    deleted: bool = False


def unique(prefix):
    return prefix + uuid.uuid4().hex[:10]


class SqlTarget:
    transactional = True

    def drop(self):
        self.query(f"DROP TABLE {self.table}")

    def snapshot(self, connection):
        cursor = connection.cursor()
        cursor.execute(f"SELECT key, _upsink_version, _upsink_offset, _upsink_generation FROM {self.table}")
        found = {key: tuple(rest) for key, *rest in cursor.fetchall()}
        cursor.close()
        return found


class PostgresTarget(SqlTarget):
    retriable = (psycopg2.OperationalError, psycopg2.InterfaceError, psycopg2.errors.UndefinedTable)

    def __init__(self, server, table=None):
        self.server = server
        self.table = table or unique("t_")
        self.url = server.sink(self.table)

    def query(self, sql):
        return self.server.query(sql)

    def has_table(self):
        return bool(self.query(f"SELECT 1 FROM pg_class WHERE relname = '{self.table}'"))

    def rows(self):
        soft = self.query(f"SELECT 1 FROM pg_attribute WHERE attname = 'deleted_at' AND attrelid = '{self.table}'::regclass")
        deleted = "deleted_at IS NOT NULL" if soft else "false"
        found = self.query(f"SELECT key, doc, {', '.join(COLUMNS)}, {deleted} FROM {self.table}")
        return {key: Row(*rest) for key, *rest in found}

    def connect(self):
        connection = psycopg2.connect(self.server.url, connect_timeout=5)
        connection.autocommit = True
        return connection

    def refuse_notes(self):
        return {}  # jsonb has no NUL


class SqliteTarget(SqlTarget):
    retriable = (sqlite3.OperationalError,)

    def __init__(self, directory, table="orders"):
        self.path = directory / f"{unique('')}.db"
        self.table = table
        self.url = f"sqlite:{self.path}?table={table}"

    def connect(self):
        return sqlite3.connect(self.path, timeout=10, isolation_level=None)

    def query(self, sql):
        with contextlib.closing(self.connect()) as connection:
            return connection.execute(sql).fetchall()

    def has_table(self):
        return bool(self.query(f"SELECT 1 FROM sqlite_schema WHERE name = '{self.table}'"))

    def rows(self):
        soft = any(column[1] == "deleted_at" for column in self.query(f"PRAGMA table_info({self.table})"))
        deleted = "deleted_at IS NOT NULL" if soft else "0"
        found = self.query(f"SELECT key, doc, {', '.join(COLUMNS)}, {deleted} FROM {self.table}")
        return {key: Row(json.loads(doc), *rest[:-1], bool(rest[-1])) for key, doc, *rest in found}

    def refuse_notes(self):
        return None


class DocumentTarget:
    """A store without transactions. `read(connection)` is to give {key: Row} as snapshot promises it."""

    transactional = False

    def rows(self):
        with contextlib.closing(self.connect()) as connection:
            return self.read(connection)

    def snapshot(self, connection):
        return {key: (row.version, row.offset, row.generation) for key, row in self.read(connection).items()}


def row_of(document):
    """Of a document with its fence under _upsink."""
    own = document.pop("_upsink")
    deleted = document.pop("deleted_at", None) is not None
    return Row(document, own.get("version"), own.get("event_id"), own.get("change_id"), own["partition"], own["offset"],
               own["generation"], deleted)


class RedisTarget(DocumentTarget):
    """The keys under a prefix. Fences are read as sinks/redis/rd_fence.h tells.

    What a script reads is answered after the append-only file was written. With `appendfsync always` that holds for every command
    before it; else Redis may put a write off while the disk is busy, and a kill takes back what readers saw."""

    retriable = (redis.RedisError,)
    READ = """
        local id, rows = redis.call('HGET', '_upsink:target:' .. ARGV[1], 'id'), {}
        for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do
            rows[#rows + 1] = {key, redis.call('GET', key), id and redis.call('HGET', '_upsink:fences:' .. id, key)}
        end
        return rows"""

    def __init__(self, server, options=""):
        self.server, self.prefix = server, unique("o") + ":"
        self.url = f"redis://app:secret@127.0.0.1:{server.env['REDIS_PORT']}/0?prefix={self.prefix}{options}"
        self.client = self.connect()

    def connect(self):
        return redis.Redis(port=int(self.server.env["REDIS_PORT"]), socket_timeout=10)

    def keys(self):
        return list(self.client.scan_iter(match=self.prefix + "*", count=1000))

    def drop(self):
        self.client.delete(*self.keys())

    def row(self, doc, packed):
        has_version, _, deleted, generation, partition, version, _, _, offset, _, topic, event_id, _ = \
            struct.unpack(">BBBQIQIIQQHII", packed[:57])
        at = 57 + topic
        generation, version, offset = (n - (1 << 63) for n in (generation, version, offset))
        return Row(json.loads(doc), version if has_version else None, packed[at:at + event_id - 1].decode() if event_id else None,
                   None, partition, offset, generation, bool(deleted))

    def read(self, connection):
        return {key.decode()[len(self.prefix):]: self.row(doc, packed) for key, doc, packed in connection.eval(self.READ, 0, self.prefix)}

    def refuse_notes(self):
        return None

    def lose(self, key):
        target = self.client.hget(f"_upsink:target:{self.prefix}", "id").decode()
        self.client.hdel(f"_upsink:fences:{target}", self.prefix + key)
        self.client.delete(self.prefix + key)


class MongodbTarget(DocumentTarget):
    """A collection of a database of its own. Read as the majority has it: other reads may see what a crash takes back."""

    retriable = (pymongo.errors.PyMongoError,)

    def __init__(self, server):
        self.server, self.database = server, unique("d_")
        self.base = server.env["MONGODB_URL"].replace("/test?", f"/{self.database}?")
        self.url = f"{self.base}&collection=orders"
        self.db = self.connect().get_default_database()
        self.orders = self.db["orders"]

    def connect(self):
        return pymongo.MongoClient(self.base, serverSelectionTimeoutMS=5000, socketTimeoutMS=10000)

    def drop(self):
        self.orders.drop()

    def read(self, connection):
        answer = connection.get_default_database().command(
            {"find": "orders", "readConcern": {"level": "snapshot"}, "batchSize": 1_000_000, "singleBatch": True})
        return {document.pop("_id"): row_of(document) for document in answer["cursor"]["firstBatch"]}

    def refuse_notes(self):
        self.db.create_collection("orders", validator={"note": {"$exists": False}})
        return {}

    def lose(self, key):
        self.orders.delete_one({"_id": key})


class NoAnswer(OSError):
    """A server that is busy with itself, or an index that is not there."""


class SearchTarget(DocumentTarget):
    """An index of one shard in OpenSearch or Elasticsearch, so that a search sees one instant. It also sees what the server has not
    yet written down, and could lose: a snapshot counts once the checkpoint, which follows the disk, has passed it. It is looked at
    as the server's administrator, and with TLS where the server speaks it."""

    retriable = (OSError, http.client.HTTPException)
    MOST = 10000

    def __init__(self, server):
        self.server, self.name = server, unique("o")
        self.user, self.ca_file = server.env["SEARCH_USER"], server.env["SEARCH_CA"]
        self.url = f"{server.env['SEARCH_URL']}/{self.name}"
        self.headers = {"Content-Type": "application/json"}
        if self.user:
            self.headers["Authorization"] = f"Basic {base64.b64encode(self.user.encode()).decode()}"

    def connect(self):
        port = int(self.server.env["SEARCH_PORT"])
        if not self.ca_file:
            return http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        return http.client.HTTPSConnection("localhost", port, timeout=30, context=ssl.create_default_context(cafile=self.ca_file))

    def ask_over(self, connection, method, path, body=None):
        connection.request(method, f"/{path}", None if body is None else json.dumps(body), self.headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise NoAnswer(f"{method} {path}: {answer.status} {text[:500]}")
        return json.loads(text)

    def ask(self, method, path, body=None):
        with contextlib.closing(self.connect()) as connection:
            return self.ask_over(connection, method, path, body)

    def checkpoint(self, connection):
        """The last operation, and up to which one all are on disk."""
        answer = self.ask_over(connection, "GET", f"{self.name}/_stats?level=shards&filter_path=indices.*.shards.*.seq_no")
        try:
            (index,) = answer["indices"].values()
            (shard,) = index["shards"]["0"]
        except KeyError as error:
            raise NoAnswer(f"{self.name} has no shard yet") from error
        return shard["seq_no"]["max_seq_no"], shard["seq_no"]["global_checkpoint"]

    def read(self, connection):
        self.ask_over(connection, "POST", f"{self.name}/_refresh")
        hits = self.ask_over(connection, "POST", f"{self.name}/_search?allow_partial_search_results=false", {"size": self.MOST})["hits"]["hits"]
        assert len(hits) < self.MOST
        seen, safe = self.checkpoint(connection)
        for _ in range(100):
            if safe >= seen:
                return {hit["_id"]: row_of(hit["_source"]) for hit in hits}
            time.sleep(0.02)
            _, safe = self.checkpoint(connection)
        raise NoAnswer(f"operation {seen} of {self.name} is not on disk")

    def refuse_notes(self):
        return {"elasticsearch": {"mappings": '{"dynamic": false, "properties": {"note": {"type": "long"}}}'}}

    def lose(self, key):
        self.ask("DELETE", f"{self.name}/_doc/{key}")
