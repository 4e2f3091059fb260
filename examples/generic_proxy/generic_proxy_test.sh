#!/bin/bash
# A greeter, a proxy before it, and a client that knows the proxy only: three processes.
set -euo pipefail
folder=$(mktemp -d /tmp/generic_proxy.XXXXXX)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$folder"' EXIT

# start LINE PROGRAM ARG...: returns when the program has said LINE.
start() {
  local expected="$1" line
  shift
  mkfifo "$folder/said"
  "$@" >"$folder/said" &
  read -r line <"$folder/said"
  rm "$folder/said"
  [[ "$line" == "$expected" ]] || { echo "$1 said: $line"; exit 1; }
}

start "serving at local:$folder/greeter" examples/greeter/server "local:$folder/greeter"
start "forwarding from local:$folder/proxy" \
  examples/generic_proxy/generic_proxy "local:$folder/proxy" "local:$folder/greeter"

reply=$(examples/greeter/client "local:$folder/proxy" ann)
[[ "$reply" == "hello ann" ]] || { echo "the client said: $reply"; exit 1; }

# Without the greeter, the proxy hands on why there is no answer.
kill %1
wait %1
if reply=$(examples/greeter/client "local:$folder/proxy" ann 2>&1); then
  echo "a client was greeted by nobody: $reply"
  exit 1
fi
[[ "$reply" == *"local:$folder/greeter"*"is the server running?"* ]] ||
  { echo "the client said: $reply"; exit 1; }
