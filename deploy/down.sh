#!/usr/bin/env bash
# Stop and remove all containers; the bucket, the models in Ollama and the scratch volumes stay.
# deploy/down.sh --volumes removes these too: all artifacts are lost.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

need_compose
"${COMPOSE[@]}" --profile '*' down --remove-orphans "$@"
