"""Looks at a view from outside while it is being maltreated, and compares what it saw with the topic afterwards.

Two threads look. One reads the target over and over: no row may step back. The other takes samples: what the group had committed,
how far the dead-letter topic went, then the target. An offset is committed only when every record before it is applied, dropped
for a reason, or a dead letter; so each sample must hold what the topic says up to the committed offsets."""

import bisect
import collections
import contextlib
import threading
import time

import confluent_kafka
import fold
import views


class Watcher(views.Watcher):
    """Also keeps every state that it saw, and does not look away unnoticed."""

    def __init__(self, target, versioned):
        super().__init__(target, versioned)
        self.seen = set()

    def _run(self):
        try:
            super()._run()
        except Exception as error:  # noqa: BLE001
            self.problems.append(f"the watcher fell asleep: {error!r}")

    def _compare(self, last, rows):
        self.seen.update((key, version, offset) for key, (version, offset, _) in rows.items())
        super()._compare(last, rows)


class Sample:
    def __init__(self, committed, letters, rows):
        self.committed, self.letters, self.rows = committed, letters, rows


class Sampler:
    def __init__(self, view, every=0.15):
        self.view, self.every, self.samples, self.problems = view, every, [], []
        self.group = confluent_kafka.Consumer({"bootstrap.servers": view.kafka.brokers, "group.id": view.group,
                                               "reconnect.backoff.max.ms": 200})
        self._connection = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(30)
        self.group.close()

    def _run(self):
        while not self._stop.wait(self.every):
            try:
                self.samples.append(self._take())
            except confluent_kafka.KafkaException:
                time.sleep(0.2)  # the broker is away
            except self.view.target.retriable:
                with contextlib.suppress(Exception):
                    self._connection.close()
                self._connection = None
            except Exception as error:  # noqa: BLE001
                self.problems.append(f"the sampler fell asleep: {error!r}")
                return

    def _take(self):
        committed = self.group.committed([confluent_kafka.TopicPartition(self.view.topic, p) for p in range(self.view.partitions)],
                                         timeout=1)
        committed = [max(0, partition.offset) for partition in committed]
        letters = self._letters()
        self._connection = self._connection or self.view.target.connect()
        rows = self.view.target.snapshot(self._connection)
        return Sample(committed, letters, {key: (version, offset) for key, (version, offset, _) in rows.items()})

    def _letters(self):
        """{partition: end} of the dead-letter topic."""
        topic = f"{self.view.topic}.dlq"
        found = self.group.list_topics(timeout=1).topics.get(topic)
        partitions = found.partitions if found and not found.error else []
        return {p: self.group.get_watermark_offsets(confluent_kafka.TopicPartition(topic, p), timeout=1)[1] for p in partitions}


class Truth:
    """The topic, folded by itself, with every state that each entity went through."""

    def __init__(self, view):
        self.messages = view.messages()
        self.fold = fold.Fold(view.rules)
        self.states = collections.defaultdict(list)  # key -> [(offset at which it became so, (version, offset) or None)]
        self.partition = {}
        for message in self.messages:
            self.fold.add([message])
            key = message.key() and message.key().decode(errors="replace")
            state = self.fold.entities.get(key)
            if state is not None and state.offset == message.offset() and state.partition == message.partition():
                self.partition[key] = message.partition()
                self.states[key].append((message.offset(), None if state.deleted else (state.version, state.offset)))

    def problems_of_rows(self, seen):
        """Rows that were seen, and that no record of the topic explains."""
        known = {(key, *state) for key, states in self.states.items() for _, state in states if state}
        return [f"row {row} is no state of the topic's" for row in sorted(seen - known, key=str)]

    def problems_of_sample(self, sample, letters):
        found = [f"{key}: {problem}; committed were {sample.committed}" for key in self.states
                 if (problem := self._problem_of_key(key, sample))]
        for place in self.fold.dead:
            known = [message for message, _ in letters.get(place, [])]
            if place[1] < sample.committed[place[0]] and not any(m.offset() < sample.letters.get(m.partition(), 0) for m in known):
                found.append(f"no dead letter of {place}; committed were {sample.committed}")
        return found

    def _problem_of_key(self, key, sample):
        states, end = self.states[key], sample.committed[self.partition[key]]
        done = bisect.bisect_left(states, (end,))
        want, row = states[done - 1][1] if done else None, sample.rows.get(key)
        if want is None:
            return row and row[1] < end and f"is there with {row}, but was deleted"
        if row is None:
            return not any(state is None for _, state in states[done:]) and f"is missing, wanted {want} or later"
        return row[1] < want[1] and f"has {row}, wanted {want} or later"


class Witness:
    """Both of them, and the verdict."""

    def __init__(self, view):
        self.view = view
        self.watcher = Watcher(view.target, versioned=bool(view.rules.version))
        self.sampler = Sampler(view)

    def __enter__(self):
        self.watcher.__enter__()
        self.sampler.__enter__()
        return self

    def __exit__(self, *_):
        self.watcher.__exit__()
        self.sampler.__exit__()

    def tell(self):
        return f"{self.watcher.snapshots} snapshots of {len(self.watcher.seen)} states, {len(self.sampler.samples)} samples"

    def assert_never_wrong(self, truth, letters):
        self.watcher.assert_never_back(least=20)
        assert not self.sampler.problems and len(self.sampler.samples) >= 5, (self.sampler.problems, len(self.sampler.samples))
        problems = truth.problems_of_rows(self.watcher.seen)
        assert not problems, problems[:5]
        for number, sample in enumerate(self.sampler.samples):
            problems = truth.problems_of_sample(sample, letters)
            assert not problems, (f"sample {number} of {len(self.sampler.samples)}", len(problems), problems[:5])
