# shellcheck shell=bash disable=SC2034,SC2154
# SQLite; sourced by bench.sh, which says what each function is for.
start_sink() { :; }

stop_sink() { :; }

create_target() {
    file=$dir/$1.db
    target=sqlite:$file
}

drop_target() { rm -f "$file"*; }

check_target() {
    sqlite3 "$file" <<SQL
CREATE TEMP TABLE expected (key, order_id, state, event_id, last_updated, event_by_offset);
.mode tabs
.import '$dir/expected.tsv' expected
CREATE TEMP VIEW want AS SELECT key, event_id, last_updated FROM expected WHERE state = 'live';
CREATE TEMP VIEW found AS SELECT key, _upsink_event_id, json_extract(doc, '$.lastUpdated') FROM orders;
SELECT (SELECT count(*) FROM (SELECT * FROM want EXCEPT SELECT * FROM found))
     + (SELECT count(*) FROM (SELECT * FROM found EXCEPT SELECT * FROM want));
SQL
}
