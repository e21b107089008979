#!/bin/sh
# Creates the bucket and a least-privilege user for each stage. Safe to repeat: a changed key file updates its user,
# and excess rights of a user in this bucket are revoked.
#
#   MINIO_ENDPOINT  address of the server, http://minio:9000
#   BUCKET          name of the bucket
#   MC_CONFIG_DIR   empty private folder, to be deleted afterwards: mc keeps the root keys in it
#   SECRETS         folder with minio_root_user, minio_root_password and a file SERVICE.json for each service:
#                   {"accessKey": "...", "secretKey": "..."}; default /run/secrets. operator.json, for people who run
#                   `so8t-ab` against the bucket themselves, gateway.json, for /think, and ui.json, for the dashboard, are
#                   optional.
#
# Needs only mc, cat and a POSIX shell, because mc's image has nothing else. mc reads keys from standard input, so that
# process lists do not show them.
set -eu

here=${0%/*}
secrets=${SECRETS:-/run/secrets}
stages="converter-a:convert-a trainer:train converter-b:convert-b importer:import evaluator:evaluate concluder:conclude reporter:report"

die() { # what, where, remedy
    printf '%s\n  where: %s\n  to do: %s\n' "$1" "$2" "$3" >&2
    exit 4
}

try() { # command ...: quiet unless it fails
    if ! said=$("$@" 2>&1); then
        die "MinIO rejected '$1 $2 $3': $said" "$MINIO_ENDPOINT" "see the log of the service minio"
    fi
}

field() { # text, name: the value of a string field in a small JSON document
    rest=${1#*\"$2\"}
    [ "$rest" != "$1" ] || return 1
    rest=${rest#*:}
    rest=${rest#*\"}
    printf '%s' "${rest%%\"*}"
}

replaced() { # text, old, new
    text=$1
    while [ "${text#*"$2"}" != "$text" ]; do
        text="${text%%"$2"*}$3${text#*"$2"}"
    done
    printf '%s' "$text"
}

make_policy() { # template, name, stage
    text=$(replaced "$(cat "$here/$1.json")" @BUCKET@ "$BUCKET")
    replaced "$text" @STAGE@ "$3" > "$MC_CONFIG_DIR/$2.json"
    try mc admin policy create so8t "$2" "$MC_CONFIG_DIR/$2.json"
}

attach() { # policy, access key
    if ! said=$(mc admin policy attach so8t "$1" --user "$2" 2>&1); then
        case $said in
            *"already in effect"*) ;;
            *) die "MinIO cannot attach the policy $1 to a user: $said" "$MINIO_ENDPOINT" "see the log of the service minio" ;;
        esac
    fi
}

detach_others() { # access key, policy ...: detach this bucket's other policies from the user
    user=$1
    shift
    held=$(mc --json admin user info so8t "$user" 2> /dev/null) && held=$(field "$held" policyName) || return 0
    for name in answers operator gateway ui $stages; do
        policy=$BUCKET-${name#*:}
        case ",$held," in *",$policy,"*) ;; *) continue ;; esac
        case " $* " in *" $policy "*) ;; *) try mc admin policy detach so8t "$policy" --user "$user" ;; esac
    done
}

read_keys() { # service: sets file, access and secret
    file=$secrets/$1.json
    text=$(cat "$file" 2> /dev/null) || die "A key file cannot be read." "$file" "create it: deploy/make_secrets.sh"
    access=$(field "$text" accessKey) && secret=$(field "$text" secretKey) ||
        die "A key file lacks accessKey or secretKey." "$file" "delete it and run deploy/make_secrets.sh"
}

check_keys() { # service ...: each must have keys and its own user; a shared user would get the rights of both
    users=" "
    for service in "$@"; do
        read_keys "$service"
        case $users in
            *" $access "*) die "Two services have the same user, $access." "$file" \
                "unset SO8T_CREDENTIALS (it is for a host that runs one stage), or delete the file and run deploy/make_secrets.sh" ;;
        esac
        users="$users$access "
    done
}

make_user() { # service, policy ...
    read_keys "$1"
    shift
    if ! said=$(printf '%s\n%s\n' "$access" "$secret" | mc admin user add so8t 2>&1); then
        die "MinIO rejected a user: $said" "$file" "use a secret of 8 to 40 characters"
    fi
    for policy in "$@"; do
        attach "$policy" "$access"
    done
    detach_others "$access" "$@"
}

[ -n "${MC_CONFIG_DIR:-}" ] ||
    die "mc would keep the root keys in your home folder." "MC_CONFIG_DIR" "set it to an empty folder, for example from mktemp -d"
export MC_CONFIG_DIR HOME="${HOME:-$MC_CONFIG_DIR}"  # mc requires a home even if it does not use it
[ -r "$secrets/minio_root_user" ] && [ -r "$secrets/minio_root_password" ] ||
    die "The root user's name or password is missing." "$secrets" "create them: deploy/make_secrets.sh"
if ! said=$(printf '%s\n%s\n' "$(cat "$secrets/minio_root_user")" "$(cat "$secrets/minio_root_password")" |
    mc alias set so8t "$MINIO_ENDPOINT" 2>&1); then
    die "MinIO rejected the root user: $said" "$MINIO_ENDPOINT" \
        "start the service minio with the same root secrets"
fi
services=""
for pair in $stages; do
    services="$services ${pair%%:*}"
done
for extra in operator gateway ui; do
    [ ! -r "$secrets/$extra.json" ] || services="$services $extra"
done
check_keys $services
try mc mb --ignore-existing "so8t/$BUCKET"

make_policy answers "$BUCKET-answers" ""
for pair in $stages; do
    service=${pair%%:*}
    stage=${pair#*:}
    make_policy stage "$BUCKET-$stage" "$stage"
    case $service in
        evaluator) make_user "$service" "$BUCKET-$stage" "$BUCKET-answers" ;;
        *) make_user "$service" "$BUCKET-$stage" ;;
    esac
done
for extra in operator gateway ui; do
    if [ -r "$secrets/$extra.json" ]; then
        make_policy "$extra" "$BUCKET-$extra" ""
        make_user "$extra" "$BUCKET-$extra"
    fi
done
printf 'The bucket %s and its users are ready at %s.\n' "$BUCKET" "$MINIO_ENDPOINT"
