# shellcheck shell=bash disable=SC2034,SC2154
# Redis with an append-only file; sourced by bench.sh, which says what each function is for.
start_sink() {
    tests/servers/redis.sh start "$dir/redis" >/dev/null
    # shellcheck disable=SC1091
    . "$dir/redis/env"
}

stop_sink() { tests/servers/redis.sh stop "$dir/redis"; }

create_target() {
    target=redis://127.0.0.1:$REDIS_PORT/0
    target_name=$1:
}

drop_target() { redis-cli -h 127.0.0.1 -p "$REDIS_PORT" flushall >/dev/null; }

check_target() { /usr/bin/python3 tests/bench/sinks/check_redis.py "$REDIS_PORT" "$target_name" "$dir/expected.tsv"; }
