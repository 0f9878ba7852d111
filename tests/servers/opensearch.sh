#!/usr/bin/env bash
# OpenSearch 2.19, one node, on loopback, without security. Commands and files: see lib.sh, search.sh.
#
# DIR/env: OPENSEARCH_URL OPENSEARCH_PORT OPENSEARCH_PID
# shellcheck disable=SC2034
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
SERVER=opensearch
VERSION=2.19.4
SHA256=3902e642715210d1d9d7cbdcc8f5abd6f931d1d7a679cea3750937becf16c406
COORDINATES=org.opensearch.distribution.integ-test-zip:opensearch:$VERSION:zip
JAVA_VARIABLE=JAVA_HOME
TMP_VARIABLE=OPENSEARCH_TMPDIR
OPTIONS_VARIABLE=OPENSEARCH_JAVA_OPTS
READY_PATH='/_cluster/health?wait_for_status=yellow'
. "$here/search.sh"

write_settings() { :; }

prepare_home() { :; }

server_main "$@"
