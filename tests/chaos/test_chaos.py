"""Killed, paused and starved under load: the target is the topic's fold, no row ever stepped back, the books balance.

Stores are killed, the machine's memory is not lost: Postgres, MongoDB and OpenSearch as they are by default confirm what is on
disk. Redis is started with `appendfsync always`; with its default, every second, it may put a write off while the disk is busy,
confirm it, and lose it. Readers here look only at what no crash takes back (targets.py). Only where rows and positions are one
transaction is every record counted once.

Every test is random from UPSINK_CHAOS_SEED, which a failed one prints."""

import contextlib
import random
import threading
import time

import fold
import pytest
import views
from fleet import QUICK, SESSION_SECONDS, Fleet
from load import Load, Records, has_note
from witness import Truth, Witness

VERSIONED = {"version": "/data/lastUpdated", "change_id": ("/data/orderId", "/data/lastUpdated", "/data/n")}
POSITIONED = {"change_id": ("/data/orderId", "/data/n")}
PARTITIONS = 4
SERVERS = ("postgres", "redis", "mongodb", "opensearch")
KILLS = {"mongodb": 3, "opensearch": 2}  # of a store in one test, where starting takes time


def stores(*names):
    return pytest.mark.parametrize("target", [pytest.param(name, marks=pytest.mark.xdist_group(name) if name == "opensearch" else ())
                                              for name in names], indirect=True)


@pytest.fixture
def scene(make_view, dice):
    """Runs a story over a view of a topic that is being filled, and judges what became of it."""
    @contextlib.contextmanager
    def play(target, rules):
        refusing = target.refuse_notes()
        view = make_view(target, rules=fold.Rules(**rules, refuses=None if refusing is None else has_note), partitions=PARTITIONS,
                         kafka_properties=QUICK, batch={"max_records": 200}, timeout="3s", **(refusing or {}))
        records = Records(dice, PARTITIONS, versioned=bool(view.rules.version), refused=refusing is not None)
        fleet = Fleet(view, dice)
        with Load(view, records) as load, Witness(view) as witness:
            try:
                yield fleet
                fleet.wake(everybody=True)
                load.end()
                fleet.wait_caught_up()
                fleet.end_all()
            finally:
                print("; ".join(fleet.story), f"{load.produced} records, {witness.tell()}", sep="\n")
        judge(view, fleet, witness)

    return play


def judge(view, fleet, witness):
    truth, letters = Truth(view), view.dead_letters()
    difference = fold.difference(view.target.rows(), truth.fold)
    assert not difference, difference
    assert set(letters) == set(truth.fold.dead), set(letters) ^ set(truth.fold.dead)
    if view.target.transactional:
        fleet.assert_counted_once(len(truth.messages))
    witness.assert_never_wrong(truth, letters)


@stores("sqlite", *SERVERS)
@pytest.mark.parametrize("rules", [VERSIONED, POSITIONED], ids=["versions", "positions"])
def test_a_service_killed_again_and_again_under_load(scene, target, dice, rules):
    with scene(target, rules) as fleet:
        for _ in range(8 if target.transactional else 6):
            process = fleet.start(**one_or_another_member(dice))
            if dice.random() < 0.8:
                views.wait_assigned(process, PARTITIONS)
            time.sleep(dice.uniform(0, 0.9))
            with in_the_middle_of_an_exchange(fleet, target, dice):
                fleet.kill9(process)
        fleet.start()


@contextlib.contextmanager
def in_the_middle_of_an_exchange(fleet, target, dice):
    """Rows and positions are two steps in some stores, one soon after the other. Where the store hangs for a while, whoever is
    killed meanwhile dies between the two much more often; what was sent takes effect all the same."""
    if target.transactional or dice.random() < 0.3:
        yield
        return
    fleet.note(f"{target.server.name} hangs")
    with target.server.held_up():
        time.sleep(0.15)
        yield


def one_or_another_member(dice):
    """Some restarts wait for the dead member's session to end, some take its place at once."""
    return {"group.instance.id": "one"} if dice.random() < 0.7 else {}


def shake(fleet, dice, until):
    """Instances come and go."""
    while time.monotonic() < until:
        fleet.wake()
        fleet.assert_alive()
        process = fleet.any()
        act = dice.choice(["start", "start", "end", "kill", "pause", "pause"])
        if process is None or act == "start":
            if len(fleet.running) + len(fleet.paused) < 3:
                fleet.start()
        elif act == "end":
            fleet.end(process)
        elif act == "kill":
            fleet.kill9(process)
        else:
            fleet.pause(process, SESSION_SECONDS + dice.uniform(0.3, 2))
        time.sleep(dice.uniform(0.2, 1.5))


@stores(*SERVERS)
def test_instances_that_come_and_go_and_are_paused_under_load(scene, target, dice):
    # Without transactions a woken instance does write; the fence alone holds it back, and positions show the least of it.
    with scene(target, VERSIONED if target.transactional else POSITIONED) as fleet:
        fleet.start()
        fleet.start()
        shake(fleet, dice, time.monotonic() + (18 if target.transactional else 12))
        fleet.start()


def break_server(server, dice, times, fleet):
    for _ in range(times):
        time.sleep(dice.uniform(0.5, 2))
        fleet.note(f"{server.name} dies")
        server.kill9()
        time.sleep(dice.choice([0, 0, dice.uniform(0, 1.5)]))
        server.restart()
        fleet.note(f"{server.name} is back")


@stores(*SERVERS)
def test_a_store_killed_again_and_again_under_load(scene, target, dice):
    with scene(target, POSITIONED) as fleet:
        process = fleet.start(**{"session.timeout.ms": "10000"})
        views.wait_assigned(process, PARTITIONS)
        break_server(target.server, dice, KILLS.get(target.server.name, 4), fleet)
        # It went through all of that by itself.
        assert fleet.running == [process] and process.errors.count("partition assigned") == PARTITIONS, process.errors[-3000:]


@stores("postgres")
def test_a_broker_killed_again_and_again_under_load(scene, target, kafka, dice):
    with scene(target, VERSIONED) as fleet:
        process = fleet.start()
        views.wait_assigned(process, PARTITIONS)
        break_server(kafka, dice, 2, fleet)
        assert fleet.running == [process]
        fleet.assert_alive()


@stores("postgres", "mongodb")
def test_everything_at_once(scene, target, kafka, dice):
    with scene(target, POSITIONED) as fleet:
        fleet.start()
        until = time.monotonic() + (24 if target.transactional else 16)
        servers = [threading.Thread(target=break_server, args=(server, random.Random(dice.random()), times, fleet))
                   for server, times in ((target.server, KILLS.get(target.server.name, 4)), (kafka, 2))]
        for thread in servers:
            thread.start()
        try:
            shake(fleet, dice, until)
        finally:
            for thread in servers:
                thread.join()
        fleet.start()
