"""The whole service into OpenSearch: a real Kafka, a real server, and the program as a user runs it."""

import json
import re
import time

import harness
import pytest
import targets
from views import POSITIONED, VERSIONED, event, history

pytestmark = pytest.mark.xdist_group("opensearch")


@pytest.fixture
def index(opensearch):
    return targets.OpensearchTarget(opensearch)


@pytest.mark.parametrize("rules", [VERSIONED, POSITIONED], ids=["versions", "positions"])
def test_the_index_equals_the_topic_also_after_a_restart(make_view, index, rules):
    view = make_view(index, rules=rules, partitions=2)
    view.produce(history())
    first = view.run()
    view.wait_caught_up(first)
    harness.wait_until(lambda: harness.check_books(first.metrics(), view.name)[0] == len(view.messages()), what="the books")
    first.stop()
    view.produce(history(states=(5, 7, 8)))
    view.run_to_end()
    view.assert_converged()
    # A deleted entity stays away from a late upsert; without a version the later position wins.
    view.produce([{"key": "k0", "value": event("k0", 4, event_id="late"), "partition": 0}])
    view.run_to_end()
    view.assert_converged()


@pytest.mark.parametrize("mappings", ['{"properties": {"total": {"type": "long"}}}', {"properties": {"total": {"type": "long"}}}],
                         ids=["as text", "as a section"])
def test_the_views_settings_reach_the_sink_and_refused_records_are_dead_letters(make_view, index, mappings):
    view = make_view(index, rules=VERSIONED, elasticsearch={"mappings": mappings, "alias": f"{index.name}-readers"})
    view.produce([("a", event("a", 1)), ("b", event("b", 2, total="many")), ("x" * 513, event("x", 3)), ("d", event("d", 4, _upsink=1)),
                  ("e", event("e", 5))])
    view.run_to_end()
    assert sorted(index.rows()) == ["a", "e"]
    codes = {place: letters[0][1]["upsink.error.code"] for place, letters in view.dead_letters().items()}
    assert codes == {(0, 1): "mapping_conflict", (0, 2): "key_too_large", (0, 3): "reserved_field"}
    assert index.ask("GET", f"{index.name}-readers/_count")["count"] == 2


def test_a_plan_shows_the_index_that_the_settings_make(make_view, index):
    view = make_view(index, elasticsearch={"settings": {"index.number_of_shards": 2, "refresh_interval": "7s"},
                                           "mappings": {"dynamic": False, "properties": {"total": {"type": "long"}}}})
    process = harness.Upsink(config=view.config(), command="plan")
    assert process.wait(60) == 0, process.errors
    statement = next(line for line in process.output.splitlines() if f"PUT /{index.name} " in line)
    body = json.loads(statement[statement.index("{"):])
    assert body["settings"] == {"index.number_of_shards": 2, "refresh_interval": "7s"}
    assert body["mappings"]["dynamic"] is False and body["mappings"]["properties"]["total"] == {"type": "long"}


def test_settings_that_no_index_can_have_are_refused_with_their_line(make_view, index):
    for settings in ({"mappings": [1]}, {"mapings": {"dynamic": False}}):
        for command in ("run", "plan"):
            process = harness.Upsink(config=make_view(index, elasticsearch=settings).config(), command=command)
            assert process.wait(30) == 2, process.errors
            assert re.search(r"\.(yaml|json):\d+: .*elasticsearch", process.errors + process.output)


def test_killed_services_and_servers_under_load_lose_nothing(make_view, index):
    view = make_view(index, rules=VERSIONED, partitions=2)
    process = view.run()
    for n in range(3):
        view.produce(history(keys=400, states=(3 * n + 1, 3 * n + 3, 3 * n + 2)))
        if n == 1:
            index.server.kill9()
            time.sleep(0.2)
            index.server.restart()
        else:
            process.kill9()
            process = view.run()
    view.wait_caught_up(process, 90)
    assert not view.kafka.read(f"{view.topic}.dlq"), "an outage is not a bad record"
    assert {row.generation for row in index.rows().values()} == {1}


@pytest.mark.parametrize("loss", ["deleted with its state", "made by somebody else"])
def test_an_index_that_is_lost_is_filled_anew(make_view, index, loss):
    view = make_view(index, rules=VERSIONED, partitions=2)
    view.produce(history())
    process = view.run()
    view.wait_caught_up(process)
    if "state" in loss:
        process.stop()
        index.ask("DELETE", ".upsink-state")
        index.ask("DELETE", f".upsink-deleted-{index.name}")
    index.ask("DELETE", index.name)
    if "made" in loss:
        index.ask("PUT", index.name, {})
    view.produce([{"key": "k1", "value": event("k1", 9), "partition": 1}])
    if "state" in loss:
        process = view.run()
    view.wait_caught_up(process, 60)
    process.stop()
    assert {row.generation for row in index.rows().values()} == {2}
