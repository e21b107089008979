#!/usr/bin/env bash
# Once per workstation: create random keys for MinIO and each stage's user in deploy/secrets/, and the lines of .env
# that set the owner of the results. Existing values are kept; only names are printed.
#
# The folder is closed to other users (0700). The files in it are readable (0444), because they are mounted into
# containers that run as another user.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

folder=$(setting SO8T_SECRETS deploy/secrets)

random() {  # $1 characters of [A-Za-z0-9]
    local key=""
    while (( ${#key} < $1 )); do
        key+=$(head -c 64 /dev/urandom | base64 | tr -d '+/=\n')
    done
    printf '%s' "${key:0:$1}"
}

keep_or_write() {  # file name, content
    if [[ ! -s $folder/$1 ]]; then
        printf '%s' "$2" > "$folder/$1.new"
        chmod 0444 "$folder/$1.new"
        mv "$folder/$1.new" "$folder/$1"
        echo "created $folder/$1"
    fi
}

keep_or_set() {  # variable, value: a line of .env
    if ! grep -q "^$1=" "$ENV_FILE" 2> /dev/null; then
        [[ ! -s $ENV_FILE || -z $(tail -c 1 "$ENV_FILE") ]] || echo >> "$ENV_FILE"  # its last line lacks a newline
        echo "$1=$2" >> "$ENV_FILE"
        echo "set $1=$2 in $ENV_FILE"
    fi
}

umask 077
mkdir -p "$folder"
chmod 0700 "$folder"
keep_or_write minio_root_user "root-$(random 12)"
keep_or_write minio_root_password "$(random 40)"
for stage in "${STAGES[@]}" operator; do  # the operator runs so8t-ab against the bucket
    keep_or_write "$stage.json" "{\"accessKey\":\"so8t-$stage\",\"secretKey\":\"$(random 40)\"}"
done

umask 022
results=$(setting SO8T_RESULTS results)
mkdir -p "$results"
uid=$(id -u) gid=$(id -g)
if (( uid == 0 )); then  # stages never run as root
    uid=10001 gid=10001
    chown "$uid:$gid" "$results"
fi
keep_or_set SO8T_UID "$uid"
keep_or_set SO8T_GID "$gid"
keep_or_set SO8T_HOST_NAME "$(uname -n)"
if pages=$(getconf _PHYS_PAGES 2> /dev/null) && size=$(getconf PAGE_SIZE); then  # a stage must not exhaust the host's memory
    keep_or_set SO8T_MEMORY "$(( pages * size / 1048576 * 9 / 10 ))m"
fi
