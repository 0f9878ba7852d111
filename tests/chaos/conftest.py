"""The fixtures of tests/integration, with servers of this folder's own: they are killed here."""

import importlib.util
import os
import pathlib
import random
import sys
import time

import pytest

INTEGRATION = pathlib.Path(__file__).resolve().parents[1] / "integration"
sys.path.insert(0, str(INTEGRATION))
sys.path.insert(0, str(pathlib.Path(__file__).parent))

import targets  # noqa: E402

_spec = importlib.util.spec_from_file_location("integration_fixtures", INTEGRATION / "conftest.py")
_fixtures = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_fixtures)
kafka, postgres, redis, mongodb, opensearch, upsink, make_view = (
    getattr(_fixtures, name) for name in ("kafka", "postgres", "redis", "mongodb", "opensearch", "upsink", "make_view"))

MAKERS = {"postgres": targets.PostgresTarget, "redis": targets.RedisTarget, "mongodb": targets.MongodbTarget,
          "opensearch": targets.SearchTarget}


@pytest.fixture
def target(request, tmp_path):
    """A target that is not there yet in the store that a test names: parametrize it by `stores`, indirectly."""
    if request.param == "sqlite":
        return targets.SqliteTarget(tmp_path)
    return MAKERS[request.param](request.getfixturevalue(request.param))


@pytest.fixture(scope="session")
def seed():
    return int(os.environ.get("UPSINK_CHAOS_SEED") or time.time_ns() % 1_000_000_000)


@pytest.fixture
def dice(seed, request):
    """What is random in a test. UPSINK_CHAOS_SEED repeats its choices, though not the timing of the processes."""
    print(f"UPSINK_CHAOS_SEED={seed}")
    return random.Random(f"{seed} {request.node.name}")
