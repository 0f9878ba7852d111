# shellcheck shell=bash disable=SC2034,SC2154
# PostgreSQL, and the bare floor beside it; sourced by bench.sh, which says what each function is for.
CONTENDERS=${CONTENDERS:-floor-10000 floor-30000 upsink}

start_sink() {
    tests/servers/postgres.sh start "$dir/postgres" >/dev/null
    # shellcheck disable=SC1091
    . "$dir/postgres/env"
}

stop_sink() { tests/servers/postgres.sh stop "$dir/postgres"; }

sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }

create_target() {
    sql "$POSTGRES_URL" -c "CREATE DATABASE $1" -c CHECKPOINT
    target=postgres://postgres@127.0.0.1:$POSTGRES_PORT/$1
}

drop_target() { sql "$POSTGRES_URL" -c "DROP DATABASE $1 WITH (FORCE)"; }

floor_command() {
    command=("$bin/floor" --brokers "$KAFKA_BROKERS" --topic orders --group "$1" --postgres "$target" --batch "$2")
}

# The floor looks into no value: the last record of each key.
check_target() {
    local want found
    if [[ $1 == floor* ]]; then
        want="SELECT key, event_by_offset FROM expected WHERE event_by_offset <> '-'"
        found="SELECT key, doc->>'id' FROM orders"
    else
        want="SELECT key, event_id || ' ' || last_updated || ' ' || order_id FROM expected WHERE state = 'live'"
        found="SELECT key, _upsink_event_id || ' ' || (doc->>'lastUpdated') || ' ' || (doc->>'orderId') FROM orders"
    fi
    sql "$target" <<SQL
CREATE TEMP TABLE expected (key text, order_id text, state text, event_id text, last_updated text, event_by_offset text);
\copy expected FROM '$dir/expected.tsv'
SELECT count(*) FROM (($want EXCEPT ALL $found) UNION ALL ($found EXCEPT ALL $want)) AS difference;
SQL
}
