"""check_redis.py PORT PREFIX EXPECTED: prints how many keys under the prefix differ from the expected state.

Every live order must be there with its last state, and nothing else under the prefix."""

import json
import sys

import redis

port, prefix, expected = sys.argv[1:]
server = redis.Redis(port=int(port))
want = {}
with open(expected, encoding="utf-8") as lines:
    for line in lines:
        key, order_id, state, _event_id, last_updated, _event_by_offset = line.rstrip("\n").split("\t")
        if state == "live":
            want[key] = (order_id, last_updated)

keys = list(server.scan_iter(match=prefix + "*", count=10000))
found = {}
for begin in range(0, len(keys), 1000):
    some = keys[begin:begin + 1000]
    for key, value in zip(some, server.mget(some)):
        doc = json.loads(value)
        found[key.decode()[len(prefix):]] = (doc["orderId"], doc["lastUpdated"])
print(sum(found.get(key) != want.get(key) for key in found.keys() | want.keys()))
