#!/usr/bin/env bash
# Runs one of Kafka's own tools against the broker that kafka.sh started in DIR:
#   kafka-tool.sh DIR topics --create --topic t --partitions 4
#   kafka-tool.sh DIR groups --describe --all-groups
#   kafka-tool.sh DIR producer-perf --topic t --num-records 1000 --record-size 100 --throughput -1
# --bootstrap-server is added. Any other word with a dot is taken as a Java class and gets its
# arguments as they are.
set -euo pipefail

usage() {
    echo "usage: kafka-tool.sh DIR topics|groups|configs|offsets|delete-records|transactions|dump-log|producer-perf|console-producer|CLASS [ARGUMENT...]" >&2
    exit 2
}
[ $# -ge 2 ] || usage
# shellcheck disable=SC1091
. "$1/env"
tool=$2
shift 2
server=(--bootstrap-server "$KAFKA_BROKERS")
case $tool in
topics) class=org.apache.kafka.tools.TopicCommand ;;
groups) class=org.apache.kafka.tools.consumer.group.ConsumerGroupCommand ;;
configs) class=kafka.admin.ConfigCommand ;;
offsets) class=org.apache.kafka.tools.GetOffsetShell ;;
delete-records) class=org.apache.kafka.tools.DeleteRecordsCommand ;;
transactions) class=org.apache.kafka.tools.TransactionsCommand ;;
console-producer) class=org.apache.kafka.tools.ConsoleProducer ;;
producer-perf)
    class=org.apache.kafka.tools.ProducerPerformance
    server=(--producer-props "bootstrap.servers=$KAFKA_BROKERS")
    ;;
dump-log)
    class=kafka.tools.DumpLogSegments
    server=()
    ;;
*.*)
    class=$tool
    server=()
    ;;
*) usage ;;
esac
exec java -Xmx128m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dorg.slf4j.simpleLogger.defaultLogLevel=error \
    -cp "$KAFKA_LIB/*" "$class" "${server[@]}" "$@"
