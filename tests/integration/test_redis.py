"""The whole service into Redis: a real Kafka, a real Redis, and the program as a user runs it."""

import time

import harness
import pytest
import targets
from views import POSITIONED, VERSIONED, event, history, wait_not_ready, wait_ready


@pytest.fixture
def keys(redis):
    return targets.RedisTarget(redis)


@pytest.mark.parametrize("rules", [VERSIONED, POSITIONED], ids=["versions", "positions"])
def test_the_keys_equal_the_topic_also_after_a_restart(make_view, keys, rules):
    view = make_view(keys, rules=rules, partitions=2)
    view.produce(history())
    first = view.run()
    view.wait_caught_up(first)
    harness.wait_until(lambda: harness.check_books(first.metrics(), view.name)[0] == len(view.messages()), what="the books")
    first.stop()
    view.produce(history(states=(5, 7, 8)))
    view.run_to_end()
    view.assert_converged()
    # A deleted entity stays away from a late upsert, also after a restart of both; without a version the later position wins.
    keys.server.kill9()
    keys.server.restart()
    view.produce([{"key": "k0", "value": event("k0", 4, event_id="late"), "partition": 0}])
    view.run_to_end()
    view.assert_converged()


def test_hashes_have_the_fields_and_expire_as_the_view_says(make_view, redis):
    keys = targets.RedisTarget(redis, "&type=hash")
    view = make_view(keys, rules=VERSIONED, redis={"ttl": "1h", "fence_ttl": "2h"})
    view.produce([("a", event("a", 1, gone=True, big=9007199254740993)), ("b", [1]), ("a", event("a", 2, items=[1, "x"], big=None))])
    view.run_to_end()
    found = keys.client.hgetall(keys.prefix + "a")
    assert found == {b"orderId": b"a", b"lastUpdated": b"2026-01-01T00:00:02.000000Z", b"n": b"2", b"items": b'[1,"x"]'}
    assert 0 < keys.client.ttl(keys.prefix + "a") <= 3600
    assert keys.keys() == [(keys.prefix + "a").encode()]


def test_a_key_of_somebody_else_is_a_dead_letter_and_its_neighbours_are_not(make_view, keys):
    view = make_view(keys, rules=VERSIONED)
    view.produce([("a", event("a", 1))])
    view.run_to_end()
    keys.client.rpush(keys.prefix + "b", "theirs")
    view.produce([("b", event("b", 2)), ("c", event("c", 3))])
    view.run_to_end()
    assert sorted(k for k in keys.keys()) == [(keys.prefix + k).encode() for k in "abc"]
    assert view.dead_letters()[(0, 1)][0][1]["upsink.error.code"] == "key_taken"
    keys.client.delete(keys.prefix + "b")


def test_killed_services_and_servers_under_load_lose_nothing(make_view, keys):
    view = make_view(keys, rules=VERSIONED, partitions=2)
    process = view.run()
    for n in range(4):
        view.produce(history(keys=400, states=(3 * n + 1, 3 * n + 3, 3 * n + 2)))
        if n % 2:
            keys.server.kill9()
            time.sleep(0.2)
            keys.server.restart()
        else:
            process.kill9()
            process = view.run()
    view.wait_caught_up(process, 60)
    assert not view.kafka.read(f"{view.topic}.dlq"), "an outage is not a bad record"
    assert {row.generation for row in keys.rows().values()} == {1}


@pytest.mark.parametrize("loss", ["flushed", "emptied", "flushed while stopped"])
def test_keys_that_are_lost_are_filled_anew(make_view, keys, loss):
    view = make_view(keys, rules=VERSIONED, partitions=2)
    view.produce(history())
    process = view.run()
    view.wait_caught_up(process)
    if loss == "flushed while stopped":
        process.stop()
        keys.client.flushall()
        process = view.run()
    elif loss == "flushed":
        keys.client.flushall()
    else:
        keys.client.delete(*keys.keys())
    view.produce(history(keys=3, states=(7,)))
    view.wait_caught_up(process, 60)


def test_a_full_server_is_waited_for(make_view, keys):
    view = make_view(keys, rules=VERSIONED)
    view.produce([("a", event("a", 1))])
    process = view.run()
    view.wait_caught_up(process)
    keys.client.config_set("maxmemory", 1)
    view.produce([("a", event("a", 2)), ("b", event("b", 3))])
    wait_not_ready(process, "sink_full")
    keys.client.config_set("maxmemory", 0)
    view.wait_caught_up(process, 60)
    wait_ready(process)
    assert not view.kafka.read(f"{view.topic}.dlq")


def test_refused_credentials_end_the_program_without_showing_them(make_view, keys):
    keys.url = keys.url.replace("secret", "s3cr3t-not")
    view = make_view(keys, rules=VERSIONED)
    process = view.run()
    assert process.wait() == 1
    assert "credentials_refused" in process.errors and "s3cr3t" not in process.errors
