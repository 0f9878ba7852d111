"""Targets that can't take the view: refused with a reason at start, or waited for. Nothing is dead-lettered for it."""

import contextlib
import pathlib
import resource
import sqlite3
import tempfile
import time
import uuid

import pytest

import harness
import views

PASSWORD = "s1nk-Pa55w0rd"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A Postgres of its own, to be stopped and spoilt."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="upsink-pg-"))
    directory.chmod(0o755)
    server = harness.Postgres(directory / "server")
    yield server
    server.stop()


@pytest.fixture
def database(server):
    """A database and a role that owns it, of this test alone."""
    name = f"d{uuid.uuid4().hex[:8]}"
    server.query(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
    server.query(f"CREATE DATABASE {name} OWNER {name}")
    return Database(server, name)


class Database:
    def __init__(self, server, name):
        self.server, self.name = server, name
        self.address = f"127.0.0.1:{server.env['POSTGRES_PORT']}/{name}"
        self.url = f"postgres://{name}:{PASSWORD}@{self.address}"
        self.admin = harness.Postgres.__new__(harness.Postgres)
        self.admin.url = f"postgres://postgres@{self.address}"

    def query(self, sql):
        return self.admin.query(sql)

    def sink(self, table="orders"):
        return f"{self.url}?table={table}"

    def keys(self, table="orders"):
        return {key for key, in self.query(f"SELECT key FROM {table}")}

    def disconnect(self):
        self.server.query(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self.name}'")


def records(first, count):
    return [(f"k{i}", harness.order_event(f"k{i}", 1)) for i in range(first, first + count)]


def start(upsink, kafka, topic, sink, *args, **options):
    return upsink("--brokers", kafka.brokers, "--topic", topic, "--sink", sink, "--set", f"views.{topic}-{sink.split(':')[0]}.retry.max=1s",
                  *args, **options)


def refusal(process, status=1):
    """The one line of an end at start."""
    assert process.wait(30) == status, process.errors
    [line] = [line for line in process.errors.splitlines() if line.startswith("upsink: ")]
    assert PASSWORD not in process.errors
    return line


# --- refused at start ---------------------------------------------------------------------------


@pytest.fixture
def topic(kafka):
    topic = kafka.create_topic()
    kafka.produce(topic, records(0, 20))
    return topic


@pytest.mark.parametrize("user, password", [("", "wrong-" + PASSWORD), ("", ""), ("nobody", PASSWORD)],
                         ids=["wrong-password", "no-password", "unknown-user"])
def test_refused_credentials_end_the_start(upsink, kafka, topic, database, user, password):
    url = database.url.replace(f"{database.name}:{PASSWORD}@", f"{user or database.name}{':' if password else ''}{password}@")
    line = refusal(start(upsink, kafka, topic, url))
    assert f"postgres://{database.address} table {topic}" in line and "credentials_refused" in line


def test_a_missing_database_ends_the_start(upsink, kafka, topic, database):
    line = refusal(start(upsink, kafka, topic, database.url.rsplit("/", 1)[0] + "/nosuch"))
    assert "database_missing" in line and "nosuch" in line


SHAPES = {
    "other-columns": ("(id int PRIMARY KEY, total numeric)", "no column key"),
    "integer-key": ("(key int PRIMARY KEY, doc jsonb)", "key is integer where text"),
    "key-not-unique": ("(key text, doc jsonb)", "key"),
    "json-instead-of-jsonb": ("(key text PRIMARY KEY, doc json)", "doc is json where jsonb"),
    "one-more-column-that-must-be-there": ("(key text PRIMARY KEY, doc jsonb, mine text NOT NULL)", "mine"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_table_with_other_columns_is_refused_and_left_alone(upsink, kafka, topic, database, shape):
    columns, reason = SHAPES[shape]
    database.query(f"CREATE TABLE orders {columns}")
    line = refusal(start(upsink, kafka, topic, database.sink()))
    assert "target_mismatch" in line and reason in line and "ALTER TABLE" in line
    assert database.query("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'") == [(1,)]
    assert database.query("SELECT count(*) FROM information_schema.columns WHERE table_name = 'orders' AND column_name LIKE '\\_upsink%'") == [(0,)]


def test_a_view_in_place_of_a_table_is_refused(upsink, kafka, topic, database):
    database.query("CREATE VIEW orders AS SELECT 'a' AS key")
    assert "target_mismatch" in refusal(start(upsink, kafka, topic, database.sink()))


def test_an_sqlite_table_with_other_columns_is_refused_and_left_alone(upsink, kafka, topic, tmp_path):
    path = tmp_path / "x.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, total REAL)")
    line = refusal(start(upsink, kafka, topic, f"sqlite:{path}?table=orders"))
    assert "target_mismatch" in line and "no column key" in line
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("orders",)]


def test_a_file_that_is_no_database_is_refused_and_left_alone(upsink, kafka, topic, tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sirs, " * 1000)
    assert "not_a_database" in refusal(start(upsink, kafka, topic, f"sqlite:{path}"))
    assert path.read_text() == "Dear Sirs, " * 1000


def test_the_table_of_another_view_is_refused(upsink, kafka, topic, target):
    sink = target.url
    assert upsink("--brokers", kafka.brokers, "--topic", topic, "--sink", sink, "--until-end").wait() == 0
    line = refusal(upsink("--brokers", kafka.brokers, "--topic", topic, "--sink", sink, "--name", "other"))
    assert "target_taken" in line and topic in line


def test_a_role_that_may_not_create_is_told_what_it_needs(upsink, kafka, topic, database):
    database.query(f"ALTER DATABASE {database.name} OWNER TO postgres")
    line = refusal(start(upsink, kafka, topic, database.sink()))
    assert "permission_denied" in line and "CREATE on schema public" in line and "42501" in line


def test_create_never_names_what_is_missing(upsink, kafka, topic, database):
    line = refusal(start(upsink, kafka, topic, database.sink(), "--set", f"views.{topic}-postgres.create=never"))
    assert "target_missing" in line and "create: never" in line and "upsink plan" in line


# --- waited for -----------------------------------------------------------------------------------


class Outage:
    """A running view whose sink refuses everything for a while, whatever the reason."""

    def __init__(self, upsink, kafka, sink, **settings):
        self.kafka, self.topic = kafka, kafka.create_topic()
        kafka.produce(self.topic, records(0, 20))
        self.view = f"{self.topic}-{sink.split(':')[0]}"
        args = [word for name, value in settings.items() for word in ("--set", f"views.{self.view}.{name}={value}")]
        self.process = start(upsink, kafka, self.topic, sink, *args)
        self.wait_applied(20)

    def applied(self):
        return harness.total(self.process.metrics(), "upsink_changes_applied_total")

    def wait_applied(self, count):
        harness.wait_until(lambda: self.applied() == count, 60, f"{count} changes; {self.process.errors[-3000:]}")

    def go_through(self, code, end):
        """Records come while nothing can be written, a bad one among them; end() mends the sink."""
        self.kafka.produce(self.topic, [*records(20, 10), ("bad", b"{"), *records(30, 10)])
        reason = views.wait_not_ready(self.process, code, self.view)
        assert PASSWORD not in reason
        assert harness.total(self.process.metrics(), "upsink_sink_up") == 0
        time.sleep(1)
        assert self.applied() == 20 and self.process.process.poll() is None
        end()
        self.wait_applied(40)
        views.wait_ready(self.process)
        metrics = self.process.metrics()
        assert harness.total(metrics, "upsink_sink_up") == 1
        assert harness.total(metrics, "upsink_sink_retries_total", view=self.view) > 0
        assert harness.check_books(metrics, self.view)[3] == 1
        assert [m.key() for m in self.kafka.read(f"{self.topic}.dlq")] == [b"bad"]
        assert self.process.stop() == 0
        assert self.kafka.committed(f"upsink-{self.view}", self.topic) == [41]
        assert PASSWORD not in self.process.errors
        return self.process.errors


def test_a_database_that_is_down_is_waited_for(upsink, kafka, database):
    outage = Outage(upsink, kafka, database.sink())
    database.server.stop()
    outage.go_through("sink_unreachable", database.server.restart)
    assert database.keys() == {f"k{i}" for i in range(40)}


def test_a_database_that_is_down_at_start_is_waited_for(upsink, kafka, topic, database):
    database.server.stop()
    process = start(upsink, kafka, topic, database.sink())
    reason = views.wait_not_ready(process, "sink_unreachable")
    assert database.address in reason and PASSWORD not in reason
    database.server.restart()
    views.wait_ready(process)
    harness.wait_until(lambda: harness.total(process.metrics(), "upsink_changes_applied_total") == 20, what="the rows")


def test_a_read_only_database_is_waited_for(upsink, kafka, database):
    outage = Outage(upsink, kafka, database.sink())
    set_read_only = f"ALTER DATABASE {database.name} SET default_transaction_read_only = "
    database.query(set_read_only + "on")
    database.disconnect()

    def end():
        database.server.query(set_read_only + "off")
        database.disconnect()
    outage.go_through("sink_read_only", end)


def test_a_full_disk_is_waited_for(upsink, kafka, database):
    outage = Outage(upsink, kafka, database.sink())
    database.query("CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
                   "$$ BEGIN RAISE 'could not extend file' USING ERRCODE = 'disk_full'; END $$")
    database.query("CREATE TRIGGER full_disk BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION full_disk()")
    outage.go_through("sink_full", lambda: database.query("DROP TRIGGER full_disk ON orders"))


def test_withdrawn_rights_are_waited_for(upsink, kafka, database):
    outage = Outage(upsink, kafka, database.sink())
    database.query("ALTER TABLE orders OWNER TO postgres")
    outage.go_through("permission_denied", lambda: database.query(f"ALTER TABLE orders OWNER TO {database.name}"))


def test_a_password_changed_meanwhile_is_waited_for(upsink, kafka, database):
    outage = Outage(upsink, kafka, database.sink())
    database.query(f"ALTER ROLE {database.name} PASSWORD 'another'")
    database.disconnect()
    outage.go_through("credentials_refused", lambda: database.server.query(f"ALTER ROLE {database.name} PASSWORD '{PASSWORD}'"))


def test_a_database_that_does_not_answer_is_waited_for(upsink, kafka, database):
    outage = Outage(upsink, kafka, database.sink(), timeout="1s")
    locker = database.admin.connect()
    locker.autocommit = False
    locker.cursor().execute("LOCK TABLE orders")
    outage.go_through("sink_timeout", locker.rollback)


def test_a_locked_sqlite_file_is_waited_for(upsink, kafka, tmp_path):
    outage = Outage(upsink, kafka, f"sqlite:{tmp_path}/x.db", timeout="1s")
    locker = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    locker.execute("BEGIN EXCLUSIVE")
    outage.go_through("sink_busy", lambda: locker.execute("ROLLBACK"))


def test_an_sqlite_file_that_may_not_grow_is_waited_for(upsink, kafka, tmp_path):
    outage = Outage(upsink, kafka, f"sqlite:{tmp_path}/x.db")
    pid = outage.process.process.pid
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, hard))
    outage.go_through("sink_", lambda: resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard)))


def test_a_directory_that_is_missing_is_waited_for(upsink, kafka, topic, tmp_path):
    process = start(upsink, kafka, topic, f"sqlite:{tmp_path}/later/x.db")
    assert "No such file or directory" in views.wait_not_ready(process, "sink_unreachable")
    (tmp_path / "later").mkdir()
    harness.wait_until(lambda: harness.total(process.metrics(), "upsink_changes_applied_total") == 20, what="the rows")
    views.wait_ready(process)
