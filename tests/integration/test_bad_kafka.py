"""Kafka that can't be reached, has no such topic, or does not take dead letters: said, waited for, and nothing lost."""

import os

import pytest

import harness
import views


def records(first, count):
    return [(f"k{i}", harness.order_event(f"k{i}", 1)) for i in range(first, first + count)]


def wait_rows(target, process, count):
    def rows():
        return target.has_table() and len(target.rows()) == count
    harness.wait_until(rows, 60, f"{count} rows; {process.errors[-3000:]}")


def test_an_unknown_topic_is_waited_for(kafka, upsink, target):
    topic = f"later-{os.urandom(4).hex()}"
    process = upsink("--brokers", kafka.brokers, "--topic", topic, "--sink", target.url, "--set",
                     "kafka.topic.metadata.refresh.interval.ms=500")
    reason = views.wait_not_ready(process, "unknown_topic")
    assert f"topic {topic} of view {topic}-" in reason and "create it, or correct the name" in reason
    kafka.create_topic(topic)
    kafka.produce(topic, records(0, 5))
    wait_rows(target, process, 5)
    views.wait_ready(process)
    assert process.stop() == 0


@pytest.mark.parametrize("flags, words", [(["--topic", "nosuch"], "topic nosuch of view nosuch-stdout does not exist"),
                                          (["--topic", "^nosuch-.*", "--name", "n"], "no topic matches ^nosuch-.*")],
                         ids=["name", "expression"])
def test_an_unknown_topic_ends_a_run_to_the_end(kafka, upsink, flags, words):
    process = upsink("--brokers", kafka.brokers, "--sink", "stdout:", "--until-end", *flags)
    assert process.wait(30) == 1
    assert words in process.errors and "unknown_topic" in process.errors


def test_brokers_that_are_down_at_start_are_waited_for(kafka, upsink, target):
    topic = kafka.create_topic()
    kafka.produce(topic, records(0, 5))
    kafka.stop()
    try:
        process = upsink("--brokers", kafka.brokers, "--topic", topic, "--sink", target.url)
        views.wait_not_ready(process, "kafka_unreachable", kafka.brokers, "Connection refused")
    finally:
        kafka.restart()
    wait_rows(target, process, 5)
    views.wait_ready(process)
    assert process.stop() == 0


def test_a_host_that_is_not_known_is_named(upsink):
    process = upsink("--brokers", "no-such-host.invalid:9092", "--topic", "t", "--sink", "stdout:")
    views.wait_not_ready(process, "kafka_unreachable", "no-such-host.invalid:9092")
    assert process.process.poll() is None
    assert process.stop() == 0


def alter_topic(kafka, topic, setting):
    kafka.tool("configs", "--alter", "--entity-type", "topics", "--entity-name", topic, "--add-config", setting)


class Stuck:
    """A view with a bad record whose dead-letter topic doesn't take it."""

    def __init__(self, kafka, upsink, target, bad, **dlq_config):
        self.kafka, self.target = kafka, target
        self.topic = kafka.create_topic()
        kafka.create_topic(f"{self.topic}.dlq", **dlq_config)
        kafka.produce(self.topic, records(0, 5))
        self.view = f"{self.topic}-{target.url.split(':')[0]}"
        self.process = upsink("--brokers", kafka.brokers, "--topic", self.topic, "--sink", target.url, "--set",
                              f"views.{self.view}.retry.max=500ms")
        wait_rows(target, self.process, 5)
        kafka.produce(self.topic, [*records(5, 5), bad, *records(10, 5)])

    def assert_it_stops_there(self, code, words):
        reason = views.wait_not_ready(self.process, code)
        assert words in reason and f"{self.topic}.dlq" in reason
        assert len(self.target.rows()) == 5, "rows moved past a record that is nowhere"
        assert self.kafka.committed(f"upsink-{self.view}", self.topic)[0] <= 5
        assert self.kafka.read(f"{self.topic}.dlq") == []
        assert harness.total(self.process.metrics(), "upsink_dead_letters_total") == 0

    def assert_it_goes_on(self):
        wait_rows(self.target, self.process, 15)
        views.wait_ready(self.process)
        assert harness.check_books(self.process.metrics(), self.view) == \
            (16, 15, dict.fromkeys(("superseded", "duplicate_event", "duplicate_change", "stale", "filtered"), 0), 1)
        assert len(self.kafka.read(f"{self.topic}.dlq")) == 1
        assert self.process.stop() == 0
        assert self.kafka.committed(f"upsink-{self.view}", self.topic) == [16]


def test_a_dead_letter_topic_that_allows_small_records_only_stops_the_view_there(kafka, upsink, target):
    stuck = Stuck(kafka, upsink, target, ("bad", os.urandom(5000)), max_message_bytes="2000")
    stuck.assert_it_stops_there("dlq_too_large", "max.message.bytes")
    alter_topic(kafka, f"{stuck.topic}.dlq", "max.message.bytes=100000")
    stuck.assert_it_goes_on()


def test_a_compacted_dead_letter_topic_that_refuses_records_without_key_stops_the_view_there(kafka, upsink, target):
    stuck = Stuck(kafka, upsink, target, (None, b"{}"), cleanup_policy="compact")
    stuck.assert_it_stops_there("dlq_refused", "cleanup.policy")
    alter_topic(kafka, f"{stuck.topic}.dlq", "cleanup.policy=delete")
    stuck.assert_it_goes_on()


def test_a_view_that_is_stopped_while_dead_letters_can_not_be_written_loses_nothing(kafka, upsink, target):
    stuck = Stuck(kafka, upsink, target, ("bad", os.urandom(5000)), max_message_bytes="2000")
    stuck.assert_it_stops_there("dlq_too_large", "max.message.bytes")
    assert stuck.process.stop() == 0
    assert stuck.kafka.committed(f"upsink-{stuck.view}", stuck.topic)[0] <= 5
    alter_topic(kafka, f"{stuck.topic}.dlq", "max.message.bytes=100000")
    process = upsink("--brokers", kafka.brokers, "--topic", stuck.topic, "--sink", target.url, "--until-end")
    assert process.wait() == 0
    assert len(target.rows()) == 15 and len(kafka.read(f"{stuck.topic}.dlq")) == 1
