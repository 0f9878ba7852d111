#!/usr/bin/env bash
# Toxiproxy, which harms the connections that go through it, on loopback. Commands and files: see lib.sh.
#
# It is built once from its source, with Go; GOPROXY and the other variables of Go say where modules come from. The sum of
# the module is checked here, and the sums of what it uses by its own go.sum.
# DIR/env: TOXIPROXY_API TOXIPROXY_PORT TOXIPROXY_PID
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
SERVER=toxiproxy
MODULE=github.com/Shopify/toxiproxy/v2
VERSION=v2.7.0 # the last one that Go 1.19 builds
MODULE_SUM=h1:Zz2jdyqtYw1SpihfMWzLFGpOO92p9effjAkURG57ifc=
TOXIPROXY=$UPSINK_CACHE/toxiproxy-$VERSION/toxiproxy-server

build_server() {
    local part=$UPSINK_CACHE/toxiproxy-$VERSION.part answer
    [ ! -x "$TOXIPROXY" ] || return 0
    need_command go
    note "fetching $MODULE@$VERSION and building it (once)"
    [ ! -d "$part" ] || remove_part "$part"
    mkdir -p "$part/source"
    export GOPATH=$part/go GOCACHE=$part/go-build GOFLAGS='-mod=readonly -buildvcs=false' GOWORK=off GOTOOLCHAIN=local CGO_ENABLED=0
    answer=$(cd "$part" && try_thrice go mod download -json "$MODULE@$VERSION") || die "can't fetch $MODULE@$VERSION: $answer"
    [ "$(json_member Sum <<<"$answer")" = "$MODULE_SUM" ] || die "$MODULE@$VERSION does not have the expected sum $MODULE_SUM"
    cp -r "$(json_member Dir <<<"$answer")/." "$part/source"
    chmod -R u+w "$part/source"
    (cd "$part/source" && nice go build -trimpath -o "$part/toxiproxy-server" ./cmd/server) >&2 || die "can't build $MODULE@$VERSION"
    mkdir -p "$(dirname "$TOXIPROXY")"
    mv "$part/toxiproxy-server" "$TOXIPROXY"
    remove_part "$part"
}

json_member() { /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

# Go makes the modules that it keeps read-only.
remove_part() {
    chmod -R u+w "$1"
    rm -rf "$1"
}

server_answers() { curl -fsS -m 5 "http://127.0.0.1:$TOXIPROXY_PORT/version"; }

launch() {
    local dir=$1
    spawn "$dir" "$TOXIPROXY" -host 127.0.0.1 -port "$TOXIPROXY_PORT"
    wait_ready "$dir" "$TOXIPROXY_PORT" server_answers
    write_env "$dir" TOXIPROXY_API "http://127.0.0.1:$TOXIPROXY_PORT" TOXIPROXY_PORT "$TOXIPROXY_PORT" TOXIPROXY_PID "$SERVER_PID"
    echo "http://127.0.0.1:$TOXIPROXY_PORT"
}

start_server() {
    need_command curl
    with_cache_lock toxiproxy build_server
    TOXIPROXY_PORT=$(free_port)
    launch "$1"
}

restart_server() { launch "$1"; }

server_version() { echo "Toxiproxy ${VERSION#v}"; }

server_main "$@"
