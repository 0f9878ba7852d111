"""How a run ends: at the end of its topics, by a signal, by a second one."""

import signal
import time

import harness
import pytest
from views import VERSIONED, event


def states(count, keys=100, partitions=1, first=0):
    return [{"key": f"k{i % keys}", "value": event(f"k{i % keys}", i), "partition": i % keys % partitions}
            for i in range(first, first + count)]



def wait_and_count(process, view, seconds=60):
    """Asks for the books until the program ends; they only grow, and end with the program."""
    process.last_metrics = {}
    deadline = time.monotonic() + seconds * harness.PATIENCE
    while process.process.poll() is None and time.monotonic() < deadline:
        process.last_metrics = process.metrics() or process.last_metrics
        time.sleep(0.02)
    return process.wait(1)


def test_until_end_reads_several_partitions_an_empty_one_among_them(make_view, target):
    view = make_view(target, rules=VERSIONED, partitions=4)
    view.produce(states(900, partitions=3))
    process = view.run_to_end()
    view.assert_converged()
    assert sum(max(0, o) for o in view.committed()) == 900
    assert "dead-letter" not in process.errors
    (books,) = [line for line in process.errors.splitlines() if 'msg="done: the end was reached"' in line]
    counts = {name: int(value) for name, value in (word.split("=") for word in books.split(f"view={view.name} ")[1].split())}
    assert counts.pop("consumed") == 900 == sum(counts.values()) and counts["upserts"] >= 100
    # And again, with nothing to do.
    begin = time.monotonic()
    view.run_to_end()
    assert time.monotonic() - begin < 15 * harness.PATIENCE


def test_until_end_of_an_empty_topic_makes_an_empty_table(make_view, target):
    view = make_view(target, partitions=3)
    view.run_to_end()
    assert target.rows() == {}


def test_until_end_of_a_topic_that_is_not_there_fails(make_view, table):
    view = make_view(table, topic="not-there")
    process = view.run_to_end(status=1)
    assert "topic not-there" in process.errors and "does not exist" in process.errors


def test_until_end_does_not_wait_for_records_that_come_later(make_view, target):
    view = make_view(target, rules=VERSIONED)
    view.produce(states(50))
    producer = view.kafka.producer()
    process = view.run("--until-end")
    deadline = time.monotonic() + 30 * harness.PATIENCE
    n = 50
    while process.process.poll() is None:
        assert time.monotonic() < deadline, process.errors
        producer.produce(view.topic, key=f"k{n % 100}", value=harness.json.dumps(event(f"k{n % 100}", n)))
        producer.poll(0)
        n += 1
        time.sleep(0.005)
    producer.flush(10)
    assert process.wait() == 0
    assert len(target.rows()) >= 50
    view.run_to_end()
    view.assert_converged()


def test_until_end_with_dead_letters_ends_well_and_tells_their_number(make_view, target):
    view = make_view(target, rules=VERSIONED)
    view.produce(states(10) + [{"key": "a", "value": b"{"}, {"key": "b", "value": b"[]"}])
    process = view.run_to_end()
    assert "2 records" in process.errors and f"{view.topic}.dlq" in process.errors
    view.assert_converged()


def test_until_end_with_on_error_stop_fails_at_the_bad_record(make_view, target):
    view = make_view(target, rules=VERSIONED, on_error="stop")
    view.produce(states(10) + [{"key": "a", "value": b"{"}] + states(10, first=10))
    process = view.run_to_end(status=1)
    assert "partition 0 offset 10" in process.errors and "stopped_on_error" in process.errors
    assert view.committed()[0] <= 10


def test_two_instances_to_the_end_share_the_work_and_both_end_well(make_view, target):
    view = make_view(target, rules=VERSIONED, partitions=4, batch={"max_records": 200})
    view.produce(states(20_000, keys=2000, partitions=4))
    first, second = view.run("--until-end"), view.run("--until-end")
    assert wait_and_count(first, view) == 0, first.errors
    assert wait_and_count(second, view) == 0, second.errors
    view.assert_converged()
    assert sum(view.committed()) == 20_000


def test_a_second_instance_to_the_end_finds_the_first_ones_work_done(make_view, target):
    view = make_view(target, rules=VERSIONED, partitions=2)
    view.produce(states(500, partitions=2))
    service = view.run()
    view.wait_caught_up(service)
    view.run_to_end()
    view.produce(states(500, partitions=2, first=500))
    view.run_to_end()
    view.assert_converged()
    assert service.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_under_load_finishes_what_is_in_flight_and_commits(make_view, target, number):
    view = make_view(target, rules=VERSIONED, partitions=2, batch={"max_records": 50})
    view.produce(states(30_000, keys=3000, partitions=2))
    process = view.run()
    harness.wait_until(lambda: harness.total(process.metrics(), "upsink_records_consumed_total") > 500, every=0.02, what="some records")
    process.process.send_signal(number)
    assert process.wait(30) == 0, process.errors
    offsets = [max(0, offset) for offset in view.committed()]  # one may not have been begun
    committed = sum(offsets)
    assert 500 < committed < 30_000, "it was to be stopped in the middle"
    # What was committed is in the table, and no more: the highest offset is one less.
    done = [max((row.offset for row in target.rows().values() if row.partition == p), default=-1) + 1 for p in (0, 1)]
    assert done == offsets
    process = view.run()
    view.wait_caught_up(process)
    assert harness.wait_until(lambda: harness.check_books(process.metrics(), view.name)[0] == 30_000 - committed,
                              what="the rest, each record once")
    assert process.stop() == 0


def test_a_second_signal_ends_the_program_at_once(make_view, table):
    view = make_view(table, rules=VERSIONED, timeout="60s")
    view.produce(states(10))
    process = view.run()
    view.wait_caught_up(process)
    connection = table.connect()
    connection.autocommit = False
    connection.cursor().execute(f"LOCK TABLE {table.table} IN EXCLUSIVE MODE")
    view.produce(states(10, first=10))
    harness.wait_until(lambda: table.query("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"), what="a blocked write")
    process.process.send_signal(signal.SIGTERM)
    harness.wait_until(lambda: "stopping" in process.errors, every=0.01, what="the first signal")
    begin = time.monotonic()
    process.process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 128 + signal.SIGTERM
    assert time.monotonic() - begin < 5 * harness.PATIENCE
    connection.rollback()
    connection.close()
    view.run_to_end()
    view.assert_converged()


def test_a_signal_before_the_group_was_joined_ends_the_program(make_view, target):
    view = make_view(target, rules=VERSIONED)
    process = view.run()
    harness.wait_until(lambda: process.errors, every=0.005, what="a first line")
    assert process.stop() == 0


def test_a_signal_that_comes_as_a_run_ends_is_the_first_one(make_view, table):
    view = make_view(table, rules=VERSIONED)
    view.produce(states(100))
    begin = time.monotonic()
    view.run_to_end()
    usual = time.monotonic() - begin
    for i in range(20):
        process = view.run("--until-end")
        harness.wait_until(lambda: process.errors, every=0.002, what="a first line")
        time.sleep(usual * i / 20)
        assert process.stop() == 0, process.errors
