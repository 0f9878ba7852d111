"""Where a view says that it stands must be true: ends that are reached, marks, committed offsets, partitions given back."""

import signal
import subprocess
import uuid

import confluent_kafka
import harness
import targets
import views
from views import VERSIONED, event, wait_assigned, wait_not_ready


def state(key, n, partition=0):
    return {"key": key, "value": event(key, n), "partition": partition}


def recreate(view, records):
    view.kafka.delete_topic(view.topic)
    view.kafka.create_topic(view.topic, partitions=view.partitions)
    view.produce(records)


def assert_has_new_topic(view):
    rows = view.target.rows()
    for key, wanted in view.fold().rows().items():
        assert key in rows and rows[key].doc == wanted.doc, (key, rows.get(key))


OLD = [state(f"k{i % 10}", 100 + i) for i in range(60)]


def test_a_run_to_the_end_finds_a_topic_of_the_same_length_recreated(make_view, target):
    view = make_view(target, rules=VERSIONED)
    view.produce(OLD)
    view.run_to_end()
    recreate(view, [state(f"n{i % 10}", i) for i in range(len(OLD))])
    process = view.run_to_end()
    assert "the topic is not the one that was read before" in process.errors
    assert_has_new_topic(view)


def test_a_run_to_the_end_fills_a_lost_target_whatever_offsets_the_group_has(make_view, target):
    view = make_view(target, rules=VERSIONED)
    view.produce(OLD)
    view.run_to_end()
    assert view.committed() == [len(OLD)]
    target.query(f"DROP TABLE {target.table}")
    view.run_to_end()
    view.assert_converged()


def test_a_topic_recreated_after_a_transaction_is_noticed_by_its_last_record(make_view, target):
    view = make_view(target, rules=VERSIONED)
    producer = confluent_kafka.Producer({"bootstrap.servers": view.kafka.brokers, "transactional.id": uuid.uuid4().hex})
    producer.init_transactions(30)
    producer.begin_transaction()
    for record in OLD:
        producer.produce(view.topic, key=record["key"], value=harness.json.dumps(record["value"]))
    producer.commit_transaction(30)
    view.run_to_end()
    view.assert_converged()
    assert view.committed() == [len(OLD) + 1]
    recreate(view, [state(f"n{i % 10}", i) for i in range(3 * len(OLD))])
    process = view.run_to_end()
    assert "the topic is not the one that was read before" in process.errors
    assert_has_new_topic(view)


FAILING_COMMIT = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
rd_kafka_resp_err_t rd_kafka_commit(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *offsets, int async)
{
    static int calls;
    rd_kafka_resp_err_t (*real)(rd_kafka_t *, const rd_kafka_topic_partition_list_t *, int) = dlsym(RTLD_NEXT, "rd_kafka_commit");
    return ++calls == 2 ? RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS : real(rk, offsets, async);
}
"""


def test_a_commit_that_failed_is_repeated_without_a_new_record(make_view, table, tmp_path):
    (tmp_path / "shim.c").write_text(FAILING_COMMIT)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "shim.so", tmp_path / "shim.c", "-ldl"], check=True)
    view = make_view(table, rules=VERSIONED)
    view.produce(OLD)
    process = view._start(config=view.config(), environment={"LD_PRELOAD": str(tmp_path / "shim.so"),
                                                             "ASAN_OPTIONS": "verify_asan_link_order=0"})
    harness.wait_until(lambda: view.committed() == [len(OLD)], what="the first commit")
    view.produce([state("late", 1)])
    harness.wait_until(lambda: "offsets could not be committed" in process.errors, what="the commit that fails")
    harness.wait_until(lambda: view.committed() == [len(OLD) + 1], what="the same commit again")
    assert process.stop() == 0


def test_a_partition_that_comes_and_goes_in_an_outage_is_given_back_at_once(kafka, tmp_path, upsink):
    """The worker of the other partitions repeats its batch meanwhile."""
    target = targets.SqliteTarget(tmp_path)
    view = views.View(kafka, target, upsink, partitions=2, rules=VERSIONED, timeout="1s")
    view.produce([state(f"k{p}", 1, p) for p in range(2)])
    first, second = view.run(), view.run()
    wait_assigned(second)
    view.wait_caught_up(first)
    with target.connect() as lock:
        lock.execute("BEGIN EXCLUSIVE")
        view.produce([state(f"k{p}", 2, p) for p in range(2)])
        wait_not_ready(first)
        before = first.errors.count("partition assigned")
        second.kill9()
        harness.wait_until(lambda: first.errors.count("partition assigned") > before, 60, "the partitions of the dead one")
        third = view.run()
        wait_assigned(third, seconds=30)
        lock.execute("ROLLBACK")
    view.wait_caught_up(first)
    assert "drained=false" not in first.errors
    assert first.stop() == 0 and third.stop() == 0


def test_a_hangup_while_it_stops_does_not_cut_it_short(make_view, table):
    view = make_view(table, rules=VERSIONED)
    view.produce(OLD)
    process = view.run()
    view.wait_caught_up(process)
    process.process.send_signal(signal.SIGTERM)
    harness.wait_until(lambda: "stopping: finishing" in process.errors, every=0.001)
    process.process.send_signal(signal.SIGHUP)
    assert process.wait() == 0
