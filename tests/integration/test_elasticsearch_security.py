"""Elasticsearch 7 and 8 with their own security and OpenSearch with its plugin: TLS with a certificate that the test signs, users and
rights, API keys that the server makes, and servers that have just begun to listen."""

import base64
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time

import harness
import pytest
import targets
import views
from views import VERSIONED, event

RIGHTS = {"cluster": ["monitor"],
          "indices": [{"names": ["o*", ".upsink-*"], "privileges": ["create_index", "manage", "read", "write"]}]}


def openssl(directory, *words):
    subprocess.run(["openssl", *words], cwd=directory, check=True, stdin=subprocess.DEVNULL, capture_output=True)


def make_authority(directory, name):
    openssl(directory, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-subj", f"/CN={name}", "-days", "2",
            "-out", f"{name}.crt")


def make_certificates(directory):
    """ca.crt signs server.crt, for localhost alone; stranger.crt is another authority."""
    directory.mkdir()
    make_authority(directory, "ca")
    make_authority(directory, "stranger")
    (directory / "names").write_text("subjectAltName=DNS:localhost")
    openssl(directory, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-subj", "/CN=server", "-out", "server.csr")
    openssl(directory, "x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "names", "-out", "server.crt")


def start_with_tls(name, variable):
    directory = pathlib.Path(tempfile.mkdtemp(prefix="upsink-es-"))
    directory.chmod(0o755)  # the server's user must be able to reach it
    make_certificates(directory / "tls")
    server = harness.Server(name, directory / "server", **{variable: str(directory / "tls")})
    server.tls = directory / "tls"
    yield server
    server.stop()
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def elasticsearch_with_tls():
    yield from start_with_tls("elasticsearch", "ELASTICSEARCH_TLS")


@pytest.fixture(scope="module")
def elasticsearch8_with_tls():
    yield from start_with_tls("elasticsearch8", "ELASTICSEARCH_TLS")


@pytest.fixture(scope="module")
def opensearch_with_tls():
    yield from start_with_tls("opensearch", "OPENSEARCH_TLS")


def on(*names):
    """Tests of one server share a process, and so the server."""
    return pytest.mark.parametrize("server", [pytest.param(name, marks=pytest.mark.xdist_group(f"{name} with TLS")) for name in names],
                                   indirect=True)


on_opensearch, on_elasticsearch, on_all = on("opensearch"), on("elasticsearch", "elasticsearch8"), on(
    "elasticsearch", "elasticsearch8", "opensearch")
on_one = on("elasticsearch")  # what is libcurl's and ours


@pytest.fixture
def server(request):
    return request.getfixturevalue(f"{request.param}_with_tls")


class Index(targets.SearchTarget):
    """An index behind TLS."""

    def __init__(self, server):
        super().__init__(server)
        self.host = f"localhost:{server.env['SEARCH_PORT']}"

    def url_of(self, user):
        return self.url.replace(self.user, user)

    def make_key(self):
        return self.ask("POST", "_security/api_key", {"name": self.name, "role_descriptors": {"upsink": RIGHTS}})


@pytest.fixture
def index(server):
    return Index(server)


def states(*numbers):
    for number in numbers:
        for i in range(20):
            yield (f"k{i}", event(f"k{i}", number))


def has_dead_letters(view):
    return bool(view.kafka.read(f"{view.topic}.dlq"))


# --- TLS ------------------------------------------------------------------------------------------------------------------------


@on_all
def test_rows_go_over_tls_with_the_authority_that_is_named(make_view, index):
    view = make_view(index, rules=VERSIONED, elasticsearch={"ca_file": index.ca_file})
    view.produce([*states(1, 3, 2), ("k3", None)])
    view.run_to_end()
    view.assert_converged()
    assert "k3" not in index.rows() and len(index.rows()) == 19


def refused_at_start(view, *words):
    process = view.run()
    assert process.wait(60) == 1, "a certificate that is not trusted ends the program"
    for word in ("tls_failed", *words):
        assert word in process.errors
    assert "secret-of-tests" not in process.errors
    assert not has_dead_letters(view)
    plan = harness.Upsink(config=view.config(), command="plan")
    assert plan.wait(60) == 1 and "tls_failed" in plan.output + plan.errors


@on_one
@pytest.mark.parametrize("ca", [None, "stranger.crt"], ids=["the system's", "another one"])
def test_a_certificate_of_an_unknown_authority_is_refused(make_view, index, ca):
    view = make_view(index, **({"elasticsearch": {"ca_file": str(index.server.tls / ca)}} if ca else {}))
    view.produce(states(1))
    refused_at_start(view, "its certificate is not one to trust")


@on_one
def test_a_certificate_for_another_host_is_refused(make_view, index):
    index.url = index.url.replace("localhost", "127.0.0.1")
    view = make_view(index, elasticsearch={"ca_file": index.ca_file})
    view.produce(states(1))
    refused_at_start(view, "127.0.0.1", "the name that stands in it")


@on_one
@pytest.mark.parametrize("content", [None, "no certificate\n"], ids=["absent", "of another kind"])
def test_a_file_of_authorities_that_can_not_be_read_is_named(make_view, index, tmp_path, content):
    path = tmp_path / "authorities.pem"
    if content:
        path.write_text(content)
    view = make_view(index, elasticsearch={"ca_file": str(path)})
    refused_at_start(view, "elasticsearch.ca_file can't be read", str(path))


@on_one
def test_plain_http_to_a_port_with_tls_is_an_outage_that_tells_why(make_view, index):
    index.url = index.url.replace("+https", "")
    view = make_view(index)
    view.produce(states(1))
    process = view.run()
    views.wait_not_ready(process, "sink_unreachable", "does it speak TLS?", "elasticsearch+https://")
    assert process.stop() == 0
    assert not has_dead_letters(view)


@on_one
def test_tls_to_a_port_without_it_is_an_outage_that_tells_why(make_view, index, plain_port):
    index.url = index.url.replace(index.host, f"localhost:{plain_port}")
    view = make_view(index, elasticsearch={"ca_file": index.ca_file})
    view.produce(states(1))
    process = view.run()
    views.wait_not_ready(process, "sink_unreachable", "does it speak TLS?", "leave +https out")
    assert process.stop() == 0
    assert not has_dead_letters(view)


@pytest.fixture
def plain_port(tmp_path):
    """Of an HTTP server without TLS."""
    import http.server
    import threading

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as plain:
        thread = threading.Thread(target=plain.serve_forever, daemon=True)
        thread.start()
        yield plain.server_address[1]
        plain.shutdown()
        thread.join()


# --- API keys -------------------------------------------------------------------------------------------------------------------


@on_elasticsearch
@pytest.mark.parametrize("form", ["encoded", "id:key"])
def test_an_api_key_of_the_server_writes_and_its_end_is_an_outage(make_view, index, form):
    key = index.make_key()
    given = key["encoded"] if form == "encoded" else f"{key['id']}:{key['api_key']}"
    index.url = f"elasticsearch+https://{index.host}/{index.name}"
    view = make_view(index, rules=VERSIONED, elasticsearch={"ca_file": index.ca_file, "api_key": given})
    view.produce(states(1, 2))
    process = view.run()
    view.wait_caught_up(process)
    index.ask("DELETE", "_security/api_key", {"ids": [key["id"]]})
    view.produce(states(3))
    told = views.wait_not_ready(process, "credentials_refused")
    time.sleep(1)
    metrics = process.get("/metrics")[1]
    assert process.process.poll() is None, "a key that is withdrawn while it runs is an outage"
    assert {row.doc["n"] for row in index.rows().values()} == {2}
    assert process.stop() == 0
    assert not has_dead_letters(view)
    # At the start it ends the program; with another key it goes on where it was.
    late = view.run()
    assert late.wait(60) == 1 and "credentials_refused" in late.errors
    for secret in (key["api_key"], key["encoded"], base64.b64encode(given.encode()).decode()):
        for text in (process.errors, late.errors, told, metrics):
            assert secret not in text
    new = index.make_key()
    view.settings["elasticsearch"]["api_key"] = new["encoded"]
    view.run_to_end()
    view.assert_converged()
    assert not has_dead_letters(view)


@on_elasticsearch
def test_a_key_without_the_rights_is_refused_and_not_shown(make_view, index):
    key = index.ask("POST", "_security/api_key", {"name": index.name, "role_descriptors": {"nobody": {"cluster": ["monitor"]}}})
    index.url = f"elasticsearch+https://{index.host}/{index.name}"
    view = make_view(index, elasticsearch={"ca_file": index.ca_file, "api_key": key["encoded"]})
    view.produce(states(1))
    process = view.run()
    assert process.wait(60) == 1
    assert "permission_denied" in process.errors
    assert key["encoded"] not in process.errors and key["api_key"] not in process.errors
    assert not has_dead_letters(view)


# --- users ----------------------------------------------------------------------------------------------------------------------


@on_all
def test_a_wrong_password_ends_the_start_and_is_not_shown(make_view, index):
    index.url = index.url_of("admin:wrong-Pa55w0rd")
    view = make_view(index, elasticsearch={"ca_file": index.ca_file})
    view.produce(states(1))
    process = view.run()
    assert process.wait(60) == 1
    assert "credentials_refused" in process.errors and index.host in process.errors
    assert "Pa55w0rd" not in process.errors
    assert not has_dead_letters(view)


LEAST = {"cluster": ["cluster_composite_ops"], "actions": ["create_index", "manage", "read", "write"]}


class User:
    """Of OpenSearch's security plugin, with a role of its own."""

    API = "_plugins/_security/api"

    def __init__(self, index, cluster=LEAST["cluster"], actions=LEAST["actions"]):
        self.index, self.name = index, targets.unique("user")
        self.set_rights(cluster, actions)
        index.ask("PUT", f"{self.API}/internalusers/{self.name}", {"password": "Pa55-of-a-user"})
        index.ask("PUT", f"{self.API}/rolesmapping/{self.name}", {"users": [self.name]})
        index.url = index.url_of(f"{self.name}:Pa55-of-a-user")

    def set_rights(self, cluster, actions):
        self.index.ask("PUT", f"{self.API}/roles/{self.name}", {
            "cluster_permissions": cluster,
            "index_permissions": [{"index_patterns": [self.index.name, f"{self.index.name}-readers", ".upsink-*"], "allowed_actions": actions}]})


@on_opensearch
@pytest.mark.parametrize("cluster", [LEAST["cluster"], [*LEAST["cluster"], "cluster_monitor"]], ids=["least", "with monitor"])
def test_the_rights_that_the_manual_lists_are_enough_for_a_user_of_the_plugin(make_view, index, cluster):
    User(index, cluster)
    view = make_view(index, rules=VERSIONED, partitions=2, elasticsearch={"ca_file": index.ca_file, "alias": f"{index.name}-readers"})
    view.produce([*({"key": k, "value": v, "partition": 0} for k, v in states(1, 3, 2)), {"key": "k3", "value": None, "partition": 0}])
    view.run_to_end()
    view.assert_converged()
    view.produce([{"key": "k3", "value": event("k3", 2, event_id="late"), "partition": 0}])
    view.run_to_end()
    view.assert_converged()
    assert "k3" not in index.rows() and not has_dead_letters(view)
    assert index.ask("GET", f"{index.name}-readers/_count")["count"] == 19
    # Made again after it was lost.
    index.ask("DELETE", index.name)
    view.run_to_end()
    view.assert_converged()


@on_opensearch
def test_a_user_of_the_plugin_without_the_rights_ends_the_start(make_view, index):
    User(index, actions=("read",))
    view = make_view(index, elasticsearch={"ca_file": index.ca_file})
    view.produce(states(1))
    process = view.run()
    assert process.wait(60) == 1
    assert "permission_denied" in process.errors and "section 3" in process.errors
    assert "Pa55-of-a-user" not in process.errors
    assert not has_dead_letters(view)


@on_opensearch
def test_rights_that_the_plugin_withdraws_are_waited_for(make_view, index):
    user = User(index)
    view = make_view(index, rules=VERSIONED, elasticsearch={"ca_file": index.ca_file})
    view.produce(states(1))
    process = view.run()
    view.wait_caught_up(process)
    user.set_rights([], ["read", "indices:monitor/*"])
    view.produce(states(2))
    views.wait_not_ready(process, "permission_denied")
    user.set_rights(**LEAST)
    view.wait_caught_up(process)
    assert process.stop() == 0 and not has_dead_letters(view)


# --- servers that have just begun to listen -----------------------------------------------------------------------------------------


def restart_under(view, server, *, meanwhile):
    """The server stops, the program starts, the server starts again: it must get through all that the server says on its way."""
    server.stop()
    process = view.run()
    harness.wait_until(lambda: "sink_unreachable" in process.errors, what="the outage")
    again = threading.Thread(target=server.restart)
    again.start()
    try:
        if meanwhile:
            views.wait_not_ready(process, meanwhile, seconds=60)
    finally:
        again.join()
    view.wait_caught_up(process)
    assert process.stop() == 0 and not has_dead_letters(view)


@on_opensearch
def test_a_plugin_that_is_not_yet_initialized_is_an_outage(make_view, index):
    view = make_view(index, rules=VERSIONED, elasticsearch={"ca_file": index.ca_file}, retry={"initial": "50ms", "max": "50ms"})
    view.produce(states(1))
    view.run_to_end()
    view.produce(states(2))
    restart_under(view, index.server, meanwhile="sink_unavailable")


def on_in_turn(argument, **values):
    """Each server with a value of its own."""
    marks = {name: pytest.mark.xdist_group(f"{name} with TLS") for name in values}
    return pytest.mark.parametrize(f"server, {argument}", [pytest.param(name, value, marks=marks[name]) for name, value in values.items()],
                                   indirect=["server"])


@on_in_turn("whose", elasticsearch="key", elasticsearch8="user")
def test_logins_that_the_server_can_not_yet_judge_do_not_end_the_start(make_view, index, whose):
    """Elasticsearch listens before it can read its index .security, and answers 401 until then."""
    settings = {"ca_file": index.ca_file}
    if whose == "key":
        settings["api_key"] = index.make_key()["encoded"]
        index.url = f"elasticsearch+https://{index.host}/{index.name}"
    else:
        name = targets.unique("user")
        index.ask("POST", f"_security/role/{name}", RIGHTS)
        index.ask("POST", f"_security/user/{name}", {"password": "Pa55-of-a-user", "roles": [name]})
        index.url = index.url_of(f"{name}:Pa55-of-a-user")
    view = make_view(index, rules=VERSIONED, elasticsearch=settings, retry={"initial": "50ms", "max": "50ms"})
    view.produce(states(1))
    view.run_to_end()
    view.produce(states(2))
    restart_under(view, index.server, meanwhile=None)
