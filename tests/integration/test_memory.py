"""Promise 8: under 256 MB resident with default settings, whatever the backlog."""

import subprocess
import time

import harness
import pytest
import views

# Sanitizers keep shadows of the memory, and what was freed for a while: then only growth without bound is seen.
LIMIT_MB = 2560 if harness.SANITIZED else 256


def generate(view, **options):
    """Fills the view's topic with order events, by the generator of the benchmarks."""
    words = [harness.BUILD / "tests" / "bench" / "generate", "--brokers", view.kafka.brokers, "--topic", view.topic,
             "--partitions", view.partitions, "--existing", 1]
    for name, value in options.items():
        words += [("-" if len(name) == 1 else "--") + name, value]
    subprocess.run([str(w) for w in words], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=300)


def slow_down(table, seconds):
    """A database that takes its time for every statement that writes."""
    table.query(f"""CREATE FUNCTION slow_{table.table}() RETURNS trigger LANGUAGE plpgsql AS
                    $$BEGIN PERFORM pg_sleep({seconds}); RETURN NULL; END$$;
                    CREATE TRIGGER slow BEFORE INSERT ON {table.table}
                    FOR EACH STATEMENT EXECUTE FUNCTION slow_{table.table}()""")


def default_view(make_view, target, partitions):
    """Nothing but defaults: only the topic, the sink and the broker are named."""
    view = make_view(target, partitions=partitions, topic_config={"retention.ms": "-1"})
    view.settings = {"topic": view.topic, "sink": target.url, "version": "/data/lastUpdated"}
    view.kafka_properties = {"bootstrap.servers": view.kafka.brokers, "topic.metadata.refresh.interval.ms": "1000"}
    return view


def watch_for(process, view, seconds, least):
    """Lets it run for a while, and until it has consumed so much; its peak in MB."""
    end = time.monotonic() + seconds
    consumed = 0
    deadline = end + 60 * harness.PATIENCE
    while time.monotonic() < end or consumed < least:
        assert process.process.poll() is None, process.errors[-3000:]
        assert time.monotonic() < deadline, f"{consumed} records consumed: {process.errors[-3000:]}"
        consumed = harness.total(process.metrics(), "upsink_records_consumed_total", view=view.name)
        time.sleep(0.2)
    return process.resident_peak_mb()


def test_memory_stays_bounded_with_a_large_backlog_and_a_slow_sink(make_view, table):
    view = default_view(make_view, table, 4)
    process = view.run()
    harness.wait_until(table.has_table, what="the table")
    slow_down(table, 0.3)
    generate(view, events=120_000, keys=100_000)
    peak = watch_for(process, view, 8, 10_000)
    print(f"peak {peak:.0f} MB")
    assert peak < LIMIT_MB


def test_memory_stays_bounded_with_many_partitions(make_view, table):
    view = default_view(make_view, table, 150)
    generate(view, events=120_000, keys=50_000)
    process = view.run()
    peak = watch_for(process, view, 3, 120_000)
    print(f"peak {peak:.0f} MB")
    assert peak < LIMIT_MB
    assert process.stop() == 0


@pytest.mark.parametrize("codec", ["zstd", "gzip"])
def test_memory_stays_bounded_with_a_topic_that_compresses_a_hundredfold(make_view, table, codec):
    view = default_view(make_view, table, 12)
    process = view.run()
    harness.wait_until(table.has_table, what="the table")
    slow_down(table, 0.3)
    generate(view, events=40_000, keys=20_000, pad=20_000, codec=codec, X="linger.ms=100")
    peak = watch_for(process, view, 6, 3_000)
    print(f"peak {peak:.0f} MB")
    assert peak < LIMIT_MB
