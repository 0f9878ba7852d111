#!/usr/bin/env bash
# Redis with an append-only file, on loopback. Commands and files: see lib.sh.
#
# The default user needs no password; the user `app` has the password `secret`.
# Environment: REDIS_EXTRA holds more lines for redis.conf.
# DIR/env: REDIS_URL REDIS_APP_URL REDIS_PORT REDIS_PID
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
SERVER=redis

server_answers() { [ "$(timeout 5 redis-cli -h 127.0.0.1 -p "$REDIS_PORT" ping)" = PONG ]; }

launch() {
    local dir=$1
    spawn "$dir" redis-server "$dir/redis.conf"
    wait_ready "$dir" "$REDIS_PORT" server_answers
    write_env "$dir" REDIS_URL "redis://127.0.0.1:$REDIS_PORT/0" \
        REDIS_APP_URL "redis://app:secret@127.0.0.1:$REDIS_PORT/0" REDIS_PORT "$REDIS_PORT" REDIS_PID "$SERVER_PID"
    echo "redis://127.0.0.1:$REDIS_PORT/0"
}

start_server() {
    local dir=$1
    need_command redis-server
    need_command redis-cli
    REDIS_PORT=$(free_port)
    mkdir -p "$dir/data"
    cat >"$dir/redis.conf" <<CONF
bind 127.0.0.1
port $REDIS_PORT
dir "$dir/data"
daemonize no
appendonly yes
save ""
user app on >secret ~* &* +@all
${REDIS_EXTRA:-}
CONF
    launch "$dir"
}

restart_server() { launch "$1"; }

server_version() { redis-server --version | sed 's/.* v=\([^ ]*\).*/Redis \1/'; }

server_main "$@"
