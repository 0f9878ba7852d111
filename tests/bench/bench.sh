#!/usr/bin/env bash
# End to end, as whole processes: order events from a real Kafka into a sink, upsink against the
# bare floor (where the sink has one) in turns, the final state checked row by row after every run.
# `make bench` calls it.
#
# Environment: SINK (postgres; the others are in sinks/), EVENTS (500000), KEYS (100000), PARTITIONS (4), RUNS (3),
# CODEC (none) of the topic, CONTENDERS (floor-10000 floor-30000 upsink; the number is the floor's
# batch size), BUILD (build), BENCH_DIR (a fresh directory under /tmp; kept when given).
set -euo pipefail
cd "$(dirname "$0")/../.."

SINK=${SINK:-postgres} EVENTS=${EVENTS:-500000} KEYS=${KEYS:-100000} PARTITIONS=${PARTITIONS:-4} RUNS=${RUNS:-3}
CODEC=${CODEC:-none} BUILD=${BUILD:-build}
bin=$BUILD/tests/bench
export UPSINK_PLUGIN_PATH=$PWD/$BUILD/sinks

# What depends on the sink is in sinks/$SINK.sh:
#
#   start_sink, stop_sink    a server of its own below $dir
#   create_target NAME       a fresh target; sets target, the sink's URL, and target_name, the view's `table`,
#                            where that is not to be orders
#   drop_target NAME
#   check_target CONTENDER   prints how many rows of the target differ from the expected state: row by row,
#                            with the store's own client, and none may be too many
#   floor_command NAME SIZE  sets command, where the sink has a floor among its CONTENDERS
#   sink_settings            prints more YAML for the view, where the sink needs it
#
# The expected file's columns: generate.c. upsink must show the fold by lastUpdated.
if [ ! -f "tests/bench/sinks/$SINK.sh" ]; then
    echo "bench: SINK is one of $(cd tests/bench/sinks && echo *.sh | sed 's/\.sh//g'), not $SINK" >&2
    exit 2
fi
sink_settings() { :; }
# shellcheck disable=SC1090,SC2154
. "tests/bench/sinks/$SINK.sh"
CONTENDERS=${CONTENDERS:-upsink}

dir=${BENCH_DIR:-$(mktemp -d /tmp/upsink-bench.XXXXXX)}
mkdir -p "$dir"
chmod 711 "$dir"
finish() {
    tests/servers/kafka.sh stop "$dir/kafka" 2>/dev/null || true
    stop_sink 2>/dev/null || true
    [ -n "${BENCH_DIR:-}" ] || [ -n "${failed:-}" ] || rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT TERM

fail() {
    failed=yes
    echo "bench: $*; see $dir" >&2
    exit 1
}

# --- contenders ---------------------------------------------------------------------------------

# The view is named after the run, so that its consumer group is fresh too.
write_config() {
    cat >"$dir/$1.yaml" <<YAML
kafka:
  bootstrap.servers: $KAFKA_BROKERS
http:
  listen: "127.0.0.1:0"
log:
  level: warn
views:
  $1:
    topic: orders
    sink: "$target"
    table: "${target_name:-orders}"
    event_id: /id
    version: /data/lastUpdated
$(sink_settings)
YAML
}

# run_contender NAME ROUND: appends "NAME ROUND events/s CPU-s-per-million peak-MB" to the results
run_contender() {
    local name=$1 run=${1//-/_}_$2 differing
    create_target "$run"
    if [[ $name == floor-* ]]; then
        floor_command "$run" "${name#floor-}"
    else
        write_config "$run"
        command=("$BUILD/upsink" run -c "$dir/$run.yaml" --until-end)
    fi
    "$bin/measure" "$dir/$run.measured" "${command[@]}" >"$dir/$run.log" 2>&1 ||
        fail "$name failed: $(tail -n 3 "$dir/$run.log")"
    differing=$(check_target "$name") || fail "$name: the final state can't be read"
    [ "$differing" = 0 ] || fail "$name: $differing rows differ from the expected state"
    awk -v name="$name" -v round="$2" -v events="$EVENTS" \
        '{ printf "%s %d %.0f %.2f %.0f\n", name, round, events / $1, $2 * 1e6 / events, $3 / 1024 }' \
        "$dir/$run.measured" | tee -a "$dir/results" |
        awk '{ printf "  round %d  %-12s %8d events/s  %6.2f CPU-s/M  %5d MB\n", $2, $1, $3, $4, $5 }'
    drop_target "$run"
}

# --- results ------------------------------------------------------------------------------------

print_medians() {
    awk -v contenders="$CONTENDERS" '
    function median(list, count, value, i, j, t) {
        count = split(list, value, " ")
        for (i = 2; i <= count; i++)
            for (j = i; j > 1 && value[j - 1] + 0 > value[j] + 0; j--) { t = value[j]; value[j] = value[j - 1]; value[j - 1] = t }
        return count % 2 ? value[(count + 1) / 2] : (value[count / 2] + value[count / 2 + 1]) / 2
    }
    { rate[$1, $2] = $3; rates[$1] = rates[$1] " " $3; cpus[$1] = cpus[$1] " " $4; memories[$1] = memories[$1] " " $5; if ($2 > rounds) rounds = $2 }
    END {
        count = split(contenders, name, " ")
        printf "%-12s %10s %12s %10s", "median", "events/s", "CPU-s/M", "peak MB"
        for (i = 1; i <= count; i++) if (name[i] ~ /^floor/) printf " %15s", "of " name[i]
        printf "\n"
        for (i = 1; i <= count; i++) {
            printf "%-12s %10d %12.2f %10d", name[i], median(rates[name[i]]), median(cpus[name[i]]), median(memories[name[i]])
            for (j = 1; j <= count; j++) if (name[j] ~ /^floor/) {
                list = ""
                for (r = 1; r <= rounds; r++) list = list " " rate[name[i], r] / rate[name[j], r]
                printf " %14.0f%%", 100 * median(list)
            }
            printf "\n"
        }
    }' "$dir/results"
}

tests/servers/kafka.sh start "$dir/kafka" >/dev/null
. "$dir/kafka/env"
start_sink
"$bin/generate" --brokers "$KAFKA_BROKERS" --topic orders --events "$EVENTS" --keys "$KEYS" --partitions "$PARTITIONS" \
    --codec "$CODEC" --expected "$dir/expected.tsv"
: >"$dir/results"
for round in $(seq "$RUNS"); do
    for contender in $CONTENDERS; do run_contender "$contender" "$round"; done
done
print_medians
