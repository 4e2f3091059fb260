#!/bin/bash
# The server and the client as two processes, as the comments in them say.
set -euo pipefail
folder=$(mktemp -d /tmp/greeter.XXXXXX)
trap 'rm -rf "$folder"' EXIT

coproc SERVER { exec examples/greeter/server "local:$folder/socket"; }
server=$SERVER_PID
read -r line <&"${SERVER[0]}"
[[ "$line" == "serving at local:$folder/socket" ]] || { echo "the server said: $line"; exit 1; }

reply=$(examples/greeter/client "local:$folder/socket" ann)
[[ "$reply" == "hello ann" ]] || { echo "the client said: $reply"; exit 1; }

kill "$server"
wait "$server" || { echo "the server's exit code after SIGTERM: $?"; exit 1; }
if reply=$(examples/greeter/client "local:$folder/socket" ann 2>&1); then
  echo "a client found a server that has gone: $reply"
  exit 1
fi
[[ "$reply" == *"is the server running?"* ]] || { echo "the client said: $reply"; exit 1; }
