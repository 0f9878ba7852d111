"""A disk that is really full: each store has its files on a small file system, which somebody else fills up."""

import errno
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import harness
import pytest
import targets
from views import VERSIONED, event, wait_not_ready, wait_ready

SOME = 64 * 1024


def as_root(*words):
    subprocess.run([*(() if os.geteuid() == 0 else ("sudo", "-n")), *words], check=True, capture_output=True, text=True)


@pytest.fixture
def disk(request):
    directory = pathlib.Path(tempfile.mkdtemp(prefix="upsink-disk-"))
    as_root("mount", "-t", "tmpfs", "-o", f"size={request.param},mode=1777", "upsink-test", str(directory))
    yield directory
    as_root("umount", "-l", str(directory))
    shutil.rmtree(directory)


def fill(disk, share):
    """Until so much of it is in use."""
    state = os.statvfs(disk)
    wanted = int(state.f_bavail - (1 - share) * state.f_blocks) * state.f_bsize
    file = os.open(disk / "filler", os.O_CREAT | os.O_WRONLY)
    try:
        os.posix_fallocate(file, 0, wanted - SOME)
        os.lseek(file, 0, os.SEEK_END)
        while share == 1:
            os.write(file, bytes(4096))
    except OSError as full:
        if full.errno != errno.ENOSPC:
            raise
    finally:
        os.close(file)


def make_search(server):
    target = targets.SearchTarget(server)
    target.ask("PUT", "_cluster/settings", {"transient": {"cluster.info.update.interval": "10s"}})
    return target


# Of each store: its disk, and how full it gets. OpenSearch needs some of it to say so.
STORES = {"postgres": ("200m", 1, harness.Postgres, targets.PostgresTarget),
          "redis": ("100m", 1, lambda directory: harness.Server("redis", directory), targets.RedisTarget),
          "mongodb": ("700m", 1, lambda directory: harness.Server("mongodb", directory), targets.MongodbTarget),
          "opensearch": ("300m", 0.97, lambda directory: harness.Server("opensearch", directory), make_search)}


def is_up(server):
    """Postgres, Redis and MongoDB end themselves where they could not write down what they have to."""
    try:
        state = pathlib.Path(f"/proc/{server.env[server.name.upper() + '_PID']}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z"
    except FileNotFoundError:
        return False


def orders(count, n):
    return [{"key": f"k{i}", "value": event(f"k{i}", n, updated=n, pad="x" * 2000), "partition": i % 2} for i in range(count)]


@pytest.mark.parametrize("store, disk", [pytest.param(name, settings[0], id=name) for name, settings in STORES.items()], indirect=["disk"])
def test_a_full_disk_is_an_outage_that_ends_when_there_is_room_again(make_view, disk, store):
    _, share, start, make_target = STORES[store]
    server = start(disk / "server")
    try:
        view = make_view(make_target(server), rules=VERSIONED, partitions=2, timeout="5s")
        view.produce(orders(500, 1))
        process = view.run()
        view.wait_caught_up(process, 60)
        wait_ready(process)
        fill(disk, share)
        began = time.monotonic()
        for n in range(2, 100):
            view.produce(orders(500, n))
            if process.get("/readyz")[0] != 200:
                break
            time.sleep(0.2)
        print(wait_not_ready(process, view.name, seconds=60), f"after {time.monotonic() - began:.1f} s")
        time.sleep(2)  # it may be on its way down
        (disk / "filler").unlink()

        def stays_up():  # it may still be on its way down
            if not is_up(server):
                server.restart()
            return process.get("/readyz")[0] == 200

        harness.wait_until(stays_up, 90, f"the store to be up: {process.errors[-2000:]}")
        view.wait_caught_up(process, 90)
        harness.wait_until(lambda: harness.check_books(process.metrics(), view.name)[0] == len(view.messages()), what="the books")
        assert not view.dead_letters() and process.errors.count("partition assigned") == 2
        wait_ready(process)
        assert process.stop() == 0
        view.assert_converged()
    finally:
        server.stop()
