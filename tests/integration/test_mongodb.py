"""The whole service into MongoDB: a real Kafka, a real replica set, and the program as a user runs it."""

import datetime
import decimal
import os
import re
import time

import bson
import harness
import pytest
import targets
from views import POSITIONED, VERSIONED, event, history, wait_assigned


@pytest.fixture
def collection(mongodb):
    return targets.MongodbTarget(mongodb)


@pytest.mark.parametrize("rules", [VERSIONED, POSITIONED], ids=["versions", "positions"])
def test_the_collection_equals_the_topic_also_after_a_restart(make_view, collection, rules):
    view = make_view(collection, rules=rules, partitions=2)
    view.produce(history())
    first = view.run()
    view.wait_caught_up(first)
    harness.wait_until(lambda: harness.check_books(first.metrics(), view.name)[0] == len(view.messages()), what="the books")
    first.stop()
    before = collection.rows()
    view.produce(history(states=(5, 7, 8)))
    view.run_to_end()
    view.assert_converged()
    assert before.keys() & collection.rows().keys() and before != collection.rows()
    # A deleted entity stays away from a late upsert; without a version the later position wins.
    view.produce([{"key": "k0", "value": event("k0", 4, event_id="late"), "partition": 0}])
    view.run_to_end()
    view.assert_converged()


def test_a_replay_from_offsets_set_by_hand_fills_what_is_missing(make_view, collection, kafka):
    view = make_view(collection, rules=VERSIONED, partitions=2)
    view.produce(history())
    view.run_to_end()
    collection.orders.delete_one({"_id": "k1"})
    kafka.tool("groups", "--group", view.group, "--topic", view.topic, "--reset-offsets", "--to-earliest", "--execute")
    view.run_to_end()
    view.assert_converged()
    assert min(row.generation for row in collection.rows().values()) >= 2


def test_numbers_and_names_arrive_as_they_were_sent(make_view, collection):
    view = make_view(collection, rules=VERSIONED)
    body = ('{"specversion":"1.0","id":"1","source":"/s","type":"T","data":{"lastUpdated":"2026-01-01T00:00:00Z","big":9007199254740993,'
            '"exact":0.1234567890123456789,"price":19.9,"a.b":{"$gt":1},"$top":"x"}}')
    view.produce([{"key": "n", "value": body}])
    view.run_to_end()
    document = collection.orders.find_one()
    assert document["big"] == 9007199254740993 and isinstance(document["big"], bson.Int64)
    assert document["exact"].to_decimal() == decimal.Decimal("0.1234567890123456789")
    assert document["price"] == 19.9 and document["a.b"] == {"$gt": 1} and document["$top"] == "x"


def test_the_views_settings_reach_the_sink(make_view, collection):
    view = make_view(collection, rules=VERSIONED, mongodb={"dates": "/data/lastUpdated", "write_concern": "1"})
    view.produce([("a", event("a", 1))])
    view.run_to_end()
    assert collection.orders.find_one()["lastUpdated"] == datetime.datetime(2026, 1, 1, 0, 0, 1)


def test_a_refused_record_is_a_dead_letter_and_its_neighbours_are_not(make_view, collection):
    collection.db.create_collection("orders", validator={"n": {"$lt": 100}})
    view = make_view(collection, rules=VERSIONED)
    view.produce([("a", event("a", 1)), ("b", event("b", 100)), ("c", event("c", 3)), ("d", event("d", 4, huge=int("9" * 60)))])
    view.run_to_end()
    assert sorted(collection.rows()) == ["a", "c"]
    letters = view.dead_letters()
    assert letters[(0, 1)][0][1]["upsink.error.code"] == "constraint_violation"
    assert letters[(0, 3)][0][1]["upsink.error.code"] == "value_out_of_range"


def test_killed_services_and_servers_under_load_lose_nothing(make_view, collection):
    view = make_view(collection, rules=VERSIONED, partitions=2)
    process = view.run()
    for n in range(4):
        view.produce(history(keys=400, states=(3 * n + 1, 3 * n + 3, 3 * n + 2)))
        if n % 2:
            collection.server.kill9()
            time.sleep(0.2)
            collection.server.restart()
        else:
            process.kill9()
            process = view.run()
    view.wait_caught_up(process, 60)
    assert not view.kafka.read(f"{view.topic}.dlq"), "an outage is not a bad record"
    assert {row.generation for row in collection.rows().values()} == {1}


@pytest.mark.parametrize("loss", ["dropped", "dropped with its state", "emptied"])
def test_a_collection_that_is_lost_is_filled_anew(make_view, collection, loss):
    view = make_view(collection, rules=VERSIONED, partitions=2)
    view.produce(history())
    process = view.run()
    view.wait_caught_up(process)
    if loss == "emptied":
        collection.orders.delete_many({})
    else:
        for name in collection.db.list_collection_names() if "state" in loss else ["orders"]:
            collection.db.drop_collection(name)
    view.produce([{"key": "k1", "value": event("k1", 9), "partition": 1}])
    view.wait_caught_up(process, 60)
    process.stop()


def test_a_service_that_is_killed_leaves_no_file_in_shared_memory(make_view, collection):
    view = make_view(collection, rules=VERSIONED)
    process = view.run()
    wait_assigned(process)
    process.kill9()
    assert not [file for file in os.listdir("/dev/shm") if str(process.process.pid) in re.findall(r"\d+", file)]
