"""What the integration tests share: real servers, topics, the program as a user runs it, and its books."""

import contextlib
import itertools
import json
import os
import pathlib
import random
import re
import shlex
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid

import confluent_kafka
import confluent_kafka.admin
import psycopg2

ROOT = pathlib.Path(__file__).resolve().parents[2]
SERVERS = ROOT / "tests" / "servers"
BUILD = ROOT / os.environ.get("BUILD", "build")
UPSINK = BUILD / "upsink"
# Sanitized builds are several times slower, and larger.
SANITIZED = BUILD.name in ("build-asan", "build-tsan")
PATIENCE = float(os.environ.get("PATIENCE", "4" if SANITIZED else "1"))


class Unbalanced(AssertionError):
    """The books of a view: its counters are read one after the other, and need not agree while they grow."""


def wait_until(condition, seconds=30, what="condition", every=0.05):
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        reason = None
        try:
            value = condition()
            if value:
                return value
        except Unbalanced as not_yet:
            reason = not_yet
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds * PATIENCE:.0f} s in vain for {what}") from reason
        time.sleep(every)


class Server:
    """A real server in a directory of its own, run by tests/servers/NAME.sh."""

    def __init__(self, name, directory, **environment):
        self.name, self.directory = name, pathlib.Path(directory)
        self.environment = {**os.environ, **environment}
        self._run("start")
        self.read_env()

    def _run(self, command, *args):
        done = subprocess.run([SERVERS / f"{self.name}.sh", command, self.directory, *args], env=self.environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{self.name}.sh {command} failed: {done.stderr[-2000:]}")

    def read_env(self):
        found = {}
        for line in (self.directory / "env").read_text().splitlines():
            for word in shlex.split(line):
                name, equals, value = word.partition("=")
                if equals:
                    found[name] = value
        self.env = found  # as a whole: other threads read it

    def stop(self):
        self._run("stop")

    def kill9(self):
        self._run("kill9")

    def restart(self):
        self._run("restart")
        self.read_env()

    @contextlib.contextmanager
    def held_up(self):
        """It takes what is sent to it, answers nothing, and goes on afterwards."""
        pid = int(self.env[f"{self.name.upper()}_PID"])
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


_E = confluent_kafka.KafkaError
NOT_NOW = {_E._TRANSPORT, _E._TIMED_OUT, _E._ALL_BROKERS_DOWN, _E._WAIT_COORD, _E.LEADER_NOT_AVAILABLE, _E.NOT_LEADER_FOR_PARTITION,
           _E.REQUEST_TIMED_OUT, _E.COORDINATOR_LOAD_IN_PROGRESS, _E.COORDINATOR_NOT_AVAILABLE, _E.NOT_COORDINATOR}


def persist(ask, seconds=20):
    """The answer of Kafka, which after a crash needs a moment until it can give one."""
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        try:
            return ask()
        except confluent_kafka.KafkaException as error:
            if error.args[0].code() not in NOT_NOW or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


class Kafka(Server):
    def __init__(self, directory, **environment):
        super().__init__("kafka", directory, **environment)
        self.brokers = self.env["KAFKA_BROKERS"]
        self.admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": self.brokers})

    def create_topic(self, name=None, partitions=1, **config):
        name = name or f"t-{uuid.uuid4().hex[:10]}"
        topic = confluent_kafka.admin.NewTopic(name, partitions, 1, config={k.replace("_", "."): v for k, v in config.items()})
        self.admin.create_topics([topic])[name].result(30)
        wait_until(lambda: name in self.admin.list_topics(name, timeout=10).topics and
                   len(self.admin.list_topics(name, timeout=10).topics[name].partitions) == partitions, what=f"topic {name}")
        return name

    def delete_topic(self, name):
        self.admin.delete_topics([name])[name].result(30)
        wait_until(lambda: name not in self.admin.list_topics(timeout=10).topics, what=f"topic {name} to go")

    def grow_topic(self, name, partitions):
        self.admin.create_partitions([confluent_kafka.admin.NewPartitions(name, partitions)])[name].result(30)
        wait_until(lambda: len(self.admin.list_topics(name, timeout=10).topics[name].partitions) == partitions,
                   what=f"{partitions} partitions of {name}")

    def producer(self, **config):
        return confluent_kafka.Producer({"bootstrap.servers": self.brokers, "linger.ms": 5, "enable.idempotence": True, **config})

    def produce(self, topic, records, **config):
        """records: (key, value) or dicts with key, value, partition, headers, timestamp (ms). Values that are not bytes
        or None become JSON. Returns when all are acknowledged."""
        producer, failures = self.producer(**config), []
        for record in records:
            if not isinstance(record, dict):
                record = {"key": record[0], "value": record[1]}
            value = record.get("value")
            if value is not None and not isinstance(value, (bytes, str)):
                value = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
            extra = {k: record[k] for k in ("partition", "headers", "timestamp") if record.get(k) is not None}
            while True:
                try:
                    producer.produce(topic, value=value, key=record.get("key"),
                                     on_delivery=lambda err, _: err and failures.append(err), **extra)
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
        assert producer.flush(60) == 0 and not failures, failures[:3]

    def read(self, topic, seconds=10):
        """Every message of a topic from its beginning to its present end."""
        consumer = confluent_kafka.Consumer({"bootstrap.servers": self.brokers, "group.id": f"reader-{uuid.uuid4().hex}",
                                             "enable.partition.eof": True, "auto.offset.reset": "earliest",
                                             "enable.auto.commit": False})
        try:
            found = self.look_up(consumer, topic)
            if not found:
                return []
            partitions = [confluent_kafka.TopicPartition(topic, p, 0) for p in found.partitions]
            consumer.assign(partitions)
            messages, ended, deadline = [], set(), time.monotonic() + seconds * PATIENCE
            while len(ended) < len(partitions) and time.monotonic() < deadline:
                message = consumer.poll(1)
                if message is None:
                    continue
                if not message.error():
                    messages.append(message)
                elif message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                    ended.add(message.partition())
            assert len(ended) == len(partitions), f"{topic} was not read to its end"
            return messages
        finally:
            consumer.close()

    @staticmethod
    def look_up(consumer, topic):
        """What Kafka knows of the topic; None where there is none."""
        def ask():
            found = consumer.list_topics(topic, timeout=10).topics.get(topic)
            if found and found.error and found.error.code() in NOT_NOW:
                raise confluent_kafka.KafkaException(found.error)
            return found if found and not found.error else None

        return persist(ask)

    def committed(self, group, topic, partitions=1):
        consumer = confluent_kafka.Consumer({"bootstrap.servers": self.brokers, "group.id": group})
        try:
            asked = [confluent_kafka.TopicPartition(topic, p) for p in range(partitions)]
            return [p.offset for p in persist(lambda: consumer.committed(asked, timeout=20))]
        finally:
            consumer.close()

    def tool(self, *args):
        done = subprocess.run([SERVERS / "kafka-tool.sh", self.directory, *args], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


class Postgres(Server):
    def __init__(self, directory, **environment):
        super().__init__("postgres", directory, **environment)
        self.url = self.env["POSTGRES_URL"]

    def connect(self):
        connection = psycopg2.connect(self.url)
        connection.autocommit = True
        return connection

    def query(self, sql, *args):
        connection = self.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql, args or None)
                return cursor.fetchall() if cursor.description else None
        finally:
            connection.close()

    def sink(self, table):
        return f"{self.url}{'&' if '?' in self.url else '?'}table={table}"


_ports = itertools.count(random.randrange(1000))


def free_port():
    """Below those that the kernel hands out and those of tests/servers, and apart from those of other workers: nobody takes it
    until it is used."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 5
    while True:
        port = 10_000 + worker * 1000 + next(_ports) % 1000
        with socket.socket() as listener:
            with contextlib.suppress(OSError):
                listener.bind(("127.0.0.1", port))
                return port


def parse_metrics(text):
    """{(name, frozenset of labels): value}"""
    metrics = {}
    for line in text.splitlines():
        match = re.match(r'^(\w+)(?:\{(.*)\})? (\S+)$', line)
        if match:
            labels = frozenset(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match.group(2) or ""))
            metrics[(match.group(1), labels)] = float(match.group(3))
    return metrics


def total(metrics, name, **labels):
    return sum(v for (n, l), v in metrics.items() if n == name and set(labels.items()) <= set(l))


def check_books(metrics, view):
    """Promise 7, at a quiet moment or within wait_until. Returns (consumed, applied, {reason: n}, dead letters)."""
    consumed = total(metrics, "upsink_records_consumed_total", view=view)
    applied = total(metrics, "upsink_changes_applied_total", view=view)
    dropped = {r: total(metrics, "upsink_changes_dropped_total", view=view, reason=r)
               for r in ("superseded", "duplicate_event", "duplicate_change", "stale", "filtered")}
    dead = total(metrics, "upsink_dead_letters_total", view=view)
    if consumed != applied + sum(dropped.values()) + dead:
        raise Unbalanced((consumed, applied, dropped, dead))
    return int(consumed), int(applied), {k: int(v) for k, v in dropped.items()}, int(dead)


class Upsink:
    """The program, running."""

    def __init__(self, *args, config=None, directory=None, environment=None, command="run"):
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix="upsink-test-"))
        self.log = self.directory / f"upsink-{uuid.uuid4().hex[:8]}.log"
        self.port = free_port()
        words = [str(UPSINK), command]
        if config is not None:
            path = self.directory / f"upsink-{uuid.uuid4().hex[:8]}.yaml"
            path.write_text(config if isinstance(config, str) else json.dumps(config))
            words += ["-c", str(path)]
        words += [str(a) for a in args]
        if command == "run":
            words += ["--set", f"http.listen=127.0.0.1:{self.port}"]
        self.command = words
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=open(self.log, "wb"),
                                        env={**os.environ, **(environment or {})})

    @property
    def errors(self):
        return self.log.read_text(errors="replace")

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except (urllib.error.URLError, ConnectionError, socket.timeout):
            return 0, ""

    def metrics(self):
        return parse_metrics(self.get("/metrics")[1])

    def wait(self, seconds=120):
        """Until it ends by itself; its exit status."""
        try:
            self.output = self.process.communicate(timeout=seconds * PATIENCE)[0].decode(errors="replace")
        except subprocess.TimeoutExpired:
            self.kill9()
            raise AssertionError(f"did not end within {seconds} s: {' '.join(self.command)}\n{self.errors[-3000:]}") from None
        return self.process.returncode

    def stop(self, seconds=60):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.wait(seconds)

    def pause(self):
        """Until it is woken. On a busy machine its threads run on for a while after the signal: they stand still on return."""
        self.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOHANG), what="the process to stand still", every=0.001)

    def wake(self):
        self.process.send_signal(signal.SIGCONT)

    def kill9(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def resident_peak_mb(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) / 1024


def order_event(key, n, event_id=None, updated=None, **data):
    """A CloudEvent with a small nested order."""
    updated = updated if updated is not None else f"2026-01-01T00:{n // 60 % 60:02d}:{n % 60:02d}.{n // 3600:06d}Z"
    return {"specversion": "1.0", "id": event_id or f"{key}-{n}", "source": "/shop", "type": "OrderCreateUpdate", "time": updated,
            "datacontenttype": "application/json",
            "data": {"orderId": key, "lastUpdated": updated, "n": n, "customer": {"name": "Åsa \"Q\" O'Neil"},
                     "items": [{"productId": "p1", "quantity": n}], **data}}
