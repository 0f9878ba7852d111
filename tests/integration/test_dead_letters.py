"""The dead-letter topic on a real broker, and what `upsink dlq` shows of it."""

import json
import os
import subprocess
import uuid

import confluent_kafka.admin
import pytest

import harness
import views

GOOD, BAD = {"n": 1}, b'{"n":'
FIELDS = ["view", "topic", "partition", "offset", "source_topic", "source_partition", "source_offset", "key", "code", "message",
          "detail", "attempts", "failed_at", "resolved"]


@pytest.fixture
def source(kafka, upsink, tmp_path):
    return Source(kafka, upsink, tmp_path)


class Source:
    """A topic, and a view of it in SQLite."""

    def __init__(self, kafka, upsink, directory):
        self.kafka, self.start, self.directory = kafka, upsink, directory
        self.topic = f"t-{uuid.uuid4().hex[:10]}"
        self.dlq = f"{self.topic}.dlq"
        self.flags = ["-b", kafka.brokers, "-t", self.topic, "-s", f"sqlite:{directory}/t.db", "--name", "v"]

    def create(self, partitions=1, **config):
        self.kafka.create_topic(self.topic, partitions, **config)
        return self

    def fill(self):
        process = self.start(*self.flags, "--until-end")
        assert process.wait() == 0, process.errors
        return process

    def dlq_command(self, command, *args, status=0):
        done = subprocess.run([harness.UPSINK, "dlq", command, *self.flags, *args], stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ}, timeout=60 * harness.PATIENCE)
        assert done.returncode == status, done.stderr
        return done.stdout if status == 0 else done.stderr

    def list(self, *args):
        return [json.loads(line) for line in self.dlq_command("list", "-o", "json", *args).splitlines()]

    def keys(self, *args):
        return [letter["key"] for letter in self.list(*args)]

    def config(self, topic):
        resource = confluent_kafka.admin.ConfigResource("topic", topic)
        found = self.kafka.admin.describe_configs([resource])[resource].result(30)
        return {name: entry.value for name, entry in found.items()}


def bad(key, value=BAD, **more):
    return {"key": key, "value": value, **more}


def test_the_topic_is_made_like_the_source_with_room_for_headers_and_kept_for_ever(source):
    source.create(3, max_message_bytes="2000000")
    source.kafka.produce(source.topic, [bad("k", partition=2)])
    source.fill()
    config = source.config(source.dlq)
    assert len(source.kafka.admin.list_topics(source.dlq, timeout=10).topics[source.dlq].partitions) == 3
    assert config["max.message.bytes"] == str(2000000 + 65536)
    assert (config["cleanup.policy"], config["retention.ms"], config["retention.bytes"]) == ("delete", "-1", "-1")
    assert config["message.timestamp.type"] == "CreateTime"
    [message] = source.kafka.read(source.dlq)
    assert message.partition() == 2


def test_a_topic_that_is_there_is_used_as_it_is(source):
    source.create(3)
    source.kafka.create_topic(source.dlq, 1, retention_ms="777000")
    source.kafka.produce(source.topic, [bad(f"k{p}", partition=p) for p in range(3)])
    source.fill()
    assert source.config(source.dlq)["retention.ms"] == "777000"
    assert len(source.kafka.read(source.dlq)) == 3


def test_a_timestamp_far_from_now_is_kept(source):
    source.create(1, message_timestamp_after_max_ms=str(2**63 - 1))
    times = [1, 86400000, 253402300799000]  # 1970 and 9999
    source.kafka.produce(source.topic, [bad(f"k{t}", timestamp=t) for t in times])
    source.fill()
    assert [m.timestamp()[1] for m in source.kafka.read(source.dlq)] == times


def test_a_large_record_that_was_compressed_fits(source):
    source.create(1)  # a megabyte, as sent
    value = b'{"a":"' + b"compressible " * 400000
    source.kafka.produce(source.topic, [bad("k", value)], **{"compression.type": "zstd", "message.max.bytes": 10_000_000})
    source.fill()
    [message] = source.kafka.read(source.dlq)
    assert message.value() == value


def test_a_topic_that_takes_no_record_stops_the_view_until_it_does(source):
    source.create(1)
    source.kafka.create_topic(source.dlq, 1, max_message_bytes="20000")
    large = b'{"a":"' + os.urandom(60000).hex().encode()
    source.kafka.produce(source.topic, [("before", GOOD), bad("large", large), ("behind", GOOD), bad("small")])
    process = source.start(*source.flags)
    assert views.wait_not_ready(process, "max.message.bytes", source.dlq, seconds=60).startswith("v: ")
    assert process.process.poll() is None
    committed = source.kafka.committed("upsink-v", source.topic)[0]
    assert committed <= 1  # nothing behind the record that is neither applied nor written off
    assert "large" not in [m.key().decode() for m in source.kafka.read(source.dlq)]
    resource = confluent_kafka.admin.ConfigResource("topic", source.dlq, set_config={"max.message.bytes": "2000000"})
    source.kafka.admin.alter_configs([resource])[resource].result(30)
    harness.wait_until(lambda: process.get("/readyz")[0] == 200, 90, "the view to go on by itself")
    harness.wait_until(lambda: source.kafka.committed("upsink-v", source.topic)[0] == 4, 30, "the commit")
    assert process.stop() == 0
    letters = source.kafka.read(source.dlq)
    assert {m.key().decode(): m.value() for m in letters} == {"large": large, "small": BAD}
    assert len([m for m in letters if m.key() == b"large"]) == 1


def test_a_topic_that_was_deleted_is_made_again(source):
    source.create(1)
    process = source.start(*source.flags)
    source.kafka.produce(source.topic, [bad("first")])
    harness.wait_until(lambda: source.kafka.committed("upsink-v", source.topic)[0] == 1, 60, "the first dead letter")
    source.kafka.delete_topic(source.dlq)
    source.kafka.produce(source.topic, [bad("second"), ("good", GOOD)])
    harness.wait_until(lambda: source.kafka.committed("upsink-v", source.topic)[0] == 3, 120, "the second dead letter")
    assert process.stop() == 0
    assert [m.key() for m in source.kafka.read(source.dlq)] == [b"second"]


def test_list_shows_the_newest_last_and_filters(source):
    source.create(2)
    for n in range(4):
        source.kafka.produce(source.topic, [bad(f"k{n}", b'{"n":"\xc3\xa4' + str(n).encode(), partition=n % 2)])
        source.fill()
    source.kafka.produce(source.topic, [bad("k4", b'{"\xff":1}')])
    source.fill()
    letters = source.list()
    assert [letter["key"] for letter in letters] == ["k0", "k1", "k2", "k3", "k4"]
    assert all(list(letter) == FIELDS for letter in letters)
    assert letters[1]["view"] == "v" and letters[1]["topic"] == source.dlq and letters[1]["source_topic"] == source.topic
    assert (letters[1]["partition"], letters[1]["offset"], letters[1]["source_partition"], letters[1]["source_offset"]) == (1, 0, 1, 0)
    assert (letters[1]["code"], letters[1]["attempts"], letters[1]["resolved"]) == ("invalid_json", 1, False)
    times = [letter["failed_at"] for letter in letters]
    assert times == sorted(times)
    assert source.keys("--limit", "2") == ["k3", "k4"]
    assert source.keys("--code", "invalid_utf8") == ["k4"]
    assert source.keys("--key", "k2") == ["k2"]
    assert source.keys("--grep", "ä1") == ["k1"]
    assert source.keys("--since", times[2]) == ["k2", "k3", "k4"]
    assert source.keys("--until", times[2]) == ["k0", "k1"]
    assert source.keys("--since", times[1], "--until", times[3], "--code", "invalid_json", "--limit", "1") == ["k2"]
    table = source.dlq_command("list")
    assert table.splitlines()[0].split()[0] == "POSITION" and len(table.splitlines()) == 6
    assert "usage" not in source.dlq_command("list", "--since", "soon", status=2)


def test_list_shows_the_key_as_the_view_has_it(source):
    source.create(1)
    source.kafka.produce(source.topic, [bad((2**40).to_bytes(8, "big")), bad(b"\xff\xfe")])
    source.flags += ["--set", "views.v.key.format=int64"]
    source.fill()
    assert source.keys() == [str(2**40), "\ufffd\ufffd"]
    assert source.keys("--key", str(2**40)) == [str(2**40)]


def test_resolved_ones_are_shown_on_demand(source):
    source.create(1)
    source.kafka.produce(source.topic, [bad(f"k{n}") for n in range(3)])
    source.fill()
    state = source.kafka.create_topic(f"{source.dlq}.state", 2, cleanup_policy="compact")
    source.kafka.produce(state, [("0:1", {}), ("0:2", {}), ("0:2", None)])
    assert source.keys() == ["k0", "k2"]
    assert [(letter["key"], letter["resolved"]) for letter in source.list("--all")] == [("k0", False), ("k1", True), ("k2", False)]
    assert json.loads(source.dlq_command("stats", "-o", "json"))["count"] == 2


def test_letters_of_another_view_are_not_shown(source):
    source.create(1)
    source.kafka.produce(source.topic, [bad("mine")])
    source.fill()
    source.kafka.produce(source.dlq, [{"key": "theirs", "value": "x", "headers": {"upsink.view": "w"}},
                                      {"key": "nobody's", "value": "x"}])
    assert sorted(source.keys()) == ["mine", "nobody's"]


def test_show_tells_everything_about_one(source):
    source.create(1)
    digits = b'{"id":123456789012345678901234567890.10,"a":[],"b":{"c":"\xc2\x9b31m"},"d":[1,2],"orderId":1}'
    source.kafka.produce(source.topic, [bad("k", digits, headers=[("h", b"1"), ("h", None), ("b", b"\xff")])])
    source.flags += ["--set", "views.v.version=/version"]
    source.fill()
    shown = json.loads(source.dlq_command("show", "0:0", "-o", "json"), parse_float=str)
    assert shown["value"]["id"] == "123456789012345678901234567890.10"
    assert shown["headers"][:3] == [{"name": "h", "value": "1"}, {"name": "h", "value": None}, {"name": "b", "value_base64": "/w=="}]
    assert shown["stage"] == "TRANSFORMATION" and shown["causes"].startswith(shown["code"] + ": ")
    text = source.dlq_command("show", "0:0")
    assert '\n    "id": 123456789012345678901234567890.10,\n    "a": [],\n    "b": {\n      "c": "\\u009b31m"\n    },\n' in text
    assert "\u009b" not in text and "upsink.attempts" in text
    assert "no dead letter at 0:1" in source.dlq_command("show", "0:1", status=1)
    assert "PARTITION:OFFSET" in source.dlq_command("show", "7:", status=2)


def test_show_decodes_what_it_can(source):
    source.create(1)
    source.kafka.produce(source.topic, [bad("text", b"plain \x1b[31m"), bad("bytes", b"\xff\x00"), bad("framed", b"\x00\x00\x00\x01\x02{]")])
    source.fill()
    assert "plain \\u001b[31m" in source.dlq_command("show", "0:0") and "\x1b" not in source.dlq_command("show", "0:0")
    assert json.loads(source.dlq_command("show", "0:0", "-o", "json"))["value"] == "plain \x1b[31m"
    assert json.loads(source.dlq_command("show", "0:1", "-o", "json"))["value_base64"] == "/wA="
    source.kafka.produce(source.dlq, [{"key": "framed", "value": b'\x00\x00\x00\x01\x02{"a":1}'}, {"key": "null", "value": None}])
    framed = json.loads(source.dlq_command("show", "0:3", "-o", "json"))
    assert (framed["schema_id"], framed["value"]) == (258, {"a": 1})
    assert json.loads(source.dlq_command("show", "0:4", "-o", "json"))["value"] is None


def test_stats_count_by_code_and_detail(source):
    source.create(1)
    source.kafka.produce(source.topic, [bad("a"), bad("b"), bad("c", b'{"\xff":1}'), bad("d", b"x")])
    source.fill()
    lines = [json.loads(line) for line in source.dlq_command("stats", "-o", "json").splitlines()]
    assert [(line["code"], line["detail"], line["count"]) for line in lines] == [
        ("invalid_json", "byte 5", 2), ("invalid_json", "byte 0", 1), ("invalid_utf8", "byte 2", 1)]
    assert all(line["view"] == "v" and line["first"] <= line["last"] for line in lines)
    assert source.dlq_command("stats").splitlines()[1].split()[:2] == ["2", "invalid_json"]


def test_no_dead_letters_are_no_error(source):
    source.create(1)
    assert source.list() == [] and source.dlq_command("list") == "" and source.dlq_command("stats") == ""
    assert source.dlq not in source.kafka.admin.list_topics(timeout=10).topics  # asking did not make it
    assert "no dead letter at" in source.dlq_command("show", "0:0", status=1)


def test_a_broker_that_is_away_is_named(source):
    source.flags[1] = "127.0.0.1:1"
    assert "127.0.0.1:1" in source.dlq_command("list", status=1)
