"""Slow, cut and silent connections between the program and its store: an outage each, never a bad record, and over by itself.

The program goes through Toxiproxy; rows are read from the server directly."""

import itertools
import time

import harness
import pytest
import targets
import toxiproxy
from toxiproxy import BOTH, UP
from views import VERSIONED, Watcher, event, wait_not_ready, wait_ready

STORES = {"postgres": targets.PostgresTarget, "redis": targets.RedisTarget, "mongodb": targets.MongodbTarget,
          "opensearch": targets.SearchTarget}


@pytest.fixture(scope="module")
def proxies(tmp_path_factory):
    started = toxiproxy.Toxiproxy(tmp_path_factory.mktemp("toxiproxy") / "server")
    yield started
    started.stop()


# All tests of one kind in one process: they share the server.
@pytest.fixture(scope="module", params=[pytest.param(name, marks=pytest.mark.xdist_group(f"network {name}")) for name in STORES])
def store(request):
    return request.param, request.getfixturevalue(request.param)


@pytest.fixture
def proxy(proxies, store):
    name, server = store
    made = toxiproxy.Proxy(proxies, server.env[f"{name.upper()}_PORT"])
    yield made
    made.close()


@pytest.fixture
def far_target(store, proxy):
    """Its URL leads through the proxy, and its rows are read without it."""
    name, server = store
    target = STORES[name](server)
    target.url = target.url.replace(f":{server.env[f'{name.upper()}_PORT']}", f":{proxy.port}")
    target.url = target.url.replace("replicaSet=rs0", "directConnection=true")  # MongoDB would tell the way round the proxy
    assert f":{proxy.port}" in target.url
    return target


class Load:
    """Records without end: upserts in disorder, repeated ones, tombstones; one key stays in its partition."""

    def __init__(self, view, keys=60, padding=0):
        self.view, self.keys, self.padding, self.sent, self._steps = view, keys, padding, 0, itertools.count(1)

    def _records(self, step):
        for i in range(self.keys):
            key, n = f"k{i}", 10 * step + (-15 if i % 5 == step % 5 else 0)
            value = None if i % 11 == step % 11 else event(key, n, padding="x" * self.padding)
            for _ in range(2 if i % 7 == 0 else 1):
                yield {"key": key, "value": value, "partition": i % self.view.partitions}

    def send(self, steps=5):
        records = [record for _ in range(steps) for record in self._records(next(self._steps))]
        self.view.produce(records)
        self.sent += len(records)


PARTITIONS = 2


@pytest.fixture
def far_view(make_view, far_target):
    """A running view that has caught up, and its load."""
    def start(load=None, **settings):
        view = make_view(far_target, rules=VERSIONED, partitions=PARTITIONS, **settings)
        load = Load(view, **(load or {}))
        load.send(1)
        process = view.run()
        view.wait_caught_up(process)
        wait_ready(process)
        return view, process, load

    return start


def metric(process, view, name):
    return harness.total(process.metrics(), name, view=view.name)


def retries(process, view):
    """But for those that only a machine without a moment to spare makes: it lost its partitions to nobody."""
    name = "upsink_sink_retries_total"
    return metric(process, view, name) - harness.total(process.metrics(), name, view=view.name, **{"class": "fenced"})


def consumed(process, view):
    return metric(process, view, "upsink_records_consumed_total")


def assert_member(process):
    """Still in the group, never out of it."""
    assert process.errors.count("partition assigned") == PARTITIONS
    assert "partitions given back" not in process.errors and "partitions lost" not in process.errors


def assert_all_well(view, process, load):
    view.wait_caught_up(process, 60)
    wait_ready(process)
    harness.wait_until(lambda: harness.check_books(process.metrics(), view.name)[0] == load.sent, what="the books")
    assert metric(process, view, "upsink_sink_up") == 1
    assert_member(process)
    assert not view.kafka.read(f"{view.topic}.dlq"), "an outage is not a bad record"
    assert process.stop() == 0
    assert sum(view.committed()) == load.sent
    assert {row.generation for row in view.target.rows().values()} == {1}


def test_a_far_store_is_slow_and_no_more(far_view, proxy):
    with proxy.harmed("latency", latency=40, jitter=20):
        view, process, load = far_view()
    with Watcher(view.target, versioned=True) as watcher, proxy.harmed("latency", latency=200, jitter=100):
        load.send(8)
        view.wait_caught_up(process, 60)
        assert process.get("/readyz")[0] == 200
    assert retries(process, view) == 0
    assert_all_well(view, process, load)
    watcher.assert_never_back()


def test_a_narrow_connection_slows_a_backlog_down_and_no_more(far_view, proxy):
    view, process, load = far_view(load={"keys": 600, "padding": 200}, batch={"max_records": 100, "linger": "10ms"})
    with proxy.harmed("bandwidth", rate=40):
        load.send(3)
        seen = [consumed(process, view)]
        for _ in range(3):
            harness.wait_until(lambda: consumed(process, view) > seen[-1], what=f"a batch more than {seen}")
            seen.append(consumed(process, view))
            assert process.get("/readyz")[0] == 200
        assert seen[-1] < load.sent, "the connection was not narrow"
        assert_member(process)
    assert retries(process, view) == 0
    assert_all_well(view, process, load)


def test_a_connection_too_narrow_for_the_timeout_is_told(far_view, proxy):
    view, process, load = far_view(load={"keys": 300, "padding": 1000}, timeout="1s")
    with proxy.harmed("bandwidth", UP, rate=2):
        load.send(1)
        answer = wait_not_ready(process, view.name, "sink_")
        assert str(proxy.port) in answer
        assert_member(process)
    assert_all_well(view, process, load)


def test_connections_reset_again_and_again_lose_nothing(far_view, proxy):
    view, process, load = far_view(batch={"max_records": 100, "linger": "10ms"})
    with Watcher(view.target, versioned=True) as watcher:
        for direction, timeout in itertools.product(BOTH, (0, 0, 20)):
            before = retries(process, view)
            with proxy.harmed("reset_peer", direction, timeout=timeout):
                load.send()
                harness.wait_until(lambda: retries(process, view) > before, what="a connection to be reset")
            load.send(1)
    assert_all_well(view, process, load)
    watcher.assert_never_back()


def test_silence_is_given_up_after_the_timeout_and_told(far_view, proxy):
    view, process, load = far_view(timeout="1s")
    with Watcher(view.target, versioned=True) as watcher:
        for direction in BOTH:
            with proxy.harmed("timeout", direction, timeout=0):
                began, before = time.monotonic(), retries(process, view)
                load.send()
                answer = wait_not_ready(process, view.name, "sink_timeout")
                assert time.monotonic() - began > 0.8, "too early"
                assert time.monotonic() - began < 6 * harness.PATIENCE, "too late"
                assert str(proxy.port) in answer, "the store is not named"
                assert process.get("/healthz")[0] == 200
                assert metric(process, view, "upsink_sink_up") == 0
                # New connections are silent as well.
                harness.wait_until(lambda: retries(process, view) > before + PARTITIONS, what="another attempt")
                wait_not_ready(process, view.name, "sink_")
                assert_member(process)
            view.wait_caught_up(process)
            wait_ready(process)
    assert_all_well(view, process, load)
    watcher.assert_never_back()


@pytest.mark.parametrize("busy", [True, False], ids=["while it writes", "while it rests"])
def test_a_silent_store_does_not_hold_up_the_end(far_view, proxy, busy):
    view, process, load = far_view()  # with the default timeout of 30 s
    with proxy.harmed("timeout", timeout=0):
        if busy:
            load.send()
            harness.wait_until(lambda: metric(process, view, "upsink_queue_bytes") > 0, what="a batch under way")
        began = time.monotonic()
        assert process.stop() == 0
        waited = time.monotonic() - began
    assert waited < 15 * harness.PATIENCE, waited
    assert "partitions given back" in process.errors, "it did not leave the group"
    view.run_to_end()
    view.assert_converged()


def test_what_was_stalled_and_arrives_late_steps_nothing_back(far_view, proxy):
    """The program gives requests up; the network delivers them later, when others were answered."""
    view, process, load = far_view(timeout="1s")
    with Watcher(view.target, versioned=True) as watcher:
        with proxy.harmed("latency", UP, latency=3_600_000):
            load.send()
            wait_not_ready(process, view.name, "sink_timeout")
            load.send()
            time.sleep(1)
        assert_all_well(view, process, load)
        view.assert_converged()
    watcher.assert_never_back()


CUTS = (1, 20, 150, 700, 3000, 12_000)  # bytes


def test_connections_cut_in_the_middle_of_requests_and_answers_lose_nothing(far_view, proxy):
    view, process, load = far_view(load={"keys": 300})
    with Watcher(view.target, versioned=True) as watcher:
        for direction, size in itertools.product(BOTH, CUTS):
            before = retries(process, view)
            with proxy.harmed("limit_data", direction, bytes=size):
                load.send(1)
                harness.wait_until(lambda: retries(process, view) > before or consumed(process, view) == load.sent,
                                   what=f"a connection to be cut {direction} after {size} bytes")
    assert retries(process, view) >= 2 * len(CUTS) - 2, "too little was cut"
    assert_all_well(view, process, load)
    watcher.assert_never_back()


def test_requests_and_answers_may_come_in_tiny_pieces(far_view, proxy):
    view, process, load = far_view()
    with proxy.harmed("slicer", average_size=40, size_variation=20, delay=50):
        load.send(10)
        view.wait_caught_up(process, 60)
    assert retries(process, view) == 0
    assert_all_well(view, process, load)


def test_a_port_that_nobody_listens_on_for_a_while_is_tried_again(far_view, proxy):
    view, process, load = far_view()
    with proxy.refused():
        load.send()
        answer = wait_not_ready(process, view.name, "sink_unreachable")
        assert str(proxy.port) in answer
        assert metric(process, view, "upsink_sink_up") == 0
    assert_all_well(view, process, load)
