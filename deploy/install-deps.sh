#!/bin/sh
# Installs what upsink needs on Debian 12 or later and Ubuntu 24.04 or later, with apt; says first what is missing.
#
#   install-deps.sh [build] [test] [lint]     (all three when none is named)
#
# With DRY_RUN=1 it only says. Does nothing, and asks for no rights, when all is there. Servers that
# come with the test packages are neither started nor given a database of their own.
set -eu

# One package a word; a|b means that either will do, the first that exists is installed.
BUILD='gcc libc6-dev make pkg-config|pkgconf librdkafka-dev libpq-dev libsqlite3-dev libjansson-dev libyaml-dev
       libcurl4-openssl-dev libmicrohttpd-dev libxxhash-dev libhiredis-dev libssl-dev libmongoc-dev'
TEST='g++ libcmocka-dev openjdk-17-jre-headless|openjdk-21-jre-headless|openjdk-25-jre-headless maven postgresql redis-server openssl
      kcat python3 python3-pip python3-pytest python3-pytest-xdist python3-psycopg2 python3-confluent-kafka python3-redis python3-pymongo golang-go curl ca-certificates sqlite3 procps util-linux'
LINT='clang-format clang-tidy'

fail() {
    echo "install-deps: $*" >&2
    exit 1
}

wanted=
[ $# -gt 0 ] || set -- build test lint
for group; do
    case $group in
    build) wanted="$wanted $BUILD" ;;
    test) wanted="$wanted $TEST" ;;
    lint) wanted="$wanted $LINT" ;;
    *) fail "unknown group '$group'; the groups are build, test and lint" ;;
    esac
done

command -v dpkg-query >/dev/null 2>&1 ||
    fail "this is not Debian or Ubuntu; install the equivalents of:$(echo "$wanted" | tr -s ' \n' ' ')"

# shellcheck disable=SC2086,SC2046  # words are meant to split
installed=" $(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $(echo $wanted | tr '|' ' ') 2>/dev/null |
    sed -n 's/^installed //p' | tr '\n' ' ')"

missing=
for choice in $wanted; do
    found=no
    for package in $(echo "$choice" | tr '|' ' '); do
        case $installed in *" $package "*) found=yes ;; esac
    done
    [ $found = yes ] || missing="$missing $choice"
done
[ -n "$missing" ] || exit 0

echo "install-deps: missing:$missing" >&2
[ "${DRY_RUN:-0}" != 1 ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 || fail "can't install them: not root, and there is no sudo"
    as_root=sudo
fi

$as_root apt-get -q update >&2 || fail "apt-get update failed"
packages=
for choice in $missing; do
    pick=
    for package in $(echo "$choice" | tr '|' ' '); do
        if [ -z "$pick" ] && apt-cache show --no-all-versions "$package" >/dev/null 2>&1; then pick=$package; fi
    done
    [ -n "$pick" ] || fail "no package '$choice' in apt's sources; on Ubuntu enable 'universe'"
    packages="$packages $pick"
done

# The tests bring up servers of their own: no cluster is created for a PostgreSQL that was not here
# before, and no service is started while packages are unpacked.
no_start=/usr/sbin/policy-rc.d
restore() { [ -z "${blocked:-}" ] || $as_root rm -f $no_start; }
trap restore EXIT
trap 'exit 1' INT TERM
if ! dpkg-query -W -f '${db:Status-Status}' postgresql-common 2>/dev/null | grep -q '^installed'; then
    $as_root mkdir -p /etc/postgresql-common/createcluster.d
    echo 'create_main_cluster = false' |
        $as_root tee /etc/postgresql-common/createcluster.d/no-main-cluster.conf >/dev/null
fi
if [ ! -e $no_start ]; then
    blocked=yes
    printf '#!/bin/sh\nexit 101\n' | $as_root tee $no_start >/dev/null
    $as_root chmod 755 $no_start
fi

# shellcheck disable=SC2086  # one word a package
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install $packages >&2 ||
    fail "apt-get could not install$packages"
