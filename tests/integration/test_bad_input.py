"""Records that can't be applied: each has a code of its own, becomes a dead letter as it was, and costs its neighbours
nothing. One run of the service meets them all; the tests look at what it left."""

import dataclasses
import decimal
import json
import os
import re
import sqlite3
import struct
import uuid

import pytest

import harness
import targets

PAYLOAD = "p4yl0ad"  # stands in every value that is refused, and must be seen nowhere but in the dead letter itself
SECRETS = ["sink-Pa55w0rd", "kafka-Pa55w0rd", "http-t0ken"]
HEADERS = {"__connect.errors." + name for name in ("topic", "partition", "offset", "connector.name", "task.id", "stage", "class.name",
                                                   "exception.class.name", "exception.message", "exception.stacktrace")} | {
    "upsink.error.code", "upsink.view", "upsink.sink", "upsink.attempts", "upsink.failed_at"}


@dataclasses.dataclass
class Case:
    value: object
    code: str = None  # None: it is applied
    stage: str = "VALUE_CONVERTER"
    detail: str = None
    key: object = "…"  # the case's name
    only: str = None  # refused by this sink, applied by the others
    says: str = ""  # part of the message
    headers: list = dataclasses.field(default_factory=list)


def event(**attributes):
    return json.dumps({"specversion": "1.0", "id": uuid.uuid4().hex, "source": "/s", "type": "t", "data": {"a": PAYLOAD},
                       **attributes}).encode()


def without(name):
    return json.dumps({k: v for k, v in json.loads(event()).items() if k != name}).encode()


def text(value):
    return f'{{"{PAYLOAD}":{value}}}'.encode()


BIG = "x" * 1_500_000
PUT = "TASK_PUT"
CASES = {
    # not JSON
    "cut off": Case(f'{{"{PAYLOAD}":1'.encode(), "invalid_json", detail="byte 12", says="ends in the middle"),
    "empty": Case(b"", "invalid_json", says="null value"),
    "blank": Case(b"  \n ", "invalid_json"),
    "two values": Case(text(1) + b" 2", "invalid_json", says="something follows"),
    "single quotes": Case(f"{{'{PAYLOAD}':1}}".encode(), "invalid_json"),
    "NaN": Case(text("NaN"), "invalid_json"),
    "byte order mark": Case(b"\xef\xbb\xbf" + text(1), "invalid_json", says="byte order mark"),
    "UTF-16": Case(text(1).decode().encode("utf-16"), "invalid_json"),
    "control character": Case(text('"\x01"'), "invalid_json", says="control character"),
    "leading zero": Case(text("01"), "invalid_json", says="number"),
    "Avro": Case(b"\x00" + struct.pack(">I", 7) + b"\x02" + PAYLOAD.encode(), "invalid_json", says="schema id 7"),
    "large and not JSON": Case(text(f'"{BIG}" x'), "invalid_json"),
    "invalid UTF-8": Case(b'{"a":"' + PAYLOAD.encode() + b'\xff"}', "invalid_utf8", detail="byte 13"),
    "overlong UTF-8": Case(b'{"a":"' + PAYLOAD.encode() + b'\xc0\xaf"}', "invalid_utf8"),
    "surrogate in UTF-8": Case(b'{"a":"' + PAYLOAD.encode() + b'\xed\xa0\x80"}', "invalid_utf8"),
    "lone surrogate": Case(text('"\\ud800"'), "lone_surrogate", says="surrogate"),
    "surrogates the wrong way round": Case(text('"\\udc00\\ud800"'), "lone_surrogate"),
    "10,000 arrays deep": Case(text("[" * 10000 + "]" * 10000), "too_deep", says="128 deep"),
    "10,000 objects deep": Case(text('{"a":' * 10000 + "1" + "}" * 10000), "too_deep"),
    "10,000 deep in an event": Case(event(data="@").replace(b'"@"', b"[" * 10000 + b"]" * 10000), "too_deep"),
    # not what the envelope promises
    "JSON null": Case(b"null", "missing_entity", "TRANSFORMATION"),
    "event without id": Case(without("id"), "missing_attribute", detail="/id"),
    "event without type": Case(without("type"), "missing_attribute", detail="/type"),
    "event with an empty id": Case(event(id=""), "invalid_attribute", detail="/id"),
    "event with a number for its source": Case(event(source=7), "invalid_attribute", detail="/source"),
    "event of version 0.3": Case(event(specversion="0.3"), "unsupported_specversion", detail="/specversion"),
    "event without data": Case(without("data"), "missing_entity", "TRANSFORMATION", detail="/data"),
    "event with data twice": Case(event(data_base64="e30="), "invalid_envelope", detail="/data_base64"),
    "event with bad base64": Case(without("data")[:-1] + b',"data_base64":"%%%"}', "invalid_base64", detail="/data_base64"),
    "event with base64 of no JSON": Case(without("data")[:-1] + b',"data_base64":"aGVsbG8="}', "invalid_json"),
    "batch of events": Case(b"[" + event() + b"]", "cloudevents_batch", says="one event a record",
                            headers=[("content-type", b"application/cloudevents-batch+json")]),
    "event in another format": Case(b"<event>" + PAYLOAD.encode(), "unsupported_format",
                                    headers=[("content-type", b"application/cloudevents+xml")]),
    # keys
    "no key": Case(event(), "missing_key", "KEY_CONVERTER", key=None),
    "key that is not UTF-8": Case(event(), "invalid_key", "KEY_CONVERTER", detail="byte 1", key=b"k\xff"),
    "key with NUL": Case(event(), "invalid_key", "KEY_CONVERTER", detail="byte 1", key=b"k\0"),
    "key of 100,000 bytes": Case(event(), "key_too_large", "KEY_CONVERTER", key=b"k" * 100_000),
    "tombstone without a key": Case(None, "missing_key", "KEY_CONVERTER", key=None),
    "key that no index holds": Case(text(1), "value_too_large", PUT, key=os.urandom(20_000).hex(), only="postgres"),
    # what the table does not take
    "constraint": Case(f'{{"n":1000,"p":"{PAYLOAD}"}}'.encode(), "constraint_violation", PUT),
    "NUL in text": Case(text('"a\\u0000b"'), "nul_in_text", PUT, only="postgres", says="\\u0000"),
    "NUL in a name": Case(b'{"a\\u0000":"' + PAYLOAD.encode() + b'"}', "nul_in_text", PUT, only="postgres"),
    "1e200000": Case(text("1e200000"), "value_out_of_range", PUT, only="postgres"),
    # odd, but good
    "large": Case(f'{{"a":"{BIG}"}}'.encode()),
    "beyond 64 bits": Case(b'{"a":123456789012345678901234567890,"b":-9223372036854775809}'),
    "1e400": Case(b'{"a":1e400}'),
    "long fraction": Case(b'{"a":0.1234567890123456789012345678901234567890}'),
    "128 deep": Case(("[" * 128 + "]" * 128).encode()),
    "name twice": Case(b'{"a":1,"a":2}'),
    "array": Case(b"[1,2]"),
    "text": Case(b'"x"'),
    "empty key": Case(b'{"a":1}', key=""),
    "unpaired quote in the key": Case(b'{"a":1}', key="o'q\"\\%s"),
}


def is_refused(case, sink):
    return case.code is not None and case.only in (None, sink)


def key_of(name):
    return name if CASES[name].key == "…" else CASES[name].key


class Outcome:
    """A topic with all of the cases, each between two good neighbours, consumed by a view."""

    def __init__(self, sink, kafka, target, process_of):
        self.sink, self.kafka, self.target = sink, kafka, target
        self.topic = kafka.create_topic(partitions=1, max_message_bytes="6000000")
        self.good = {}
        records = []
        for number, (name, case) in enumerate(CASES.items()):
            self.good[f"good-{number}"] = number
            records.append({"key": f"good-{number}", "value": harness.order_event(f"good-{number}", number)})
            records.append({"key": key_of(name), "value": case.value, "timestamp": 1_700_000_000_000 + number,
                            "headers": [("trace", b"\xff\x00"), ("trace", b"2"), ("case", name.encode()), *case.headers]})
        kafka.produce(self.topic, records, **{"message.max.bytes": 6_000_000})
        self.count = len(records)
        self.process = process_of(self.topic)
        harness.wait_until(lambda: self.consumed() >= self.count, what="all records to be consumed")
        self.metrics_text = self.process.get("/metrics")[1]
        self.ready = self.process.get("/readyz")
        self.dead = {dict(m.headers())["case"].decode(): m for m in kafka.read(f"{self.topic}.dlq")}
        kafka.produce(self.topic, [("afterwards", harness.order_event("afterwards", 1))])
        harness.wait_until(lambda: self.consumed() > self.count, what="a record behind them")
        self.rows = {key: row.doc for key, row in target.rows().items()}
        self.status = self.process.stop()

    def consumed(self):
        return harness.total(self.process.metrics(), "upsink_records_consumed_total")


@pytest.fixture(scope="module", params=["postgres", "sqlite"])
def outcome(request, kafka, tmp_path_factory):
    directory = tmp_path_factory.mktemp("bad")
    flags = ["--brokers", kafka.brokers, "--set", f"kafka.sasl.password={SECRETS[1]}", "--set", f"http.token={SECRETS[2]}",
             "--set", "kafka.fetch.message.max.bytes=6000000"]
    if request.param == "postgres":
        postgres = request.getfixturevalue("postgres")
        role = f"r{uuid.uuid4().hex[:8]}"
        target = targets.PostgresTarget(postgres, f"t_{role}")
        postgres.query(f"CREATE ROLE {role} LOGIN PASSWORD '{SECRETS[0]}'")
        postgres.query("GRANT CREATE, USAGE ON SCHEMA public TO " + role)
        postgres.query(f"CREATE TABLE {target.table} (key text PRIMARY KEY, doc jsonb NOT NULL,"
                       " CONSTRAINT n_is_small CHECK ((doc->>'n')::int < 1000))")
        postgres.query(f"ALTER TABLE {target.table} OWNER TO {role}")
        url = target.url.replace("postgres@", f"{role}:{SECRETS[0]}@")
    else:
        target = targets.SqliteTarget(directory, "bad")
        url = target.url
        with sqlite3.connect(target.path) as connection:
            connection.execute("CREATE TABLE bad (key TEXT PRIMARY KEY NOT NULL, doc TEXT NOT NULL,"
                               " CONSTRAINT n_is_small CHECK (coalesce(json_extract(doc, '$.n'), 0) < 1000))")
        connection.close()

    def start(topic):
        return harness.Upsink(*flags, "--topic", topic, "--sink", url, directory=directory)

    outcome = Outcome(request.param, kafka, target, start)
    yield outcome
    outcome.process.kill9()


def hyphenate(name):
    return name.replace(" ", "-")


def headers_of(message):
    return {name: value.decode() for name, value in message.headers() if name not in ("trace", "case")}


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if c.code], ids=hyphenate)
def test_a_bad_record_is_a_dead_letter_with_its_own_code(outcome, name):
    case = CASES[name]
    if not is_refused(case, outcome.sink):
        assert name not in outcome.dead and key_of(name) in outcome.rows
        return
    headers = headers_of(outcome.dead[name])
    message = headers["__connect.errors.exception.message"]
    assert (headers["upsink.error.code"], headers["__connect.errors.stage"]) == (case.code, case.stage), message
    assert case.says in message
    assert case.detail is None or headers["upsink.error.detail"] == case.detail


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if not c.code], ids=hyphenate)
def test_an_odd_record_is_applied_as_it_is(outcome, name):
    value = CASES[name].value
    assert name not in outcome.dead
    stored = outcome.target.query(f"SELECT CAST(doc AS text) FROM {outcome.target.table} WHERE key = "
                                  f"'{key_of(name).replace(chr(39), chr(39) * 2)}'")[0][0]
    digits = re.findall(rb"[\d.]{20,}", value)
    assert all(number.decode() in stored for number in digits)
    assert json.loads(stored, parse_float=decimal.Decimal) == json.loads(value, parse_float=decimal.Decimal)


def test_the_good_neighbours_are_all_applied(outcome):
    assert {key: outcome.rows[key]["n"] for key in outcome.good if key in outcome.rows} == outcome.good


def test_nothing_else_is_applied(outcome):
    wanted = set(outcome.good) | {"afterwards"} | {key_of(n) for n, c in CASES.items() if not is_refused(c, outcome.sink)}
    assert set(outcome.rows) == wanted


def test_a_dead_letter_is_the_record_byte_for_byte(outcome):
    for name, message in outcome.dead.items():
        key = key_of(name)
        assert message.key() == (key.encode() if isinstance(key, str) else key), name
        assert message.value() == CASES[name].value, name
        assert message.timestamp()[1] == 1_700_000_000_000 + list(CASES).index(name), name
        headers = [("trace", b"\xff\x00"), ("trace", b"2"), ("case", name.encode()), *CASES[name].headers]
        assert message.headers()[:len(headers)] == headers, name


def test_a_dead_letter_has_all_headers(outcome):
    for name, message in outcome.dead.items():
        headers = headers_of(message)
        assert HEADERS <= set(headers), name
        assert len(message.headers()) == len(headers) + 3, f"{name}: a header stands there twice"
        assert headers["__connect.errors.topic"] == outcome.topic
        assert headers["__connect.errors.partition"] == "0"
        assert int(headers["__connect.errors.offset"]) == 2 * list(CASES).index(name) + 1
        assert headers["__connect.errors.connector.name"] == headers["upsink.view"] == f"{outcome.topic}-{outcome.sink}"
        assert headers["__connect.errors.exception.class.name"] == headers["upsink.error.code"]
        assert headers["__connect.errors.exception.stacktrace"].startswith(headers["upsink.error.code"] + ": ")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", headers["upsink.failed_at"])
        assert headers["upsink.attempts"] == "1"
        assert headers["upsink.sink"].startswith(f"{outcome.sink}:") and "Pa55w0rd" not in headers["upsink.sink"]


def test_the_books_balance(outcome):
    metrics = harness.parse_metrics(outcome.metrics_text)
    refused = sum(is_refused(case, outcome.sink) for case in CASES.values())
    consumed, applied, dropped, dead = harness.check_books(metrics, f"{outcome.topic}-{outcome.sink}")
    assert (consumed, dead, applied + sum(dropped.values())) == (outcome.count, refused, outcome.count - refused)
    assert len(outcome.dead) == refused
    for code in {case.code for case in CASES.values() if is_refused(case, outcome.sink)}:
        assert harness.total(metrics, "upsink_dead_letters_total", code=code) == \
            sum(case.code == code and is_refused(case, outcome.sink) for case in CASES.values())


def test_the_service_survives(outcome):
    assert outcome.ready == (200, "ready\n")
    assert "afterwards" in outcome.rows
    assert outcome.status == 0
    assert f"upsink: view {outcome.topic}-{outcome.sink}: {len(outcome.dead)} records went to the dead-letter topic " \
        f"{outcome.topic}.dlq" in outcome.process.errors


def test_no_payload_and_no_secret_is_told(outcome):
    told = {"log": outcome.process.errors, "metrics": outcome.metrics_text, "readyz": outcome.ready[1],
            "headers": repr([headers_of(m) for m in outcome.dead.values()])}
    for place, what in told.items():
        for secret in [PAYLOAD, *SECRETS]:
            assert secret not in what, f"{secret} in the {place}"


def test_a_dead_letter_that_comes_again_counts_its_attempts(kafka, upsink, target):
    topic = kafka.create_topic()
    old = [("upsink.attempts", b"3"), ("__connect.errors.topic", b"elsewhere"), ("mine", b"1"), ("upsink.error.code", b"old")]
    kafka.produce(topic, [{"key": "k", "value": b"{", "headers": old}])
    process = upsink("--brokers", kafka.brokers, "--topic", topic, "--sink", target.url, "--until-end")
    assert process.wait() == 0
    [message] = kafka.read(f"{topic}.dlq")
    headers = message.headers()
    assert [v for n, v in headers if n == "upsink.attempts"] == [b"4"]
    assert [v for n, v in headers if n == "__connect.errors.topic"] == [topic.encode()]
    assert [v for n, v in headers if n == "upsink.error.code"] == [b"invalid_json"]
    assert ("mine", b"1") in headers


MAPPED = {
    "no version": ({"orderId": "1"}, "missing_field", "/data/version"),
    "version null": ({"orderId": "1", "version": None}, "missing_field", "/data/version"),
    "version a fraction": ({"orderId": "1", "version": 1.5}, "invalid_version", "/data/version"),
    "version beyond 64 bits": ({"orderId": "1", "version": 2**63}, "invalid_version", "/data/version"),
    "version a boolean": ({"orderId": "1", "version": True}, "invalid_version", "/data/version"),
    "version a time without offset": ({"orderId": "1", "version": "2026-01-01T00:00:00"}, "invalid_version", "/data/version"),
    "version a word": ({"orderId": "1", "version": "newest"}, "invalid_version", "/data/version"),
    "no change id": ({"version": 1}, "missing_field", "/data/orderId"),
    "change id an object": ({"orderId": {"a": 1}, "version": 1}, "invalid_field", "/data/orderId"),
    "change id with NUL": ({"orderId": "a\0b", "version": 1}, "invalid_field", "/data/orderId"),
    "data a text": ("text", "missing_field", "/data/orderId"),
}


def test_fields_that_the_view_maps_have_to_be_there_and_fit(make_view, target):
    view = make_view(target, version="/data/version", change_id=["/data/orderId"])
    good = {"orderId": "9", "version": 2**63 - 1}
    for name, (data, _, _) in MAPPED.items():
        view.produce([(f"good {name}", json.loads(event(data=good))), (name, event(data=data))])
    process = view.run_to_end()
    assert set(target.rows()) == {f"good {name}" for name in MAPPED}
    dead = {m.key().decode(): headers for [(m, headers)] in view.dead_letters().values()}
    assert {n: (h["upsink.error.code"], h["upsink.error.detail"]) for n, h in dead.items()} == \
        {name: (code, detail) for name, (_, code, detail) in MAPPED.items()}
    assert {h["__connect.errors.stage"] for h in dead.values()} == {"TRANSFORMATION"}
    ids = {m.key().decode(): json.loads(m.value())["id"] for m in view.messages()}
    assert all(headers["upsink.event_id"] == ids[name] for name, headers in dead.items())
    assert "newest" not in process.errors


def test_a_key_field_has_to_be_there(make_view, target):
    view = make_view(target, key={"field": "/data/orderId"})
    view.produce([("a", json.loads(event(data={"orderId": "1"}))), ("b", json.loads(event(data={}))),
                  ("c", json.loads(event(data={"orderId": "2\0"}))), ("d", json.loads(event(data={"orderId": 17})))])
    view.run_to_end()
    assert set(target.rows()) == {"1", "17"}
    dead = [headers for [(_, headers)] in view.dead_letters().values()]
    assert sorted((h["upsink.error.code"], h["upsink.error.detail"]) for h in dead) == \
        [("invalid_key", "/data/orderId"), ("missing_key", "/data/orderId")]
    assert all("/data/orderId" in h["__connect.errors.exception.message"] for h in dead)
