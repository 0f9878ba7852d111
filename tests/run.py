#!/usr/bin/python3
"""Runs the tests and ends with one line: N passed, N failed.

    tests/run.py                    everything
    tests/run.py unit contract      some suites: layers unit contract sinks example integration
    tests/run.py -k NAME            only tests whose name contains NAME, in every suite
    BUILD=build-asan tests/run.py   a sanitized build (make SAN=asan first)
    TEST_JOBS=1 tests/run.py        integration tests one after the other; 4 at once otherwise

A server that can't be started fails the run. Nothing is skipped in silence. Before the last line it tells which servers it ran
against.
"""

import argparse
import collections
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / os.environ.get("BUILD", "build")
SANITIZERS = {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=1", "UBSAN_OPTIONS": "print_stacktrace=1",
              "TSAN_OPTIONS": f"halt_on_error=1:second_deadlock_stack=1:suppressions={ROOT}/tests/tsan.supp"}

STARTED = tempfile.NamedTemporaryFile(prefix="upsink-servers-")  # each server adds a line: tests/servers/lib.sh
os.environ["UPSINK_SERVERS_LOG"] = STARTED.name
os.environ.pop("CMOCKA_TEST_FILTER", None)  # what is left out is left out by -k
# Servers that live for a minute or two spend most of their time on compiling themselves.
os.environ.setdefault("UPSINK_JVM_OPTIONS", "-XX:TieredStopAtLevel=1")

passed, failures = 0, []
counting = threading.Lock()


def count(name, ok, output=""):
    global passed
    with counting:
        if ok:
            passed += 1
        else:
            failures.append(name)
            print(f"FAILED {name}\n{output[-6000:]}", flush=True)


def run(words, timeout=3600, **environment):
    try:
        done = subprocess.run([str(w) for w in words], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=timeout,
                              env={**os.environ, **SANITIZERS, **environment})
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        return -1, f"timed out after {timeout} s\n{late.stdout or ''}"


def mentions(only, *sources):
    """Whether a test whose name contains it may be there: no server is started for nothing. Some have their tests from another file."""
    texts = [source.read_text() for source in sources if source.exists()] if only else []
    return not only or any(only in text or '#include "test_' in text for text in texts)


def programs(folder, pattern, only):
    """The test programs there that may have such a test."""
    return [binary for binary in sorted((BUILD / "tests" / folder).rglob(pattern))
            if binary.is_file() and os.access(binary, os.X_OK) and mentions(only, (ROOT / binary.relative_to(BUILD)).with_suffix(".c"))]


def run_cmocka(binary, label, *args, only=None, not_asked=frozenset(), **environment):
    """Counts the cases of a cmocka program; one that dies, or skips others than `not_asked`, counts as a failure of its own."""
    if only:
        environment["CMOCKA_TEST_FILTER"] = f"*{only}*"
    status, output = run([binary, *args], CMOCKA_MESSAGE_OUTPUT="STDOUT", **environment)
    good = re.findall(r"\[       OK \] (\S+)", output)
    bad = sorted(set(re.findall(r"\[  FAILED  \] ([A-Za-z_]\w*)", output)) - set(good))
    for name in good:
        if not only or only in name:
            count(f"{label}: {name}", True)
    for name in bad:
        count(f"{label}: {name}", False, output)
    skipped = set(re.findall(r"\[  SKIPPED \] ([A-Za-z_]\w*)", output))
    if not only and skipped != not_asked or skipped - not_asked:
        count(f"{label} (skipped {', '.join(sorted(skipped ^ not_asked))})", False, output)
    if status != 0 and not bad:
        count(f"{label} (exit status {status})", False, output)
    if not good and not bad and not only:
        count(f"{label} (no test ran)", False, output)


def at_once(*calls):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for asked in [pool.submit(*call) for call in calls]:
            asked.result()


def suite_layers(_):
    status, output = run(["make", "-s", "check-layers"])
    count("layers: nobody includes whom they must not", status == 0, output)


def suite_unit(only):
    for binary in programs("unit", "test_*", only):
        run_cmocka(binary, str(binary.relative_to(BUILD / "tests")), only=only)


class NoServer(Exception):
    """Counted already. Nothing that comes after it would prove much."""


class Server:
    def __init__(self, name):
        self.name = name
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"upsink-{name}-"))
        self.directory.chmod(0o755)
        self.script = ROOT / "tests/servers" / f"{name}.sh"

    def __enter__(self):
        status, output = run([self.script, "start", self.directory / "server"])
        if status != 0:
            count(f"start {self.name}", False, output)
            raise NoServer(self.name)
        text = (self.directory / "server/env").read_text()
        return dict(re.findall(r"^(\w+)='?([^'\n]*)'?$", text, re.M))

    def __exit__(self, *_):
        run([self.script, "stop", self.directory / "server"])
        shutil.rmtree(self.directory, ignore_errors=True)


# What a store has not: a prefix in Redis can't be replaced by another of that name, and takes any text.
REPLACED = {"a_table_that_was_replaced_while_closed_is_filled_again", "a_table_that_is_replaced_while_open_is_noticed"}
REFUSED = {"a_refused_change_costs_itself_alone", "refused_changes_may_stand_anywhere", "a_batch_may_be_refused_whole",
           "a_good_change_can_follow_a_refused_one", "a_refused_change_leaves_the_fence_alone"}
# The fake's tables are in this process alone: nobody else makes or empties one.
FOREIGN = REPLACED | {"a_table_of_another_shape_is_refused", "a_table_that_was_emptied_while_closed_is_filled_again",
                      "a_table_that_is_emptied_while_open_is_noticed"}
NOT_ASKED = {"redis": REPLACED | REFUSED, "redis hash": REPLACED | REFUSED, "fake": FOREIGN, "fakeplain": FOREIGN}


def ask_contract(name, url, only, *options):
    run_cmocka(BUILD / "tests/contract/suite", f"contract {name}", "--sink", url, *options, only=only, not_asked=NOT_ASKED.get(name, frozenset()),
               UPSINK_PLUGIN_PATH=f"{BUILD}/sinks:{BUILD}/tests/contract")


SEARCH_SERVERS = ("opensearch", "elasticsearch", "elasticsearch8")


def ask_search_contract(name, only):
    with Server(name) as env:
        ask_contract(name, env["SEARCH_URL"], only, "--cases", "20")  # each about as long as ten of the others'


def suite_contract(only):
    if not mentions(only, *(ROOT / "tests/contract").glob("*.c")):
        return
    # These servers wait for their disk most of the time.
    at_once(*((ask_search_contract, name, only) for name in SEARCH_SERVERS), (ask_contracts, only))


def ask_contracts(only):
    with Server("postgres") as env, Server("mongodb") as mongodb, Server("redis") as redis, tempfile.TemporaryDirectory() as directory:
        urls = {"redis": redis["REDIS_APP_URL"], "redis hash": redis["REDIS_URL"] + "?type=hash", "mongodb": mongodb["MONGODB_URL"], "fake": "fake:", "fakeplain": "fakeplain:", "sqlite": f"sqlite:{directory}/contract.db", "postgres": env["POSTGRES_URL"], "stdout": "stdout:"}
        fewer = {"mongodb": ("--cases", "100")}  # several round trips for every step
        for name, url in urls.items():
            ask_contract(name, url, only, *fewer.get(name, ()))


def suite_sinks(only):
    """What only one sink's server can show; but for Postgres they start servers of their own. Those of Elasticsearch and OpenSearch
    are asked of version 8 too."""
    at_once((ask_sinks, only), (ask_elasticsearch8, only))


def ask_elasticsearch8(only):
    for binary in programs("integration/sinks", "test_elasticsearch_*", only):
        run_cmocka(binary, f"{binary.relative_to(BUILD / 'tests')} elasticsearch8", only=only, SEARCH_SERVER="elasticsearch8",
                   UPSINK_PLUGIN_PATH=f"{BUILD}/sinks")


def ask_sinks(only):
    binaries = programs("integration", "test_*", only)
    if not binaries:
        return
    with Server("postgres") as env:
        for binary in binaries:
            run_cmocka(binary, str(binary.relative_to(BUILD / "tests")), only=only, POSTGRES_URL=env["POSTGRES_URL"],
                       POSTGRES_PID=env.get("POSTGRES_PID", ""), UPSINK_PLUGIN_PATH=f"{BUILD}/sinks")


def suite_example(only):
    """The sink of deploy/examples, built against what `make install` puts in place, and plugins that can't be used."""
    sys.path.insert(0, str(ROOT / "tests/example"))
    import example
    example.ask(sys.modules[__name__], only)


def suite_integration(only):
    # Most of these tests wait most of the time; each process has servers of its own.
    words = ["/usr/bin/python3", "-m", "pytest", "-q", "-rfEsxXp", "-p", "no:cacheprovider", "--tb=short",
             "-n", os.environ.get("TEST_JOBS", "0" if only else "4"), "--dist", "loadgroup",
             *(d for d in ("tests/integration", "tests/chaos") if list((ROOT / d).glob("test_*.py")))]
    status, output = run(words + (["-k", only] if only else []), timeout=4800)
    results = re.findall(r"^(PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS) (\S+)", output, re.M)
    for result, name in results:
        if result == "PASSED":
            count(name, True)
        else:
            failures.append(name)
    if status not in (0, 5 if only else 0) or not (results or only):
        print(output[max(0, output.find("= FAILURES =")):][:60000], flush=True)
        if not any(result != "PASSED" for result, _ in results):
            failures.append(f"pytest (exit status {status})")


SUITES = {"layers": suite_layers, "unit": suite_unit, "contract": suite_contract, "sinks": suite_sinks,
          "example": suite_example, "integration": suite_integration}
TOGETHER = [["layers"], ["unit", "contract"], ["sinks"], ["example"], ["integration"]]  # unit tests wait most of the time


def tell_servers():
    counts = collections.Counter(pathlib.Path(STARTED.name).read_text().splitlines())
    if counts:
        print("servers: " + ", ".join(f"{name} ({count} started)" for name, count in sorted(counts.items())))


def finish():
    tell_servers()
    for name in failures:
        print(f"failed: {name}")
    print(f"{passed} passed, {len(failures)} failed", flush=True)
    return 1 if failures or not passed else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=", ".join(SUITES))
    parser.add_argument("-k", dest="only", help="only tests whose name contains this")
    options = parser.parse_args()
    for name in options.suites or SUITES:
        if name not in SUITES:
            parser.error(f"there is no suite {name}; the suites are {', '.join(SUITES)}")
    try:
        for group in TOGETHER:
            begin, before = time.monotonic(), passed
            names = [name for name in group if name in (options.suites or SUITES)]
            if not names:
                continue
            at_once(*((SUITES[name], options.only) for name in names))
            print(f"{', '.join(names)}: {passed - before} passed in {time.monotonic() - begin:.0f} s", flush=True)
    except NoServer as missing:
        print(f"the server {missing} did not start: what was left to run was not", flush=True)
    sys.exit(finish())


main()
