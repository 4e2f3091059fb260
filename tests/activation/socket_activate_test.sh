#!/bin/bash
# systemd-socket-activate listens, and starts the server when the first client comes.
set -euo pipefail
folder=$(mktemp -d /tmp/socket_activate.XXXXXX)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$folder"' EXIT

# try ADDRESS ARG...: the server that systemd-socket-activate ARG... starts answers at ADDRESS.
try() {
  local address=$1 path=$folder/socket manager reply
  shift
  rm -f "$path"
  systemd-socket-activate --listen="$path" --fdname=greeter "$@" \
    examples/greeter/server systemd:greeter >"$folder/said" 2>"$folder/manager" &
  manager=$!
  # It says so once it listens.
  until grep -q "Listening on" "$folder/manager"; do
    kill -0 "$manager" || { cat "$folder/manager"; exit 1; }
    sleep 0.01
  done
  [[ ! -s "$folder/said" ]] || { echo "the server runs before anybody has come"; exit 1; }
  reply=$(examples/greeter/client "$address" ann)
  [[ "$reply" == "hello ann" ]] || { echo "the client at $address said: $reply"; exit 1; }
  grep -qx "serving at $address" "$folder/said" || { echo "the server said:"; cat "$folder/said"; exit 1; }
  kill "$manager"
  wait "$manager" || { echo "the server ended with $?"; exit 1; }
}

try "unix:$folder/socket"
try "shm:$folder/socket" --seqpacket
