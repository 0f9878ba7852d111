"""Offsets and dead letters: nothing moves before the dead-letter topic has acknowledged, whatever dies in between."""

import random

import harness
import pytest
import targets
from views import POSITIONED, VERSIONED, event, wait_assigned, wait_not_ready, wait_ready

QUICK = {"session.timeout.ms": "2000", "heartbeat.interval.ms": "300"}


def states(count, first=0):
    return [{"key": f"k{i % 20}", "value": event(f"k{i % 20}", i)} for i in range(first, first + count)]


def poison(key, size=100):
    """No JSON, and nothing that could be compressed."""
    return {"key": key, "value": random.Random(size).randbytes(size)}


def wait_done(view, process, records):
    view.wait_caught_up(process)
    harness.wait_until(lambda: harness.check_books(process.metrics(), view.name)[0] == records, what=f"{records} records in the books")
    wait_ready(process)


def assert_dead_letters(view, times=1):
    letters = view.dead_letters()
    assert set(letters) == set(view.fold().dead)
    assert {len(found) for found in letters.values()} == {times}, {place: len(found) for place, found in letters.items()}


def test_a_dead_letter_topic_that_takes_only_small_records_stops_the_view_until_it_is_mended(make_view, target):
    view = make_view(target, rules=VERSIONED)
    dlq = view.kafka.create_topic(f"{view.topic}.dlq", max_message_bytes="3000")
    view.produce(states(20))
    process = view.run()
    wait_done(view, process, 20)
    harness.wait_until(lambda: view.committed() == [20], what="the group's commit")
    before = target.rows()
    view.produce(states(50, 20) + [poison("small"), poison("large", 20_000)] + states(50, 70))
    wait_not_ready(process, view.name, "dlq_too_large", "max.message.bytes")
    assert view.committed() == [20]
    # Nothing of the batch stands: its rows wait for its dead letters.
    assert target.rows() == before
    assert process.process.poll() is None
    view.kafka.tool("configs", "--alter", "--entity-type", "topics", "--entity-name", dlq, "--add-config", "max.message.bytes=1000000")
    wait_done(view, process, 122)
    assert_dead_letters(view)
    assert process.stop() == 0
    assert view.committed() == [122]


def test_a_dead_letter_topic_that_is_deleted_while_the_view_runs_is_made_again(make_view, target):
    view = make_view(target, rules=VERSIONED)
    view.produce([poison("first")] + states(10))
    process = view.run()
    wait_done(view, process, 11)
    view.kafka.delete_topic(f"{view.topic}.dlq")
    view.produce(states(10, 10) + [poison("second")] + states(10, 20))
    wait_done(view, process, 32)
    assert set(view.dead_letters()) == {(0, 21)}
    assert process.stop() == 0


def test_a_dead_letter_topic_that_cannot_be_made_stops_the_view(make_view, target):
    """Kafka takes no two names that differ only in dots and underscores."""
    view = make_view(target, rules=VERSIONED)
    dlq = f"{view.topic}.dead_letters"
    view.kafka.create_topic(f"{view.topic}_dead.letters")
    view.settings["dlq"] = {"topic": dlq}
    view.produce(states(10) + [poison("bad")])
    process = view.run()
    wait_not_ready(process, view.name, dlq, "dlq_topic_invalid")
    assert view.committed()[0] <= 0 and target.rows() == {}  # the beginning, once a partition waited for its first record
    assert process.stop() == 1


@pytest.fixture
def blocked_commit(table):
    """Holds up everybody who stores a position; rows and dead letters are out by then."""
    connection = table.connect()
    connection.autocommit = False

    def block():
        connection.cursor().execute("LOCK TABLE _upsink_state IN EXCLUSIVE MODE")

    yield block
    connection.close()


def wait_for_blocked_commit(table, process):
    harness.wait_until(lambda: table.query("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"),
                       what=f"the commit to wait: {process.errors[-1000:]}")


def test_killed_between_dead_letters_and_offsets_a_record_is_dead_lettered_again_rather_than_lost(make_view, table, blocked_commit):
    view = make_view(table, rules=VERSIONED, kafka_properties=QUICK)
    view.produce(states(20))
    process = view.run()
    wait_done(view, process, 20)
    before = table.rows()
    blocked_commit()
    view.produce([poison("bad")] + states(20, 20))
    harness.wait_until(lambda: view.dead_letters(), what="the dead letter")
    wait_for_blocked_commit(table, process)
    process.kill9()
    assert table.rows() == before
    table.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LOCK TABLE _upsink_state%'")
    process = view.run()
    wait_done(view, process, 21)
    assert_dead_letters(view, times=2)
    assert process.stop() == 0
    assert view.committed() == [41]


def test_killed_between_rows_and_offsets_neither_stands(make_view, table, blocked_commit):
    view = make_view(table, rules=VERSIONED, kafka_properties=QUICK)
    view.produce(states(20))
    process = view.run()
    wait_done(view, process, 20)
    before = table.rows()
    blocked_commit()
    view.produce(states(20, 20))
    wait_for_blocked_commit(table, process)
    process.kill9()
    table.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LOCK TABLE _upsink_state%'")
    harness.wait_until(lambda: table.rows() == before, what="the rows to be taken back")
    process = view.run()
    wait_done(view, process, 20)
    assert process.stop() == 0


def test_killed_between_the_sinks_commit_and_the_groups_nothing_is_read_twice(make_view, target):
    view = make_view(target, rules=VERSIONED, kafka_properties=QUICK)
    view.produce(states(20))
    process = view.run()
    wait_done(view, process, 20)
    harness.wait_until(lambda: view.committed() == [20], what="the group's commit")
    for attempt in range(10):
        view.produce(states(20, 20 * (attempt + 1)))
        harness.wait_until(lambda: max(row.offset for row in target.rows().values()) >= 20 * (attempt + 1), every=0.001, what="rows")
        process.kill9()
        behind = view.committed() != [20 * (attempt + 2)]
        process = view.run()
        wait_assigned(process)
        harness.wait_until(lambda: "goes on where it stopped" in process.errors, what="a start")
        if behind:
            break
    assert behind, "the group's commit came too soon, ten times"
    view.wait_caught_up(process)
    view.produce(states(1, 1000))
    wait_done(view, process, 1)
    assert process.stop() == 0


@pytest.fixture(params=["redis", "mongodb", pytest.param("opensearch", marks=pytest.mark.xdist_group("opensearch"))])
def store(request):
    server = request.getfixturevalue(request.param)
    return {"redis": targets.RedisTarget, "mongodb": targets.MongodbTarget, "opensearch": targets.SearchTarget}[request.param](server)


@pytest.mark.parametrize("rules", [VERSIONED, POSITIONED], ids=["versions", "positions"])
def test_what_a_store_loses_before_the_positions_are_stored_is_written_again(make_view, store, rules):
    view = make_view(store, rules=rules)
    dlq = view.kafka.create_topic(f"{view.topic}.dlq", max_message_bytes="3000")
    view.produce(states(20))
    process = view.run()
    wait_done(view, process, 20)
    harness.wait_until(lambda: view.committed() == [20], what="the group's commit")
    view.produce(states(20, 20) + [poison("large", 20_000)])
    wait_not_ready(process, view.name, "dlq_too_large")
    assert view.committed() == [20]
    # As after a fail-over: the rows are out, their positions are not.
    for key in ("k3", "k7"):
        store.lose(key)
    view.kafka.tool("configs", "--alter", "--entity-type", "topics", "--entity-name", dlq, "--add-config", "max.message.bytes=1000000")
    wait_done(view, process, 41)
    # Written twice, it counts once.
    assert harness.check_books(process.metrics(), view.name)[1] == 40
    assert_dead_letters(view)
    assert process.stop() == 0
    view.assert_converged()
