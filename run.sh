#!/bin/sh
# From a fresh clone to the report: ./run.sh, or ./run.sh configs/my.yaml. See deploy/start.py --help.
cd "$(dirname "$0")" || exit 1
for python in "${PYTHON:-}" python3 python3.13 python3.12 python3.11 python; do
    [ -n "$python" ] || continue
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
        exec "$python" deploy/start.py "$@"
    fi
done
printf 'Python 3.11 or newer was not found.\n  where: PATH\n  to do: install it, then run the same command again\n' >&2
exit 2
