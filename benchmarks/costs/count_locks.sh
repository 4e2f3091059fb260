#!/bin/bash
# Counts the locks that a unary call of 64 bytes takes over SCHEME, both sides.
#
#   count_locks.sh LOCK_COUNTING_UNARY_CALLS SCHEME LIMIT
#
# SCHEME is one whose name may be a path: unix or shm. Prints "cost locks_SCHEME N", N of the
# calmest batch of calls. Fails when N is more than LIMIT and a tenth: a poller's task takes a lock,
# too.
set -euo pipefail
program=$1
scheme=$2
limit=$3

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Where other programs need the CPU the two sides sleep, and that takes locks.
for ((run = 1; run <= 10; ++run)); do
  line=$("$program" both "$scheme:$scratch/socket" 20000)
  if awk -v limit="$limit" '{ exit !($3 <= limit * 1.1) }' <<<"$line"; then
    echo "$line"
    exit 0
  fi
done
echo "$line"
echo "a unary call over $scheme: takes more locks than $limit" >&2
exit 1
