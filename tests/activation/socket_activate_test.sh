#!/bin/bash
# systemd-socket-activate listens, and starts the server when the first client comes.
set -euo pipefail
folder=$(mktemp -d /tmp/socket_activate.XXXXXX)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$folder"' EXIT

# try ADDRESS HANDED ARG...: the server that systemd-socket-activate ARG... starts, listening at
# HANDED, answers at ADDRESS.
try() {
  local address=$1 handed=$2 path=$folder/socket manager reply line
  shift 2
  rm -f "$path" "$folder/manager"
  mkfifo "$folder/manager"
  systemd-socket-activate --listen="$path" --fdname=greeter "$@" \
    examples/greeter/server "$handed" >"$folder/said" 2>"$folder/manager" &
  manager=$!
  exec 3<"$folder/manager"
  # It says so once it listens.
  until [[ "${line:-}" == *"Listening on"* ]]; do
    read -r line <&3 || { echo "systemd-socket-activate said at last: $line"; exit 1; }
  done
  [[ ! -s "$folder/said" ]] || { echo "the server runs before anybody has come"; exit 1; }
  reply=$(examples/greeter/client "$address" ann)
  [[ "$reply" == "hello ann" ]] || { echo "the client at $address said: $reply"; exit 1; }
  grep -qx "serving at $address" "$folder/said" || { echo "the server said:"; cat "$folder/said"; exit 1; }
  kill "$manager"
  wait "$manager" || { echo "the server ended with $?"; exit 1; }
  exec 3<&-
}

try "unix:$folder/socket" systemd:greeter
try "unix:$folder/socket" systemd:
try "shm:$folder/socket" systemd:greeter --seqpacket
