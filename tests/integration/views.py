"""Views as the crash and order tests use them: a topic, a target, a configuration, and what a user can see of them."""

import contextlib
import datetime
import threading
import time
import uuid

import fold
import harness


class View:
    """One topic into one target. `settings` are keys of the view, `kafka_properties` any of librdkafka's."""

    def __init__(self, kafka, target, start, topic=None, partitions=1, name=None, kafka_properties=None, rules=None, topic_config=None,
                 **settings):
        self.kafka, self.target, self._start = kafka, target, start
        self.topic = topic or kafka.create_topic(partitions=partitions, **(topic_config or {}))
        self.partitions = partitions
        self.name = name or f"v-{uuid.uuid4().hex[:8]}"
        self.group = f"upsink-{self.name}"
        self.rules = rules or fold.Rules()
        self.settings = {"topic": self.topic, "sink": target.url, "envelope": "cloudevents",
                         "retry": {"initial": "50ms", "max": "500ms"}, **settings}
        if self.rules.version:
            self.settings["version"] = self.rules.version
        if self.rules.change_id:
            self.settings["change_id"] = list(self.rules.change_id)
        if self.rules.delete != "hard":
            self.settings["delete"] = self.rules.delete
        if self.rules.delete_type:
            self.settings["delete_when"] = {"type": self.rules.delete_type}
        if self.rules.window != 100_000:
            self.settings["dedup"] = {"window": self.rules.window}
        self.kafka_properties = {"bootstrap.servers": kafka.brokers, "session.timeout.ms": "6000", "heartbeat.interval.ms": "500",
                                 "topic.metadata.refresh.interval.ms": "1000", **(kafka_properties or {})}

    def config(self, **kafka_properties):
        return {"kafka": {**self.kafka_properties, **kafka_properties}, "views": {self.name: self.settings}}

    def run(self, *args, kafka_properties=None):
        """Starts the service."""
        return self._start(*args, config=self.config(**(kafka_properties or {})))

    def run_to_end(self, seconds=60, status=0):
        process = self.run("--until-end")
        got = process.wait(seconds)
        assert got == status, f"exit status {got}\n{process.errors[-3000:]}"
        return process

    def produce(self, records, **config):
        self.kafka.produce(self.topic, records, **config)

    def messages(self):
        """What a reader of committed records sees, each partition in its order."""
        return self.kafka.read(self.topic, seconds=30)

    def fold(self):
        return fold.Fold(self.rules).add(self.messages())

    def difference(self):
        return fold.difference(self.target.rows(), self.fold())

    def assert_converged(self):
        problem = self.difference()
        assert not problem, problem

    def committed(self):
        return self.kafka.committed(self.group, self.topic, self.partitions)

    def dead_letters(self):
        """{(partition, offset) in the source: [message of the dead-letter topic, …]}"""
        found = {}
        for message in self.kafka.read(f"{self.topic}.dlq"):
            headers = {name: value.decode() for name, value in message.headers() or []}
            place = (int(headers["__connect.errors.partition"]), int(headers["__connect.errors.offset"]))
            found.setdefault(place, []).append((message, headers))
        return found

    def wait_caught_up(self, process, seconds=30, records=None):
        """Until the lag of a running service is zero everywhere, and its table holds the fold."""
        def caught_up():
            if process.process.poll() is not None:
                raise AssertionError(f"it ended with {process.process.returncode}: {process.errors[-3000:]}")
            try:
                return not self.difference()
            except self.target.retriable:
                return False

        try:
            harness.wait_until(caught_up, seconds, every=0.2)
        except AssertionError as late:
            raise AssertionError(f"not caught up: {self.difference()}\n{process.errors[-3000:]}\n{process.get('/readyz')}") from late


def readiness(process):
    if process.process.poll() is not None:
        raise AssertionError(f"it ended with {process.process.returncode}: {process.errors[-3000:]}")
    return process.get("/readyz")


def wait_ready(process, seconds=30):
    harness.wait_until(lambda: readiness(process)[0] == 200, seconds, f"/readyz to say 200: {process.errors[-2000:]}")


def wait_not_ready(process, *words, seconds=30):
    """503, with all of the words in the reason."""
    def answer():
        status, text = readiness(process)
        return status == 503 and all(word in text for word in words) and text
    return harness.wait_until(answer, seconds, f"/readyz to be 503 with {words}; it says {process.get('/readyz')}")


def wait_assigned(process, partitions=1, seconds=30):
    harness.wait_until(lambda: process.errors.count("partition assigned") >= partitions, seconds,
                       f"{partitions} partitions: {process.errors[-2000:]}")


class Watcher:
    """Takes one snapshot of the table after the other, and finds rows that step back.

    The order of an entity's states is (version, offset) where a version is mapped, else the offset. A row that was gone
    must come back with a later one."""

    def __init__(self, target, versioned):
        self.target, self.versioned = target, versioned
        self.problems, self.snapshots = [], 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(30)

    def _run(self):
        last, connection = {}, None
        while not self._stop.is_set():
            try:
                connection = connection or self.target.connect()
                rows = self.target.snapshot(connection)
            except self.target.retriable:
                with contextlib.suppress(Exception):
                    connection.close()
                connection = None
                time.sleep(0.1)
                continue
            self._compare(last, rows)
            self.snapshots += 1
            time.sleep(0.02)

    def _compare(self, last, rows):
        now = {}
        for key, (version, offset, generation) in rows.items():
            now[key] = (version or 0, offset) if self.versioned else (offset,)
            if generation != 1 and len(self.problems) < 20:
                self.problems.append(f"{key}: generation {generation}, but nothing was replayed")
        for key, order in now.items():
            before, was_there = last.get(key, (None, False))
            if before is not None and (order < before or order == before and not was_there):
                self.problems.append(f"{key}: {before} (there: {was_there}), then {order}")
        for key in list(last):
            if key not in now:
                last[key] = (last[key][0], False)
        for key, order in now.items():
            last[key] = (order, True)

    def assert_never_back(self, least=3):
        assert not self.problems, self.problems[:5]
        assert self.snapshots >= least, f"only {self.snapshots} snapshots"


def event(key, n, event_id=None, updated=None, kind="OrderCreateUpdate", **data):
    """A small CloudEvent. `n` tells its state; `updated` (seconds) its version."""
    moment = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(seconds=n if updated is None else updated)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"specversion": "1.0", "id": event_id or f"{key}-{n}", "source": "/shop", "type": kind, "time": text,
            "data": {"orderId": key, "lastUpdated": text, "n": n, **data}}


def history(keys=40, partitions=2, states=(1, 3, 2, 5, 4, 6)):
    """Upserts, stale ones, a repeated one, deletes; keys stay in their partition."""
    for n, state in enumerate(states):
        for i in range(keys):
            value = None if n == len(states) - 1 and i % 6 == 0 else event(f"k{i}", state)
            yield {"key": f"k{i}", "value": value, "partition": i % partitions}
            if i % 7 == 0 and value:
                yield {"key": f"k{i}", "value": value, "partition": i % partitions}


VERSIONED = fold.Rules(version="/data/lastUpdated")
POSITIONED = fold.Rules()
