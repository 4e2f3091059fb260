#!/bin/bash
# The two programs of the README do what it says. The client waits for the server to come up.
set -euo pipefail
# A user has one place for names, so one run at a time has this one.
place="/tmp/nigh-$(id -u)"
mkdir -m 700 "$place" 2>/dev/null || [[ -d "$place" ]]
exec {lock}<"$place"
flock "$lock"
tests/docs/server &
server=$!
trap 'kill "$server"; wait "$server"' EXIT
reply=$(tests/docs/client)
[[ "$reply" == "hello world" ]] || { echo "the client said: $reply"; exit 1; }
