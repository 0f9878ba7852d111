import pathlib
import signal
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import harness  # noqa: E402
import targets  # noqa: E402
import views  # noqa: E402


def reachable(name):
    """A directory for a server whose user is another one."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix=f"upsink-{name}-"))
    directory.chmod(0o755)
    return directory / "server"


@pytest.fixture(scope="session")
def kafka(tmp_path_factory):
    server = harness.Kafka(tmp_path_factory.mktemp("kafka") / "server")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory):
    server = harness.Postgres(reachable("pg"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    """It is killed, and must keep what it has confirmed: see targets.RedisTarget."""
    server = harness.Server("redis", tmp_path_factory.mktemp("redis") / "server", REDIS_EXTRA="appendfsync always")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def mongodb(tmp_path_factory):
    server = harness.Server("mongodb", tmp_path_factory.mktemp("mongodb") / "server")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def opensearch():
    """Starts slowly: give the tests that need it the mark xdist_group("opensearch"), so that they share one."""
    server = harness.Server("opensearch", reachable("os"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def elasticsearch8():
    """Likewise, with the group "elasticsearch8"."""
    server = harness.Server("elasticsearch8", reachable("es"))
    yield server
    server.stop()


@pytest.fixture
def upsink(tmp_path):
    """Starts the program; what still runs at the end of the test is stopped."""
    started = []

    def start(*args, **options):
        process = harness.Upsink(*args, directory=tmp_path, **options)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.process.poll() is None:
            process.process.send_signal(signal.SIGCONT)
        process.kill9()


@pytest.fixture(params=["postgres", "sqlite"])
def target(request, tmp_path):
    """A table that is not there yet, in every sink that a test is to hold for."""
    if request.param == "sqlite":
        return targets.SqliteTarget(tmp_path)
    return targets.PostgresTarget(request.getfixturevalue("postgres"))


@pytest.fixture(params=["postgres", "sqlite", "redis", "mongodb"])
def quick_target(request, tmp_path):
    """The same in every store that starts quickly."""
    if request.param == "sqlite":
        return targets.SqliteTarget(tmp_path)
    make = {"postgres": targets.PostgresTarget, "redis": targets.RedisTarget, "mongodb": targets.MongodbTarget}[request.param]
    return make(request.getfixturevalue(request.param))


@pytest.fixture
def table(postgres):
    """The same in Postgres alone."""
    return targets.PostgresTarget(postgres)


@pytest.fixture
def make_view(kafka, upsink):
    def make(target, **options):
        return views.View(kafka, target, upsink, **options)

    return make
