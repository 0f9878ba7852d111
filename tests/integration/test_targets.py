"""Targets that are dropped, emptied, rewritten or found in use."""

import harness
import pytest
import targets
from views import VERSIONED, event, wait_assigned, wait_ready


def history(keys=30, partitions=2):
    """Upserts, stale ones, deletes; keys stay in their partition."""
    for n in range(6):
        for i in range(keys):
            value = None if n == 5 and i % 6 == 0 else event(f"k{i}", [1, 3, 2, 5, 4, 6][n])
            yield {"key": f"k{i}", "value": value, "partition": i % partitions}


def filled_view(make_view, target):
    view = make_view(target, rules=VERSIONED, partitions=2)
    view.produce(history())
    view.run_to_end()
    view.assert_converged()
    return view


def drop(target):
    target.drop()


def drop_all(target):
    """The table and everything that remembers it."""
    if isinstance(target, targets.SqliteTarget):
        names = target.query("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    else:
        names = target.query(f"SELECT '{target.schema}.' || tablename FROM pg_tables WHERE schemaname = '{target.schema}'")
    assert len(names) > 2
    for name, in names:
        target.query(f"DROP TABLE {name}")


def truncate(target):
    target.query(f"TRUNCATE {target.table}")


@pytest.fixture
def target(target):
    """In a schema of its own, so that all that upsink remembers can be dropped."""
    if not isinstance(target, targets.SqliteTarget):
        target.schema, name = target.table, target.table
        target.query(f"CREATE SCHEMA {name}")
        target.table = f"{name}.{name}"
        target.url = target.server.sink(target.table)
    return target


@pytest.mark.parametrize("loss", [drop, drop_all], ids=["alone", "with its state"])
def test_a_table_dropped_while_the_view_was_stopped_is_filled_anew(make_view, target, loss):
    view = filled_view(make_view, target)
    loss(target)
    view.produce([{"key": "k1", "value": event("k1", 9), "partition": 1}, {"key": "k0", "value": event("k0", 2), "partition": 0}])
    view.run_to_end()
    view.assert_converged()
    assert view.target.rows()["k1"].doc["n"] == 9


def test_a_table_truncated_while_the_view_was_stopped_is_filled_anew(make_view, table):
    view = filled_view(make_view, table)
    truncate(table)
    view.run_to_end()
    view.assert_converged()


@pytest.mark.parametrize("loss", [drop, drop_all], ids=["alone", "with its state"])
def test_a_table_dropped_while_the_view_runs_is_filled_anew(make_view, target, loss):
    view = make_view(target, rules=VERSIONED, partitions=2)
    view.produce(history())
    process = view.run()
    view.wait_caught_up(process)
    loss(target)
    # In one partition alone: the other one is replayed all the same.
    view.produce([{"key": "k1", "value": event("k1", 9), "partition": 1}])
    view.wait_caught_up(process)
    view.produce([{"key": "k0", "value": event("k0", 9), "partition": 0}])
    view.wait_caught_up(process)
    wait_ready(process)
    harness.check_books(process.metrics(), view.name)
    assert process.stop() == 0
    view.run_to_end()
    view.assert_converged()


def test_a_table_truncated_while_the_view_runs_is_filled_anew(make_view, table):
    view = make_view(table, rules=VERSIONED, partitions=2)
    view.produce(history())
    process = view.run()
    view.wait_caught_up(process)
    truncate(table)
    view.produce([{"key": "k1", "value": event("k1", 9), "partition": 1}])
    view.wait_caught_up(process)
    assert process.stop() == 0


def test_a_table_dropped_under_two_instances_without_records_to_write_is_filled_anew(make_view, table):
    view = make_view(table, rules=VERSIONED, partitions=2)
    view.produce(history())
    first = view.run()
    view.wait_caught_up(first)
    second = view.run()
    wait_assigned(second)
    drop(table)
    view.wait_caught_up(first, seconds=40)
    view.produce([{"key": "k1", "value": event("k1", 9), "partition": 1}, {"key": "k0", "value": event("k0", 9), "partition": 0}])
    view.wait_caught_up(first)
    assert first.stop() == 0 and second.stop() == 0


def test_a_table_that_was_rewritten_with_all_its_rows_is_not_filled_anew(make_view, table):
    """VACUUM FULL, CLUSTER, a new type of a column: another file, the same rows."""
    view = filled_view(make_view, table)
    connection = table.connect()
    connection.cursor().execute(f"VACUUM FULL {table.table}")
    connection.close()
    view.produce([{"key": "k1", "value": event("k1", 9), "partition": 1}])
    view.run_to_end()
    view.assert_converged()
    assert {row.generation for row in table.rows().values()} == {1}


def test_rows_and_columns_of_the_users_own_stay(make_view, table):
    view = filled_view(make_view, table)
    table.query(f"ALTER TABLE {table.table} ADD COLUMN note text DEFAULT 'none'")
    table.query(f"UPDATE {table.table} SET note = 'mine' WHERE key = 'k1'")
    view.produce([{"key": "k1", "value": event("k1", 9), "partition": 1}, {"key": "new", "value": event("new", 1), "partition": 1}])
    view.run_to_end()
    view.assert_converged()
    assert dict(table.query(f"SELECT key, note FROM {table.table} WHERE key IN ('k1', 'new')")) == {"k1": "mine", "new": "none"}
