# What opensearch.sh and elasticsearch.sh share; sourced after lib.sh, not run. They set:
#
#   SERVER      opensearch or elasticsearch; DIR/env has its names in capitals
#   TITLE       the same for people
#   VERSION, SHA256, COORDINATES   of the distribution for integration tests (Maven Central), a zip
#   JAVA_VARIABLE, TMP_VARIABLE, OPTIONS_VARIABLE   how the launcher calls them
#   write_settings FILE            appends to its configuration
#   prepare_home HOME              before the first start
#   HAS_LAUNCHER                   not empty: the server is a child of what is started
#   READY_PATH                     a path that answers once the server is ready
#   SEARCH_CA                      set by prepare_home where the server speaks TLS: who signed its certificate
#
# Each server gets a home of its own below DIR: a copy, because who runs it may not be able to reach the cache.
# Environment: SEARCH_HEAP (512m), SEARCH_EXTRA holds more lines for the configuration.
# shellcheck shell=bash disable=SC2034,SC2154

NAME=${SERVER^^}
SEARCH_HOME=$UPSINK_CACHE/$SERVER-$VERSION

# fetch_artifact COORDINATES SHA256 DIR: its file, checked.
fetch_artifact() {
    need_command mvn
    note "fetching $1 (once)"
    rm -rf "$3"
    mkdir -p "$3"
    try_thrice mvn -q -B -Dstyle.color=never --strict-checksums org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
        "-Dartifact=$1" "-DoutputDirectory=$3" >&2 || die "maven could not fetch $1"
    echo "$2  $(echo "$3"/*)" | sha256sum -c --quiet - >/dev/null 2>&1 || die "$1 does not have the expected SHA-256 $2"
}

# fetch_zip COORDINATES SHA256 DIR [FOLDER]: what it holds, or what stands in one folder of it; once.
fetch_zip() {
    local part=$3.part file
    [ ! -d "$3" ] || return 0
    fetch_artifact "$1" "$2" "$part"
    file=$(echo "$part"/*.zip)
    /usr/bin/python3 -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])' "$file" "$part"
    rm "$file"
    chmod -R a+rX "$part"
    mv "$part${4:+/$4}" "$3"
    rm -rf "$part"
}

# The certificate of the directory that ELASTICSEARCH_TLS or OPENSEARCH_TLS names, and SEARCH_CA.
take_certificate() {
    cp "$2"/{ca.crt,server.crt,server.key} "$1/config/"
    SEARCH_CA=$1/config/ca.crt
}

make_home() {
    local home=$1
    mkdir -p "$home/tmp"
    cp -r "$SEARCH_HOME"/{bin,config,lib,modules} "$home/"
    chmod a+rx "$home"/bin/*
    mkdir -p "$home/plugins" "$home/data" "$home/logs"
    cat >"$home/config/$SERVER.yml" <<YAML
cluster.name: upsink-test
node.name: one
network.host: 127.0.0.1
http.port: $SEARCH_PORT
transport.port: $SEARCH_TRANSPORT_PORT
discovery.type: single-node
cluster.routing.allocation.disk.threshold_enabled: false
${SEARCH_EXTRA:-}
YAML
    write_settings "$home/config/$SERVER.yml"
}

# The name that a certificate has to have.
search_host() { [ -n "$SEARCH_CA" ] && echo localhost || echo 127.0.0.1; }

ask_server() {
    curl -fsS -m 5 ${SEARCH_USER:+-u "$SEARCH_USER"} ${SEARCH_CA:+--cacert "$SEARCH_CA"} \
        "http${SEARCH_CA:+s}://$(search_host):$SEARCH_PORT$1"
}

# Elasticsearch 8 comes with a launcher that stays: the server is its child.
adopt_child() {
    local dir=$1 child deadline=$((SECONDS + UPSINK_SERVER_TIMEOUT))
    while live_pid "$dir" >/dev/null && [ "$SECONDS" -lt "$deadline" ]; do
        for child in $(children_of "$SERVER_PID"); do
            if listens_on "$child" "$SEARCH_PORT"; then
                SERVER_PID=$child
                echo "$child $(process_start_time "$child")" >"$dir/pid"
                return 0
            fi
        done
        sleep 0.2
    done
}

launch() {
    local dir=$1 url
    spawn "$dir" "${AS_USER[@]}" env "$JAVA_VARIABLE=$(dirname "$(dirname "$(readlink -f "$(command -v java)")")")" \
        "$TMP_VARIABLE=$dir/home/tmp" \
        "$OPTIONS_VARIABLE=-Xms$SEARCH_HEAP -Xmx$SEARCH_HEAP -XX:-AlwaysPreTouch ${UPSINK_JVM_OPTIONS:-}" "$dir/home/bin/$SERVER"
    [ -z "${HAS_LAUNCHER:-}" ] || adopt_child "$dir"
    wait_ready "$dir" "$SEARCH_PORT" ask_server "$READY_PATH"
    url="$SERVER${SEARCH_CA:++https}://${SEARCH_USER:+$SEARCH_USER@}$(search_host):$SEARCH_PORT"
    write_env "$dir" "${NAME}_URL" "$url" "${NAME}_PORT" "$SEARCH_PORT" "${NAME}_PID" "$SERVER_PID" SEARCH_URL "$url" \
        SEARCH_PORT "$SEARCH_PORT" SEARCH_TRANSPORT_PORT "$SEARCH_TRANSPORT_PORT" SEARCH_HEAP "$SEARCH_HEAP" SEARCH_USER "$SEARCH_USER" \
        SEARCH_CA "$SEARCH_CA"
    echo "$url"
}

start_server() {
    local dir=$1
    need_command java
    need_command curl
    with_cache_lock "$SERVER" fetch_zip "$COORDINATES" "$SHA256" "$SEARCH_HOME" "$SERVER-$VERSION"
    SEARCH_HEAP=${SEARCH_HEAP:-512m}
    SEARCH_PORT=$(free_port)
    SEARCH_TRANSPORT_PORT=$(free_port 1)
    SEARCH_USER=
    SEARCH_CA=
    make_home "$dir/home"
    prepare_home "$dir/home"
    become_unprivileged "$dir"
    [ ${#AS_USER[@]} = 0 ] || chown -R nobody "$dir/home"
    launch "$dir"
}

server_version() { echo "$TITLE $VERSION${SEARCH_CA:+ with TLS}"; }

restart_server() {
    become_unprivileged "$1"
    launch "$1"
}
