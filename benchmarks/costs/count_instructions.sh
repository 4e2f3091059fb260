#!/bin/bash
# Counts the instructions of a unary call of 64 bytes over SCHEME, both sides, with callgrind:
# two runs of different lengths, the difference divided by the difference of the calls. That leaves
# starting up and shutting down out, and is repeatable to a few parts in a hundred.
#
#   count_instructions.sh UNARY_CALLS SCHEME [LIMIT]
#
# SCHEME is one whose name may be a path: unix or shm. Prints "cost instructions_SCHEME N"; fails when
# N is more than LIMIT.
set -euo pipefail
program=$1
scheme=$2
limit=${3:-}
readonly short=5000 long=20000

if ! command -v valgrind >/dev/null; then
  echo "count_instructions.sh: valgrind is missing; apt-get install valgrind" >&2
  exit 1
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Valgrind runs one thread at a time; fair scheduling passes the turn on when one yields or waits.
instructions() {
  valgrind --tool=callgrind --callgrind-out-file="$scratch/out" --fair-sched=yes \
    "$program" both "$scheme:$scratch/socket" "$1" >"$scratch/log" 2>&1 || {
    cat "$scratch/log" >&2
    exit 1
  }
  sed -n 's/.*Collected : //p' "$scratch/log"
}

# How often the two sides look in vain differs a little from run to run; the least of three is what
# a call takes. With a limit: of as many more as it takes, up to ten.
count=
for ((run = 1; run <= 10; ++run)); do
  few=$(instructions "$short")
  many=$(instructions "$long")
  found=$(((many - few) / (long - short)))
  if [[ -z "$count" ]] || ((found < count)); then count=$found; fi
  if ((run >= 3)) && [[ -z "$limit" || "$count" -le "$limit" ]]; then break; fi
done
echo "cost instructions_$scheme $count"
if [[ -n "$limit" ]] && ((count > limit)); then
  echo "a unary call over $scheme: takes $count instructions, where it may take $limit; callgrind_annotate says where they go" >&2
  exit 1
fi
