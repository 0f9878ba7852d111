"""The settings of a view, one after the other, as a user sets them and as the table shows them."""

import json
import struct
import time
import uuid

import pytest

import harness
import views


def event(data, kind="OrderCreateUpdate", **attributes):
    return {"specversion": "1.0", "id": uuid.uuid4().hex, "source": "/shop", "type": kind, "data": data, **attributes}


def docs(target):
    return {key: row.doc for key, row in target.rows().items()}


# --- on_error -----------------------------------------------------------------------------------------


def test_on_error_stop_ends_the_view_before_the_record_and_says_which(make_view, target):
    view = make_view(target, on_error="stop", envelope="none")
    view.produce([("a", {"n": 1}), ("b", b"{"), ("c", {"n": 1})])
    process = view.run("--until-end")
    assert process.wait() == 1
    assert f"{view.topic} partition 0 offset 1 can't be applied and on_error is stop" in process.errors
    assert "invalid_json" in process.errors and "stopped_on_error" in process.errors
    assert not docs(target)
    assert f"{view.topic}.dlq" not in view.kafka.admin.list_topics(timeout=10).topics


def test_a_view_that_on_error_stopped_leaves_the_process_up_and_not_ready(make_view, target):
    view = make_view(target, on_error="stop", envelope="none")
    process = view.run()
    views.wait_assigned(process)
    view.produce([("b", b"{")])
    views.wait_not_ready(process, "stopped", "offset 0", "stopped_on_error")
    assert process.get("/healthz")[0] == 200
    assert process.stop() == 1


def test_on_error_skip_goes_on_and_counts(make_view, target):
    view = make_view(target, on_error="skip", envelope="none")
    view.produce([("a", {"n": 1}), ("b", b"{"), ("c", {"n": 1})])
    process = view.run()
    harness.wait_until(lambda: view.target.has_table() and set(docs(target)) == {"a", "c"}, what="the good ones")
    harness.wait_until(lambda: harness.total(process.metrics(), "upsink_records_consumed_total") == 3, what="the books")
    assert harness.check_books(process.metrics(), view.name)[3] == 1
    assert process.stop() == 0
    assert f"view {view.name}: 1 record was skipped, as on_error says" in process.errors
    assert 'msg="record skipped, as on_error says"' in process.errors and "offset=1" in process.errors
    assert f"{view.topic}.dlq" not in view.kafka.admin.list_topics(timeout=10).topics


def test_stop_above_stops_where_too_many_fail_and_leaves_the_process_up(make_view, target):
    view = make_view(target, dlq={"stop_above": "20%"}, envelope="none", batch={"max_records": 50})
    view.produce([(f"k{i}", b"{" if i % 4 == 0 else {"n": i}) for i in range(400)])
    process = view.run()
    reason = views.wait_not_ready(process, "stop_above")
    assert "dlq.stop_above allows (20%)" in reason and f"upsink dlq stats {view.name}" in reason
    assert process.get("/healthz")[0] == 200
    dead = harness.total(process.metrics(), "upsink_dead_letters_total")
    assert 25 <= dead < 100
    assert process.stop() == 1
    assert len(view.dead_letters()) == dead


def test_stop_above_counts_100_records_first(make_view, target):
    view = make_view(target, dlq={"stop_above": "20%"}, envelope="none")
    view.produce([(f"k{i}", b"{") for i in range(50)])
    view.run_to_end()
    assert len(view.dead_letters()) == 50


# --- deletes --------------------------------------------------------------------------------------------


def test_delete_when_takes_a_field_with_a_value(make_view, target):
    view = make_view(target, envelope="none", delete_when={"field": "/gone", "equals": True})
    view.produce([("a", {"n": 1}), ("b", {"n": 1}), ("a", {"n": 2, "gone": True}), ("b", {"n": 2, "gone": "true"})])
    view.run_to_end()
    assert docs(target) == {"b": {"n": 2, "gone": "true"}}


def test_delete_when_takes_several_types_which_are_always_included(make_view, target):
    view = make_view(target, include_types=["OrderCreateUpdate"], delete_when={"type": ["OrderDeleted", "OrderPurged"]})
    view.produce([("a", event({"n": 1})), ("b", event({"n": 1})), ("c", event({"n": 1})), ("a", event({}, "OrderDeleted")),
                  ("b", event({}, "OrderPurged")), ("c", event({"n": 2}, "OrderViewed"))])
    process = view.run_to_end()
    assert docs(target) == {"c": {"n": 1}}
    assert "OrderViewed" not in process.errors


def test_soft_deletes_keep_the_last_state_with_its_time(make_view, target):
    view = make_view(target, envelope="none", delete="soft")
    view.produce([("a", {"n": 1}), {"key": "a", "value": None, "timestamp": 1_767_225_600_000}, ("b", {"n": 1})])
    view.run_to_end()
    rows = target.rows()
    assert (rows["a"].doc, rows["a"].deleted, rows["b"].deleted) == ({"n": 1}, True, False)
    [(deleted_at,)] = target.query(f"SELECT CAST(deleted_at AS text) FROM {target.table} WHERE key = 'a'")
    assert deleted_at.startswith("2026-01-01")
    view.produce([("a", {"n": 3})])
    view.run_to_end()
    assert not target.rows()["a"].deleted and target.rows()["a"].doc == {"n": 3}


def test_a_table_of_soft_deletes_can_become_one_of_hard_ones(make_view, target):
    view = make_view(target, envelope="none", delete="soft")
    view.produce([("a", {"n": 1}), ("a", None), ("b", {"n": 1})])
    view.run_to_end()
    view.settings["delete"] = "hard"
    view.produce([("b", {"n": 2})])
    view.run_to_end()
    assert {key for key, row in target.rows().items() if not row.deleted} == {"b"}


# --- where versions and ids come from -----------------------------------------------------------------


def test_versions_ids_and_change_ids_may_stand_in_headers(make_view, target):
    view = make_view(target, envelope="none", version="header:seq", event_id="header:id", change_id=["header:change", "/n"])

    def record(n, seq, identity, change):
        return {"key": "a", "value": {"n": n}, "headers": [("seq", str(seq).encode()), ("id", identity), ("change", change)]}
    view.produce([record(1, 10, b"e1", b"c1"), record(2, 9, b"e2", b"c2"), record(3, 11, b"e1", b"c3"),
                  record(1, 12, b"e4", b"c1"), record(5, -3, b"e5", b"c5")])
    view.run_to_end()
    row = target.rows()["a"]
    assert (row.doc, row.version, row.event_id, json.loads(row.change_id)) == ({"n": 1}, 10, "e1", ["c1", "1"])


def test_a_version_in_a_header_orders_tombstones_too(make_view, target):
    view = make_view(target, envelope="none", version="header:seq")

    def record(value, seq):
        return {"key": "a", "value": value, "headers": [("seq", str(seq).encode())]}
    view.produce([record({"n": 1}, 10), record(None, 9)])
    view.run_to_end()
    assert docs(target) == {"a": {"n": 1}}, "a stale tombstone deleted a row"
    view.produce([record(None, 11), record({"n": 2}, 11)])
    view.run_to_end()
    assert docs(target) == {}
    view.produce([record({"n": 3}, 12)])
    view.run_to_end()
    assert docs(target) == {"a": {"n": 3}}


def test_change_id_hash_drops_what_says_nothing_new(make_view, target):
    view = make_view(target, envelope="none", change_id="hash")
    view.produce([("a", {"n": 1, "x": [1.0]}), ("a", b'{ "x":[1.0],"n":1}'), ("a", {"n": 2}), ("a", {"n": 1, "x": [1.0]})])
    process = view.run()
    harness.wait_until(lambda: harness.total(process.metrics(), "upsink_records_consumed_total") == 4, what="all records")
    metrics = process.metrics()
    assert harness.total(metrics, "upsink_changes_dropped_total", reason="duplicate_change") == 1
    assert docs(target)["a"] == {"n": 1, "x": [1.0]}, "a state that came back was lost"


# --- envelopes --------------------------------------------------------------------------------------------

BINARY = {"ce_specversion": b"1.0", "ce_id": b"e-1", "ce_source": b"/shop", "ce_type": b"OrderCreateUpdate",
          "content-type": b"application/json"}
CANONICAL = {"event_id": "e-1", "timestamp": "2026-01-01T00:00:00Z", "source": "/shop", "type": "OrderCreateUpdate",
             "payload": {"n": 1}}
ENVELOPES = {
    "structured": {"value": event({"n": 1}, id="e-1")},
    "structured-by-its-media-type": {"value": event({"n": 1}, id="e-1"),
                                     "headers": [("content-type", b"application/cloudevents+json; charset=utf-8")]},
    "structured-with-base64": {"value": {**{k: v for k, v in event(0, id="e-1").items() if k != "data"}, "data_base64": "eyJuIjogMX0="}},
    "binary": {"value": {"n": 1}, "headers": list(BINARY.items())},
    "canonical": {"value": CANONICAL},
}


@pytest.mark.parametrize("said", ["auto", "named"])
@pytest.mark.parametrize("kind", ENVELOPES)
def test_an_envelope_is_taken_off(make_view, table, kind, said):
    named = "canonical" if kind == "canonical" else "cloudevents"
    view = make_view(table, envelope=named if said == "named" else "auto", include_types=["OrderCreateUpdate"])
    view.produce([{"key": "a", **ENVELOPES[kind]}, ("gone", ENVELOPES["structured"]["value"]), ("gone", None)])
    view.run_to_end()
    row = table.rows()["a"]
    assert (row.doc, row.event_id) == ({"n": 1}, "e-1")
    assert "gone" not in table.rows()


def test_without_an_envelope_the_whole_value_is_the_entity(make_view, target):
    view = make_view(target, envelope="none")
    value = event({"n": 1}, id="e-1")
    view.produce([("a", value)])
    view.run_to_end()
    assert (docs(target)["a"], target.rows()["a"].event_id) == (value, None)


def test_pointers_see_binary_events_as_structured_ones(make_view, table):
    view = make_view(table, envelope="cloudevents", version="/sequence", change_id=["/data/n", "/type"], key={"field": "/subject"})
    headers = [*BINARY.items(), ("ce_sequence", b"7"), ("ce_subject", b"order-1")]
    view.produce([{"key": "a", "value": {"n": 1}, "headers": headers}])
    view.run_to_end()
    row = table.rows()["order-1"]
    assert (row.version, json.loads(row.change_id)) == (7, ["1", "OrderCreateUpdate"])


def test_the_framing_of_a_schema_registry_is_taken_off(make_view, target):
    view = make_view(target, envelope="none", value={"format": "json"})
    view.produce([("a", b"\x00" + struct.pack(">I", 12) + b'{"n":1}')])
    view.run_to_end()
    assert docs(target) == {"a": {"n": 1}}


# --- keys ---------------------------------------------------------------------------------------------------

UUID = uuid.UUID("F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6")
KEYS = {
    "string": [("å b".encode(), "å b"), (b"", "")],
    "json": [(b'"x"', "x"), (b"17", "17"), (b'{"b":1, "a":[2]}', '{"a":[2],"b":1}'), (b"1e2", "1e2")],
    "int32": [(struct.pack(">i", -5), "-5"), (struct.pack(">i", 2**31 - 1), "2147483647")],
    "int64": [(struct.pack(">q", -2**63), "-9223372036854775808"), (struct.pack(">q", 7), "7")],
    "uuid": [(str(UUID).encode(), str(UUID)), (UUID.bytes, str(UUID)), (str(UUID).upper().encode(), str(UUID))],
    "bytes": [(b"\xff\x00\x01", "/wAB"), (b"", "")],
}


@pytest.mark.parametrize("form", KEYS)
def test_keys_have_a_format(make_view, table, form):
    view = make_view(table, envelope="none", key={"format": form})
    view.produce([(key, {"text": text}) for key, text in KEYS[form]])
    view.run_to_end()
    assert docs(table) == {text: {"text": text} for _, text in KEYS[form]}
    view.produce([(key, None) for key, _ in KEYS[form]])
    view.run_to_end()
    assert docs(table) == {}


@pytest.mark.parametrize("form, key", [("json", b"{"), ("int32", b"123"), ("int64", b"1234"), ("uuid", b"123"), ("string", b"\xff")])
def test_a_key_of_another_format_is_a_dead_letter(make_view, table, form, key):
    view = make_view(table, envelope="none", key={"format": form})
    view.produce([(key, {})])
    view.run_to_end()
    [[(_, headers)]] = view.dead_letters().values()
    assert (headers["upsink.error.code"], headers["__connect.errors.stage"]) == ("invalid_key", "KEY_CONVERTER")
    assert "key.format" in headers["__connect.errors.exception.message"]


def test_a_field_can_be_the_key_and_tombstones_still_use_the_message_key(make_view, table):
    view = make_view(table, envelope="none", key={"field": "/id"})
    view.produce([("a", {"id": "a", "n": 1}), ("other", {"id": {"y": 1, "x": 2}, "n": 1}), ("a", None)])
    view.run_to_end()
    assert docs(table) == {'{"x":2,"y":1}': {"id": {"y": 1, "x": 2}, "n": 1}}


# --- topics ---------------------------------------------------------------------------------------------------


def test_several_topics_make_one_table(make_view, kafka, target):
    first, second = kafka.create_topic(), kafka.create_topic(partitions=2)
    view = make_view(target, topic=first, envelope="none")
    view.settings["topic"] = [first, second]
    kafka.produce(first, [("a", {"n": 1}), ("bad", b"{")])
    kafka.produce(second, [("b", {"n": 1}), ("c", {"n": 1})])
    view.run_to_end()
    assert set(docs(target)) == {"a", "b", "c"}
    [message] = kafka.read(f"{view.name}.dlq")
    assert dict(message.headers())["__connect.errors.topic"] == first.encode()
    kafka.produce(second, [("b", None), ("d", {"n": 1})])
    view.run_to_end()
    assert set(docs(target)) == {"a", "c", "d"}


@pytest.mark.parametrize("by", ["flags", "file"])
def test_an_expression_takes_topics_in_as_they_come(make_view, upsink, kafka, target, by):
    prefix = f"p{uuid.uuid4().hex[:8]}"
    kafka.create_topic(f"{prefix}-a")
    kafka.produce(f"{prefix}-a", [("a", {"n": 1})])
    if by == "flags":
        process = upsink("--brokers", kafka.brokers, "--topic", f"^{prefix}-[ab]$", "--sink", target.url, "--name", prefix, "--set",
                         "kafka.topic.metadata.refresh.interval.ms=500")
    else:
        process = make_view(target, topic=f"^{prefix}-[ab]$", name=prefix, kafka_properties={"topic.metadata.refresh.interval.ms": "500"},
                            envelope="auto").run()
    harness.wait_until(lambda: target.has_table() and set(docs(target)) == {"a"}, what="the first topic")
    for name in "bc":
        kafka.create_topic(f"{prefix}-{name}")
        kafka.produce(f"{prefix}-{name}", [(name, {"n": 1}), ("bad", b"{")])
    harness.wait_until(lambda: set(docs(target)) == {"a", "b"}, what="the second topic")
    views.wait_ready(process)
    time.sleep(1)
    assert set(docs(target)) == {"a", "b"}
    [message] = kafka.read(f"{prefix}.dlq")
    assert dict(message.headers())["__connect.errors.topic"] == f"{prefix}-b".encode()


def test_flags_make_several_topics_a_list(upsink, kafka, target):
    first, second = kafka.create_topic(), kafka.create_topic()
    kafka.produce(first, [("a", {"n": 1})])
    kafka.produce(second, [("b", {"n": 1})])
    words = ["--brokers", kafka.brokers, "--topic", f"{first},{second}", "--sink", target.url, "--until-end"]
    process = upsink(*words)
    assert process.wait() == 2 and "several topics need --name" in process.errors
    assert upsink(*words, "--name", f"both-{first}").wait() == 0
    assert set(docs(target)) == {"a", "b"}


def test_stdout_prints_changes_as_lines_of_json(upsink, kafka):
    topic = kafka.create_topic()
    kafka.produce(topic, [("a", event({"n": 1}, id="e-1")), ("a", None), ("bad", b"{"), ("b", {"n": 2})])
    process = upsink("--brokers", kafka.brokers, "--topic", topic, "--sink", "stdout:", "--set", f"views.{topic}-stdout.batch.max_records=1",
                     "--until-end")
    assert process.wait() == 0
    lines = [json.loads(line) for line in process.output.splitlines()]
    assert [(line["op"], line["key"], line["offset"], line.get("entity")) for line in lines] == \
        [("upsert", "a", 0, {"n": 1}), ("delete", "a", 1, None), ("upsert", "b", 3, {"n": 2})]
    assert lines[0]["event_id"] == "e-1"
    assert len(kafka.read(f"{topic}.dlq")) == 1
