# Shared by the server scripts of this folder; sourced, not run.
#
# A server script sets SERVER, defines start_server DIR, restart_server DIR and server_version (after start_server: name and
# version in words), and ends with `server_main "$@"`. It gives every server the same commands:
#
#   X.sh start DIR     lay out and start a server in DIR, wait until it answers, print its URL
#   X.sh stop DIR      SIGTERM, and SIGKILL after a grace period
#   X.sh kill9 DIR     SIGKILL, children too
#   X.sh restart DIR   same ports, same data; also after kill9
#
# DIR/env holds shell-quoted variables for `. DIR/env`, DIR/NAME.log the log, DIR/pid the process
# id and its start time, so that a recycled process id is never signalled.
#
# Environment: UPSINK_CACHE (downloads; ~/.cache/upsink), UPSINK_SERVER_TIMEOUT (seconds; 600), UPSINK_SERVERS_LOG (a file to which
# each server that was started adds a line: what it is), UPSINK_JVM_OPTIONS (of the servers that are written in Java).
# shellcheck shell=bash

set -euo pipefail

UPSINK_CACHE=${UPSINK_CACHE:-$HOME/.cache/upsink}
UPSINK_SERVER_TIMEOUT=${UPSINK_SERVER_TIMEOUT:-600}
STOP_GRACE=30
STOP_SIGNAL=TERM

note() { printf '%s: %s\n' "${SERVER:-server}" "$*" >&2; }
die() {
    note "$*"
    exit 1
}

need_command() {
    command -v "$1" >/dev/null 2>&1 || die "needs $1, which is not installed; 'make deps' installs it"
}

# --- ports -------------------------------------------------------------------------------------

# Inodes of the sockets that listen on port $1.
listening_inodes() {
    awk -v port="$(printf '%04X' "$1")" \
        '$4 == "0A" { n = split($2, a, ":"); if (a[n] == port) print $10 }' /proc/net/tcp /proc/net/tcp6 2>/dev/null || true
}

# Succeeds when process $1 itself listens on port $2.
listens_on() {
    local inode
    for inode in $(listening_inodes "$2"); do
        if find "/proc/$1/fd" -lname "socket:\[$inode\]" 2>/dev/null | grep -q .; then
            return 0
        fi
    done
    return 1
}

# free_port [0|1]: one of two ports. Below the range that the kernel hands out to clients, so that nobody takes it between a
# kill and a restart; and as the process id says, so that servers which start side by side, and don't listen yet, differ.
free_port() {
    local port=$((($$ * 2 + ${1:-0}) % 17000))
    while [ -n "$(listening_inodes $((15000 + port)))" ]; do port=$(((port + 2) % 17000)); done
    echo $((15000 + port))
}

# --- processes ---------------------------------------------------------------------------------

process_start_time() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

is_zombie() { [ "$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -c1)" = Z ]; }

# The pid of the server of directory $1, if it still runs.
live_pid() {
    local pid started
    [ -f "$1/pid" ] || return 1
    read -r pid started <"$1/pid"
    [ "$(process_start_time "$pid")" = "$started" ] && ! is_zombie "$pid" && echo "$pid"
}

# A process that ends meanwhile is no error.
children_of() { { sed 's/^\([0-9]*\) (.*) [A-Za-z] \([0-9]*\) .*/\1 \2/' /proc/[0-9]*/stat 2>/dev/null || true; } | awk -v p="$1" '$2 == p { print $1 }'; }

# spawn DIR COMMAND...: in a session of its own, with the log in DIR; remembers the pid.
spawn() {
    local dir=$1
    shift
    setsid "$@" </dev/null >>"$dir/$SERVER.log" 2>&1 &
    SERVER_PID=$!
    disown
    echo "$SERVER_PID $(process_start_time "$SERVER_PID")" >"$dir/pid"
}

fail_with_log() {
    note "$2; the end of $1/$SERVER.log:"
    tail -n 40 "$1/$SERVER.log" >&2 || true
    exit 1
}

# wait_ready DIR PORT COMMAND...: until the process started listens on PORT and COMMAND succeeds.
wait_ready() {
    local dir=$1 port=$2 deadline=$((SECONDS + UPSINK_SERVER_TIMEOUT))
    shift 2
    while :; do
        live_pid "$dir" >/dev/null || fail_with_log "$dir" "it ended while starting"
        if listens_on "$SERVER_PID" "$port" && "$@" >/dev/null 2>&1; then
            return 0
        fi
        if [ "$SECONDS" -ge "$deadline" ]; then
            stop_server "$dir" KILL
            fail_with_log "$dir" "no answer on port $port within $UPSINK_SERVER_TIMEOUT s"
        fi
        sleep 0.1
    done
}

# stop_server DIR SIGNAL: returns when the process and its children are gone.
stop_server() {
    local dir=$1 signal=$2 pid children deadline process
    pid=$(live_pid "$dir") || return 0
    # One that stands still has no more children meanwhile.
    if [ "$signal" = KILL ]; then kill -STOP "$pid" 2>/dev/null || true; fi
    children=$(children_of "$pid")
    kill "-$signal" "$pid" 2>/dev/null || true
    if [ "$signal" = KILL ]; then
        for process in $children; do kill -KILL "$process" 2>/dev/null || true; done
    fi
    deadline=$((SECONDS + STOP_GRACE))
    for process in $pid $children; do
        while [ -d "/proc/$process" ] && ! is_zombie "$process"; do
            if [ "$SECONDS" -ge "$deadline" ]; then
                [ "$signal" = KILL ] && die "process $process does not die"
                note "process $pid did not stop within $STOP_GRACE s; killing it"
                stop_server "$dir" KILL
                return 0
            fi
            sleep 0.05
        done
    done
}

# --- files -------------------------------------------------------------------------------------

# write_env DIR NAME VALUE...
write_env() {
    local dir=$1
    shift
    : >"$dir/env.new"
    while [ $# -gt 0 ]; do
        printf "%s='%s'\n" "$1" "$(printf %s "$2" | sed "s/'/'\\\\''/g")" >>"$dir/env.new"
        shift 2
    done
    mv "$dir/env.new" "$dir/env"
}

# fetch_file URL SHA256 PATH: downloads once, checks always before it becomes visible.
fetch_file() {
    local url=$1 sum=$2 path=$3
    [ -f "$path" ] && return 0
    need_command curl
    mkdir -p "$(dirname "$path")"
    note "fetching $url"
    curl -fsSL --retry 3 -o "$path.part.$$" "$url" || die "can't fetch $url"
    if ! echo "$sum  $path.part.$$" | sha256sum -c --quiet - >/dev/null 2>&1; then
        rm -f "$path.part.$$"
        die "$url does not have the expected SHA-256 $sum"
    fi
    mv "$path.part.$$" "$path"
}

# try_thrice COMMAND...: for what comes from elsewhere.
try_thrice() {
    "$@" && return 0
    sleep 5
    "$@" && return 0
    sleep 20
    "$@"
}

# with_cache_lock NAME COMMAND...: one download at a time among parallel runs.
with_cache_lock() {
    local name=$1
    shift
    need_command flock
    mkdir -p "$UPSINK_CACHE"
    (
        flock -w 1800 9 || die "another run holds $UPSINK_CACHE/$name.lock"
        "$@" 9>&-
    ) 9>"$UPSINK_CACHE/$name.lock"
}

# --- unprivileged user, for servers that refuse root -------------------------------------------

# Sets AS_USER (a command prefix; empty when not root) and gives it directory $1.
become_unprivileged() {
    local dir=$1 user
    AS_USER=()
    [ "$(id -u)" = 0 ] || return 0
    need_command setpriv
    for user in "${2:-nobody}" nobody; do id "$user" >/dev/null 2>&1 && break; done
    AS_USER=(setpriv "--reuid=$(id -u "$user")" "--regid=$(id -g "$user")" --clear-groups)
    chmod 711 "$dir"
    "${AS_USER[@]}" test -x "$dir" ||
        die "user $user can't reach $dir: run 'chmod o+x' on its parents, or choose a directory under /tmp"
}

# --- the command line --------------------------------------------------------------------------

server_main() {
    local command=${1:-} dir=${2:-}
    case $command in
    start | stop | kill9 | restart) ;;
    *) dir= ;;
    esac
    if [ -z "$dir" ] || [ $# -ne 2 ]; then
        echo "usage: $SERVER.sh start|stop|kill9|restart DIR" >&2
        exit 2
    fi
    if [ "$command" = start ]; then
        mkdir -p "$dir"
    fi
    [ -d "$dir" ] || die "no directory $dir"
    dir=$(cd "$dir" && pwd)
    case $command in
    start)
        [ ! -e "$dir/pid" ] || die "$dir was used before; give a fresh directory, or 'restart' it"
        start_server "$dir"
        [ -z "${UPSINK_SERVERS_LOG:-}" ] || server_version >>"$UPSINK_SERVERS_LOG"
        ;;
    stop) stop_server "$dir" "$STOP_SIGNAL" ;;
    kill9) stop_server "$dir" KILL ;;
    restart)
        [ -f "$dir/env" ] || die "$dir holds no server to restart"
        stop_server "$dir" "$STOP_SIGNAL"
        # shellcheck disable=SC1091
        . "$dir/env"
        restart_server "$dir"
        ;;
    esac
}
