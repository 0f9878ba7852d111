"""An outage is not a bad record: nothing is dead-lettered, the group is kept, and the view goes on by itself."""

import contextlib
import pathlib
import signal
import socket
import tempfile
import time

import harness
import pytest
import targets
import views
from views import VERSIONED, event, wait_assigned, wait_not_ready, wait_ready


@pytest.fixture(scope="module")
def spare_postgres():
    """A server that may be stopped and misconfigured without harm to other tests."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="upsink-pg-"))
    directory.chmod(0o755)
    server = harness.Postgres(directory / "server")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def spare_kafka(tmp_path_factory):
    server = harness.Kafka(tmp_path_factory.mktemp("spare") / "kafka")
    yield server
    server.stop()


class AppTarget(targets.PostgresTarget):
    """The same as role app, who can lose its rights; looked at as the superuser."""

    def __init__(self, server):
        super().__init__(server)
        self.password = "s3cret-" + self.table
        server.query(f"CREATE ROLE {self.table} LOGIN PASSWORD '{self.password}'")
        server.query(f"CREATE SCHEMA {self.table} AUTHORIZATION {self.table}")
        self.role, self.table = self.table, f"{self.table}.orders"
        address = server.url.split("@", 1)[1]
        self.url = f"postgres://{self.role}:{self.password}@{address}?table={self.table}"

    def disconnect(self):
        self.query(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{self.role}'")


def states(count, first=0, partitions=2):
    return [{"key": f"k{i % 40}", "value": event(f"k{i % 40}", i), "partition": i % 40 % partitions}
            for i in range(first, first + count)] + [{"key": f"k{first % 40}", "value": None, "partition": first % 40 % partitions}]


def stopped(target):
    target.server.stop()


def started(target):
    target.server.restart()


def killed(target):
    target.server.kill9()


def read_only(target):
    target.query("ALTER SYSTEM SET default_transaction_read_only = on")
    target.query("SELECT pg_reload_conf()")


def writable(target):
    connection = target.connect()
    connection.cursor().execute("SET default_transaction_read_only = off")
    connection.cursor().execute("ALTER SYSTEM RESET default_transaction_read_only")
    connection.cursor().execute("SELECT pg_reload_conf()")
    connection.close()


def revoked(target):
    target.query(f"REVOKE ALL ON {target.table} FROM {target.role}")


def granted(target):
    target.query(f"GRANT ALL ON {target.table} TO {target.role}")


def password_changed(target):
    target.query(f"ALTER ROLE {target.role} PASSWORD 'another'")
    target.disconnect()


def password_restored(target):
    target.query(f"ALTER ROLE {target.role} PASSWORD '{target.password}'")


def disk_filled(target):
    target.query(f"""CREATE FUNCTION {target.role}.fail() RETURNS trigger LANGUAGE plpgsql AS
                     $$BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END$$;
                     CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE OR DELETE ON {target.table}
                     FOR EACH STATEMENT EXECUTE FUNCTION {target.role}.fail()""")


def disk_cleared(target):
    target.query(f"DROP TRIGGER full_disk ON {target.table}")


def connections_used_up(target):
    target.query(f"ALTER ROLE {target.role} CONNECTION LIMIT 0")
    target.disconnect()


def connections_free(target):
    target.query(f"ALTER ROLE {target.role} CONNECTION LIMIT -1")


OUTAGES = {
    "stopped": (stopped, started, "sink_"), "killed": (killed, started, "sink_"),
    "read-only": (read_only, writable, "sink_read_only"), "rights revoked": (revoked, granted, "permission_denied"),
    "password changed": (password_changed, password_restored, "credentials_refused"),
    "disk full": (disk_filled, disk_cleared, "sink_full"),
    "no connections": (connections_used_up, connections_free, "sink_"),
}


@pytest.mark.parametrize("outage", OUTAGES)
def test_postgres_being_out_stops_the_view_and_no_more(make_view, kafka, spare_postgres, outage):
    begin, end, code = OUTAGES[outage]
    target = AppTarget(spare_postgres)
    view = make_view(target, rules=VERSIONED, partitions=2, timeout="5s")
    view.produce(states(100))
    process = view.run()
    view.wait_caught_up(process)
    wait_ready(process)
    # The load goes on while the outage begins, and while it lasts.
    view.produce(states(3000, 100))
    begin(target)
    try:
        view.produce(states(1000, 3100))
        wait_not_ready(process, view.name, code)
        time.sleep(1.5)
        status, reason = process.get("/readyz")
        assert status == 503 and target.password not in reason
        assert process.get("/healthz")[0] == 200
        committed = sum(max(0, o) for o in view.committed())
        assert committed < 4103
        assert harness.total(process.metrics(), "upsink_sink_up", view=view.name) == 0
    finally:
        end(target)
    view.wait_caught_up(process)
    wait_ready(process)
    assert harness.check_books(process.metrics(), view.name)[0] == 4103
    assert harness.total(process.metrics(), "upsink_sink_retries_total", view=view.name) >= 1
    # The group was never left, nothing written off, no secret told.
    assert process.errors.count("partition assigned") == 2 \
        and "partitions given back" not in process.errors and "partitions lost" not in process.errors
    assert not view.dead_letters() and target.password not in process.errors
    assert process.stop() == 0
    assert sum(view.committed()) == 4103
    assert {row.generation for row in target.rows().values()} == {1}


def test_a_bad_record_in_an_outage_is_still_one_bad_record(make_view, spare_postgres):
    target = AppTarget(spare_postgres)
    view = make_view(target, rules=VERSIONED, partitions=2)
    view.produce(states(10))
    process = view.run()
    view.wait_caught_up(process)
    revoked(target)
    view.produce(states(100, 10) + [{"key": "bad", "value": b"nonsense", "partition": 0}] + states(100, 110))
    wait_not_ready(process, "permission_denied")
    time.sleep(1)
    granted(target)
    view.wait_caught_up(process)
    harness.check_books(process.metrics(), view.name)
    letters = view.dead_letters()
    assert set(letters) == set(view.fold().dead) and all(len(found) == 1 for found in letters.values())


def test_a_postgres_that_is_down_at_the_start_is_waited_for(make_view, spare_postgres):
    target = AppTarget(spare_postgres)
    view = make_view(target, rules=VERSIONED, partitions=2)
    view.produce(states(100))
    spare_postgres.stop()
    try:
        process = view.run()
        wait_not_ready(process, "sink_unreachable")
    finally:
        spare_postgres.restart()
    view.wait_caught_up(process)
    wait_ready(process)
    assert process.stop() == 0


def test_credentials_that_are_refused_at_the_start_end_the_program(make_view, spare_postgres):
    target = AppTarget(spare_postgres)
    target.url = target.url.replace(target.password, "wr0ng-pa55word")
    view = make_view(target, rules=VERSIONED)
    process = view.run()
    assert process.wait(30) == 1
    assert "credentials_refused" in process.errors and "wr0ng-pa55word" not in process.errors


def test_a_signal_during_an_outage_ends_the_program_and_loses_nothing(make_view, spare_postgres):
    target = AppTarget(spare_postgres)
    view = make_view(target, rules=VERSIONED, partitions=2)
    view.produce(states(10))
    process = view.run()
    view.wait_caught_up(process)
    revoked(target)
    view.produce(states(500, 10))
    wait_not_ready(process, "permission_denied")
    begin = time.monotonic()
    assert process.stop() == 0
    assert time.monotonic() - begin < 10 * harness.PATIENCE
    assert sum(view.committed()) == 11
    granted(target)
    view.run_to_end()
    view.assert_converged()


@contextlib.contextmanager
def frozen(server):
    """Postgres still accepts what is sent, and answers nothing."""
    pids = [int(server.env["POSTGRES_PID"])] + [row[0] for row in server.query("SELECT pid FROM pg_stat_activity")]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            harness.os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                harness.os.kill(pid, signal.SIGCONT)


def test_a_postgres_that_gives_no_answer_is_an_outage(make_view, spare_postgres):
    target = AppTarget(spare_postgres)
    view = make_view(target, rules=VERSIONED, partitions=2, timeout="2s")
    view.produce(states(100))
    process = view.run()
    view.wait_caught_up(process)
    with frozen(spare_postgres):
        view.kafka.produce(view.topic, states(100, 100))
        wait_not_ready(process, "sink_timeout")
    view.wait_caught_up(process)
    wait_ready(process)
    harness.check_books(process.metrics(), view.name)
    assert process.stop() == 0


def test_a_locked_sqlite_file_is_an_outage(make_view, tmp_path):
    target = targets.SqliteTarget(tmp_path)
    view = make_view(target, rules=VERSIONED, partitions=2, timeout="1s")
    view.produce(states(100))
    process = view.run()
    view.wait_caught_up(process)
    connection = target.connect()
    connection.execute("BEGIN IMMEDIATE")
    view.produce(states(100, 100))
    wait_not_ready(process, view.name)
    time.sleep(1)
    connection.rollback()
    connection.close()
    view.wait_caught_up(process)
    wait_ready(process)
    harness.check_books(process.metrics(), view.name)
    assert not view.dead_letters()
    assert process.stop() == 0


@pytest.mark.parametrize("way", ["stop", "kill9"])
def test_a_broker_that_is_away_for_a_while_is_waited_for(upsink, postgres, spare_kafka, way):
    target = targets.PostgresTarget(postgres)
    view = views.View(spare_kafka, target, upsink, partitions=2, rules=VERSIONED)
    view.produce(states(500))
    process = view.run()
    view.wait_caught_up(process)
    getattr(spare_kafka, way)()
    try:
        wait_not_ready(process, "Kafka")
        assert process.get("/healthz")[0] == 200
    finally:
        spare_kafka.restart()
    view.produce(states(500, 500) + [{"key": "bad", "value": b"nonsense", "partition": 0}])
    view.wait_caught_up(process, 60)
    wait_ready(process)
    harness.wait_until(lambda: harness.check_books(process.metrics(), view.name)[0] == 1003, what="all records, each once")
    assert set(view.dead_letters()) == set(view.fold().dead)
    assert process.stop() == 0
    assert sum(view.committed()) == 1003


def test_a_broker_that_is_down_at_the_start_is_waited_for(upsink, postgres, spare_kafka):
    target = targets.PostgresTarget(postgres)
    view = views.View(spare_kafka, target, upsink, partitions=2, rules=VERSIONED)
    view.produce(states(500))
    spare_kafka.stop()
    try:
        process = view.run()
        wait_not_ready(process, "kafka_unreachable")
    finally:
        spare_kafka.restart()
    wait_assigned(process, 2, seconds=60)
    view.wait_caught_up(process, 60)
    wait_ready(process)
    assert process.stop() == 0


def records_until(last):
    """So many records `states` makes: with each hundred comes a tombstone."""
    return last + last // 100


@pytest.fixture(params=["postgres-sqlite", "mongodb-redis"])
def two_targets(request, tmp_path):
    """The first one's server is to be killed."""
    if request.param == "postgres-sqlite":
        return AppTarget(request.getfixturevalue("spare_postgres")), targets.SqliteTarget(tmp_path)
    return targets.MongodbTarget(request.getfixturevalue("mongodb")), targets.RedisTarget(request.getfixturevalue("redis"))


def test_one_views_outage_does_not_slow_another_view_on_the_same_topic(make_view, two_targets):
    down = make_view(two_targets[0], rules=VERSIONED, partitions=2, timeout="5s")
    up = make_view(two_targets[1], rules=VERSIONED, topic=down.topic, partitions=2)
    server = two_targets[0].server
    down.produce(states(100))
    config = {"kafka": down.kafka_properties, "views": {**down.config()["views"], **up.config()["views"]}}
    process = down._start(config=config)
    down.wait_caught_up(process)
    up.wait_caught_up(process)
    server.kill9()
    try:
        down.produce(states(100, 100))
        wait_not_ready(process, down.name)
        behind = []
        for first in range(200, 1200, 100):
            down.produce(states(100, first))
            began = time.monotonic()
            harness.wait_until(lambda: harness.check_books(process.metrics(), up.name)[0] == records_until(first + 100), 10,
                               every=0.01, what="the view that is up")
            behind.append(time.monotonic() - began)
        # As quick as before: nothing of the other's time limits and pauses, which are seconds, can be seen.
        assert sorted(behind)[len(behind) // 2] < 1 * harness.PATIENCE, behind
        status, reason = process.get("/readyz")
        assert status == 503 and up.name not in reason
        assert harness.total(process.metrics(), "upsink_sink_up", view=up.name) == 1
    finally:
        server.restart()
    down.wait_caught_up(process)
    for view in (down, up):
        view.assert_converged()
        harness.wait_until(lambda: harness.check_books(process.metrics(), view.name)[0] == 1212, what="the books")
    assert process.stop() == 0


@pytest.fixture
def silent_port():
    """Connections are made there, and nothing is ever answered."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("url", ["postgres://127.0.0.1:{}/db?table=t", "redis://127.0.0.1:{}/0?prefix=t:",
                                 "mongodb://127.0.0.1:{}/db?collection=t", "opensearch://127.0.0.1:{}/t"],
                         ids=lambda url: url.split(":")[0])
def test_a_store_that_is_silent_at_the_start_holds_up_neither_another_view_nor_the_end(make_view, tmp_path, silent_port, url):
    up = make_view(targets.SqliteTarget(tmp_path), rules=VERSIONED, partitions=2)
    up.produce(states(100))
    config = up.config()
    config["views"] = {"silent": {"topic": up.topic, "sink": url.format(silent_port)}, **config["views"]}
    began = time.monotonic()
    process = up._start(config=config)
    up.wait_caught_up(process)
    assert time.monotonic() - began < 15 * harness.PATIENCE, "it waited for the other one's time limit, 30 s"
    wait_not_ready(process, "silent")
    began = time.monotonic()
    assert process.stop() == 0
    assert time.monotonic() - began < 15 * harness.PATIENCE
