# bash completion for upsink. Written by: upsink generate bash
_upsink() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words=
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W 'run plan dlq sinks demo --help --version' -- "$current")
        return
    fi
    case $previous in
    --config | -c)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --log-level)
        mapfile -t COMPREPLY < <(compgen -W 'debug info warn error' -- "$current")
        return
        ;;
    --log-format)
        mapfile -t COMPREPLY < <(compgen -W 'text json' -- "$current")
        return
        ;;
    --output | -o)
        mapfile -t COMPREPLY < <(compgen -W 'table json' -- "$current")
        return
        ;;
    --view | --brokers | -b | --topic | -t | --sink | -s | --name | --set | --http-listen | --code | --key | --since | --until | --grep | --limit | --records | --events | -n)
        return
        ;;
    esac
    case "${COMP_WORDS[1]} ${COMP_WORDS[2]-}" in
    "run "*) words='--config --view --brokers --topic --sink --name --set --until-end --http-listen --log-level --log-format --help' ;;
    "plan "*) words='--config --view --brokers --topic --sink --name --set --records --output --log-level --log-format --help' ;;
    "dlq list"*) words='--config --brokers --topic --sink --name --set --log-level --log-format --code --key --since --until --grep --limit --all --output --help' ;;
    "dlq show"*) words='--config --brokers --topic --sink --name --set --log-level --log-format --output --help' ;;
    "dlq stats"*) words='--config --brokers --topic --sink --name --set --log-level --log-format --output --help' ;;
    "sinks "*) words='--output --help' ;;
    "demo "*) words='--events --brokers --sink --set --log-level --log-format --help' ;;
    "dlq "*) words='list show stats --help' ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _upsink upsink
