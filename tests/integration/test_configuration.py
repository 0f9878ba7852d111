"""What a user is told about a configuration that is wrong: exit status 2, one line, the place, the nearest name, no secret."""

import socket
import subprocess

import pytest

import harness

SECRET = "s3cretPa55w0rd"
KAFKA = 'kafka: {bootstrap.servers: "127.0.0.1:1"}\n'
ORDERS = "views:\n  orders:\n    topic: orders\n    sink: 'stdout:'\n"


def run(*words, environment=None, directory=None):
    process = subprocess.Popen([harness.UPSINK, *map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True, cwd=directory, env={"PATH": "/usr/bin:/bin", **(environment or {})})
    try:
        return process.wait(60 * harness.PATIENCE), process.stderr.read()
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"{words} did not end: {process.communicate()[1]}") from None


FILES = {
    "unknown-key": (KAFKA + ORDERS + "    tabel: x\n", 'c.yaml:6: unknown key "tabel" in views.orders; did you mean "table"?'),
    "unknown-section": (KAFKA + ORDERS + "kafak: {}\n", 'c.yaml:6: unknown key "kafak"; did you mean "kafka"?'),
    "unknown-kafka-property": (KAFKA.replace("}", f", sasl.pasword: {SECRET}}}") + ORDERS, 'did you mean "sasl.password"?'),
    "bad-kafka-value": (KAFKA.replace("}", ", fetch.min.bytes: some}") + ORDERS, "kafka.fetch.min.bytes"),
    "property-of-ours": (KAFKA.replace("}", ", group.id: x}") + ORDERS, "upsink-NAME"),
    "secret-of-the-wrong-kind": (KAFKA + f"http: {{token: [{SECRET}]}}\n" + ORDERS, "c.yaml:2: http.token: one value"),
    "number": (KAFKA + ORDERS + "    batch: {max_records: many}\n", 'views.orders.batch.max_records: "many" is not a whole number'),
    "bound": (KAFKA + ORDERS + "    batch: {max_records: 0}\n", "views.orders.batch.max_records"),
    "duration": (KAFKA + ORDERS + "    timeout: 30\n", "write a number with a unit"),
    "word": (KAFKA + ORDERS + "    on_error: stopp\n", 'is not one of dlq, stop or skip; did you mean "stop"?'),
    "pointer": (KAFKA + ORDERS + "    version: data/updated\n", 'did you mean "/data/updated"?'),
    "topic-name": (KAFKA + ORDERS.replace("topic: orders", "topic: 'or ders'"), "not the name of a topic"),
    "expression-that-takes-the-dead-letters": (KAFKA + ORDERS.replace("topic: orders", "topic: '^orders.*'"), "dead-letter topic orders.dlq"),
    "no-sink": (KAFKA + "views: {orders: {topic: orders}}\n", '"sink" is missing'),
    "no-topic": (KAFKA + "views: {orders: {sink: 'stdout:'}}\n", '"topic" is missing'),
    "no-brokers": (ORDERS, "kafka.bootstrap.servers"),
    "no-views": (KAFKA, "there are no views"),
    "key-twice": (KAFKA + ORDERS + "    topic: x\n", "c.yaml:6: \"topic\" stands here a second time; the first is in line 4"),
    "tab": (KAFKA + "views:\n\torders: x\n", "c.yaml:3: a tab"),
    "not-yaml": (KAFKA + "views: [\n", "c.yaml:"),
    "missing-variable": (KAFKA + ORDERS.replace("'stdout:'", "'postgres://a:${env:NO_SUCH}@h/d'"), "NO_SUCH is not set"),
    "missing-file": (KAFKA + ORDERS.replace("'stdout:'", "'postgres://a:${file:/no/such}@h/d'"), "can't read /no/such"),
    "not-a-url": (KAFKA + ORDERS.replace("stdout:", f"{SECRET}"), "this is not a URL"),
    "unknown-sink": (KAFKA + ORDERS.replace("stdout:", f"postgress://a:{SECRET}@h/d"), 'did you mean "postgres"?'),
    "unknown-url-parameter": (KAFKA + ORDERS.replace("stdout:", f"postgres://a:{SECRET}@h/d?tabel=x"), "parameter 'tabel'"),
    "broken-url": (KAFKA + ORDERS.replace("stdout:", f"postgres://a:{SECRET}%@h:port/d"), "view orders: the sink URL"),
    "table-twice": (KAFKA + ORDERS.replace("stdout:", "sqlite:x.db?table=a") + "    table: b\n", "the sink's URL says table= too"),
    "table-name": (KAFKA + ORDERS.replace("stdout:", "sqlite:x.db") + "    table: a.b\n", "view orders: the table a.b"),
    "open-to-all": (KAFKA + "http: {listen: '0.0.0.0:9464'}\n" + ORDERS, "needs http.token"),
    "types-without-envelope": (KAFKA + ORDERS + "    envelope: none\n    include_types: [A]\n", "view orders: include_types"),
    "later": (KAFKA + ORDERS + "    columns: {}\n", "views.orders.columns: not supported by this version"),
    "later-format": (KAFKA + ORDERS + "    value: {format: avro}\n", '"avro" is not supported by this version'),
}


@pytest.mark.parametrize("what", FILES)
def test_a_configuration_that_is_wrong_ends_with_2_and_one_line(tmp_path, what):
    text, words = FILES[what]
    (tmp_path / "c.yaml").write_text(text)
    status, errors = run("run", "-c", "c.yaml", directory=tmp_path)
    assert status == 2, errors
    assert errors.count("\n") == 1 and errors.startswith("upsink: ")
    assert words in errors
    assert SECRET not in errors


FLAGS = {
    "no-command": ("", "no command is given"),
    "unknown-command": ("rnu", 'did you mean "run"?'),
    "unknown-option": ("run --broker x:1", 'did you mean "--brokers"?'),
    "option-without-value": ("run --brokers", "--brokers needs a value, as in --brokers HOST:PORT"),
    "nothing-said": ("run", "give a file with -c FILE, or describe a view"),
    "no-sink": ("run --brokers x:1 --topic t", "--sink: missing"),
    "no-topic": ("run --brokers x:1 --sink stdout:", "--topic: missing"),
    "bad-topic": ("run --brokers x:1 --sink stdout: --topic a/b", "--topic: this is not the name of a topic"),
    "file-and-flags": ("run -c c.yaml --topic x", "with -c choose one by --view NAME"),
    "no-file": ("run -c no.yaml", "can't read no.yaml"),
    "no-view": ("run -c c.yaml --view order", 'did you mean "orders"?'),
    "set-without-value": ("run -c c.yaml --set x", "--set needs KEY=VALUE"),
    "set-unknown-view": ("run -c c.yaml --set views.order.table=x", 'did you mean "orders"?'),
    "set-unknown-key": ("run -c c.yaml --set http.tokn=" + SECRET, 'did you mean "token"?'),
    "argument": ("run -c c.yaml extra", 'does not expect the argument "extra"'),
    "log-level": ("run -c c.yaml --log-level loud", "--log-level"),
}


@pytest.mark.parametrize("what", FLAGS)
def test_flags_that_are_wrong_end_with_2_and_one_line(tmp_path, what):
    words, message = FLAGS[what]
    (tmp_path / "c.yaml").write_text(KAFKA + ORDERS)
    status, errors = run(*words.split(), directory=tmp_path)
    assert (status, errors.count("\n")) == (2, 1), errors
    assert message in errors and SECRET not in errors


def test_an_environment_variable_that_is_no_setting_is_refused(tmp_path):
    (tmp_path / "c.yaml").write_text(KAFKA + ORDERS)
    status, errors = run("run", "-c", "c.yaml", environment={"UPSINK_HTTP__TOKN": SECRET}, directory=tmp_path)
    assert status == 2 and "did you mean UPSINK_HTTP__TOKEN?" in errors and SECRET not in errors


def test_help_and_version_need_nothing_and_end_with_0():
    for words in (["--help"], ["run", "--help"], ["dlq", "--help"], ["--version"]):
        status, errors = run(*words)
        assert (status, errors) == (0, "")


def test_flags_win_over_the_environment_and_that_over_the_file(kafka, tmp_path):
    topic = kafka.create_topic()
    kafka.produce(topic, [("a", {"n": 1})])
    (tmp_path / "password").write_text(SECRET + "\n")
    (tmp_path / "c.yaml").write_text(f"""
kafka:
  bootstrap.servers: "127.0.0.1:1"
  sasl.password: ${{file:password}}
log: {{level: error}}
views:
  my-orders:
    topic: {topic}
    sink: "sqlite:file.db"
""")
    words = ["run", "-c", "c.yaml", "--until-end", "--http-listen", "off"]
    environment = {"UPSINK_KAFKA__BOOTSTRAP_SERVERS": kafka.brokers, "UPSINK_VIEWS__MY_ORDERS__SINK": "sqlite:environment.db"}
    assert run(*words, environment=environment, directory=tmp_path) == (0, "")
    assert (tmp_path / "environment.db").exists() and not (tmp_path / "file.db").exists()
    words += ["--set", "views.my-orders.sink=sqlite:flag.db", "--set", "views.my-orders.table=t"]
    assert run(*words, environment=environment, directory=tmp_path) == (0, "")
    assert (tmp_path / "flag.db").exists() and not (tmp_path / "file.db").exists()


def test_an_address_that_was_asked_for_and_is_taken_ends_the_start_and_the_default_gives_way(kafka, tmp_path):
    topic = kafka.create_topic()
    words = ["run", "--brokers", kafka.brokers, "--topic", topic, "--sink", "sqlite:x.db", "--until-end"]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        status, errors = run(*words, "--http-listen", f"127.0.0.1:{taken.getsockname()[1]}", directory=tmp_path)
        assert status == 1 and "http_address_taken" in errors and "is in use by another process" in errors
    with socket.socket() as default:
        try:
            default.bind(("127.0.0.1", 9464))
            default.listen()
        except OSError:
            pass  # somebody else has it, which is as good
        status, errors = run(*words, directory=tmp_path)
        assert status == 0 and "serving /metrics" in errors and "listen=127.0.0.1:9464" not in errors
