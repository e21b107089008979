#!/usr/bin/env bash
# Build the four images one after another, so that later builds reuse the shared layers of earlier ones.
# BuildKit is used if available, but is not required.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

need_engine
docker buildx version > /dev/null 2>&1 || export DOCKER_BUILDKIT=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for service in converter trainer evaluator reporter; do
    began=$SECONDS
    echo "building so8t-ab/$service:0.1.0 ..."
    docker build --target "$service" --tag "so8t-ab/$service:0.1.0" . > "$log" 2>&1 || {
        tail -n 30 "$log" >&2
        fail "The image of $service could not be built." "Dockerfile, target $service" "see the lines above" 1
    }
    echo "built so8t-ab/$service:0.1.0 in $(( SECONDS - began )) s"
done
