#!/usr/bin/env bash
# Elasticsearch, one node, on loopback, with basic authentication. Commands and files: see lib.sh, search.sh.
# (Elastic License: for tests only, never to be given on.)
#
# Environment: ELASTICSEARCH_MAJOR (7, or 8; for restart too). ELASTICSEARCH_TLS: a directory with ca.crt, server.crt and
# server.key, for localhost; HTTP goes over TLS then, and ELASTICSEARCH_URL begins with elasticsearch+https.
# API keys can be made with the help of elasticsearch-analysis.
# Users are in files, since this layout can't make the index that others are kept in: `admin`, a superuser; `writer` and
# `reader`, with roles of these names in DIR/home/config/roles.yml, which may be changed (noticed within 5 s).
# DIR/env: ELASTICSEARCH_URL, with `admin`; ELASTICSEARCH_PORT ELASTICSEARCH_PID
# shellcheck disable=SC2034
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
SERVER=elasticsearch
TITLE=Elasticsearch
case ${ELASTICSEARCH_MAJOR:=7} in
7) VERSION=7.17.28 SHA256=37004c9bd95165eb41b229204bbb9f311d8099d6db22ec22b2f019664f0a75ab ;;
8) VERSION=8.17.0 SHA256=c3e814c3fa6b31ffaa2bad55c3aa2121fd595b3ffe08a7adf3a4579adbcb91d9 HAS_LAUNCHER=yes ;;
*) die "ELASTICSEARCH_MAJOR is 7 or 8" ;;
esac
COORDINATES=org.elasticsearch.distribution.integ-test-zip:elasticsearch:$VERSION:zip
JAVA_VARIABLE=ES_JAVA_HOME
TMP_VARIABLE=ES_TMPDIR
OPTIONS_VARIABLE=ES_JAVA_OPTS
READY_PATH='/_cluster/health?wait_for_status=yellow'
. "$here/search.sh"

write_settings() {
    cat >>"$1" <<YAML
xpack.security.enabled: true
xpack.security.autoconfiguration.enabled: false
xpack.security.http.ssl.enabled: $([ -n "${ELASTICSEARCH_TLS:-}" ] && echo true || echo false)
xpack.security.authc.api_key.enabled: true
YAML
    if [ -n "${ELASTICSEARCH_TLS:-}" ]; then
        printf 'xpack.security.http.ssl.%s\n' 'certificate: server.crt' 'key: server.key' >>"$1"
    fi
    [ "$ELASTICSEARCH_MAJOR" = 8 ] || sed -i '/autoconfiguration/d' "$1"
}

ANALYSIS_SOURCE=$here/elasticsearch-analysis/SecurityIndexAnalysis.java
ANALYSIS_HOME=$SEARCH_HOME-analysis-$(sha256sum <"$ANALYSIS_SOURCE" | cut -c1-12)

# A compiler that needs no JDK makes the module that the layout lacks.
build_analysis() {
    local part=$ANALYSIS_HOME.part
    [ ! -d "$ANALYSIS_HOME" ] || return 0
    fetch_artifact org.eclipse.jdt:ecj:3.33.0 f7686c4960cf70c2ebc5c500a73a8cfc04541b730c18f1c5c21329889b137f45 "$part"
    java -jar "$part"/ecj-*.jar -17 -proc:none -cp "$(printf '%s:' "$SEARCH_HOME"/lib/*.jar)" -d "$part/classes" \
        "$ANALYSIS_SOURCE" >&2 || die "can't compile $ANALYSIS_SOURCE"
    rm "$part"/ecj-*.jar
    (cd "$part/classes" && /usr/bin/python3 -m zipfile -c ../security-index-analysis.jar ./*.class)
    rm -r "$part/classes"
    cat >"$part/plugin-descriptor.properties" <<PROPERTIES
name=security-index-analysis
description=what the index .security needs
version=$VERSION
elasticsearch.version=$VERSION
java.version=17
classname=SecurityIndexAnalysis
PROPERTIES
    chmod -R a+rX "$part"
    mv "$part" "$ANALYSIS_HOME"
}

prepare_home() {
    local user
    with_cache_lock "$SERVER" build_analysis
    cp -r "$ANALYSIS_HOME" "$1/modules/security-index-analysis"
    if [ -n "${ELASTICSEARCH_TLS:-}" ]; then
        take_certificate "$1" "$ELASTICSEARCH_TLS"
    fi
    SEARCH_USER=admin:secret-of-tests
    cat >>"$1/config/roles.yml" <<YAML
writer:
  cluster: [monitor]
  indices: [{names: ["t*", ".upsink-*"], privileges: [create_index, manage, read, write]}]
reader:
  indices: [{names: ["t*", ".upsink-*"], privileges: [read]}]
YAML
    # The password is secret-of-tests (bcrypt, four rounds).
    for user in admin:superuser writer:writer reader:reader; do
        # shellcheck disable=SC2016
        echo "${user%:*}:"'$2a$04$upsinkupsinkupsinkupseazHl3Un8tTmPUU5d3hTUW4Pe1A5.mU6' >>"$1/config/users"
        echo "${user#*:}:${user%:*}" >>"$1/config/users_roles"
    done
}

server_main "$@"
