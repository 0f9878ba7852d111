"""Offsets set by hand, with Kafka's own tools or like them: honoured, and never swallowed as stale."""

import confluent_kafka
import harness
from views import VERSIONED, event


def history(partition, keys=20):
    """Upserts, stale and repeated ones, tombstones, a refused record: 5 records a key and one more."""
    for i in range(keys):
        key = f"p{partition}-{i}"
        events = [event(key, 2), event(key, 4), event(key, 3), event(key, 2), None if i % 5 == 0 else event(key, 6)]
        for value in events:
            yield {"key": key, "value": value, "partition": partition}
    yield {"key": "poison", "value": b"not json", "partition": partition}


LENGTH = 20 * 5 + 1


def set_offsets(view, offsets):
    """{partition: offset}, like a tool does it: no metadata, no members in the group."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": view.kafka.brokers, "group.id": view.group})
    try:
        consumer.commit(offsets=[confluent_kafka.TopicPartition(view.topic, p, o) for p, o in offsets.items()], asynchronous=False)
    finally:
        consumer.close()


def filled_view(make_view, target, partitions=2):
    view = make_view(target, partitions=partitions, rules=VERSIONED)
    for partition in range(partitions):
        view.produce(history(partition))
    view.run_to_end()
    view.assert_converged()
    return view


def damage(target, partition=None):
    """What a careless hand does to a table; gives the number of rows that are wrong now."""
    where = f"_upsink_partition = {partition} AND" if partition is not None else ""
    before = target.rows()
    target.query(f"DELETE FROM {target.table} WHERE {where} key LIKE '%7'")
    target.query(f"UPDATE {target.table} SET doc = '{{}}' WHERE {where} key LIKE '%8'")
    return sum(before[k] != row for k, row in target.rows().items()) + len(before) - len(target.rows())


def test_a_group_reset_to_the_beginning_replays_everything(make_view, target):
    view = filled_view(make_view, target)
    assert damage(target) == 8
    view.kafka.tool("groups", "--group", view.group, "--topic", view.topic, "--reset-offsets", "--to-earliest", "--execute")
    process = view.run_to_end()
    view.assert_converged()
    assert {row.generation for row in target.rows().values()} == {2}
    assert "were set by hand to 0: a new generation replays from there" in process.errors
    assert view.committed() == [LENGTH, LENGTH]
    # The next run goes on from there.
    view.produce([{"key": "p0-1", "value": event("p0-1", 9), "partition": 0}])
    process = view.run_to_end()
    view.assert_converged()
    assert "by hand" not in process.errors


def test_a_reset_of_half_of_the_partitions_replays_that_half(make_view, target):
    view = filled_view(make_view, target)
    assert damage(target, 0) == 4
    view.kafka.tool("groups", "--group", view.group, "--topic", f"{view.topic}:0", "--reset-offsets", "--to-earliest", "--execute")
    view.produce([{"key": key, "value": event(key, 7), "partition": int(key[1])} for key in ("p0-1", "p1-1", "p0-0", "p1-0")])
    view.run_to_end()
    view.assert_converged()
    assert {(row.partition, row.generation) for row in target.rows().values()} == {(0, 2), (1, 1)}
    # And the other half later, in one more generation of its own.
    assert damage(target, 1) == 4
    set_offsets(view, {1: 0})
    view.run_to_end()
    view.assert_converged()


def test_a_reset_to_the_middle_replays_from_there(make_view, target):
    view = filled_view(make_view, target, partitions=1)
    damage(target)
    set_offsets(view, {0: 5 * 7})
    view.run_to_end()
    view.assert_converged()
    generations = {key: row.generation for key, row in target.rows().items()}
    assert generations["p0-6"] == 1 and generations["p0-7"] == 2


def test_a_reset_forward_skips_records_and_says_so(make_view, target):
    view = filled_view(make_view, target, partitions=1)
    before = target.rows()
    view.produce([{"key": "p0-1", "value": event("p0-1", 20)}, {"key": "skipped", "value": event("skipped", 1)},
                  {"key": "p0-2", "value": event("p0-2", 21)}])
    view.kafka.tool("groups", "--group", view.group, "--topic", view.topic, "--reset-offsets", "--shift-by", "2", "--execute")
    process = view.run_to_end()
    rows = target.rows()
    assert "skipped" not in rows and rows["p0-1"] == before["p0-1"] and rows["p0-2"].doc["n"] == 21
    assert f"set forward by hand from {LENGTH} to {LENGTH + 2}: the records between are skipped" in process.errors
    assert {row.generation for row in rows.values()} == {1}


def test_a_replay_that_is_killed_goes_on_and_ends_right(make_view, target):
    view = filled_view(make_view, target, partitions=1)
    view.produce([{"key": f"x{i}", "value": event(f"x{i}", 1)} for i in range(3000)])
    view.run_to_end()
    damage(target)
    set_offsets(view, {0: 0})
    view.settings["batch"] = {"max_records": 1, "linger": "0ms"}  # slow enough to be killed in the middle
    process = view.run()
    harness.wait_until(lambda: harness.total(process.metrics(), "upsink_records_consumed_total") > 10, every=0.01, what="records")
    process.kill9()
    assert {row.generation for row in target.rows().values()} == {1, 2}, "it was not killed in the middle"
    view.run_to_end()
    view.assert_converged()


def test_a_reset_beyond_the_ends_of_the_log_is_held_within_them(make_view, target):
    view = filled_view(make_view, target, partitions=1)
    set_offsets(view, {0: 10_000})
    view.run_to_end()
    view.produce([{"key": "p0-1", "value": event("p0-1", 30)}])
    view.run_to_end()
    view.assert_converged()
