"""upsink demo: all of it in one process, and against real servers."""

import os
import pty
import re
import shutil
import sqlite3
import subprocess

import pytest

import harness
from harness import UPSINK


@pytest.fixture
def demo(tmp_path):
    def run(*args, **environment):
        done = subprocess.run([UPSINK, "demo", *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=120 * harness.PATIENCE,
                              env={**os.environ, "TMPDIR": str(tmp_path), **environment})
        return done.returncode, done.stdout, done.stderr
    return run


def number(text):
    return int(text.replace(",", ""))


def outcome(output):
    """{what became of them: how many}"""
    lines = re.search(r"What became of the .*:\n((?:  .*\n)+)", output).group(1).splitlines()
    return {match[2]: number(match[1]) for match in (re.match(r"\s+([\d,]+)\s{2}(.*?)\s{2,}", line) for line in lines)}


def verdict(output):
    orders, rows, absent = re.search(r"The view equals the topic: ([\d,]+) orders? checked field by field,\n"
                                     r"([\d,]+) with the latest state, ([\d,]+) rightly without a row", output).groups()
    return number(orders), number(rows), number(absent)


def test_it_needs_no_server_and_ends_with_the_proof(demo, tmp_path):
    status, output, errors = demo("--events", "8000")
    assert status == 0, output + errors
    assert "\033" not in output + errors
    counts = outcome(output)
    assert counts.pop("in all") == 8000 == sum(counts.values())
    assert {"upserts applied", "deletes applied", "superseded", "duplicates", "stale", "dead letters"} <= set(counts)
    orders, rows, absent = verdict(output)
    assert orders == 2000 == rows + absent
    [file] = tmp_path.glob("upsink-demo-*/demo.db")
    assert str(file) in output, "where the file is has to be said"
    with sqlite3.connect(file) as db:
        assert db.execute("SELECT count(*) FROM orders").fetchone() == (rows,)
    table = re.search(r"COUNT  CODE.*\n((?:  .*\n)+)", output).group(1)
    assert sum(number(line.split()[0]) for line in table.splitlines()) == counts["dead letters"]
    assert {line.split()[1] for line in table.splitlines()} == {
        "invalid_json", "invalid_utf8", "missing_attribute", "missing_field", "invalid_version", "missing_key"}


def test_the_commands_that_it_names_work(demo):
    status, output, _ = demo("--events", "400")
    assert status == 0 and "upsink plan" in output and "upsink run" in output
    command = next(line for line in output.splitlines() if line.startswith("  sqlite3 "))
    done = subprocess.run(command, shell=True, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 5 and done.stdout.startswith("ord-")
    remove = next(line for line in output.splitlines() if line.startswith("  rm -r "))
    directory = remove.split()[-1]
    assert os.path.isdir(directory)
    shutil.rmtree(directory)


def test_the_settings_for_a_real_cluster_do_not_concern_the_broker_inside(demo):
    status, output, errors = demo("--events", "200", UPSINK_KAFKA__SECURITY__PROTOCOL="SASL_SSL")
    assert status == 0, output + errors


@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_terminal_gets_a_bar_and_colours_unless_it_wants_none(tmp_path, no_color):
    ours, theirs = pty.openpty()
    process = subprocess.Popen([UPSINK, "demo", "--events", "500"], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
                               env={**os.environ, "TMPDIR": str(tmp_path), "TERM": "xterm", "NO_COLOR": no_color})
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert process.wait(60 * harness.PATIENCE) == 0
    assert b"\r\033[K  [" in shown and b"The view equals the topic" in shown
    assert (b"\033[1m" in shown) == (not no_color)


def test_real_servers_are_filled_and_left_for_people_to_look_at(demo, kafka, postgres):
    # The schema of the database's own user.
    sink = postgres.env["POSTGRES_APP_URL"]
    status, output, errors = demo("--events", "4000", "--brokers", kafka.brokers, "--sink", sink)
    assert status == 0, output + errors
    assert "secret" not in output + errors
    topic = re.search(r"Topic\s+(\S+),", output).group(1)
    counts, (_, rows, _) = outcome(output), verdict(output)
    assert counts["in all"] == 4000 == len(kafka.read(topic))
    assert len(kafka.read(topic + ".dlq")) == counts["dead letters"]
    table = topic.replace("-", "_")
    app = harness.psycopg2.connect(sink)
    with app, app.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        assert cursor.fetchone() == (rows,)
    app.close()
    assert f"--delete --topic '{topic}.*'" in output and f"DROP TABLE {table}" in output


@pytest.mark.parametrize("store", ["mongodb", "redis"])
def test_numbers_count_by_their_value_and_what_stays_is_named(demo, request, store):
    server = request.getfixturevalue(store)
    url = server.env[f"{store.upper()}_URL"]
    status, output, errors = demo("--events", "2000", "--sink", url)
    assert status == 0, output + errors
    assert verdict(output)[0] == 500
    assert re.search(rf"The table stays. Look around, then remove it:\n  the rows are in {store}://.* '?demo-orders-", output)


def test_a_store_that_changes_what_it_is_given_is_found_out(demo, tmp_path):
    file = tmp_path / "liar.db"
    status, output, errors = demo("--events", "40", "--sink", f"sqlite:{file}?table=t")
    assert status == 0, output + errors
    with sqlite3.connect(file) as db:
        db.executescript("""
            DELETE FROM t; DELETE FROM _upsink_views; DELETE FROM _upsink_state; DELETE FROM _upsink_fences_t;
            CREATE TRIGGER lie AFTER INSERT ON t WHEN new.rowid % 3 = 0
            BEGIN UPDATE t SET doc = json_set(doc, '$.status', 'LOST') WHERE key = new.key; END;""")
    status, output, errors = demo("--events", "400", "--sink", f"sqlite:{file}?table=t")
    assert status == 1, output + errors
    assert "The view does NOT equal the topic" in output and "its row differs from the latest event" in output


def test_what_can_not_work_is_said_in_one_line(demo):
    for args, expected, part in ((["--events", "0"], 2, "--events"), (["--sink", "stdout:"], 2, "stdout"),
                                 (["--sink", "mysql://x"], 2, "mysql"),
                                 (["--sink", f"postgres://nobody@127.0.0.1:{harness.free_port()}/x"], 1, "Connection refused"),
                                 (["--brokers", f"127.0.0.1:{harness.free_port()}"], 1, "Kafka can't be reached")):
        status, _, errors = demo(*args)
        assert status == expected and part in errors and errors.startswith("upsink: ") and errors.count("\n") == 1, errors
