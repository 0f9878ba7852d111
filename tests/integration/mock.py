"""A Kafka whose answers a test decides: librdkafka's mock cluster in a process of its own (mock_kafka.c)."""

import subprocess
import uuid

import harness

PROGRAM = harness.BUILD / "tests" / "integration" / "mock_kafka"

# https://kafka.apache.org/protocol
FETCH, LIST_OFFSETS, METADATA, OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR, JOIN_GROUP, HEARTBEAT, LEAVE_GROUP, SYNC_GROUP = \
    1, 2, 3, 8, 9, 10, 11, 12, 13, 14
PRODUCE, INIT_PRODUCER_ID = 0, 22

CLOSED = -195  # the connection is closed instead of an answer
OFFSET_OUT_OF_RANGE = 1
UNKNOWN_TOPIC_OR_PARTITION = 3
NOT_LEADER_FOR_PARTITION = 6
REQUEST_TIMED_OUT = 7
COORDINATOR_LOAD_IN_PROGRESS = 14
COORDINATOR_NOT_AVAILABLE = 15
NOT_COORDINATOR = 16
ILLEGAL_GENERATION = 22
UNKNOWN_MEMBER_ID = 25
REBALANCE_IN_PROGRESS = 27
TOPIC_AUTHORIZATION_FAILED = 29
KAFKA_STORAGE_ERROR = 56
NOT_ENOUGH_REPLICAS = 19


class MockKafka(harness.Kafka):
    """Speaks for the real one where tests produce, read and ask for offsets. It has no admin requests: a topic of dead letters
    is made together with its source."""

    def __init__(self, brokers=1):  # noqa: the server is another one
        self.process = subprocess.Popen([PROGRAM, str(brokers)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.brokers = self.process.stdout.readline().strip()
        assert self.brokers, "mock_kafka did not start"

    def tell(self, *words):
        self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        assert answer and not answer.startswith("error"), f"{words}: {answer}"
        return answer

    def create_topic(self, name=None, partitions=1, **_):
        name = name or f"t-{uuid.uuid4().hex[:10]}"
        self.tell("topic", name, partitions)
        self.tell("topic", f"{name}.dlq", partitions)
        return name

    def fail(self, api, *errors, broker=1, after_ms=0):
        """The next requests are answered so, one after the other."""
        self.tell("fail", broker, api, after_ms, *errors)

    def failures_left(self, api, broker=1):
        return int(self.tell("left", broker, api))

    def stop(self):
        self.process.kill()
        self.process.wait()
