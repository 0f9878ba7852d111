"""A stream of records with everything in it that a view must cope with, produced evenly by a thread of its own."""

import collections
import json
import threading
import time
import zlib

import harness
from views import event

REPEATABLE = 3000  # how far back a record that comes again may lie
POISON = (b"{", b"[]", b"null", b'{"id":"\xff"}', b"\x00\x01", b'{"specversion":"1.0","id":"x"}', b"")


def text_of(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def has_note(entity):
    """What a store refuses after its target's refuse_notes()."""
    return "note" in entity


class Records:
    """Draws records: {key, value, partition}. Equal dice, equal records."""

    def __init__(self, dice, partitions, keys=250, versioned=True, refused=False):
        self.dice, self.partitions, self.versioned = dice, partitions, versioned
        self.keys = [f"order-{i}" for i in range(keys)]
        self.versions = collections.Counter()
        self.sent = collections.deque(maxlen=REPEATABLE)
        self.count = 0
        kinds = {self.fresh: 60, self.tombstone: 8, self.same_event: 7, self.same_change: 6, self.poison: 3, self.recreated: 4,
                 self.deleted_unseen: 1, self.refused: 1 if refused else 0, self.late: 8 if versioned else 0,
                 self.tie: 3 if versioned else 0}
        self.kinds, self.weights = list(kinds), list(kinds.values())

    def record(self, key, value):
        return {"key": key, "value": value, "partition": zlib.crc32((key or "").encode()) % self.partitions}

    def state(self, key, version, **data):
        self.count += 1
        return event(key, self.count, event_id=f"e-{self.count}", updated=version, pad="x" * self.dice.randrange(300), **data)

    def upsert(self, key, version):
        record = self.record(key, text_of(self.state(key, version)))
        self.sent.append(record)
        return record

    def fresh(self, key):
        self.versions[key] += self.dice.randrange(1, 4)
        return [self.upsert(key, self.versions[key])]

    def late(self, key):
        return [self.upsert(key, max(0, self.versions[key] - self.dice.randrange(1, 20)))]

    def tie(self, key):
        return [self.upsert(key, self.versions[key])]

    def tombstone(self, key):
        return [self.record(key, None)]

    def recreated(self, key):
        """Deleted and there again, within one batch most of the time."""
        return [self.record(key, None), *self.fresh(key)]

    def deleted_unseen(self, _):
        self.count += 1
        return [self.record(f"never-{self.count}", None)]

    def same_event(self, _):
        return [self.dice.choice(self.sent)] if self.sent else []

    def same_change(self, _):
        """The same change under another event id."""
        if not self.sent:
            return []
        record = self.dice.choice(self.sent)
        self.count += 1
        return [{**record, "value": text_of({**json.loads(record["value"]), "id": f"again-{self.count}"})}]

    def poison(self, key):
        if self.dice.random() < 0.3:
            return [{**self.record(None, text_of(self.state(key, 1))), "key": None}]
        return [self.record(key, self.dice.choice(POISON))]

    def refused(self, _):
        """Good until the store sees it. On a key of its own: what a later state supersedes is never tried."""
        return [self.record(f"refused-{self.count}", text_of(self.state(f"refused-{self.count}", 1, note="a\x00b")))]

    def next(self):
        return self.dice.choices(self.kinds, self.weights)[0](self.dice.choice(self.keys))


class Load:
    """Produces to a view's topic, `rate` records a second with bursts, until stopped. What is in the topic then is the truth."""

    def __init__(self, view, records, rate=700, backlog=4000):
        self.view, self.records, self.rate, self.backlog = view, records, rate, backlog
        self.failures, self.produced = [], 0
        # A broker that is away is waited for; what was sent comes in order, some of it twice. An idempotent producer ends for ever
        # where a killed broker forgot its number.
        self.producer = view.kafka.producer(**{"message.timeout.ms": 300_000, "queue.buffering.max.messages": 500_000,
                                              "reconnect.backoff.max.ms": 500, "enable.idempotence": False,
                                              "max.in.flight.requests.per.connection": 1})
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._produce(self.backlog)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(60)

    def _delivered(self, error, _):
        if error:
            self.failures.append(error)

    def _produce(self, count):
        while count > 0:
            for record in self.records.next():
                self.producer.produce(self.view.topic, value=record["value"], key=record["key"], partition=record["partition"],
                                      on_delivery=self._delivered)
                count -= 1
                self.produced += 1
        self.producer.poll(0)

    def _run(self):
        try:
            turn, due = 0, time.monotonic()
            while not self._stop.is_set():
                turn += 1
                self._produce(self.rate // 20 if turn % 40 else self.rate)
                due += 0.05
                time.sleep(max(0, due - time.monotonic()))
        except Exception as error:  # noqa: BLE001: a load that ended by itself proves nothing
            self.failures.append(error)

    def end(self):
        """Stops, and waits until all of it is in the topic."""
        self.__exit__()
        left = self.producer.flush(60 * harness.PATIENCE)
        assert left == 0 and not self.failures, (left, self.failures[:3])
