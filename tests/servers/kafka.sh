#!/usr/bin/env bash
# Apache Kafka, one node (KRaft), on loopback. Commands and files: see lib.sh.
#
# Environment: KAFKA_HEAP (512m), KAFKA_AUTOCREATE=1 creates topics on first use,
# KAFKA_EXTRA holds more lines for server.properties.
# DIR/env: KAFKA_BROKERS KAFKA_PORT KAFKA_CONTROLLER_PORT KAFKA_PID KAFKA_HEAP KAFKA_LIB
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
SERVER=kafka
KAFKA_VERSION=4.1.0
KAFKA_HOME=$UPSINK_CACHE/kafka-$KAFKA_VERSION

fetch_kafka() {
    [ ! -d "$KAFKA_HOME/lib" ] || return 0
    need_command mvn
    note "fetching Apache Kafka $KAFKA_VERSION (54 MB, once)"
    rm -rf "$KAFKA_HOME.part"
    mkdir -p "$KAFKA_HOME.part"
    cp "$here/kafka-pom.xml" "$KAFKA_HOME.part/pom.xml"
    # --strict-checksums: a file that does not match the repository's checksum fails the build.
    (cd "$KAFKA_HOME.part" && try_thrice mvn -q -B -Dstyle.color=never --strict-checksums "-Dkafka.version=$KAFKA_VERSION" \
        dependency:copy-dependencies -DoutputDirectory=lib) >&2 || die "maven could not fetch Kafka"
    ls "$KAFKA_HOME.part"/lib/kafka-tools-*.jar >/dev/null
    rm -rf "$KAFKA_HOME"
    mv "$KAFKA_HOME.part" "$KAFKA_HOME"
}

write_properties() {
    cat >"$1/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$3
listeners=PLAINTEXT://127.0.0.1:$2,CONTROLLER://127.0.0.1:$3
advertised.listeners=PLAINTEXT://127.0.0.1:$2
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$1/data
auto.create.topics.enable=$([ "${KAFKA_AUTOCREATE:-0}" = 1 ] && echo true || echo false)
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=4000
log.cleaner.enable=true
log.cleaner.backoff.ms=500
log.cleaner.dedupe.buffer.size=16777216
log.retention.check.interval.ms=1000
log.retention.ms=-1
offsets.retention.check.interval.ms=86400000
${KAFKA_EXTRA:-}
PROPERTIES
}

# shellcheck disable=SC2086
run_java() { java "-Xmx$KAFKA_HEAP" ${UPSINK_JVM_OPTIONS:-} -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$KAFKA_HOME/lib/*" "$@"; }

broker_answers() { timeout 5 kcat -L -b "$1" -m 4 2>/dev/null | grep -q "broker 1 at $1"; }

launch() {
    local dir=$1
    # shellcheck disable=SC2086
    spawn "$dir" java "-Xmx$KAFKA_HEAP" ${UPSINK_JVM_OPTIONS:-} -XX:+ExitOnOutOfMemoryError -Djava.io.tmpdir="$dir/tmp" \
        -Dorg.slf4j.simpleLogger.showDateTime=true '-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS' \
        -cp "$KAFKA_HOME/lib/*" kafka.Kafka "$dir/server.properties"
    wait_ready "$dir" "$KAFKA_PORT" broker_answers "127.0.0.1:$KAFKA_PORT"
    write_env "$dir" KAFKA_BROKERS "127.0.0.1:$KAFKA_PORT" KAFKA_PORT "$KAFKA_PORT" \
        KAFKA_CONTROLLER_PORT "$KAFKA_CONTROLLER_PORT" KAFKA_PID "$SERVER_PID" KAFKA_HEAP "$KAFKA_HEAP" \
        KAFKA_LIB "$KAFKA_HOME/lib"
    echo "127.0.0.1:$KAFKA_PORT"
}

start_server() {
    local dir=$1
    need_command java
    need_command kcat
    with_cache_lock kafka fetch_kafka
    KAFKA_HEAP=${KAFKA_HEAP:-512m}
    KAFKA_PORT=$(free_port)
    KAFKA_CONTROLLER_PORT=$(free_port 1)
    mkdir -p "$dir/tmp"
    write_properties "$dir" "$KAFKA_PORT" "$KAFKA_CONTROLLER_PORT"
    # The cluster id is 16 bytes in URL-safe base64.
    run_java kafka.tools.StorageTool format -c "$dir/server.properties" \
        -t "$(head -c 16 /dev/urandom | base64 | tr '+/' 'Az' | cut -c1-22)" >"$dir/kafka.log" 2>&1 ||
        fail_with_log "$dir" "could not format its storage"
    launch "$dir"
}

restart_server() { launch "$1"; }

server_version() { echo "Kafka $KAFKA_VERSION"; }

server_main "$@"
