#!/usr/bin/python3
"""How long a record is under way at a steady rate: from its producer's timestamp to the visible row. `make bench-latency` calls it.

Real Kafka, real Postgres with its default durability, upsink with its default settings, measured in three ways:

    commit      every row: pg_xact_commit_timestamp against the record's timestamp. Postgres takes that time before it flushes.
    reader      50 records a second more, with keys of their own, until another connection, which asks all the time, sees the row
    upsink      its own histogram upsink_end_to_end_seconds, interpolated within its buckets

Environment: RATE (1000), DURATION (30 s), PARTITIONS (4), BUILD (build). Ends with 1 where the bar, 99% within 150 ms, is missed."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

import harness  # noqa: E402
import psycopg2  # noqa: E402

RATE, DURATION, PARTITIONS = (int(os.environ.get(name, default)) for name, default in
                             (("RATE", "1000"), ("DURATION", "30"), ("PARTITIONS", "4")))
WARM_UP = 10  # the broker compiles its code meanwhile
BAR_MS = 150
TOPIC, VIEW = "orders", "latency"


def settings(kafka, postgres):
    return {"kafka": {"bootstrap.servers": kafka.brokers}, "log": {"level": "warn"},
            "views": {VIEW: {"topic": TOPIC, "sink": postgres.url, "table": "orders", "event_id": "/id",
                             "version": "/data/lastUpdated"}}}


def start_generator(kafka):
    """Each record an order of its own, so that every row can be measured."""
    words = [harness.BUILD / "tests/bench/generate", "--brokers", kafka.brokers, "--topic", TOPIC, "--events", RATE * (DURATION + WARM_UP),
             "--keys", 4_000_000, "--zipf", 0, "--duplicates", 0, "--late", 0, "--tombstones", 0, "--partitions", PARTITIONS,
             "--rate", RATE]
    return subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, text=True)


class Reader:
    """Produces records and looks for their rows with a connection of its own."""

    def __init__(self, kafka, url):
        self.producer = kafka.producer()
        self.url, self.milliseconds, self._waiting = url, [], {}
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._produce, self._look)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _produce(self):
        n, due = 0, time.monotonic()
        while not self._stop.is_set():
            n += 1
            key, moment = f"reader-{n}", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            event = {"specversion": "1.0", "id": key, "source": "/reader", "type": "OrderCreateUpdate",
                     "data": {"orderId": key, "lastUpdated": moment}}
            self._waiting[key] = time.time()
            self.producer.produce(TOPIC, key=key, value=json.dumps(event), partition=n % PARTITIONS)
            self.producer.poll(0)
            due += 0.02
            time.sleep(max(0, due - time.monotonic()))
        self.producer.flush(10)

    def _look(self):
        connection = psycopg2.connect(self.url)
        connection.autocommit = True
        cursor = connection.cursor()
        deadline = None
        while not self._stop.is_set() or (self._waiting and time.monotonic() < deadline):
            deadline = deadline if self._stop.is_set() else time.monotonic() + 10
            waiting = list(self._waiting)
            if waiting:
                cursor.execute("SELECT key FROM orders WHERE key = ANY(%s)", (waiting,))
                now = time.time()
                self.milliseconds += [(now - self._waiting.pop(key)) * 1000 for key, in cursor.fetchall()]
            time.sleep(0.001)
        connection.close()
        assert not self._waiting, f"{len(self._waiting)} records of the reader did not arrive"


def commit_times(kafka, postgres, since_ms):
    """Milliseconds from a record's timestamp to the commit of its row, for records since then."""
    dump = subprocess.run(["kcat", "-b", kafka.brokers, "-C", "-t", TOPIC, "-e", "-q", "-f", "%p\t%o\t%T\n"], check=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True).stdout
    postgres.query("CREATE TABLE records (partition int, position bigint, moment bigint)")
    connection = postgres.connect()
    with tempfile.TemporaryFile("w+") as file:
        file.write(dump)
        file.seek(0)
        connection.cursor().copy_from(file, "records")
    connection.close()
    return [float(row[0]) for row in postgres.query(
        "SELECT extract(epoch FROM pg_xact_commit_timestamp(o.xmin)) * 1000 - r.moment FROM orders o JOIN records r"
        " ON r.partition = o._upsink_partition AND r.position = o._upsink_offset WHERE r.moment >= %s", since_ms)]


def buckets(process):
    found = {}
    for (name, labels), value in process.metrics().items():
        if name == "upsink_end_to_end_seconds_bucket":
            found[float(dict(labels)["le"].replace("+Inf", "inf"))] = value
    return found


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def percentile_of_buckets(before, after, share):
    """As histogram_quantile of Prometheus does it; milliseconds."""
    counts = {bound: after[bound] - before.get(bound, 0) for bound in sorted(after)}
    wanted, low, below = counts[float("inf")] * share, 0.0, 0.0
    for bound, count in counts.items():
        if count >= wanted and count > below:
            return 1000 * (low + (min(bound, 3600) - low) * (wanted - below) / (count - below))
        low, below = bound, count
    return float("nan")


def processor_times():
    return [int(word) for word in open("/proc/stat").readline().split()[1:9]]


def tell(name, count, numbers):
    print(f"{name:<10}{count:>9}" + "".join(f"{number:>9.1f}" for number in numbers), flush=True)


def measure(kafka, postgres):
    generator = start_generator(kafka)
    harness.wait_until(lambda: TOPIC in kafka.admin.list_topics(timeout=10).topics, what="the topic")
    process = harness.Upsink(config=settings(kafka, postgres))
    try:
        harness.wait_until(lambda: harness.total(process.metrics(), "upsink_records_consumed_total") > 0, what="the first records")
        time.sleep(WARM_UP)
        since, before, load, times = time.time() * 1000, buckets(process), os.getloadavg()[0], processor_times()
        with Reader(kafka, postgres.url) as reader:
            summary = generator.communicate()[0].strip()
        spent = [end - begin for begin, end in zip(times, processor_times())]
        harness.wait_until(lambda: harness.total(process.metrics(), "upsink_consumer_lag") == 0, what="no lag")
        time.sleep(0.5)
        after = buckets(process)
        assert generator.returncode == 0 and process.stop() == 0, process.errors
    finally:
        process.kill9()
    commits, seen = commit_times(kafka, postgres, since), reader.milliseconds
    print(summary)
    print(f"machine: {os.cpu_count()} cores, load average {load:.1f} before, {os.getloadavg()[0]:.1f} after;"
          f" idle {100 * (spent[3] + spent[4]) / sum(spent):.0f}% of the time")
    print(f"{'ms':<10}{'records':>9}{'p50':>9}{'p95':>9}{'p99':>9}{'max':>9}")
    shares = (0.5, 0.95, 0.99)
    tell("commit", len(commits), [percentile(commits, share) for share in shares] + [max(commits)])
    tell("reader", len(seen), [percentile(seen, share) for share in shares] + [max(seen)])
    count = int(after[float("inf")] - before[float("inf")])
    tell("upsink", count, [percentile_of_buckets(before, after, share) for share in shares])
    return max(percentile(commits, 0.99), percentile(seen, 0.99))


def main():
    with tempfile.TemporaryDirectory(prefix="upsink-latency.") as directory:
        os.chmod(directory, 0o711)
        kafka = harness.Kafka(f"{directory}/kafka")
        try:
            postgres = harness.Postgres(f"{directory}/postgres", POSTGRES_EXTRA="track_commit_timestamp = on")
            try:
                worst = measure(kafka, postgres)
            finally:
                postgres.stop()
        finally:
            kafka.stop()
    print(f"p99 {worst:.0f} ms; the bar is {BAR_MS} ms")
    sys.exit(worst >= BAR_MS)


main()
