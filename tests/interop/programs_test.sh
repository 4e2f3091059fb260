#!/bin/bash
# The two programs against each other, over every transport that reaches another process.
set -euo pipefail
folder=$(mktemp -d /tmp/interop.XXXXXX)
trap 'rm -rf "$folder"' EXIT

fail() {
  echo "$*" >&2
  exit 1
}

# A server that its client starts.
child="exec:tests/interop/server --address=stdio:"
tests/interop/client --target="$child" || fail "$child: a case has failed"

for address in "local:$folder/local" "shm:$folder/shm" "unix:$folder/socket" "unix-abstract:${folder##*/}" \
  "fifo:$folder/fifo" "mqueue:/${folder##*/}?messages=8&size=1024" "sysvmq:$folder/sysvmq" tcp://127.0.0.1:0; do
  coproc SERVER { exec tests/interop/server --address="$address"; }
  server=$SERVER_PID
  read -r line <&"${SERVER[0]}"
  target=${line#serving at }
  tests/interop/client --target="$target" || fail "$address: a case has failed"
  tests/interop/client --target="$target" --test_case=large_unary
  said=$(tests/interop/client --target="$target" --test_case=no_such_case) && fail "no such case, yet it passed"
  [[ "$said" == *"no such interop case; there are empty_unary "* ]] || fail "the client said: $said"
  kill "$server"
  wait "$server" || fail "$address: the server's exit code after SIGTERM: $?"
  # A case that has no server does not pass.
  tests/interop/client --target="$target" --test_case=empty_unary && fail "passed without a server"
done
said=$(tests/interop/client --target=nowhere 2>&1) && fail "no address, yet it passed"
[[ "$said" == *"--target: INVALID_ARGUMENT: "* ]] || fail "the client said: $said"
