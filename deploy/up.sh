#!/usr/bin/env bash
# The full profile for scripts: start it in the background, wait for the report, print the outcome.
#
# Exits with 0 once every stage has exited with 0; with the failed stage's exit code as soon as a stage has failed for
# good (its restarts are used up); with 75 after UP_TIMEOUT_S seconds (default 172800, two days) while stages continue.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

began=$(date +%s)
limit_s=$(setting UP_TIMEOUT_S 172800)
project=""
declare -A ids=() shown=()

check_before() {
    need_compose
    local config
    config=$(resolved)
    project=$(sed -n 's/^name: //p' <<< "$config")
    if grep -q 'driver: nvidia' <<< "$config" && ! deploy/has_gpu.sh; then
        fail "compose.yaml requests an NVIDIA GPU, but this Docker engine cannot provide one." "docker info" \
            "run make up CPU=1 (which adds compose.cpu.yaml), or install the NVIDIA Container Toolkit" 2
    fi
    check_files "$config"
    local image
    for image in converter trainer evaluator reporter; do
        docker image inspect "so8t-ab/$image:0.1.0" > /dev/null 2>&1 \
            || fail "The image so8t-ab/$image:0.1.0 is missing." "docker images" "make images" 2
    done
}

is_there() {  # path; the demo's folder needs everything from `make inputs`, because a run alone creates a store there
    local part parts=("$1")
    [[ $1 != */demo-run ]] || parts=("$1/model/config.json" "$1/data/rows.jsonl")
    for part in "${parts[@]}"; do
        [[ -e $part ]] || return 1
    done
}

check_files() {  # every mounted file and folder must exist: the engine's own message names no remedy
    local path results
    results=$(setting SO8T_RESULTS results)
    [[ $results == /* ]] || results=$PWD/${results#./}
    while read -r path; do
        is_there "$path" && continue
        case $path in
            "$results") fail "The folder for the results is missing." "$path" \
                "make secrets (it creates the folder, owned by the stages' user; existing keys are kept)" 2 ;;
            *minio_root_* | *.json) fail "A key file is missing." "$path" "make secrets" 2 ;;
            */demo-run) fail "The demo's model and data are missing." "$path" \
                "make inputs; or, for your own model, set SO8T_INPUTS (docs/containers.md)" 2 ;;
            *) fail "A folder that compose.yaml mounts is missing." "$path" \
                "create it, or correct SO8T_INPUTS or SO8T_CONFIGS" 2 ;;
        esac
    done < <(sed -n -E 's/^ +(source|file): (\/.*)$/\2/p' <<< "$1" | sort -u)
}

# One line per stage: service, state, exit code.
states() {
    docker inspect --format \
        '{{index .Config.Labels "com.docker.compose.service"}} {{.State.Status}} {{.State.ExitCode}}' "${ids[@]}"
}

find_containers() {
    local service id
    for service in minio-init "${STAGES[@]}"; do  # minio-init is absent if the bucket is elsewhere
        id=$(docker ps --all --quiet --filter "label=com.docker.compose.project=$project" \
            --filter "label=com.docker.compose.service=$service" --filter "label=com.docker.compose.oneoff=False")
        [[ -n $id ]] && ids[$service]=$id
    done
    return 0
}

show_changes() {  # one line whenever a stage's state changes
    local service state code
    while read -r service state code; do
        [[ $state == exited ]] && state="exited with $code"
        if [[ ${shown[$service]:-} != "$state" ]]; then
            shown[$service]=$state
            echo "$service: $state"
        fi
    done <<< "$1"
}

# Every exit of a stage since this script started, oldest first: service, exit code. Restarts hide them from `states`.
ends() {
    docker events --since "$began" --until "$(date +%s)" --filter event=die \
        --filter "label=com.docker.compose.project=$project" \
        --format '{{index .Actor.Attributes "com.docker.compose.service"}} {{.Actor.Attributes.exitCode}}'
}

# The stage that failed for good, if any, and its code: one that exited with 2, which no restart fixes, or one whose
# restarts are used up. Exit code 3 reports another stage's failure, so that stage is preferred.
failed_stage() {
    local all stage code cause="" follower=""
    all=$(ends)
    for stage in minio-init "${STAGES[@]}"; do
        grep -q -x "$stage 2" <<< "$all" && { echo "$stage 2"; return; }
        code=$(awk -v s="$stage" '$1 == s && ($2 == "exited" || $2 == "dead") { print $3 }' <<< "$1")
        case ${code:-0} in
            0) ;;
            3) follower=${follower:-$stage 3} ;;
            *) echo "$stage $code"; return ;;
        esac
        cause=${cause:-$(awk -v s="$stage" '$1 == s && $2 !~ /^(0|3|75)$/' <<< "$all" | tail -n 1)}
    done
    [[ -n $follower ]] && echo "${cause:-$follower}"
    return 0
}

end_with_failure() {  # stage, exit code
    "${COMPOSE[@]}" --profile full logs --no-color --no-log-prefix --tail 12 "$1" >&2 || true
    "${COMPOSE[@]}" --profile full stop "${STAGES[@]}" > /dev/null 2>&1 || true
    fail "$1 failed with exit code $2; the other stages were stopped." "the lines above" \
        "fix the cause, then run the same command again: finished work is kept" "$2"
}

wait_for_report() {
    local now failed
    while (( SECONDS < limit_s )); do
        now=$(states)
        show_changes "$now"
        read -r -a failed <<< "$(failed_stage "$now")"
        (( ${#failed[@]} )) && end_with_failure "${failed[@]}"
        [[ $(grep -v '^minio-init ' <<< "$now" | grep -c ' exited 0$') == "${#STAGES[@]}" ]] && return
        sleep 1
    done
    fail "The stages are not done after $limit_s s; they are still running." "UP_TIMEOUT_S" \
        "watch them with docker compose logs --follow, or run the same command again to keep waiting" 75
}

# The reporter's output before its last exit: the table, the sentence, and as the last line the report's location.
show_report() {
    "${COMPOSE[@]}" --profile full logs --no-color --no-log-prefix reporter \
        | awk '/^report: / { said = "" } { said = said $0 "\n" } END { printf "%s", said }'
}

check_before
"${COMPOSE[@]}" --progress plain --profile full up --detach 2> >(grep -v -E '^ *(Container|Network|Volume) ' >&2) \
    || fail "The containers could not be started." "the lines above" "fix the cause and run the same command again" 1
find_containers
wait_for_report
show_report
