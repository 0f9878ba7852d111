"""The whole service into OpenSearch and Elasticsearch 8: a real Kafka, a real server, and the program as a user runs it."""

import contextlib
import http.client
import http.server
import json
import re
import threading
import time

import harness
import pytest
import targets
from views import POSITIONED, VERSIONED, event, history, wait_not_ready

@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in ("opensearch", "elasticsearch8")])
def index(request):
    return targets.SearchTarget(request.getfixturevalue(request.param))


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


# --- answers to other questions ---------------------------------------------------------------------------------------------------


class Relay(http.server.ThreadingHTTPServer):
    """Stands between, and as long as there is `mixed` asks for other documents than it was asked for: (path, body) to (path, body)."""

    daemon_threads = True
    mixed = None

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def relay(self):
            path, body = self.path, self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.server.mixed and "/_mget" in path:
                path, body = self.server.mixed(path, body)
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.server.to, timeout=30)) as connection:
                connection.request(self.command, path, body, {name: self.headers[name] for name in ("Content-Type", "Authorization")
                                                              if self.headers[name]})
                answer = connection.getresponse()
                text = answer.read()
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_PUT = do_POST = do_DELETE = relay


@pytest.fixture
def relay(index):
    with Relay(("127.0.0.1", 0), Relay.Handler) as server:
        server.to = int(index.server.env["SEARCH_PORT"])
        index.url = index.url.replace(f":{server.to}", f":{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def of_another_key(path, body):
    return path, body.replace(b'"b"', b'"a"')


def of_the_other_index(path, body):
    return path.replace(".upsink-gone-", ".upsink-rows-"), body


@pytest.mark.parametrize("mixed, key", [(of_another_key, "b"), (of_the_other_index, "c")], ids=["another key's", "the other index'"])
def test_fences_that_are_somebody_elses_are_not_judged_by(make_view, index, relay, mixed, key):
    """The fence of another entity would make a change stale, and without its own a deleted one would come back."""
    view = make_view(index, rules=VERSIONED, partitions=2)
    view.produce([{"key": k, "value": event(k, 1), "partition": 0} for k in ("b", "c")])
    view.produce([{"key": "a", "value": event("a", 9), "partition": 1}, {"key": "c", "value": None, "partition": 0}])
    view.run_to_end()
    view.assert_converged()
    relay.mixed = mixed
    view.produce([{"key": key, "value": event(key, 2 if key == "b" else 0), "partition": 0}])
    process = view.run()
    told = wait_not_ready(process, "mixed_answers")
    assert str(relay.to) not in told and "another question" in told
    relay.mixed = None
    view.wait_caught_up(process)
    assert process.stop() == 0
    view.assert_converged()
    assert not view.kafka.read(f"{view.topic}.dlq")
