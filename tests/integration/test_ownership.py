"""Who may write: instances that were paused, killed, joined or pointed at another's table."""

import contextlib
import time

import harness
import pytest
import targets
from views import VERSIONED, Watcher, event, wait_assigned, wait_not_ready, wait_ready

QUICK = {"session.timeout.ms": "2500", "heartbeat.interval.ms": "300"}


def states(count, keys=50, partitions=1, first=0):
    return [{"key": f"k{i % keys}", "value": event(f"k{i % keys}", i), "partition": i % keys % partitions}
            for i in range(first, first + count)]


def consumed(view, *processes):
    return sum(harness.check_books(process.metrics(), view.name)[0] for process in processes)


@contextlib.contextmanager
def writes_held_up(target):
    """Somebody else's lock: writes to the target wait for it."""
    connection = target.connect()
    if isinstance(target, targets.SqliteTarget):
        connection.execute("BEGIN IMMEDIATE")
    else:
        connection.autocommit = False
        connection.cursor().execute(f"LOCK TABLE {target.table} IN EXCLUSIVE MODE")
    try:
        yield
    finally:
        connection.rollback()
        connection.close()


def wait_for_blocked_write(target, process):
    if isinstance(target, targets.SqliteTarget):
        time.sleep(1)  # it waits within SQLite, where nobody can look
    else:
        harness.wait_until(lambda: target.query("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"),
                           what=f"the write to wait: {process.errors[-1000:]}")


def test_an_owner_stopped_in_the_middle_of_a_write_and_woken_later_writes_nothing(make_view, target):
    view = make_view(target, rules=VERSIONED, kafka_properties=QUICK, timeout="3s")
    view.produce(states(100))
    zombie = view.run()
    view.wait_caught_up(zombie)
    with Watcher(target, versioned=True) as watcher:
        with writes_held_up(target):
            view.produce(states(200, first=100))
            wait_for_blocked_write(target, zombie)
            zombie.pause()
        heir = view.run()
        wait_assigned(heir)
        view.produce(states(300, first=300))
        view.wait_caught_up(heir)
        zombie.wake()
        harness.wait_until(lambda: "partitions lost" in zombie.errors or "partitions given back" in zombie.errors,
                           what=f"the zombie to notice: {zombie.errors[-2000:]}")
        view.produce(states(100, first=600))
        harness.wait_until(lambda: consumed(view, zombie, heir) >= 700, what="all records in the books")
        view.wait_caught_up(heir)
        time.sleep(1)
        view.assert_converged()
    watcher.assert_never_back()
    # A record in two books was written twice.
    assert consumed(view, zombie, heir) == 700
    assert zombie.stop() == 0 and heir.stop() == 0
    assert view.committed() == [700]


def test_an_owner_stopped_with_records_at_hand_and_woken_later_writes_nothing(make_view, target):
    view = make_view(target, rules=VERSIONED, partitions=2, kafka_properties=QUICK)
    view.produce(states(200, partitions=2))
    zombie = view.run()
    view.wait_caught_up(zombie)
    with Watcher(target, versioned=True) as watcher:
        zombie.pause()
        view.produce(states(500, partitions=2, first=200))
        heir = view.run()
        wait_assigned(heir, 2)
        view.wait_caught_up(heir)
        zombie.wake()
        view.produce(states(500, partitions=2, first=700))
        # It comes back as one of two members.
        harness.wait_until(lambda: zombie.errors.count("partition assigned") >= 3, what=f"the zombie to join: {zombie.errors[-2000:]}")
        view.produce(states(500, partitions=2, first=1200))
        view.wait_caught_up(heir)
    watcher.assert_never_back()
    harness.wait_until(lambda: consumed(view, zombie, heir) >= 1700, what="all records in the books")
    assert consumed(view, zombie, heir) == 1700
    assert zombie.stop() == 0 and heir.stop() == 0


def out_of_space(table):
    """Every write fails as on a full disk."""
    table.query(f"""CREATE OR REPLACE FUNCTION fail_{table.table}() RETURNS trigger LANGUAGE plpgsql AS
                    $$BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END$$;
                    CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE OR DELETE ON {table.table}
                    FOR EACH STATEMENT EXECUTE FUNCTION fail_{table.table}()""")


def test_a_rebalance_during_a_retry_back_off_hands_partitions_over_at_once(make_view, table):
    view = make_view(table, rules=VERSIONED, partitions=4, retry={"initial": "20s", "max": "60s"})
    view.produce(states(100, partitions=4))
    first = view.run()
    view.wait_caught_up(first)
    out_of_space(table)
    view.produce(states(400, partitions=4, first=100))
    wait_not_ready(first, "sink_full")
    begin = time.monotonic()
    second = view.run()
    wait_assigned(second, 2)
    assert time.monotonic() - begin < 15 * harness.PATIENCE, first.errors[-2000:]
    assert "drained=false" not in first.errors
    table.query(f"DROP TRIGGER full_disk ON {table.table}")
    view.wait_caught_up(second, seconds=90)
    harness.wait_until(lambda: consumed(view, first, second) == 500, what="all records in the books, each in one")
    assert first.stop() == 0 and second.stop() == 0
    assert sum(view.committed()) == 500


def test_two_instances_share_the_partitions_and_take_over_from_each_other(make_view, target):
    view = make_view(target, rules=VERSIONED, partitions=4)
    view.produce(states(400, partitions=4))
    first = view.run()
    view.wait_caught_up(first)
    second = view.run()
    wait_assigned(second, 2)
    # What stays where it was is not given back (cooperative).
    assert "partitions=2" in first.errors.split("partitions given back", 1)[1]
    view.produce(states(400, partitions=4, first=400))
    view.wait_caught_up(second)
    harness.wait_until(lambda: consumed(view, first, second) == 800, what="all records in the books, each in one")
    assert consumed(view, second) > 0
    assert first.stop() == 0
    wait_assigned(second, 4)
    view.produce(states(100, partitions=4, first=800))
    view.wait_caught_up(second)
    assert second.stop() == 0


def test_an_instance_without_partitions_is_a_standby(make_view, target):
    view = make_view(target, rules=VERSIONED, kafka_properties=QUICK)
    view.produce(states(100))
    owner = view.run()
    view.wait_caught_up(owner)
    standby = view.run()
    wait_ready(standby)
    owner.kill9()
    view.produce(states(100, first=100))
    view.wait_caught_up(standby)
    assert standby.stop() == 0


def test_a_standby_that_was_started_during_an_outage_is_ready_after_it(make_view, redis):
    view = make_view(targets.RedisTarget(redis), rules=VERSIONED)
    view.produce(states(100))
    owner = view.run()
    view.wait_caught_up(owner)
    redis.kill9()
    standby = view.run()
    wait_not_ready(standby, view.name)
    redis.restart()
    wait_ready(standby)
    assert standby.errors.count("partition assigned") == 0
    owner.kill9()
    view.produce(states(100, first=100))
    view.wait_caught_up(standby)
    assert standby.stop() == 0


def test_static_members_restart_without_a_rebalance(make_view, target):
    view = make_view(target, rules=VERSIONED, partitions=4, kafka_properties={"session.timeout.ms": "30000"})
    view.produce(states(200, partitions=4))
    first = view.run(kafka_properties={"group.instance.id": "one", "heartbeat.interval.ms": "300"})
    wait_assigned(first, 4)
    second = view.run(kafka_properties={"group.instance.id": "two"})
    wait_assigned(second, 2)
    view.wait_caught_up(first)
    assert second.stop() == 0
    time.sleep(2)  # had it left, the first would know by now
    before = first.errors.count("partition assigned"), first.errors.count("partitions given back")
    assert before == (4, 1)
    second = view.run(kafka_properties={"group.instance.id": "two"})
    wait_assigned(second, 2)
    view.produce(states(200, partitions=4, first=200))
    view.wait_caught_up(second)
    assert (first.errors.count("partition assigned"), first.errors.count("partitions given back")) == before
    assert first.stop() == 0 and second.stop() == 0


@pytest.mark.parametrize("what", ["view", "topic"])
def test_a_table_that_belongs_to_another_view_or_topic_is_refused(make_view, target, what):
    view = make_view(target, rules=VERSIONED)
    view.produce(states(10))
    view.run_to_end()
    before = target.rows()
    if what == "view":
        other = make_view(target, rules=VERSIONED, topic=view.topic)
    else:
        other = make_view(target, rules=VERSIONED, name=view.name)
        other.produce(states(10, first=50))
    process = other.run()
    assert process.wait(30) == 1
    assert view.name in process.errors and "target_taken" in process.errors
    assert target.rows() == before
    # The rightful one goes on.
    view.produce(states(10, first=20))
    view.run_to_end()
    view.assert_converged()


def test_an_instance_that_is_asked_to_stop_before_the_group_answers_its_join_ends(make_view, mongodb):
    """Its worker is held up, so that what the group answers is there when the consumer is closed."""
    view = make_view(targets.MongodbTarget(mongodb), partitions=4, kafka_properties=QUICK, timeout="20s")
    view.produce(states(100, partitions=4))
    process = view.run()
    view.wait_caught_up(process)
    other = view.run(kafka_properties={**QUICK, "session.timeout.ms": "20000"})
    wait_assigned(other, 2)
    with mongodb.held_up():
        view.produce(states(100, partitions=4, first=100))
        time.sleep(0.5)
        process.pause()
        wait_assigned(other, 4)
        other.pause()  # the group waits for it
        process.wake()
        harness.wait_until(lambda: "partitions lost" in process.errors, what=f"the loss: {process.errors[-2000:]}")
        time.sleep(0.5)
        process.process.send_signal(harness.signal.SIGTERM)
        time.sleep(0.5)
        other.wake()
        time.sleep(3)
    assert process.wait(10) == 0 and "does not come back" not in process.errors
    assert other.stop() == 0


@pytest.mark.parametrize("commits", [False, True], ids=["idle", "busy"])
def test_an_instance_that_is_asked_to_stop_while_the_group_waits_for_another_ends_soon(make_view, table, commits):
    view = make_view(table, rules=VERSIONED, partitions=4, kafka_properties={"session.timeout.ms": "30000", "heartbeat.interval.ms": "300"})
    view.produce(states(100, partitions=4))
    first, second = view.run(), view.run()
    wait_assigned(first, 2)
    wait_assigned(second, 2)
    view.wait_caught_up(first)
    harness.wait_until(lambda: sum(view.committed()) == 100, what="all to be committed")
    time.sleep(1.5)  # what was refused is committed again within a second
    second.pause()
    third = view.run()
    harness.wait_until(lambda: view.kafka.admin.list_groups(view.group, timeout=10)[0].state == "PreparingRebalance",
                       what="the group to be rebalanced, and to wait for the second")
    time.sleep(2)  # the first hears of it
    if commits:
        view.produce(states(100, partitions=4, first=100))
        time.sleep(2)
    begin = time.monotonic()
    assert first.stop() == 0
    # Kafka reads the farewell after the answer to the join, on the same connection: librdkafka waits five seconds for it.
    # Where a commit waits there too librdkafka says no farewell, and is waited for ten seconds.
    assert time.monotonic() - begin < (13 if commits else 8) * harness.PATIENCE, first.errors
    assert ("does not come back" in first.errors) == commits, first.errors
    second.wake()
    if commits:
        return
    # Nobody waits for the session of one that said farewell.
    wait_assigned(third, 2, seconds=15)
    assert second.stop() == 0 and third.stop() == 0
