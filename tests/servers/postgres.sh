#!/usr/bin/env bash
# PostgreSQL with its default durability, on loopback. Commands and files: see lib.sh.
#
# The superuser `postgres` needs no password; everybody else does (SCRAM), like the role `app`
# with password `secret`, who owns the database `app`.
# Environment: POSTGRES_EXTRA holds more lines for postgresql.conf.
# DIR/env: POSTGRES_URL POSTGRES_APP_URL POSTGRES_PORT POSTGRES_PID POSTGRES_SOCKET_DIR (the socket)
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
SERVER=postgres
STOP_SIGNAL=INT # "fast": SIGTERM would wait for the clients to leave

find_binaries() {
    local bin
    bin=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
    if [ -z "$bin" ] || [ ! -x "$bin/initdb" ]; then
        command -v initdb >/dev/null || die "needs a PostgreSQL server, which is not installed; 'make deps' installs it"
        bin=$(dirname "$(command -v initdb)")
    fi
    PG_BIN=$bin
}

run_sql() { psql -X -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$POSTGRES_PORT" -U postgres -d postgres -c "$1"; }

launch() {
    local dir=$1
    spawn "$dir" "${AS_USER[@]}" "$PG_BIN/postgres" -D "$dir/data"
    wait_ready "$dir" "$POSTGRES_PORT" run_sql 'SELECT 1'
    write_env "$dir" POSTGRES_URL "postgres://postgres@127.0.0.1:$POSTGRES_PORT/postgres" \
        POSTGRES_APP_URL "postgres://app:secret@127.0.0.1:$POSTGRES_PORT/app" POSTGRES_PORT "$POSTGRES_PORT" \
        POSTGRES_PID "$SERVER_PID" POSTGRES_SOCKET_DIR "$POSTGRES_SOCKET_DIR"
}

write_configuration() {
    cat >>"$1/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
port = $POSTGRES_PORT
unix_socket_directories = '$POSTGRES_SOCKET_DIR'
${POSTGRES_EXTRA:-}
CONF
    cat >"$1/data/pg_hba.conf" <<HBA
local all postgres              trust
host  all postgres 127.0.0.1/32 trust
local all all                   scram-sha-256
host  all all      127.0.0.1/32 scram-sha-256
HBA
}

start_server() {
    local dir=$1
    find_binaries
    need_command psql
    become_unprivileged "$dir" postgres
    mkdir -p "$dir/data"
    chmod 700 "$dir/data"
    if [ "$(id -u)" = 0 ]; then
        chown "$("${AS_USER[@]}" id -u):$("${AS_USER[@]}" id -g)" "$dir/data"
    fi
    "${AS_USER[@]}" "$PG_BIN/initdb" --no-sync -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 \
        >"$dir/postgres.log" 2>&1 || fail_with_log "$dir" "could not create its data directory"
    POSTGRES_PORT=$(free_port)
    # A socket's path has at most 107 characters. Where DIR is longer there is only TCP.
    POSTGRES_SOCKET_DIR=$dir/data
    [ ${#POSTGRES_SOCKET_DIR} -le 85 ] || POSTGRES_SOCKET_DIR=
    write_configuration "$dir"
    launch "$dir"
    run_sql "CREATE ROLE app LOGIN PASSWORD 'secret'"
    run_sql "CREATE DATABASE app OWNER app"
    echo "postgres://postgres@127.0.0.1:$POSTGRES_PORT/postgres"
}

restart_server() {
    find_binaries
    become_unprivileged "$1" postgres
    # Nothing of it runs any more (stop_server waited), but a process that nobody reaped yet still
    # has its id, and the server would take that for another postmaster.
    rm -f "$1/data/postmaster.pid" "$1"/data/.s.PGSQL.*
    launch "$1"
    echo "$POSTGRES_URL"
}

server_version() { "$PG_BIN/postgres" --version | sed 's/.*(\(PostgreSQL\)) \([^ ]*\).*/\1 \2/'; }

server_main "$@"
