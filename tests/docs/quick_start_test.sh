#!/bin/bash
# The two programs of the README do what it says. The client waits for the server to come up.
set -euo pipefail
tests/docs/server &
server=$!
trap 'kill "$server"; wait "$server"' EXIT
reply=$(tests/docs/client)
[[ "$reply" == "hello world" ]] || { echo "the client said: $reply"; exit 1; }
