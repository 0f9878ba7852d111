"""The least rights that a view needs, as the manual lists them, on a Kafka with SASL and ACLs and on a Postgres role."""

import json
import re
import subprocess
import uuid

import pytest

import harness
import views

PASSWORD = "kafka-Pa55w0rd"

pytestmark = pytest.mark.xdist_group("secured")  # one broker for all


class SecuredKafka(harness.Kafka):
    """Besides the open listener, whose users may do anything, one with SASL whose users may do what ACLs grant."""

    def __init__(self, directory):
        super().__init__(directory)
        open_port, controller = self.env["KAFKA_PORT"], self.env["KAFKA_CONTROLLER_PORT"]
        self.secured = f"127.0.0.1:{harness.free_port()}"
        self.stop()
        with open(self.directory / "server.properties", "a") as properties:
            properties.write(f"""
listeners=PLAINTEXT://127.0.0.1:{open_port},CONTROLLER://127.0.0.1:{controller},SASL://{self.secured}
advertised.listeners=PLAINTEXT://127.0.0.1:{open_port},SASL://{self.secured}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT
inter.broker.listener.name=PLAINTEXT
listener.name.sasl.sasl.enabled.mechanisms=PLAIN
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_upsink="{PASSWORD}";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
""")
        self.restart()

    def grant(self, *operations_on):
        self._acl("--add", operations_on)

    def revoke(self, *operations_on):
        self._acl("--remove", operations_on, "--force")

    def _acl(self, what, operations_on, *more):
        words = [word for operation in operations_on for word in ("--operation", operation)
                 if operation in ("Read", "Write", "Describe", "DescribeConfigs", "Create")]
        kind, name = operations_on[-2:]
        self.tool("org.apache.kafka.tools.AclCommand", "--bootstrap-server", self.brokers, what, "--allow-principal", "User:upsink", *words,
                  f"--{kind}", name, *more)


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    server = SecuredKafka(tmp_path_factory.mktemp("secured") / "server")
    yield server
    server.stop()


def flags(kafka, password=PASSWORD):
    settings = {"security.protocol": "sasl_plaintext", "sasl.mechanism": "PLAIN", "sasl.username": "upsink", "sasl.password": password}
    return ["--brokers", kafka.secured, *[word for name, value in settings.items() for word in ("--set", f"kafka.{name}={value}")]]


def make_topic(kafka):
    topic = kafka.create_topic()
    kafka.produce(topic, [("a", harness.order_event("a", 1)), ("bad", b"{"), ("b", harness.order_event("b", 1))])
    return topic


def grant_reading(kafka, topic, view):
    kafka.grant("Read", "Describe", "topic", topic)
    kafka.grant("Read", "group", f"upsink-{view}")


def wait_keys(target, keys, process):
    harness.wait_until(lambda: target.has_table() and set(target.rows()) == set(keys), 60, f"{keys}; {process.errors[-3000:]}")


def test_the_rights_that_the_manual_lists_are_enough(secured, upsink, target):
    topic = make_topic(secured)
    grant_reading(secured, topic, "least")
    secured.grant("Write", "Describe", "Create", "topic", f"{topic}.dlq")
    process = upsink(*flags(secured), "--topic", topic, "--sink", target.url, "--name", "least", "--until-end")
    assert process.wait() == 0, process.errors
    assert set(target.rows()) == {"a", "b"}
    assert len(secured.read(f"{topic}.dlq")) == 1
    assert secured.committed("upsink-least", topic) == [3]
    secured.grant("Read", "topic", f"{topic}.dlq")
    secured.grant("Read", "Describe", "topic", f"{topic}.dlq.state")
    done = subprocess.run([harness.UPSINK, "dlq", "list", *flags(secured), "--topic", topic, "--sink", target.url, "--name", "least", "-o",
                           "json"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.count("\n")) == (0, 1), done.stderr


def test_wrong_credentials_end_the_start(secured, upsink, target):
    topic = make_topic(secured)
    process = upsink(*flags(secured, "wrong-" + PASSWORD), "--topic", topic, "--sink", target.url)
    assert process.wait(30) == 1
    assert "kafka_refused" in process.errors and "Kafka refuses the credentials of view" in process.errors
    assert PASSWORD not in process.errors


def test_without_the_right_to_read_the_topic_it_waits_and_says_so(secured, upsink, target):
    topic = make_topic(secured)
    view = f"{topic}-x"
    secured.grant("Read", "group", f"upsink-{view}")
    process = upsink(*flags(secured), "--topic", topic, "--sink", target.url, "--name", view, "--set",
                     "kafka.topic.metadata.refresh.interval.ms=1000")
    views.wait_not_ready(process, "Topic authorization failed", topic)
    grant_reading(secured, topic, view)
    secured.grant("Write", "Describe", "Create", "topic", f"{topic}.dlq")
    wait_keys(target, "ab", process)
    views.wait_ready(process)


def test_without_the_right_to_use_the_group_it_waits_and_says_so(secured, upsink, target):
    topic = make_topic(secured)
    view = f"{topic}-x"
    secured.grant("Read", "Describe", "topic", topic)
    secured.grant("Write", "Describe", "Create", "topic", f"{topic}.dlq")
    process = upsink(*flags(secured), "--topic", topic, "--sink", target.url, "--name", view)
    views.wait_not_ready(process, "Group authorization failed")
    secured.grant("Read", "group", f"upsink-{view}")
    wait_keys(target, "ab", process)
    views.wait_ready(process)


def test_without_the_right_to_write_dead_letters_it_stops_there_and_says_so(secured, upsink, target):
    topic = make_topic(secured)
    view = f"{topic}-x"
    grant_reading(secured, topic, view)
    secured.create_topic(f"{topic}.dlq")
    secured.grant("Describe", "topic", f"{topic}.dlq")
    process = upsink(*flags(secured), "--topic", topic, "--sink", target.url, "--name", view, "--set", f"views.{view}.retry.max=1s")
    reason = views.wait_not_ready(process, "dlq_unauthorized")
    assert f"{topic}.dlq" in reason and "Write" in reason
    assert not target.has_table() or not target.rows()
    secured.grant("Write", "topic", f"{topic}.dlq")
    wait_keys(target, "ab", process)
    views.wait_ready(process)
    assert len(secured.read(f"{topic}.dlq")) == 1


def test_rights_that_are_withdrawn_are_waited_for(secured, upsink, target):
    topic = make_topic(secured)
    view = f"{topic}-x"
    grant_reading(secured, topic, view)
    secured.grant("Write", "Describe", "Create", "topic", f"{topic}.dlq")
    process = upsink(*flags(secured), "--topic", topic, "--sink", target.url, "--name", view)
    wait_keys(target, "ab", process)
    secured.revoke("Read", "topic", topic)
    secured.produce(topic, [("c", harness.order_event("c", 1))])
    views.wait_not_ready(process, "Topic authorization failed", topic)
    secured.grant("Read", "topic", topic)
    wait_keys(target, "abc", process)
    views.wait_ready(process)
    assert process.errors.count("\n") < 60, "a log that floods"
    assert process.stop() == 0


# --- Postgres ---------------------------------------------------------------------------------------


def statements(title, number):
    """The SQL under a sentence of the manual."""
    text = (harness.ROOT / "docs/manual.md").read_text().split("## 10. Rights", 1)[1]
    return text.split(title, 1)[1].split("```sql\n", number + 1)[number + 1].split("```", 1)[0]


@pytest.fixture
def database(postgres):
    """A database whose schema `public` is nobody's but the superuser's, and a role that the manual makes."""
    name = f"d{uuid.uuid4().hex[:8]}"
    postgres.query(f"CREATE DATABASE {name}")
    admin = harness.Postgres.__new__(harness.Postgres)
    admin.url = postgres.url.rsplit("/", 1)[0] + "/" + name
    admin.role = f"r{name}"
    admin.run = lambda sql: admin.query(re.sub(r"\bupsink\b", admin.role, sql))
    return admin


def run_as(admin, upsink, kafka, topic, *args):
    url = re.sub(r"//postgres@", f"//{admin.role}:change%20me@", admin.url)
    return upsink("--brokers", kafka.brokers, "--topic", topic, "--sink", f"{url}?table=orders", "--name", topic, "--until-end", *args)


def test_a_role_that_may_create_needs_no_more_than_the_manual_says(kafka, upsink, database):
    database.run(statements("### Postgres", 0))
    topic = make_orders(kafka)
    assert run_as(database, upsink, kafka, topic).wait() == 0
    kafka.produce(topic, [("b", {"n": 2}), ("a", None)])
    assert run_as(database, upsink, kafka, topic).wait() == 0
    assert database.query("SELECT key FROM orders") == [("b",)]


def test_a_role_that_may_not_create_needs_no_more_than_the_manual_says(kafka, upsink, database):
    topic = make_orders(kafka)
    planned = subprocess.run([harness.UPSINK, "plan", "--brokers", kafka.brokers, "--topic", topic, "--sink", f"{database.url}?table=orders",
                              "--name", topic, "-o", "json"], capture_output=True, text=True, timeout=60)
    for line in map(json.loads, planned.stdout.splitlines()):
        if line["kind"] == "statement":
            database.query(line["text"])
    database.run(statements("### Postgres", 1))
    never = ("--set", f"views.{topic}.create=never")
    process = run_as(database, upsink, kafka, topic, *never)
    assert process.wait() == 0, process.errors
    kafka.produce(topic, [("b", {"n": 2}), ("a", None)])
    assert run_as(database, upsink, kafka, topic, *never).wait() == 0
    assert database.query("SELECT key FROM orders") == [("b",)]
    assert len(kafka.read(f"{topic}.dlq")) == 1


def make_orders(kafka):
    topic = kafka.create_topic()
    kafka.produce(topic, [("a", {"n": 1}), ("b", {"n": 1}), ("b", None), ("nul", {"n": "\0"})])
    return topic
