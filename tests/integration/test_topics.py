"""Topics that change under a view: re-created, grown, truncated, compacted, transactional."""

import json
import time
import uuid

import harness
import pytest
from views import POSITIONED, VERSIONED, event, wait_assigned, wait_not_ready, wait_ready


def state(key, n, partition=0, **more):
    return {"key": key, "value": event(key, n, **more), "partition": partition}


def recreate(view, records, partitions=1):
    view.kafka.delete_topic(view.topic)
    view.kafka.create_topic(view.topic, partitions=partitions)
    view.produce(records)


def assert_has_new_topic(view):
    """Rows of entities that the new topic does not have may stay; all others are its own."""
    rows, fold = view.target.rows(), view.fold()
    wanted = fold.rows()
    for key, entity in fold.entities.items():
        if key in wanted:
            assert rows[key].doc == wanted[key].doc and rows[key].offset == wanted[key].offset, (key, rows[key])
        else:
            assert key not in rows, key


OLD = [state(f"k{i % 10}", 100 + i) for i in range(60)] + [{"key": "k9", "value": None, "partition": 0}]
SMALLER = [state(f"k{i}", i) for i in range(8)] + [{"key": "k3", "value": None, "partition": 0}, state("k9", 1)]
LARGER = SMALLER + [state(f"new{i % 30}", i) for i in range(120)]


@pytest.mark.parametrize("records", [SMALLER, LARGER], ids=["smaller", "larger"])
def test_a_topic_recreated_while_the_view_was_stopped_is_read_from_its_beginning(make_view, target, records):
    view = make_view(target, rules=VERSIONED)
    view.produce(OLD)
    view.run_to_end()
    recreate(view, records)
    process = view.run_to_end()
    assert "the topic is not the one that was read before" in process.errors
    assert_has_new_topic(view)
    view.produce([state("k1", 50), state("k1", 49)])
    process = view.run_to_end()
    assert "not the one that was read before" not in process.errors
    assert_has_new_topic(view)


@pytest.mark.parametrize("records", [SMALLER, LARGER], ids=["smaller", "larger"])
def test_a_topic_recreated_while_the_view_runs_is_read_from_its_beginning(make_view, target, records):
    view = make_view(target, rules=VERSIONED)
    view.produce(OLD)
    process = view.run()
    view.wait_caught_up(process)
    recreate(view, records)

    def has_new_topic():
        try:
            assert_has_new_topic(view)
            return True
        except (AssertionError, KeyError):
            return False
    harness.wait_until(has_new_topic, 30, f"the rows of the new topic: {process.errors[-3000:]}")
    view.produce([state("k1", 50), state("k1", 49)])
    harness.wait_until(has_new_topic, 30, f"the rows of the new topic: {process.errors[-3000:]}")
    assert process.stop() == 0


def test_a_partition_that_other_partitions_outlive_keeps_its_own_past(make_view, target):
    """A re-created topic with fewer records in one partition and more in another: both are new."""
    view = make_view(target, rules=VERSIONED, partitions=2)
    view.produce([state(f"a{i}", 100 + i) for i in range(20)] + [state(f"b{i}", 100 + i, 1) for i in range(20)])
    view.run_to_end()
    recreate(view, [state(f"a{i}", i) for i in range(5)] + [state(f"b{i % 20}", i, 1) for i in range(40)], partitions=2)
    view.run_to_end()
    assert_has_new_topic(view)


def test_a_topic_that_grew_with_a_backlog_is_read_whole_and_ordered_by_versions(make_view, target):
    view = make_view(target, rules=VERSIONED, batch={"max_records": 50})
    view.produce([state(f"k{i % 40}", i) for i in range(2000)])
    process = view.run()
    wait_assigned(process)
    view.kafka.grow_topic(view.topic, 3)
    view.produce([state(f"k{i % 40}", 2000 + i, i % 3) for i in range(900)])
    view.produce([state(f"k{i}", 1, i % 3, event_id=f"late-{i}") for i in range(40)])
    wait_assigned(process, 3)
    view.wait_caught_up(process)
    harness.wait_until(lambda: harness.check_books(process.metrics(), view.name)[0] == 2940, what="all records in the books")
    assert {row.doc["n"] for row in target.rows().values()} == set(range(2860, 2900))
    assert process.stop() == 0
    process = view.run_to_end()
    view.assert_converged()


def test_growth_while_stopped_is_noticed_and_said(make_view, table):
    view = make_view(table, rules=POSITIONED)
    view.produce([state("a", 1)])
    view.run_to_end()
    view.kafka.grow_topic(view.topic, 2)
    view.produce([state("b", 1, 1), state("a", 2)])
    process = view.run_to_end()
    view.assert_converged()
    assert "the topic grew from 1 to 2 partitions" in process.errors and "map a version" in process.errors


def truncate(view, offset, directory):
    """Deletes the records before the offset, as retention does."""
    wanted = directory / "records.json"
    wanted.write_text(json.dumps({"partitions": [{"topic": view.topic, "partition": 0, "offset": offset}], "version": 1}))
    view.kafka.tool("delete-records", "--offset-json-file", wanted)


def view_with_a_gap(make_view, target, directory):
    view = make_view(target, rules=VERSIONED)
    view.produce([state(f"k{i}", i) for i in range(10)])
    view.run_to_end()
    view.produce([state(f"k{i}", 100 + i) for i in range(10)])
    truncate(view, 15, directory)
    return view


def test_records_deleted_before_they_were_read_stop_the_view_until_the_loss_is_accepted(make_view, target, tmp_path):
    view = view_with_a_gap(make_view, target, tmp_path)
    before = target.rows()
    process = view.run_to_end(status=1)
    assert "records 10 to 14 were deleted from the topic before they were read" in process.errors
    process = view.run()
    wait_not_ready(process, "log_truncated", "--reset-offsets --to-earliest")
    assert target.rows() == before and view.committed() == [10]
    assert process.stop() == 1
    view.kafka.tool("groups", "--group", view.group, "--topic", f"{view.topic}:0", "--reset-offsets", "--to-earliest", "--execute")
    view.run_to_end()
    rows = target.rows()
    assert [rows[f"k{i}"].doc["n"] for i in range(10)] == [0, 1, 2, 3, 4, 105, 106, 107, 108, 109]


def test_records_deleted_before_they_were_read_are_no_matter_to_a_target_that_is_filled_anew(make_view, target, tmp_path):
    view = view_with_a_gap(make_view, target, tmp_path)
    target.query(f"DROP TABLE {target.table}")
    view.run_to_end()
    view.assert_converged()


def test_records_deleted_after_they_were_read_are_no_matter(make_view, target, tmp_path):
    view = make_view(target, rules=VERSIONED)
    view.produce([state(f"k{i}", i) for i in range(10)])
    view.run_to_end()
    before = target.rows()
    truncate(view, 10, tmp_path)
    view.run_to_end()
    view.produce([state("k0", 50), state("k1", 0)])
    view.run_to_end()
    rows = target.rows()
    assert rows.pop("k0").doc["n"] == 50 and before.pop("k0") and rows == before


def test_a_compacted_topic_with_gaps_is_read_to_its_end(make_view, target):
    view = make_view(target, rules=VERSIONED, topic_config={
        "cleanup_policy": "compact", "segment_ms": "100", "min_cleanable_dirty_ratio": "0.001", "delete_retention_ms": "0",
        "max_compaction_lag_ms": "100", "segment_bytes": "1048576"})
    view.produce([state(f"k{i % 10}", i) for i in range(200)] + [{"key": "k3", "value": None, "partition": 0}])
    time.sleep(0.3)
    view.produce([state("k4", 300), state("k5", 301)])

    def compacted():
        time.sleep(0.2)
        view.produce([state("roll", 400)])
        return len(view.messages()) < 100
    harness.wait_until(compacted, 40, "the log cleaner")
    view.run_to_end()
    rows = target.rows()
    assert rows["k4"].doc["n"] == 300 and rows["k9"].doc["n"] == 199 and "k3" not in rows
    view.produce([state("k1", 500)])
    view.run_to_end()
    assert target.rows()["k1"].doc["n"] == 500


def transaction(kafka, topic, records, commit=True, identity="tests"):
    producer = kafka.producer(**{"transactional.id": f"{topic}-{identity}"})
    producer.init_transactions(30)
    producer.begin_transaction()
    for record in records:
        producer.produce(topic, key=record["key"], partition=record["partition"],
                         value=record["value"] and json.dumps(record["value"]))
    producer.flush(30)
    if commit is None:
        return producer
    if commit:
        producer.commit_transaction(30)
    else:
        producer.abort_transaction(30)
    return None


def test_aborted_transactions_are_not_read_and_markers_at_the_end_are_no_records(make_view, target):
    view = make_view(target, rules=VERSIONED, partitions=2)
    transaction(view.kafka, view.topic, [state("a", 1), state("b", 1, 1)])
    transaction(view.kafka, view.topic, [state("a", 2), state("aborted", 1, 1)], commit=False)
    view.run_to_end()
    assert {k: r.doc["n"] for k, r in target.rows().items()} == {"a": 1, "b": 1}
    # Two records and two markers in each partition.
    assert view.committed() == [4, 4]
    process = view.run_to_end()
    assert "goes on where it stopped" in process.errors
    transaction(view.kafka, view.topic, [state("a", 3), state("a", 2)])
    view.run_to_end()
    view.assert_converged()


def test_a_partition_of_markers_alone_comes_to_its_end(make_view, target):
    view = make_view(target)
    transaction(view.kafka, view.topic, [state("a", 1)], commit=False)
    view.run_to_end()
    assert target.rows() == {} and view.committed() == [2]
    transaction(view.kafka, view.topic, [state("a", 1)], commit=False)
    view.run_to_end()
    assert target.rows() == {} and view.committed() == [4]


def test_what_stands_behind_an_open_transaction_waits_for_its_end(make_view, target):
    view = make_view(target, rules=VERSIONED)
    view.produce([state("a", 1)])
    producer = transaction(view.kafka, view.topic, [state("a", 2)], commit=None)
    view.produce([state("a", 3)])
    view.run_to_end()
    assert target.rows()["a"].doc["n"] == 1 and view.committed() == [1]
    process = view.run()
    wait_assigned(process)
    producer.commit_transaction(30)
    view.wait_caught_up(process)
    assert target.rows()["a"].doc["n"] == 3
    assert process.stop() == 0


def test_a_topic_that_is_not_there_yet_is_waited_for(make_view, target, kafka):
    view = make_view(target, rules=VERSIONED, topic=f"later-{uuid.uuid4().hex[:8]}")
    process = view.run()
    wait_not_ready(process, view.topic, "does not exist")
    view.kafka.create_topic(view.topic)
    view.produce([state("a", 1)])
    view.wait_caught_up(process)
    wait_ready(process)
    assert process.stop() == 0


def test_a_topic_that_is_misspelt_leaves_nothing_in_the_target(make_view, quick_target):
    """Who corrects the name must not be told that the target belongs to another view."""
    wrong = make_view(quick_target, rules=VERSIONED, topic=f"misspelt-{uuid.uuid4().hex[:8]}")
    process = wrong.run_to_end(status=1)
    assert f"topic {wrong.topic} of view {wrong.name} does not exist" in process.errors
    process = wrong.run()
    wait_not_ready(process, wrong.topic, "does not exist")
    assert process.stop() == 0
    view = make_view(quick_target, rules=VERSIONED)
    view.produce([state("a", 1)])
    view.run_to_end()
    view.assert_converged()
