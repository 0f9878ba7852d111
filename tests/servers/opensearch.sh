#!/usr/bin/env bash
# OpenSearch 2.19, one node, on loopback. Commands and files: see lib.sh, search.sh.
#
# Environment: OPENSEARCH_TLS: a directory with ca.crt, server.crt and server.key, for localhost. With it the server has its
# security plugin: HTTP goes over TLS, OPENSEARCH_URL begins with opensearch+https, and there are users: `admin`, who may do
# everything; `writer` and `reader`, with roles of these names. /_plugins/_security/api changes them.
# Without it there is no security at all.
# DIR/env: OPENSEARCH_URL, with `admin` where there are users; OPENSEARCH_PORT OPENSEARCH_PID
# shellcheck disable=SC2034
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
SERVER=opensearch
TITLE=OpenSearch
VERSION=2.19.4
SHA256=3902e642715210d1d9d7cbdcc8f5abd6f931d1d7a679cea3750937becf16c406
COORDINATES=org.opensearch.distribution.integ-test-zip:opensearch:$VERSION:zip
SECURITY=org.opensearch.plugin:opensearch-security:$VERSION.0:zip
SECURITY_SHA256=1f673622c462c4171a8c53f9b1ad20e5b839834cb79b0d3b388da180a0e514e8
JAVA_VARIABLE=JAVA_HOME
TMP_VARIABLE=OPENSEARCH_TMPDIR
OPTIONS_VARIABLE=OPENSEARCH_JAVA_OPTS
READY_PATH='/_cluster/health?wait_for_status=yellow'
. "$here/search.sh"
SECURITY_HOME=$SEARCH_HOME-security

write_settings() {
    [ -n "${OPENSEARCH_TLS:-}" ] || return 0
    cat >>"$1" <<YAML
plugins.security.allow_default_init_securityindex: true
plugins.security.restapi.roles_enabled: [all_access]
plugins.security.ssl.http.enabled: true
plugins.security.ssl.transport.enforce_hostname_verification: false
YAML
    printf 'plugins.security.ssl.%s\n' {http,transport}.{'pemcert_filepath: server.crt','pemkey_filepath: server.key','pemtrustedcas_filepath: ca.crt'} >>"$1"
}

# What the plugin puts into its index when it first starts. The password is secret-of-tests (tools/hash.sh).
write_users() {
    local user file
    cat >"$1/internal_users.yml" <<YAML
_meta: {type: internalusers, config_version: 2}
YAML
    cat >"$1/roles_mapping.yml" <<YAML
_meta: {type: rolesmapping, config_version: 2}
all_access: {users: [admin]}
YAML
    for user in admin writer reader; do
        # shellcheck disable=SC2016
        echo "$user: {hash: '"'$2y$12$08yCH9BF5jdMWbXkgFVbe.sZu4jnAxV0LCmMqD2rFrkQjnuIZAmf6'"'}" >>"$1/internal_users.yml"
        [ "$user" = admin ] || echo "$user: {users: [$user]}" >>"$1/roles_mapping.yml"
    done
    cat >"$1/roles.yml" <<YAML
_meta: {type: roles, config_version: 2}
writer:
  cluster_permissions: [cluster_monitor, cluster_composite_ops]
  index_permissions: [{index_patterns: ["t*", ".upsink-*"], allowed_actions: [create_index, manage, read, write]}]
reader:
  cluster_permissions: [cluster_composite_ops_ro]
  index_permissions: [{index_patterns: ["t*", ".upsink-*"], allowed_actions: [read]}]
YAML
    for file in config audit allowlist whitelist nodes_dn tenants action_groups; do cp "$SECURITY_HOME/config/$file.yml" "$1/"; done
}

prepare_home() {
    [ -n "${OPENSEARCH_TLS:-}" ] || return 0
    with_cache_lock "$SERVER" fetch_zip "$SECURITY" "$SECURITY_SHA256" "$SECURITY_HOME"
    cp -r "$SECURITY_HOME" "$1/plugins/opensearch-security"
    mkdir -p "$1/config/opensearch-security"
    write_users "$1/config/opensearch-security"
    take_certificate "$1" "$OPENSEARCH_TLS"
    SEARCH_USER=admin:secret-of-tests
}

server_main "$@"
