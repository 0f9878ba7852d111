"""check_search.py URL INDEX EXPECTED: prints how many documents of the index differ from the expected state.
check_search.py URL INDEX: deletes the index and what upsink keeps beside it.
check_search.py URL warm-up: writes and deletes an index of its own, until the server's code is compiled.

Every live order must be there with its last state, found by a search as readers would, and nothing else."""

import base64
import json
import sys
import urllib.parse
import urllib.request

url, index = urllib.parse.urlsplit(sys.argv[1]), sys.argv[2]
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(method, path, body=None):
    request = urllib.request.Request(f"http://{url.hostname}:{url.port}/{path}", method=method,
                                     data=body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode(),
                                     headers={"Content-Type": "application/json"})
    if url.username:
        secret = base64.b64encode(f"{url.username}:{url.password}".encode()).decode()
        request.add_header("Authorization", "Basic " + secret)
    with opener.open(request) as answer:
        return json.load(answer)


if sys.argv[2] == "warm-up":
    ask("PUT", index, {"settings": {"number_of_replicas": 0}, "mappings": {"dynamic": False}})
    for begin in range(0, 150000, 1000):
        lines = (f'{{"index":{{"_id":"{i % 50000}"}}}}\n{{"text":"{"x" * 800}","n":{i}}}\n' for i in range(begin, begin + 1000))
        ask("POST", index + "/_bulk?filter_path=errors", "".join(lines).encode())
    ask("DELETE", index)
    sys.exit()

if len(sys.argv) == 3:
    for name in (index, ".upsink-deleted-" + index, ".upsink-state"):
        ask("DELETE", name)
    sys.exit()

want = {}
with open(sys.argv[3], encoding="utf-8") as lines:
    for line in lines:
        key, order_id, state, _event_id, last_updated, _event_by_offset = line.rstrip("\n").split("\t")
        if state == "live":
            want[key] = (order_id, last_updated)

ask("POST", index + "/_refresh")
found = {}
question = {"size": 5000, "_source": ["orderId", "lastUpdated"], "query": {"match_all": {}}, "sort": ["_doc"]}
page = ask("POST", index + "/_search?scroll=1m", question)
while page["hits"]["hits"]:
    for hit in page["hits"]["hits"]:
        assert hit["_id"] not in found
        found[hit["_id"]] = (hit["_source"]["orderId"], hit["_source"]["lastUpdated"])
    page = ask("POST", "_search/scroll", {"scroll": "1m", "scroll_id": page["_scroll_id"]})
print(sum(found.get(key) != want.get(key) for key in found.keys() | want.keys()))
