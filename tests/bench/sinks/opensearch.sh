# shellcheck shell=bash disable=SC2034,SC2154
# OpenSearch, one node with 1 GB of heap; sourced by bench.sh, which says what each function is for.
search_server=${search_server:-opensearch}

start_sink() {
    SEARCH_HEAP=${SEARCH_HEAP:-1g} "tests/servers/$search_server.sh" start "$dir/search" >"$dir/search.url"
    # Just started, Java takes twice as long for everything.
    /usr/bin/python3 tests/bench/sinks/check_search.py "$(cat "$dir/search.url")" warm-up
}

stop_sink() { "tests/servers/$search_server.sh" stop "$dir/search"; }

create_target() {
    target=$(cat "$dir/search.url")
    target_name=${1,,}
}

drop_target() { /usr/bin/python3 tests/bench/sinks/check_search.py "$target" "$target_name"; }

# A mapping for what an order is searched by. SEARCH_MAPPINGS='{}': the server's own, which makes a text and a
# keyword of every string.
sink_settings() {
    local fields='"orderId":{"type":"keyword"},"lastUpdated":{"type":"date"},"status":{"type":"keyword"},"totalAmount":{"type":"double"}'
    cat <<YAML
    elasticsearch:
      settings: '{"number_of_replicas": 0}'
      mappings: '${SEARCH_MAPPINGS:-{\"dynamic\":false,\"properties\":{$fields\}\}}'
YAML
}

check_target() {
    /usr/bin/python3 tests/bench/sinks/check_search.py "$target" "$target_name" "$dir/expected.tsv"
}
