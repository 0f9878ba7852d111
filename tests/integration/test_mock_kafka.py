"""Brokers that answer with errors: nothing is lost, nothing is counted twice, and the view goes on by itself."""

import time

import mock
import pytest
import views
from views import VERSIONED


@pytest.fixture
def start_mock():
    started = []

    def start(brokers=1):
        started.append(mock.MockKafka(brokers))
        return started[-1]

    yield start
    for server in started:
        server.stop()


def test_a_member_that_is_stopped_before_its_first_assignment_ends_well(start_mock, upsink, tmp_path):
    """librdkafka before 2.3 aborts here when it is destroyed (its issue 4312)."""
    kafka = start_mock()
    view = views.View(kafka, views.SqliteTarget(tmp_path), upsink, rules=VERSIONED)
    kafka.fail(mock.SYNC_GROUP, mock.REBALANCE_IN_PROGRESS, times=100)
    process = view.run()
    time.sleep(4)
    assert "partition assigned" not in process.errors
    assert process.stop() == 0, process.errors
