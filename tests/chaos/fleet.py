"""The instances of one view: started, killed, paused, and asked for their books."""

import time

import confluent_kafka
import harness

SESSION_SECONDS = 1.5
QUICK = {"session.timeout.ms": str(int(SESSION_SECONDS * 1000)), "heartbeat.interval.ms": "300", "reconnect.backoff.max.ms": "500"}


class Fleet:
    def __init__(self, view, dice):
        self.view, self.dice = view, dice
        self.running, self.paused, self.counted = [], {}, {}
        self.story = []  # what was done to whom, for a failed test

    def note(self, what, process=None):
        self.story.append(f"{time.strftime('%H:%M:%S')} {what}{' ' + str(process.process.pid) if process else ''}")

    def start(self, **properties):
        process = self.view.run(kafka_properties=properties)
        self.running.append(process)
        self.note("start", process)
        return process

    def any(self):
        return self.dice.choice(self.running) if self.running else None

    def read_books(self, process):
        """The last that is known of a process' books."""
        metrics = process.metrics()
        if metrics:
            self.counted[process] = harness.total(metrics, "upsink_records_consumed_total", view=self.view.name)
        return metrics

    def kill9(self, process):
        self.read_books(process)
        self.note("kill -9", process)
        self._forget(process)
        process.kill9()

    def end(self, process):
        """In order: its books balance, and it says so with status 0."""
        harness.wait_until(lambda: self.books_balance(process), what=f"the books of {process.process.pid} to balance")
        self.note("SIGTERM", process)
        self._forget(process)
        assert process.stop() == 0, process.errors[-3000:]

    def books_balance(self, process):
        metrics = self.read_books(process)
        if not metrics:
            return process.process.poll() is not None  # not up yet, or it failed, which stop() tells
        try:
            return harness.check_books(metrics, self.view.name) is not None
        except harness.Unbalanced:
            return False

    def pause(self, process, seconds):
        self.read_books(process)
        self.note(f"SIGSTOP for {seconds:.1f} s", process)
        process.pause()
        self.running.remove(process)
        self.paused[process] = time.monotonic() + seconds

    def wake(self, everybody=False):
        for process, until in list(self.paused.items()):
            if everybody or time.monotonic() >= until:
                self.note("SIGCONT", process)
                process.wake()
                del self.paused[process]
                self.running.append(process)

    def _forget(self, process):
        self.running.remove(process)

    def assert_alive(self):
        for process in self.running:
            assert process.process.poll() is None, f"ended with {process.process.returncode}: {process.errors[-3000:]}"

    def ends_of_topic(self, consumer):
        return [harness.persist(lambda p=p: consumer.get_watermark_offsets(confluent_kafka.TopicPartition(self.view.topic, p), timeout=20))[1]
                for p in range(self.view.partitions)]

    def wait_caught_up(self, seconds=60):
        """Until the group has committed everything, and says that it makes progress. Time runs while it commits nothing."""
        consumer = confluent_kafka.Consumer({"bootstrap.servers": self.view.kafka.brokers, "group.id": "looks-at-ends"})
        try:
            ends = self.ends_of_topic(consumer)
        finally:
            consumer.close()

        def is_ready():
            return all(p.get("/readyz")[0] == 200 for p in self.running)

        try:
            while (now := self.view.committed()) != ends:
                harness.wait_until(lambda: self.assert_alive() or sum(self.view.committed()) > sum(now), seconds, every=0.3)
            harness.wait_until(lambda: self.assert_alive() or is_ready(), seconds, every=0.3)
        except AssertionError as late:
            logs = "\n".join(f"{p.process.pid}: {p.get('/readyz')}\n{p.errors[-1500:]}" for p in self.running)
            raise AssertionError(f"committed {self.view.committed()} of {ends}\n{logs}") from late

    def end_all(self):
        for process in list(self.running):
            self.end(process)

    def assert_counted_once(self, records):
        """Where rows and positions are one transaction no record is in two books, whoever was killed or woken."""
        assert sum(self.counted.values()) <= records, (list(self.counted.values()), records)
