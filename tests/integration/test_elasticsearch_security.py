"""Elasticsearch with its own security: TLS with a certificate that the test signs, and API keys that the server makes."""

import base64
import http.client
import pathlib
import shutil
import ssl
import subprocess
import tempfile
import time

import harness
import pytest
import targets
import views
from views import VERSIONED, event

RIGHTS = {"cluster": ["monitor"],
          "indices": [{"names": ["k*", ".upsink-*"], "privileges": ["create_index", "manage", "read", "write"]}]}


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


@pytest.fixture(scope="module")
def server():
    directory = pathlib.Path(tempfile.mkdtemp(prefix="upsink-es-"))
    directory.chmod(0o755)  # the server's user must be able to reach it
    make_certificates(directory / "tls")
    server = harness.Server("elasticsearch", directory / "server", ELASTICSEARCH_TLS=str(directory / "tls"))
    server.tls = directory / "tls"
    yield server
    server.stop()
    shutil.rmtree(directory)


class Index(targets.OpensearchTarget):
    """An index behind TLS."""

    def __init__(self, server):
        self.server, self.name = server, targets.unique("k")
        self.host, self.user = f"localhost:{server.env['SEARCH_PORT']}", server.env["SEARCH_USER"]
        self.url = f"elasticsearch+https://{self.user}@{self.host}/{self.name}"
        self.ca_file = str(server.tls / "ca.crt")
        self.headers = {**self.headers, "Authorization": f"Basic {base64.b64encode(self.user.encode()).decode()}"}

    def connect(self):
        context = ssl.create_default_context(cafile=self.ca_file)
        return http.client.HTTPSConnection("localhost", int(self.server.env["SEARCH_PORT"]), timeout=30, context=context)

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


@pytest.mark.parametrize("scheme", ["elasticsearch", "opensearch"])
def test_rows_go_over_tls_with_the_authority_that_is_named(make_view, index, scheme):
    index.url = index.url.replace("elasticsearch", scheme, 1)
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


@pytest.mark.parametrize("ca", [None, "stranger.crt"], ids=["the system's", "another one"])
def test_a_certificate_of_an_unknown_authority_is_refused(make_view, index, ca):
    view = make_view(index, **({"elasticsearch": {"ca_file": str(index.server.tls / ca)}} if ca else {}))
    view.produce(states(1))
    refused_at_start(view, "its certificate is not one to trust")


def test_a_certificate_for_another_host_is_refused(make_view, index):
    index.url = index.url.replace("localhost", "127.0.0.1")
    view = make_view(index, elasticsearch={"ca_file": index.ca_file})
    view.produce(states(1))
    refused_at_start(view, "127.0.0.1", "the name that stands in it")


@pytest.mark.parametrize("content", [None, "no certificate\n"], ids=["absent", "of another kind"])
def test_a_file_of_authorities_that_can_not_be_read_is_named(make_view, index, tmp_path, content):
    path = tmp_path / "authorities.pem"
    if content:
        path.write_text(content)
    view = make_view(index, elasticsearch={"ca_file": str(path)})
    refused_at_start(view, "elasticsearch.ca_file can't be read", str(path))


def test_plain_http_to_a_port_with_tls_is_an_outage_that_tells_why(make_view, index):
    index.url = index.url.replace("+https", "")
    view = make_view(index)
    view.produce(states(1))
    process = view.run()
    views.wait_not_ready(process, "sink_unreachable", "does it speak TLS?", "elasticsearch+https://")
    assert process.stop() == 0
    assert not has_dead_letters(view)


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
