"""upsink plan: tells what run would do, and changes nothing."""

import json
import subprocess
import uuid

import confluent_kafka
import pytest

import harness
import views
from harness import UPSINK, order_event


def plan(*args, brokers, topic, sink):
    done = subprocess.run([UPSINK, "plan", "--brokers", brokers, "--topic", topic, "--sink", sink, *args],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=60 * harness.PATIENCE)
    return done.returncode, done.stdout, done.stderr


def lines(output, kind):
    return [line for line in map(json.loads, output.splitlines()) if line["kind"] == kind]


def state_of_kafka(kafka):
    metadata = kafka.admin.list_topics(timeout=10)
    topics = {name: len(topic.partitions) for name, topic in metadata.topics.items()}
    groups = sorted(group.id for group in kafka.admin.list_groups(timeout=10))
    return topics, groups


def state_of_postgres(postgres):
    tables = postgres.query("SELECT table_schema, table_name, column_name FROM information_schema.columns "
                            "WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2, 3")
    rows = {}
    for schema, table in sorted({(s, t) for s, t, _ in tables}):
        # ctid and xmin would tell of a row that was rewritten as it was.
        rows[table] = postgres.query(f'SELECT ctid::text, xmin::text, t::text FROM "{schema}"."{table}" t ORDER BY 1')
    return tables, rows


@pytest.fixture
def orders(kafka):
    topic = kafka.create_topic(partitions=2)
    kafka.produce(topic, [
        {"key": "a", "value": order_event("a", 1), "partition": 0},
        {"key": "b", "value": order_event("b", 2), "partition": 1},
        {"key": "b", "value": None, "partition": 1},
        {"key": "c", "value": b'{"specversion":"1.0","id":"x', "partition": 0},
        {"key": None, "value": order_event("d", 4), "partition": 0},
    ])
    return topic


def test_a_plan_shows_everything_and_changes_nothing(kafka, postgres, orders):
    sink = postgres.sink(f"p_{uuid.uuid4().hex[:8]}")
    before = state_of_kafka(kafka), state_of_postgres(postgres)
    status, output, errors = plan(brokers=kafka.brokers, topic=orders, sink=sink)
    assert (status, errors) == (0, "")
    assert (state_of_kafka(kafka), state_of_postgres(postgres)) == before
    assert f"{orders}: 2 partitions, 5 records" in output
    assert f"upsink-{orders}-postgres: new" in output
    assert f"{orders}.dlq: to be created with the first one, 2 partitions" in output
    assert "CREATE TABLE" in output and "invalid_json" in output and "missing_key" in output
    last = output.strip().splitlines()[-1]
    assert "read 5 records from the beginning of 2 partitions" in last
    assert f"2 can't be applied: run would write them to {orders}.dlq" in last
    assert "Åsa" not in output, "a payload is shown"


def test_each_record_is_told_with_position_key_ids_version_and_size(kafka, postgres, orders):
    name = f"{orders}-postgres"
    status, output, _ = plan("-o", "json", "--set", f"views.{name}.version=/data/lastUpdated", "--set",
                             f"views.{name}.change_id=[/data/orderId,/data/lastUpdated]", brokers=kafka.brokers,
                             topic=orders, sink=postgres.sink("p_records"))
    assert status == 0
    records = {(r["partition"], r["offset"]): r for r in lines(output, "record")}
    assert sorted(records) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    first = records[0, 0]
    event = order_event("a", 1)
    assert (first["op"], first["key"], first["event_id"]) == ("upsert", "a", event["id"])
    assert first["version"] == 1767225601000000
    assert first["entity_bytes"] == len(json.dumps(event["data"], separators=(",", ":"), ensure_ascii=False).encode())
    assert event["data"]["lastUpdated"] in first["change_id"]
    assert (records[1, 1]["op"], records[1, 1]["value_bytes"]) == ("delete", None)
    broken = records[0, 1]
    assert (broken["op"], broken["code"], broken["key"]) == ("rejected", "invalid_json", "c")
    assert records[0, 2]["code"] == "missing_key" and records[0, 2]["message"]
    [run] = lines(output, "run")
    assert run["ok"] and run["rejected"] == 2
    assert [(p["low"], p["high"], p["committed"], p["start"]) for p in lines(output, "partition")] == \
        [(0, 3, None, 0), (0, 2, None, 0)]
    assert any("CREATE TABLE" in s["text"] for s in lines(output, "statement"))


def test_as_many_records_are_mapped_as_are_asked_for_and_every_partition_has_its_turn(kafka, orders):
    status, output, _ = plan("-o", "json", "--records", "2", brokers=kafka.brokers, topic=orders, sink="stdout:")
    assert status == 0
    assert [(r["partition"], r["offset"]) for r in lines(output, "record")] == [(0, 0), (1, 0)]
    status, output, _ = plan("-o", "json", "--records", "0", brokers=kafka.brokers, topic=orders, sink="stdout:")
    assert status == 0 and lines(output, "record") == []


def test_after_a_run_it_goes_on_and_a_lost_table_is_filled_again(kafka, postgres, upsink, orders):
    table = f"p_{uuid.uuid4().hex[:8]}"
    sink = postgres.sink(table)
    assert upsink("--brokers", kafka.brokers, "--topic", orders, "--sink", sink, "--until-end").wait() == 0
    kafka.produce(orders, [{"key": "e", "value": order_event("e", 5), "partition": 0}])
    before = state_of_kafka(kafka), state_of_postgres(postgres), kafka.committed(f"upsink-{orders}-postgres", orders, 2)
    status, output, errors = plan(brokers=kafka.brokers, topic=orders, sink=sink)
    assert (status, errors) == (0, "")
    after = state_of_kafka(kafka), state_of_postgres(postgres), kafka.committed(f"upsink-{orders}-postgres", orders, 2)
    assert after == before
    assert "run would go on where it stopped, with 1 record to catch up on." in output
    assert "has offsets, and no instance running" in output and f"{orders}.dlq: exists" in output
    assert "CREATE TABLE" not in output
    postgres.query(f"DROP TABLE {table}")
    status, output, _ = plan(brokers=kafka.brokers, topic=orders, sink=sink)
    assert status == 0 and "the target lost what it held" in output
    assert "read 6 records from the beginning of 2 partitions" in output


def test_a_running_instance_is_seen_and_not_disturbed(kafka, postgres, upsink, orders):
    sink = postgres.sink(f"p_{uuid.uuid4().hex[:8]}")
    service = upsink("--brokers", kafka.brokers, "--topic", orders, "--sink", sink)
    harness.wait_until(lambda: harness.total(service.metrics(), "upsink_records_consumed_total") == 5, what="5 records")
    status, output, _ = plan(brokers=kafka.brokers, topic=orders, sink=sink)
    assert status == 0 and "one instance running now" in output
    assert service.errors.count("partition assigned") == 2, "the group was rebalanced"
    assert service.stop() == 0


def test_a_new_cluster_gets_no_topic_not_even_kafkas_own(tmp_path):
    kafka = harness.Kafka(tmp_path / "kafka", KAFKA_AUTOCREATE="1", KAFKA_HEAP="256m")
    try:
        topic = kafka.create_topic()
        kafka.produce(topic, [("a", order_event("a", 1))])
        for name in (topic, "not-there"):
            plan(brokers=kafka.brokers, topic=name, sink=f"sqlite:{tmp_path}/x.db")
        assert state_of_kafka(kafka) == ({topic: 1}, [])
        assert not (tmp_path / "x.db").exists()
    finally:
        kafka.stop()


def test_a_topic_that_does_not_exist_is_told_with_the_name_that_was_meant(kafka, orders):
    before = state_of_kafka(kafka)
    status, output, errors = plan(brokers=kafka.brokers, topic=orders + "x", sink="stdout:")
    assert status == 1 and f"topic {orders}x does not exist; did you mean \"{orders}\"?" in errors
    assert errors.count("\n") == 1 and "wait until there is such a topic" in output
    assert state_of_kafka(kafka) == before


def test_an_unreachable_broker_is_told_soon_and_the_sink_is_looked_at_all_the_same(postgres):
    port = harness.free_port()
    status, output, errors = plan(brokers=f"127.0.0.1:{port}", topic="orders", sink=postgres.sink("p_unreachable"))
    assert status == 1 and "Kafka can't be reached" in errors and "Connection refused" in errors
    assert "CREATE TABLE" in output and errors.count("\n") == 1


def test_a_wrong_password_is_a_refusal_and_is_not_shown(kafka, postgres, orders):
    sink = postgres.env["POSTGRES_APP_URL"].replace("secret", "s3cr3t-and-wrong")
    status, output, errors = plan(brokers=kafka.brokers, topic=orders, sink=sink)
    assert status == 1 and "password authentication failed" in errors
    assert "s3cr3t" not in output + errors and "run would fail" in output
    assert f"{orders}: 2 partitions" in output


def test_a_table_of_another_shape_is_refused_and_left_alone(kafka, postgres, orders):
    table = f"p_{uuid.uuid4().hex[:8]}"
    postgres.query(f"CREATE TABLE {table} (id integer PRIMARY KEY, name text)")
    before = state_of_postgres(postgres)
    status, _, errors = plan(brokers=kafka.brokers, topic=orders, sink=postgres.sink(table))
    assert status == 1 and table in errors and "key" in errors
    assert state_of_postgres(postgres) == before


def test_a_file_that_can_not_be_made_is_found_without_making_it(kafka, orders, tmp_path):
    status, output, errors = plan(brokers=kafka.brokers, topic=orders, sink=f"sqlite:{tmp_path}/nowhere/x.db")
    assert status == 1 and "No such file or directory" in errors and "run would start, and try again" in output
    assert list(tmp_path.iterdir()) == []


def test_a_table_of_another_view_is_refused(kafka, postgres, upsink, orders):
    sink = postgres.sink(f"p_{uuid.uuid4().hex[:8]}")
    assert upsink("--brokers", kafka.brokers, "--topic", orders, "--sink", sink, "--until-end").wait() == 0
    status, _, errors = plan("--name", "another", brokers=kafka.brokers, topic=orders, sink=sink)
    assert status == 1 and f"{orders}-postgres" in errors


def test_without_the_right_to_create_missing_tables_are_a_problem(kafka, postgres, orders):
    status, output, errors = plan("--set", f"views.{orders}-postgres.create=never", brokers=kafka.brokers, topic=orders,
                                  sink=postgres.sink("p_never"))
    assert status == 1 and "create: never" in errors and "CREATE TABLE" in output


def test_a_configuration_that_is_wrong_ends_with_2(kafka, orders):
    assert plan("--records", "many", brokers=kafka.brokers, topic=orders, sink="stdout:")[0] == 2
    assert plan("--set", "kafka.auto.offset.reset=error", brokers=kafka.brokers, topic=orders, sink="stdout:")[0] == 2
    status, _, errors = plan(brokers=kafka.brokers, topic=orders, sink="sqlite:x.db?tabel=t")
    assert status == 2 and "tabel" in errors


def test_offsets_set_by_hand_are_explained(kafka, orders):
    consumer = confluent_kafka.Consumer({"bootstrap.servers": kafka.brokers, "group.id": f"upsink-{orders}-stdout",
                                         "enable.auto.commit": False})
    consumer.commit(offsets=[confluent_kafka.TopicPartition(orders, 0, 2)], asynchronous=False)
    consumer.close()
    status, output, _ = plan("-o", "json", brokers=kafka.brokers, topic=orders, sink="stdout:")
    assert status == 0
    first, second = lines(output, "partition")
    assert (first["committed"], first["lag"], first["start"]) == (2, 1, 2)
    assert (second["committed"], second["start"]) == (None, 0)


def test_several_views_are_planned_each_and_one_problem_fails_all(kafka, orders, tmp_path):
    config = tmp_path / "upsink.yaml"
    config.write_text(json.dumps({"kafka": {"bootstrap.servers": kafka.brokers}, "views": {
        "good": {"topic": orders, "sink": f"sqlite:{tmp_path}/a.db"},
        "bad": {"topic": "nowhere-" + orders, "sink": f"sqlite:{tmp_path}/a.db"}}}))
    done = subprocess.run([UPSINK, "plan", "-c", config], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert "View good" in done.stdout and "View bad" in done.stdout and "view bad:" in done.stderr
    done = subprocess.run([UPSINK, "plan", "-c", config, "--view", "good"], stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0 and "View bad" not in done.stdout


def test_aborted_transactions_are_not_among_the_records(kafka):
    topic = kafka.create_topic()
    producer = kafka.producer(**{"transactional.id": f"tx-{uuid.uuid4().hex}"})
    producer.init_transactions()
    for commit, key in ((False, "aborted"), (True, "committed")):
        producer.begin_transaction()
        producer.produce(topic, key=key, value=json.dumps(order_event(key, 1)))
        producer.flush(30)
        producer.commit_transaction() if commit else producer.abort_transaction()
    status, output, _ = plan("-o", "json", brokers=kafka.brokers, topic=topic, sink="stdout:")
    assert status == 0 and [r["key"] for r in lines(output, "record")] == ["committed"]


def test_a_target_that_was_dropped_is_said_to_be_filled_again(make_view, quick_target, tmp_path):
    view = make_view(quick_target, rules=views.VERSIONED)
    view.produce([{"key": "a", "value": views.event("a", 1)}, {"key": "b", "value": views.event("b", 1)}])
    view.run_to_end()
    config = tmp_path / "view.json"
    config.write_text(json.dumps(view.config()))
    assert "go on where it stopped, with nothing to catch up on" in plan_of(config)
    quick_target.drop()
    assert "read 2 records from the beginning" in plan_of(config)


def plan_of(config):
    done = subprocess.run([UPSINK, "plan", "-c", config], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60 * harness.PATIENCE, check=True)
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize("command", [["run", "--until-end"], ["plan"]], ids=["run", "plan"])
def test_two_views_into_one_target_are_refused_before_anything_is_done(kafka, tmp_path, command):
    sink = f"sqlite:{tmp_path}/both.db"
    config = tmp_path / "both.json"
    config.write_text(json.dumps({"kafka": {"bootstrap.servers": kafka.brokers}, "views": {
        "orders": {"topic": "o", "sink": sink, "table": "t"}, "returns": {"topic": "r", "sink": f"{sink}?table=t"}}}))
    done = subprocess.run([UPSINK, *command, "-c", config], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60 * harness.PATIENCE, check=False)
    assert done.returncode == 2 and not (tmp_path / "both.db").exists()
    assert "the views orders and returns both write into" in done.stderr and "both.db table t" in done.stderr


def test_views_that_differ_in_their_search_path_may_name_a_table_alike(kafka, postgres, tmp_path):
    topic, names, config = kafka.create_topic(), ("one", "two"), tmp_path / "paths.json"
    for name in names:
        postgres.query(f"CREATE SCHEMA IF NOT EXISTS path_{name}")
    views_of = {name: {"topic": topic, "sink": postgres.sink("alike") + f"&options=-csearch_path%3Dpath_{name}"} for name in names}
    config.write_text(json.dumps({"kafka": {"bootstrap.servers": kafka.brokers}, "views": views_of}))
    done = subprocess.run([UPSINK, "run", "--until-end", "-c", config], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60 * harness.PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    assert len(postgres.query("SELECT 1 FROM pg_tables WHERE tablename = 'alike' AND schemaname LIKE 'path_%'")) == 2
