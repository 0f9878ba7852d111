"""check_mongodb.py URL COLLECTION EXPECTED: prints how many documents differ from the expected state, and one for each that is too many."""

import sys

import pymongo

url, collection, expected = sys.argv[1:]
with open(expected, encoding="utf-8") as lines:
    rows = [line.rstrip("\n").split("\t") for line in lines]
want = {key: (event, updated, order) for key, order, state, event, updated, _ in rows if state == "live"}
differing = 0
for document in pymongo.MongoClient(url).get_default_database()[collection].find({}, {"_upsink.event_id": 1, "lastUpdated": 1, "orderId": 1}):
    found = (document["_upsink"]["event_id"], document["lastUpdated"], document["orderId"])
    differing += want.pop(document["_id"], None) != found
print(differing + len(want))
