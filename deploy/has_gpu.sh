#!/usr/bin/env bash
# Exits 0 if the Docker engine can give a container an NVIDIA GPU: by a runtime, CDI, or the toolkit's hook.
set -u
found=$(docker info --format '{{range $name, $_ := .Runtimes}}{{$name}} {{end}}' 2> /dev/null)
[[ " $found " == *" nvidia "* ]] && exit 0
docker info --format '{{json .}}' 2> /dev/null | grep -q 'nvidia.com/gpu' && exit 0
command -v nvidia-container-runtime-hook > /dev/null
