"""Order, duplicates, staleness and deletes of single entities, as a table shows them."""

import json

import fold
import harness
import pytest
from views import POSITIONED, VERSIONED, event


def upsert(key, n, **more):
    return {"key": key, "value": event(key, n, **more), "partition": 0}


def tombstone(key):
    return {"key": key, "value": None, "partition": 0}


def run_and_compare(view):
    """One run to the end; the table and the books are the fold's."""
    view.run_to_end()
    view.assert_converged()
    return view.target.rows()


@pytest.mark.parametrize("rules", [VERSIONED, POSITIONED], ids=["versions", "positions"])
def test_tombstones_and_upserts_of_one_key_take_effect_in_order_within_one_batch(make_view, target, rules):
    view = make_view(target, rules=rules)
    view.produce([upsert("then-gone", 1), tombstone("then-gone"),
                  tombstone("then-there"), upsert("then-there", 1),
                  upsert("twice", 1), tombstone("twice"), upsert("twice", 2), tombstone("twice"), upsert("twice", 3),
                  upsert("twice-gone", 1), tombstone("twice-gone"), upsert("twice-gone", 2), tombstone("twice-gone"),
                  tombstone("never-there"), tombstone("never-there"),
                  upsert("equal-after-delete", 5), tombstone("equal-after-delete"), upsert("equal-after-delete", 5, event_id="other"),
                  upsert("older-after-delete", 5), tombstone("older-after-delete"), upsert("older-after-delete", 4),
                  upsert("newer-after-delete", 5), tombstone("newer-after-delete"), upsert("newer-after-delete", 6)])
    rows = run_and_compare(view)
    assert {"then-there", "twice", "newer-after-delete"} <= set(rows)
    # Without versions the position is all there is.
    back = {"equal-after-delete", "older-after-delete"}
    assert set(rows) & back == (set() if rules.version else back)


def test_stale_upserts_before_and_behind_others_of_their_batch_are_dropped(make_view, target):
    view = make_view(target, rules=VERSIONED)
    view.produce([upsert("a", 3), upsert("a", 1), upsert("a", 2), upsert("b", 1), upsert("b", 3), upsert("b", 2),
                  upsert("c", 2), upsert("c", 2, event_id="c-2-again", note="later offset"), tombstone("d"), upsert("d", 1)])
    rows = run_and_compare(view)
    assert rows["a"].doc["n"] == 3 and rows["c"].doc["note"] == "later offset"


def test_negative_versions_and_versions_of_microseconds_order_changes(make_view, target):
    view = make_view(target, rules=fold.Rules(version="/data/v"))
    view.produce([upsert("a", 1, v=-3), upsert("a", 2, v=-5), upsert("a", 3, v=-4), upsert("b", 1, v=-9223372036854775808),
                  upsert("b", 2, v=9223372036854775807), upsert("b", 3, v=0),
                  upsert("c", 1, v="2026-01-01T00:00:00.000002Z"), upsert("c", 2, v="2026-01-01T01:00:00.000001+01:00")])
    rows = run_and_compare(view)
    assert [rows[k].doc["n"] for k in "abc"] == [1, 2, 1]


@pytest.mark.parametrize("rules", [VERSIONED, POSITIONED], ids=["versions", "positions"])
def test_an_event_that_comes_again_after_another_and_a_restart_is_a_duplicate(make_view, target, rules):
    view = make_view(target, rules=rules)
    first, second = upsert("a", 1, event_id="E1", updated=7), upsert("a", 2, event_id="E2", updated=7)
    view.produce([first, second])
    view.run_to_end()
    view.produce([first])
    process = view.run("--until-end")
    assert process.wait() == 0, process.errors
    view.assert_converged()
    assert view.target.rows()["a"].event_id == "E2"


def test_what_a_duplicate_carried_beside_the_known_id_is_not_taken_for_applied_after_a_restart(make_view, target):
    view = make_view(target, rules=fold.Rules(change_id=("/data/c",)))
    view.produce([upsert("a", 1, event_id="E1", c="C1"), upsert("a", 2, event_id="E1", c="C2"),
                  upsert("b", 1, event_id="E1", c="C1"), upsert("b", 2, event_id="E2", c="C1")])
    view.run_to_end()
    view.produce([upsert("a", 3, event_id="E3", c="C2"), upsert("b", 3, event_id="E2", c="C3")])
    rows = run_and_compare(view)
    assert [rows[k].doc["n"] for k in "ab"] == [3, 3]


def test_books_of_one_run_are_those_of_the_rules(make_view, target):
    rules = fold.Rules(version="/data/lastUpdated", change_id=("/data/orderId", "/data/n"))
    view = make_view(target, rules=rules)
    view.produce([upsert("a", 1), upsert("a", 1), upsert("a", 1, event_id="a-1-other"), upsert("a", 3), upsert("a", 2), tombstone("a"),
                  {"key": "b", "value": b"{", "partition": 0}, {"key": None, "value": event("c", 1), "partition": 0}, upsert("b", 1)])
    process = view.run()
    view.wait_caught_up(process)
    harness.wait_until(lambda: harness.check_books(process.metrics(), view.name)[0] == 9, what="nine records")
    consumed, applied, dropped, dead = harness.check_books(process.metrics(), view.name)
    wanted = view.fold().counts
    assert applied + dropped["superseded"] == wanted["applied"]
    assert {k: dropped[k] for k in ("duplicate_event", "duplicate_change", "stale", "filtered")} == \
        {k: wanted[k] for k in ("duplicate_event", "duplicate_change", "stale", "filtered")}
    assert dead == wanted["dead"] == 2
    assert set(view.dead_letters()) == set(view.fold().dead)
    assert process.stop() == 0


def test_the_same_change_under_a_new_event_id_is_dropped_next_in_line_and_50000_records_later(make_view, target):
    view = make_view(target, rules=fold.Rules(change_id=("/data/orderId", "/data/lastUpdated")))
    state = event("a", 1)
    repeats = [{**state, "id": f"again-{i}"} for i in range(3)]
    view.produce([("a", state), ("a", repeats[0]), upsert("a", 2), ("a", repeats[1])])
    # In between there are restarts, and 50,000 records of other entities.
    view.run_to_end()
    filler = json.dumps(event("filler", 0)).replace("filler", "%s").replace('"%s-0"', '"%s"')
    view.produce([{"key": f"f{i % 1000}", "value": (filler % (f"f{i}", f"f{i % 1000}")).encode()} for i in range(50_000)])
    view.run_to_end()
    view.produce([("a", repeats[2]), ("a", {**state, "id": "a-1"})])
    process = view.run()
    harness.wait_until(lambda: harness.total(process.metrics(), "upsink_records_consumed_total") == 2, what="two records")
    dropped = harness.check_books(process.metrics(), view.name)[2]
    assert (dropped["duplicate_change"], dropped["duplicate_event"]) == (1, 1)
    assert view.target.rows()["a"].doc["n"] == 2
    view.assert_converged()
    assert process.stop() == 0


def test_a_window_of_few_records_forgets_what_lies_behind_it(make_view, target):
    view = make_view(target, rules=fold.Rules(window=10))
    view.produce([upsert("a", 1), upsert("a", 2)] + [upsert("b", n) for n in range(9)] + [upsert("a", 2), upsert("a", 1)])
    rows = run_and_compare(view)
    assert rows["a"].doc["n"] == 1  # 12 records later nobody knows that it was there


@pytest.mark.parametrize("rules", [VERSIONED, fold.Rules(version="/data/lastUpdated", delete="soft")], ids=["hard", "soft"])
def test_a_stale_upsert_after_a_delete_stays_out_after_restarts(make_view, target, rules):
    view = make_view(target, rules=rules)
    view.produce([upsert("a", 5), upsert("b", 5), tombstone("a"), upsert("b", 6), tombstone("b")])
    view.run_to_end()
    view.produce([upsert("a", 4), upsert("a", 5, event_id="a-5-other"), upsert("b", 5, event_id="b-5-other")])
    rows = run_and_compare(view)
    assert all(row.deleted for row in rows.values())
    view.produce([upsert("b", 7)])
    assert not run_and_compare(view)["b"].deleted


def test_deletes_by_type_are_ordered_by_their_version_and_soft_ones_keep_the_last_state(make_view, target):
    rules = fold.Rules(version="/data/lastUpdated", delete="soft", delete_type="OrderDeleted")
    view = make_view(target, rules=rules)
    view.produce([upsert("a", 1), upsert("a", 3, kind="OrderDeleted"), upsert("a", 2),
                  upsert("b", 3), upsert("b", 1, kind="OrderDeleted"),
                  upsert("c", 1), upsert("c", 2), upsert("c", 3, kind="OrderDeleted"), upsert("c", 4),
                  upsert("d", 1), upsert("d", 2), tombstone("d")])
    rows = run_and_compare(view)
    assert {k: (r.deleted, r.doc["n"]) for k, r in rows.items()} == \
        {"a": (True, 1), "b": (False, 3), "c": (False, 4), "d": (True, 2)}


def test_ignored_deletes_leave_rows_and_count_as_filtered(make_view, target):
    view = make_view(target, rules=fold.Rules(version="/data/lastUpdated", delete="ignore"))
    view.produce([upsert("a", 1), tombstone("a"), tombstone("b")])
    assert set(run_and_compare(view)) == {"a"}


@pytest.mark.parametrize("rules", [VERSIONED, POSITIONED], ids=["versions", "positions"])
def test_a_refused_change_gives_way_to_the_good_one_before_it(make_view, table, rules):
    rules = fold.Rules(version=rules.version, refuses=lambda doc: doc["n"] >= 100)
    view = make_view(table, rules=rules)
    view.run_to_end()  # makes the table
    table.query(f"ALTER TABLE {table.table} ADD CONSTRAINT small CHECK ((doc->>'n')::int < 100)")
    view.produce([upsert("a", 1), upsert("a", 2), upsert("a", 100),
                  upsert("b", 100), upsert("b", 101),
                  upsert("c", 1), upsert("c", 100), upsert("c", 3), upsert("c", 102),
                  upsert("d", 1), tombstone("d"), upsert("d", 100),
                  upsert("e", 100), upsert("e", 100), upsert("e", 2)] + [upsert(f"neighbour-{i}", 1) for i in range(200)])
    rows = run_and_compare(view)
    assert {k: rows[k].doc["n"] for k in rows if len(k) == 1} == {"a": 2, "c": 3, "e": 2}
    letters = view.dead_letters()
    # Where positions order, the store never sees what a later change of its batch supersedes.
    hidden = set() if rules.version else {(0, 6), (0, 12), (0, 13)}
    assert set(letters) == set(view.fold().dead) - hidden
    for found in letters.values():
        assert len(found) == 1, "a dead letter was written twice"
        assert found[0][1]["upsink.error.code"] == "constraint_violation"
        assert "23514" in found[0][1]["upsink.error.detail"]


@pytest.mark.parametrize("rules", [VERSIONED, POSITIONED], ids=["versions", "positions"])
def test_a_refused_event_is_no_duplicate_when_it_comes_again_after_a_restart(make_view, table, rules):
    view = make_view(table, rules=rules)
    view.run_to_end()
    table.query(f"ALTER TABLE {table.table} ADD CONSTRAINT small CHECK ((doc->>'n')::int < 100)")
    again, mute = upsert("a", 100, event_id="E"), {"key": "b", "value": event("b", 1, event_id="F")}
    broken = {**mute, "value": {**mute["value"], "data": {"orderId": "b", "lastUpdated": "soon", "n": 0}}}
    view.produce([upsert("a", 1, event_id="D"), again, broken, upsert("c", 1)])
    view.run_to_end()
    assert len(view.dead_letters()) == (2 if rules.version else 1)
    table.query(f"ALTER TABLE {table.table} DROP CONSTRAINT small")
    view.produce([again, mute, upsert("c", 1)])
    view.run_to_end()
    rows = table.rows()
    assert {key: row.doc["n"] for key, row in rows.items()} == {"a": 100, "b": 1 if rules.version else 0, "c": 1}
    assert rows["c"].offset == 3, "a duplicate was applied"


def test_equal_versions_in_two_partitions_are_ordered_by_the_records_time(make_view, target):
    view = make_view(target, partitions=2, rules=VERSIONED)
    def record(key, partition, timestamp, **more):
        return {"key": key, "value": event(key, 1, event_id=f"{key}-{partition}", side=partition, **more), "partition": partition,
                "timestamp": timestamp}
    view.produce([record("a", 0, 1_700_000_000_000), record("a", 1, 1_600_000_000_000),
                  record("b", 0, 1_600_000_000_000), record("b", 1, 1_700_000_000_000),
                  record("c", 0, 1_650_000_000_000, updated=9), record("c", 1, 1_700_000_000_000, updated=8)])
    view.run_to_end()
    rows = view.target.rows()
    assert {k: r.doc["side"] for k, r in rows.items()} == {"a": 0, "b": 1, "c": 0}


def test_a_large_record_among_small_ones_goes_through(make_view, target):
    view = make_view(target, rules=VERSIONED, kafka_properties={"message.max.bytes": "8000000"},
                     topic_config={"max_message_bytes": "8000000"})
    records = [upsert(f"k{i % 50}", i) for i in range(500)]
    records[250] = upsert("large", 1, text="x" * 5_000_000)
    view.produce(records, **{"message.max.bytes": "8000000"})
    rows = run_and_compare(view)
    assert len(rows["large"].doc["text"]) == 5_000_000


def test_a_large_record_is_read_with_default_settings_too(make_view, target):
    """Kafka hands out a single record that is larger than a fetch."""
    view = make_view(target, topic_config={"max_message_bytes": "8000000"})
    view.produce([upsert("a", 1), upsert("large", 1, text="x" * 5_000_000), upsert("b", 1)], **{"message.max.bytes": "8000000"})
    assert set(run_and_compare(view)) == {"a", "large", "b"}
