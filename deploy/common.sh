# Shared by the other scripts here: the project's root, the compose command, and exiting with a message.
# Environment: CPU=1 adds compose.cpu.yaml; compose's own COMPOSE_FILE and COMPOSE_PROJECT_NAME, and a
# compose.override.yaml, work as usual.

cd "$(dirname "${BASH_SOURCE[0]}")/.."

STAGES=(converter-a trainer converter-b importer evaluator concluder reporter)

# what, where, remedy, exit code: the error format of the whole project
fail() {
    printf '%s\n  where: %s\n  to do: %s\n' "$1" "$2" "$3" >&2
    exit "$4"
}

(( BASH_VERSINFO[0] >= 4 )) || fail "bash $BASH_VERSION is too old." "$BASH" "install bash 4 or newer" 2

# variable, default: the shell's value, else the value in .env, like compose itself
setting() {
    local value=${!1:-}
    if [[ -z $value && -f $ENV_FILE ]]; then
        value=$(sed -n -E "s/^[[:space:]]*(export[[:space:]]+)?$1[[:space:]]*=[[:space:]]*//p" "$ENV_FILE" | tail -n 1)
        value=${value%$'\r'}
        case $value in
            \"*\" | \'*\') value=${value:1:${#value}-2} ;;
            *) value=${value%%[[:space:]]#*} ;;
        esac
    fi
    printf '%s' "${value:-$2}"
}

ENV_FILE=${ENV_FILE:-.env}
COMPOSE=(docker compose)
if [[ ${CPU:-} == 1 ]]; then
    files=$(setting COMPOSE_FILE "compose.yaml$([[ ! -e compose.override.yaml ]] || echo :compose.override.yaml)")
    export COMPOSE_FILE=$files:compose.cpu.yaml
fi

need_engine() {
    command -v docker > /dev/null \
        || fail "Docker is not installed." "PATH" "install Docker Engine with the compose plugin, 2.24 or newer" 2
    docker info > /dev/null 2>&1 \
        || fail "The Docker engine does not answer." "docker info" \
            "start it, or give this user access to it: docker info shows the reason" 4
}

need_compose() {
    need_engine
    docker compose version > /dev/null 2>&1 \
        || fail "Docker has no compose plugin." "docker compose version" "install docker-compose-plugin 2.24 or newer" 2
}

# The configuration as compose resolves it, without the x- sections at its end.
resolved() {
    "${COMPOSE[@]}" --profile full config | sed '/^x-/,$d'
}
