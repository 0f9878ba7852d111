# shellcheck shell=bash disable=SC2034,SC2154
# MongoDB, a replica set of one; sourced by bench.sh, which says what each function is for.
start_sink() {
    tests/servers/mongodb.sh start "$dir/mongodb" >/dev/null
    # shellcheck disable=SC1091
    . "$dir/mongodb/env"
}

stop_sink() { tests/servers/mongodb.sh stop "$dir/mongodb"; }

create_target() { target="mongodb://127.0.0.1:$MONGODB_PORT/$1?replicaSet=rs0"; }

drop_target() {
    /usr/bin/python3 -c 'import pymongo, sys; pymongo.MongoClient(sys.argv[1]).drop_database(sys.argv[2])' "$target" "$1"
}

check_target() { /usr/bin/python3 tests/bench/sinks/check_mongodb.py "$target" orders "$dir/expected.tsv"; }
