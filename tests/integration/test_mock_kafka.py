"""Brokers that answer with errors: nothing is lost, nothing is counted twice, and the view goes on by itself."""

import concurrent.futures as futures
import traceback

import harness
import mock
import pytest
import targets
import views
from mock import (CLOSED, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, FETCH, FIND_COORDINATOR, HEARTBEAT, ILLEGAL_GENERATION,
                  INIT_PRODUCER_ID, JOIN_GROUP, KAFKA_STORAGE_ERROR, LIST_OFFSETS, NOT_COORDINATOR, NOT_ENOUGH_REPLICAS,
                  NOT_LEADER_FOR_PARTITION, OFFSET_COMMIT, OFFSET_FETCH, OFFSET_OUT_OF_RANGE, PRODUCE, REBALANCE_IN_PROGRESS,
                  REQUEST_TIMED_OUT, SYNC_GROUP, TOPIC_AUTHORIZATION_FAILED, UNKNOWN_MEMBER_ID, UNKNOWN_TOPIC_OR_PARTITION)
from views import VERSIONED, Watcher, event, wait_assigned, wait_not_ready, wait_ready

PARTITIONS = 2
QUICK = {"session.timeout.ms": "3000", "heartbeat.interval.ms": "200", "reconnect.backoff.max.ms": "300", "retry.backoff.ms": "50"}


@pytest.fixture
def start_mock():
    started = []

    def start(brokers=1):
        started.append(mock.MockKafka(brokers))
        return started[-1]

    yield start
    for server in started:
        server.stop()


class Scene:
    """A view in SQLite of a topic in the mock, with records that keep coming."""

    def __init__(self, kafka, upsink, directory, **settings):
        self.kafka, self.produced = kafka, 0
        self.view = views.View(kafka, targets.SqliteTarget(directory), upsink, partitions=PARTITIONS, rules=VERSIONED,
                               kafka_properties=QUICK, **settings)
        self.produce(50)

    def produce(self, count, *more):
        """Upserts, now and then a delete."""
        numbers = range(self.produced, self.produced + count)
        self.view.produce([{"key": f"k{i % 20}", "value": None if i % 31 == 30 else event(f"k{i % 20}", i), "partition": i % PARTITIONS}
                           for i in numbers] + list(more))
        self.produced += count + len(more)

    def run(self):
        self.process = self.view.run()
        return self.process

    def start(self):
        self.run()
        wait_assigned(self.process, PARTITIONS)
        self.view.wait_caught_up(self.process)

    def fail(self, api, *errors):
        """While records come, until each of the errors was given as an answer."""
        self.kafka.fail(api, *errors)
        self.produce_until(lambda: self.kafka.failures_left(api) == 0, f"requests of kind {api}: {errors}")

    def produce_until(self, condition, what):
        def produced_and_over():
            self.produce(5)
            return condition()

        harness.wait_until(produced_and_over, what=what, every=0.1)

    def wait_committed(self):
        harness.wait_until(lambda: sum(self.view.committed()) == self.produced,
                           what=f"{self.produced} to be committed; {self.process.errors[-2000:]}")

    def assert_right(self):
        """All is there, in the books once, committed, and nobody had to read again."""
        self.produce(20)
        self.view.wait_caught_up(self.process)
        wait_ready(self.process)
        self.wait_committed()
        assert harness.check_books(self.process.metrics(), self.view.name)[0] == self.produced
        assert {row.generation for row in self.view.target.rows().values()} == {1}
        assert self.process.stop() == 0, self.process.errors[-2000:]
        assert set(self.view.dead_letters()) == set(self.view.fold().dead)


@pytest.fixture
def scene(start_mock, upsink, tmp_path):
    def make(brokers=1, **settings):
        return Scene(start_mock(brokers), upsink, tmp_path, **settings)

    return make


def at_once(cases, play):
    """Each case by itself, all at the same time: they wait for the group most of the time."""
    with futures.ThreadPoolExecutor(len(cases)) as pool:
        played = {name: pool.submit(play, *words) for name, words in cases.items()}
    failed = {name: done.exception() for name, done in played.items() if done.exception()}
    for error in failed.values():
        traceback.print_exception(error)
    assert not failed, failed


GROUP_ERRORS = {"not coordinator": NOT_COORDINATOR, "coordinator not available": COORDINATOR_NOT_AVAILABLE,
                "coordinator loading": COORDINATOR_LOAD_IN_PROGRESS, "rebalance": REBALANCE_IN_PROGRESS,
                "generation": ILLEGAL_GENERATION, "member": UNKNOWN_MEMBER_ID, "closed": CLOSED}
LEADER_ERRORS = {"not leader": NOT_LEADER_FOR_PARTITION, "timed out": REQUEST_TIMED_OUT, "unknown topic": UNKNOWN_TOPIC_OR_PARTITION,
                 "storage": KAFKA_STORAGE_ERROR, "closed": CLOSED}


def test_errors_at_the_start_are_waited_out(scene):
    def play(api, *errors):
        view = scene()
        view.kafka.fail(api, *errors)
        view.run()
        harness.wait_until(lambda: view.kafka.failures_left(api) == 0, what="all of the errors to be given")
        wait_assigned(view.process, PARTITIONS)
        view.assert_right()

    at_once({"find coordinator": (FIND_COORDINATOR, COORDINATOR_NOT_AVAILABLE, COORDINATOR_LOAD_IN_PROGRESS, CLOSED),
             "join": (JOIN_GROUP, COORDINATOR_LOAD_IN_PROGRESS, NOT_COORDINATOR, CLOSED, UNKNOWN_MEMBER_ID),
             "sync": (SYNC_GROUP, REBALANCE_IN_PROGRESS, NOT_COORDINATOR, CLOSED),
             "offset fetch": (OFFSET_FETCH, NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, CLOSED),
             "list offsets": (LIST_OFFSETS, *LEADER_ERRORS.values()),
             "fetch": (FETCH, *LEADER_ERRORS.values())}, play)


def play_while_running(scene, api, error):
    view = scene()
    view.start()
    with Watcher(view.view.target, versioned=True) as watcher:
        view.fail(api, error)
        view.assert_right()
    watcher.assert_never_back()


def test_heartbeats_that_are_answered_with_errors_cost_no_record(scene):
    at_once({name: (scene, HEARTBEAT, error) for name, error in GROUP_ERRORS.items()}, play_while_running)


def test_commits_that_are_answered_with_errors_are_repeated(scene):
    """Also where no further record comes."""
    def play(error):
        view = scene()
        view.start()
        view.wait_committed()
        view.kafka.fail(OFFSET_COMMIT, error, error)
        view.produce(20)
        view.wait_committed()
        assert view.kafka.failures_left(OFFSET_COMMIT) == 0
        view.assert_right()

    at_once({name: (error,) for name, error in {**GROUP_ERRORS, "timed out": REQUEST_TIMED_OUT}.items()}, play)


def test_fetches_that_are_answered_with_errors_are_repeated(scene):
    """An offset that only one answer says to be out of range begins no new generation."""
    at_once({name: (scene, FETCH, error) for name, error in {**LEADER_ERRORS, "out of range": OFFSET_OUT_OF_RANGE}.items()},
            play_while_running)


def test_a_topic_that_may_not_be_read_for_a_while_is_waited_for(scene):
    view = scene()
    view.start()
    view.kafka.fail(FETCH, *[TOPIC_AUTHORIZATION_FAILED] * 2)
    wait_not_ready(view.process, view.view.name)
    view.produce_until(lambda: view.kafka.failures_left(FETCH) == 0, "the errors to end")
    view.assert_right()


def test_dead_letters_that_are_answered_with_errors_hold_the_offsets_until_they_are_written(scene):
    def play(api, *errors):
        view = scene()
        view.produce(10, {"key": "k1", "value": b"{", "partition": 0}, {"key": None, "value": event("x", 1), "partition": 1})
        view.kafka.fail(api, *errors)
        view.run()
        harness.wait_until(lambda: view.kafka.failures_left(api) == 0, what="all of the errors to be given")
        view.assert_right()

    at_once({"produce": (PRODUCE, *[NOT_ENOUGH_REPLICAS] * 5, NOT_LEADER_FOR_PARTITION, REQUEST_TIMED_OUT, CLOSED, CLOSED),
             "producer id": (INIT_PRODUCER_ID, COORDINATOR_LOAD_IN_PROGRESS, NOT_COORDINATOR, CLOSED)}, play)


def move_leaders(view):
    for broker in (2, 3, 1, 2):
        for partition in range(PARTITIONS):
            view.kafka.tell("leader", view.view.topic, partition, broker)
        view.produce(20)
        view.view.wait_caught_up(view.process)


def move_coordinator(view):
    for broker in (2, 3, 1):
        view.kafka.tell("coordinator", view.view.group, broker)
        view.produce(20)
        view.view.wait_caught_up(view.process)


def take_leader_away(view):
    """The other partition goes on."""
    view.kafka.tell("leader", view.view.topic, 0, -1)
    for n in range(10):
        view.view.produce([{"key": "alone", "value": event("alone", n), "partition": 1}])
        view.produced += 1
    harness.wait_until(lambda: view.view.target.query("SELECT 1 FROM orders WHERE key = 'alone' AND doc ->> '$.n' = 9"),
                       what="the other partition's row")
    wait_not_ready(view.process, "partition 0", "no leader", "partition_unreadable")
    view.kafka.tell("leader", view.view.topic, 0, 2)
    wait_ready(view.process)


def take_brokers_down(view):
    for broker in (1, 2, 3):
        view.kafka.tell("down", broker)
    wait_not_ready(view.process, "Kafka")
    for broker in (1, 2, 3):
        view.kafka.tell("up", broker)


def slow_down(view):
    for broker in (1, 2, 3):
        view.kafka.tell("rtt", broker, 150)
    view.produce(100)
    view.view.wait_caught_up(view.process)
    view.produce(100)


def test_brokers_that_change_places_go_away_or_are_slow_cost_no_record(scene):
    def play(change):
        view = scene(brokers=3)
        view.start()
        with Watcher(view.view.target, versioned=True) as watcher:
            change(view)
            view.assert_right()
        watcher.assert_never_back()

    at_once({change.__name__: (change,) for change in (move_leaders, move_coordinator, take_leader_away, take_brokers_down, slow_down)},
            play)


def test_a_member_that_is_stopped_before_its_first_assignment_ends_well(scene):
    """librdkafka before 2.3 aborts here when it is destroyed (its issue 4312)."""
    view = scene()
    view.kafka.fail(SYNC_GROUP, *[REBALANCE_IN_PROGRESS] * 100)
    process = view.run()
    harness.wait_until(lambda: view.kafka.failures_left(SYNC_GROUP) < 100, what="the group's first answer")
    assert "partition assigned" not in process.errors
    assert process.stop() == 0, process.errors
